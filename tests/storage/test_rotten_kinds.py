"""One bit makes text of bytes, or nothing of a number: a row of the vault has what none can have.
What can be read is read, the rest is found and named, and nobody is told of a bug of ours."""

import asyncio
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from crdt.blob import Chunking
from crdt.chunking import content_manifest_of
from storage.errors import Corrupt, NotHeld
from storage.store import Store
from tests.storage.test_folding import opened
from tests.storage.test_rescued import fetch_all, scrub_in_vain
from tests.storage.test_whole_again import LAST, LAST_CHUNKS, SERIES, edited, put_settled, readable

BLOBS = [content_manifest_of(data).id for data in SERIES]
NEW = edited(SERIES[-1], 9)
CONTENTS = [("whole", "data"), ("delta", "bases"), ("delta", "data")]
OTHERS = [
    *[("name", column) for column in ("key", "id", "size", "height")],
    *[("todo", column) for column in ("older", "newer")],
    *[("lost", column) for column in ("key", "id", "height", "below", "is_back", "is_in_doubt")],
    ("sqlite_sequence", "seq"),
]
KINDS = [
    "CAST({0} AS TEXT)",
    "CAST(x'ff' || substr({0}, 2) AS TEXT)",  # no text
    "'' || 7",
    "NULL",
    "7",
    "7.5",
    "x''",
]


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With something in each table. Others lean on what nobody wants to know any more."""

    async def put(home: Path) -> None:
        async with opened(home) as store:
            for blob in (await put_settled(store))[:3] + BLOBS[4:]:
                await store.pin_blob(blob, "kept")

    home = tmp_path_factory.mktemp("settled")
    asyncio.run(put(home))
    with closing(sqlite3.connect(home / "snapshots.db", isolation_level=None)) as vault:
        vault.execute("INSERT INTO todo (older, newer) VALUES (zeroblob(32), randomblob(32))")
        vault.execute(
            "INSERT INTO lost (key, id, height, below) SELECT key, id, 0, 1000 FROM name"
            " WHERE height = 0 ORDER BY id LIMIT 2"
        )
        for table, column in (("name", "key"), ("whole", "id"), ("delta", "id")):
            vault.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT {column} FROM lost)")
    return home


def rot(home: Path, table: str, column: str, values: list[str]) -> None:
    """Some neighbouring rows have these there."""
    with closing(sqlite3.connect(home / "snapshots.db", isolation_level=None)) as vault:
        vault.execute("PRAGMA ignore_check_constraints = ON")
        ((sql,),) = vault.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,))
        if table != "sqlite_sequence":
            bare = sql.replace("NOT NULL", "").replace("STRICT, ", "").replace("STRICT", "")
            declare(vault, table, bare)
        row = "key" if table == "name" else "rowid"
        ((half,),) = vault.execute(f"SELECT count(*) / 2 FROM {table}")
        asked = f"SELECT {row} FROM {table} ORDER BY {row} LIMIT ? OFFSET ?"
        some = vault.execute(asked, (len(values), half)).fetchall()
        for value, (one,) in zip(values, some, strict=True):
            sets = f"{column} = {value.format(column)}"
            vault.execute(f"UPDATE {table} SET {sets} WHERE {row} = ?", (one,))
        if table != "sqlite_sequence":
            declare(vault, table, sql)


def declare(vault: sqlite3.Connection, table: str, sql: str) -> None:
    vault.execute("PRAGMA writable_schema = ON")
    vault.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (sql, table))
    vault.execute("PRAGMA writable_schema = RESET")


async def use(store: Store) -> int:
    """Gives how many blobs can be read."""
    count = await readable(store, BLOBS)
    new = await store.put_blob(NEW, chunking=Chunking.CONTENT)
    assert await store.read_blob(new) == NEW
    with suppress(NotHeld):
        await store.settle_snapshot(BLOBS[-1], new)
        await store.settled()
    return count


async def heal(store: Store) -> None:
    """As far as others have it."""
    await store.scrub()
    await fetch_all(store, BLOBS)
    assert await readable(store, BLOBS) == len(BLOBS)
    sound = await store.scrub()
    assert (sound.parts, sound.blobs) == (0, [])
    await store.gc(grace_us=-1)


@pytest.mark.parametrize(("table", "column"), CONTENTS)
async def test_what_is_text_now_is_read_as_the_bytes_that_it_is(
    settled: Path, tmp_path: Path, table: str, column: str
) -> None:
    home = tmp_path / "home"
    shutil.copytree(settled, home)
    rot(home, table, column, KINDS[:1] * 20)
    async with opened(home) as store:
        assert (await store.scrub()).parts == 0
        assert await fetch_all(store, BLOBS) == 2  # which were lost before
        assert await use(store) == len(BLOBS)
        await store.gc(grace_us=-1)
        assert await readable(store, BLOBS) == len(BLOBS) - 1


@pytest.mark.parametrize(("table", "column"), CONTENTS)
async def test_whatever_an_object_has_become_a_scrub_finds_it_and_it_is_fetched_anew(
    settled: Path, tmp_path: Path, table: str, column: str
) -> None:
    home = tmp_path / "home"
    shutil.copytree(settled, home)
    rot(home, table, column, KINDS)
    async with opened(home) as store:
        await store.gc(grace_us=-1)
        await use(store)
    async with opened(home) as store:
        await heal(store)


@pytest.mark.parametrize(("table", "column"), OTHERS)
async def test_where_a_name_or_what_no_object_is_in_is_rotten_the_next_start_writes_it_anew(
    settled: Path, tmp_path: Path, table: str, column: str
) -> None:
    home = tmp_path / "home"
    shutil.copytree(settled, home)
    rot(home, table, column, KINDS[1:2])
    if table != "sqlite_sequence":  # of which a start reads all
        await scrub_in_vain(home)
    async with opened(home) as store:
        assert store.mended.is_rescued
        if table == "name":  # by what it is: nobody need have it
            assert (await store.scrub()).parts == 0
        await heal(store)


@pytest.mark.parametrize("number", range(len(KINDS)))
async def test_before_what_a_rotten_name_leads_to_would_be_collected_the_next_start_names_it_anew(
    settled: Path, tmp_path: Path, number: int
) -> None:
    home = tmp_path / "home"
    shutil.copytree(settled, home)
    for column in ("id", "size"):
        rot(home, "name", column, KINDS[number : number + 1])
    is_number = KINDS[number] in ("7", "'' || 7", "CAST({0} AS TEXT)")  # as which text is taken
    async with opened(home) as store:
        if is_number:
            await store.gc(grace_us=-1)
        else:
            with pytest.raises(Corrupt, match=r"another kind.* Start the node again"):
                await store.gc(grace_us=-1)
    async with opened(home) as store:
        await heal(store)


@pytest.mark.parametrize(("table", "column"), [*CONTENTS, *OTHERS[:-1]])
async def test_who_puts_all_of_it_again_has_all_of_it_whatever_was_rotten(
    settled: Path, tmp_path: Path, table: str, column: str
) -> None:
    home = tmp_path / "home"
    shutil.copytree(settled, home)
    kinds = [kind for kind in KINDS if kind != "NULL" or column != "key"]
    rot(home, table, column, kinds[1:2] if table in ("todo", "lost") else kinds)
    async with opened(home) as store:
        for data in SERIES:
            await store.put_blob(data, chunking=Chunking.CONTENT)
        assert await readable(store, BLOBS) == len(BLOBS)
        await store.settled()
        assert await readable(store, BLOBS) == len(BLOBS)


async def test_of_a_blob_that_is_not_whole_yet_what_has_no_rotten_name_is_read(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        await store.begin_blob(LAST.id, LAST.root)
        for number, page in enumerate(LAST.pages):
            await store.add_page(LAST.id, number, page)
        await store.add_chunks(LAST.id, [*enumerate(LAST_CHUNKS)][:-1])
    rot(tmp_path, "name", "id", KINDS)
    read = 0
    async with opened(tmp_path) as store:
        for index, chunk in enumerate(LAST_CHUNKS):
            with suppress(NotHeld):
                assert await store.read_chunk(LAST.id, index) == chunk
                read += 1
    assert len(LAST_CHUNKS) - 1 - len(KINDS) <= read < len(LAST_CHUNKS)
