"""One epoch of a record as it was read: what it says, may say yet, and began with.

    changes ─┬─ count ───────────────────────────────────▸ it says so
             ├─ would, if nothing had been revoked ──────▸ that too
             ├─ do, unless another branch of the same
             │  device wins yet ─────────────────────────▸ that without them, too
             ├─ do not, in none of these ────────────────▸ what they mention may come back
             └─ repeat what counts

Whichever branch of a device wins, what is on none of them counts, so what that let go is gone: what
else may be there, a branch put there, which mentions it.

A snapshot is known by its id and any other blob by its own: both are hashes, and what says one has
it in its bytes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from crdt.held import WAITING, Reason, Validity
from crdt.usable import REFUSED_MAX
from storage.contested import contested_in, fits, without
from storage.listing import Listing, Parts
from storage.materialise import Built, Work, judge

Keys: TypeAlias = frozenset[bytes]
"""What names a blob: the id of a snapshot, or of the blob itself."""

# A key of a map, 64 hex digits behind their length; and a byte string of CBOR, of 32 bytes.
_KEY: Final = re.compile(rb"@([0-9a-f]{64})")
_BYTES: Final = re.compile(rb"(?=\x58\x20(.{32}))", re.DOTALL)
_READ_OPS: Final = 1_000
"""What the smallest epoch costs, in operations: some 2 ms."""
_HELD_OPS: Final = 10
"""What an entry costs in being judged, in operations."""
_SEARCHED_PER_OP: Final = 16
"""Bytes that are looked through in the time of an operation, about."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """All raw changes are in `work`."""

    work: Work
    counted: Validity
    """What counts of it, without what the library refuses."""
    now: Listing | None
    """None: it is deleted, or cannot be read here."""
    says: Sequence[Listing] | None
    """`now`, as it would be if nothing were revoked, and both without what is contested; None: that
    cannot be told."""
    fallen: tuple[bytes, ...]
    """Raw changes that count in none of these, and might some day; and those that may fall in part,
    as more than one branch is contested."""
    contested: frozenset[bytes]
    """Changes that count, and fall if another branch of the same device wins."""
    cost: int
    """In operations."""

    def mentioned(self, keys: AbstractSet[bytes]) -> Keys:
        """Those of `keys` that may come back with what does not count."""
        return mentioned(self.fallen, keys)

    @property
    def uncounted(self) -> list[bytes]:
        """Raw changes that do not count now, whether or not they would if nothing were revoked; and
        those of `fallen`."""
        counts = {self.work.held[entry].change for entry in self.counted.valid}
        held = self.work.held.items()
        raws = (self.work.raws[entry] for entry, one in held if one.change not in counts)
        return [*dict.fromkeys((*raws, *self.fallen))]

    def says_of(self, keys: Keys) -> Keys:
        """Which of `keys` it says or may say: all of them where that cannot be told."""
        if self.says is None:
            return keys
        said = (keys_of(listing) for listing in self.says)
        return keys.intersection(frozenset[bytes]().union(*said)) | self.mentioned(keys)


def mentioned(raws: Iterable[bytes], keys: AbstractSet[bytes]) -> Keys:
    """Those of `keys` that stand in one of these changes."""
    found = set[bytes]()
    for raw in raws:
        found |= keys & {bytes.fromhex(key.decode()) for key in _KEY.findall(raw)}
        found |= keys & {*_BYTES.findall(raw)}
    return frozenset(found)


def unrevoked(work: Work) -> tuple[Work, Validity]:
    """As it would be if nothing had been revoked."""
    free = replace(work, authority=replace(work.authority, revocations=(), checkpoints=()))
    return free, judge(free)


def uncontested(judged: Sequence[tuple[Work, Validity]]) -> list[tuple[Work, Validity]]:
    """Those of these in which something is contested, without that."""
    each = [(work, validity, contested_in(work, validity).changes) for work, validity in judged]
    return [(work, without(work, validity, those)) for work, validity, those in each if those]


def is_cut(work: Work, validity: Validity) -> bool:
    """Whether `unrevoked` it may say something else."""
    has_any = bool(work.authority.revocations or work.authority.checkpoints)
    return has_any and _has_fallen(validity)


def _has_fallen(validity: Validity) -> bool:
    """Whether something does not count that is here whole, and nothing else says."""
    return not {*validity.excluded.values()} <= {*WAITING, Reason.REPEATED}


def epoch_of(
    judged: Sequence[tuple[Work, Validity]], built: Sequence[Built], beside: Sequence[Built] = ()
) -> Epoch:
    """`judged`: as it is, and where that `is_cut`, `unrevoked`; `built` of both. `beside`: of those
    of both in which something is contested, without that."""
    taken = [_taken(*one, its) for one, its in zip(judged, built, strict=True)]
    work = judged[0][0]
    now, *free = (contested_in(*one) for one in judged)
    contested = [one for one in (now, *free) if one.changes]
    # What counts now or if nothing were revoked: beside a branch that may win only what does now.
    sure = taken[:1] if contested else taken
    counts = {work.held[entry].change for validity in sure for entry in validity.valid}
    counts -= frozenset[bytes]().union(*(one.changes for one in contested if one.is_in_part))
    fallen = tuple(work.raws[entry] for entry, one in work.held.items() if one.change not in counts)
    states = [*built, *beside]
    listings = [one.projection for one in states if isinstance(one.projection, Listing)]
    refused = sum(
        len(_refused(validity, its)) for (_, validity), its in zip(judged, built, strict=True)
    )
    is_whole = not refused and not _has_fallen(judged[-1][1])
    # Only of what universes say is it known how that stands in their changes.
    is_told = len(listings) == len(states) and (
        is_whole or all(one.parts is not None for one in listings)
    )
    if contested and not fits(work):  # what no longer fits may be another
        is_told = False
    shown = built[0].projection
    return Epoch(
        work,
        taken[0],
        shown if isinstance(shown, Listing) else None,
        listings if is_told else None,
        fallen,
        now.changes,
        (1 + min(refused, REFUSED_MAX)) * sum(cost_of(validity) for _, validity in judged)
        + sum(cost_of(validity) for _, validity in uncontested(judged))
        + sum(map(len, fallen)) // _SEARCHED_PER_OP
        + len(work.held) * _HELD_OPS,
    )


def cost_of(validity: Validity) -> int:
    """Of building that, in operations."""
    return _READ_OPS + validity.ops


def _taken(work: Work, validity: Validity, built: Built) -> Validity:
    """Without what the library refuses: it would count if others were not there."""
    refused = _refused(validity, built)
    if not refused:
        return validity
    return replace(validity, valid=tuple(one for one in validity.valid if one not in refused))


def _refused(validity: Validity, built: Built) -> AbstractSet[bytes]:
    return built.left_out.keys() - validity.excluded.keys()


def keys_of(listing: Listing) -> Keys:
    """All that names a blob, also what has no place in the lists."""
    ids = {bytes.fromhex(blob.id) for blob in listing.blobs}
    if listing.parts is not None:
        ids |= listing.parts.snapshots.keys() | listing.parts.beyond.keys()
    return frozenset(ids)


def named_by(listings: Iterable[Listing], known: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Blobs by what names them, of snapshots those that were signed: to forget by, a name too many
    is one too many. `known`: of another state of it; a snapshot's id says all that it is."""
    named = dict[bytes, bytes]()
    for listing in listings:
        named |= {id: id for id in (bytes.fromhex(one.id) for one in listing.blobs)}
        if (parts := listing.parts) is not None:
            for id, data in (*parts.snapshots.items(), *parts.beyond.items()):
                if id not in named and (blob := known.get(id) or _blob_of(id, data, parts)):
                    named[id] = blob
    return named


def _blob_of(id: bytes, data: bytes, parts: Parts) -> bytes | None:
    row = parts.read_snapshot(id, data)
    return None if row is None else row.blob
