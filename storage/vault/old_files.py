"""The file of snapshots as it was, beside the one that took its place, and the log of each.

snapshots.db    ─▸ snapshots.db.old, or .old-2, … where that is taken
snapshots.db-wal ─▸ snapshots.db.old-wal, where it is that of no file
"""

import fcntl
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from storage.disk_room import DiskRoom
from storage.errors import StorageError

SPARE_BYTES: Final = 1 << 20
"""Beside its own size, for what the new one has more of."""
_SHARED: Final = (510, 0x4000_0002)  # bytes on which whoever has it open holds a lock


def check_room(path: Path) -> None:
    """Raises `StorageError` where the disk has none for the new file beside the old one."""
    copies = 1 if _can_have_two_names(path) else 2
    size = copies * path.stat().st_size + SPARE_BYTES
    free = DiskRoom(path.parent).available_bytes()
    if free < size:
        raise StorageError(
            f"{-(-size >> 20):,} MiB of the disk are needed, {free >> 20:,} MiB are free: make room"
        )


def keep(path: Path, content: BinaryIO) -> Path:
    """The same file under a second name, on the disk when this returns. It always has one.

    Nobody but `content` reads it: who closes a file gives away all locks of its process on it.
    """
    for kept in all_kept(path):
        at = path.with_name(kept.name)
        if at.samefile(path):  # a start that was killed came so far
            return at
    kept = _free_name(path)
    try:
        os.link(path, kept)
    except OSError:  # a file system that has one name for each
        _copy(content, kept, part_of(path))
    sync_folder(path.parent)
    return kept


def alone(content: BinaryIO) -> None:
    """Nobody else has the file of `content` open with SQLite until that is closed.

    Raises `StorageError` where somebody has.
    """
    try:
        fcntl.lockf(content, fcntl.LOCK_EX | fcntl.LOCK_NB, *_SHARED)
    except OSError as error:
        raise StorageError("another program has it open: close that") from error


def set_log_aside(path: Path) -> None:
    """What lies there as the log of `path` is that of no file: it may have what nobody else has."""
    log = log_of(path)
    if log.exists() and log.stat().st_size:
        log.rename(log_of(_free_name(path)))
        sync_folder(path.parent)
    log.unlink(missing_ok=True)
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)


def all_kept(path: Path) -> list[Path]:
    """Those that `keep` named and nobody deleted; mere names where they lie beside it."""
    place = path.resolve()
    whole = re.compile(re.escape(f"{place.name}.old") + r"(-\d+)?(-wal)?")
    found = sorted(
        one
        for one in place.parent.glob("*.old*")
        if whole.fullmatch(one.name) and not one.is_symlink()
    )
    is_beside = place.parent == path.parent.resolve()
    return [Path(one.name) if is_beside else one for one in found]


def end_log(path: Path) -> None:
    """Raises `StorageError` where the last one to write it left a log that could not be written
    into it: it would be read as that of the new file."""
    log = log_of(path)
    if log.exists() and log.stat().st_size:
        raise StorageError(f"{path.name} has a log that could not be written into it")
    for one in (log, path.with_name(f"{path.name}-shm")):
        one.unlink(missing_ok=True)


def remove(new: Path) -> None:
    """It and all that SQLite lays beside it."""
    for one in _all_of(new):
        one.unlink(missing_ok=True)


def remove_rest(path: Path) -> None:
    """What a start that was killed left of its copy of the file, which nobody else has open."""
    remove(new_of(path))
    part_of(path).unlink(missing_ok=True)


def remove_left_alone(path: Path) -> None:
    """As `remove_rest`, where there is any, of the vault at `path`; else the next start does it."""
    place = path.resolve()
    if not any(map(os.path.lexists, (*_all_of(new_of(place)), part_of(place)))):
        return
    with suppress(OSError, StorageError), place.open("r+b") as content:
        alone(content)  # else another start may be about to write it anew
        if os.path.samestat(os.fstat(content.fileno()), place.stat()):
            remove_rest(place)


def sync_folder(folder: Path) -> None:
    """What was made, renamed or deleted in it is so on the disk."""
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def new_of(path: Path) -> Path:
    """Of the one that is to take its place."""
    return path.with_name(f"{path.name}.new")


def part_of(path: Path) -> Path:
    """Of a second file that is not all there yet, or of a second name that is tried."""
    return path.with_name(f"{path.name}.old.part")


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _all_of(new: Path) -> list[Path]:
    return [new.with_name(new.name + rest) for rest in ("", "-wal", "-shm", "-journal")]


def _free_name(path: Path) -> Path:
    """Under which no old file lies, and no log of one."""
    number, name = 1, path.with_name(f"{path.name}.old")
    while os.path.lexists(name) or os.path.lexists(log_of(name)):
        number += 1
        name = path.with_name(f"{path.name}.old-{number}")
    return name


def _copy(content: BinaryIO, name: Path, part: Path) -> None:
    try:
        content.seek(0)
        with part.open("wb") as file:
            part.chmod(0o600)
            shutil.copyfileobj(content, file)
            file.flush()
            os.fsync(file.fileno())
        part.rename(name)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _can_have_two_names(path: Path) -> bool:
    try:
        os.link(path, part_of(path))
    except OSError:
        return False
    part_of(path).unlink()
    return True
