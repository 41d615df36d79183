"""How an epoch began: what was in it when a device opened it, before anybody acted in it.

    ○─○─○─●─○─○─○─○      ○ carried over   ● opened (`carried` is set)   then acts, which let go
    ○─○─●─┘              two devices may have gone on apart, and then met

What an epoch began with and says no more, somebody let go there. That holds as long as all in it is
under one opening alone, or builds on one. Where somebody carried over into what another had left
unfinished, or half of a roll-over is here beside a whole one, it cannot be told: carrying over
deletes, too.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from crdt.held import Validity
from storage.materialise import Work

OPENINGS_MAX: Final = 16  # that are tried: each is loaded, and hardly ever are there two


def under(work: Work, validity: Validity, heads: AbstractSet[bytes]) -> Validity | None:
    """The valid changes that these heads build on, and themselves; None where not all are here."""
    by_change = {work.held[entry].change: entry for entry in validity.valid}
    found: set[bytes] = set()
    todo = list(heads)
    if not heads <= by_change.keys():
        return None
    while todo:
        change = todo.pop()
        if change not in found and change in by_change:
            found.add(change)
            todo += work.held[by_change[change]].dependencies
    valid = tuple(one for one in validity.valid if work.held[one].change in found)
    return replace(validity, valid=valid)


def may_open(work: Work, validity: Validity) -> list[Validity]:
    """Each change that may have opened the epoch, the last, with all that it builds on.

    The one that did has one operation alone (`crdt.rollover`); few others have.
    """
    held = [work.held[entry] for entry in validity.valid]
    alone = [one.change for one in held if one.start_op == one.max_op][:OPENINGS_MAX]
    found = [under(work, validity, {change}) for change in alone]
    return [one for one in found if one is not None]


def first_openings(work: Work, validity: Validity, opened: Sequence[Validity]) -> list[Validity]:
    """Those with no other among them; none where it cannot be told what was let go since.

    `opened`: those of `may_open` with which it is open.
    """
    sets = [frozenset(one.valid) for one in opened]
    first = [
        one for one, its in zip(opened, sets, strict=True) if not any(other < its for other in sets)
    ]
    begun = {entry for one in first for entry in one.valid}
    if len(begun) < sum(len(one.valid) for one in first):
        return []
    after = {work.held[one.valid[-1]].change for one in first}
    for entry in validity.valid:  # parents first
        if entry not in begun:
            held = work.held[entry]
            if after.isdisjoint(held.dependencies):
                return []
            after.add(held.change)
    return first
