"""One writer, and readers who never wait for it."""

import asyncio
from pathlib import Path

import pytest

from storage.database import READERS, Database, open_database
from storage.errors import OverQuota


async def test_readers_see_the_state_before_an_open_write(tmp_path: Path) -> None:
    async with open_database(tmp_path / "p.db") as database:
        async with asyncio.timeout(5), database.transaction() as write:
            await write.run("INSERT INTO namespace (key) VALUES (zeroblob(32))")
            assert await database.rows("SELECT * FROM namespace") == []
            assert len(await write.rows("SELECT * FROM namespace")) == 1
        assert len(await database.rows("SELECT * FROM namespace")) == 1


async def test_a_view_does_not_change_under_its_reader(tmp_path: Path) -> None:
    async with open_database(tmp_path / "p.db") as database, database.reading() as view:
        assert await view.number("SELECT count(*) FROM namespace") == 0
        async with database.transaction() as write:
            await write.run("INSERT INTO namespace (key) VALUES (zeroblob(32))")
        assert await view.number("SELECT count(*) FROM namespace") == 0


async def test_a_block_that_raises_leaves_nothing(tmp_path: Path) -> None:
    async def fail(database: Database) -> None:
        async with database.transaction() as write:
            await write.run("INSERT INTO namespace (key) VALUES (zeroblob(32))")
            raise LookupError

    async with open_database(tmp_path / "p.db") as database:
        with pytest.raises(LookupError):
            await fail(database)
        assert await database.rows("SELECT * FROM namespace") == []


async def test_every_acknowledged_write_is_synced(tmp_path: Path) -> None:
    async with open_database(tmp_path / "p.db") as database, database.transaction() as write:
        assert await write.row("PRAGMA synchronous") == (2,), "FULL"
        assert await write.row("PRAGMA journal_mode") == ("wal",)
        assert await write.row("PRAGMA foreign_keys") == (1,)


async def test_readers_cannot_write(tmp_path: Path) -> None:
    async with open_database(tmp_path / "p.db") as database:
        with pytest.raises(Exception, match="readonly"):
            await database.rows("DELETE FROM namespace")


async def test_a_full_disk_is_said_in_our_words_and_leaves_nothing(tmp_path: Path) -> None:
    async def fill(database: Database, size: int) -> None:
        async with database.transaction() as write:
            await write.run("INSERT INTO namespace (key) VALUES (zeroblob(32))")
            await write.run(
                "INSERT INTO chunk (hash, data) VALUES (randomblob(32), randomblob(?))", (size,)
            )

    async with open_database(tmp_path / "p.db") as database:
        async with database.transaction() as write:
            pages = await write.number("PRAGMA page_count")
            await write.rows(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(OverQuota, match="disk is full"):
            await fill(database, 1 << 20)
        assert await database.rows("SELECT * FROM namespace") == []
        await fill(database, 100)
        assert len(await database.rows("SELECT * FROM chunk")) == 1


async def test_a_reader_who_is_cancelled_at_the_end_gives_the_connection_back(
    tmp_path: Path,
) -> None:
    """A session that ends cancels its reads; two such moments once stopped every read there was."""

    async def read(database: Database) -> None:
        task = asyncio.current_task()
        assert task is not None
        async with database.reading():
            asyncio.get_running_loop().call_soon(task.cancel)

    async with open_database(tmp_path / "p.db") as database:
        for _ in range(READERS):
            with pytest.raises(asyncio.CancelledError):
                await asyncio.create_task(read(database))
        async with asyncio.timeout(5):
            assert await database.rows("SELECT * FROM namespace") == []
