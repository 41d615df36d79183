"""A world for the demo: dishes of Life, kept going by the bundled modules themselves.

Its state is the dishes one after another, 64 × 64 bytes each, row by row, 0 = dead, 1 = alive: the
memory of `io.panspermia.life`. A soup is what `census` leaves of a seed after no generation.
"""

from collections.abc import Mapping
from typing import Final

import wasmtime

DISHES: Final = 8
DISH_BYTES: Final = 64 * 64
LIFE: Final = "io.panspermia.life"
NEEDED: Final = (LIFE, "io.panspermia.rng", "io.panspermia.digest", "io.panspermia.census")
"""Each behind those that it imports."""


class Dishes:
    """The modules, by their ids, as they were published."""

    def __init__(self, modules: Mapping[str, bytes]) -> None:
        engine = wasmtime.Engine()
        self._store = wasmtime.Store(engine)
        linker = wasmtime.Linker(engine)
        for id in NEEDED:
            instance = linker.instantiate(self._store, wasmtime.Module(engine, modules[id]))
            linker.define_instance(self._store, id, instance)
        self._linker = linker
        memory = linker.get(self._store, LIFE, "memory")
        assert isinstance(memory, wasmtime.Memory), "its text says so"
        self._memory = memory

    def poured(self) -> bytes:
        """The first state: a soup in each dish, of the seeds 1, 2, …"""
        return b"".join(self._soup(seed) for seed in range(1, DISHES + 1))

    def after(self, state: bytes, generations: int) -> bytes:
        """The state so many generations on. Each dish is a world of its own."""
        dishes = (state[at : at + DISH_BYTES] for at in range(0, len(state), DISH_BYTES))
        return b"".join(self._grown(dish, generations) for dish in dishes)

    def _soup(self, seed: int) -> bytes:
        self._function(NEEDED[-1], "census")(self._store, seed, 0)
        return bytes(self._memory.read(self._store, 0, DISH_BYTES))

    def _grown(self, dish: bytes, generations: int) -> bytes:
        self._memory.write(self._store, dish, 0)
        step = self._function(LIFE, "step")
        for _ in range(generations):
            step(self._store)
        return bytes(self._memory.read(self._store, 0, DISH_BYTES))

    def _function(self, id: str, name: str) -> wasmtime.Func:
        found = self._linker.get(self._store, id, name)
        assert isinstance(found, wasmtime.Func), "its text says so"
        return found


def living(state: bytes) -> int:
    """How many cells are alive."""
    return state.count(1)
