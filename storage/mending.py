"""What a start makes good of what the last end of the process, or a loss of power, left behind.

What no row names is deleted: files, and the ends of files, but for chunks that a blob had just been
brought and that got no row any more. What a row names that was not yet sure to be on the disk is
read and checked; where it has another hash, it is not held.
"""

import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass

from crdt.blob import CHUNK_BYTES
from crdt.digest import payload_digest
from storage.pack_ends import ENDS
from storage.packs import Packs, Place
from storage.unnamed import name_found

UNSURE = (  # what ends after a place; no chunk that begins a chunk's length before it does
    "SELECT hash, at, size FROM packed"
    f" WHERE pack = ?1 AND at > ?2 - {CHUNK_BYTES} AND at + size > ?2 ORDER BY at"
)


@dataclass(frozen=True, slots=True)
class Mended:
    """What was found. All zero after an end in order."""

    files: int = 0
    """Of which no row knew anything; deleted."""
    bytes: int = 0
    """That no row named, those files included."""
    chunks: int = 0
    """That rows named and were not there; they are fetched again."""

    blobs: int = 0
    """That lay in a vault whose file is gone; they are fetched again."""
    is_rescued: bool = False
    """Whether the vault had pages that could not be read, and was written anew without them."""
    kept: str = ""
    """The name of the file that it was before, which lies beside it yet; "": it went."""
    why_not_rescued: str = ""
    """Why it has such pages yet, and was not written anew."""

    def __bool__(self) -> bool:
        is_vault = self.is_rescued or self.why_not_rescued
        return bool(self.files or self.bytes or self.chunks or self.blobs or is_vault)


def mend(database: sqlite3.Connection, packs: Packs) -> Mended:
    """In the transaction of the caller. Nobody reads or writes beside it."""
    synced: dict[int, int] = dict(database.execute("SELECT number, synced FROM pack"))
    sizes = _sizes(packs)
    files = unnamed = lost = 0
    for pack, until in synced.items():
        lost += _forget_lost(database, packs, pack, until=min(until, sizes.get(pack, 0)))
    name_found(database, packs, sizes, dict(database.execute(ENDS)))
    synced = dict(database.execute("SELECT number, synced FROM pack"))
    for pack in sizes.keys() - synced.keys():
        files, unnamed = files + 1, unnamed + sizes[pack]
        with suppress(OSError):
            packs.path(pack).unlink()
    ends: dict[int, int] = dict(database.execute(ENDS))
    for pack in synced.keys() & sizes.keys():
        unnamed += max(0, sizes[pack] - ends.get(pack, 0))
        with suppress(OSError):
            os.truncate(packs.path(pack), ends.get(pack, 0))
    database.executemany("UPDATE pack SET synced = min(synced, ?2) WHERE number = ?1", ends.items())
    database.execute(
        "DELETE FROM pack WHERE NOT EXISTS (SELECT 1 FROM packed k WHERE k.pack = pack.number)"
    )
    for pack in synced.keys() & sizes.keys() - ends.keys():
        with suppress(OSError):
            packs.path(pack).unlink()
    synced = dict(database.execute("SELECT number, synced FROM pack"))
    packs.begin_with(ends, synced, max([*sizes, *synced], default=0))
    return Mended(files, unnamed, lost, _forget_vault(database))


def _forget_vault(database: sqlite3.Connection) -> int:
    """Where nothing is in it, no blob lies there; gives how many did."""
    if database.execute("SELECT 1 FROM vault.name LIMIT 1").fetchone() is not None:
        return 0
    return database.execute(
        "UPDATE blob SET is_complete = 0, in_vault = 0 WHERE in_vault AND page_count"
    ).rowcount


def forget_chunk(database: sqlite3.Connection, hash: bytes, place: Place | None) -> int:
    """These bytes are not what they were; no blob that has them is whole. Gives how many forgotten.

    `place`: where in a pack they were read; None: in the database.
    """
    if place is None:
        gone = database.execute("DELETE FROM chunk WHERE hash = ?", (hash,)).rowcount
    else:
        gone = database.execute(
            "DELETE FROM packed WHERE hash = ? AND pack = ? AND at = ?",
            (hash, place.pack, place.at),
        ).rowcount
        database.execute(
            "UPDATE pack SET live = live - ? WHERE number = ?", (gone * place.size, place.pack)
        )
    if gone:
        database.execute(
            "UPDATE blob SET is_complete = 0 WHERE number IN (SELECT b.blob FROM page_chunk c"
            " JOIN blob_page b ON b.page = c.page WHERE c.hash = ?)",
            (hash,),
        )
    return gone


def _sizes(packs: Packs) -> dict[int, int]:
    """The files there are, and their sizes."""
    found: dict[int, int] = {}
    with suppress(FileNotFoundError):
        for file in packs.folder.glob("[0-9]*.pack"):
            if file.stem.isdecimal() and file == packs.path(int(file.stem)) and file.is_file():
                found[int(file.stem)] = file.stat().st_size
    return found


def _forget_lost(database: sqlite3.Connection, packs: Packs, pack: int, *, until: int) -> int:
    """What lies after `until` and is not what its row says."""
    rows = database.execute(UNSURE, (pack, until)).fetchall()
    lost = 0
    for hash, at, size in rows:
        place = Place(pack, at, size)
        if payload_digest(packs.read(place)) != hash:
            lost += forget_chunk(database, hash, place)
    return lost
