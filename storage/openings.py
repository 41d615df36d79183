"""How an epoch began: what was in it when a device opened it, before anybody acted in it.

    ○─○─○─●─○─○─○─○      ○ carried over   ● opened (`carried` is set)   then acts, which let go
    ○─○─●─┘              two devices may have gone on apart, and then met

What an epoch began with and says no more, somebody let go there. That holds as long as all in it is
under one opening alone, or builds on one. Where half of a roll-over is here beside a whole one, it
cannot be told; nor where a device of an older version carried over into what another had left
unfinished, since that deleted, too.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from crdt.held import Validity
from crdt.rollover import CARRIED
from storage.materialise import Work

# That are tried: each is loaded. Hardly ever are there two, and what builds on one is none.
OPENINGS_MAX: Final = 8
_SETS: Final = CARRIED.encode()


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
    ops = sum(work.held[one].max_op - work.held[one].start_op + 1 for one in valid)
    return replace(validity, valid=valid, ops=ops)


def may_open(work: Work, validity: Validity) -> list[Validity]:
    """Each change that may have opened the epoch, the last, with all that it builds on; parents
    first.

    The one that did has one operation alone (`crdt.rollover`), and says that. All raw changes are
    in `work`.
    """
    held = [(entry, work.held[entry]) for entry in validity.valid]
    alone = [
        one.change
        for entry, one in held
        if one.start_op == one.max_op and _SETS in work.raws[entry]
    ]
    found = [under(work, validity, {change}) for change in alone[:OPENINGS_MAX]]
    return [one for one in found if one is not None]


def is_on_one(validity: Validity, opened: Sequence[Validity]) -> bool:
    """Whether one of `opened` is among what this builds on: then this opened nothing."""
    valid = frozenset(validity.valid)
    return any(valid.issuperset(one.valid) for one in opened)


def first_openings(work: Work, validity: Validity, opened: Sequence[Validity]) -> list[Validity]:
    """They; none where it cannot be told what was let go since.

    `opened`: those of `may_open` with which it is open, and with no other of them among them.
    """
    begun = {entry for one in opened for entry in one.valid}
    if len(begun) < sum(len(one.valid) for one in opened):
        return []
    after = {work.held[one.valid[-1]].change for one in opened}
    for entry in validity.valid:  # parents first
        if entry not in begun:
            held = work.held[entry]
            if after.isdisjoint(held.dependencies):
                return []
            after.add(held.change)
    return [*opened]
