"""Small inputs that hurt the Automerge library: seconds, gigabytes, panics, an aborted process.

Builders of bytes, shared by the tests. Whatever is made here is well formed as far as checksums go,
as an attacker would make it; noise is left to hypothesis.
"""

import hashlib
import zlib
from collections.abc import Sequence
from typing import TypedDict, Unpack

from crdt.leb128 import uleb
from crdt.preflight import MAGIC

ACTOR = b"\x07" * 32
Columns = Sequence[tuple[int, bytes]]


class Head(TypedDict, total=False):
    """What the head of a change says, where a test wants another value."""

    actor: bytes
    seq: int
    start_op: int
    dependencies: Sequence[bytes]


def sleb(number: int) -> bytes:
    """`number` as signed LEB128."""
    out = bytearray()
    while True:
        byte, number = number & 0x7F, number >> 7
        if (number, byte & 0x40) in ((0, 0), (-1, 0x40)):
            return bytes([*out, byte])
        out.append(byte | 0x80)


def chunk(body: bytes, *, compressed: bool = False) -> bytes:
    """A change chunk with the right checksum."""
    digest = hashlib.sha256(b"\x01" + uleb(len(body)) + body).digest()
    if compressed:
        body = deflate(body)
    return MAGIC + digest[:4] + bytes([2 if compressed else 1]) + uleb(len(body)) + body


def body(
    columns: Columns,
    *,
    actor: bytes = ACTOR,
    seq: int = 1,
    start_op: int = 1,
    dependencies: Sequence[bytes] = (),
    message: bytes = b"",
    others: Sequence[bytes] = (),
    extra: bytes = b"",
) -> bytes:
    """The body of a change."""
    head = uleb(len(dependencies)) + b"".join(dependencies) + uleb(len(actor)) + actor
    head += uleb(seq) + uleb(start_op) + sleb(0) + uleb(len(message)) + message
    head += uleb(len(others)) + b"".join(uleb(len(other)) + other for other in others)
    specs = b"".join(uleb(spec) + uleb(len(data)) for spec, data in columns)
    return head + uleb(len(columns)) + specs + b"".join(data for _, data in columns) + extra


def sync(*chunks: bytes) -> bytes:
    """The sync message that hands over these chunks."""
    return b"\x42\0\0\0" + uleb(len(chunks)) + b"".join(uleb(len(c)) + c for c in chunks)


def deflate(data: bytes) -> bytes:
    """Raw deflate, without a zlib header, as in Automerge."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


def long_list(items: int, **head: Unpack[Head]) -> bytes:
    """One valid change that makes a list of `items` `true` values out of run lengths."""
    start_op = head.get("start_op", 1)
    one_then_null = sleb(0) + uleb(1)
    columns = [
        (0x01, one_then_null + sleb(items) + uleb(0)),  # object: actor
        (0x02, one_then_null + sleb(items) + uleb(start_op)),  # object: counter
        (0x11, sleb(0) + uleb(2) + sleb(items - 1) + uleb(0)),  # key: actor
        (0x13, one_then_null + sleb(-2) + sleb(0) + sleb(start_op + 1) + sleb(items - 2) + sleb(1)),
        (0x15, sleb(-1) + uleb(1) + b"l" + sleb(0) + uleb(items)),  # key: string
        (0x34, uleb(1) + uleb(items)),  # insert
        (0x42, sleb(-1) + uleb(2) + sleb(items) + uleb(1)),  # action: make list, set
        (0x56, sleb(-1) + uleb(0) + sleb(items) + uleb(2)),  # value metadata: null, true
        (0x70, sleb(items + 1) + uleb(0)),  # predecessors
    ]
    return chunk(body(columns, **head))


def set_root(
    key: bytes = b"k",
    *,
    action: int = 1,
    metadata: int = 0x14,
    value: bytes = b"\x05",
    **head: Unpack[Head],
) -> bytes:
    """One operation on one root key; by default the int 5 (metadata: length << 4 | type)."""
    columns = [
        (0x15, sleb(-1) + uleb(len(key)) + key),
        (0x34, uleb(1)),
        (0x42, sleb(-1) + uleb(action)),
        (0x56, sleb(-1) + uleb(metadata)),
        (0x57, value),
        (0x70, sleb(-1) + uleb(0)),
    ]
    return chunk(body(columns, **head))


def counter(**head: Unpack[Head]) -> bytes:
    """Sets a Counter: every later read of the document panics."""
    return set_root(metadata=0x18, **head)


def date_past_9999(**head: Unpack[Head]) -> bytes:
    """Sets a Timestamp of the year 292,278,994: every later read panics."""
    value = sleb((1 << 63) - 1)
    return set_root(metadata=len(value) << 4 | 9, value=value, **head)


def nested(depth: int, *, actor: bytes, start_op: int, dependencies: Sequence[bytes]) -> bytes:
    """One change that makes a map in a map, `depth` deep, from the root on."""
    counters = b"".join(uleb(start_op + level) for level in range(depth - 1))
    columns = [
        (0x01, sleb(0) + uleb(1) + sleb(depth - 1) + uleb(0)),  # object: actor 0 is the author
        (0x02, sleb(0) + uleb(1) + sleb(-(depth - 1)) + counters),
        (0x15, sleb(depth) + uleb(1) + b"d"),
        (0x34, uleb(depth)),
        (0x42, sleb(depth) + uleb(0)),  # action: make map
        (0x56, sleb(depth) + uleb(0)),
        (0x70, sleb(depth) + uleb(0)),
    ]
    return chunk(body(columns, actor=actor, start_op=start_op, dependencies=dependencies))


def deflated(size: int) -> bytes:
    """A compressed change that inflates to `size` bytes."""
    return chunk(body([], extra=bytes(size)), compressed=True)


def deflated_columns(count: int, size: int) -> bytes:
    """A change of `count` deflated columns, each of `size` bytes."""
    column = deflate(bytes(size))
    return chunk(body([(number << 4 | 8 | 7, column) for number in range(count)]))


def bloom(*, entries: int, bits: int, probes: int) -> bytes:
    """A sync message of no changes, with one Bloom filter."""
    bloom_filter = uleb(entries) + uleb(bits) + uleb(probes) + b"\xff"
    return b"\x42\0\0\x01\0" + uleb(len(bloom_filter)) + bloom_filter + b"\0"


def changes() -> dict[str, bytes]:
    """Change chunks that no signed entry may carry; each is cheap to refuse."""
    return {
        "a list of 1,000,000": long_list(1_000_000),
        "a list of 2**32": long_list(2**32),
        "a list of 2**63 - 1": long_list(2**63 - 1),
        "a deflated chunk (type 2)": chunk(body([]), compressed=True),
        "deflated columns": deflated_columns(4, 1000),
        "a counter": counter(),
        "a date past 9999": date_past_9999(),
        "a value of an unknown type": set_root(metadata=0x1C),
        "an increment": set_root(action=5),
        "a mark": set_root(action=7),
        "a value longer than its column": set_root(metadata=0x54),
        "20,000 predecessors": chunk(
            body([(0x42, sleb(-1) + uleb(1)), (0x71, sleb(20_000) + uleb(0))])
        ),
        "bytes after the columns": chunk(body([], extra=b"x")),
        "an empty actor": chunk(body([], actor=b"")),
        "an actor of 65 bytes": chunk(body([], actor=bytes(65))),
        "seq 0": set_root(seq=0),
        "seq 2**63": set_root(seq=2**63),
        "start op 0": set_root(start_op=0),
        "start op 2**63": set_root(start_op=2**63),
        "2**60 dependencies": chunk(uleb(2**60)),
        "300 dependencies": chunk(body([], dependencies=[uleb(n).ljust(32) for n in range(300)])),
        "one dependency twice": chunk(body([], dependencies=[bytes(32), bytes(32)])),
        "2**40 other actors": chunk(body([])[:-2] + uleb(2**40)),
        "a column of 2**60 bytes": chunk(body([])[:-1] + uleb(1) + uleb(0x15) + uleb(2**60)),
        "columns out of order": chunk(body([(0x42, b""), (0x15, b"")])),
        "a number of 11 bytes": chunk(b"\xff" * 11),
        "64,001 bytes": chunk(body([], message=bytes(64_001))),
    }


def messages() -> dict[str, bytes]:
    """Sync messages that hurt the library; each is cheap to refuse."""
    huge = 2**32 - 1
    return {
        "a list of 5,000,000": sync(long_list(5_000_000)),
        "50 MB deflated": sync(deflated(50 << 20)),
        "64 deflated columns": sync(deflated_columns(64, (8 << 20) - 16)),
        "2**32 - 1 Bloom probes": bloom(entries=1, bits=1, probes=huge),
        "2**32 - 1 Bloom entries": bloom(entries=huge, bits=10, probes=7),
        "no Bloom bits (divides by zero)": bloom(entries=1, bits=0, probes=1),
        "2**60 changes": b"\x42\0\0\0" + uleb(2**60),
        "another version": b"\x41\0\0\0\0",
        "nothing": b"",
    }
