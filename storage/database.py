"""One SQLite file: a single writing connection, and a few that read beside it.

Every write is one `transaction()`, durable when the block ends (WAL, synchronous = FULL); readers
see the state before it or after it. aiosqlite gives each connection a thread of its own, so a slow
disk never holds up the event loop; a statement is one hop to that thread, so batches go by
`run_many` and `each`. A hop costs far more than a few rows do, so those are read on the loop's own
thread (`few_rows`). What comes in thousands of batches and can be fetched again goes by `lazily`:
one hop, and no wait for the disk. Beside the file lie the packs, with the chunks of large blobs.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

from storage.connection import (
    Asked,
    Connection,
    carry_out,
    carry_out_many,
    connect,
    touched,
    whole,
)
from storage.connection import Row as Row
from storage.disk_room import FREE_BYTES
from storage.errors import Corrupt
from storage.lazily import BUSY_TIMEOUT_S, CHECKPOINT_PAGES, LOG_BYTES_MAX, Lazy, open_lazy
from storage.migration import migrate
from storage.packs import Packs
from storage.sqlite_errors import as_ours
from storage.vault.attached import ATTACH, Vault, open_vault
from storage.vault.opening import HOMES, make_vault, vault_beside

T = TypeVar("T")

READERS = 2  # a listing and a reconciliation at once; more threads only share the same two cores
WRITER_CACHE_KIB = 16_384  # holds the inner pages of every index at 100,000 records
READER_CACHE_KIB = 4_096
FEW = 64  # rows that the event loop reads itself: short ones, of a few pages of the disk each
VARIABLES_MAX = 1_000  # `?` in one statement; SQLite takes 32,766
SYNCHRONOUS = "FULL"  # what was acknowledged is on the disk
STATEMENTS = 256  # compiled statements kept by each connection


def nothing(step: str) -> None:
    """The `on_step` of every node that is not under test."""


class Reading:
    """A connection, held for the length of a block."""

    def __init__(
        self,
        connection: Connection,
        errors: "_OurErrors",
        packs: Packs,
        vault: Vault,
        *,
        is_begun: bool = True,
    ) -> None:
        self._connection = connection
        self._our_errors = errors
        self._is_begun = is_begun
        self.packs = packs
        self.vault = vault

    async def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        return (await self.each([(sql, tuple(values))]))[0]

    async def each(self, asked: Sequence[Asked]) -> list[list[Row]]:
        """The rows of every statement, in one hop: keep them as many as may be held at once."""
        begins, self._is_begun = not self._is_begun, True
        with self._our_errors:
            # Also where nobody waits any more: whoever has the connection next waits for nothing.
            return await whole(self._connection.each(asked, begins=begins))

    async def row(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        found = await self.rows(sql, values)
        return found[0] if found else None

    async def number(self, sql: str, values: Sequence[object] = ()) -> int:
        """The single integer that the statement gives; 0 for none."""
        found = await self.row(sql, values)
        return int(found[0] or 0) if found else 0

    async def rows_in(self, sql: str, keys: Sequence[object], *before: object) -> list[Row]:
        """The statement once for every so many `keys`, which take the place of `(*)`."""
        found: list[Row] = []
        for at in range(0, len(keys), VARIABLES_MAX):
            part = keys[at : at + VARIABLES_MAX]
            marks = ",".join("?" * len(part))
            found += await self.rows(sql.replace("(*)", f"({marks})"), (*before, *part))
        return found


class Writing(Reading):
    """The open transaction."""

    def __init__(
        self,
        connection: Connection,
        errors: "_OurErrors",
        packs: Packs,
        vault: Vault,
        on_step: Callable[[str], None],
    ) -> None:
        super().__init__(connection, errors, packs, vault)
        self._on_step = on_step
        self._after: list[Callable[[], None]] = []

    def after_commit(self, tell: Callable[[], None]) -> None:
        """`tell` is called as soon as this is durable, even where the writer is cancelled by then.

        It must not raise.
        """
        self._after.append(tell)

    def committed(self) -> None:
        for tell in self._after:
            tell()

    async def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """How many rows the statement touched."""
        self._on_step(sql)
        with self._our_errors:
            return await self._connection.run(partial(touched, sql, tuple(values)))

    async def run_each(self, asked: Sequence[Asked]) -> None:
        """Statements of which nobody asks what they touched, in order and in one hop."""
        for sql, _ in asked:
            self._on_step(sql)
        with self._our_errors:
            await self._connection.run(partial(carry_out, asked))

    async def at_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`work` as a part of it, in one hop."""
        with self._our_errors:
            return await whole(self._connection.run(work))

    async def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Once for every row. The rows are made on the connection's thread, off the event loop."""
        todo = iter(rows)
        for first in todo:
            self._on_step(sql)
            with self._our_errors:
                await self._connection.run(partial(carry_out_many, sql, chain([first], todo)))


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
        self._our_errors = _OurErrors()
        self._on_step = on_step
        self.written = 0
        """How many writes there were: what was read holds while this stays the same."""
        self._idle: asyncio.Queue[Connection] = asyncio.Queue(len(readers))
        for reader in readers:
            self._idle.put_nowait(reader)

    @asynccontextmanager
    async def transaction(self, *, is_kept: bool = True) -> AsyncGenerator[Writing]:
        """All of the block or nothing, durable when it ends. Writers wait for each other here.

        Without `is_kept` it ends with nothing: the block sees what it would come to.

        Raises `Corrupt` once any read or write has met with damage: nobody could promise that what
        is written after that is found again. A database opened anew is looked at anew.
        """
        async with self._write_turn:
            self._our_errors.refuse_writes()
            await self._settle()
            try:
                with self._our_errors:
                    await whole(self._writer.execute("BEGIN IMMEDIATE"))
                write = Writing(
                    self._writer, self._our_errors, self.packs, self.vault, self._on_step
                )
                yield write
                if not is_kept:
                    await whole(self._writer.rollback())
                    return
                self._on_step("COMMIT")
                self._our_errors.refuse_writes()  # a reader may have met with it meanwhile
                with self._our_errors:
                    await whole(self._commit(write))
                self._on_step("COMMITTED")
            except BaseException:
                await whole(self._writer.rollback())
                raise

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
        connection = await self._idle.get()
        try:
            yield Reading(connection, self._our_errors, self.packs, self.vault, is_begun=False)
        finally:
            connection.end()
            self._idle.put_nowait(connection)

    async def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """One statement, read beside any write."""
        connection = await self._idle.get()
        try:
            one = Reading(connection, self._our_errors, self.packs, self.vault)
            return await whole(one.rows(sql, values))
        finally:
            self._idle.put_nowait(connection)

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
    path: Path, *, on_step: Callable[[str], None] = nothing, free_bytes: int = FREE_BYTES
) -> AsyncGenerator[Database]:
    """Migrates the file if need be, opens it, and closes it on leaving.

    Its packs lie beside it, see `packs_beside`: what it does not name there is deleted.
    Blobs leave `free_bytes` of the disk free. `on_step` hears of every write before it happens
    (tests stop the process there).
    Raises `NewerSchema`, `Corrupt`.
    """
    await asyncio.to_thread(migrate, path)
    beside = vault_beside(path)
    await asyncio.to_thread(make_vault, beside)
    packs = Packs(packs_beside(path), free_bytes)
    async with AsyncExitStack() as stack:
        writer = await stack.enter_async_context(_connect(path, beside, WRITER_CACHE_KIB))
        readers = [
            await stack.enter_async_context(
                _connect(path, beside, READER_CACHE_KIB, is_reader=True)
            )
            for _ in range(READERS)
        ]
        with _OurErrors():
            at_once = stack.enter_context(closing(_connect_at_once(path, beside)))
            lazy = await asyncio.to_thread(open_lazy, path, beside, packs, on_step)
            stack.push_async_callback(asyncio.to_thread, lazy.close)
            vault = stack.enter_context(open_vault(beside))
        yield Database(writer, readers, at_once, lazy, vault, on_step)


@asynccontextmanager
async def _connect(
    path: Path, vault: Path, cache_kib: int, *, is_reader: bool = False
) -> AsyncGenerator[Connection]:
    connection = await connect(path, timeout_s=BUSY_TIMEOUT_S, cached_statements=STATEMENTS)
    try:
        with _OurErrors():
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


class _OurErrors:
    """Turns SQLite's words for a broken file, a full disk and the like into ours."""

    def __init__(self) -> None:
        self._damage: Corrupt | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error) and (ours := as_ours(error)):
            if isinstance(ours, Corrupt):
                self._damage = ours
            raise ours from error

    @property
    def is_damaged(self) -> bool:
        """Whether `refuse_writes` would raise."""
        return self._damage is not None

    def refuse_writes(self) -> None:
        """Raises `Corrupt` once the file was seen to be damaged."""
        if self._damage is not None:
            raise Corrupt(f"{self._damage} Until then nothing more is written.")
