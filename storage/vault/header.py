"""The first 100 bytes of the file of snapshots, of which nearly all are the same in each.

    others than in any of ours ─▸ a copy that has the right ones ─our tables─▸ in its place
    fewer pages than are used ──┘                                └─no tables of ours─▸ thrown away

One bit there makes SQLite refuse all of the file, or take it for one of another program, of a
newer version, or that nobody may write to, though every row is there. What tells a file of ours is
its tables. Of how many pages there are SQLite believes a number that is less, and gives those
behind it to whoever needs a new one. Source: https://www.sqlite.org/fileformat2.html, section 1.3.
"""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from storage.errors import StorageError
from storage.migration import HEADER_BYTES, MAGIC
from storage.vault.old_files import (
    alone,
    check_room,
    end_log,
    keep,
    log_of,
    new_of,
    remove,
    remove_rest,
    sync_folder,
)
from storage.vault.opening import (
    APPLICATION_ID,
    PAGE_BYTES,
    SCHEMA,
    STEPS,
    is_of_file,
)
from storage.vault.rescue import Rescue, not_written_anew, note_damage, said

_SIZES: Final = [size.to_bytes(2, "big") for size in (PAGE_BYTES, 8_192)]
"""Of pages; the first ones that were made had the second. In one whose header has neither that one
is right with which SQLite finds our tables. No one bit makes one of the other."""
_SAME: Final = {
    0: MAGIC,
    18: b"\2\2",  # it has a log
    20: b"\0\x40\x20\x20",
    44: b"\0\0\0\4",
    56: b"\0\0\0\1",
    68: APPLICATION_ID.to_bytes(4, "big"),
}
"""What each has, by where it begins."""
_HAS_NO_LOG: Final = b"\1\1"  # somebody may have told SQLite so
_COUNT: Final = slice(28, 32)
"""How many pages there are, which is believed where the next two say the same."""
_CHANGES: Final = slice(24, 28)
_COUNTED_AT: Final = slice(92, 96)
_VERSION: Final = slice(60, 64)
_Tables = dict[str, list[str]]
"""With their columns."""


class _Seen(NamedTuple):
    """What SQLite finds in a file, with its log."""

    tables: _Tables
    version: int
    application: int


def mend_header(path: Path) -> bool:
    """Whether the file at `path` had a header that no vault has, and now has the right one, in a
    file that was noted as damaged; the one as it was stays beside it.

    Raises `Corrupt` where that fails: it stays as it is.
    """
    place = path.resolve()
    if not place.exists():
        return False
    with place.open("r+b") as content:
        header = _header(content)
        if len(header) < HEADER_BYTES:
            return False
        try:
            if not _is_wrong(place, header) and not _counts_less(place, content):
                return False
            return _mend(path, place, content)
        except (OSError, StorageError, sqlite3.Error) as error:
            with suppress(OSError):
                remove(new_of(place))
            fault = f"{path.name} has a header that no file of snapshots has."
            raise not_written_anew(fault, Rescue(why_not=said(error))) from error


def _mend(path: Path, place: Path, content: BinaryIO) -> bool:
    new = new_of(place)
    alone(content)
    header = _header(content)  # who looked may have written a log into it
    remove_rest(place)
    check_room(place)
    version = _copy_with_tables(content, header, place)
    if not version:
        return False
    end_log(new)
    with new.open("rb") as file:
        header = _header(file)
    _write(new, _counted(new, _right(header, version)))
    note_damage(path)
    sync_folder(place.parent)
    keep(place, content)
    os.replace(new, place)
    log_of(place).unlink(missing_ok=True)  # the new one has it
    place.with_name(f"{place.name}-shm").unlink(missing_ok=True)
    sync_folder(place.parent)
    return True


def _copy_with_tables(content: BinaryIO, header: bytes, place: Path) -> int:
    """Gives the version that its tables are of; 0 where they are not ours, and there is no copy."""
    new, log = new_of(place), log_of(place)
    for page_bytes in [header[16:18]] if header[16:18] in _SIZES else _SIZES:
        _copy(content, new)
        if log.exists():
            shutil.copyfile(log, log_of(new))
        _write(new, _counted(new, _right(header[:16] + page_bytes + header[18:], 1)))
        if version := _version_of(new):
            return version
        remove(new)
    return 0


def _is_wrong(path: Path, header: bytes) -> bool:
    """Also where nobody can tell what has it."""
    right = _right(header, int.from_bytes(header[_VERSION], "big"))
    if header[18:20] == _HAS_NO_LOG:
        right = right[:18] + _HAS_NO_LOG + right[20:]
    if header[:60] != right[:60]:
        return True  # more than what only we read: SQLite would not find what is there
    seen, known = None, _known()
    with suppress(sqlite3.Error):  # whoever opens it next says what keeps it from being read
        seen = _seen(path)
    if seen is None:
        return header != right or not 0 < int.from_bytes(header[_VERSION], "big") <= len(known)
    # What a start that was killed wrote last may be in the log alone.
    if seen.application != APPLICATION_ID or not 0 < seen.version <= len(known):
        return seen.tables in known
    # Some of version 1 have what the next one has.
    its = known[seen.version - 1 : max(seen.version, 2)]
    return seen.tables in known and seen.tables not in its


def _counts_less(path: Path, content: BinaryIO) -> bool:
    """Whether pages are used that it does not count; nobody has it open, so its log is in it."""
    header = _header(content)
    if _counted(path, header) == header:
        return False
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as vault:
            # Where nothing leads to what lies behind the end, that may be written over.
            return vault.execute("PRAGMA integrity_check(1)").fetchall() != [("ok",)]
    except sqlite3.Error as error:
        if is_of_file(error):
            return True
        raise


def _counted(path: Path, header: bytes) -> bytes:
    """It counts all pages of the file at `path`. As it is where it says more, as that of one that
    was cut does, where nobody believes it, and where the file has a log, which may count others."""
    log = log_of(path)
    if header[_CHANGES] != header[_COUNTED_AT] or (log.exists() and log.stat().st_size):
        return header
    page_bytes = int.from_bytes(header[16:18], "big")
    pages = path.stat().st_size // page_bytes if header[16:18] in _SIZES else 0
    if not 0 < int.from_bytes(header[_COUNT], "big") < pages:
        return header
    return header[: _COUNT.start] + pages.to_bytes(4, "big") + header[_COUNT.stop :]


def _right(header: bytes, version: int) -> bytes:
    right = bytearray(header)
    for at, value in _SAME.items():
        right[at : at + len(value)] = value
    if header[16:18] not in _SIZES:
        right[16:18] = _SIZES[0]
    right[_VERSION] = version.to_bytes(4, "big")
    return bytes(right)


def _version_of(path: Path) -> int:
    """0 where it has others than our tables; a version that it can be brought on from.

    Raises `sqlite3.Error` where nobody can tell, as the disk is full.
    """
    seen = _seen(path)
    known = enumerate(_known(), 1)
    return next((version for version, one in known if seen and one == seen.tables), 0)


def _known() -> list[_Tables]:
    """Those of each version."""
    found: list[_Tables] = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as vault:
        for sql in (SCHEMA.read_text(encoding="utf-8"), *STEPS):
            vault.executescript(sql)
            found.append(_columns(vault))
    return found


def _seen(path: Path) -> _Seen | None:
    """None where it is not to be read.

    Raises `sqlite3.Error` where that is not said of the file.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as vault:
            vault.execute("PRAGMA writable_schema = ON")  # else one that was cut cannot be opened
            tables = _columns(vault)
            ((version,),) = vault.execute("PRAGMA user_version")
            ((application,),) = vault.execute("PRAGMA application_id")
            return _Seen(tables, version, application)
    except sqlite3.Error as error:
        if is_of_file(error):
            return None
        raise


def _columns(vault: sqlite3.Connection) -> _Tables:
    found: _Tables = {}
    for table, column in vault.execute(
        "SELECT s.name, c.name FROM sqlite_schema s, pragma_table_info(s.name) c"
        " WHERE s.type = 'table' AND s.name NOT GLOB 'sqlite_*' ORDER BY c.cid"
    ):
        found.setdefault(table, []).append(column)
    return found


def _header(content: BinaryIO) -> bytes:
    """As it is now, and nothing of it is held for who reads the file next."""
    return os.pread(content.fileno(), HEADER_BYTES, 0)


def _copy(content: BinaryIO, new: Path) -> None:
    content.seek(0)
    with new.open("wb") as file:
        new.chmod(0o600)
        shutil.copyfileobj(content, file)


def _write(path: Path, header: bytes) -> None:
    """It is on the disk when this returns."""
    with path.open("r+b") as file:
        file.write(header)
        file.flush()
        os.fsync(file.fileno())
