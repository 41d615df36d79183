"""A vault that has pages that SQLite cannot read is written anew with all that can be read.

    who reads meets with such a page ─▸ a note beside the file ─next start─▸ a file in its place
                                                              the old one ─▸ snapshots.db.old

A sector that the disk forgot takes some rows; SQLite says then of the whole statement that the file
is malformed, and would say so of each that is to mend it. What is missing in the new file is found
and fetched as what is damaged. The old file stays beside it under another name: a page that leads
to others may hide what is good, and perhaps nobody else has that.
"""

import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from storage.errors import Corrupt, OverQuota, StorageError
from storage.sqlite_errors import as_ours
from storage.vault.ids import GIVEN_AGAIN, IN_BOTH, are_counted
from storage.vault.leaves import Leaves
from storage.vault.old_files import (
    all_kept,
    check_room,
    end_log,
    keep,
    log_of,
    new_of,
    remove,
    remove_rest,
    sync_folder,
)
from storage.vault.opening import DOUBT, show_as_newest
from storage.vault.salvage import Salvage

BUSY_S: Final = 1.0
"""For another process that is just leaving it."""
ADVICE: Final = (
    "Start the node again: where the disk has room for it once more, it is written anew with all"
    " that can be read. Then panspermia scrub fetches the rest from peers."
)
FULL: Final = "the disk is full: make room"
_READ_FIRST: Final = ("lost", "todo", "name")
"""Tables of which each start, or what it does first, reads; it ends where `name` cannot be."""


@dataclass(frozen=True, slots=True)
class Rescue:
    """What became of it."""

    is_done: bool = False
    kept: str = ""
    """The name of the old file, which stays beside the new one; of several, all."""
    why_not: str = ""
    """Why it stays as it is, where it was to be written anew."""

    def __bool__(self) -> bool:
        return self.is_done


def note_damage(path: Path) -> None:
    """The next start is to write the vault at `path` anew. A disk that takes no note is asked
    again by whoever reads the next time."""
    with suppress(OSError):
        os.close(os.open(_note(path), os.O_CREAT | os.O_WRONLY, 0o600))


def is_noted(path: Path) -> bool:
    """Whether the next start writes the vault at `path` anew, which takes as long as reading it."""
    return _note(path).exists()


def how_far(path: Path) -> tuple[int, int]:
    """Bytes of the new file, while the one at `path` is written anew, and of that; 0: there is
    none, so it is only read yet."""
    place = path.resolve()
    written, whole = (one.stat().st_size if one.exists() else 0 for one in (new_of(place), place))
    return written, whole


def rescue_before_opening(path: Path, make: Callable[[Path], object]) -> Rescue:
    """As `rescue`, also where nobody could note it, since what is read first cannot be; `kept`: all
    old files that lie beside it yet, whichever start left them.

    Raises `Corrupt` where the vault cannot be opened and stays as it is, else as `rescue`.
    """
    faults = _faults_at_first(path)
    if faults:
        note_damage(path)
    done = rescue(path, make)
    if done or "name" not in faults:
        return replace(done, kept=", ".join(map(str, all_kept(path))))
    raise not_written_anew(f"{path.name} is damaged: {faults['name']}.", done)


def not_written_anew(fault: str, done: Rescue) -> Corrupt:
    """To raise, of what cannot be opened else."""
    return Corrupt(
        f"{fault} It could not be written anew with all that can be read:"
        f" {done.why_not or 'no note can be written beside it'}. Nothing is lost; then start"
        " the node again."
    )


def rescue(path: Path, make: Callable[[Path], object], *, is_sure: bool = False) -> Rescue:
    """Writes it anew where that was noted and is so; `make` makes an empty vault.

    `is_sure`: it cannot be opened else, so nobody need look whether it is so. Where another process
    has it, the disk has no room, or whatever else fails, it stays where it is until the next start;
    its log may be in it then, behind zeros for what was cut.
    Raises `StorageError` where the disk does not say that it has the file in its place.
    """
    if not is_noted(path):
        return Rescue()
    place = path.resolve()  # where a home has it on another disk, all is written there
    try:
        kept = _write_anew(place, make, is_sure)
    except Exception as error:  # whatever rot can make of a copy: the old file is there
        return Rescue(why_not=said(error))
    try:
        sync_folder(place.parent)  # else what is stored next is gone where the power goes
    except OSError as error:
        raise StorageError(
            f"{path.name} was looked through or written anew, and the disk does not say that it"
            f" has it in its place: {said(error)}. Nothing is lost: start the node again."
        ) from error
    with suppress(OSError):  # else the next start finds that it is sound
        _note(path).unlink(missing_ok=True)
    return Rescue(is_done=kept is not None, kept=kept.name if kept else "")


def _write_anew(path: Path, make: Callable[[Path], object], is_sure: bool) -> Path | None:
    """Gives the second name of the old file; None where it is sound, as what was met with may have
    been in another file, or in the memory alone.

    From the first look at the old file to the end nobody else has it. So what lies there under the
    name of a new one is this process's, or that of one that was killed.
    """
    new = new_of(path)
    with (
        path.open("r+b") as content,  # closed last: that gives away the locks that SQLite has on it
        closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)) as old,
    ):
        old.text_factory = bytes
        if is_sure:  # else nothing of one that was cut would be read
            old.execute("PRAGMA writable_schema = ON")
        old.execute("PRAGMA locking_mode = EXCLUSIVE")  # else another one would write to it yet
        old.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        if not os.path.samestat(os.fstat(content.fileno()), path.stat()):
            raise StorageError("another process has just written it anew")
        _write_log_into(old, content.fileno(), path)
        if not is_sure and _is_sound(old):
            return None
        remove_rest(path)
        try:
            check_room(path)
            _copy(old, content.fileno(), new, make)
            for one in (path, new):
                end_log(one)
            sync_folder(path.parent)  # the new one is there, before the old one has another name
            kept = keep(path, content)
            end_log(path)  # a copy takes its time, and a log would be read as the new one's
            os.replace(new, path)
        except Exception:
            with suppress(OSError):
                remove(new)
            raise
    return kept


def _write_log_into(old: sqlite3.Connection, file: int, path: Path) -> None:
    """`file`: descriptor of the one at `path`, which `old` has alone."""
    log = log_of(path)
    if log.exists() and log.stat().st_size:
        # Where the file was cut, and the log with it does not make it as long as that says that it
        # is, SQLite calls it malformed, time after time. As zeros those pages are only damaged.
        ((pages,),) = old.execute("PRAGMA page_count")
        ((page_bytes,),) = old.execute("PRAGMA page_size")
        if os.fstat(file).st_size < pages * page_bytes:
            os.ftruncate(file, pages * page_bytes)
    old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _faults_at_first(path: Path) -> dict[str, str]:
    """By their tables, what keeps the first row from being read, or new ones from being written."""
    found: dict[str, str] = {}
    with closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)) as vault:
        for table in _READ_FIRST:
            try:
                vault.execute(f"SELECT 1 FROM {table} NOT INDEXED LIMIT 1").fetchall()
            except sqlite3.Error as error:
                if isinstance(as_ours(error), Corrupt):
                    found[table] = str(error)
        try:
            if not are_counted(vault, "main"):
                found["sqlite_sequence"] = GIVEN_AGAIN
        except sqlite3.Error as error:
            if isinstance(as_ours(error), Corrupt):
                found["sqlite_sequence"] = str(error)
    return found


def _copy(old: sqlite3.Connection, file: int, new: Path, make: Callable[[Path], object]) -> None:
    """All that can be read, on the disk when this returns. `file`: descriptor of the old one."""
    make(new)
    show_as_newest(old)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        fresh.execute("ATTACH DATABASE ? AS vault", (str(new),))
        # What is not finished is thrown away, so it needs no log.
        fresh.executescript("PRAGMA vault.journal_mode = OFF; PRAGMA vault.synchronous = OFF")
        fresh.execute("BEGIN")
        ((page_bytes,),) = old.execute("PRAGMA page_size")
        Salvage(old, fresh).copy(Leaves(file, page_bytes))
        fresh.execute(DOUBT.format("vault.lost"))
        fresh.execute("COMMIT")
        fresh.execute("PRAGMA vault.journal_mode = WAL")
    with new.open("rb") as written:
        os.fsync(written.fileno())


def _is_sound(old: sqlite3.Connection) -> bool:
    """Also whether no page is hidden, as one that leads to others may say too little, no id is
    given again, and none leads to two rows."""
    try:
        is_whole = old.execute("PRAGMA integrity_check(1)").fetchall() == [(b"ok",)]
        if not is_whole or not are_counted(old, "main"):
            return False
        return old.execute(f"{IN_BOTH.format('main')} LIMIT 1").fetchone() is None
    except sqlite3.Error as error:
        if isinstance(as_ours(error), Corrupt):
            return False
        raise


def said(error: Exception) -> str:
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return "another program has it open: close that"
        if isinstance(as_ours(error), OverQuota):
            return FULL
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FULL
    said = str(error).rstrip(".")
    return said if isinstance(error, StorageError) else f"{type(error).__name__}: {said}"


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.damaged")
