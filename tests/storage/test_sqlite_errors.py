"""What SQLite says of the world becomes ours; a mistake in a statement does not."""

import sqlite3
from pathlib import Path

import pytest

from storage.errors import Corrupt, OverQuota, StorageError
from storage.migration import migrate
from storage.sqlite_errors import as_ours


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        (sqlite3.SQLITE_CORRUPT_VTAB, Corrupt),
        (sqlite3.SQLITE_NOTADB, Corrupt),
        (sqlite3.SQLITE_FULL, OverQuota),
        (sqlite3.SQLITE_IOERR_SHMSIZE, OverQuota),
        (sqlite3.SQLITE_IOERR_WRITE, StorageError),
        (sqlite3.SQLITE_BUSY, StorageError),
        (sqlite3.SQLITE_ERROR, type(None)),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, type(None)),
    ],
)
def test_each_code_has_its_word(code: int, ours: type) -> None:
    error = sqlite3.OperationalError("what it says")
    error.sqlite_errorcode = code
    assert type(as_ours(error)) is ours


def test_who_reads_yet_while_it_is_closed_is_told_so() -> None:
    gone = sqlite3.connect(":memory:")
    gone.close()
    with pytest.raises(sqlite3.ProgrammingError) as raised:
        gone.execute("SELECT 1")
    assert type(as_ours(raised.value)) is StorageError
    assert as_ours(sqlite3.ProgrammingError("a mistake of ours")) is None


def test_bytes_that_are_no_text_any_more_are_damage() -> None:
    rotten = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError) as raised:
        rotten.execute("SELECT CAST(x'c328' AS TEXT)").fetchall()
    rotten.close()
    assert type(as_ours(raised.value)) is Corrupt


def test_a_file_that_cannot_be_opened_is_said_in_our_words(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    migrate(path)
    (tmp_path / "p.db-wal").mkdir()
    with pytest.raises(StorageError, match="cannot be used"):
        migrate(path)
