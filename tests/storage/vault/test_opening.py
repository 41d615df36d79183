import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storage.errors import Corrupt, NewerSchema
from storage.vault.opening import PAGE_BYTES, STEPS, make_vault, vault_beside

NEWEST = 1 + len(STEPS)
LATER = "CREATE TABLE later (a INTEGER) STRICT"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return vault_beside(tmp_path / "panspermia.db")


@pytest.fixture
def vault(path: Path) -> Iterator[sqlite3.Connection]:
    make_vault(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        yield opened


def test_each_database_has_a_vault_of_its_own(tmp_path: Path) -> None:
    assert vault_beside(tmp_path / "panspermia.db").name == "snapshots.db"
    assert vault_beside(tmp_path / "bob.db").name == "bob.snapshots.db"


def test_it_is_private_shrinks_and_writes_a_log(path: Path, vault: sqlite3.Connection) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = {
        name: vault.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "auto_vacuum", "page_size", "user_version")
    }
    assert told == {
        "journal_mode": "wal",
        "auto_vacuum": 2,
        "page_size": PAGE_BYTES,
        "user_version": NEWEST,
    }


def test_it_says_whether_there_was_none(path: Path) -> None:
    assert make_vault(path)
    assert not make_vault(path)


def test_a_log_of_a_file_that_was_taken_away_is_part_of_no_other(path: Path) -> None:
    log = path.with_name("snapshots.db-wal")
    log.write_bytes(b"of another file")
    assert make_vault(path)
    assert not log.exists()
    assert path.with_name("snapshots.db.old-wal").read_bytes() == b"of another file"


def test_one_step_after_the_other_brings_it_on(path: Path) -> None:
    make_vault(path)
    make_vault(path, (*STEPS, LATER))
    with closing(sqlite3.connect(path)) as opened:
        assert opened.execute("PRAGMA user_version").fetchone() == (NEWEST + 1,)
        assert opened.execute("SELECT count(*) FROM later").fetchone() == (0,)


def test_a_step_that_fails_changes_nothing(path: Path) -> None:
    make_vault(path)
    with pytest.raises(Corrupt, match="syntax error"):
        make_vault(path, (*STEPS, f"{LATER}; SELECT nothing FROM nowhere"))
    with closing(sqlite3.connect(path)) as opened:
        assert opened.execute("PRAGMA user_version").fetchone() == (NEWEST,)
        assert not opened.execute("SELECT * FROM sqlite_schema WHERE name = 'later'").fetchall()


@pytest.mark.parametrize("has_table", [False, True])
def test_one_of_the_first_version_learns_what_was_lost(path: Path, has_table: bool) -> None:
    make_vault(path, ())
    if has_table:
        with closing(sqlite3.connect(path)) as opened:
            opened.executescript(STEPS[0])
    assert not make_vault(path)
    with closing(sqlite3.connect(path)) as opened:
        assert opened.execute("PRAGMA user_version").fetchone() == (NEWEST,)
        assert opened.execute("SELECT count(*) FROM lost").fetchone() == (0,)


def test_what_two_were_lost_under_before_is_in_doubt_afterwards(path: Path) -> None:
    make_vault(path, STEPS[:1])
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.executemany(
            "INSERT INTO lost (key, id, height, below) VALUES (?, ?, 0, 9)",
            [(bytes([number]) * 32, id) for number, id in enumerate((None, 1, 2, 1, None))],
        )
    assert not make_vault(path)
    with closing(sqlite3.connect(path)) as opened:
        rows = opened.execute("SELECT is_in_doubt FROM lost ORDER BY number").fetchall()
        assert rows == [(0,), (1,), (0,), (1,), (0,)]


def test_one_of_a_newer_version_is_refused_and_left_as_it_was(path: Path) -> None:
    make_vault(path, (*STEPS, LATER))
    before = path.read_bytes()
    said = rf"snapshots\.db has schema {NEWEST + 1}, this version knows {NEWEST}"
    with pytest.raises(NewerSchema, match=said):
        make_vault(path)
    assert path.read_bytes() == before


def test_what_was_stopped_before_its_schema_is_made_whole(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as stopped:
        stopped.executescript("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;")
    make_vault(path)
    with closing(sqlite3.connect(path)) as opened:
        assert opened.execute("SELECT count(*) FROM name").fetchone() == (0,)
        assert opened.execute("PRAGMA auto_vacuum").fetchone() == (2,)


def test_what_is_no_vault_is_refused_with_what_to_do(path: Path) -> None:
    path.write_bytes(b"a letter" * 100)
    with pytest.raises(Corrupt, match=r"snapshots\.db is no database.*Move it away"):
        make_vault(path)


def test_a_file_that_was_cut_is_refused(path: Path) -> None:
    make_vault(path)
    path.write_bytes(path.read_bytes()[: 2 * PAGE_BYTES])
    with pytest.raises(Corrupt, match=r"snapshots\.db was cut.*Move it away"):
        make_vault(path)


def test_a_database_of_another_program_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.executescript("CREATE TABLE theirs (a); PRAGMA user_version = 1;")
    with pytest.raises(Corrupt, match="another program"):
        make_vault(path)


def test_a_damaged_schema_is_refused_with_what_to_do(path: Path) -> None:
    make_vault(path)
    data = bytearray(path.read_bytes())
    data[100:PAGE_BYTES] = b"\xff" * (PAGE_BYTES - 100)
    path.write_bytes(data)
    with pytest.raises(Corrupt, match=r"snapshots\.db.*Move it away"):
        make_vault(path)
