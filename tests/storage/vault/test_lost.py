"""What was found damaged comes back under its old id, and what leans on it can be read again."""

import sqlite3
from collections.abc import Sequence
from itertools import permutations
from random import Random

import pytest

from crdt import delta
from crdt.blob import BlobRoot
from crdt.digest import payload_digest
from storage.vault.collecting import Collection
from storage.vault.ids import next_id
from storage.vault.lost import all_lost, last_loss, lose, name_again, note_back
from storage.vault.reading import read
from storage.vault.rows import encode, put
from storage.vault.scrubbing import drop_damaged, drop_lost
from storage.vault.unpacking import PLAIN, PlainCache, encode_bases
from tests.storage.vault.worlds import (
    World,
    objects_of,
    restored,
    settle,
    store,
    store_all,
)

SERIES = World(entities=1_500).series(6)


def most_leaned_on(vault: sqlite3.Connection) -> tuple[bytes, int, bytes]:
    """Of what lies whole the one of most height: key, id and plain bytes."""
    key, id = vault.execute(
        "SELECT n.key, n.id FROM vault.name n JOIN vault.whole w ON w.id = n.id"
        " ORDER BY n.height DESC, n.key LIMIT 1"
    ).fetchone()
    return key, id, read(vault, [key], PlainCache()).objects[key]


def spoil(vault: sqlite3.Connection, id: int, plain: bytes) -> None:
    """Other bytes come out, of the same length; so they do of what leans on it."""
    bad = bytes(byte ^ 1 for byte in plain)
    vault.execute("UPDATE vault.whole SET data = ? WHERE id = ?", (PLAIN + bad, id))


def drop_all_damaged(vault: sqlite3.Connection) -> list[bytes]:
    return drop_damaged(vault, [key for (key,) in vault.execute("SELECT key FROM vault.name")])


def look(vault: sqlite3.Connection) -> int:
    """For what can be read again."""
    count = 0
    after: int | None = 0
    while after is not None:
        after, some = name_again(vault, after)
        count += some
    return count


def collect(vault: sqlite3.Connection, live: Sequence[Sequence[bytes]]) -> Collection:
    """What these objects are not goes."""
    collection = Collection(vault, below=next_id(vault))
    for hashes in live:
        collection.mark(hashes)
    while collection.step():
        pass
    collection.end()
    return collection


def objects_of_all(vault: sqlite3.Connection, roots: Sequence[BlobRoot]) -> list[list[bytes]]:
    return [objects_of(vault, root) for root in roots]


@pytest.mark.parametrize("collected", [False, True])
def test_once_a_base_is_here_again_all_that_leans_on_it_is_read(
    vault: sqlite3.Connection, *, collected: bool
) -> None:
    roots = store_all(vault, SERIES)
    live = objects_of_all(vault, roots)
    base, id, plain = most_leaned_on(vault)
    spoil(vault, id, plain)
    lost = drop_all_damaged(vault)
    assert base in lost
    assert len(lost) > 3  # those that lean on it
    assert look(vault) == 0
    if collected:
        collect(vault, live)
        assert {*all_lost(vault)} == {*lost}

    put(vault, encode([(base, plain)]))

    assert note_back(vault)
    assert look(vault) == len(lost) - 1
    assert not all_lost(vault)
    assert not note_back(vault)
    assert [restored(vault, root) for root in roots] == SERIES


def test_who_reads_with_what_was_unpacked_before_is_not_misled(vault: sqlite3.Connection) -> None:
    """What lies in a cache is held before anybody knows that these are the right bytes."""
    roots = store_all(vault, SERIES)
    base, id, plain = most_leaned_on(vault)
    hashes = [hash for hash in objects_of(vault, roots[0]) if hash != base]
    spoil(vault, id, plain)
    cache = PlainCache()
    held = read(vault, hashes, cache)
    assert held.damaged
    assert cache.get(id) is None
    cache.put(id, bytes(len(plain)))
    drop_damaged(vault, [base])
    put(vault, encode([(base, plain)]))
    found = read(vault, hashes, cache)
    assert not found.damaged
    assert found.objects.keys() == {*hashes}
    assert cache.get(id) is None


def test_nobody_is_written_anew_against_bytes_that_are_not_right(
    vault: sqlite3.Connection,
) -> None:
    """A collection takes what stands between an old one and a base of other bytes."""
    roots = store_all(vault, SERIES)
    live = objects_of_all(vault, [roots[0], roots[-1]])
    base, id, plain = most_leaned_on(vault)
    spoil(vault, id, plain)

    collect(vault, live)

    drop_all_damaged(vault)
    put(vault, encode([(base, plain)]))
    look(vault)
    assert [restored(vault, root) for root in (roots[0], roots[-1])] == [SERIES[0], SERIES[-1]]


def test_what_nobody_wants_any_more_is_forgotten(vault: sqlite3.Connection) -> None:
    roots = store_all(vault, SERIES[:2])
    (_, newer) = objects_of_all(vault, roots)
    ((only,),) = vault.execute(
        "SELECT key FROM vault.name JOIN vault.delta USING (id) ORDER BY id LIMIT 1"
    )
    lose(vault, [only, bytes(32)])
    assert {*all_lost(vault)} == {only, bytes(32)}
    collect(vault, [newer])
    assert not all_lost(vault)
    assert restored(vault, roots[1]) == SERIES[1]


def test_a_name_that_was_damaged_leads_to_nobody_elses_bytes(vault: sqlite3.Connection) -> None:
    one, other, third = (payload_digest(data) for data in (b"one", b"other", b"third"))
    put(vault, encode([(one, b"one"), (other, b"other"), (third, b"third")]))
    vault.execute("UPDATE vault.name SET id = 2 WHERE key = ?", (one,))
    vault.execute("UPDATE vault.name SET id = ? WHERE key = ?", ((1 << 63) - 1, third))
    assert {*drop_all_damaged(vault)} == {one, third}
    put(vault, encode([(one, b"one"), (third, b"third")]))
    found = read(vault, [one, other, third], PlainCache())
    assert found.objects == {one: b"one", other: b"other", third: b"third"}
    assert next_id(vault) < 10


def test_what_has_no_name_is_lost_once_and_is_kept_as_new(vault: sqlite3.Connection) -> None:
    hash = payload_digest(b"one")
    before = last_loss(vault)
    assert drop_lost(vault, [hash, hash]) == [hash]
    assert last_loss(vault) == before + 1
    assert drop_lost(vault, [hash]) == [hash]
    assert last_loss(vault) == before + 1
    put(vault, encode([(hash, b"one")]))
    assert read(vault, [hash], PlainCache()).objects == {hash: b"one"}
    assert note_back(vault)


def test_while_a_page_is_lost_nothing_goes_that_it_may_name(vault: sqlite3.Connection) -> None:
    first = store(vault, SERIES[0])
    hashes = objects_of(vault, first)
    store(vault, SERIES[1])
    pages = {hash: read(vault, [hash], PlainCache()).objects[hash] for hash in first.page_hashes}
    lose(vault, first.page_hashes)
    later = store(vault, World(seed=9).snapshot())
    gone = objects_of(vault, later)

    for _ in range(2):  # time after time
        collection = Collection(vault, below=next_id(vault))
        collection.mark(first.page_hashes)
        collection.lack(first.page_hashes)
        after: bytes | None = b""
        while after is not None:
            after = collection.mark_before(after)
        while collection.step():
            pass
        collection.end()

    assert not read(vault, gone, PlainCache()).objects
    put(vault, encode(pages.items()))
    assert read(vault, hashes, PlainCache()).objects.keys() == {*hashes}
    assert restored(vault, first) == SERIES[0]
    settle(vault, first, store(vault, SERIES[1]))
    assert restored(vault, first) == SERIES[0]


BASE, OTHER = b"a base" * 99, b"other"
NEAR = BASE + b"another end"
FAR = NEAR + b"and further"
IN_ANY_ORDER = {
    "-".join(names): [{"base": BASE, "near": NEAR, "other": OTHER}[name] for name in names]
    for names in permutations(("base", "near", "other"))
}


def leans(vault: sqlite3.Connection, id: int, data: bytes, base_id: int, base: bytes) -> None:
    vault.execute("DELETE FROM vault.whole WHERE id = ?", (id,))
    row = (id, encode_bases([base_id]), delta.encode(data, base))
    vault.execute("INSERT INTO vault.delta VALUES (?, ?, ?)", row)


def lost_under_one_id(vault: sqlite3.Connection) -> dict[bytes, bytes]:
    """Two of these: a name was damaged, and what all but it lean on. Gives all by their hashes."""
    objects = {payload_digest(data): data for data in (BASE, NEAR, OTHER, FAR)}
    put(vault, encode(objects.items()))
    leans(vault, 2, NEAR, 1, BASE)
    leans(vault, 4, FAR, 2, NEAR)
    spoil(vault, 1, BASE)
    vault.execute("UPDATE vault.name SET id = 2 WHERE key = ?", (payload_digest(OTHER),))
    return objects


@pytest.mark.parametrize("is_looked_for", [False, True], ids=["at the end", "each time"])
@pytest.mark.parametrize("order", IN_ANY_ORDER.values(), ids=IN_ANY_ORDER)
def test_where_two_were_lost_under_one_id_what_lies_there_stays(
    vault: sqlite3.Connection, order: list[bytes], *, is_looked_for: bool
) -> None:
    """A delta can be read again once its base is back, and so can what leans on it, whoever else
    was said to lie there and whoever comes back first."""
    objects = lost_under_one_id(vault)
    assert {*drop_all_damaged(vault)} == {*objects}
    for data in order:
        put(vault, encode([(payload_digest(data), data)]))
        if is_looked_for:
            note_back(vault)
            look(vault)
    look(vault)
    assert read(vault, [*objects], PlainCache()).objects == objects
    note_back(vault)
    assert not all_lost(vault)


@pytest.mark.parametrize("is_found_first", [False, True])
def test_what_was_lost_under_the_id_of_one_that_nobody_wants_any_more_stays_elsewhere(
    vault: sqlite3.Connection, *, is_found_first: bool
) -> None:
    """Others lean on what lies there, and it cannot be read yet; found damaged one by one."""
    objects = lost_under_one_id(vault)
    base, near, other, far = objects
    for hash in (other, near) if is_found_first else (near, other):
        assert drop_damaged(vault, [hash])
    drop_all_damaged(vault)
    collect(vault, [[base, other, far]])
    assert {*all_lost(vault)} == {base, other, far}
    put(vault, encode([(other, OTHER)]))
    put(vault, encode([(base, BASE)]))
    look(vault)
    wanted = {hash: data for hash, data in objects.items() if hash != near}
    assert read(vault, [*wanted], PlainCache()).objects == wanted


@pytest.mark.parametrize("is_first", [False, True])
def test_where_the_id_of_one_has_rotted_it_is_not_written_over_another(
    vault: sqlite3.Connection, *, is_first: bool
) -> None:
    """That is lost itself, and can be read again when what it leans on is back."""
    rng = Random(7)
    base, other = rng.randbytes(4_000), rng.randbytes(3_000)
    near = base[:3_000] + b"near"
    far = near[1_500:] + b"far"
    objects = {payload_digest(data): data for data in (base, near, far, other)}
    put(vault, encode(objects.items()))
    leans(vault, 2, near, 1, base)
    leans(vault, 3, far, 2, near)
    vault.execute("UPDATE vault.whole SET data = x'01ff' WHERE id IN (1, 4)")
    lose(vault, [*objects])
    base_key, _, _, other_key = objects
    vault.execute("UPDATE vault.lost SET id = 2 WHERE key = ?", (other_key,))
    keys = [other_key, base_key] if is_first else [base_key, other_key]
    for key in keys:
        put(vault, encode([(key, objects[key])]))
    note_back(vault)
    look(vault)
    assert read(vault, [*objects], PlainCache()).objects == objects
