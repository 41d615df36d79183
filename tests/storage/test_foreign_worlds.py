"""States of worlds in a database of a stranger: read in pieces, and nothing in it is run."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from storage.errors import Unreadable
from storage.foreign_worlds import ForeignWorld, open_foreign_worlds

MADE = (
    "CREATE TABLE world_snapshots (tick INTEGER PRIMARY KEY, pop_count INTEGER NOT NULL,"
    " carbon_level REAL NOT NULL, energy_total REAL NOT NULL, world_data BLOB NOT NULL)"
)


def world_db(path: Path, rows: Sequence[tuple[object, ...]], made: str = MADE) -> Path:
    """As Primordium makes it; a row is (tick, state)."""
    connection = sqlite3.connect(path)
    connection.execute(made)
    for tick, state in rows:
        statement = "INSERT INTO world_snapshots VALUES (?, 3, 0.5, 9.0, ?)"
        connection.execute(statement, (tick, state))
    connection.commit()
    connection.close()
    return path


def test_states_come_in_pieces_whatever_their_size(tmp_path: Path) -> None:
    large = bytes(range(256)) * 20_000
    path = world_db(tmp_path / "world.db", [(500, b"small"), (7, large)])
    with open_foreign_worlds(path) as worlds:
        assert worlds.rows() == [ForeignWorld(7, 7), ForeignWorld(500, 500)]
        size, pieces = worlds.state(7)
        found = [*pieces]
        assert size == len(large)
        assert b"".join(found) == large
        assert len(found) == 5
        assert b"".join(worlds.state(500)[1]) == b"small"
    assert not [*tmp_path.glob("world.db-*")]  # it was opened as one that never changes


def test_a_database_without_worlds_has_none(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE fossils (id)")
    connection.close()
    with open_foreign_worlds(tmp_path / "other.db") as worlds:
        assert worlds.rows() == []


@pytest.mark.parametrize(
    "made",
    [
        "CREATE VIEW world_snapshots AS SELECT 1 AS tick, 2 AS world_data",
        "CREATE TABLE world_snapshots (tick, world_data AS (tick || 'x'))",
        "CREATE TABLE world_snapshots (tick INTEGER PRIMARY KEY, world_data) WITHOUT ROWID",
        "CREATE TABLE world_snapshots (tick)",
        "CREATE VIRTUAL TABLE world_snapshots USING fts5(tick, world_data)",
    ],
)
def test_what_is_no_plain_table_is_refused(tmp_path: Path, made: str) -> None:
    path = world_db(tmp_path / "world.db", [], made)
    with open_foreign_worlds(path) as worlds, pytest.raises(Unreadable):
        worlds.rows()


def test_a_state_that_is_no_bytes_is_refused_alone(tmp_path: Path) -> None:
    made = "CREATE TABLE world_snapshots (tick, a, b, c, world_data)"
    path = world_db(tmp_path / "world.db", [("many", None), (3, b"good")], made)
    with open_foreign_worlds(path) as worlds:
        first, second = worlds.rows()
        assert (first.tick, second.tick) == (None, 3)
        with pytest.raises(Unreadable):
            worlds.state(first.row)
        with pytest.raises(Unreadable):
            worlds.state(99)
        assert b"".join(worlds.state(second.row)[1]) == b"good"


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "world.db").write_bytes(b"no database at all")
    with (
        pytest.raises(Unreadable, match="is no SQLite file"),
        open_foreign_worlds(tmp_path / "world.db"),
    ):
        pass
    with pytest.raises(Unreadable, match="cannot be read"), open_foreign_worlds(tmp_path / "none"):
        pass
    broken = world_db(tmp_path / "broken.db", [(1, b"x" * 50_000)])
    broken.write_bytes(broken.read_bytes()[:9_000])
    with open_foreign_worlds(broken) as worlds, pytest.raises(Unreadable):
        b"".join(worlds.state(worlds.rows()[0].row)[1])
