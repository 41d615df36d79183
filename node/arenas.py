"""How much memory the C library may keep of what a node's threads freed.

glibc gives each thread that allocates an arena of its own, eight times as many as there are
processors, and what is freed in one of them is for its threads alone. A node that eight asked for
four states of 20 MB at once had 15 of them and kept 107 MiB that nothing used; with two it is 60,
and they take no longer with one.

What is freed between what is in use stays with the process. So when it rests after work that made
it larger, it gives such pages back: of 255 MB after eight readers, a scrub and uploads 158 stay.
"""

import asyncio
import ctypes
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ARENAS_MAX: Final = 1  # most of what allocates holds the interpreter, so few ever wait for it
_M_ARENA_MAX: Final = -8  # malloc.h
LOOK_S: Final = 5.0
GROWN_BYTES: Final = 16 << 20
"""Since it last gave some back: to look through all that is free takes up to 40 ms."""
RESTING: Final = 0.1
"""Of one processor: whoever works on will soon want again what would be given back."""
_STATM: Final = Path("/proc/self/statm")  # proc(5): sizes in pages, the second is what is resident


@dataclass(slots=True)
class Resting:
    """Tells when it is time to give memory back."""

    kept_bytes: int = 0
    """Resident when it last did."""
    cpu_s: float = 0.0
    """At the last look."""

    def is_time(self, resident_bytes: int, cpu_s: float) -> bool:
        """To be asked each `LOOK_S`; `cpu_s` of the process so far."""
        is_resting = cpu_s - self.cpu_s < RESTING * LOOK_S
        self.cpu_s = cpu_s
        self.kept_bytes = min(self.kept_bytes, resident_bytes)
        return is_resting and resident_bytes - self.kept_bytes >= GROWN_BYTES


def share_arenas() -> None:
    """From now on the threads of this process share a few; where it is not glibc, nothing."""
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, ARENAS_MAX)


def give_back() -> None:
    """All pages of which nothing is in use; where it is not glibc, nothing."""
    malloc_trim = _of_glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(ctypes.c_size_t(0))


async def keep_giving_back() -> None:
    """Whenever the process rests after it grew, until cancelled."""
    if _of_glibc("malloc_trim") is None or not _STATM.exists():
        return
    resting = Resting()
    while True:
        await asyncio.sleep(LOOK_S)
        times = os.times()
        if resting.is_time(resident_bytes(), times.user + times.system):
            await asyncio.to_thread(give_back)
            resting.kept_bytes = resident_bytes()


def resident_bytes() -> int:
    """Of this process, on Linux."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _of_glibc(name: str) -> Any | None:  # noqa: ANN401 - a function of C says nothing of its types
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
