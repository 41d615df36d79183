"""An id of which rot has put a row in both tables: a page that lies where another was, or an older
one that came back. What one of the rows has can be read, and the next start gives each its own id.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from crdt.digest import payload_digest
from storage.errors import Corrupt
from storage.vault.lost import lose
from storage.vault.opening import make_vault
from storage.vault.reading import read
from storage.vault.rescue import note_damage, rescue
from storage.vault.rows import encode, put
from storage.vault.scrubbing import damaged_of, fault_of_small
from storage.vault.unpacking import PlainCache
from tests.storage.test_folding import opened
from tests.storage.test_whole_again import SERIES as BLOBS
from tests.storage.test_whole_again import put_settled, readable
from tests.storage.vault.worlds import World, restored, settle, store, store_all

SERIES = World(entities=1_500).series(6)
SOME = "FROM vault.delta ORDER BY id LIMIT 9"
ROT = {
    "a page of deltas lies where one of the others was": f"vault.whole SELECT id, bases {SOME}",
    "other bytes": f"vault.whole SELECT id, CAST(x'00' || data AS BLOB) {SOME}",
    "the other way round": "vault.delta SELECT id, data, x'' FROM vault.whole LIMIT 9",
    "other deltas": "vault.delta SELECT w.id, d.bases, d.data FROM vault.whole w, vault.delta d"
    " WHERE d.id = (SELECT min(id) FROM vault.delta) LIMIT 9",
}


def twice(vault: sqlite3.Connection) -> int:
    ((found,),) = vault.execute("SELECT count(*) FROM vault.whole JOIN vault.delta USING (id)")
    return int(found)


def is_rescued(vault: sqlite3.Connection) -> bool:
    """Leaves nothing in the log."""
    vault.execute("PRAGMA vault.wal_checkpoint(TRUNCATE)").fetchall()
    path = Path(vault.execute("PRAGMA database_list").fetchall()[-1][2])
    vault.execute("DETACH DATABASE vault")
    note_damage(path)
    done = rescue(path, make_vault)
    vault.execute("ATTACH DATABASE ? AS vault", (str(path),))
    return bool(done)


@pytest.mark.parametrize("rot", ROT)
def test_what_one_of_both_has_is_read_and_found_and_each_has_its_own_id_at_the_next_start(
    vault: sqlite3.Connection, rot: str
) -> None:
    roots = store_all(vault, SERIES)
    vault.execute(f"INSERT INTO {ROT[rot]}")
    assert twice(vault) == 9
    keys = [key for (key,) in vault.execute("SELECT key FROM vault.name ORDER BY key")]
    assert not damaged_of(vault, keys)
    assert not [key for key in keys if damaged_of(vault, [key])]
    assert [restored(vault, root) for root in roots] == SERIES
    assert fault_of_small(vault) == "an object lies whole and as a delta"
    assert is_rescued(vault)
    assert twice(vault) == 0
    assert fault_of_small(vault) == ""
    assert [restored(vault, root) for root in roots] == SERIES
    assert not is_rescued(vault)


def test_where_an_older_page_came_back_nothing_has_another_id(vault: sqlite3.Connection) -> None:
    """Both rows come out right."""
    first = store(vault, SERIES[0])
    old = vault.execute("SELECT id, data FROM vault.whole").fetchall()
    second = store(vault, SERIES[1])
    settle(vault, first, second)
    vault.executemany("INSERT OR IGNORE INTO vault.whole VALUES (?, ?)", old)
    ids = vault.execute("SELECT key, id FROM vault.name ORDER BY key").fetchall()
    assert twice(vault) > 5
    assert is_rescued(vault)
    assert twice(vault) == 0
    assert vault.execute("SELECT key, id FROM vault.name ORDER BY key").fetchall() == ids
    assert [restored(vault, root) for root in (first, second)] == SERIES[:2]


def test_two_objects_of_one_id_are_both_read_and_neither_is_lost(
    vault: sqlite3.Connection,
) -> None:
    """What said which ids were given said too little."""
    roots = store_all(vault, SERIES)
    some = [id for (id,) in vault.execute(f"SELECT id {SOME}")]
    new = [Random(id).randbytes(3_000) for id in some]
    objects = encode((payload_digest(one), one) for one in new)
    for id, (hash, size, data) in zip(some, objects, strict=True):
        vault.execute("INSERT INTO vault.whole VALUES (?, ?)", (id, data))
        vault.execute("INSERT INTO vault.name VALUES (?, ?, ?, 0)", (hash, id, size))
    for _ in range(2):
        found = read(vault, [payload_digest(one) for one in new], PlainCache())
        assert sorted(found.objects.values()) == sorted(new)
        assert [restored(vault, root) for root in roots] == SERIES
        is_rescued(vault)
    assert twice(vault) == 0


def test_what_comes_again_takes_the_place_of_neither_that_is_of_another(
    vault: sqlite3.Connection,
) -> None:
    roots = store_all(vault, SERIES)
    ((id,),) = vault.execute("SELECT min(id) FROM vault.delta")
    (one,) = encode([(payload_digest(b"another"), b"another")])
    vault.execute("INSERT INTO vault.whole VALUES (?, ?)", (id, one.data))
    vault.execute("INSERT INTO vault.name VALUES (?, ?, ?, 0)", (one.hash, id, one.size))
    lose(vault, [one.hash])
    put(vault, [one])
    assert read(vault, [one.hash], PlainCache()).objects == {one.hash: b"another"}
    assert [restored(vault, root) for root in roots] == SERIES


def test_nothing_is_made_to_lean_on_what_is_in_both(vault: sqlite3.Connection) -> None:
    """It may be the delta, and lean on that."""
    roots = [store(vault, data) for data in SERIES[:2]]
    vault.execute("INSERT INTO vault.delta SELECT id, x'01', x'' FROM vault.whole")
    assert settle(vault, *roots) == 0
    assert [restored(vault, root) for root in roots] == SERIES[:2]


async def test_a_scrub_finds_it_and_the_next_start_loses_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        blobs = await put_settled(store)
    with closing(sqlite3.connect(tmp_path / "snapshots.db", isolation_level=None)) as vault:
        vault.execute("INSERT INTO whole SELECT id, bases FROM delta ORDER BY id LIMIT 5")
    async with opened(tmp_path) as store:
        assert await readable(store, blobs) == len(BLOBS)
        with pytest.raises(Corrupt, match=r"lies whole and as a delta.* Start the node again"):
            await store.scrub()
    async with opened(tmp_path) as store:
        assert store.mended.is_rescued
        assert (await store.scrub()).parts == 0
        assert await readable(store, blobs) == len(BLOBS)
