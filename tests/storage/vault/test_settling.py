"""Older snapshots take a fraction, and every one of them is read back as it was."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.delta import BASE_BYTES_MAX
from crdt.delta import encode as encode_delta
from crdt.digest import payload_digest
from storage.vault import settling
from storage.vault.reading import names_of, read
from storage.vault.rows import encode, put
from storage.vault.settling import Cover, covers_of, replace, rewrites_of
from storage.vault.unpacking import HEIGHT_MAX, PACKED, PlainCache, decode_bases
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

SERIES = World().series(12)


def test_each_snapshot_is_read_back_and_older_ones_take_a_fraction(
    vault: sqlite3.Connection,
) -> None:
    roots = store_all(vault, SERIES)

    assert [restored(vault, root) for root in roots] == SERIES
    alone = World(entities=3_000).snapshot()
    with_one = stored_bytes_of(alone)
    older = stored_bytes(vault) - with_one
    assert older < 0.15 * with_one * (len(SERIES) - 1), "each older one takes little"


def stored_bytes_of(data: bytes) -> int:
    """Alone."""
    return sum(len(one.data) for one in encode(objects(data)))


def objects(data: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (payload_digest(data[at : at + 16_384]), data[at : at + 16_384])
        for at in range(0, len(data), 16_384)
    ]


def test_the_newest_is_whole_and_so_reads_fast(vault: sqlite3.Connection) -> None:
    *_, newest = store_all(vault, SERIES)

    ids = {name.id for name in names_of(vault, objects_of(vault, newest)).values()}
    whole = {id for (id,) in vault.execute("SELECT id FROM vault.whole")}
    assert ids <= whole


def test_to_settle_again_changes_nothing(vault: sqlite3.Connection) -> None:
    first, second = store_all(vault, SERIES[:2])
    before = list(vault.execute("SELECT * FROM vault.delta"))

    assert before
    assert settle(vault, first, second) == 0
    assert settle(vault, second, second) == 0
    assert list(vault.execute("SELECT * FROM vault.delta")) == before


def test_with_several_threads_the_same_comes_out(vault: sqlite3.Connection, tmp_path: Path) -> None:
    older, newer = (store(vault, data) for data in SERIES[:2])
    with ThreadPoolExecutor(2) as pool:
        for covers in covers_of(vault, older, newer):
            alone = rewrites_of(vault, covers, PlainCache())
            assert alone == rewrites_of(vault, covers, PlainCache(), pool.map)
            assert alone


def test_where_a_page_is_missing_nothing_is_settled(vault: sqlite3.Connection) -> None:
    older, newer = (store(vault, data) for data in SERIES[:2])
    vault.execute("DELETE FROM vault.name WHERE key = ?", (newer.page_hashes[0],))

    assert settle(vault, older, newer) == 0
    assert settle(vault, newer, older) == 0
    assert restored(vault, older) == SERIES[0]


def test_what_comes_back_is_whole_again_and_leaned_on_all_the_same(
    vault: sqlite3.Connection,
) -> None:
    first, second = store_all(vault, SERIES[:2])
    deltas = count(vault, "delta")

    again = store(vault, SERIES[0], promote=True)  # the world was set back
    assert again.id == first.id
    settle(vault, second, again)

    assert deltas > 0
    assert restored(vault, first) == SERIES[0]
    assert restored(vault, second) == SERIES[1]
    third = store(vault, SERIES[2])
    settle(vault, again, third)
    assert [restored(vault, root) for root in (first, second, third)] == SERIES[:3]


def test_forks_settle_against_whatever_is_whole(vault: sqlite3.Connection) -> None:
    *_, fork_point, newest = store_all(vault, SERIES[:4])
    forked = [
        SERIES[2].replace(b'"energy":1', b'"energy":2', 40),
        SERIES[2].replace(b'"energy":3', b'"energy":4', 40),
    ]
    roots = [store(vault, data) for data in forked]
    settle(vault, fork_point, roots[0])
    settle(vault, roots[0], roots[1])
    settle(vault, roots[1], newest)
    settle(vault, newest, fork_point)  # what is a delta by now is no base

    assert [restored(vault, root) for root in roots] == forked
    assert restored(vault, newest) == SERIES[3]
    assert restored(vault, fork_point) == SERIES[2]


def packed_at(level: int, data: bytes, base: bytes) -> bytes:
    """As a row has it; `base` of no bytes: alone."""
    dictionary = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    packer = zstandard.ZstdCompressor(
        level=level, dict_data=dictionary, write_checksum=False, write_dict_id=False
    )
    return packer.compress(data)


def test_what_is_stored_is_packed_at_level_three(vault: sqlite3.Connection) -> None:
    """Deltas and what is whole: of each row the very frame that no other level gives of all."""
    store_all(vault, SERIES[:4])

    names = {id: key for key, id in vault.execute("SELECT key, id FROM vault.name")}
    objects = read(vault, [*names.values()], PlainCache()).objects
    plain = {id: objects[key] for id, key in names.items()}
    deltas = [
        (plain[id], b"".join(plain[base] for base in decode_bases(bases)), data)
        for id, bases, data in vault.execute("SELECT id, bases, data FROM vault.delta")
    ]
    whole = [
        (plain[id], b"", data[1:])
        for id, data in vault.execute("SELECT id, data FROM vault.whole")
        if data.startswith(PACKED)
    ]
    for rows in (deltas, whole):
        assert len(rows) > 10
        assert [packed_at(3, data, base) for data, base, _ in rows] == [row for *_, row in rows]
        for other in (1, 2, 4, 5, 6, 9):
            assert any(packed_at(other, data, base) != row for data, base, row in rows)


CHAIN: Final = 64
"""How many deltas lean one on the other at most, as it is promised: an old state is read in time,
and what is older begins another chain."""


def test_no_chain_is_longer_than_its_bound(vault: sqlite3.Connection) -> None:
    assert HEIGHT_MAX == CHAIN
    random = Random(3)
    versions = [random.randbytes(16_000)]
    for _ in range(CHAIN + 6):
        at = random.randrange(15_000)
        versions.append(versions[-1][:at] + random.randbytes(20) + versions[-1][at + 20 :])
    roots = store_all(vault, versions)

    assert [restored(vault, root) for root in roots] == versions
    heights = [height for (height,) in vault.execute("SELECT height FROM vault.name")]
    assert max(heights) == CHAIN
    # What so many lean on stays whole, and the next ones begin another chain.
    chunks = [names_of(vault, objects_of(vault, root)[1:]) for root in roots]
    whole = {id for (id,) in vault.execute("SELECT id FROM vault.whole")}
    kept = [at for at, (name,) in enumerate(each.values() for each in chunks) if name.id in whole]
    assert kept == [CHAIN, len(versions) - 1]


def test_what_changed_meanwhile_is_left_as_it_is(vault: sqlite3.Connection) -> None:
    """Between reading and writing a base became a delta, or went, or the object did."""
    older, newer = (store(vault, data) for data in SERIES[:2])
    some = next(covers_of(vault, older, newer))
    rewrites = rewrites_of(vault, some, PlainCache())
    first, second, third, *_ = rewrites
    vault.execute("DELETE FROM vault.name WHERE key = ?", (first.bases[0],))
    vault.execute("DELETE FROM vault.whole WHERE id = ?", (third.id,))
    gone = {one.id for one in rewrites if first.bases[0] in one.bases} | {third.id}

    done = replace(vault, rewrites)

    deltas = {id for (id,) in vault.execute("SELECT id FROM vault.delta")}
    assert second.id in deltas | gone
    assert deltas == {one.id for one in rewrites} - gone
    assert done == len(deltas)
    assert replace(vault, rewrites) == 0


def test_a_damaged_base_or_object_is_passed_over(vault: sqlite3.Connection) -> None:
    older, newer = (store(vault, data) for data in SERIES[:2])
    covers = [cover for some in covers_of(vault, older, newer) for cover in some]
    (base,) = names_of(vault, covers[0].bases[:1]).values()
    vault.execute("UPDATE vault.whole SET data = x'00ff' WHERE id = ?", (base.id,))

    rewrites = rewrites_of(vault, covers, PlainCache())

    assert rewrites
    assert all(base.id not in one.base_ids for one in rewrites)
    replace(vault, rewrites)
    assert read(vault, covers[0].bases[:1], PlainCache()).damaged == {covers[0].bases[0]}


def test_a_delta_that_gives_other_bytes_takes_the_place_of_none(
    vault: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every third one a bit comes out wrong, as of a library, or memory, that is at fault."""
    asked = 0

    def packed(data: bytes, base: bytes) -> bytes:
        nonlocal asked
        asked += 1
        return encode_delta(data if asked % 3 else bytes([data[0] ^ 1]) + data[1:], base)

    monkeypatch.setattr(settling, "encode", packed)
    roots = store_all(vault, SERIES[:3])
    monkeypatch.undo()

    assert [restored(vault, root) for root in roots] == SERIES[:3]
    assert count(vault, "delta") == asked - asked // 3


def test_the_pages_of_an_older_state_are_deltas_too(vault: sqlite3.Connection) -> None:
    older, newer = store_all(vault, SERIES[:2])

    deltas = {id for (id,) in vault.execute("SELECT id FROM vault.delta")}
    of_older = {*older.page_hashes} - {*newer.page_hashes}
    assert of_older
    assert {name.id for name in names_of(vault, [*of_older]).values()} <= deltas
    assert restored(vault, older) == SERIES[0]


def test_nothing_grows_by_being_settled(vault: sqlite3.Connection) -> None:
    """Bytes that have nothing in common, and such as pack to nothing."""
    random = Random(5)
    noise = [random.randbytes(60_000), random.randbytes(60_000)]
    roots = [store(vault, data) for data in [*noise, bytes(60_000), b"\1" * 60_000]]
    before = stored_bytes(vault)

    for older, newer in pairwise(roots):
        settle(vault, older, newer)

    assert stored_bytes(vault) <= before
    assert restored(vault, roots[0]) == noise[0]


def test_an_object_is_never_its_own_base(vault: sqlite3.Connection) -> None:
    noise = Random(6).randbytes(9_000)
    data = [noise, noise[:4_000] + noise[4_001:]]
    put(vault, encode([(payload_digest(one), one) for one in data]))
    first, second = map(payload_digest, data)

    rewrites = rewrites_of(
        vault, [Cover(first, (first, second)), Cover(second, (first,))], PlainCache()
    )

    assert replace(vault, rewrites) == 1
    assert read(vault, [first, second], PlainCache()).objects == {first: data[0], second: data[1]}


def test_many_bases_are_taken_as_far_as_a_delta_may_go(vault: sqlite3.Connection) -> None:
    """As of a page of long chunks, which many pages of short ones cover."""
    random = Random(8)
    small = [random.randbytes(9_216) for _ in range(64)]
    large = b"".join(one[:500] for one in small)
    put(vault, encode((payload_digest(one), one) for one in [large, *small]))
    cover = Cover(payload_digest(large), tuple(map(payload_digest, small)))

    (rewrite,) = rewrites_of(vault, [cover], PlainCache())

    assert rewrite.bases == cover.bases[: BASE_BYTES_MAX // 9_216]
    assert replace(vault, [rewrite]) == 1
    assert read(vault, [cover.hash], PlainCache()).objects == {cover.hash: large}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30), st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7))))
def test_whatever_is_settled_against_whatever_everything_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, seed: int, pairs: list[tuple[int, int]]
) -> None:
    random = Random(seed)
    versions = [random.randbytes(100_000)]
    for _ in range(7):
        edited = bytearray(random.choice(versions))
        for _ in range(random.randrange(1, 6)):
            at = random.randrange(len(edited))
            edited[at : at + random.randrange(500)] = random.randbytes(random.randrange(500))
        versions.append(bytes(edited))
    with open_vault(tmp_path_factory.mktemp("vault") / "snapshots.db") as vault:
        roots = [store(vault, data) for data in versions]
        for older, newer in pairs:
            settle(vault, roots[older], roots[newer])
            if random.random() < 0.2:
                store(vault, versions[older], promote=True)

        assert [restored(vault, root) for root in roots] == versions
