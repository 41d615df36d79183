"""The byte strings that a raw change puts, read from its bytes: also where no document can be made
of it.

    metadata   length ‖ type of row n     one for each value, in runs
    values     the values, one behind the other

Under which keys they are put stays open. Rows that say the same are one run, and are counted and
not walked: a change of a hundred bytes may have 20,000 of them.
Source: the Automerge binary format specification, automerge.org/automerge-binary-format-spec.
"""

from collections.abc import Iterator
from typing import Final

from crdt.leb128 import take, unsigned
from crdt.preflight import METADATA_COLUMN, VALUES_COLUMN, column_specs, read_head, read_run

_TYPE_BITS: Final = 4
_TYPE_MASK: Final = (1 << _TYPE_BITS) - 1
_BYTES_TYPE: Final = 7


def byte_strings(chunk: bytes, size_min: int) -> Iterator[bytes]:
    """Those of at least so many bytes (1 or more), in the order in which they are put.

    What that costs is bounded by the runs and the bytes of the change. `chunk` has passed
    `preflight.read_change`: then nothing is raised.
    """
    metadata, values = _columns(chunk)
    at = place = 0
    while at < len(metadata):
        run, _, at = read_run(metadata, at, 0)
        for _ in range(1 if run > 0 else -run):
            said, at = unsigned(metadata, at)
            size, rows = said >> _TYPE_BITS, max(run, 1)
            if said & _TYPE_MASK == _BYTES_TYPE and size >= size_min:
                for start in range(place, place + size * rows, size):
                    yield values[start : start + size]
            place += size * rows


def _columns(chunk: bytes) -> tuple[bytes, bytes]:
    """(metadata, values)"""
    _, at = unsigned(chunk, 9)
    *_, at = read_head(chunk, at)
    specs, at = column_specs(chunk, at)
    found = dict[int, bytes]()
    for spec, size in specs:
        found[spec], at = take(chunk, at, size)
    return found.get(METADATA_COLUMN, b""), found.get(VALUES_COLUMN, b"")
