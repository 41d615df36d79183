"""Changes that count, and fall if another branch of the same device wins.

    ○─○─●─○─○      ● counts   ◌ lost: a home was put back from a backup, say, and met the old one
        ╰◌─◌       two changes of one device with one number

Which of them counts turns with what others sign and who of them is heard of later; nobody is
revoked for that. So what was let go on the one is in doubt, and what stands beside both is not, as
long as all of it fits into one document. Of a branch nothing can be told of which nothing is here,
or only what lies two acts or more behind the other one's end.
Source: `crdt.authority`, which settles it.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from crdt import authority
from crdt.held import WAITING, Reason, Validity
from storage.materialise import Work

Slot: TypeAlias = tuple[bytes, int]
"""A device, and the number of a change of it."""

# What was built on a branch that lost contests others as soon as that wins.
_MAY_STAND: Final = frozenset({*WAITING, Reason.LOST_BRANCH, Reason.EXCLUDED_DEPENDENCY})


@dataclass(frozen=True, slots=True)
class Contested:
    """Of one document, as it is judged now."""

    changes: frozenset[bytes] = frozenset()
    """By their hashes: those on a branch that may lose, and all that count and build on them."""
    is_in_part: bool = False
    """Whether some of them may fall without others."""


def contested_in(work: Work, validity: Validity) -> Contested:
    """Linear in what is held and what it builds on."""
    twice = _used_twice(work, validity.excluded)
    if not twice:
        return Contested()
    lost = {slot for slot, reasons in twice.items() if Reason.LOST_BRANCH in reasons}
    waiting = {device for (device, _), reasons in twice.items() if reasons & WAITING}
    # Of what waits it is not known where it parted.
    all_at_once, others = set[bytes](), set[bytes]()
    for entry in validity.valid:  # parents first
        held = work.held[entry]
        slot = held.device, held.seq
        if slot in lost or not all_at_once.isdisjoint(held.dependencies):
            all_at_once.add(held.change)
        elif slot in twice or held.device in waiting or not others.isdisjoint(held.dependencies):
            others.add(held.change)
    return Contested(frozenset(all_at_once | others), bool(others or waiting) or len(lost) > 1)


def fits(work: Work) -> bool:
    """Whether all that is held would be within the size of a document."""
    changes = {one.change: one for one in work.held.values()}
    ops = sum(one.max_op - one.start_op + 1 for one in changes.values())
    return len(changes) <= authority.CHANGES_MAX and ops <= authority.OPS_MAX


def without(work: Work, validity: Validity, changes: frozenset[bytes]) -> Validity:
    """As it would be if these, and all that builds on them, did not count."""
    valid = tuple(one for one in validity.valid if work.held[one].change not in changes)
    ops = sum(work.held[one].max_op - work.held[one].start_op + 1 for one in valid)
    return replace(validity, valid=valid, ops=ops)


def is_contested(work: Work, left_out: Mapping[bytes, str]) -> bool:
    """Whether one device signed two branches, of which one may wait for its rest."""
    return bool(_used_twice(work, left_out))


def _used_twice(work: Work, left_out: Mapping[bytes, str]) -> dict[Slot, set[str]]:
    """Where branches are side by side: why what is there does not count, and may yet."""
    found, there = defaultdict[Slot, set[str]](set), defaultdict[Slot, set[bytes]](set)
    for entry, reason in left_out.items():
        if reason in _MAY_STAND:
            held = work.held[entry]
            found[held.device, held.seq].add(reason)
            if held.prev is not None and held.prev not in work.held:  # another than is here, maybe
                found[held.device, held.seq - 1].add(reason)
                there[held.device, held.seq - 1].add(held.prev)
    if not found:
        return {}
    for held in work.held.values():
        there[held.device, held.seq].add(held.change)
    return {slot: reasons for slot, reasons in found.items() if len(there[slot]) > 1}
