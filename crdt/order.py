"""The one order of entries, as bytes that compare like it, and fingerprints of ranges of it.

    order key = subspace 32 ‖ per component: its bytes with 00 as 00 ff, then 00 01 ‖ 00 00 ‖
                timestamp 8, big-endian

compares as (subspace, path, timestamp) does, for paths of any depth: the end of a path sorts before
a further component, the end of a component before a longer one. All entries under a path prefix lie
together, so an area without a time range is one range of keys.

A fingerprint says whether two sets of entries are equal. Of each id's hash the eight lanes of
32 bits are added up exactly, so a database can do it in its own code; sums and count are then
hashed. As in negentropy, whoever crafts ids by the billion could make two sets look equal: that
hides a range until anything else in it changes, and corrupts nothing.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from crdt.area import Area
from crdt.entry import Entry
from crdt.path import Path

ITEM_ID_BYTES = 16
"""Of the 32-byte id of a signed entry: enough that nobody finds two with the same."""
FINGERPRINT_BYTES = 16
LANES = 8

_LANES_FORM: Final = struct.Struct(">8I")
_SUMS_FORM: Final = struct.Struct(">9Q")


def path_prefix_key(path: Path) -> bytes:
    """What the order key of every entry under `path` has after its subspace."""
    return b"".join(component.replace(b"\0", b"\0\xff") + b"\0\x01" for component in path)


def order_key(entry: Entry) -> bytes:
    """Bytes that compare as (subspace, path, timestamp) does."""
    timestamp = entry.timestamp.to_bytes(8, "big")
    return entry.subspace + path_prefix_key(entry.path) + b"\0\0" + timestamp


@dataclass(frozen=True, slots=True)
class Bounds:
    """The order keys from `lower` until before `upper` (None: to the end)."""

    lower: bytes = b""
    upper: bytes | None = None

    def includes(self, key: bytes) -> bool:
        """Whether an order key lies within."""
        return self.lower <= key and (self.upper is None or key < self.upper)


def area_bounds(area: Area) -> Bounds:
    """The narrowest range of order keys that holds every entry of `area`.

    Holds nothing else where `is_one_range(area)`: a time range, or a path in any subspace, picks
    entries from all over the range, and the caller asks `area.includes_entry` of each.
    """
    if area.subspace is None:
        return Bounds()
    lower = area.subspace + path_prefix_key(area.path)
    return Bounds(lower, _after_prefix(lower))


def is_one_range(area: Area) -> bool:
    """Whether `area_bounds(area)` holds the entries of the area and no others."""
    is_timeless = area.start == 0 and area.end is None
    return is_timeless and (area.subspace is not None or not area.path)


@dataclass(frozen=True, slots=True)
class RangeSummary:
    """How many entries a range holds, and a fingerprint of which."""

    count: int
    fingerprint: bytes


def lanes(id: bytes) -> tuple[int, ...]:
    """Eight numbers of 32 bits to be summed; the same for an id and its first 16 bytes."""
    return _LANES_FORM.unpack(blake3(id[:ITEM_ID_BYTES]).digest())


def fingerprint(sums: Sequence[int], count: int) -> bytes:
    """Sixteen bytes for the exact lane sums of `count` ids; the order they came in is lost."""
    assert len(sums) == LANES
    return blake3(_SUMS_FORM.pack(*sums, count)).digest(FINGERPRINT_BYTES)


def fingerprint_of(ids: Iterable[bytes]) -> bytes:
    """The fingerprint of these ids, in any order."""
    sums, count = [0] * LANES, 0
    for id in ids:
        sums = [total + lane for total, lane in zip(sums, lanes(id), strict=True)]
        count += 1
    return fingerprint(sums, count)


EMPTY_SUMMARY: Final = RangeSummary(0, fingerprint_of(()))


def _after_prefix(prefix: bytes) -> bytes | None:
    """The least key above all that begin with `prefix`; None where there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None
