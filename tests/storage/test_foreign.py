"""Databases of strangers: read for their rows, and for nothing else that is in them."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from storage.errors import Unreadable
from storage.foreign import (
    ForeignTables,
    Unread,
    Value,
    allow_of,
    read_foreign_file,
    read_foreign_tables,
)

WANTED = {"fossils": ("id", "genotype", "tick"), "lineages": ("id", "level")}


def database(folder: Path, statements: Sequence[str], journal: str = "delete") -> bytes:
    path = folder / "made.db"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode = {journal}")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path.read_bytes()


def read(
    data: bytes, rows_max: int = 100, bytes_max: int = 10_000
) -> dict[str, dict[int, dict[str, Value]]]:
    """As bytes and as a file, which hold the same, or are refused for the same."""
    most = {"rows_max": rows_max, "bytes_max": bytes_max}
    with tempfile.NamedTemporaryFile(suffix=" #?%.db") as file:
        file.write(data)
        file.flush()
        ways = (
            lambda: read_foreign_tables(data, WANTED, **most),
            lambda: read_foreign_file(Path(file.name), WANTED, **most),
        )
        first, second = map(outcome, ways)
    assert str(first) == str(second)
    if isinstance(first, Unreadable):
        raise first
    return first.rows


def outcome(way: Callable[[], ForeignTables]) -> ForeignTables | Unreadable:
    try:
        return way()
    except Unreadable as refused:
        return refused


FOSSILS = "CREATE TABLE fossils (id INTEGER PRIMARY KEY, genotype TEXT, tick INTEGER, more BLOB)"
ROW = "INSERT INTO fossils VALUES (1, 'abc', 7, x'ff')"


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_wanted_columns_of_wanted_tables(tmp_path: Path, journal: str) -> None:
    other = "CREATE TABLE secrets (id TEXT)"
    data = database(tmp_path, [FOSSILS, ROW, other, "CREATE INDEX i ON fossils(tick)"], journal)
    assert read(data) == {"fossils": {1: {"id": 1, "genotype": "abc", "tick": 7}}}


def test_columns_may_be_missing_and_texts_may_be_bytes(tmp_path: Path) -> None:
    made = ["CREATE TABLE fossils (genotype, odd)", "INSERT INTO fossils VALUES (x'6162', 1)"]
    assert read(database(tmp_path, made)) == {"fossils": {1: {"genotype": "ab"}}}
    assert read(database(tmp_path / ".", ["CREATE TABLE lineages (other)"])) == {
        "fossils": {1: {"genotype": "ab"}}
    }


def test_a_row_that_is_no_utf8_is_told_and_the_others_are_read(
    tmp_path: Path,
) -> None:
    rows = [
        "INSERT INTO fossils VALUES (7, 'first', 1, 0)",
        "INSERT INTO fossils VALUES (8, CAST(x'6162ff' AS TEXT), 1, 0)",
        "INSERT INTO fossils VALUES (9, x'c3', 1, 0)",
        "INSERT INTO fossils VALUES (10, 'größer', 1, 0)",
    ]
    data = database(tmp_path, [FOSSILS, *rows])
    found = read_foreign_tables(data, WANTED, rows_max=100, bytes_max=10_000)
    assert {number: row["genotype"] for number, row in found.rows["fossils"].items()} == {
        1: "first",
        4: "größer",
    }
    assert found.unread == [
        Unread("fossils", 2, "genotype is not UTF-8 from byte 2 on"),
        Unread("fossils", 3, "genotype is not UTF-8 from byte 0 on"),
    ]


def test_texts_of_another_encoding_are_refused_not_mended(tmp_path: Path) -> None:
    data = database(tmp_path, ["PRAGMA encoding = 'UTF-16le'", FOSSILS, ROW])
    with pytest.raises(Unreadable, match="keeps its texts as UTF-16"):
        read(data)


def test_what_lies_beside_a_file_is_left_alone_and_does_not_count(tmp_path: Path) -> None:
    """A program that runs holds a lock and a journal; whoever reads neither waits nor writes."""
    path = tmp_path / "made.db"
    database(tmp_path, [FOSSILS, ROW], "wal")
    running = sqlite3.connect(path, isolation_level=None)
    running.execute("PRAGMA journal_mode = wal")
    running.execute("BEGIN EXCLUSIVE")
    running.execute("INSERT INTO fossils VALUES (2, 'def', 8, 0)")
    beside = sorted(os.listdir(tmp_path))
    before = path.read_bytes()
    found = read_foreign_file(path, WANTED, rows_max=100, bytes_max=10_000)
    assert found.rows == {"fossils": {1: {"id": 1, "genotype": "abc", "tick": 7}}}
    assert (sorted(os.listdir(tmp_path)), path.read_bytes()) == (beside, before)
    running.execute("ROLLBACK")
    running.close()


def test_a_path_may_begin_with_two_slashes(tmp_path: Path) -> None:
    """In a URI what comes after two would be a host."""
    database(tmp_path, [FOSSILS, ROW])
    path = Path(f"/{tmp_path}/made.db")
    assert str(path).startswith("//")
    found = read_foreign_file(path, WANTED, rows_max=100, bytes_max=10_000)
    assert found.rows == {"fossils": {1: {"id": 1, "genotype": "abc", "tick": 7}}}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.db", tmp_path):
        with pytest.raises(Unreadable, match="cannot be read: "):
            read_foreign_file(path, WANTED, rows_max=100, bytes_max=10_000)
    assert os.listdir(tmp_path) == []


HOSTILE = {
    "a view": [
        "CREATE TABLE a (id)",
        "CREATE VIEW fossils AS SELECT id, load_extension('/tmp/x') AS genotype, 1 AS tick FROM a",
    ],
    "a view of endless rows": [
        "CREATE VIEW fossils AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n)"
        " SELECT id FROM n",
    ],
    "a virtual table": ["CREATE VIRTUAL TABLE fossils USING fts5(id, genotype, tick)"],
    "columns that are computed": [
        "CREATE TABLE fossils (id, genotype AS (zeroblob(1000000000)), tick)",
        "INSERT INTO fossils VALUES (1, 2)",
    ],
    "too many rows": [FOSSILS, *(f"INSERT INTO fossils (id) VALUES ({n})" for n in range(101))],
    "too much text": [FOSSILS, "INSERT INTO fossils VALUES (1, hex(zeroblob(6000)), 1, 2)"],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_runs_when_it_is_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unreadable):
        read(database(tmp_path, HOSTILE[name]))


def test_a_trigger_is_no_reason_to_refuse_and_never_runs(tmp_path: Path) -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON fossils BEGIN DELETE FROM fossils; END"
    assert read(database(tmp_path, [FOSSILS, ROW, trigger]))["fossils"]


def test_bytes_that_are_no_database(tmp_path: Path) -> None:
    whole = database(tmp_path, [FOSSILS, ROW])
    for data in (b"", b"SQLite format 3\0", whole[:600], whole[:200] + bytes(len(whole) - 200)):
        with pytest.raises(Unreadable):
            read(data)


def test_a_schema_that_is_no_text(tmp_path: Path) -> None:
    """The library's own message then holds bytes that are no text."""
    whole = database(tmp_path, ["CREATE TABLE fossils (genotype TEXT, tick)"])
    for what, bad in ((b"(genotype", b"(gen\xa0typ("), (b"fossils", b"foss\xffls")):
        with pytest.raises(Unreadable):
            read(whole.replace(what, bad[: len(what)], 1))


def test_damage_anywhere_is_read_or_refused_and_nothing_else(tmp_path: Path) -> None:
    """Also by the door in tests/fuzz, with more kinds of damage."""
    whole = database(tmp_path, [FOSSILS, *[ROW.replace("(1", f"({n}") for n in range(30)]])
    for at in range(16, len(whole), 37):
        damaged = whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
        try:
            read(damaged)
        except Unreadable:
            continue


@pytest.mark.parametrize(
    ("action", "first", "second", "is_allowed"),
    [
        (sqlite3.SQLITE_SELECT, None, None, True),
        (sqlite3.SQLITE_READ, "wanted", "name", True),
        (sqlite3.SQLITE_READ, "sqlite_master", "sql", True),
        (sqlite3.SQLITE_PRAGMA, "table_xinfo", "wanted", True),
        (sqlite3.SQLITE_READ, "other", "name", False),
        (sqlite3.SQLITE_PRAGMA, "table_xinfo", "other", False),
        (sqlite3.SQLITE_PRAGMA, "trusted_schema", "on", False),
        (sqlite3.SQLITE_FUNCTION, None, "load_extension", False),
        (sqlite3.SQLITE_ATTACH, "/etc/passwd", None, False),
        (sqlite3.SQLITE_INSERT, "wanted", None, False),
    ],
)
def test_nothing_is_done_but_reading_what_is_wanted(
    action: int, first: str | None, second: str | None, *, is_allowed: bool
) -> None:
    said = allow_of({"wanted": ("name",)})(action, first, second, None, None)
    assert said == (sqlite3.SQLITE_OK if is_allowed else sqlite3.SQLITE_DENY)
