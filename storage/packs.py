"""Pack files: chunks of large blobs one after another, so that the database stays small.

    HOME/blobs/00000001.pack   0600, appended to until it has 128 MiB, then the next one is begun

What lies where stands in SQLite alone; bytes that no row names are nothing. A file is written by
one thread at a time (the writer's turn), read by any, each read through a file of its own: who
still reads a pack that is being dropped reads it to the end. Nothing here is checked by its hash:
that is done by whoever reads, every time.

What is written in bulk leaves the system's cache once it is on the disk: a blob of gigabytes would
drive out all else, and memory that was used a moment ago is written to faster than any other.
"""

import errno
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from storage.disk_room import FREE_BYTES, DiskRoom
from storage.errors import OverQuota, StorageError

PACK_BYTES = 128 << 20  # one is rewritten at a time, and what is dead of it waits until then
SYNC_BYTES = 32 << 20  # written since the last time; so much a start reads to see that it is there
WRITE_BYTES = 256 << 10  # in one call: for more the system takes pages that nobody used lately
PIECES = 256  # in one call; the system takes 1,024
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LOST = (errno.EIO, *NO_ROOM)  # of a sync: bytes that were written are not on the disk
START_AGAIN = (
    "Then start the node again: it looks at what was being written, and keeps what is good."
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of a chunk lie."""

    pack: int
    at: int
    size: int


class Packs:
    """The files of one store. The folder is made with the first of them."""

    def __init__(self, folder: Path, free_bytes: int = FREE_BYTES) -> None:
        self.folder = folder
        self.room = DiskRoom(folder.parent, free_bytes)
        self.copied_to: set[int] = set()
        """Packs with copies that have no rows yet: their ends are not to be cut."""
        self._file: int | None = None
        self._pack = 0
        self._at = 0
        self._next = 1
        self._lock = threading.Lock()
        self._written: dict[int, int] = {}  # bytes of each pack that is not all on the disk
        self._synced: dict[int, int] = {}
        self._news: dict[int, int] = {}  # of what was synced, not told yet
        self._named = 0  # files up to this number have names that a loss of power leaves alone
        self._syncing: Future[object] | None = None
        self._failed: StorageError | None = None
        self._cached = bytearray()  # what was read so last: as long as the longest run
        self._behind = ThreadPoolExecutor(1, thread_name_prefix="packs")

    def path(self, pack: int) -> Path:
        return self.folder / f"{pack:08}.pack"

    def begin_with(self, ends: dict[int, int], synced: dict[int, int], newest: int) -> None:
        """What the database says there is: goes on with the newest pack, unless it is full."""
        self._next = max([newest, *ends], default=0) + 1
        self._written = {pack: end for pack, end in ends.items() if end > synced.get(pack, 0)}
        self._synced = {pack: synced.get(pack, 0) for pack in self._written}
        self._named = 0 if self._written else self._next - 1
        last = max(ends, default=0)
        if last and ends[last] < PACK_BYTES:
            try:
                self._file = os.open(self.path(last), os.O_WRONLY | os.O_CLOEXEC)
            except OSError:  # it takes nothing more; a new one does
                return
            self._pack, self._at = last, ends[last]

    @property
    def is_open(self) -> bool:
        """Whether the next piece needs no new file."""
        return self._file is not None and self._at < PACK_BYTES

    def append(self, pieces: Sequence[bytes]) -> list[Place]:
        """Writes them, one after another; on the disk only after `sync`.

        Raises `OverQuota` where there is no room, `StorageError`; the files are then as before.
        """
        before = self.mark()
        try:
            file = self._open()
            places: list[Place] = []
            for part in _parts(pieces):
                _write(file, part, self._at)
                for piece in part:
                    places.append(Place(self._pack, self._at, len(piece)))
                    self._at += len(piece)
        except OSError as error:
            self._take_back(before)
            raise as_packs_say(error) from error
        self._note_written()
        return places

    def mark(self) -> Place:
        """Where the next piece will lie."""
        return Place(self._pack, self._at, 0)

    def rewind(self, mark: Place) -> None:
        """What was written since is not wanted: its room is free again."""
        if mark != self.mark():
            self._take_back(mark)

    def close_pack(self) -> None:
        """The next piece begins a new pack."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._pack, self._at = None, 0, 0

    def read(self, place: Place) -> bytes:
        """What lies there: fewer bytes, or none, where the file is cut or gone.

        Raises `StorageError` where the disk cannot be read.
        """
        try:
            file = self._open_to_read(place.pack)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise as_packs_say(error) from error
        try:
            return os.pread(file, place.size, place.at)
        except OSError as error:
            if error.errno == errno.EIO:  # a bad spot of the disk: these bytes are lost
                return b""
            raise as_packs_say(error) from error
        finally:
            os.close(file)

    def read_cached(self, place: Place) -> bytes:
        """As `read`, of what the system has in memory, without waiting for a disk.

        For one thread. Raises `BlockingIOError` where it has not all of it there, or cannot tell.
        """
        if len(self._cached) < place.size:
            self._cached = bytearray(place.size)
        data = memoryview(self._cached)[: place.size]
        try:
            file = self._open_to_read(place.pack)
            try:
                size = os.preadv(file, [data], place.at, os.RWF_NOWAIT)
            finally:
                os.close(file)
        except (OSError, AttributeError) as error:  # not every system can, nor every disk
            raise BlockingIOError from error
        if size < place.size:
            raise BlockingIOError
        return bytes(data)

    def _open_to_read(self, pack: int) -> int:
        return os.open(f"{self.folder}/{pack:08}.pack", os.O_RDONLY | os.O_CLOEXEC)

    def sync(self, *, is_bulk: bool = False) -> dict[int, int]:
        """All that was written until now is on the disk; so many bytes of each pack.

        With `is_bulk` it is not expected to be read soon. Raises `StorageError` where the disk
        says no; where it lost something, from then on.
        """
        with self._lock:
            if self._failed is not None:
                raise self._failed
            todo, newest = dict(self._written), self._next - 1
        try:
            for pack in sorted(todo):
                with suppress(FileNotFoundError):  # collected meanwhile
                    _sync(self.path(pack), is_kept=not is_bulk)
            if newest > self._named:  # also where another thread is about it: both wait
                _sync(self.folder)
                _sync(self.folder.parent)
        except OSError as error:
            ours = as_packs_say(error)
            with self._lock:
                if error.errno in LOST:  # what a system says once about that it may not say again
                    ours = self._failed = type(ours)(f"{ours} {START_AGAIN}")
            raise ours from error
        with self._lock:
            if self._failed is not None:  # of what both wrote: the system told the other one alone
                raise self._failed
            self._named = max(self._named, newest)
            for pack, end in todo.items():
                self._synced[pack] = max(end, self._synced.get(pack, 0))
                if self._written.get(pack) == end:
                    del self._written[pack]
            self._news |= todo
            return dict(self._synced)

    def synced_since(self) -> dict[int, int]:
        """As `sync` gives it, of what came to be on the disk since this was asked last."""
        with self._lock:
            news, self._news = self._news, {}
        return news

    def unlink(self, packs: Sequence[int]) -> None:
        """These files are named no more. One that cannot go now goes with the next start."""
        for pack in packs:
            assert pack != self._pack, "closed before it is dropped"
            with suppress(OSError):
                self.path(pack).unlink(missing_ok=True)
        with self._lock:
            for pack in packs:
                self._written.pop(pack, None)
                self._synced.pop(pack, None)

    def close(self) -> None:
        self._behind.shutdown()
        self.close_pack()

    def _take_back(self, mark: Place) -> None:
        if self._file is not None:
            with suppress(OSError):  # else the next start cuts it
                os.ftruncate(self._file, mark.at if mark.pack == self._pack else 0)
        # Never two different bytes in one place: a thread may be syncing what was there.
        self.close_pack()

    def _open(self) -> int:
        if self._file is not None and self._at < PACK_BYTES:
            return self._file
        self.close_pack()
        self.folder.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with self._lock:
            number, self._next = self._next, self._next + 1
        self._file = os.open(self.path(number), flags, 0o600)
        self._pack = number
        return self._file

    def _note_written(self) -> None:
        with self._lock:
            self._written[self._pack] = self._at
            waiting = sum(end - self._synced.get(pack, 0) for pack, end in self._written.items())
            is_idle = self._syncing is None or self._syncing.done()
            if waiting >= SYNC_BYTES and is_idle:
                self._syncing = self._behind.submit(self.sync, is_bulk=True)


def _parts(pieces: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """As many of them at a time as one call writes."""
    first = size = 0
    for number, piece in enumerate(pieces):
        if number > first and (size + len(piece) > WRITE_BYTES or number - first == PIECES):
            yield pieces[first:number]
            first, size = number, 0
        size += len(piece)
    if first < len(pieces):
        yield pieces[first:]


def _write(file: int, pieces: Sequence[bytes], at: int) -> None:
    total = sum(map(len, pieces))
    written = os.pwritev(file, pieces, at)
    if written < total:  # a disk that is nearly full: the rest is refused with a reason
        rest = b"".join(pieces)
        while written < total:
            written += os.pwrite(file, rest[written:], at + written)


def _sync(path: Path, *, is_kept: bool = True) -> None:
    """With `is_kept` false the system need not keep the bytes in memory."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if path.is_dir():
            os.fsync(file)
        else:
            getattr(os, "fdatasync", os.fsync)(file)  # macOS has none
            if not is_kept and hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)


def as_packs_say(error: OSError, what: str = "folder of blobs") -> StorageError:
    """What the system says of the disk, in our words."""
    if error.errno in NO_ROOM:
        return OverQuota("The disk is full. Nothing was changed: make room and try again.")
    return StorageError(f"The {what} cannot be used: {error.strerror}.")
