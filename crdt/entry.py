"""A Willow'25 entry: what an author signs, and the only thing that is replicated.

    namespace 32 ‖ subspace 32 ‖ path ‖ timestamp ‖ payload length ‖ payload digest 32

with the two numbers as an 8-bit tag each and the bytes that follow it. Timestamps are microseconds
of TAI since J2000, as the author claims them. Source: willowprotocol.org, "encode_entry".
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

from crdt.digest import DIGEST_BYTES
from crdt.encoding import Reader, c64, read_c64
from crdt.errors import Malformed
from crdt.keys import KEY_BYTES, AuthorKey, NamespaceKey
from crdt.path import Path, encode_path, read_path

ENTRY_BYTES_MAX = 9 << 10
"""The longest has 8,310 bytes: a path of 4,096 components of one byte, each with its length."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Metadata of one payload. `timestamp` in µs TAI since J2000, `payload_length` in bytes."""

    namespace: NamespaceKey
    subspace: AuthorKey
    path: Path
    timestamp: int
    payload_length: int
    payload_digest: bytes
    read_from: bytes | None = field(default=None, init=False, repr=False, compare=False)
    """What `decode_entry` was given: session, door and store each ask for the encoding again."""


def encode_entry(entry: Entry) -> bytes:
    """The bytes that are signed."""
    return entry.read_from or _encode(entry)


def _encode(entry: Entry) -> bytes:
    timestamp_tag, timestamp = c64(entry.timestamp, 8)
    length_tag, length = c64(entry.payload_length, 8)
    return b"".join(
        (
            entry.namespace,
            entry.subspace,
            encode_path(entry.path),
            bytes((timestamp_tag,)),
            timestamp,
            bytes((length_tag,)),
            length,
            entry.payload_digest,
        )
    )


def read_entry(reader: Reader) -> Entry:
    """An entry, canonical or not."""
    namespace, subspace = NamespaceKey(reader.take(KEY_BYTES)), AuthorKey(reader.take(KEY_BYTES))
    path = read_path(reader)
    timestamp = read_c64(reader, reader.byte(), 8)
    payload_length = read_c64(reader, reader.byte(), 8)
    return Entry(namespace, subspace, path, timestamp, payload_length, reader.take(DIGEST_BYTES))


def decode_entry(data: bytes) -> Entry:
    """The entry whose one encoding is `data`, and all of it; `Malformed` for anything else."""
    if len(data) > ENTRY_BYTES_MAX:
        raise Malformed("entry-too-long", f"an entry of {len(data)} bytes")
    reader = Reader(data)
    entry = read_entry(reader)
    reader.finish()
    if _encode(entry) != data:
        raise Malformed("not-canonical", "an entry with a number longer than it must be")
    object.__setattr__(entry, "read_from", data)
    return entry


_J2000_TAI_S: Final = 946_728_000
"""2000-01-01 12:00:00 TAI in seconds since 1970 on TAI's own clock, as willow-rs counts."""

_LEAP_SECONDS: Final = (
    (0, 32),  # since 1999-01-01, before J2000
    (1_136_073_600, 33),  # 2006-01-01
    (1_230_768_000, 34),  # 2009-01-01
    (1_341_100_800, 35),  # 2012-07-01
    (1_435_708_800, 36),  # 2015-07-01
    (1_483_228_800, 37),  # 2017-01-01, the last one so far (IERS Bulletin C)
)
"""From which Unix second on TAI is how many seconds ahead of UTC."""
_LEAPS_UNIX: Final = tuple(unix_s for unix_s, _ in _LEAP_SECONDS)
_LEAPS_TAI: Final = tuple(unix_s + ahead_s for unix_s, ahead_s in _LEAP_SECONDS)


def tai_from_unix_us(unix_us: int) -> int:
    """The timestamp of a Unix time; 0 for a clock that stands before J2000."""
    ahead_s = _LEAP_SECONDS[max(0, bisect_right(_LEAPS_UNIX, unix_us // 1_000_000) - 1)][1]
    return max(0, unix_us + (ahead_s - _J2000_TAI_S) * 1_000_000)


def unix_us_from_tai(timestamp: int) -> int:
    """The Unix time of a timestamp; may exceed 63 bits, since an author may claim any."""
    tai_us = timestamp + _J2000_TAI_S * 1_000_000
    ahead_s = _LEAP_SECONDS[max(0, bisect_right(_LEAPS_TAI, tai_us // 1_000_000) - 1)][1]
    return tai_us - ahead_s * 1_000_000
