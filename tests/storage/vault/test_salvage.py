"""Whatever one page of the file becomes: what could be read before can be read after."""

import asyncio
import errno
import os
import random
import shutil
import sqlite3
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from crdt.digest import payload_digest
from storage.vault.ids import next_id
from storage.vault.leaves import Leaves
from storage.vault.lost import all_lost, lose, name_again, note_back
from storage.vault.opening import PAGE_BYTES, make_vault
from storage.vault.reading import read
from storage.vault.rescue import note_damage, rescue
from storage.vault.rows import encode, put
from storage.vault.unpacking import HEIGHT_MAX, PlainCache, encode_bases
from tests.storage.test_folding import opened
from tests.storage.test_rotten_kinds import rot
from tests.storage.test_whole_again import put_settled
from tests.storage.vault.worlds import collect_without, count, open_vault


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


def leaf_with(content: bytes, needle: bytes, kind: int = 13) -> int:
    """The first leaf of a table that has it, or of an index, which is of kind 10."""
    starts = range(PAGE_BYTES, len(content), PAGE_BYTES)
    return next(
        at // PAGE_BYTES + 1
        for at in starts
        if content[at] == kind and needle in content[at : at + PAGE_BYTES]
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
    said = {
        table: asked(path.read_bytes(), f"SELECT number FROM {table} WHERE {told}", tmp_path)
        for table, told in (("lost", "below = 900"), ("todo", "1"))
    }
    for numbers in said.values():
        assert count - 80 < len(numbers) < count - 1
        assert {(1,), (count - 1,)} <= {*numbers}


@pytest.mark.parametrize("has_gap", [False, True], ids=["at once", "behind a gap"])
def test_of_what_was_lost_the_index_tells_too(tmp_path: Path, *, has_gap: bool) -> None:
    """Else the next collection took what a page named that was lost."""
    path = tmp_path / "snapshots.db"
    objects = [(payload_digest(data), data) for data in noise(200, 1, 200).values()]
    keys = [key for key, _ in objects]
    page = keys[100]
    with open_vault(path) as vault:
        put(vault, encode(objects))
        if has_gap:  # nothing told how far numbers were given, and a start made room for more
            vault.execute("INSERT INTO vault.sqlite_sequence VALUES ('lost', ?)", (1 << 20,))
            vault.execute("INSERT INTO vault.lost VALUES (1, zeroblob(32), NULL, 0, 1, 0, 0)")
        for key in keys[50:150]:
            lose(vault, [key])
        vault.execute("PRAGMA vault.wal_checkpoint(TRUNCATE)").fetchall()
    content = path.read_bytes()
    first = keys[50] if has_gap else page
    assert rescued(zeros(content, leaf_with(content, first)), path)
    with open_vault(path) as vault:
        assert {*keys[50:150]} <= all_lost(vault).keys()
        assert sum(one.id is not None for one in all_lost(vault).values()) > 60
        collect_without(vault, page)
        assert readable(path, keys) >= {*keys[:50], *keys[150:]}


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
        vault.execute("PRAGMA secure_delete = OFF")  # else zeros are on the free pages
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


def without(content: bytes, folder: Path, *tables: str) -> bytes:
    """The root of each is lost."""
    for table in tables:
        content = zeros(content, root_of(content, table, folder))
    return content


def vault_of(path: Path, objects: dict[int, bytes], more: str = "") -> tuple[bytes, list[bytes]]:
    """The file with these by their ids, plain and named, and their hashes."""
    make_vault(path)
    keys = [payload_digest(data) for data in objects.values()]
    with closing(sqlite3.connect(path)) as vault, vault:
        for key, (id, data) in zip(keys, objects.items(), strict=True):
            vault.execute("INSERT INTO whole VALUES (?, ?)", (id, b"\0" + data))
            vault.execute("INSERT INTO name VALUES (?, ?, ?, 0)", (key, id, len(data)))
        vault.executescript(more)
    with closing(sqlite3.connect(path)) as vault:
        vault.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return path.read_bytes(), keys


def noise(count: int, first: int, size: int = 3_000) -> dict[int, bytes]:
    chance = random.Random(first)
    return {id: chance.randbytes(size) for id in range(first, first + count)}


@pytest.mark.parametrize("first", [1, 3_000_000, 1 << 40])
def test_so_it_is_though_nothing_says_how_far_ids_were_given(tmp_path: Path, first: int) -> None:
    path = tmp_path / "snapshots.db"
    content, keys = vault_of(path, noise(60, first))
    assert rescued(without(content, tmp_path, "name", "whole", "sqlite_sequence"), path)
    assert readable(path, keys) == {*keys}
    ((seq,),) = asked(
        path.read_bytes(), "SELECT seq FROM sqlite_sequence WHERE name = 'whole'", tmp_path
    )
    assert isinstance(seq, int)
    assert first + 60 <= seq < first + (1 << 21)


def test_ids_are_not_given_again_though_what_had_the_last_is_lost_too(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    objects = noise(60, 1)
    content, _ = vault_of(path, objects)
    content = without(content, tmp_path, "name", "sqlite_sequence")
    assert rescued(zeros(content, leaf_with(content, objects[60][:50])), path)
    ((seq,),) = asked(
        path.read_bytes(), "SELECT seq FROM sqlite_sequence WHERE name = 'whole'", tmp_path
    )
    assert isinstance(seq, int)
    assert seq >= 60


@pytest.mark.parametrize("bit", [40, 51, 52])
def test_a_name_that_leads_where_nothing_lies_does_not_move_ids_out_of_reach(
    tmp_path: Path, bit: int
) -> None:
    path = tmp_path / "snapshots.db"
    objects = noise(40, 1, 700)
    rotten = f"UPDATE name SET id = id | {1 << bit} WHERE id = 20;"
    content, keys = vault_of(path, objects, rotten)
    assert rescued(without(content, tmp_path, "todo"), path)
    with open_vault(path) as vault:
        assert 40 < next_id(vault) < 1 << 30
        later = [(payload_digest(data), data) for data in noise(40, 100, 700).values()]
        put(vault, encode(later))
        vault.execute("PRAGMA vault.wal_checkpoint(TRUNCATE)").fetchall()
    assert rescued(without(path.read_bytes(), tmp_path, "whole"), path)
    keys += [key for key, _ in later]
    assert readable(path, keys) == {*keys}


def test_what_is_of_any_size_is_found_on_its_pages(tmp_path: Path) -> None:
    """Where a row begins to flow over, and where the next page of it begins."""
    path = tmp_path / "snapshots.db"
    chance = random.Random(1)
    sizes = [
        *range(PAGE_BYTES - 60, PAGE_BYTES - 20),
        *range(4_030, 4_100),
        *range(0, 9_000, 99),
    ]
    content, keys = vault_of(path, {id: chance.randbytes(one) for id, one in enumerate(sizes, 1)})
    assert rescued(without(content, tmp_path, "whole"), path)
    assert readable(path, keys) == {*keys}


def test_a_delta_that_leans_on_itself_and_is_no_bytes_is_asked_for_once(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    more = f"INSERT INTO delta VALUES (5, x'{encode_bases([5]).hex()}', CAST('a mark!!' AS BLOB));"
    content, keys = vault_of(
        path, noise(9, 10), f"{more} INSERT INTO name VALUES (x'{'07' * 32}', 5, 1, 0)"
    )
    rotten = bytearray(content)
    rotten[rotten.index(b"a mark!!") - 2] = 6  # its kind: a number
    assert rescued(bytes(rotten), path)
    assert readable(path, keys) == {*keys}


@pytest.mark.parametrize("at", [31, 32], ids=["the hash", "the id"])
def test_what_has_a_name_that_rotted_has_its_own_again(
    settled: bytes, tmp_path: Path, at: int
) -> None:
    """Else it would have none but one that leads to nothing, and the next collection takes it."""
    keys = keys_of(settled, tmp_path)
    ((key,),) = asked(settled, "SELECT key FROM name WHERE id = 70", tmp_path)
    assert isinstance(key, bytes)
    content = bytearray(settled)
    content[content.index(key + bytes([70])) + at] ^= 1
    path = tmp_path / "snapshots.db"
    path.write_bytes(content)
    assert len(readable(path, keys)) == len(keys) - 1
    assert rescued(without(bytes(content), tmp_path, "todo"), path)
    assert readable(path, keys) == {*keys}


def lost_and_back(path: Path, objects: list[tuple[bytes, bytes]], *steps: str) -> None:
    make_vault(path)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as vault:
        vault.execute("ATTACH DATABASE ? AS vault", (str(path),))
        put(vault, encode(objects))
        for step in steps:
            vault.execute(step)
        lose(vault, [key for key, _ in objects[:5]])
        if not steps:
            put(vault, encode(objects[:5]))
        vault.execute("PRAGMA vault.wal_checkpoint(TRUNCATE)").fetchall()


def test_what_came_back_after_it_was_lost_has_its_name_again(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    objects = [(payload_digest(data), data) for data in noise(40, 1).values()]
    keys = [key for key, _ in objects]
    lost_and_back(path, objects)
    assert rescued(without(path.read_bytes(), tmp_path, "name"), path)
    assert readable(path, keys) == {*keys}
    # Nobody knows how many lean on them, one on the other.
    assert asked(path.read_bytes(), "SELECT DISTINCT height FROM name", tmp_path) == [(HEIGHT_MAX,)]


def test_what_is_lost_yet_comes_under_its_id(tmp_path: Path) -> None:
    """What lies there now is no object, though it can be unpacked: it gets no name."""
    path = tmp_path / "snapshots.db"
    objects = [(payload_digest(data), data) for data in noise(40, 1).values()]
    lost_and_back(path, objects, "UPDATE vault.whole SET data = x'0001' WHERE id <= 5")
    assert rescued(without(path.read_bytes(), tmp_path, "todo"), path)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as vault:
        vault.execute("ATTACH DATABASE ? AS vault", (str(path),))
        put(vault, encode(objects[:5]))
        ids = [id for (id,) in vault.execute("SELECT id FROM vault.name ORDER BY id")]
    assert ids == [*range(1, 41)]
    assert readable(path, [key for key, _ in objects]) == {key for key, _ in objects}


LOST_VALUES = {
    "id": ["x'01'", "1.5", "'one'"],
    "height": ["NULL", "x''", "1.5"],
    "below": ["NULL", "x''", "CAST(below AS BLOB)", "1.5"],
    "is_back": ["NULL", "x''", "'no'"],
    "is_in_doubt": ["NULL", "x''"],
}


@pytest.mark.parametrize(
    ("column", "value"), [(name, one) for name, some in LOST_VALUES.items() for one in some]
)
def test_of_a_loss_what_is_not_rotten_is_known_yet(tmp_path: Path, column: str, value: str) -> None:
    """Else the next collection took what a page named that was lost."""
    path = tmp_path / "snapshots.db"
    objects = [(payload_digest(data), data) for data in noise(40, 1).values()]
    page, *others = [key for key, _ in objects]
    with open_vault(path) as vault:
        put(vault, encode(objects))
        lose(vault, [page])
        vault.execute("PRAGMA vault.wal_checkpoint(TRUNCATE)").fetchall()
    rot(tmp_path, "lost", column, [value])
    note_damage(path)
    assert rescue(path, make_vault)
    with open_vault(path) as vault:
        assert all_lost(vault).keys() == {page}
        later = (payload_digest(b"later"), b"later")
        put(vault, encode([later]))
        collect_without(vault, page)
        assert readable(path, [*others, later[0]]) == {*others}
        put(vault, encode(objects[:1]))
        note_back(vault)
        name_again(vault)
        assert not count(vault, "lost")
    assert readable(path, [page]) == {page}


@pytest.mark.parametrize("is_in_doubt", [0, 1], ids=["under its id", "elsewhere"])
@pytest.mark.parametrize("value", LOST_VALUES["is_back"])
def test_what_is_here_again_is_not_lost_though_what_says_so_is_rotten(
    tmp_path: Path, value: str, is_in_doubt: int
) -> None:
    path = tmp_path / "snapshots.db"
    objects = [(payload_digest(data), data) for data in noise(40, 1).values()]
    with open_vault(path) as vault:
        put(vault, encode(objects))
        vault.execute("UPDATE vault.whole SET data = x'0001' WHERE id = 1")
        lose(vault, [objects[0][0]])
        vault.execute("UPDATE vault.lost SET is_in_doubt = ?", (is_in_doubt,))
        put(vault, encode(objects[:1]))
        vault.execute("PRAGMA vault.wal_checkpoint(TRUNCATE)").fetchall()
    rot(tmp_path, "lost", "is_back", [value])
    note_damage(path)
    assert rescue(path, make_vault)
    with open_vault(path) as vault:
        name_again(vault)
        assert not count(vault, "lost")
    assert readable(path, [key for key, _ in objects]) == {key for key, _ in objects}


def test_rows_of_what_is_to_be_written_anew_are_taken_for_no_objects(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    todo = "".join(
        f"INSERT INTO todo VALUES ({number}, x'{number:064x}', x'{0:064x}');"
        for number in range(1, 20)
    )
    content, keys = vault_of(path, noise(40, 1), todo)
    assert rescued(without(content, tmp_path, "whole"), path)
    assert readable(path, keys) == {*keys}


def test_rows_of_another_table_do_not_hide_those_that_are_good(
    settled: bytes, tmp_path: Path
) -> None:
    """A page of `whole` leads to one of `delta`, whose bases are taken for bytes."""
    keys = keys_of(settled, tmp_path)
    ((needle,),) = asked(settled, "SELECT data FROM delta WHERE id = 70", tmp_path)
    assert isinstance(needle, bytes)
    content = bytearray(without(settled, tmp_path, "delta"))
    root = (root_of(settled, "whole", tmp_path) - 1) * PAGE_BYTES
    cell = root + int.from_bytes(content[root + 12 : root + 14], "big")
    content[cell : cell + 4] = leaf_with(settled, needle).to_bytes(4, "big")
    path = tmp_path / "snapshots.db"
    assert rescued(bytes(content), path)
    assert readable(path, keys) == {*keys}


FAR = 1 << 20


def test_what_is_named_is_found_though_no_range_leads_to_it(tmp_path: Path) -> None:
    """It lies behind very many ids that cannot be read, on a page that is called a free one."""
    path = tmp_path / "snapshots.db"
    objects = noise(9, 1, 400) | noise(20, FAR, 400)
    content, keys = vault_of(path, objects)
    gap, page = leaf_with(content, objects[9]), leaf_with(content, objects[FAR + 19])
    assert gap == leaf_with(content, objects[FAR])
    content = zeros(content, gap)
    content = content[:32] + page.to_bytes(4, "big") + content[36:]
    path.write_bytes(content)
    before = readable(path, keys)
    assert keys[-1] in before
    assert rescued(content, path)
    assert readable(path, keys) == before


def test_of_names_one_page_is_not_all_though_they_begin_alike(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    count = 500
    names = "".join(
        f"INSERT INTO name VALUES (x'{number:064x}', {number}, 1, 0);" for number in range(1, count)
    )
    content, _ = vault_of(path, noise(1, 1), names)
    page = leaf_with(content, (250).to_bytes(32, "big"), 10)
    assert rescued(zeros(content, page), path)
    ids = {id for (id,) in asked(path.read_bytes(), "SELECT id FROM name", tmp_path)}
    assert count - 80 < len(ids) < count - 1
    assert {1, count - 1} <= ids


def test_a_text_where_bytes_were_is_read_as_these(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    objects = noise(40, 1)
    content, keys = vault_of(path, objects)
    rotten = bytearray(without(content, tmp_path, "whole"))
    rotten[rotten.index(b"\0" + objects[7][:50]) - 1] ^= 1
    assert rescued(bytes(rotten), path)
    assert readable(path, keys) == {*keys}


def test_a_list_of_free_pages_that_leads_to_itself_has_an_end(
    settled: bytes, tmp_path: Path
) -> None:
    keys = keys_of(settled, tmp_path)
    content = without(settled, tmp_path, "whole")
    trunk = len(content) // PAGE_BYTES + 1
    page = (trunk.to_bytes(4, "big") + (1).to_bytes(4, "big")).ljust(PAGE_BYTES, b"\xff")
    content = content[:28] + trunk.to_bytes(4, "big") * 2 + content[36:] + page
    path = tmp_path / "snapshots.db"
    assert rescued(content, path)
    assert readable(path, keys) == {*keys}


def test_a_page_that_the_disk_refuses_to_read_costs_what_was_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "snapshots.db"
    objects = noise(60, 1, 300)
    content, keys = vault_of(path, objects)
    page = leaf_with(content, objects[30])
    real = os.pread

    def pread(file: int, size: int, at: int) -> bytes:
        if at // PAGE_BYTES == page - 1:
            raise OSError(errno.EIO, "Input/output error")
        return real(file, size, at)

    monkeypatch.setattr(os, "pread", pread)
    assert rescued(without(content, tmp_path, "whole"), path)
    assert len(keys) - 9 < len(readable(path, keys)) < len(keys)


def peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_row_that_is_larger_than_any_of_ours_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    content, keys = vault_of(
        path, noise(9, 1), f"INSERT INTO whole VALUES (20, zeroblob({32 << 20}))"
    )
    path.write_bytes(without(content, tmp_path, "todo"))
    note_damage(path)
    assert peak_bytes(lambda: rescue(path, make_vault)) < 8 << 20
    assert readable(path, keys) == {*keys}
    assert asked(path.read_bytes(), "SELECT count(*) FROM whole", tmp_path) == [(9,)]


def test_so_many_free_pages_take_a_bit_each(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    pages, listed = 1 << 17, PAGE_BYTES // 4 - 2
    with path.open("wb") as file:
        file.truncate(pages * PAGE_BYTES)
        for trunk in range(2, pages, listed + 1):
            following = trunk + listed + 1 if trunk + listed + 1 < pages else 0
            numbers = [following, listed, *range(trunk + 1, trunk + listed + 1)]
            file.seek((trunk - 1) * PAGE_BYTES)
            file.write(b"".join(number.to_bytes(4, "big") for number in numbers))
        file.seek(32)
        file.write((2).to_bytes(4, "big"))
    file_number = os.open(path, os.O_RDONLY)
    try:
        assert peak_bytes(lambda: [*Leaves(file_number, PAGE_BYTES).cells()]) < 1 << 20
    finally:
        os.close(file_number)
