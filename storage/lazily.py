"""A connection beside the writer's, for what comes in thousands of batches: chunks of blobs.

It writes to the log and does not wait for the disk, does a whole batch in one hop to its thread,
and takes back with a batch what that appended to packs. Chunks of large blobs are only appended,
and get their rows together (`storage.unnamed`). Its turn with the writer is kept by `Database`.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from storage.errors import CLOSED, StorageError
from storage.mending import Mended, mend
from storage.packs import Packs
from storage.unnamed import Unnamed
from storage.vault.attached import ATTACH

SYNCHRONOUS = "NORMAL"  # the log is written, and not waited for
CACHE_KIB = 4_096
CHECKPOINT_PAGES = 4_000  # 16 MiB: a large batch is copied back once, not four times
LOG_BYTES_MAX = 64 << 20  # what a long write leaves behind is given back
BUSY_TIMEOUT_S = 10.0  # the command line may hold the file for a moment

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be done, and who waits for it."""

    work: Callable[[], object]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]


class Lazy:
    """One connection and the one thread that uses it."""

    def __init__(
        self, connection: sqlite3.Connection, packs: Packs, on_step: Callable[[str], None]
    ) -> None:
        self.packs = packs
        self.mended = Mended()
        self._connection = connection
        self._on_step = on_step
        self._unnamed = Unnamed(packs)
        self._is_closed = False
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = Thread(target=self._serve, name="lazily", daemon=True)
        self._thread.start()

    def run(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """`work` in one transaction, survived by a loss of power with the writer's next one.

        It goes on where nobody waits for it any more.
        """
        return self._do(partial(self._run, work))

    def append(self, chunks: Sequence[tuple[bytes, bytes]]) -> asyncio.Future[None]:
        """As `Unnamed.append`: they survive the process then, and are read once they have rows."""
        return self._do(partial(self._append, chunks))

    def append_at_once(self, chunks: Sequence[tuple[bytes, bytes]]) -> bool:
        """See `Unnamed.append_at_once`. On the caller's thread, while nothing is done on ours."""
        is_there = not self._is_closed and self._unnamed.append_at_once(chunks)
        if is_there:
            self._on_step("APPENDED AT ONCE")
        return is_there

    @property
    def is_settled(self) -> bool:
        """Whether all that was appended has its rows. In the turn of whoever writes."""
        return not self._unnamed

    def mend(self) -> None:
        """See `storage.mending`; before anything else."""
        with self._transaction():
            self.mended = mend(self._connection, self.packs)

    def close(self) -> None:
        self._is_closed = True
        self._jobs.put(None)
        self._thread.join()
        lost = suppress(sqlite3.Error, StorageError)  # the next start finds them
        with closing(self._connection), closing(self.packs), lost:
            if not self.is_settled:
                self._run(_nothing)

    def _do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        if self._is_closed:  # nobody would ever do it
            raise StorageError(CLOSED)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(work, loop, done))
        return done

    def _serve(self) -> None:
        """One job after the other. An executor's futures cost as much as what is done here."""
        while (job := self._jobs.get()) is not None:
            result: object = None
            fault: BaseException | None = None
            try:
                result = job.work()
            except StopIteration as error:  # no future takes it: whoever waits would wait for ever
                fault = RuntimeError("what was to be done raised StopIteration")
                fault.__cause__ = error
            except BaseException as error:  # whoever waits for it has it
                fault = error
            with suppress(RuntimeError):  # the loop is closed, and nobody waits
                job.loop.call_soon_threadsafe(_settle, job.done, result, fault)

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._transaction():
            self._on_step("LAZILY")
            done = work(self._connection)
            self._on_step("COMMIT LAZILY")
        self._on_step("COMMITTED LAZILY")
        return done

    def _append(self, chunks: Sequence[tuple[bytes, bytes]]) -> None:
        self._on_step("APPEND LAZILY")
        if self._unnamed.is_full:  # first: where that cannot be, nothing more is appended
            self._run(_nothing)
        if self._unnamed.is_found(self._connection):
            self._unnamed.append(self._connection, chunks)
        else:
            self._run(partial(self._unnamed.append_named, chunks=chunks))

    @contextmanager
    def _transaction(self) -> Generator[None]:
        mark = self.packs.mark()
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._unnamed.name(self._connection)
            yield
            self._connection.execute("COMMIT")
            self._unnamed.named()
        except BaseException:
            if self._connection.in_transaction:
                self._connection.rollback()
            self.packs.rewind(mark)
            raise


def open_lazy(path: Path, vault: Path, packs: Packs, on_step: Callable[[str], None]) -> Lazy:
    """A migrated file and its vault, mended. Raises what SQLite raises."""
    connection = sqlite3.connect(
        path, isolation_level=None, timeout=BUSY_TIMEOUT_S, check_same_thread=False
    )
    lazy = Lazy(connection, packs, on_step)
    try:
        connection.execute(ATTACH, (str(vault),))
        connection.executescript(
            # Debian's SQLite writes zeros over what goes: as much room again as that gives back.
            "PRAGMA secure_delete = OFF;"
            f"PRAGMA synchronous = {SYNCHRONOUS}; PRAGMA foreign_keys = ON;"
            f"PRAGMA vault.synchronous = {SYNCHRONOUS};"
            f"PRAGMA vault.cache_size = -{CACHE_KIB};"
            f"PRAGMA vault.journal_size_limit = {LOG_BYTES_MAX};"
            f"PRAGMA cache_size = -{CACHE_KIB}; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};"
            f"PRAGMA journal_size_limit = {LOG_BYTES_MAX};"
        )
        lazy.mend()
    except BaseException:
        lazy.close()
        raise
    return lazy


def _nothing(connection: sqlite3.Connection) -> None:
    """The work of a transaction that only writes rows of what was appended."""


def _settle(done: asyncio.Future[object], result: object, fault: BaseException | None) -> None:
    if done.cancelled():
        return
    if fault is None:
        done.set_result(result)
    else:
        done.set_exception(fault)
