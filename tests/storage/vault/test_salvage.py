"""Whatever one page of the file becomes: what could be read before can be read after."""

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from storage.vault.opening import PAGE_BYTES, make_vault
from storage.vault.reading import read
from storage.vault.rescue import note_damage, rescue
from storage.vault.unpacking import PlainCache
from tests.storage.test_folding import opened
from tests.storage.test_whole_again import put_settled


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file, of some 300 objects that lean on one another."""

    async def put(home: Path) -> None:
        async with opened(home) as store:
            await put_settled(store)

    home = tmp_path_factory.mktemp("settled")
    asyncio.run(put(home))
    return (home / "snapshots.db").read_bytes()


def asked(content: bytes, sql: str, folder: Path) -> list[tuple[object, ...]]:
    path = folder / "asked.db"
    path.write_bytes(content)
    with closing(sqlite3.connect(path)) as vault:
        return vault.execute(sql).fetchall()


def keys_of(content: bytes, folder: Path) -> list[bytes]:
    found = asked(content, "SELECT key FROM name", folder)
    return [key for (key,) in found if isinstance(key, bytes)]


def root_of(content: bytes, table: str, folder: Path) -> int:
    sql = f"SELECT rootpage FROM sqlite_schema WHERE name = '{table}'"
    ((page,),) = asked(content, sql, folder)
    assert isinstance(page, int)
    return page


def readable(path: Path, keys: list[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as vault:
        vault.execute("ATTACH DATABASE ? AS vault", (str(path),))
        cache = PlainCache()
        for key in keys:
            try:
                found |= read(vault, [key], cache).objects.keys()
            except sqlite3.DatabaseError:
                continue
    return found


def zeros(content: bytes, page: int) -> bytes:
    at = (page - 1) * PAGE_BYTES
    return content[:at] + bytes(PAGE_BYTES) + content[at + PAGE_BYTES :]


def leaf_with(content: bytes, needle: bytes) -> int:
    """The first leaf of a table that has it; not one of an index."""
    starts = range(PAGE_BYTES, len(content), PAGE_BYTES)
    return next(
        at // PAGE_BYTES + 1
        for at in starts
        if content[at] == 13 and needle in content[at : at + PAGE_BYTES]
    )


def spoilt(content: bytes, chance: random.Random, roots: list[int]) -> bytes:
    """One page of it."""
    other = bytearray(content)
    page = chance.choice([*roots, *chance.choices(range(11, len(content) // PAGE_BYTES), k=5)])
    at = (page - 1) * PAGE_BYTES + chance.randrange(PAGE_BYTES - 16)
    match chance.randrange(4):
        case 0:
            other[at] ^= 1 << chance.randrange(8)
        case 1:
            other[(page - 1) * PAGE_BYTES + chance.randrange(64)] ^= 1 << chance.randrange(8)
        case 2:
            other[at : at + 16] = chance.randbytes(16)
        case _:
            return zeros(content, page)
    return bytes(other)


def rescued(content: bytes, path: Path) -> bool:
    path.write_bytes(content)
    note_damage(path)
    return bool(rescue(path, make_vault))


def test_what_could_be_read_before_can_be_read_after(settled: bytes, tmp_path: Path) -> None:
    keys = keys_of(settled, tmp_path)
    tables = ("name", "whole", "delta", "sqlite_sequence", "todo")
    roots = [root_of(settled, table, tmp_path) for table in tables]
    for seed in range(20, 40):
        home = tmp_path / str(seed)
        home.mkdir()
        path = home / "snapshots.db"
        content = spoilt(settled, random.Random(seed), roots)
        path.write_bytes(content)
        before = readable(path, keys)
        is_done = rescued(content, path)
        assert is_done or path.read_bytes() == content, seed
        assert not before - readable(path, keys), seed
        with closing(sqlite3.connect(path)) as vault:
            assert vault.execute("PRAGMA integrity_check").fetchall() == [("ok",)], seed
        shutil.rmtree(home)


SEQUENCES: dict[str, Callable[[bytearray, int], None]] = {
    "another number": lambda page, at: page.__setitem__(at + 5, 0),
    "another name": lambda page, at: page.__setitem__(at + 2, page[at + 2] ^ 1),
    "a text": lambda page, at: page.__setitem__(at - 1, 17),
    "none": lambda page, at: page.__setitem__(at - 1, 0),
    "no name": lambda page, at: page.__setitem__(at - 2, 0),
    "not there": lambda page, _: page.__setitem__(slice(None), bytes(PAGE_BYTES)),
}


@pytest.mark.parametrize("rot", SEQUENCES)
def test_ids_that_were_given_are_not_given_again_whatever_becomes_of_their_count(
    settled: bytes, tmp_path: Path, rot: str
) -> None:
    keys = keys_of(settled, tmp_path)
    ((last,),) = asked(settled, "SELECT seq FROM sqlite_sequence WHERE name = 'whole'", tmp_path)
    at = (root_of(settled, "sqlite_sequence", tmp_path) - 1) * PAGE_BYTES
    page = bytearray(settled[at : at + PAGE_BYTES])
    SEQUENCES[rot](page, page.index(b"whole"))
    path = tmp_path / "snapshots.db"
    assert rescued(settled[:at] + page + settled[at + PAGE_BYTES :], path)
    assert readable(path, keys) == {*keys}
    content = path.read_bytes()
    ((seq,),) = asked(content, "SELECT seq FROM sqlite_sequence WHERE name = 'whole'", tmp_path)
    assert isinstance(seq, int)
    assert isinstance(last, int)
    assert last <= seq < 1 << 40


def test_of_what_was_lost_one_page_is_not_all(tmp_path: Path) -> None:
    """What leans on those ids is whole again when they come."""
    path = tmp_path / "snapshots.db"
    make_vault(path)
    count = 500
    with closing(sqlite3.connect(path)) as vault, vault:
        vault.executemany(
            "INSERT INTO lost (key, id, height, below) VALUES (?, ?, 0, 900)",
            [(number.to_bytes(32, "big"), number) for number in range(1, count)],
        )
        vault.executemany(
            "INSERT INTO todo (older, newer) VALUES (?, ?)",
            [(number.to_bytes(32, "big"), bytes(32)) for number in range(1, count)],
        )
    with closing(sqlite3.connect(path)) as vault:
        vault.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    content = path.read_bytes()
    for _ in ("lost", "todo"):
        content = zeros(content, leaf_with(content, (250).to_bytes(32, "big")))
    assert rescued(content, path)
    for table in ("lost", "todo"):
        numbers = {
            number
            for (number,) in asked(path.read_bytes(), f"SELECT number FROM {table}", tmp_path)
        }
        assert count - 80 < len(numbers) < count - 1
        assert {1, count - 1} <= numbers


def test_a_page_that_leads_to_others_hides_what_the_old_file_has_yet(
    settled: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "snapshots.db"
    content = zeros(settled, root_of(settled, "whole", tmp_path))
    for kept in ("snapshots.db.old", "snapshots.db.old-2"):
        path.write_bytes(content)
        note_damage(path)
        assert rescue(path, make_vault).kept == kept
        assert (tmp_path / kept).read_bytes() == content
        path.unlink()


def test_what_is_sound_stays_though_somebody_noted_it(settled: bytes, tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    assert not rescued(settled, path)
    assert path.read_bytes() == settled
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("roots", [["whole"], ["delta"], ["name", "whole"], ["whole", "delta"]])
def test_what_is_behind_a_page_that_is_lost_is_found_on_its_own_pages(
    settled: bytes, tmp_path: Path, roots: list[str]
) -> None:
    keys, content = keys_of(settled, tmp_path), settled
    for table in roots:
        content = zeros(content, root_of(settled, table, tmp_path))
    path = tmp_path / "snapshots.db"
    assert rescued(content, path)
    assert readable(path, keys) == {*keys}


def test_what_was_deleted_is_not_found_again(settled: bytes, tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    path.write_bytes(settled)
    with closing(sqlite3.connect(path)) as vault:
        vault.execute("DELETE FROM whole WHERE length(data) > 9000")
        vault.execute("DELETE FROM name WHERE id NOT IN (SELECT id FROM whole)")
        vault.execute("DELETE FROM delta")
        vault.commit()
        vault.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        ids = vault.execute("SELECT id FROM whole ORDER BY id").fetchall()
        keys = vault.execute("SELECT key FROM name ORDER BY key").fetchall()
    content = path.read_bytes()
    assert rescued(zeros(content, root_of(content, "todo", tmp_path)), path)
    content = path.read_bytes()
    assert asked(content, "SELECT id FROM whole ORDER BY id", tmp_path) == ids
    assert asked(content, "SELECT count(*) FROM delta", tmp_path) == [(0,)]
    assert asked(content, "SELECT key FROM name ORDER BY key", tmp_path) == keys
