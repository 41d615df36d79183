"""Files that commands read, and those that they write: whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from node.failure import Failure, failed
from node.text import printable

PIECE_BYTES = 1 << 20
NO_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

# Of the file, not of the line to the node.
OF_THE_FILE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EISDIR, errno.EACCES}


def read_file(path: Path, bytes_max: int) -> bytes:
    """Its beginning, at most so much; of a pipe too, if somebody writes to it.

    Raises `OSError`.
    """
    opened = os.open(path, os.O_RDONLY | NO_WAITING)
    with os.fdopen(opened, "rb", buffering=0) as file:
        begun = _begun(opened) if stat.S_ISFIFO(os.fstat(opened).st_mode) else b""
        pieces, left = [begun], bytes_max - len(begun)
        while left > 0 and (piece := file.read(min(left, PIECE_BYTES))):
            pieces.append(piece)
            left -= len(piece)
    return b"".join(pieces)


def _begun(pipe: int) -> bytes:
    """What there is already. A pipe that has no writer, and may never have one, is at its end."""
    try:
        begun = os.read(pipe, PIECE_BYTES)
    except BlockingIOError:  # there is a writer, who is at it
        begun = None
    if begun == b"":
        raise OSError(errno.EPIPE, "a pipe that nobody writes to")
    os.set_blocking(pipe, True)
    return begun or b""


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """The same for a file that a person named. Raises `Failure` (`cannot-write`)."""
    try:
        write_atomically(path, content, mode=mode)
    except OSError as error:
        raise unwritable(path, error) from error


@contextmanager
def whole_file(path: Path, *, mode: int = 0o644) -> Generator[IO[bytes]]:
    """A file beside `path` that takes its place, on the disk, when the block ends in order.

    Raises `Failure` (`cannot-write`) where there is no room for it or no right to it.
    """
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in OF_THE_FILE:
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
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
