"""What is read is what was stored, or nothing: whatever lies in the tables."""

import sqlite3
from random import Random

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.delta import encode as against
from crdt.digest import payload_digest
from storage.vault import reading, unpacking
from storage.vault.reading import gather, names_of, read
from storage.vault.rows import encode, held, put
from storage.vault.unpacking import (
    BASES_MAX,
    HEIGHT_MAX,
    PACKED,
    PLAIN,
    Damaged,
    PlainCache,
    decode_bases,
    encode_bases,
)
from tests.storage.vault.worlds import World, objects_of, open_vault, restored, store_all

SERIES = World(entities=1_500).series(6)
TEXT = b"a world in which much is said again and again " * 300
HASH = payload_digest(TEXT)


def put_as(vault: sqlite3.Connection, id: int, data: bytes, *, size: int = len(TEXT)) -> None:
    """A name and a whole row, by hand."""
    vault.execute("INSERT INTO vault.name (key, id, size) VALUES (?, ?, ?)", (HASH, id, size))
    vault.execute("INSERT INTO vault.whole (id, data) VALUES (?, ?)", (id, data))


def put_delta(vault: sqlite3.Connection, id: int, bases: bytes, data: bytes) -> None:
    vault.execute("INSERT INTO vault.delta (id, bases, data) VALUES (?, ?, ?)", (id, bases, data))


def test_what_is_here_is_found_and_what_is_not_is_neither_found_nor_damaged(
    vault: sqlite3.Connection,
) -> None:
    noise = Random(1).randbytes(5_000)
    put(vault, encode([(HASH, TEXT), (payload_digest(noise), noise)]))
    other = payload_digest(b"something else")

    found = read(vault, [other, payload_digest(noise), HASH, HASH], PlainCache())

    assert found.objects == {HASH: TEXT, payload_digest(noise): noise}
    assert not found.damaged
    assert read(vault, [], PlainCache()).objects == {}


def test_a_hash_that_only_begins_as_another_one_is_not_here_and_damages_nothing(
    vault: sqlite3.Connection,
) -> None:
    put(vault, encode([(HASH, TEXT)]))
    twin = HASH[:16] + bytes(16)

    found = read(vault, [twin], PlainCache())

    assert not found.objects
    assert not found.damaged
    assert held(vault, [twin]) == set()
    assert put(vault, encode([(twin, b"others")])) == [twin]
    assert read(vault, [HASH], PlainCache()).objects == {HASH: TEXT}


def packed(data: bytes) -> bytes:
    return PACKED + zstandard.ZstdCompressor(write_checksum=False).compress(data)


def sizeless(data: bytes) -> bytes:
    packer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return PACKED + packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLAIN,
        PACKED,
        b"\2" + TEXT,
        PLAIN + TEXT[:-1],
        PLAIN + TEXT[:-1] + b"!",
        PLAIN + bytes(50_000_000),
        packed(TEXT)[:-1],
        packed(TEXT) + b"\0",
        packed(TEXT) + packed(TEXT)[1:],
        packed(TEXT[:-1] + b"!"),
        packed(bytes(50_000_000)),
        sizeless(bytes(50_000_000)),
        sizeless(TEXT),
    ],
    ids=[
        "nothing",
        "plain of no bytes",
        "packed of no bytes",
        "of no kind",
        "short",
        "other bytes",
        "far too long",
        "cut short",
        "something behind it",
        "two frames",
        "other bytes packed",
        "bomb",
        "bomb that names no size",
        "of no size",
    ],
)
def test_a_whole_row_that_is_not_what_it_was_is_damaged(
    vault: sqlite3.Connection, data: bytes
) -> None:
    put_as(vault, 7, data)

    found = read(vault, [HASH], PlainCache())

    assert found.damaged == {HASH}
    assert not found.objects


def test_a_size_or_an_id_that_is_not_right_is_damage(vault: sqlite3.Connection) -> None:
    put_as(vault, 7, packed(TEXT), size=len(TEXT) + 1)
    assert read(vault, [HASH], PlainCache()).damaged == {HASH}

    vault.execute("UPDATE vault.name SET size = ?, id = 8", (len(TEXT),))
    assert read(vault, [HASH], PlainCache()).damaged == {HASH}
    vault.execute("UPDATE vault.name SET id = 7")
    assert read(vault, [HASH], PlainCache()).objects == {HASH: TEXT}


@pytest.mark.parametrize(
    "bases",
    [
        b"",
        b"\x80",
        b"\xff" * 20,
        encode_bases([1] * (BASES_MAX + 1)),
        encode_bases([1 << 63]),
        encode_bases([99]),
        encode_bases([7]),
    ],
    ids=["none", "cut", "endless", "too many", "no id", "not here", "itself"],
)
def test_bases_that_are_none_are_damage(vault: sqlite3.Connection, bases: bytes) -> None:
    put_as(vault, 1, packed(TEXT))
    vault.execute("UPDATE vault.name SET id = 7")
    put_delta(vault, 7, bases, against(TEXT, TEXT))

    assert read(vault, [HASH], PlainCache()).damaged == {HASH}


def test_rows_that_lean_on_each_other_end_in_damage(vault: sqlite3.Connection) -> None:
    """By hand: no writer of ours makes such. Each with two bases, which would never end."""
    count = 40
    for id in range(1, count + 1):
        following = [id % count + 1, (id + 1) % count + 1]
        put_delta(vault, id, encode_bases(following), against(TEXT, TEXT))
    vault.execute("INSERT INTO vault.name (key, id, size) VALUES (?, 1, ?)", (HASH, len(TEXT)))

    assert read(vault, [HASH], PlainCache()).damaged == {HASH}


def test_a_chain_that_is_too_long_is_damage(vault: sqlite3.Connection) -> None:
    for length, is_damaged in ((HEIGHT_MAX, False), (HEIGHT_MAX + 1, True)):
        for table in ("name", "whole", "delta"):
            vault.execute(f"DELETE FROM vault.{table}")
        put_as(vault, 1, packed(TEXT))
        for id in range(2, length + 2):
            put_delta(vault, id, encode_bases([id - 1]), against(TEXT, TEXT))
        vault.execute("UPDATE vault.name SET id = ?", (length + 1,))
        assert read(vault, [HASH], PlainCache()).damaged == ({HASH} if is_damaged else set())


def test_a_tower_down_which_there_are_too_many_ways_is_unpacked_floor_by_floor(
    vault: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 16 rows on each of 20 floors each leans on the 16 below: 10^24 ways lead down."""
    many = bytes(30_000)
    put_as(vault, 0, packed(many), size=len(many))
    for floor in range(1, 20):
        below = range((floor - 1) * 16, floor * 16) if floor > 1 else [0]
        for place in range(16):
            put_delta(vault, floor * 16 + place, encode_bases([*below]), against(many, many))
    top = payload_digest(many)
    vault.execute("UPDATE vault.name SET key = ?, id = ?", (top, 19 * 16))

    for size in (0, 1 << 20):  # of a cache that forgets all, or most
        assert read(vault, [top], PlainCache(size)).objects == {top: many}
    monkeypatch.setattr(unpacking, "HELD_BYTES", 100_000)
    assert read(vault, [top], PlainCache(0)).damaged == {top}, "larger than what is held: it ends"


def test_what_leans_on_damage_is_damaged_and_nothing_else(vault: sqlite3.Connection) -> None:
    roots = store_all(vault, SERIES[:2])
    ((id, bases),) = vault.execute("SELECT id, bases FROM vault.delta ORDER BY id LIMIT 1")
    base = decode_bases(bases)[0]
    ((data,),) = vault.execute("SELECT data FROM vault.whole WHERE id = ?", (base,))
    vault.execute(
        "UPDATE vault.whole SET data = ? WHERE id = ?", (data[:-9] + b"?" + data[-8:], base)
    )
    hashes = objects_of(vault, roots[0])
    leaning = {
        id
        for id, bases in vault.execute("SELECT id, bases FROM vault.delta")
        if base in decode_bases(bases)
    }

    found = read(vault, hashes, PlainCache())

    names = names_of(vault, hashes)
    assert id in leaning
    assert {names[hash].id for hash in found.damaged} == leaning
    assert found.objects.keys() | found.damaged == {*hashes}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 30))
def test_flipped_bits_are_found_or_do_nothing(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    random = Random(seed)
    with open_vault(tmp_path_factory.getbasetemp() / "flipped.db") as vault:
        if not vault.execute("SELECT 1 FROM vault.name").fetchone():
            roots = store_all(vault, SERIES[:3])
            assert restored(vault, roots[0]) == SERIES[0]
        keys = [key for (key,) in vault.execute("SELECT key FROM vault.name")]
        right = read(vault, keys, PlainCache()).objects
        vault.execute("BEGIN")
        for table, column in (("whole", "data"), ("delta", "data"), ("delta", "bases")):
            rows = vault.execute(f"SELECT id, {column} FROM vault.{table}").fetchall()
            id, data = random.choice(rows)
            bad = bytearray(data)
            bad[random.randrange(len(bad))] ^= 1 << random.randrange(8)
            vault.execute(f"UPDATE vault.{table} SET {column} = ? WHERE id = ?", (bytes(bad), id))

        found = read(vault, keys, PlainCache())

        vault.execute("ROLLBACK")
        assert found.objects.items() <= right.items()
        assert found.objects.keys() | found.damaged == {*keys}


def test_what_leans_on_much_is_read_in_parts(
    vault: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = store_all(vault, SERIES)
    hashes = objects_of(vault, roots[0])
    at_once = read(vault, hashes, PlainCache())

    monkeypatch.setattr(reading, "GATHERED_BYTES_MAX", 20_000)

    several = [*gather(vault, hashes)]
    assert len(several) > 5
    assert read(vault, hashes, PlainCache(30_000)) == at_once
    assert [hash for each in several for hash in each.names] == hashes


def test_a_cache_holds_what_was_used_last_and_no_more_than_it_may() -> None:
    cache = PlainCache(10)
    cache.put(1, b"1234")
    cache.put(2, b"5678")
    assert cache.get(1) == b"1234"
    cache.put(3, b"abcd")
    assert cache.get(2) is None
    assert cache.get(1) == b"1234"
    cache.put(1, b"1234")
    assert cache.get(3) == b"abcd"
    cache.put(4, b"longer than it may hold")
    assert [cache.get(id) for id in (1, 3, 4)] == [None] * 3


@given(st.lists(st.integers(0, (1 << 63) - 1), min_size=1, max_size=BASES_MAX))
def test_ids_of_bases_come_out_as_they_went_in(ids: list[int]) -> None:
    assert decode_bases(encode_bases(ids)) == tuple(ids)


@given(st.binary(max_size=40))
def test_any_bytes_are_bases_or_damage(data: bytes) -> None:
    try:
        ids = decode_bases(data)
    except Damaged:
        return
    assert 0 < len(ids) <= BASES_MAX
