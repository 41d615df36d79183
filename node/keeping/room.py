"""How much may be kept on this disk, and what gives way where a person needs its room.

`keep.budget` says how much at most. A disk that has less room for it bounds it further: what is
kept leaves a part of the rest for what this person fetches and adds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from node.keeping.plan import Kept, Plan

LEFT_PARTS: Final = 8
"""One of so many parts of the room is left; half of one, before what is kept shrinks for it."""
ENOUGH: Final = 2
"""Times the budget: where so much is free, the disk bounds nothing."""
GROWS_PARTS: Final = 16
"""Of what may be kept, at once: what the disk has room for changes with every file on it."""

DISK_S: Final = 60.0
"""What had no room, and what is not smaller, rests so long."""
SMALL_BYTES: Final = 1 << 20
"""Where not even so much has room, all rest."""


@dataclass(slots=True)
class FullDisk:
    """What had no room on the disk of late."""

    until_s: float = 0.0
    size: int = 0
    """Of the smallest of them."""

    def note(self, size: int, *, now_s: float) -> None:
        """So many bytes had none."""
        self.size = min(size, self.size) if now_s < self.until_s else size
        self.until_s = now_s + DISK_S

    def keeps_out(self, size: int, *, now_s: float) -> bool:
        """Whether so many bytes are not to be tried now."""
        return now_s < self.until_s and size >= self.size

    @property
    def all_rest_until_s(self) -> float:
        return self.until_s if self.size <= SMALL_BYTES else 0.0


def budget_on_disk(budget: int, room: int, before: int) -> int:
    """What may be kept, of `room` bytes that there are for it and for a person's blobs.

    It stays what it was at last (`before`) for little: so what goes at its edge does not come back
    with the next file that is deleted.
    """
    part = max(0, room) // LEFT_PARTS
    fits = max(0, room) - part
    if fits >= budget:
        return budget
    least, most = before - part // 2, before + before // GROWS_PARTS
    return min(before, budget) if least <= fits < most else fits


def gives_way(plan: Plan, kept: Iterable[Kept]) -> list[Kept]:
    """What is kept, in the order in which it goes for a person: what leaves in any case, then what
    was chosen, the last to be fetched first; after all that, in the same order, what this person
    published by another device."""
    leaving = {one.blob: place for place, one in enumerate(plan.leaving)}
    turn = {blob: place for place, blob in enumerate(plan.chosen.blobs)}
    return sorted(
        kept,
        key=lambda one: (
            one.blob in plan.own,
            one.blob in turn and one.blob not in leaving,
            leaving.get(one.blob, -1) if one.blob in leaving else -turn.get(one.blob, 0),
            one.blob,
        ),
    )
