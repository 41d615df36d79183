"""Objects as they are asked for, in order."""

import sqlite3
from collections.abc import Sequence

from storage.vault.reading import read
from storage.vault.unpacking import PlainCache

CACHE_BYTES = 16 << 20  # of who reads a few, and keeps nothing for the next time


def in_order(
    vault: sqlite3.Connection, hashes: Sequence[bytes], cache: PlainCache | None = None
) -> list[bytes | None]:
    """Their bytes; None where one is not here, or damaged: ask for a few hundred."""
    found = read(vault, hashes, PlainCache(CACHE_BYTES) if cache is None else cache).objects
    return [found.get(hash) for hash in hashes]
