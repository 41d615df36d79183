"""What a raw change puts into maps, read from its bytes: also where no document can be made of it.

    row        operation n of the change
    keys       text of row n                     map key; none in a list
    metadata   length ‖ type of row n            one for each value
    values     the values, one behind the other

Source: the Automerge binary format specification, automerge.org/automerge-binary-format-spec.
"""

from collections.abc import Iterator
from typing import Final

from crdt.leb128 import take, unsigned
from crdt.preflight import (
    KEYS_COLUMN,
    METADATA_COLUMN,
    VALUES_COLUMN,
    column_specs,
    read_head,
    read_run,
)

_TYPE_BITS: Final = 4
_BYTES_TYPE: Final = 7


def byte_strings(chunk: bytes) -> dict[bytes, bytes]:
    """Those that this change puts into maps, by their keys in UTF-8; of one key the last.

    Which map it is stays open. `chunk` has passed `preflight.read_change`: then nothing is raised.
    """
    _, at = unsigned(chunk, 9)
    *_, at = read_head(chunk, at)
    specs, at = column_specs(chunk, at)
    columns = dict[int, bytes]()
    for spec, size in specs:
        columns[spec], at = take(chunk, at, size)
    keys = _keys(columns.get(KEYS_COLUMN, b""))
    values = _values(columns.get(METADATA_COLUMN, b""), columns.get(VALUES_COLUMN, b""))
    both = zip(keys, values, strict=False)  # rows at the end of a column may be left out
    return {key: value for key, value in both if key is not None and value is not None}


def _keys(column: bytes) -> Iterator[bytes | None]:
    at = rows = 0
    while at < len(column):
        before = rows
        run, rows, at = read_run(column, at, rows)
        if not run:
            yield from [None] * (rows - before)
        for _ in range(1 if run > 0 else -run):
            size, at = unsigned(column, at)
            key, at = take(column, at, size)
            yield from [key] * max(run, 1)


def _values(metadata: bytes, values: bytes) -> Iterator[bytes | None]:
    """None: of another type."""
    at = rows = place = 0
    while at < len(metadata):
        before = rows
        run, rows, at = read_run(metadata, at, rows)
        if not run:
            yield from [None] * (rows - before)
        for _ in range(1 if run > 0 else -run):
            said, at = unsigned(metadata, at)
            for _ in range(max(run, 1)):
                value, place = take(values, place, said >> _TYPE_BITS)
                yield value if said & 15 == _BYTES_TYPE else None
