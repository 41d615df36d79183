"""One door through which bytes of strangers come, and what a call of it may cost."""

import functools
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from tests.fuzz.mutation import Mutate, mutate_bytes

SECONDS = 1.0
"""Of the processor, for one call. All of ours take milliseconds; this is what hurts a node."""
MEMORY_BYTES = 16 << 20
"""Of Python's own memory at one time, for one call."""
NATIVE_BYTES = 256 << 20
"""By which the process may grow in one call: for memory that Python does not count."""
SIZE_MAX = 1 << 17


class OverLimit(AssertionError):
    """A call took more time or memory than its target allows."""


@dataclass(frozen=True, slots=True)
class Target:
    """`run` takes any bytes, and raises nothing but `refusals`."""

    name: str
    run: Callable[[bytes], object]
    make_seeds: Callable[[], Sequence[bytes]]
    refusals: tuple[type[Exception], ...]
    mutate: Mutate = mutate_bytes
    inputs: int = 4_000  # of them in ./scripts/test; fewer where a call is dear
    size_max: int = SIZE_MAX  # bytes of an input; beyond what the door itself lets pass
    seconds: float = SECONDS
    memory_bytes: int = MEMORY_BYTES

    @property
    def seeds(self) -> Sequence[bytes]:
        """Valid inputs, or such as once hurt; made once."""
        return _made(self.make_seeds)

    def call(self, data: bytes) -> bool:
        """Whether `data` was taken, not refused. Raises `OverLimit`, and whatever is a fault."""
        started_s, size = time.thread_time(), process_bytes()
        is_taken = self._verdict(data)
        took_s, grew = time.thread_time() - started_s, process_bytes() - size
        if took_s > self.seconds:
            raise OverLimit(f"{self.name}: {took_s:.2f} s for {len(data)} bytes")
        if grew > NATIVE_BYTES:
            raise OverLimit(f"{self.name}: the process grew by {grew >> 20} MiB")
        return is_taken

    def measure(self, data: bytes) -> bool:
        """As `call`, but of memory alone: counting it makes a call three to ten times as slow."""
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            is_taken = self._verdict(data)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        if peak - before > self.memory_bytes:
            raise OverLimit(f"{self.name}: {peak - before:,} bytes of memory for {len(data)}")
        return is_taken

    def _verdict(self, data: bytes) -> bool:
        try:
            self.run(data)
        except self.refusals:
            return False
        return True

    def inputs_of(self, random: Random, count: int) -> Sequence[bytes]:
        """So many inputs, the seeds first; the same for the same random state."""
        more = max(0, count - len(self.seeds))
        return [*self.seeds[:count], *(self.mutated(random) for _ in range(more))]

    def mutated(self, random: Random) -> bytes:
        """One of the seeds with faults in it."""
        return self.mutate(random.choice(self.seeds), random, self.seeds)[: self.size_max]


@functools.cache
def _made(make_seeds: Callable[[], Sequence[bytes]]) -> Sequence[bytes]:
    return make_seeds()


def process_bytes() -> int:
    """The most that this process has ever held, all libraries counted."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10
