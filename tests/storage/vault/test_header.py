"""One bit of the header: all of the file is there, and a start makes it one that can be used."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from storage.errors import Corrupt, NewerSchema
from storage.vault.log import lays_first_page
from storage.vault.opening import PAGE_BYTES, STEPS, make_vault
from storage.vault.starting import start_vault
from tests.storage.full_disk import largest_file
from tests.storage.test_rescued import files
from tests.storage.vault.test_starting import (
    KEYS,
    OBJECTS,
    ROOT,
    filled,
    readable,
    rows,
    write_and_die,
)

LOST = "SELECT number, key, id, height, below, is_back FROM lost"
ALL_STEPS = [STEPS[:number] for number in range(1 + len(STEPS))]


def spoil(path: Path, at: int, bit: int) -> bytes:
    """Gives what the file is then."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)
    return bytes(content)


def count_less(path: Path, bit: int) -> bytes:
    """One bit of how many pages it has is gone; gives what the file is then."""
    assert path.read_bytes()[31 - bit // 8] >> bit % 8 & 1
    return spoil(path, 31 - bit // 8, bit % 8)


def is_sound(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as vault:
        return vault.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def store_more(path: Path) -> None:
    """What needs new pages is written, and what is empty is given back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as vault:
        vault.executemany(
            "INSERT INTO whole VALUES (?, zeroblob(9000))", [(id,) for id in range(6_000, 6_020)]
        )
        vault.execute("DELETE FROM whole WHERE id = 6000")
        vault.executescript("PRAGMA incremental_vacuum(9); PRAGMA wal_checkpoint(TRUNCATE)")


def is_written_to(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as vault, vault:
        vault.execute("INSERT INTO whole VALUES (5000, x'00')")
    return True


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base") / "snapshots.db"
    filled(path, STEPS)
    return path


BITS = (0, 0), (16, 3), (17, 3), (18, 0), (19, 0), (20, 5), (22, 0), (29, 4), (47, 0), (59, 1)
OUR_BITS = (60, 7), (61, 0), (63, 0), (63, 1), (63, 2), (67, 0), (68, 7), (71, 0)


@pytest.mark.parametrize(("at", "bit"), [*BITS, *OUR_BITS])
def test_whatever_one_bit_of_it_becomes_nothing_is_lost(
    base: Path, tmp_path: Path, at: int, bit: int
) -> None:
    path = tmp_path / "snapshots.db"
    shutil.copy(base, path)
    before = spoil(path, at, bit)
    done = start_vault(path)
    if done:
        assert done.kept == "snapshots.db.old"
        assert (tmp_path / "snapshots.db.old").read_bytes() == before
    assert readable(path) == len(KEYS)
    assert rows(path, LOST) == rows(base, LOST)
    assert rows(path, "PRAGMA user_version") == [(1 + len(STEPS),)]
    assert is_written_to(path)
    assert not start_vault(path)
    assert files(tmp_path) <= {"snapshots.db", "snapshots.db.old"}


@pytest.mark.parametrize("steps", ALL_STEPS)
def test_an_older_one_that_says_that_it_is_of_no_version_is_brought_on(
    tmp_path: Path, steps: tuple[str, ...]
) -> None:
    path = tmp_path / "snapshots.db"
    filled(path, steps)
    content = bytearray(path.read_bytes())
    content[60:64] = bytes(4)
    path.write_bytes(content)
    assert start_vault(path)
    assert rows(path, "PRAGMA user_version") == [(1 + len(STEPS),)]
    assert readable(path) == len(KEYS)


@pytest.mark.parametrize("steps", ALL_STEPS[:-1])
def test_of_a_start_that_was_killed_behind_the_last_step_nothing_is_written_anew(
    tmp_path: Path, steps: tuple[str, ...]
) -> None:
    """The newest version is in the log alone, as the tables of it."""
    path = tmp_path / "snapshots.db"
    filled(path, steps)
    old = path.read_bytes()[60:64]
    code = (
        "import os, sqlite3, sys; from pathlib import Path\n"
        "from storage.vault.opening import make_vault\n"
        "reader = sqlite3.connect(sys.argv[1])  # so the log is not written into the file\n"
        "reader.execute('SELECT count(*) FROM name').fetchall()\n"
        "make_vault(Path(sys.argv[1])); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, cwd=ROOT)
    assert path.read_bytes()[60:64] == old
    assert not start_vault(path)
    assert files(tmp_path) == {"snapshots.db"}
    assert rows(path, "PRAGMA user_version") == [(1 + len(STEPS),)]
    assert readable(path) == len(KEYS)


def test_each_version_is_known_by_its_tables(tmp_path: Path) -> None:
    told: list[object] = []
    for number, steps in enumerate(ALL_STEPS):
        path = tmp_path / str(number)
        make_vault(path, steps)
        told.append(rows(path, "SELECT sql FROM sqlite_schema WHERE type = 'table' ORDER BY 1"))
    assert all(told.count(one) == 1 for one in told)


def test_what_is_in_the_log_alone_is_not_lost_with_it(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    shutil.copy(base, path)
    write_and_die(path)
    spoil(path, 70, 3)
    assert start_vault(path)
    assert rows(path, "SELECT id FROM whole WHERE id > 200") == [(1_000,)]
    assert readable(path) == len(OBJECTS)


def test_one_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    make_vault(path, (*STEPS, "CREATE TABLE later (a INTEGER) STRICT"))
    before = path.read_bytes()
    with pytest.raises(NewerSchema):
        start_vault(path)
    assert path.read_bytes() == before
    assert files(tmp_path) == {"snapshots.db"}


def test_one_of_another_program_whose_header_rotted_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    with closing(sqlite3.connect(path)) as other:
        other.executescript(
            f"PRAGMA page_size = {PAGE_BYTES}; CREATE TABLE theirs (a); PRAGMA user_version = 1;"
        )
    before = spoil(path, 3, 1)
    with pytest.raises(Corrupt, match="Move it away"):
        start_vault(path)
    assert path.read_bytes() == before
    assert files(tmp_path) == {"snapshots.db"}


def test_where_it_cannot_be_mended_nobody_is_told_to_throw_it_away(
    base: Path, tmp_path: Path
) -> None:
    path = tmp_path / "snapshots.db"
    shutil.copy(base, path)
    before = spoil(path, 70, 3)
    (tmp_path / "snapshots.db.new").mkdir()  # as a full disk: nothing can be made there
    with pytest.raises(Corrupt, match="could not be written anew") as raised:
        start_vault(path)
    assert "Move it away" not in str(raised.value)
    assert path.read_bytes() == before
    (tmp_path / "snapshots.db.new").rmdir()
    assert start_vault(path)


def test_a_copy_that_the_disk_has_no_room_to_read_is_not_taken_for_one_of_others(
    tmp_path: Path,
) -> None:
    path = tmp_path / "snapshots.db"
    make_vault(path)
    before = spoil(path, 18, 0)
    assert len(before) < 28 << 10  # so there is room for the copy, and not for what it is read by
    with largest_file(28 << 10), pytest.raises(Corrupt, match="disk is full: make room") as said:
        start_vault(path)
    assert "Move it away" not in str(said.value)
    assert path.read_bytes() == before
    assert files(tmp_path) == {"snapshots.db"}
    assert start_vault(path)


@pytest.mark.parametrize("log", ["none", "of other pages", "of the first page"])
def test_of_a_file_of_larger_pages_any_bit_of_their_size_is_mended(
    base: Path, tmp_path: Path, log: str
) -> None:
    larger = tmp_path / "larger.db"
    shutil.copy(base, larger)
    of_larger_pages(larger)
    if log == "of other pages":
        write_and_die(larger)
    if log == "of the first page":
        write_and_die(larger, 9_000)
    assert lays_first_page(larger) == (log == "of the first page")
    for bit in range(16):
        home = tmp_path / str(bit)
        home.mkdir()
        path = home / "snapshots.db"
        for rest in ("", "-wal") if log != "none" else ("",):
            shutil.copy(larger.with_name(f"larger.db{rest}"), home / f"snapshots.db{rest}")
        before = spoil(path, 16 + bit // 8, bit % 8)
        done = start_vault(path)
        if log != "of the first page":
            assert (home / done.kept).read_bytes() == before
        assert readable(path) == len(KEYS)
        assert rows(path, LOST) == rows(base, LOST)
        more = rows(path, "SELECT id FROM whole WHERE id > 200")
        assert more == ([(1_000,)] if log != "none" else [])
        assert not start_vault(path)
        assert is_sound(path)
        assert files(home) <= {"snapshots.db", "snapshots.db.old"}


def of_larger_pages(path: Path) -> None:
    """As the first ones that were made."""
    with closing(sqlite3.connect(path, isolation_level=None)) as vault:
        vault.execute("PRAGMA journal_mode = DELETE").fetchall()
        vault.executescript("PRAGMA page_size = 8192; VACUUM; PRAGMA journal_mode = WAL")
    assert path.read_bytes()[16:18] == b"\x20\0"


def test_while_another_has_it_open_it_stays_as_it_is(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    shutil.copy(base, path)
    code = (
        "import sqlite3, sys; vault = sqlite3.connect(sys.argv[1])\n"
        "vault.execute('SELECT count(*) FROM name').fetchall(); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        before = spoil(path, 70, 3)
        with pytest.raises(Corrupt, match="another program has it open"):
            start_vault(path)
        assert path.read_bytes() == before
        other.communicate(b"\n")
    assert start_vault(path)


@pytest.mark.parametrize(
    ("steps", "bit"), [(STEPS, 6), (STEPS, 8), (STEPS[:1], 8), ((), 0), ((), 3), ((), 8)]
)
def test_pages_that_it_does_not_count_are_not_given_to_what_is_new(
    tmp_path: Path, steps: tuple[str, ...], bit: int
) -> None:
    """SQLite takes a file that is longer than it says, and writes over what is behind its end."""
    path = tmp_path / "snapshots.db"
    filled(path, steps)
    lost = rows(path, LOST) if steps else []
    before = count_less(path, bit)
    assert start_vault(path).kept == "snapshots.db.old"
    assert (tmp_path / "snapshots.db.old").read_bytes() == before
    assert rows(path, "PRAGMA user_version") == [(1 + len(STEPS),)]
    store_more(path)
    assert readable(path) == len(KEYS)
    assert rows(path, LOST) == lost
    assert is_sound(path)
    assert not start_vault(path)
    assert files(tmp_path) == {"snapshots.db", "snapshots.db.old"}


def test_so_it_is_where_the_log_was_not_yet_in_it(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    shutil.copy(base, path)
    write_and_die(path, 9_000)
    count_less(path, 6)
    start_vault(path)
    store_more(path)
    assert readable(path) == len(KEYS)
    assert is_sound(path)


def test_one_that_only_has_more_behind_its_end_stays_as_it_is(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    content = base.read_bytes() + bytes(5 * PAGE_BYTES)
    path.write_bytes(content)
    for _ in range(2):
        assert not start_vault(path)
        assert path.read_bytes() == content
    assert files(tmp_path) == {"snapshots.db"}
    store_more(path)
    assert not start_vault(path)
    assert readable(path) == len(KEYS)


def test_what_the_log_had_of_the_first_pages_is_in_the_one_whose_header_is_mended(
    tmp_path: Path,
) -> None:
    path = tmp_path / "snapshots.db"
    filled(path, STEPS)
    code = (
        "import os, sqlite3, sys; vault = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "vault.execute('DELETE FROM name'); vault.execute('DELETE FROM lost'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    spoil(path, 70, 3)
    start_vault(path)
    assert rows(path, "SELECT count(*) FROM name") == [(0,)]
    assert rows(path, "SELECT count(*) FROM lost") == [(0,)]
    assert is_sound(path)
    assert readable(path) == 0
