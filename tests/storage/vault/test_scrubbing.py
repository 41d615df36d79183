"""Rot is found wherever it is, and what is not rotten is not said to be."""

import sqlite3
from random import Random

import pytest

from storage.vault import reading, scrubbing
from storage.vault.reading import read
from storage.vault.scrubbing import Scrub, drop_damaged
from storage.vault.unpacking import PlainCache
from tests.storage.vault.worlds import World, restored, store, store_all

SERIES = World(entities=1_500).series(6)


def scrubbed(vault: sqlite3.Connection) -> set[bytes]:
    damaged: set[bytes] = set()
    with Scrub(vault) as scrub:
        ((size,),) = vault.execute("SELECT coalesce(sum(size), 0) FROM vault.name")
        assert scrub.bytes == size
        while (found := scrub.step(vault)) is not None:
            assert not damaged.intersection(found)
            damaged.update(found)
        assert scrub.done_bytes == size
    return damaged


def keys_of(vault: sqlite3.Connection) -> list[bytes]:
    return [key for (key,) in vault.execute("SELECT key FROM vault.name ORDER BY key")]


def test_what_is_whole_is_not_said_to_be_damaged(
    vault: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scrubbed(vault) == set()
    roots = store_all(vault, SERIES)
    assert scrubbed(vault) == set()
    monkeypatch.setattr(reading, "GATHERED_BYTES_MAX", 10_000)
    monkeypatch.setattr(scrubbing, "CHECKED", 7)
    assert scrubbed(vault) == set()
    assert [restored(vault, root) for root in roots] == SERIES


@pytest.mark.parametrize("seed", range(6))
def test_what_it_finds_is_what_cannot_be_read(vault: sqlite3.Connection, seed: int) -> None:
    random = Random(seed)
    store_all(vault, SERIES)
    for table, column in (("whole", "data"), ("delta", "data"), ("delta", "bases")):
        rows = vault.execute(f"SELECT id, {column} FROM vault.{table}").fetchall()
        id, data = random.choice(rows)
        bad = bytearray(data)
        bad[random.randrange(len(bad))] ^= 1 << random.randrange(8)
        vault.execute(f"UPDATE vault.{table} SET {column} = ? WHERE id = ?", (bytes(bad), id))
    wrong_size, wrong_id = random.sample(keys_of(vault), 2)
    vault.execute("UPDATE vault.name SET size = size + 1 WHERE key = ?", (wrong_size,))
    vault.execute("UPDATE vault.name SET id = 1000000 WHERE key = ?", (wrong_id,))

    unreadable = {key for key in keys_of(vault) if read(vault, [key], PlainCache()).damaged}

    assert {wrong_size, wrong_id} <= unreadable < {*keys_of(vault)}
    assert scrubbed(vault) == unreadable


def test_what_is_damaged_is_dropped_and_can_be_put_again(vault: sqlite3.Connection) -> None:
    roots = store_all(vault, SERIES)
    ((base, data),) = vault.execute("SELECT id, data FROM vault.whole ORDER BY id DESC LIMIT 1")
    vault.execute("UPDATE vault.whole SET data = ? WHERE id = ?", (data[:-1], base))
    damaged = scrubbed(vault)
    assert damaged
    fine = next(key for key in keys_of(vault) if key not in damaged)

    dropped = drop_damaged(vault, [*damaged, fine, bytes(32)])

    assert {*dropped} == damaged
    assert not damaged.intersection(keys_of(vault))
    assert fine in keys_of(vault)
    assert scrubbed(vault) == set()
    for data in SERIES:  # from whoever has it yet
        store(vault, data)
    assert [restored(vault, root) for root in roots] == SERIES


def test_what_went_meanwhile_is_not_dropped_again(vault: sqlite3.Connection) -> None:
    """The scrub looks at a list that it made in the beginning."""
    store_all(vault, SERIES[:2])
    with Scrub(vault) as scrub:
        keys = keys_of(vault)
        vault.execute("DELETE FROM vault.name WHERE key = ?", (keys[0],))
        vault.execute("DELETE FROM vault.whole")
        found: list[bytes] = []
        while (some := scrub.step(vault)) is not None:
            found += some
    assert {*found} == {*keys}

    assert keys[0] not in drop_damaged(vault, found)
