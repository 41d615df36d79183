"""Runs of neighbouring objects, joined, as who reads the newest state of a world asks for them.

Threads that read share one interpreter. Each row and each hash gives it up for a moment, and to get
it back from another thread takes longer than the work itself. So the frames of a run are unpacked
by one call, beside whatever else runs, and before and after it each waits once for its turn.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import zstandard

from crdt.delta import DATA_BYTES_MAX
from crdt.digest import payload_digest
from storage.vault.asked import in_order
from storage.vault.kinds import content
from storage.vault.reading import marks, parts
from storage.vault.unpacking import PACKED, PLAIN, PlainCache


def run_of(
    vault: sqlite3.Connection, hashes: Sequence[bytes], cache: PlainCache, turn: Lock
) -> bytes | None:
    """Their bytes, one behind the other; None where one is not here, or damaged.

    Ask for a few hundred. `turn` is one for all who read at the same time.
    """
    if (newest := _all_whole(vault, hashes, turn)) is not None:
        return newest
    found = in_order(vault, hashes, cache)
    objects = [data for data in found if data is not None]
    return b"".join(objects) if len(objects) == len(found) else None


def _all_whole(vault: sqlite3.Connection, hashes: Sequence[bytes], turn: Lock) -> bytes | None:
    """None where one is no sound object that lies here whole: what it is instead is not known."""
    with turn:
        rows = _rows(vault, {*hashes})
    if rows is None:
        return None
    try:
        objects = _unpacked(rows)
    except zstandard.ZstdError:
        return None
    with turn:
        if any(payload_digest(data) != hash for hash, data in objects.items()):
            return None
        return b"".join([objects[hash] for hash in hashes])


def _rows(vault: sqlite3.Connection, hashes: set[bytes]) -> dict[bytes, bytes] | None:
    """What `whole` says of these; nothing where it does not have them all."""
    rows: dict[bytes, bytes] = {}
    for part in parts([*hashes]):
        rows.update(
            vault.execute(
                f"SELECT n.key, {content('w.data')} FROM vault.name n"
                f" JOIN vault.whole w ON w.id = n.id WHERE n.key IN ({marks(part)})",
                part,
            )
        )
    return rows if len(rows) == len(hashes) else None


def _unpacked(rows: Mapping[bytes, bytes]) -> dict[bytes, memoryview]:
    """As `storage.vault.unpacking` tells of rows. Raises `ZstdError`."""
    objects = {hash: memoryview(row)[1:] for hash, row in rows.items()}
    packed = [hash for hash, row in rows.items() if row[:1] == PACKED]
    for hash, row in rows.items():
        # Of frames the library allocates what they say that they hold, whatever that is, and frees
        # twice what it unpacked to nothing.
        size = zstandard.frame_content_size(objects[hash]) if row[:1] == PACKED else len(row) - 1
        if not 0 < size <= DATA_BYTES_MAX or row[:1] not in {PLAIN, PACKED}:
            raise zstandard.ZstdError("not what is written here")
    if packed:
        unpacker = zstandard.ZstdDecompressor()
        # Any: that its parts are buffers is not in the library's types.
        found: Any = unpacker.multi_decompress_to_buffer([objects[hash] for hash in packed])
        for place, hash in enumerate(packed):
            objects[hash] = memoryview(found[place])
    return objects
