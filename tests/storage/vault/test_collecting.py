"""What nobody names goes, and what is named is read as before."""

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.blob import BlobRoot
from crdt.digest import payload_digest
from storage.vault.collecting import Collection, give_back
from storage.vault.ids import next_id
from storage.vault.reading import read
from storage.vault.rows import encode, put
from storage.vault.unpacking import PlainCache, encode_bases
from tests.storage.vault.worlds import (
    World,
    count,
    objects_of,
    open_vault,
    restored,
    settle,
    store,
    store_all,
    stored_bytes,
)

SERIES = World(entities=1_500).series(8)


def marked(vault: sqlite3.Connection, live: Iterable[BlobRoot]) -> Collection:
    collection = Collection(vault, below=next_id(vault))
    for root in live:
        collection.mark(objects_of(vault, root))
    return collection


def step(vault: sqlite3.Connection, collection: Collection) -> bool:
    vault.execute("BEGIN IMMEDIATE")
    is_more = collection.step()
    vault.execute("COMMIT")
    return is_more


def collect(vault: sqlite3.Connection, live: Iterable[BlobRoot]) -> Collection:
    collection = marked(vault, live)
    while step(vault, collection):
        pass
    collection.end()
    return collection


@pytest.mark.parametrize(
    "kept",
    [[0, 3, 7], [7], [0], [0, 1, 2, 3], [], [*range(8)]],
    ids=["some", "the newest", "the oldest", "without the newest", "none", "all"],
)
def test_what_is_kept_is_read_as_before_and_nothing_else_is_left(
    vault: sqlite3.Connection, kept: list[int]
) -> None:
    roots = store_all(vault, SERIES)
    live = {hash for at in kept for hash in objects_of(vault, roots[at])}
    names = count(vault, "name")

    collection = collect(vault, [roots[at] for at in kept])

    assert [restored(vault, roots[at]) for at in kept] == [SERIES[at] for at in kept]
    keys = {key for (key,) in vault.execute("SELECT key FROM vault.name")}
    assert keys == set(live)
    assert collection.forgotten == names - len(live)
    assert count(vault, "whole") + count(vault, "delta") == len(live)


def test_few_of_many_take_little_more_than_if_the_others_had_never_been(
    vault: sqlite3.Connection, tmp_path: Path
) -> None:
    roots = store_all(vault, SERIES)
    collect(vault, [roots[0], roots[4], roots[7]])
    with open_vault(tmp_path / "other.db") as other:
        store_all(other, [SERIES[0], SERIES[4], SERIES[7]])
        assert stored_bytes(vault) < 1.1 * stored_bytes(other)


def test_time_after_time_deltas_stay_small(vault: sqlite3.Connection) -> None:
    """Each collection takes what stands between: what they lean on does not grow without end."""
    world = World(entities=1_500)
    newest = first = world.snapshot()
    roots = [store(vault, first)]
    for _ in range(10):
        for _ in range(2):
            newest = world.step()
            roots.append(store(vault, newest))
            settle(vault, *roots[-2:])
        roots = [roots[0], roots[-1]]
        collect(vault, roots)

    assert restored(vault, roots[0]) == first
    assert restored(vault, roots[-1]) == newest
    bases = [len(bases) for (bases,) in vault.execute("SELECT bases FROM vault.delta")]
    assert max(bases) < 12 * len(encode_bases([next_id(vault)]))


def test_what_came_lately_stays_though_nothing_names_it(vault: sqlite3.Connection) -> None:
    roots = store_all(vault, SERIES[:2])
    below = next_id(vault)
    uploading = store(vault, SERIES[2])
    collection = Collection(vault, below=below)
    collection.mark(objects_of(vault, roots[1]))

    while step(vault, collection):
        pass
    collection.end()

    assert restored(vault, uploading) == SERIES[2]
    assert restored(vault, roots[1]) == SERIES[1]


def test_what_came_lately_is_a_delta_against_what_goes(vault: sqlite3.Connection) -> None:
    (root,) = store_all(vault, SERIES[:1])
    below = next_id(vault)
    later = store(vault, SERIES[1])
    settle(vault, later, root)
    collection = Collection(vault, below=below)
    collection.mark(objects_of(vault, later))

    while step(vault, collection):
        pass

    assert restored(vault, later) == SERIES[1]


def test_what_was_left_over_by_a_collection_that_stopped_goes_with_the_next(
    vault: sqlite3.Connection,
) -> None:
    roots = store_all(vault, SERIES)
    stopped = marked(vault, roots[6:])
    while step(vault, stopped) and not stopped.forgotten:
        pass
    rows = count(vault, "whole") + count(vault, "delta")
    assert rows > count(vault, "name")

    collect(vault, roots[6:])

    assert count(vault, "whole") + count(vault, "delta") == count(vault, "name")
    assert [restored(vault, root) for root in roots[6:]] == SERIES[6:]


def test_rows_that_lean_on_each_other_or_on_nothing_do_not_stop_it(
    vault: sqlite3.Connection,
) -> None:
    roots = store_all(vault, SERIES[:3])
    texts = [b"%d is not read again" % number for number in range(4)]
    hashes = [payload_digest(text) for text in texts]
    first = next_id(vault)
    put(vault, encode(zip(hashes, texts, strict=True)))
    for id, bases in enumerate(
        ([first + 1], [first, first + 1], [first + 900], [first + 2, first + 3]), first
    ):
        vault.execute("DELETE FROM vault.whole WHERE id = ?", (id,))
        vault.execute("INSERT INTO vault.delta VALUES (?, ?, x'00')", (id, encode_bases(bases)))
    collection = marked(vault, roots)
    collection.mark(hashes[::2])

    while step(vault, collection):
        pass

    assert [restored(vault, root) for root in roots] == SERIES[:3]
    # The second one stays with the first, which leans on it: that may be read again some day.
    assert read(vault, hashes, PlainCache()).damaged == {*hashes[:3]}


def test_what_is_damaged_stays_damaged_and_the_rest_is_read(vault: sqlite3.Connection) -> None:
    roots = store_all(vault, SERIES[:4])
    ((id,),) = vault.execute("SELECT id FROM vault.delta ORDER BY id LIMIT 1")
    vault.execute("UPDATE vault.delta SET data = x'28b52ffd' WHERE id = ?", (id,))
    before = read(vault, objects_of(vault, roots[0]), PlainCache())
    assert before.damaged

    collect(vault, [roots[0], roots[3]])

    assert read(vault, objects_of(vault, roots[0]), PlainCache()) == before
    assert restored(vault, roots[3]) == SERIES[3]


def test_the_room_goes_back_to_the_disk(vault: sqlite3.Connection, tmp_path: Path) -> None:
    roots = store_all(vault, SERIES)
    vault.execute("PRAGMA vault.wal_checkpoint(TRUNCATE)").fetchall()
    before = os.path.getsize(tmp_path / "snapshots.db")
    collect(vault, [roots[7]])
    ((freed,),) = vault.execute("PRAGMA vault.freelist_count")
    ((page_bytes,),) = vault.execute("PRAGMA vault.page_size")
    assert freed > 3

    while give_back(vault):
        pass

    vault.execute("PRAGMA vault.wal_checkpoint(TRUNCATE)").fetchall()
    after = os.path.getsize(tmp_path / "snapshots.db")
    assert after <= before - freed * page_bytes
    assert vault.execute("PRAGMA vault.freelist_count").fetchone() == (0,)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1 << 30))
def test_whatever_goes_whatever_stays_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    random = Random(seed)
    with open_vault(tmp_path_factory.mktemp("vault") / "snapshots.db") as vault:
        live: dict[BlobRoot, bytes] = {}
        data = random.randbytes(70_000)
        for _ in range(14):
            edited = bytearray(random.choice([*live.values()] or [data]))
            for _ in range(random.randrange(1, 5)):
                at = random.randrange(len(edited))
                edited[at : at + random.randrange(400)] = random.randbytes(random.randrange(400))
            root = store(vault, bytes(edited), promote=random.random() < 0.5)
            live[root] = bytes(edited)
            settle(vault, random.choice([*live]), root)
            if random.random() < 0.3:
                for gone in random.sample([*live], len(live) // 2):
                    del live[gone]
                collect(vault, live)
        assert all(restored(vault, root) == data for root, data in live.items())
