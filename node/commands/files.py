"""Files that commands write: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from node.failure import Failure, failed
from node.text import printable


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """The same for a file that a person named. Raises `Failure` (`cannot-write`)."""
    try:
        write_atomically(path, content, mode=mode)
    except OSError as error:
        raise unwritable(path, error) from error


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
