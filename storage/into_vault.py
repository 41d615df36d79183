"""How blobs of version 2 come to lie in the vault: what is put, and what is whole and came in rows.

For whoever has the turn to write, but for `prepared` and `lacks`, which only read.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from crdt.blob import BlobRoot, ManifestBuilder, parse_page
from crdt.chunking import Cutter
from crdt.digest import payload_digest
from storage.gathering import Step, cut_hashed
from storage.mending import forget_chunk
from storage.packs import Packs, Place
from storage.vault.keeping import keep_objects
from storage.vault.reading import same_of
from storage.vault.rows import Encoded, encode, held

MOVED = 64  # chunks that lie elsewhere, in one step: some MiB
LOOKED_FOR = 4_096
ELSEWHERE = (  # chunks of a blob that are not in the vault: of many rows, so no writer asks
    "SELECT DISTINCT c.hash, c.size FROM (SELECT DISTINCT page FROM blob_page WHERE blob = ?) b"
    " JOIN page_chunk c ON c.page = b.page WHERE NOT EXISTS"
    f" (SELECT 1 FROM vault.name v WHERE v.key = c.hash AND v.size = c.size) LIMIT {LOOKED_FOR}"
)
_PLACE = (
    "SELECT k.pack, k.at, s.data FROM (SELECT ? AS hash, ? AS size) c"
    " LEFT JOIN packed k ON k.hash = c.hash AND k.size = c.size"
    " LEFT JOIN chunk s ON k.hash IS NULL AND s.hash = c.hash AND length(s.data) = c.size"
)


def prepared(
    vault: sqlite3.Connection,
    cutter: Cutter,
    builder: ManifestBuilder,
    step: Step,
) -> tuple[list[Encoded], list[tuple[bytes, bytes]]]:
    """The chunks that a step ends: those that are to be written, and those that lie whole in the
    vault, as these very bytes: nobody may have looked at them since the disk forgot some."""
    chunks = dict(cut_hashed(cutter, builder, step))
    known = same_of(vault, chunks)
    new = encode((hash, data) for hash, data in chunks.items() if hash not in known)
    return new, [(hash, chunks[hash]) for hash in known]


def gone_of(
    database: sqlite3.Connection, objects: Sequence[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """Those that are not in the vault."""
    here = held(database, [hash for hash, _ in objects])
    return [(hash, data) for hash, data in objects if hash not in here]


def move_chunks(
    database: sqlite3.Connection, *, packs: Packs, chunks: Sequence[tuple[bytes, int]]
) -> int:
    """These, by hash and size, which another blob brought elsewhere; gives how many it could.

    One that is damaged there is not held any more. Raises `OverQuota`.
    """
    good: list[tuple[bytes, bytes]] = []
    for hash, size in chunks:
        pack, at, data = database.execute(_PLACE, (hash, size)).fetchone()
        place = None if pack is None else Place(pack, at, size)
        plain = data if place is None else packs.read(place)
        if plain is not None and payload_digest(plain) == hash:
            good.append((hash, plain))
        else:
            forget_chunk(database, hash, place)
    keep_objects(database, packs, encode(good))
    return len(good)


def move_pages(
    database: sqlite3.Connection, *, packs: Packs, number: int, after: int
) -> int | None:
    """Some of a blob's pages, from their rows, behind one; gives the last. Raises `OverQuota`."""
    rows = database.execute(
        "SELECT number, hash, data FROM page WHERE number IN (SELECT DISTINCT page FROM blob_page"
        " WHERE blob = ? AND page > ? ORDER BY page LIMIT ?) ORDER BY number",
        (number, after, MOVED),
    ).fetchall()
    keep_objects(database, packs, encode((hash, data) for _, hash, data in rows))
    return rows[-1][0] if rows else None


def lacks(vault: sqlite3.Connection, root: BlobRoot, pages: Sequence[bytes]) -> bool:
    """Whether anything of a blob is not in the vault."""
    named = zip(root.page_hashes, map(len, pages), strict=True)
    return not (
        _all_named(vault, named)
        and all(_all_named(vault, parse_page(data, root, at)) for at, data in enumerate(pages))
    )


def _all_named(vault: sqlite3.Connection, names: Iterable[tuple[bytes, int]]) -> bool:
    asked = "SELECT 1 FROM vault.name WHERE key = ? AND size = ?"
    return all(vault.execute(asked, (hash, size)).fetchone() for hash, size in names)
