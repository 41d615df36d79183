"""The one configuration of wasmtime, for checking and, metered, for running."""

from collections.abc import Mapping

import wasmtime

from registry.wasm.features import PINNED

STACK_BYTES = 512 << 10  # a thread's stack is 8 MiB on Linux, 512 KiB on macOS's other threads
GROWTH_BYTES = 1 << 20  # room kept when a memory moves, so that growing by pages is not quadratic


def configuration(features: Mapping[str, bool] = PINNED) -> wasmtime.Config:
    config = wasmtime.Config()
    for name, on in features.items():
        setattr(config, f"wasm_{name}", on)
    return config


def metered_configuration() -> wasmtime.Config:
    """Counts fuel, stops at a deadline, gives the same bits on every processor.

    A memory gets only the addresses it uses: wasmtime's usual 4 GiB for each would not fit under
    RLIMIT_AS. Single-threaded, so a compilation's CPU time is bounded by its wall clock.
    """
    config = configuration()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.cranelift_nan_canonicalization = True
    config.parallel_compilation = False
    config.memory_init_cow = False  # it maps a file, and the runner may write none
    config.memory_reservation = 0
    config.memory_guard_size = 0
    config.memory_reservation_for_growth = GROWTH_BYTES
    config.max_wasm_stack = STACK_BYTES
    return config
