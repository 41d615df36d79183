"""One writer, and readers who never wait for it."""

import asyncio
import os
import sqlite3
import threading
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from storage.database import READERS, Database, Writing, open_database
from storage.errors import Corrupt, OverQuota, StorageError


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


async def test_what_is_done_in_one_hop_is_durable_or_nothing(tmp_path: Path) -> None:
    async def add(write: Writing) -> int:
        await write.run("INSERT INTO namespace (key) VALUES (randomblob(32))")
        return await write.number("SELECT count(*) FROM namespace")

    async def fail(write: Writing) -> None:
        raise LookupError(await add(write))

    async def wait(write: Writing) -> None:
        await add(write)
        await asyncio.sleep(0)

    async with open_database(tmp_path / "p.db") as database:
        assert await database.transact(add) == 1
        written = database.written
        assert await database.transact(add, is_kept=False) == 2
        with pytest.raises(LookupError):
            await database.transact(fail)
        with pytest.raises(RuntimeError, match="waits for nothing else"):
            await database.transact(wait)
        assert database.written == written
        assert await database.transact(add) == 2
    async with open_database(tmp_path / "p.db") as database:
        assert await database.rows("SELECT count(*) FROM namespace") == [(2,)]


async def test_whoever_waits_for_a_lazy_write_hears_of_whatever_it_raised(tmp_path: Path) -> None:
    """Also of what no future takes."""
    async with open_database(tmp_path / "p.db") as database, asyncio.timeout(60):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await database.lazily(lambda connection: next(iter([connection][1:])))
        assert await database.lazily(lambda connection: connection.in_transaction)


@pytest.mark.usefixtures("synced")
async def test_every_acknowledged_write_is_synced(tmp_path: Path) -> None:
    async with open_database(tmp_path / "p.db") as database, database.transaction() as write:
        assert await write.row("PRAGMA synchronous") == (2,), "FULL"
        assert await write.row("PRAGMA vault.synchronous") == (2,), "FULL"
        assert await write.row("PRAGMA journal_mode") == ("wal",)
        assert await write.row("PRAGMA foreign_keys") == (1,)


@pytest.mark.usefixtures("synced")
async def test_a_lazy_write_is_not_waited_for_and_damages_nothing(tmp_path: Path) -> None:
    """Without power it may be lost, with all that came after it: never the file."""
    async with open_database(tmp_path / "p.db") as database:
        said = await database.lazily(
            lambda connection: [
                connection.execute(f"PRAGMA {name}").fetchone()
                for name in ("synchronous", "vault.synchronous", "journal_mode", "foreign_keys")
            ]
        )
        assert said == [(1,), (1,), ("wal",), (1,)], "NORMAL"


async def test_readers_cannot_write(tmp_path: Path) -> None:
    async with open_database(tmp_path / "p.db") as database:
        with pytest.raises(Exception, match="readonly"):
            await database.rows("DELETE FROM namespace")


async def add_namespace(database: Database, while_reading: str = "") -> None:
    async with database.transaction() as write:
        await write.run("INSERT INTO namespace (key) VALUES (randomblob(32))")
        if while_reading:
            with pytest.raises(Corrupt):
                await database.rows(while_reading)


async def test_nothing_is_acknowledged_once_damage_was_seen(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    async with open_database(path) as database:
        async with database.transaction() as write:
            rows = (((n,) for n in range(200)),)
            await write.run_many(
                "INSERT INTO chunk (hash, data) SELECT randomblob(32), randomblob(8000 + ?)", *rows
            )
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        whole = path.read_bytes()
        os.truncate(path, len(whole) // 2)
        with pytest.raises(Corrupt, match="backup"):
            await add_namespace(database, while_reading="SELECT sum(length(data)) FROM chunk")
        with pytest.raises(Corrupt, match="nothing more is written"):
            await add_namespace(database)
        path.write_bytes(whole)
        assert await database.rows("SELECT count(*) FROM namespace") == [(0,)]
    async with open_database(path) as database:
        await add_namespace(database)
        assert await database.rows("SELECT count(*) FROM namespace") == [(1,)]


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


async def test_a_reader_who_is_cancelled_gives_the_connection_back(tmp_path: Path) -> None:
    """A session that ends cancels its reads; two such moments once stopped every read there was."""

    async def read(database: Database) -> None:
        task = asyncio.current_task()
        assert task is not None
        async with database.reading() as view:
            asyncio.get_running_loop().call_soon(task.cancel)
            await view.rows("SELECT * FROM namespace")

    async with open_database(tmp_path / "p.db") as database:
        for _ in range(READERS):
            with pytest.raises(asyncio.CancelledError):
                await asyncio.create_task(read(database))
        async with asyncio.timeout(5):
            assert await database.rows("SELECT * FROM namespace") == []
        await add_namespace(database)
        assert await counts(database) == [1] * READERS, "no view of then is left open"


async def test_a_statement_that_nobody_waits_for_is_not_left_to_the_next_reader(
    tmp_path: Path,
) -> None:
    """Peers that ask for much and hang up would leave work behind, without a bound."""
    begun, may_end = threading.Event(), threading.Event()

    def long() -> int:
        begun.set()
        assert may_end.wait(30)
        return 1

    async with open_database(tmp_path / "p.db") as database:
        reader = database._idle[0]  # pyright: ignore[reportPrivateUsage]  # the next to be asked
        await reader.create_function("long", 0, long)  # pyright: ignore[reportUnknownMemberType]  # theirs

        async def read() -> None:
            async with database.reading() as view:
                await view.rows("SELECT long()")

        task = asyncio.create_task(read())
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not task.done(), "its connection is still busy"
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task


async def counts(database: Database) -> list[int]:
    """How many namespaces each of the readers sees."""
    async with AsyncExitStack() as stack:
        views = [await stack.enter_async_context(database.reading()) for _ in range(READERS)]
        return [await view.number("SELECT count(*) FROM namespace") for view in views]


async def test_many_statements_of_one_view_see_the_same(tmp_path: Path) -> None:
    asked = [("SELECT count(*) FROM namespace", ()), ("SELECT ?", ("as asked",))]
    async with open_database(tmp_path / "p.db") as database:
        async with database.reading() as view:
            await add_namespace(database)
            assert await view.each(asked) == [[(1,)], [("as asked",)]], "as of the first"
            await add_namespace(database)
            assert await view.each(asked) == [[(1,)], [("as asked",)]]
            with pytest.raises(sqlite3.OperationalError):
                await view.each([*asked, ("SELECT * FROM nothing", ())])
            assert await view.each(asked[:1]) == [[(1,)]], "also after what failed"
        assert await counts(database) == [2] * READERS


async def test_a_view_that_fails_at_once_is_left_again(tmp_path: Path) -> None:
    async with open_database(tmp_path / "p.db") as database:
        for _ in range(READERS):
            with pytest.raises(sqlite3.OperationalError):
                async with database.reading() as view:
                    await view.rows("SELECT * FROM nothing")
        await add_namespace(database)
        assert await counts(database) == [1] * READERS


async def test_readers_have_their_turns_however_quick_the_others_are(tmp_path: Path) -> None:
    """A reader who asks again at once is behind those who wait already."""
    async with open_database(tmp_path / "panspermia.db") as database:
        read = 0
        all_began = asyncio.Event()

        async def again_and_again() -> None:
            nonlocal read
            while True:
                await database.rows("SELECT 1")
                read += 1
                if read == 2 * READERS:
                    all_began.set()

        greedy = [asyncio.create_task(again_and_again()) for _ in range(2 * READERS)]
        await all_began.wait()
        for _ in range(3):
            before = read
            assert await database.rows("SELECT 2") == [(2,)]
            assert read - before <= 2 * len(greedy)
        for one in greedy:
            one.cancel()
        await asyncio.gather(*greedy, return_exceptions=True)


async def test_a_few_rows_wait_for_no_other_reader(tmp_path: Path) -> None:
    async with open_database(tmp_path / "p.db") as database, AsyncExitStack() as stack:
        for _ in range(READERS):
            await stack.enter_async_context(database.reading())
        await add_namespace(database)
        async with asyncio.timeout(60):
            assert await database.few_rows("SELECT count(*) FROM namespace") == [(1,)]
            await add_namespace(database)
            assert await database.few_rows("SELECT count(*) FROM namespace") == [(2,)]


async def test_a_few_rows_cannot_be_written(tmp_path: Path) -> None:
    async with open_database(tmp_path / "p.db") as database:
        with pytest.raises(StorageError, match="readonly"):
            await database.few_rows("DELETE FROM namespace")


async def test_damage_that_few_rows_meet_with_is_told(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    async with open_database(path) as database:
        await add_namespace(database)
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for _ in range(READERS):  # each keeps the good pages in its cache
            assert len(await database.rows("SELECT * FROM namespace")) == 1
        whole = path.read_bytes()
        path.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
        assert len(await database.rows("SELECT * FROM namespace")) == 1, "nobody met with it yet"
        with pytest.raises(Corrupt, match="backup"):
            await database.few_rows("SELECT * FROM namespace")
        with pytest.raises(Corrupt, match="nothing more is written"):
            await add_namespace(database)
        path.write_bytes(whole)
