"""How much memory the C library may keep for a node's threads.

glibc gives each thread that allocates an arena of its own, eight times as many as there are
processors, and what is freed in one of them is for its threads alone. A node that eight asked for
four states of 20 MB at once had 15 of them and kept 107 MiB that nothing used; with two it is 60.
"""

import ctypes
import sys
from typing import Final

ARENAS_MAX: Final = 2  # most of what allocates holds the interpreter, so few ever wait for one
_M_ARENA_MAX: Final = -8  # malloc.h


def share_arenas() -> None:
    """From now on the threads of this process share a few; where it is not glibc, nothing."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, ARENAS_MAX)
