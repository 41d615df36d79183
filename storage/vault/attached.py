"""The vault as a store has it: attached to each connection, read by threads of its own, synced.

What `Database.lazily` writes here survives the process at once, and a loss of power after `sync`.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import LifoQueue
from typing import NamedTuple, TypeVar

from storage.errors import CLOSED, Corrupt, StorageError
from storage.packs import LOST, START_AGAIN, as_packs_say
from storage.sqlite_errors import as_ours
from storage.vault.asked import in_order
from storage.vault.reading import one_moment
from storage.vault.rescue import ADVICE, note_damage
from storage.vault.runs import run_of
from storage.vault.scrubbing import fault_of_small
from storage.vault.unpacking import PlainCache

T = TypeVar("T")

NAME = "vault"
ATTACH = f"ATTACH DATABASE ? AS {NAME}"
READERS = 2  # as many as there are processors, mostly: to unpack and to hash takes all of one
CACHE_KIB = 2_048  # of each connection
PLAIN_BYTES = 8 << 20  # unpacked, kept for all: neighbours lean on the same objects
_SIZES = ("PRAGMA vault.page_size", "PRAGMA vault.page_count", "PRAGMA vault.freelist_count")


class _Reader(NamedTuple):
    """A connection, and what was read last, unpacked."""

    connection: sqlite3.Connection
    cache: PlainCache


_Work = Callable[[sqlite3.Connection, PlainCache], T]


class Vault:
    """Made by `open_vault`; the file is there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._failed: StorageError | None = None
        self.on_loss: Callable[[], None] = lambda: None
        """Hears, on the loop, that a transaction lost something of one blob: others may have it."""
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="vault")
        # The last one first: its pages are next to those that are asked for now.
        self._idle: LifoQueue[_Reader] = LifoQueue()
        cache = PlainCache(PLAIN_BYTES)
        for _ in range(READERS):
            self._idle.put(_Reader(_connection(path), cache))

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`work` on a connection that only reads and has only the vault, in a thread, and sees
        all of it as it was at one moment.

        Raises `StorageError`, `Corrupt`.
        """
        return await self.read_soon(lambda vault, _: work(vault))

    async def read_in_parts(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """As `read`, but for one who reads for so long that nothing could be copied from the log
        meanwhile: `work` itself says what is to be of `one_moment`."""
        return await self._begin(lambda vault, _: work(vault))

    async def objects(self, hashes: Sequence[bytes]) -> list[bytes | None]:
        """Their bytes, in their order; None where one is not here, or damaged."""
        return await self.read_soon(lambda vault, cache: in_order(vault, hashes, cache))

    def run_soon(self, hashes: Sequence[bytes]) -> asyncio.Future[bytes | None]:
        """All of their bytes, joined, or None; on its way already: see `let_go`."""
        return self.read_soon(lambda vault, cache: run_of(vault, hashes, cache, self._turn))

    def read_soon(self, work: "_Work[T]") -> asyncio.Future[T]:
        """As `read`, with what was unpacked before, and on its way already: see `let_go`."""
        return self._begin(_at_one_moment(work))

    def _begin(self, work: "_Work[T]") -> asyncio.Future[T]:
        try:
            return asyncio.get_running_loop().run_in_executor(self._threads, self._do, work)
        except RuntimeError as error:  # there are no threads any more
            raise StorageError(CLOSED) from error

    def _do(self, work: "_Work[T]") -> T:
        reader = self._idle.get()
        try:
            return work(*reader)
        except sqlite3.Error as error:
            ours = as_ours(error)
            if isinstance(ours, Corrupt):
                ours = self.damaged(str(error))
            raise ours or error from error
        finally:
            self._idle.put(reader)

    def damaged(self, fault: str) -> Corrupt:
        """To raise. The next start writes it anew."""
        note_damage(self.path)
        return Corrupt(f"{self.path.name} is damaged: {fault}. {ADVICE}")

    async def check(self) -> None:
        """What a reading of all objects leaves out. Raises `Corrupt`, `StorageError`."""
        if fault := await self.read(fault_of_small):
            raise self.damaged(fault)

    def sync(self) -> None:
        """All that was committed until now is on the disk.

        Raises `StorageError` where the disk says no; where it lost something, from then on.
        """
        with self._lock:
            if self._failed is not None:
                raise self._failed
        try:
            # No lock of SQLite's lies on this file, so closing it gives none away.
            with suppress(FileNotFoundError):  # all of it was copied back, and that was synced
                file = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    getattr(os, "fdatasync", os.fsync)(file)
                finally:
                    os.close(file)
        except OSError as error:
            ours = as_packs_say(error, "file of snapshots")
            with self._lock:
                if error.errno in LOST:
                    ours = self._failed = type(ours)(f"{ours} {START_AGAIN}")
            raise ours from error

    def close(self) -> None:
        """Waits for whoever reads."""
        self._threads.shutdown()
        for _ in range(READERS):
            self._idle.get().connection.close()


def let_go(reading: asyncio.Future[T]) -> None:
    """Nobody wants to know any more what was on its way."""
    if not reading.cancel() and not reading.cancelled():
        reading.exception()


def _at_one_moment(work: _Work[T]) -> _Work[T]:
    def at_once(vault: sqlite3.Connection, cache: PlainCache) -> T:
        with one_moment(vault):
            return work(vault, cache)

    return at_once


def used_bytes(vault: sqlite3.Connection) -> int:
    """What it takes of the disk, but for what is empty in it."""
    if is_empty(vault):
        return 0
    page, pages, empty = (vault.execute(asked).fetchone()[0] for asked in _SIZES)
    return int(page * (pages - empty))


def is_empty(vault: sqlite3.Connection) -> bool:
    """Whether nothing is in it."""
    return vault.execute("SELECT 1 FROM vault.name LIMIT 1").fetchone() is None


def checkpoint(vault: sqlite3.Connection) -> None:
    """What was written goes from the log to the file, which ends with what is in it.

    Where somebody reads just then, the next one does it.
    """
    vault.execute("PRAGMA vault.wal_checkpoint(TRUNCATE)").fetchall()


@contextmanager
def open_vault(path: Path) -> Generator[Vault]:
    vault = Vault(path)
    try:
        yield vault
    finally:
        vault.close()


def _connection(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.execute(ATTACH, (str(path),))
    connection.executescript(
        f"PRAGMA {NAME}.cache_size = -{CACHE_KIB}; PRAGMA query_only = 1;"
        "PRAGMA busy_timeout = 10000;"
    )
    return connection
