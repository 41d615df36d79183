"""Automerge bytes, bounded in pure Python before the Rust library sees one of them.

    chunk  = magic 4 ‖ checksum 4 ‖ type 1 ‖ uleb length ‖ body       checksum = hash[:4]
    hash   = SHA-256(type ‖ uleb length ‖ body)
    change = hashes dependencies ‖ actor ‖ seq ‖ start op ‖ time ‖ message ‖ other actors ‖ columns

A few dozen bytes can ask the library for gigabytes (run lengths), abort the process (Bloom probes)
or panic on every later read (counters, dates). Two doors stand before it:

- `read_change`: the one plain change that a signed entry carries, held to what this project writes;
- `check_sync`, `check_chunks`: what an unmodified Automerge peer sends, only bounded.

What the operations mean is not checked here: bytes that pass can still be refused by the library,
so `crdt.document` applies them to a fork.
Source: the Automerge binary format specification, automerge.org/automerge-binary-format-spec.
"""

import hashlib
import zlib
from dataclasses import dataclass
from typing import Final

from crdt.errors import Malformed
from crdt.leb128 import bad, bounded, hashes, over, signed, take, uleb, unsigned

MAGIC: Final = b"\x85\x6f\x4a\x83"
DOCUMENT, CHANGE, COMPRESSED_CHANGE = 0, 1, 2

# Column specification: id ‖ deflate bit ‖ three bits of type.
GROUP, ACTOR, INTEGER, DELTA, BOOLEAN, STRING, VALUE_METADATA, RAW_VALUES = range(8)
DEFLATED: Final = 8
ACTION_COLUMN, METADATA_COLUMN, VALUES_COLUMN = 0x42, 0x56, 0x57

CHANGE_BYTES_MAX = 64_000  # leaves room for the envelope's header in a payload of 64 KiB
MESSAGE_BYTES_MAX = 4 << 20
INFLATED_BYTES_MAX = 8 << 20  # per message; a cap per column let 2 MB cost 3.6 s of inflating
CHUNK_ROWS_MAX = 20_000  # a change of 94 bytes can claim 1,000,000 rows: 600 MB, 15 s
SPARE_ROWS_MAX = 256  # an operation overwrites a few concurrent ones, not 20,000
MESSAGE_ROWS_MAX = 100_000
CHANGES_MAX = 5_000  # per message
HEADS_MAX = 256
ACTORS_MAX = 1_024
COLUMNS_MAX = 64
COUNTER_MAX = 1 << 40  # seq and op counters; the library takes 64 bits and overflows
ACTOR_BYTES_MAX = 64  # ours have 32, those of the JavaScript library 16
BLOOM_BITS, BLOOM_PROBES = 10, 7  # the library's own constants; 2**32 probes abort the process

# What a signed change may do: make map, set, make list, delete, make text. Not increment, table
# or mark: with them come counters, which panic on every read.
ACTIONS: Final = frozenset({0, 1, 2, 3, 4})
VALUE_TYPE_MAX = 7  # null, false, true, uint, int, float64, text, bytes; then counter, timestamp, …


@dataclass(frozen=True, slots=True)
class ChangeHeader:
    """The head of one change. `rows` is what its longest column claims, `ops` its operations."""

    hash: bytes
    actor: bytes
    seq: int
    start_op: int
    dependencies: tuple[bytes, ...]
    rows: int
    ops: int

    @property
    def max_op(self) -> int:
        """The counter of its last operation; a change on top of it starts right after."""
        return self.start_op + self.ops - 1


@dataclass(slots=True)
class _Budget:
    """What one message may still cost."""

    inflated_bytes: int = INFLATED_BYTES_MAX
    rows: int = MESSAGE_ROWS_MAX

    def inflate(self, data: bytes) -> bytes:
        inflater = zlib.decompressobj(-15)
        try:
            out = inflater.decompress(data, self.inflated_bytes + 1)
        except zlib.error as error:
            raise bad(f"deflate stream: {error}") from error
        self.inflated_bytes -= len(out)
        if self.inflated_bytes < 0:
            raise over("inflated bytes", INFLATED_BYTES_MAX)
        return out

    def spend_rows(self, count: int) -> None:
        self.rows -= count
        if self.rows < 0:
            raise over("rows in one message", MESSAGE_ROWS_MAX)


def read_change(chunk: bytes) -> ChangeHeader:
    """The header of the one plain change that `chunk` is, as `Document.change` gives it.

    Only what this project's documents hold: no deflated bytes, counters, dates, marks or unknown
    value types, nothing left over. Raises `Malformed`.
    """
    if len(chunk) > CHANGE_BYTES_MAX:
        raise over("bytes of a change", CHANGE_BYTES_MAX)
    if chunk[:4] != MAGIC or chunk[8:9] != b"\x01":
        raise Malformed("not-a-change", "the bytes are not one plain Automerge change chunk")
    digest = hashlib.sha256(chunk[8:]).digest()
    if digest[:4] != chunk[4:8]:
        raise bad("the checksum does not match", 4)
    try:
        size, at = unsigned(chunk, 9)
        if size != len(chunk) - at or at - 9 != max(1, (size.bit_length() + 6) // 7):
            raise bad("length of the change", 9)
        actor, seq, start_op, dependencies, at = read_head(chunk, at)
        rows, ops = _signed_columns(chunk, at)
    except IndexError:
        raise bad("truncated", len(chunk)) from None
    return ChangeHeader(digest, actor, seq, start_op, dependencies, rows, ops)


def check_chunks(data: bytes) -> tuple[ChangeHeader, ...]:
    """Bound a saved document or a row of chunks; the headers of its plain and deflated changes.

    Raises `Malformed`.
    """
    if len(data) > MESSAGE_BYTES_MAX:
        raise over("bytes of a document", MESSAGE_BYTES_MAX)
    try:
        return tuple(_chunks(data, 0, len(data), _Budget()))
    except IndexError:
        raise bad("truncated", len(data)) from None


def check_sync(message: bytes) -> tuple[ChangeHeader, ...]:
    """The changes in one sync message; whole-document chunks are bounded but not listed.

    Raises `Malformed`.
    """
    if len(message) > MESSAGE_BYTES_MAX:
        raise over("bytes of a sync message", MESSAGE_BYTES_MAX)
    try:
        return _sync(message)
    except IndexError:
        raise bad("truncated", len(message)) from None


# ── the parts of a change ────────────────────────────────────────────────────────────────────────


def read_head(data: bytes, at: int) -> tuple[bytes, int, int, tuple[bytes, ...], int]:
    """(actor, seq, start op, dependencies, place of the columns). IndexError: truncated."""
    dependencies, at = hashes(data, at, HEADS_MAX)
    size, at = bounded(data, at, ACTOR_BYTES_MAX, "actor bytes")
    actor, at = take(data, at, size)
    seq, at = bounded(data, at, COUNTER_MAX, "seq")
    start_op, at = bounded(data, at, COUNTER_MAX, "start op")
    if not (actor and seq and start_op):
        raise bad("the actor is empty, or seq or start op is 0", at)
    _, at = signed(data, at)  # time
    size, at = unsigned(data, at)  # commit message
    _, at = take(data, at, size)
    count, at = bounded(data, at, ACTORS_MAX, "other actors")
    for _ in range(count):
        size, at = bounded(data, at, ACTOR_BYTES_MAX, "actor bytes")
        _, at = take(data, at, size)
    return actor, seq, start_op, dependencies, at


def _signed_columns(data: bytes, at: int) -> tuple[int, int]:
    """(rows, operations) of a signed change's columns, which must end where `data` ends."""
    specs, at = column_specs(data, at)
    rows = ops = claimed = carried = 0
    for spec, size in specs:
        column, at = take(data, at, size)
        if spec == VALUES_COLUMN:
            carried = size
        elif spec == METADATA_COLUMN:
            count, claimed = _value_metadata(column)
            rows = max(rows, count)
        elif spec == ACTION_COLUMN:
            ops = _actions(column)
            rows = max(rows, ops)
        elif spec & DEFLATED:
            raise bad("a deflated column in a plain change", at)
        elif spec & 7 != RAW_VALUES:
            rows = max(rows, _count_rows(column, spec & 7))
    if at != len(data):
        raise bad("bytes after the columns", at)
    if rows > 4 * ops + SPARE_ROWS_MAX:
        raise over("rows beside the operations", SPARE_ROWS_MAX, rows)
    if claimed != carried:
        raise bad(f"values of {claimed} bytes in a column of {carried}", at)
    return rows, ops


def _bounded_columns(
    data: bytes, at: int, specs: list[tuple[int, int]], budget: _Budget
) -> tuple[int, int]:
    """(rows, where the columns end) of a foreign change or document."""
    rows = 0
    for spec, size in specs:
        column, at = take(data, at, size)
        if spec & DEFLATED:
            column = budget.inflate(column)
        if spec & 7 != RAW_VALUES:
            rows = max(rows, _count_rows(column, spec & 7))
    budget.spend_rows(rows)
    return rows, at


def column_specs(data: bytes, at: int) -> tuple[list[tuple[int, int]], int]:
    """(specification and size of each column, place of the first)"""
    count, at = bounded(data, at, COLUMNS_MAX, "columns")
    specs: list[tuple[int, int]] = []
    last = -1
    for _ in range(count):
        spec, at = unsigned(data, at)
        size, at = unsigned(data, at)
        if spec & ~DEFLATED <= last:
            raise bad("columns out of order", at)
        last = spec & ~DEFLATED
        specs.append((spec, size))
    return specs, at


def _count_rows(column: bytes, kind: int) -> int:
    """Rows the column claims, counted from its run lengths and never expanded."""
    at = rows = 0
    size = len(column)
    while at < size:
        if kind == BOOLEAN:  # alternating run lengths, no values
            run, at = unsigned(column, at)
            rows = _add_rows(rows, run)
            continue
        run, rows, at = read_run(column, at, rows)
        for _ in range(1 if run > 0 else -run):
            if kind == STRING:
                length, at = unsigned(column, at)
                at += length
            else:
                while column[at] > 0x7F:
                    at += 1
                at += 1
    if at != size:
        raise bad("a text of a column is truncated", at)
    return rows


def _value_metadata(column: bytes) -> tuple[int, int]:
    """(rows, bytes of values they claim). Refuses types that panic when the library reads them."""
    at = rows = claimed = 0
    size = len(column)
    while at < size:
        run, rows, at = read_run(column, at, rows)
        for _ in range(1 if run > 0 else -run):
            metadata, at = unsigned(column, at)
            if metadata & 15 > VALUE_TYPE_MAX:
                raise Malformed(
                    "forbidden-value", f"value type {metadata & 15}: counter, date or unknown"
                )
            claimed += (metadata >> 4) * max(run, 1)
    return rows, claimed


def _actions(column: bytes) -> int:
    """How many operations there are. Refuses those that no document of this project holds."""
    at = rows = 0
    size = len(column)
    while at < size:
        run, rows, at = read_run(column, at, rows)
        if run == 0:
            raise bad("an operation without an action", at)
        for _ in range(1 if run > 0 else -run):
            if column[at] not in ACTIONS:
                raise Malformed("forbidden-action", f"action {column[at]}")
            at += 1
    return rows


def read_run(column: bytes, at: int, rows: int) -> tuple[int, int, int]:
    """(run, rows with it, place after its length): > 0 repeats one value, < 0 lists, 0 is nulls."""
    run = column[at]
    at += 1
    if run > 0x7F:
        run, at = signed(column, at - 1)
    elif run > 0x3F:
        run -= 0x80
    if run:
        return run, _add_rows(rows, abs(run)), at
    nulls, at = unsigned(column, at)
    return 0, _add_rows(rows, nulls), at


def _add_rows(rows: int, more: int) -> int:
    rows += more
    if rows > CHUNK_ROWS_MAX:
        raise over("rows in one chunk", CHUNK_ROWS_MAX)
    return rows


# ── foreign traffic ──────────────────────────────────────────────────────────────────────────────


def _sync(message: bytes) -> tuple[ChangeHeader, ...]:
    if message[0] not in (0x42, 0x43):
        raise bad("sync message version", 0)
    _, at = hashes(message, 1, HEADS_MAX * 16)  # heads
    _, at = hashes(message, at, HEADS_MAX * 16)  # need
    count, at = bounded(message, at, 16, "haves")
    for _ in range(count):
        _, at = hashes(message, at, HEADS_MAX)
        size, at = unsigned(message, at)
        bloom, at = take(message, at, size)
        _check_bloom(bloom)
    count, at = bounded(message, at, CHANGES_MAX, "changes")
    budget, changes = _Budget(), list[ChangeHeader]()
    for _ in range(count):
        size, at = unsigned(message, at)
        chunk, at = take(message, at, size)
        changes += _chunks(chunk, 0, size, budget)
    return tuple(changes)


def _chunks(data: bytes, at: int, end: int, budget: _Budget) -> list[ChangeHeader]:
    changes: list[ChangeHeader] = []
    while at < end:
        magic, at = take(data, at, 4)
        checksum, at = take(data, at, 4)
        if magic != MAGIC:
            raise bad("not an Automerge chunk", at - 8)
        kind = data[at]
        size, at = unsigned(data, at + 1)
        body, at = take(data, at, size)
        if kind == COMPRESSED_CHANGE:
            body, kind = budget.inflate(body), CHANGE
        digest = hashlib.sha256(bytes([kind]) + uleb(len(body)) + body).digest()
        if digest[:4] != checksum:
            raise bad("the checksum does not match", at)
        if kind == CHANGE:
            changes.append(_foreign_change(body, digest, budget))
        elif kind == DOCUMENT:
            _check_document(body, budget)
        else:
            raise bad(f"chunk type {kind}", at)
    return changes


def _foreign_change(body: bytes, digest: bytes, budget: _Budget) -> ChangeHeader:
    actor, seq, start_op, dependencies, at = read_head(body, 0)
    specs, at = column_specs(body, at)
    rows, _ = _bounded_columns(body, at, specs, budget)
    return ChangeHeader(digest, actor, seq, start_op, dependencies, rows, rows)


def _check_document(body: bytes, budget: _Budget) -> None:
    count, at = bounded(body, 0, CHUNK_ROWS_MAX, "actors")
    for _ in range(count):
        size, at = bounded(body, at, ACTOR_BYTES_MAX, "actor bytes")
        _, at = take(body, at, size)
    _, at = hashes(body, at, HEADS_MAX * 16)
    changes, at = column_specs(body, at)
    ops, at = column_specs(body, at)
    _, at = _bounded_columns(body, at, changes, budget)
    _bounded_columns(body, at, ops, budget)


def _check_bloom(data: bytes) -> None:
    if not data:
        return
    entries, at = unsigned(data, 0)
    bits, at = unsigned(data, at)
    probes, at = unsigned(data, at)
    left = len(data) - at
    if entries == 0 and not left:
        return
    size = (entries * bits + 7) // 8
    if (bits, probes) != (BLOOM_BITS, BLOOM_PROBES) or not entries or left != size:
        raise bad(f"Bloom filter of {entries} entries, {bits} bits, {probes} probes")
