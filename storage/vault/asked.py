"""Objects as they are asked for: in order, each checked by its hash every time."""

import sqlite3
from collections.abc import Sequence

import zstandard

from crdt.blob import CONTENT_CHUNK_BYTES_MAX
from crdt.digest import payload_digest
from storage.vault.rows import PLAIN, VARIABLES, key_of


def in_order(vault: sqlite3.Connection, hashes: Sequence[bytes]) -> list[bytes | None]:
    """Their bytes, in their order; None where one is not here, or damaged."""
    found: dict[bytes, bytes] = {}
    keys = [*{key_of(hash) for hash in hashes}]
    for at in range(0, len(keys), VARIABLES):
        part = keys[at : at + VARIABLES]
        rows = vault.execute(
            "SELECT n.key, n.size, w.data FROM vault.name n JOIN vault.whole w ON w.id = n.id"
            f" WHERE n.key IN ({','.join('?' * len(part))})",
            part,
        )
        for key, size, data in rows:
            if (plain := _unpacked(data, size)) is not None:
                found[key] = plain
    return [_checked(found.get(key_of(hash)), hash) for hash in hashes]


def _checked(data: bytes | None, hash: bytes) -> bytes | None:
    return data if data is not None and payload_digest(data) == hash else None


def _unpacked(data: bytes, size: int) -> bytes | None:
    if data[:1] == PLAIN:
        return data[1:]
    try:
        if not size <= CONTENT_CHUNK_BYTES_MAX or zstandard.frame_content_size(data[1:]) != size:
            return None
        return zstandard.ZstdDecompressor().decompress(data[1:], allow_extra_data=False)
    except zstandard.ZstdError:
        return None
