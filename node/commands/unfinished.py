"""Files that a command writes, under names of their own until they are whole.

    made, locked ──whole──▸ renamed to what a person named
       └──killed──▸ nobody holds its lock: the next run that writes that file clears it

The lock goes with the process, however it ends. So what is locked is being written, and what is
not, and has such a name, was left behind; what another user left stays.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from node.text import printable, size_text

ENDING: Final = ".panspermia-part"
RANDOM_CHARACTERS: Final = 8  # of `tempfile`
STEM_BYTES_MAX: Final = 200
"""Of a name that is as long as names may be, some is left out."""


@contextmanager
def part_beside(path: Path) -> Generator[tuple[IO[bytes], str]]:
    """A new file in the folder of `path`, and its name. Where the block fails it goes again.

    Before that goes what runs that were killed left of the same. Raises `OSError`.
    """
    clear_left(path)
    handle, name = _new(path)
    lock = os.dup(handle)  # also past the file's own end, until it is renamed
    try:
        with os.fdopen(handle, "wb") as file:
            yield file, name
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    finally:
        os.close(lock)


def clear_left(path: Path) -> None:
    """Removes, and says so, what nobody writes any more that was to be `path`."""
    for left in _parts_of(path):
        with suppress(OSError):  # it went meanwhile, or is locked: somebody writes it
            size = _remove_unless_locked(left)
            from node.commands.console import say

            said = f"{printable(str(left))}, {size_text(size)}, was left by a run that was killed"
            say(f"{said}: it is removed", dim=True, err=True)


def _new(path: Path) -> tuple[int, str]:
    """Locked. Whoever clears may have taken it for left behind, in the moment before it was."""
    import tempfile  # most commands write no file

    while True:
        handle, name = tempfile.mkstemp(prefix=_prefix(path), suffix=ENDING, dir=path.parent)
        try:
            with suppress(OSError):  # a file system without locks: nothing is ever cleared there
                fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_nlink:
                return handle, name
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _prefix(path: Path) -> str:
    stem = os.fsencode(path.name)[:STEM_BYTES_MAX]
    return f".{stem.decode(errors='ignore')}."


def _parts_of(path: Path) -> Iterator[Path]:
    prefix = _prefix(path)
    length = len(prefix) + RANDOM_CHARACTERS + len(ENDING)
    with suppress(OSError), os.scandir(path.parent) as entries:
        for one in entries:
            is_named_so = one.name.startswith(prefix) and one.name.endswith(ENDING)
            if is_named_so and len(one.name) == length and one.is_file(follow_symlinks=False):
                yield Path(one.path)


def _remove_unless_locked(left: Path) -> int:
    """Gives how large it was. Raises `OSError`."""
    handle = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found, named = os.fstat(handle), os.lstat(left)
        is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        is_alone = found.st_nlink == 1 and os.path.samestat(found, named)
        if not (is_ours and is_alone):
            raise PermissionError(left)
        left.unlink()
        return found.st_size
    finally:
        os.close(handle)
