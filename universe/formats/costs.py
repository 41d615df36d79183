"""What it costs to look through large texts: bounded for each, and for all of an import together.

A .gz of 260 KB may hold 256 MiB, each of them a step of its own or an object in memory. So what is
gone over is counted, and not how large a file is as it lies.
"""

from collections.abc import Iterable
from typing import Final

from registry.formats.errors import InvalidFile, Place
from universe.formats.imported import About, LyingFile
from universe.formats.limits import (
    ALL_CHECKED_BYTES_MAX,
    ALL_LISTED_MAX,
    ALL_PARTS_BYTES_MAX,
    ALL_SAVES_BYTES_MAX,
    ALL_SAVES_TIMES_MAX,
    MEMBERS_MAX,
    PARTS_BYTES_MAX,
    SAVE_BYTES_MAX,
    STEP_BYTES,
)

BY_ITSELF: Final = "import it by itself"


class TooMuch(InvalidFile):
    """Beyond what is looked through of one file, or of all of them together."""


def about_of(wrong: InvalidFile) -> About:
    """As what it is told."""
    return About.TOO_MUCH if isinstance(wrong, TooMuch) else About.UNREADABLE


class Bound:
    """So many of one file, and so many of all of them together."""

    def __init__(self, what: str, one_max: int, all_max: int) -> None:
        self._what, self._one_max, self._all_max = what, one_max, all_max
        self._one, self._all = one_max, all_max

    @property
    def left(self) -> int:
        return max(0, min(self._one, self._all))

    def begin(self, file: str) -> None:
        """Another file. Raises `TooMuch` where nothing is left for it."""
        self._one = self._one_max
        self.spend(0, file)

    def spend(self, count: int, file: str, place: Place | None = None) -> None:
        """Raises `TooMuch`; what is spent stays so."""
        self._one -= count
        self._all -= count
        if self._all < 0:
            reason = f"beyond {self._all_max:,} {self._what} in all such files together"
            raise TooMuch(file, Place(), f"{reason}: {BY_ITSELF}")
        if self._one < 0:
            reason = f"more than {self._one_max:,} {self._what} in one file"
            raise TooMuch(file, place or Place(), reason)


class Costs:
    """Of all SaveFiles, or saves, of one import."""

    def __init__(self, lying: Iterable[LyingFile] = ()) -> None:
        """`lying`: all of these, as they were found."""
        lying_bytes = sum(min(one.size, SAVE_BYTES_MAX) for one in lying)
        all_bytes = ALL_SAVES_BYTES_MAX + ALL_SAVES_TIMES_MAX * lying_bytes
        one_steps, all_steps = SAVE_BYTES_MAX // STEP_BYTES, all_bytes // STEP_BYTES
        self.bytes = Bound("bytes, unpacked,", SAVE_BYTES_MAX, all_bytes)
        self.steps = Bound("values that hold others", one_steps, all_steps)
        self.parts = Bound("bytes of what is read of worlds", PARTS_BYTES_MAX, ALL_PARTS_BYTES_MAX)
        self.universes = Bound("universes", MEMBERS_MAX, ALL_LISTED_MAX)
        self.checked = Bound("bytes to be checked", ALL_CHECKED_BYTES_MAX, ALL_CHECKED_BYTES_MAX)

    def begin(self, file: str) -> None:
        """Before a file is read. Raises `TooMuch`."""
        for one in (self.bytes, self.steps, self.parts, self.universes):
            one.begin(file)

    def unpacked(self, data: bytes, file: str) -> bytes:
        """What was read of it. Raises `TooMuch`."""
        self.bytes.spend(len(data), file)
        return data
