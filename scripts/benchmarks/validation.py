"""How fast WebAssembly modules are judged: in the worker that `publish` and `install` ask.

Modules of functions that compute, 100 KB and 1 MB of code, one after the other through one worker;
counted is the whole answer, the message to the child and the digest included.
"""

import asyncio
import time
from statistics import median
from typing import Any, Final

import wasmtime

from node.workers.workers import WorkerConfig, Workers

SMALL_BYTES: Final = 100_000
LARGE_BYTES: Final = 1_000_000
SMALL_ROUNDS: Final = 100
LARGE_ROUNDS: Final = 15
SMALL_PER_S_MIN: Final = 50
LARGE_MS_MAX: Final = 100

FUNCTION: Final = (
    "(func (param i32 i32) (result i32) (local i32)"
    " local.get 0 local.get 1 i32.add i32.const 12345 i32.xor local.set 2"
    " (block (loop local.get 2 i32.const 7 i32.mul i32.const 1000003 i32.rem_u local.tee 2"
    " i32.eqz br_if 1 local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0)) local.get 2)"
)


def main() -> dict[str, Any]:
    """Modules a second, and milliseconds of the large one: medians, by the clock."""
    small, large = module_of(SMALL_BYTES), module_of(LARGE_BYTES)
    small_s, large_s = asyncio.run(judged(small, large))
    per_s, large_ms = 1 / median(small_s), median(large_s) * 1000
    return {
        "small_bytes": len(small),
        "small_per_s": round(per_s),
        "small_per_s_min": SMALL_PER_S_MIN,
        "large_bytes": len(large),
        "large_ms": round(large_ms, 1),
        "large_ms_max": LARGE_MS_MAX,
        "held": per_s >= SMALL_PER_S_MIN and large_ms < LARGE_MS_MAX,
    }


def module_of(size_bytes: int) -> bytes:
    """A module of about this size."""
    one = len(wasmtime.wat2wasm(f"(module {FUNCTION} {FUNCTION})")) - len(
        wasmtime.wat2wasm(f"(module {FUNCTION})")
    )
    return bytes(wasmtime.wat2wasm(f"(module {FUNCTION * (size_bytes // one)})"))


async def judged(small: bytes, large: bytes) -> tuple[list[float], list[float]]:
    """Seconds of each; the child has started before."""
    workers = Workers(WorkerConfig())
    try:
        assert (await workers.validate(small)).ok
        return (
            [await took_s(workers, small) for _ in range(SMALL_ROUNDS)],
            [await took_s(workers, large) for _ in range(LARGE_ROUNDS)],
        )
    finally:
        await workers.close()


async def took_s(workers: Workers, wasm: bytes) -> float:
    started_s = time.perf_counter()
    verdict = await workers.validate(wasm)
    assert verdict.ok, verdict
    return time.perf_counter() - started_s
