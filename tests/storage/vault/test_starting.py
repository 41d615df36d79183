"""What a start does with a file that cannot be brought to the newest schema, or that was cut."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from crdt.digest import payload_digest
from storage.errors import Corrupt
from storage.vault.opening import PAGE_BYTES, STEPS, make_vault
from storage.vault.reading import read
from storage.vault.rescue import note_damage
from storage.vault.starting import start_vault
from storage.vault.unpacking import PlainCache
from tests.storage.full_disk import largest_file
from tests.storage.test_folding import opened
from tests.storage.test_rescued import fetch_all, files
from tests.storage.test_whole_again import put_settled
from tests.storage.test_whole_again import readable as readable_blobs

OBJECTS = [Random(seed).randbytes(3_000) for seed in range(200)]
KEYS = [payload_digest(data) for data in OBJECTS]
LOST = "SELECT number, key, id, height, below, is_back, is_in_doubt FROM lost"
ROOT = Path(__file__).parents[3]
POINTERS = 2  # the page that says which page leads to which


def filled(path: Path, steps: tuple[str, ...]) -> None:
    """Of the schema that these lead to; some were lost, two of them under one id."""
    make_vault(path, steps)
    with closing(sqlite3.connect(path)) as vault:
        vault.executemany(
            "INSERT INTO whole VALUES (?, ?)",
            [(id, b"\0" + data) for id, data in enumerate(OBJECTS, 1)],
        )
        vault.executemany(
            "INSERT INTO name VALUES (?, ?, ?, 0)",
            [(key, id, 3_000) for id, key in enumerate(KEYS, 1)],
        )
        if steps:
            vault.executemany(
                "INSERT INTO lost (key, id, height, below) VALUES (?, ?, 0, 900)",
                [(number.to_bytes(32, "big"), 500 + number % 7) for number in range(1, 100)],
            )
        vault.commit()
        vault.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def forget(path: Path, page: int | str) -> bytes:
    """It is zeros; or the root of a table. Gives what the file is then."""
    if isinstance(page, str):
        ((page,),) = rows(path, f"SELECT rootpage FROM sqlite_schema WHERE name = '{page}'")
    content = bytearray(path.read_bytes())
    content[(page - 1) * PAGE_BYTES : page * PAGE_BYTES] = bytes(PAGE_BYTES)
    path.write_bytes(content)
    return bytes(content)


def rows(path: Path, asked: str) -> list[tuple[int, ...]]:
    with closing(sqlite3.connect(path)) as vault:
        return vault.execute(asked).fetchall()


def readable(path: Path) -> int:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as vault:
        vault.execute("ATTACH DATABASE ? AS vault", (str(path),))
        return len(read(vault, KEYS, PlainCache()).objects)


@pytest.mark.parametrize(
    ("steps", "page"), [((), POINTERS), (STEPS[:1], "lost"), (STEPS[:1], "a page of the lost")]
)
def test_a_damaged_file_of_an_older_schema_is_written_anew_as_one_of_the_newest(
    tmp_path: Path, steps: tuple[str, ...], page: int | str
) -> None:
    path = tmp_path / "snapshots.db"
    filled(path, steps)
    newest = tmp_path / "newest.db"
    shutil.copy(path, newest)
    make_vault(newest)
    if page == "a page of the lost":
        page = path.read_bytes().index((50).to_bytes(32, "big")) // PAGE_BYTES + 1
    before = forget(path, page)
    assert start_vault(path).kept == "snapshots.db.old"
    assert (tmp_path / "snapshots.db.old").read_bytes() == before
    assert "snapshots.db.damaged" not in files(tmp_path)
    assert readable(path) == len(KEYS)
    assert rows(path, "PRAGMA user_version") == [(1 + len(STEPS),)]
    lost, all_lost = rows(path, LOST), rows(newest, LOST)
    assert [row[:2] for row in lost] == [row[:2] for row in all_lost]
    known = {row for row in lost if row[2]}  # the index has no more than the key of the others
    assert known <= {*all_lost}
    assert len(known) in ((0,) if page == "lost" or not steps else range(30, 99))
    assert not start_vault(path)


@pytest.mark.parametrize("left", [-PAGE_BYTES, -100, 300 * PAGE_BYTES + 5])
def test_of_a_file_whose_end_was_cut_all_that_is_left_is_read(tmp_path: Path, left: int) -> None:
    path = tmp_path / "snapshots.db"
    filled(path, STEPS)
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    assert start_vault(path).kept == "snapshots.db.old"
    assert (tmp_path / "snapshots.db.old").read_bytes() == whole[:left]
    here = sum(data in whole[:left] for data in map(first_of, OBJECTS))
    assert here - 3 <= readable(path) <= here
    assert not start_vault(path)


def first_of(data: bytes) -> bytes:
    """What lies on its own page; the rest on the ones behind."""
    return data[:20]


@pytest.mark.parametrize("steps", [STEPS, STEPS[:1], ()], ids=["newest", "older", "oldest"])
@pytest.mark.parametrize("is_noted", [False, True])
def test_of_a_file_that_was_cut_beside_its_log_that_is_read_too(
    tmp_path: Path, steps: tuple[str, ...], *, is_noted: bool
) -> None:
    """SQLite refuses to write the log into a file that is so much shorter than the log says."""
    path = tmp_path / "snapshots.db"
    filled(path, steps)
    write_and_die(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: 100 * PAGE_BYTES + 5])
    if is_noted:
        note_damage(path)
    assert start_vault(path).kept == "snapshots.db.old"
    here = sum(data in whole[: 100 * PAGE_BYTES] for data in map(first_of, OBJECTS))
    assert here - 3 <= readable(path) <= here
    assert rows(path, "SELECT id FROM whole WHERE id > 200") == [(1_000,)]
    assert not start_vault(path)
    assert files(tmp_path) == {"snapshots.db", "snapshots.db.old"}


def test_a_file_whose_log_makes_it_as_long_as_it_was_is_written_anew_at_once(
    tmp_path: Path,
) -> None:
    """SQLite takes it for sound, as long as nobody asks for what was between them."""
    path = tmp_path / "snapshots.db"
    filled(path, STEPS)
    with closing(sqlite3.connect(path)) as vault, vault:
        vault.executemany(
            "INSERT INTO whole VALUES (?, zeroblob(9000))", [(id,) for id in range(300, 340)]
        )
    write_and_die(path, 9_000)
    path.write_bytes(path.read_bytes()[: -40 * PAGE_BYTES])
    assert start_vault(path)
    here = {id for (id,) in rows(path, "SELECT id FROM whole WHERE id > 200")}
    assert {300, 1_000} < here < {*range(300, 340), 1_000}
    assert not start_vault(path)


def write_and_die(path: Path, size: int = 1) -> None:
    """What it wrote is in the log alone."""
    code = (
        "import os, sqlite3, sys; vault = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        f"vault.execute('INSERT INTO whole VALUES (1000, zeroblob({size}))'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert path.with_name(f"{path.name}-wal").stat().st_size


def test_a_file_that_only_says_that_it_was_longer_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    filled(path, STEPS)
    content = bytearray(path.read_bytes())
    content[29] ^= 0x10  # the second byte of how many pages it has
    path.write_bytes(content)
    assert start_vault(path)
    assert readable(path) == len(KEYS)


@pytest.mark.parametrize("fault", ["cut", "older"])
def test_where_it_cannot_be_written_anew_nobody_is_told_to_throw_it_away(
    tmp_path: Path, fault: str
) -> None:
    path = tmp_path / "snapshots.db"
    filled(path, () if fault == "older" else STEPS)
    before = forget(path, POINTERS) if fault == "older" else path.read_bytes()[:-PAGE_BYTES]
    path.write_bytes(before)
    (tmp_path / "snapshots.db.new").mkdir()  # as a full disk: nothing can be made there
    with pytest.raises(Corrupt) as raised:
        start_vault(path)
    said = str(raised.value)
    assert "could not be written anew" in said
    assert "then start the node again" in said
    assert "Move it away" not in said
    assert path.read_bytes() == before
    (tmp_path / "snapshots.db.new").rmdir()
    assert start_vault(path)


def test_on_a_full_disk_nobody_is_told_to_throw_one_away_that_was_cut(tmp_path: Path) -> None:
    """SQLite lays a file of 32 KiB beside one that is only read."""
    path = tmp_path / "snapshots.db"
    filled(path, STEPS)
    os.truncate(path, path.stat().st_size * 2 // 3)
    before = path.read_bytes()
    with largest_file(16 << 10), pytest.raises(Corrupt, match="make room") as raised:
        start_vault(path)
    assert "Move it away" not in str(raised.value)
    assert path.read_bytes() == before
    assert not files(tmp_path) & {"snapshots.db.new", "snapshots.db.old"}
    assert start_vault(path).kept == "snapshots.db.old"
    assert readable(path) > len(KEYS) // 2


def test_what_is_no_vault_is_refused_as_before(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    with closing(sqlite3.connect(path)) as other:
        other.executescript("CREATE TABLE theirs (a); PRAGMA user_version = 1;")
    for content in (path.read_bytes(), path.read_bytes()[:PAGE_BYTES], b"a letter" * 100):
        path.write_bytes(content)
        with pytest.raises(Corrupt, match="Move it away"):
            start_vault(path)
        assert path.read_bytes() == content
        assert files(tmp_path) == {"snapshots.db"}


async def test_what_was_on_the_pages_that_were_cut_is_fetched_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        blobs = await put_settled(store)
    path = tmp_path / "snapshots.db"
    path.write_bytes(path.read_bytes()[: -20 * PAGE_BYTES])
    async with opened(tmp_path) as store:
        assert (store.mended.is_rescued, store.mended.kept) == (True, "snapshots.db.old")
        await store.scrub()
        await fetch_all(store, blobs)
        assert await readable_blobs(store, blobs) == len(blobs)
        assert (await store.scrub()).parts == 0


@pytest.mark.parametrize("table", ["lost", "todo"])
def test_a_start_meets_with_a_lost_root_of_what_also_has_an_index(
    tmp_path: Path, table: str
) -> None:
    path = tmp_path / "snapshots.db"
    filled(path, STEPS)
    with closing(sqlite3.connect(path, isolation_level=None)) as vault:
        vault.execute("INSERT INTO todo (older, newer) VALUES (zeroblob(32), zeroblob(32))")
    forget(path, table)
    assert start_vault(path)
    assert readable(path) == len(KEYS)


def test_a_header_that_calls_a_part_of_each_page_reserved_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    filled(path, STEPS)
    content = bytearray(path.read_bytes())
    content[20] ^= 0x10
    path.write_bytes(content)
    note_damage(path)
    assert start_vault(path)
    assert readable(path) == len(KEYS)


@pytest.mark.parametrize("left", [0, 50])
def test_what_is_in_the_log_is_read_though_nothing_of_its_file_is_left(
    tmp_path: Path, left: int
) -> None:
    path = tmp_path / "snapshots.db"
    write_all_and_die(path)
    os.truncate(path, left)
    assert start_vault(path)
    assert readable(path) == len(KEYS)
    assert not start_vault(path)


def write_all_and_die(path: Path) -> None:
    """What it wrote is in the log alone, with the pages that were there before."""
    code = (
        "import os, sys; from pathlib import Path; from storage.vault.rows import encode, put\n"
        "from tests.storage.vault.worlds import open_vault\n"
        "from tests.storage.vault.test_starting import KEYS, OBJECTS\n"
        "with open_vault(Path(sys.argv[1])) as vault:\n"
        "    vault.execute('PRAGMA vault.wal_autocheckpoint = 0')\n"
        "    for one in encode(zip(KEYS, OBJECTS)): put(vault, [one])\n"
        "    os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, cwd=ROOT)


def test_what_a_killed_start_left_of_its_copy_is_gone_once_nobody_else_has_the_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "snapshots.db"
    filled(path, STEPS)
    (tmp_path / "snapshots.db.old.part").hardlink_to(path)
    for rest in ("", "-wal", "-shm", "-journal"):
        (tmp_path / f"snapshots.db.new{rest}").write_bytes(b"a part of it")
    left = files(tmp_path)
    code = (
        "import sqlite3, sys; vault = sqlite3.connect(sys.argv[1])\n"
        "vault.execute('SELECT count(*) FROM name').fetchall(); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        assert not start_vault(path)
        assert files(tmp_path) >= left
        other.communicate(b"\n")
    assert not start_vault(path)
    assert files(tmp_path) == {"snapshots.db"}
    assert readable(path) == len(KEYS)


def test_a_log_beside_an_empty_file_that_tells_of_no_vault_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    path.touch()
    (tmp_path / "snapshots.db-wal").write_bytes(b"a letter" * 100)
    assert not start_vault(path)
    assert (tmp_path / "snapshots.db.old-wal").read_bytes() == b"a letter" * 100
    assert readable(path) == 0
    assert start_vault(path).kept == "snapshots.db.old-wal"
