"""One SQLite file: a single writing connection, and a few that read beside it.

Every write is one `transaction()`, durable when the block ends (WAL, synchronous = FULL); readers
see the state before it or after it. aiosqlite gives each connection a thread of its own, so a slow
disk never holds up the event loop; a statement is one hop to that thread, so batches go by
`run_many` and `each`, and all that one act asks by `transact`. A hop costs far more than a few rows
do, so those are read on the loop's own thread (`few_rows`). What comes in thousands of batches and
can be fetched again goes by `lazily`: one hop, and no wait for the disk. Beside the file lie the
packs, with the chunks of large blobs.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from storage.connection import Connection, Here, at_once, connect, touched, whole
from storage.connection import Row as Row
from storage.disk_room import FREE_BYTES
from storage.errors import Corrupt
from storage.lazily import BUSY_TIMEOUT_S, CHECKPOINT_PAGES, LOG_BYTES_MAX, Lazy, open_lazy
from storage.migration import migrate
from storage.packs import Packs
from storage.sqlite_errors import as_ours
from storage.vault.attached import ATTACH, Vault, open_vault
from storage.vault.opening import HOMES, vault_beside
from storage.vault.rescue import Rescue, is_noted
from storage.vault.starting import start_vault
from storage.views import VARIABLES_MAX as VARIABLES_MAX
from storage.views import OurErrors
from storage.views import Reading as Reading
from storage.views import Writing as Writing

T = TypeVar("T")

READERS = 2  # a listing and a reconciliation at once; more threads only share the same two cores
WRITER_CACHE_KIB = 16_384  # holds the inner pages of every index at 100,000 records
READER_CACHE_KIB = 4_096
FEW = 64  # rows that the event loop reads itself: short ones, of a few pages of the disk each
BEGIN = "BEGIN IMMEDIATE"
SYNCHRONOUS = "FULL"  # what was acknowledged is on the disk
STATEMENTS = 256  # compiled statements kept by each connection


HEARD_EVERY_S = 20.0  # who waits for the vault to be written anew; systemd gives up after 90 s


def nothing(step: str) -> None:
    """The `on_step` of every node that is not under test."""


def nobody() -> None:
    """The `on_rescue` of whoever has the patience."""


class _TakenBackError(Exception):
    """The end of a rehearsal."""


class Database:
    """Made by `open_database`."""

    def __init__(
        self,
        writer: Connection,
        readers: Sequence[Connection],
        at_once: sqlite3.Connection,
        lazy: Lazy,
        vault: Vault,
        on_step: Callable[[str], None],
    ) -> None:
        self._writer = writer
        self._at_once = at_once
        self._lazy = lazy
        self.packs = lazy.packs
        self.vault = vault
        self.mended = lazy.mended
        self._write_turn = asyncio.Lock()
        self._our_errors = OurErrors(vault.path)
        self._on_step = on_step
        self.written = 0
        """How many writes there were: what was read holds while this stays the same."""
        self._idle = deque(readers)
        self._may_read = asyncio.Semaphore(len(readers))  # in turn: a queue lets who is quick pass

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Writing]:
        """All of the block or nothing, durable when it ends. Writers wait for each other here.

        Raises `Corrupt` once any read or write has met with damage: nobody could promise that what
        is written after that is found again. A database opened anew is looked at anew.
        """
        async with self._write_turn:
            self._our_errors.refuse_writes()
            await self._settle()
            try:
                with self._our_errors:
                    await self._writer.run_whole(partial(touched, BEGIN, ()))
                write = Writing(
                    self._writer, self._our_errors, self.packs, self.vault, self._on_step
                )
                yield write
                self._on_step("COMMIT")
                self._our_errors.refuse_writes()  # a reader may have met with it meanwhile
                with self._our_errors:
                    await whole(self._commit(write))
                self._on_step("COMMITTED")
            except BaseException:
                with suppress(ValueError):  # it was closed
                    await whole(self._writer.rollback())
                raise

    @asynccontextmanager
    async def rehearsal(self) -> AsyncGenerator[Writing]:
        """As `transaction`, and all of it is taken back at its end: what it would come to."""
        with suppress(_TakenBackError):
            async with self.transaction() as write:
                yield write
                raise _TakenBackError

    async def transact(
        self, work: Callable[[Writing], Coroutine[Any, Any, T]], *, is_kept: bool = True
    ) -> T:
        """`work` as a `transaction`, in one hop: for what asks many short things.

        It waits for nothing but its `Writing`, is done in the thread of the writer, and goes on to
        its end where the caller is cancelled. Without `is_kept` it ends with nothing: it sees what
        it would come to. Raises as `transaction`, and what `work` raises.
        """
        async with self._write_turn:
            self._our_errors.refuse_writes()
            await self._settle()
            return await whole(self._transact(work, is_kept))

    async def _transact(
        self, work: Callable[[Writing], Coroutine[Any, Any, T]], is_kept: bool
    ) -> T:
        write, done = await self._writer.run(partial(self._carry_out, work, is_kept))
        if is_kept:
            self.written += 1
            write.committed()
        return done

    def _carry_out(
        self,
        work: Callable[[Writing], Coroutine[Any, Any, T]],
        is_kept: bool,
        connection: sqlite3.Connection,
    ) -> tuple[Writing, T]:
        """In the thread of the writer."""
        write = Writing(Here(connection), self._our_errors, self.packs, self.vault, self._on_step)
        try:
            with self._our_errors:
                touched(BEGIN, (), connection)
            done = at_once(work(write))
            if not is_kept:
                connection.rollback()
                return write, done
            self._on_step("COMMIT")
            self._our_errors.refuse_writes()  # a reader may have met with it meanwhile
            with self._our_errors:
                connection.commit()
            self._on_step("COMMITTED")
        except BaseException:
            connection.rollback()
            raise
        return write, done

    async def lazily(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`work` in a transaction of its own, on a thread of its own, in its turn with the others.

        It survives the end of the process at once, a loss of power with the next `transaction()`.
        What it appended to packs is taken back with it.
        """
        async with self._write_turn:
            self._our_errors.refuse_writes()
            try:
                with self._our_errors:
                    return await whole(self._lazy.run(work))
            finally:
                self.written += 1

    async def append(self, chunks: Sequence[tuple[bytes, bytes]]) -> None:
        """Whole chunks of a large blob by their hashes, which were checked against its pages.

        They survive the end of the process, and can be read after the next write, or `settle`.
        """
        async with self._write_turn:
            self._our_errors.refuse_writes()
            try:
                with self._our_errors:
                    await whole(self._lazy.append(chunks))
            finally:
                self.written += 1

    def append_at_once(self, chunks: Sequence[tuple[bytes, bytes]]) -> bool:
        """As `append`, where nobody writes and the disk is prompt; gives whether it was done.

        Raises `OverQuota` where the disk is full, `StorageError`.
        """
        if self._write_turn.locked() or self._our_errors.is_damaged:
            return False
        is_there = self._lazy.append_at_once(chunks)
        self.written += is_there
        return is_there

    async def settle(self) -> bool:
        """What was appended until now can be read; gives whether there was anything."""
        if self._lazy.is_settled:
            return False
        async with self._write_turn:
            await self._settle()
        return True

    async def _settle(self) -> None:
        """In the turn of the caller."""
        if not self._lazy.is_settled:
            with self._our_errors:
                await whole(self._lazy.run(lambda _: None))
            self.written += 1

    async def _commit(self, write: Writing) -> None:
        await self._writer.commit()
        self.written += 1
        write.committed()

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Reading]:
        """One unchanging view of the data for all statements of the block: as of the first."""
        async with self._may_read:
            connection = self._idle.popleft()
            try:
                yield Reading(connection, self._our_errors, self.packs, self.vault, is_begun=False)
            finally:
                connection.end()
                self._idle.append(connection)

    async def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """One statement, read beside any write."""
        async with self._may_read:
            connection = self._idle.popleft()
            try:
                one = Reading(connection, self._our_errors, self.packs, self.vault)
                return await one.rows(sql, values)
            finally:
                self._idle.append(connection)

    async def row(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        found = await self.rows(sql, values)
        return found[0] if found else None

    async def few_rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """As `rows`, without a thread: for at most `FEW` short ones, found by their keys.

        A disk that has to be waited for holds up the event loop for those. Raises `Corrupt`.
        """
        try:
            return self._at_once.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            if isinstance(as_ours(error), Corrupt):  # a reader may have the good page in its cache
                with self._our_errors:
                    raise
            return await self.rows(sql, values)  # another process has the file: who waits may tell


def packs_beside(path: Path) -> Path:
    """The folder of the packs of one database, and of no other: `blobs` in a home."""
    return path.with_name("blobs" if path.name == HOMES else f"{path.stem}.blobs")


@asynccontextmanager
async def open_database(
    path: Path,
    *,
    on_step: Callable[[str], None] = nothing,
    on_rescue: Callable[[], None] = nobody,
    free_bytes: int = FREE_BYTES,
) -> AsyncGenerator[Database]:
    """Migrates the file if need be, opens it, and closes it on leaving.

    Its packs lie beside it, see `packs_beside`: what it does not name there is deleted.
    Blobs leave `free_bytes` of the disk free. `on_step` hears of every write before it happens
    (tests stop the process there). `on_rescue` hears again and again that the vault is being looked
    through, or written anew, which may take as long as copying it.
    Raises `NewerSchema`, `Corrupt`, `StorageError`.
    """
    await asyncio.to_thread(migrate, path)
    beside = vault_beside(path)
    done = await _vault_started(beside, on_rescue)
    packs = Packs(packs_beside(path), free_bytes)
    async with AsyncExitStack() as stack:
        writer = await stack.enter_async_context(_connect(path, beside, WRITER_CACHE_KIB))
        readers = [
            await stack.enter_async_context(
                _connect(path, beside, READER_CACHE_KIB, is_reader=True)
            )
            for _ in range(READERS)
        ]
        with OurErrors(beside):
            at_once = stack.enter_context(closing(_connect_at_once(path, beside)))
            lazy = await asyncio.to_thread(open_lazy, path, beside, packs, on_step)
            stack.push_async_callback(asyncio.to_thread, lazy.close)
            vault = stack.enter_context(open_vault(beside))
        database = Database(writer, readers, at_once, lazy, vault, on_step)
        database.mended = replace(
            lazy.mended, is_rescued=done.is_done, kept=done.kept, why_not_rescued=done.why_not
        )
        yield database


async def _vault_started(path: Path, on_rescue: Callable[[], None]) -> Rescue:
    if is_noted(path):
        on_rescue()
    starting = asyncio.get_running_loop().run_in_executor(None, start_vault, path)
    while not (await asyncio.wait([starting], timeout=HEARD_EVERY_S))[0]:
        on_rescue()
    return await starting


@asynccontextmanager
async def _connect(
    path: Path, vault: Path, cache_kib: int, *, is_reader: bool = False
) -> AsyncGenerator[Connection]:
    connection = await connect(path, timeout_s=BUSY_TIMEOUT_S, cached_statements=STATEMENTS)
    try:
        with OurErrors(vault):
            await connection.execute(ATTACH, (str(vault),))
            await connection.executescript(
                f"PRAGMA journal_mode = WAL; PRAGMA synchronous = {SYNCHRONOUS};"
                f"PRAGMA vault.synchronous = {SYNCHRONOUS};"
                f"PRAGMA vault.journal_size_limit = {LOG_BYTES_MAX};"
                "PRAGMA foreign_keys = ON;"
                f"PRAGMA cache_size = -{cache_kib}; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};"
                f"PRAGMA journal_size_limit = {LOG_BYTES_MAX}; PRAGMA temp_store = MEMORY;"
                f"PRAGMA query_only = {int(is_reader)};"
            )
        yield connection
    finally:
        await whole(connection.close())


def _connect_at_once(path: Path, vault: Path) -> sqlite3.Connection:
    """Reads alone, on this thread, and waits for nobody."""
    connection = sqlite3.connect(
        path, isolation_level=None, timeout=0, cached_statements=STATEMENTS
    )
    connection.execute(ATTACH, (str(vault),))
    connection.executescript(f"PRAGMA cache_size = -{READER_CACHE_KIB}; PRAGMA query_only = 1;")
    return connection
