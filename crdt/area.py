"""Areas: subspace × path prefix × time. The one filter for capabilities, sync, quotas and search.

An area is written relative to one that includes it:

    bits: subspace differs · end is open · start counts from the outer start · end does ·
          2-bit tag of the start's distance · 2-bit tag of the end's
    ‖ [subspace 32] ‖ bytes of the start's distance ‖ [bytes of the end's] ‖ what the path adds

A distance counts from whichever end is nearer, on a tie from the outer end; where the outer range
is open, from its start. Source: willowprotocol.org, "encode_area_in_area".
"""

from dataclasses import dataclass

from crdt.encoding import U64_MAX, Reader, c64, read_c64
from crdt.entry import Entry
from crdt.errors import Malformed
from crdt.keys import KEY_BYTES, AuthorKey
from crdt.path import Path, check_path_size, encode_path, read_path


@dataclass(frozen=True, slots=True)
class Area:
    """Entries of one subspace (None: any), under a path, from `start` until before `end`."""

    subspace: AuthorKey | None = None
    path: Path = ()
    start: int = 0
    end: int | None = None  # None: open

    def includes(self, other: "Area") -> bool:
        """Whether every entry that `other` could hold is in this one as well."""
        is_ended = self.end is None or (other.end is not None and other.end <= self.end)
        return (
            self.subspace in (None, other.subspace)
            and other.path[: len(self.path)] == self.path
            and self.start <= other.start
            and is_ended
        )

    def includes_entry(self, entry: Entry) -> bool:
        """Whether `entry` lies here. Says nothing of the namespace, which an area has not."""
        return (
            self.subspace in (None, entry.subspace)
            and entry.path[: len(self.path)] == self.path
            and self.start <= entry.timestamp
            and (self.end is None or entry.timestamp < self.end)
        )

    def intersection(self, other: "Area") -> "Area | None":
        """The area of exactly the entries in both; None where there can be none."""
        if None not in (self.subspace, other.subspace) and self.subspace != other.subspace:
            return None
        shorter, longer = sorted((self.path, other.path), key=len)
        if longer[: len(shorter)] != shorter:
            return None
        start = max(self.start, other.start)
        end = min((end for end in (self.end, other.end) if end is not None), default=None)
        if end is not None and end <= start:
            return None
        subspace = other.subspace if self.subspace is None else self.subspace
        return Area(subspace, longer, start, end)


def encode_area_in_area(inner: Area, outer: Area, *, willow_rs: bool = False) -> bytes:
    """The one encoding of `inner`, which `outer` includes.

    `willow_rs`: an open outer range ends at 2^64 - 1, as in the vectors fuzzed from willow-rs.
    """
    if not outer.includes(inner):
        raise ValueError("an area is written only relative to one that includes it")
    outer_end = U64_MAX if outer.end is None and willow_rs else outer.end
    is_start_from_start, start = _distance(inner.start, outer.start, outer_end)
    start_tag, start_bytes = c64(start, 2)
    header = start_tag << 2 | is_start_from_start << 5
    end_bytes = b""
    if inner.end is None:
        header |= 0x40
    else:
        is_end_from_start, end = _distance(inner.end, outer.start, outer_end)
        end_tag, end_bytes = c64(end, 2)
        header |= end_tag | is_end_from_start << 4
    subspace = b""
    if inner.subspace is not None and inner.subspace != outer.subspace:
        header |= 0x80
        subspace = inner.subspace
    added = encode_path(inner.path[len(outer.path) :])
    return bytes([header]) + subspace + start_bytes + end_bytes + added


def read_area_in_area(reader: Reader, outer: Area, *, willow_rs: bool = False) -> Area:
    """An area that `outer` includes, canonical or not; `Malformed` for any other."""
    header = reader.byte()
    is_new_subspace, is_open = bool(header & 0x80), bool(header & 0x40)
    if is_new_subspace and outer.subspace is not None:
        raise Malformed("area-subspace", "an area names a subspace within that of another")
    if is_open and outer.end is not None:
        raise Malformed("area-times", "an area without an end within one that ends")
    subspace = AuthorKey(reader.take(KEY_BYTES)) if is_new_subspace else outer.subspace
    outer_end = U64_MAX if outer.end is None and willow_rs else outer.end
    start = _moment(reader, header >> 2 & 3, bool(header & 0x20), outer.start, outer_end)
    end = None
    if not is_open:
        end = _moment(reader, header & 3, bool(header & 0x10), outer.start, outer_end)
    elif header & 0x10 and not willow_rs:
        raise Malformed("area-times", "an open end that counts from a start")
    if end is not None and end <= start and not willow_rs:  # their vectors hold such ranges
        raise Malformed("area-times", f"an area from {start} until {end}")
    path = outer.path + read_path(reader)
    check_path_size(path)
    inner = Area(subspace, path, start, end)
    if not outer.includes(inner) or start > (U64_MAX if outer_end is None else outer_end):
        raise Malformed("area-not-included", "an area that reaches out of the one it is part of")
    return inner


def _distance(moment: int, outer_start: int, outer_end: int | None) -> tuple[bool, int]:
    """Whether it counts from the outer start, and how far it is."""
    from_start = moment - outer_start
    if outer_end is None or from_start < outer_end - moment:
        return True, from_start
    return False, outer_end - moment


def _moment(
    reader: Reader, tag: int, is_from_start: bool, outer_start: int, outer_end: int | None
) -> int:
    distance = read_c64(reader, tag, 2)
    if is_from_start:
        moment = outer_start + distance
    elif outer_end is None:
        raise Malformed("area-times", "a time that counts from an end that is open")
    else:
        moment = outer_end - distance
    if not outer_start <= moment <= U64_MAX:
        raise Malformed("area-times", f"the time {moment} is outside")
    return moment
