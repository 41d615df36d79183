"""The rows of blobs, as the lazy thread writes them; see `Database.lazily`.

    blob ─ blob_page ─▸ page ─ page_chunk ─▸ chunk (small blobs: the bytes are in the database)
                                         ├─▸ packed (large ones: they lie in a pack)
                                         └─▸ the vault (those of version 2: `storage.folding`)

Pages and chunks are kept once, whoever refers to them, and are found by their hashes.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from crdt.blob import BlobId, BlobRoot, Chunking, ChunkName, parse_page, parse_root
from crdt.digest import payload_digest
from crdt.errors import Malformed
from crdt.keys import AuthorKey
from storage.errors import Mismatch, NotHeld
from storage.folding import IS_FOLDED, Said, pages_in_vault
from storage.packs import Packs, Place
from storage.vault.keeping import keep_objects
from storage.vault.rows import encode

PACKED_BYTES_MIN = 1 << 20
"""Of a blob: smaller ones lie in the database, where they cost a row and no file."""

ROWS_OF_PAGE = 8  # times as many bytes as a page has takes what is known of its chunks

FREE_BYTES = (  # of the file of the database: rows that went leave them to others, not to the disk
    "SELECT f.freelist_count * (s.page_size - s.page_size / 16)"
    " FROM pragma_freelist_count f, pragma_page_size s"
)

VARIABLES = 256  # `?` in one statement, so that few different ones are compiled

# A chunk that another blob brought, of another length than belongs there, is none of this blob.
IS_MISSING = (
    "NOT EXISTS (SELECT 1 FROM packed k WHERE k.hash = c.hash AND k.size = c.size)"
    " AND NOT EXISTS (SELECT 1 FROM chunk k WHERE k.hash = c.hash AND length(k.data) = c.size)"
    " AND NOT EXISTS (SELECT 1 FROM vault.name v JOIN page g ON g.number = c.page"
    " WHERE v.key = c.hash AND v.size = c.size AND g.chunking = 2)"
)
PLACES = (  # of a blob ?, that hold one of (*). By hash first: a large blob has a thousand pages
    "SELECT b.first + c.place FROM page_chunk c CROSS JOIN blob_page b"
    " ON b.page = c.page AND b.blob = ? WHERE c.hash IN (*) LIMIT 65536"
)  # Of a chunk that stands in millions of places the rest are found when they are looked for.
IS_CONTENT = "substr(root, 2, 1) = x'02'"  # a blob of version 2, by its root
IS_WHOLE = (  # of one of version 2 a page may stand in thousands of places
    "SELECT (SELECT count(*) FROM blob_page WHERE blob = ?1) = page_count AND NOT EXISTS"
    " (SELECT 1 FROM (SELECT DISTINCT page FROM blob_page WHERE blob = ?1) b"
    f" JOIN page_chunk c ON c.page = b.page WHERE {IS_MISSING}) FROM blob WHERE number = ?1"
)


def begin(
    database: sqlite3.Connection,
    root: BlobRoot,
    now_us: int,
    author_of: Callable[[BlobId], AuthorKey | None] = lambda _: None,
    *,
    is_ours: bool = False,
) -> int:
    """The number of the blob. Pages that another blob brought are found.

    `is_ours`: a person adds it, so from here on nothing that is kept for others makes it go.

    Beginning it again starts its time of grace anew. `author_of`: who names what is begun for no
    person (`storage.kept`), asked in this very turn: who begins to wait for it later finds its row.
    """
    is_new = database.execute("SELECT 1 FROM blob WHERE id = ?", (root.id,)).fetchone() is None
    database.execute(
        "INSERT INTO blob (id, size, chunk_count, root, is_complete, begun_us, page_count)"
        " VALUES (?, ?, ?, ?, 0, ?, ?) ON CONFLICT (id) DO UPDATE SET begun_us = excluded.begun_us",
        (root.id, root.size, root.chunk_count, root.encoded, now_us, root.page_count),
    )
    number, is_folded = _number_and_folded(database, root.id)
    if is_new and (author := author_of(root.id)) is not None:
        database.execute("INSERT INTO kept (blob, author) VALUES (?, ?)", (number, author))
    if is_ours:
        database.execute("DELETE FROM kept WHERE blob = ?", (number,))
    if not is_folded:
        _find_pages(database, number, root)
    return number


def _find_pages(database: sqlite3.Connection, number: int, root: BlobRoot) -> None:
    held = set(_column(database, "SELECT place FROM blob_page WHERE blob = ?", number))
    places: dict[Said, list[int]] = {}  # one may stand in thousands of them
    for place in range(root.page_count):
        if place not in held:
            places.setdefault(Said.of(root, place), []).append(place)
    lacking: dict[int, list[int]] = {}
    for said, at in places.items():
        page = _page(database, root, at[0], said.hash)
        if page is None:
            lacking[at[0]] = at
        elif _is_said_of(database, root, at[0], page):
            for place in at:
                _refer(database, number, root, place, page)
    if root.chunking is Chunking.CONTENT:
        for first, data in pages_in_vault(database, root, [*lacking]):
            with suppress(Malformed):  # as in `_is_said_of`
                page = _take_page(database, number, root, first, data)
                for place in lacking[first][1:]:
                    _refer(database, number, root, place, page)


def unfold(database: sqlite3.Connection, blob: BlobId) -> None:
    """It is not whole, and has rows again of the pages that are here."""
    row = database.execute("SELECT number, root FROM blob WHERE id = ?", (blob,)).fetchone()
    if row is not None:
        database.execute(
            "UPDATE blob SET is_complete = 0, in_vault = 0 WHERE number = ?", (row[0],)
        )
        _find_pages(database, row[0], parse_root(row[1], blob))


def add_pages(
    database: sqlite3.Connection, packs: Packs, root: BlobRoot, pages: Sequence[tuple[int, bytes]]
) -> None:
    """Pages by their places.

    Raises `Malformed`, `OverQuota`, or `NotHeld` before the blob was begun.
    """
    _check_rows(database, packs, ROWS_OF_PAGE * sum(len(data) for _, data in pages))
    number, is_folded = _number_and_folded(database, root.id)
    for place, data in pages:
        if is_folded:
            parse_page(data, root, place)
        else:
            _take_page(database, number, root, place, data)


def _take_page(
    database: sqlite3.Connection, number: int, root: BlobRoot, place: int, data: bytes
) -> int:
    chunks = parse_page(data, root, place)
    page = _page(database, root, place, root.page_hashes[place])
    if page is None:
        page = _keep_page(database, root, place, data, chunks)
    _refer(database, number, root, place, page)
    return page


def add_chunks(
    database: sqlite3.Connection,
    packs: Packs,
    blob: BlobId,
    chunks: Sequence[tuple[int, bytes]],
    hashes: Sequence[bytes] | None = None,
    touched_us: int | None = None,
) -> list[int]:
    """Chunks of a blob, each checked against its page; gives the places that those new here fill.

    `hashes` are theirs, where they are known; `touched_us` is noted as when the blob was begun.

    Raises `Mismatch`, or `NotHeld` where no page that is here names one; nothing is stored then.
    """
    row = database.execute(
        f"SELECT number, size, {IS_CONTENT}, {IS_FOLDED} FROM blob WHERE id = ?", (blob,)
    ).fetchone()
    if row is None:
        raise not_held(blob)
    number, size, is_content, is_folded = row
    if is_folded:  # all of it is here, whatever comes late
        return []
    lacking: dict[bytes, bytes] = {}
    names = _names(database, number, [index for index, _ in chunks])
    if hashes is None:
        hashes = [payload_digest(data) for _, data in chunks]
    for (index, data), hash in zip(chunks, hashes, strict=True):
        name, is_held = names.get(index, (None, False))
        if name is None:
            raise NotHeld(f"Chunk {index} of blob {blob.hex()} is not announced by any page.")
        if len(data) != name.size or hash != name.hash:
            raise Mismatch(f"Chunk {index} of blob {blob.hex()} has other bytes than named.")
        if not is_held:
            lacking[name.hash] = data
    if is_content:
        new = keep_objects(database, packs, encode(lacking.items()))
    else:
        new = _keep(database, packs, lacking, is_packed=size >= PACKED_BYTES_MIN)
    if touched_us is not None:
        database.execute("UPDATE blob SET begun_us = ? WHERE number = ?", (touched_us, number))
    filled = (
        _column(database, PLACES.replace("(*)", f"({_marks(part)})"), number, *part)
        for part in _parts(new)
    )
    return [place for part in filled for place in part]


def keep_chunks(
    database: sqlite3.Connection,
    packs: Packs,
    chunks: Iterable[tuple[bytes, bytes]],
    *,
    is_packed: bool,
) -> list[bytes]:
    """Chunks under their hashes, which were checked; gives the hashes of those that are new.

    What is here as other bytes is written anew: bits may have rotted where nobody looked. Raises
    `OverQuota` where the disk is full; nothing is stored then.
    """
    new = dict(chunks)
    _drop_rotten(database, packs, new)
    for hash in held_of(database, list(new)):
        del new[hash]
    return _keep(database, packs, new, is_packed=is_packed)


def _drop_rotten(database: sqlite3.Connection, packs: Packs, chunks: Mapping[bytes, bytes]) -> None:
    """Of these, which the caller keeps at once, those that are here as other bytes."""
    for part in _parts(list(chunks)):
        asked = f"SELECT hash, pack, at, size FROM packed WHERE hash IN ({_marks(part)})"
        for hash, *where in database.execute(asked, part).fetchall():
            place = Place(*where)
            if packs.read(place) != chunks[hash]:
                database.execute("DELETE FROM packed WHERE hash = ?", (hash,))
                lost = place.size, place.pack
                database.execute("UPDATE pack SET live = live - ? WHERE number = ?", lost)
        asked = f"SELECT hash, data FROM chunk WHERE hash IN ({_marks(part)})"
        for hash, data in database.execute(asked, part).fetchall():
            if data != chunks[hash]:
                database.execute("DELETE FROM chunk WHERE hash = ?", (hash,))


def held_of(database: sqlite3.Connection, hashes: Sequence[bytes]) -> set[bytes]:
    """Those of which a chunk is here."""
    return {
        hash
        for part in _parts(hashes)
        for (hash,) in database.execute(
            f"SELECT hash FROM packed WHERE hash IN ({_marks(part)})"
            f" UNION SELECT hash FROM chunk WHERE hash IN ({_marks(part)})",
            (*part, *part),
        )
    }


def _keep(
    database: sqlite3.Connection, packs: Packs, new: Mapping[bytes, bytes], *, is_packed: bool
) -> list[bytes]:
    """As `keep_chunks`, of those that are new."""
    size = sum(map(len, new.values()))
    if not is_packed:
        _check_rows(database, packs, size)
        database.executemany("INSERT INTO chunk (hash, data) VALUES (?, ?)", new.items())
    elif new:
        packs.room.check(size)
        places = packs.append(list(new.values()))
        record(database, packs, zip(new, places, strict=True))
    return list(new)


def _check_rows(database: sqlite3.Connection, packs: Packs, size: int) -> None:
    """Raises `OverQuota` where rows of so many bytes make the file larger than it may be."""
    ((free,),) = database.execute(FREE_BYTES)
    if size > free:
        packs.room.check(size - free)


def record(
    database: sqlite3.Connection, packs: Packs, placed: Iterable[tuple[bytes, Place]]
) -> None:
    """What lies where."""
    rows = [(hash, place.pack, place.at, place.size) for hash, place in placed]
    live: dict[int, int] = {}
    for _, pack, _, size in rows:
        live[pack] = live.get(pack, 0) + size
    for added in live.items():
        there = database.execute("UPDATE pack SET live = live + ?2 WHERE number = ?1", added)
        if not there.rowcount:
            database.execute("INSERT INTO pack (number, live) VALUES (?, ?)", added)
    if synced := packs.synced_since():
        database.executemany(
            "UPDATE pack SET synced = max(synced, ?2) WHERE number = ?1", synced.items()
        )
    database.executemany(
        "INSERT INTO packed (hash, pack, at, size) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (hash) DO UPDATE SET pack = excluded.pack, at = excluded.at",
        rows,
    )


def not_held(blob: BlobId) -> NotHeld:
    return NotHeld(f"Blob {blob.hex()} is not here.")


def _number_and_folded(database: sqlite3.Connection, blob: BlobId) -> tuple[int, bool]:
    """Raises `NotHeld` before it was begun."""
    row = database.execute(f"SELECT number, {IS_FOLDED} FROM blob WHERE id = ?", (blob,)).fetchone()
    if row is None:
        raise not_held(blob)
    return row[0], bool(row[1])


def _names(
    database: sqlite3.Connection, number: int, indices: Sequence[int]
) -> dict[int, tuple[ChunkName, bool]]:
    """What the pages that are here say of these chunks of a blob, and whether they are held."""
    found: dict[int, tuple[ChunkName, bool]] = {}
    at = 0
    while at < len(indices):  # neighbours, as they mostly come, are looked up together
        run = 1
        while at + run < len(indices) and indices[at + run] == indices[at] + run:
            run += 1
        first, last = indices[at], indices[at] + run - 1
        for index, hash, size, is_held in database.execute(
            "SELECT b.first + c.place, c.hash, c.size,"
            " EXISTS (SELECT 1 FROM packed WHERE hash = c.hash)"
            " OR EXISTS (SELECT 1 FROM chunk WHERE hash = c.hash)"
            " OR EXISTS (SELECT 1 FROM vault.name v JOIN page g ON g.number = c.page"
            " WHERE v.key = c.hash AND g.chunking = 2)"
            " FROM blob_page b JOIN page_chunk c"
            " ON c.page = b.page AND c.place BETWEEN ?2 - b.first AND ?3 - b.first"
            " WHERE b.blob = ?1 AND b.first BETWEEN ?2 - 1023 AND ?3",
            (number, first, last),
        ):
            found[index] = (ChunkName(hash, size), bool(is_held))
        at += run
    return found


def _parts(hashes: Sequence[bytes]) -> list[Sequence[bytes]]:
    """So many at a time as fit a statement."""
    return [hashes[at : at + VARIABLES] for at in range(0, len(hashes), VARIABLES)]


def _marks(hashes: Sequence[bytes]) -> str:
    return ",".join("?" * len(hashes))


def _page(database: sqlite3.Connection, root: BlobRoot, place: int, hash: bytes) -> int | None:
    row = database.execute(
        "SELECT number FROM page WHERE hash = ? AND chunking = ? AND size = ?",
        (hash, root.chunking, root.page_size(place)),
    ).fetchone()
    return row[0] if row else None


def _is_said_of(database: sqlite3.Connection, root: BlobRoot, place: int, page: int) -> bool:
    """Whether a page that came with another root is what this one says of it.

    If not it stays missing for ever, as of any root that somebody made up.
    """
    if root.chunking is Chunking.FIXED:  # the bytes that it stands for say all of it
        return True
    ((data,),) = database.execute("SELECT data FROM page WHERE number = ?", (page,))
    try:
        parse_page(data, root, place)
    except Malformed:
        return False
    return True


def _keep_page(
    database: sqlite3.Connection,
    root: BlobRoot,
    place: int,
    data: bytes,
    chunks: Sequence[ChunkName],
) -> int:
    cursor = database.execute(
        "INSERT INTO page (hash, chunking, size, data) VALUES (?, ?, ?, ?)",
        (root.page_hashes[place], root.chunking, root.page_size(place), data),
    )
    number = cursor.lastrowid
    assert number is not None, "a row was inserted"
    database.executemany(
        "INSERT INTO page_chunk VALUES (?, ?, ?, ?)",
        ((number, at, hash, size) for at, (hash, size) in enumerate(chunks)),
    )
    return number


def _refer(
    database: sqlite3.Connection, number: int, root: BlobRoot, place: int, page: int
) -> None:
    database.execute(
        "INSERT OR IGNORE INTO blob_page VALUES (?, ?, ?, ?)",
        (number, place, root.page_starts[place], page),
    )


def _column(database: sqlite3.Connection, sql: str, *values: object) -> list[int]:
    return [row[0] for row in database.execute(sql, values)]
