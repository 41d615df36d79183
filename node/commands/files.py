"""Files that commands read, and those that they write: whole or not at all."""

from __future__ import annotations

import errno
import os
import select
import signal
import stat
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from node.commands.unfinished import part_beside
from node.failure import Failure, failed
from node.text import printable

PIECE_BYTES = 1 << 20
# To open a pipe waits for its writer, and a terminal may become the one of this process.
OPENED = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY"))
WRITER_PATIENCE_S: Final = 2.0
"""For the writer of a pipe with a name: it may be started after its reader."""

ENDINGS: Final = tuple(
    found for name in ("SIGTERM", "SIGHUP") if (found := getattr(signal, name, None)) is not None
)

# Of the file, not of the line to the node.
OF_THE_FILE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EISDIR, errno.EACCES}


def read_file(path: Path, bytes_max: int) -> bytes:
    """Its beginning, at most so much; of a terminal or a pipe as its writer gives it.

    Raises `OSError`, also where nobody comes to write to a pipe.
    """
    opened = os.open(path, os.O_RDONLY | OPENED)
    with os.fdopen(opened, "rb", buffering=0) as file:
        begun = _begun(opened) if stat.S_ISFIFO(os.fstat(opened).st_mode) else b""
        if hasattr(os, "O_NONBLOCK"):
            os.set_blocking(opened, True)
        pieces, left = [begun], bytes_max - len(begun)
        while left > 0 and (piece := file.read(min(left, PIECE_BYTES))):
            pieces.append(piece)
            left -= len(piece)
    return b"".join(pieces)


def _begun(pipe: int) -> bytes:
    """At most a byte, once it is known that somebody writes there or did: to end at once is honest.

    A pipe without a name, as a shell's <(…), had its writer from its beginning. One with a name
    is readable from when a writer came, until then it only looks as if it were at its end.
    """
    waits = select.poll()
    waits.register(pipe, select.POLLIN)
    if _is_unnamed(pipe) or waits.poll(WRITER_PATIENCE_S * 1_000):
        return b""
    try:
        begun = os.read(pipe, 1)
    except BlockingIOError:  # there is a writer, who takes its time
        return b""
    if not begun:
        raise OSError(errno.EPIPE, "a pipe that nobody writes to")
    return begun


def _is_unnamed(pipe: int) -> bool:
    """Those all lie on one device, on which there is no name."""
    ends = os.pipe()
    try:
        return os.fstat(pipe).st_dev == os.fstat(ends[0]).st_dev
    finally:
        for end in ends:
            os.close(end)


def keep_what_is_there(path: Path, *, force: bool) -> None:
    """Before a file that a person named is written.

    Raises `Failure`: `file-exists`, and `cannot-write` for a folder.
    """
    if path.is_dir():
        detail = f"{printable(str(path))} is a folder; name a file in it"
        raise failed("cannot-write", "The file cannot be written", detail)
    if os.path.lexists(path) and not force and not is_stream(path):
        detail = f"{printable(str(path))}; or give --force"
        raise failed("file-exists", "The file is there already", detail)


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """The same for a file that a person named. Raises `Failure` (`cannot-write`)."""
    try:
        if is_stream(path):
            with _stream(path) as file:
                file.write(content)
        else:
            write_atomically(path, content, mode=mode)
    except OSError as error:
        raise unwritable(path, error) from error


@contextmanager
def whole_file(path: Path, *, force: bool, mode: int = 0o644) -> Generator[IO[bytes]]:
    """A file beside `path` that takes its place, on the disk, when the block ends in order.

    A device or a pipe is written to as it is. Raises `Failure`: `cannot-write` where there is no
    room for it or no right to it, and without `force` `file-exists`, before the block and after.
    """
    keep_what_is_there(path, force=force)
    if is_stream(path):
        with _stream(path) as file:
            yield file
        return
    is_begun = False
    try:
        with part_beside(path) as (file, name), stops_in_order():
            is_begun = True
            yield file
            _settle(file, name, mode)
            keep_what_is_there(path, force=force)  # another program may have made one meanwhile
            os.replace(name, path)
    except OSError as error:
        if error.errno in OF_THE_FILE or not is_begun:
            raise unwritable(path, error) from error
        raise


@contextmanager
def stops_in_order() -> Generator[None]:
    """Whoever ends this program meanwhile, or closes its terminal, leaves nothing half-written."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only there it could hear of it
        return

    def stop(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = {
        one: signal.signal(one, stop) for one in ENDINGS if signal.getsignal(one) is signal.SIG_DFL
    }
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def is_stream(path: Path) -> bool:
    """Whether a device or a pipe is there: a file in its place would take it from everybody."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return _is_opened_already(path) or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _is_opened_already(path: Path) -> bool:
    """/dev/stdout, /dev/fd/3 and the like, which may lead to a file that a shell opened."""
    folder = os.path.realpath(path.parent)
    return path.is_symlink() and (folder == "/dev" or folder.startswith("/proc/"))


@contextmanager
def _stream(path: Path) -> Generator[IO[bytes]]:
    try:
        # Where a shell's file is behind it, what others wrote there stays.
        with path.open("ab" if path.is_file() else "wb") as file:
            yield file
    except OSError as error:
        if error.errno in OF_THE_FILE:
            raise unwritable(path, error) from error
        raise


def unwritable(path: Path, error: OSError) -> Failure:
    detail = (
        f"{printable(str(path))}: {error.strerror}. Nothing was written; make room there, or name"
        " a file somewhere else"
    )
    return failed("cannot-write", "The file cannot be written", detail)


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace `path` in one step, durable: a reader sees the old bytes or the new ones."""
    with part_beside(path) as (file, name):
        file.write(content)
        _settle(file, name, mode)
        os.replace(name, path)


def _settle(file: IO[bytes], name: str, mode: int) -> None:
    """All of it is on the disk, and as private as it is to be."""
    file.flush()
    os.fsync(file.fileno())
    os.chmod(name, mode & ~_umask())


def _umask() -> int:
    """What a person keeps from others by; it can be read only by setting it."""
    kept = os.umask(0o077)  # in between another thread rather makes a file too private
    os.umask(kept)
    return kept
