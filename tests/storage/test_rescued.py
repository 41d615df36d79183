"""A sector of the file of snapshots is forgotten by the disk: SQLite calls the file malformed. The
next start writes it anew with all that can be read, and what was in the sector is fetched again."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crdt.blob import BlobId, Chunking
from crdt.chunking import content_manifest_of, cut
from storage import database
from storage.errors import Corrupt
from storage.store import Store
from tests.storage.test_folding import fetch, opened, rows
from tests.storage.test_whole_again import LAST, SERIES, put_settled, readable

PAGE, SECTOR = 2_048, 4_096
INNER = 2  # the first byte of a page of names that leads to others
NEEDLES = {
    "a part that others lean on": "SELECT substr(w.data, 50, 60) FROM vault.whole w"
    " JOIN vault.name n ON n.id = w.id WHERE n.height > 0 ORDER BY w.id DESC LIMIT 1",
    "the middle of a part": "SELECT substr(data, 6000, 60) FROM vault.whole"
    " WHERE length(data) > 9000 ORDER BY id LIMIT 1",
    "deltas": "SELECT data FROM vault.delta ORDER BY id LIMIT 1 OFFSET 99",
    "names": "SELECT key, id FROM vault.name WHERE id > 255 ORDER BY key LIMIT 1 OFFSET 9",
}


def forget(home: Path, needle: str, size: int = SECTOR) -> None:
    """What lies around that in the file are zeros."""
    ((found, *id),) = rows(home, needle)
    assert isinstance(found, bytes)
    for one in id:  # behind a key; a page of a blob has the key alone
        found += int(str(one)).to_bytes(2, "big")
    file = home / "snapshots.db"
    content = bytearray(file.read_bytes())
    at = content.index(found) // size * size
    content[at : at + size] = bytes(size)
    file.write_bytes(content)


def files(home: Path) -> set[str]:
    return {one.name for one in home.iterdir()}


async def scrub_in_vain(home: Path) -> None:
    async with opened(home) as store:
        with pytest.raises(Corrupt, match=r"^snapshots\.db is damaged: .* Start the node again"):
            await store.scrub()
    assert "snapshots.db.damaged" in files(home)


async def fetch_all(store: Store, blobs: list[BlobId]) -> int:
    """How many chunks came."""
    return sum(
        [
            await fetch(store, content_manifest_of(data), list(cut([data], Chunking.CONTENT)))
            for blob, data in zip(blobs, SERIES, strict=True)
            if not await store.has_blob(blob)
        ]
    )


@pytest.mark.parametrize("needle", NEEDLES)
async def test_after_a_start_a_scrub_finds_what_the_sector_had_and_all_else_is_here(
    tmp_path: Path, needle: str
) -> None:
    async with opened(tmp_path) as store:
        blobs = await put_settled(store)
    forget(tmp_path, NEEDLES[needle])
    await scrub_in_vain(tmp_path)
    seen = rows(tmp_path, "SELECT max(seq) FROM vault.sqlite_sequence")
    (tmp_path / "snapshots.db.new").write_bytes(b"by a start that was killed")
    async with opened(tmp_path) as store:
        assert not files(tmp_path) & {"snapshots.db.new", "snapshots.db.damaged"}
        assert store.mended.is_rescued
        assert store.mended.kept == "snapshots.db.old"
        assert rows(tmp_path, "SELECT max(seq) FROM vault.sqlite_sequence") == seen
        await store.scrub()
        chunks = sum(content_manifest_of(data).parsed.chunk_count for data in SERIES)
        assert await fetch_all(store, blobs) < chunks // 2
        assert await readable(store, blobs) == len(blobs)
        sound = await store.scrub()
        assert (sound.parts, sound.blobs) == (0, [])
        await store.gc(grace_us=-1)
        assert await store.put_blob(SERIES[-1], chunking=Chunking.CONTENT) == LAST.id
        assert await store.read_blob(LAST.id) == SERIES[-1]


async def test_what_alone_lost_its_name_has_it_again(tmp_path: Path) -> None:
    """Nobody need have it: it is called by what it is."""
    async with opened(tmp_path) as store:
        blobs = await put_settled(store)
    forget(tmp_path, NEEDLES["names"], PAGE)
    await scrub_in_vain(tmp_path)
    async with opened(tmp_path) as store:
        found = await store.scrub()
        assert (found.parts, found.blobs) == (0, [])
        assert await readable(store, blobs) == len(blobs)


async def test_while_another_process_has_it_it_stays_as_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await put_settled(store)
    forget(tmp_path, NEEDLES["deltas"])
    await scrub_in_vain(tmp_path)
    with closing(sqlite3.connect(tmp_path / "snapshots.db")) as other:
        other.execute("SELECT count(*) FROM todo").fetchall()
        async with opened(tmp_path) as store:
            assert not store.mended.is_rescued
            assert "another program has it open" in store.mended.why_not_rescued
        await scrub_in_vain(tmp_path)
    assert "snapshots.db.new" not in files(tmp_path)
    async with opened(tmp_path) as store:
        await store.scrub()


async def test_so_it_does_where_it_cannot_be_written(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await put_settled(store)
    forget(tmp_path, NEEDLES["deltas"])
    await scrub_in_vain(tmp_path)
    (tmp_path / "snapshots.db.new").mkdir()  # as a full disk: nothing can be made there
    await scrub_in_vain(tmp_path)
    (tmp_path / "snapshots.db.new").rmdir()
    async with opened(tmp_path) as store:
        await store.scrub()


async def test_so_it_does_where_the_disk_has_no_room_for_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as store:
        await put_settled(store)
    forget(tmp_path, NEEDLES["deltas"])
    await scrub_in_vain(tmp_path)
    size, real = (tmp_path / "snapshots.db").stat().st_size, os.statvfs

    def statvfs(path: Path) -> os.statvfs_result:
        found = [*real(path)]
        found[4] = size // found[1]  # free blocks
        return os.statvfs_result(found)

    before = (tmp_path / "snapshots.db").read_bytes()
    with monkeypatch.context() as full:
        full.setattr(os, "statvfs", statvfs)
        async with opened(tmp_path) as store:
            assert "MiB are free: make room" in store.mended.why_not_rescued
    assert (tmp_path / "snapshots.db").read_bytes() == before
    assert not files(tmp_path) & {"snapshots.db.old", "snapshots.db.new"}


@pytest.mark.parametrize("lost", ["the root of the names", "their first page"])
async def test_a_start_that_cannot_read_the_names_writes_it_anew_and_goes_on(
    tmp_path: Path, lost: str
) -> None:
    async with opened(tmp_path) as store:
        blobs = await put_settled(store)
    file = tmp_path / "snapshots.db"
    content = bytearray(file.read_bytes())
    ((page,),) = rows(tmp_path, "SELECT rootpage FROM vault.sqlite_schema WHERE name = 'name'")
    at = (int(str(page)) - 1) * PAGE
    while lost == "their first page" and content[at] == INNER:
        cell = at + int.from_bytes(content[at + 12 : at + 14], "big")
        at = (int.from_bytes(content[cell : cell + 4], "big") - 1) * PAGE
    content[at : at + PAGE] = bytes(PAGE)
    file.write_bytes(content)
    with closing(sqlite3.connect(file)) as other:
        other.execute("SELECT count(*) FROM todo").fetchall()
        with pytest.raises(Corrupt, match="another program has it open"):
            async with opened(tmp_path):
                pass
    async with opened(tmp_path) as store:
        assert (store.mended.is_rescued, store.mended.kept) == (True, "snapshots.db.old")
        assert store.mended.blobs == 0
        found = await store.scrub()
        assert (found.parts, found.blobs) == (0, [])
        assert await readable(store, blobs) == len(blobs)


async def test_a_second_name_that_a_killed_start_gave_it_is_the_one_it_keeps(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        await put_settled(store)
    forget(tmp_path, NEEDLES["deltas"])
    await scrub_in_vain(tmp_path)
    (tmp_path / "snapshots.db.old").hardlink_to(tmp_path / "snapshots.db")
    async with opened(tmp_path) as store:
        assert store.mended.kept == "snapshots.db.old"
    assert "snapshots.db.old-2" not in files(tmp_path)


async def test_what_only_a_write_meets_with_is_noted_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        blobs = await put_settled(store)
    file = tmp_path / "snapshots.db"
    content = bytearray(file.read_bytes())
    content[PAGE : 2 * PAGE] = bytes(PAGE)  # says which page leads to which, for who moves them
    file.write_bytes(content)
    async with opened(tmp_path) as store:
        assert await readable(store, blobs) == len(blobs)
        with pytest.raises(Corrupt, match=r"or snapshots\.db beside it: .* Start the node again"):
            await store.gc(grace_us=-1)
    async with opened(tmp_path) as store:
        assert store.mended.is_rescued
        await store.gc(grace_us=-1)
        blob = await store.put_blob(SERIES[0], chunking=Chunking.CONTENT)
        assert await store.read_blob(blob) == SERIES[0]


async def test_a_scrub_finds_pages_too_that_no_object_lies_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await put_settled(store)
    file = tmp_path / "snapshots.db"
    with closing(sqlite3.connect(file)) as vault:
        vault.executemany(
            "INSERT INTO todo (older, newer) VALUES (?, ?)",
            [(number.to_bytes(32, "big"), bytes(32)) for number in range(1, 500)],
        )
        vault.commit()
        vault.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    content = bytearray(file.read_bytes())
    at = content.index((250).to_bytes(32, "big")) // PAGE * PAGE
    content[at : at + PAGE] = bytes(PAGE)
    file.write_bytes(content)
    await scrub_in_vain(tmp_path)
    async with opened(tmp_path) as store:
        assert store.mended.is_rescued
        assert (await store.scrub()).parts == 0


async def test_who_waits_for_a_start_hears_that_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path):
        pass
    (tmp_path / "snapshots.db.damaged").touch()
    monkeypatch.setattr(database, "HEARD_EVERY_S", 0.01)
    heard: list[None] = []
    with closing(sqlite3.connect(tmp_path / "snapshots.db")) as other:
        other.execute("SELECT count(*) FROM todo").fetchall()  # it waits for this one for a while
        async with database.open_database(
            tmp_path / "panspermia.db", on_rescue=lambda: heard.append(None)
        ) as opened_again:
            assert "another program" in opened_again.mended.why_not_rescued
    assert len(heard) > 2
    heard.clear()
    async with database.open_database(
        tmp_path / "panspermia.db", on_rescue=lambda: heard.append(None)
    ):
        assert heard
