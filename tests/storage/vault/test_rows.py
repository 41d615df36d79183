import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from crdt import delta
from crdt.digest import payload_digest
from storage.vault.ids import next_id
from storage.vault.opening import make_vault, vault_beside
from storage.vault.reading import read, same_of
from storage.vault.rows import encode, held, put
from storage.vault.unpacking import PACKED, PLAIN, PlainCache, encode_bases

TEXT = b"a world in which much is said again and again " * 300
NOISE = random.Random(7).randbytes(9_000)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = vault_beside(tmp_path / "panspermia.db")
    make_vault(path)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        opened.execute("ATTACH DATABASE ? AS vault", (str(path),))
        yield opened


def named(*datas: bytes) -> list[tuple[bytes, bytes]]:
    return [(payload_digest(data), data) for data in datas]


def stored(vault: sqlite3.Connection, hash: bytes) -> bytes:
    ((data,),) = vault.execute(
        "SELECT w.data FROM vault.name n JOIN vault.whole w ON w.id = n.id WHERE n.key = ?",
        (hash,),
    )
    return bytes(data)


def as_delta(vault: sqlite3.Connection, hash: bytes, base: bytes) -> int:
    """As settling does it; gives its id."""
    ids = dict(vault.execute("SELECT key, id FROM vault.name"))
    found = read(vault, [hash, base], PlainCache()).objects
    id, on = ids[hash], ids[base]
    vault.execute("DELETE FROM vault.whole WHERE id = ?", (id,))
    vault.execute(
        "INSERT INTO vault.delta VALUES (?, ?, ?)",
        (id, encode_bases([on]), delta.encode(found[hash], found[base])),
    )
    return int(id)


def hashes(objects: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    return [hash for hash, _ in objects]


def test_what_shrinks_is_packed_and_what_does_not_lies_as_it_is(
    vault: sqlite3.Connection,
) -> None:
    (text, _), (noise, _) = objects = named(TEXT, NOISE)
    assert put(vault, encode(objects)) == [text, noise]
    packed = stored(vault, text)
    assert packed[:1] == PACKED
    assert len(packed) < len(TEXT) // 10
    assert zstandard.ZstdDecompressor().decompress(packed[1:]) == TEXT
    assert stored(vault, noise) == PLAIN + NOISE


def test_what_is_here_is_told_and_kept_once(vault: sqlite3.Connection) -> None:
    objects = named(TEXT, NOISE)
    put(vault, encode(objects[:1]))
    assert held(vault, hashes(objects)) == {objects[0][0]}
    assert put(vault, encode([*objects, objects[1]])) == [objects[1][0]]
    assert vault.execute("SELECT count(*), sum(size) FROM vault.name").fetchone() == (
        2,
        len(TEXT) + len(NOISE),
    )


def test_more_than_fit_one_statement_are_found(vault: sqlite3.Connection) -> None:
    objects = named(*(b"%d" % number for number in range(1_000)))
    put(vault, encode(objects[::2]))
    assert held(vault, hashes(objects)) == set(hashes(objects[::2]))


def test_no_id_is_given_twice(vault: sqlite3.Connection) -> None:
    put(vault, encode(named(TEXT, NOISE)))
    assert next_id(vault) == 3
    vault.executescript("DELETE FROM vault.name; DELETE FROM vault.whole;")
    assert next_id(vault) == 3
    put(vault, encode(named(b"later")))
    assert vault.execute("SELECT id FROM vault.name").fetchall() == [(3,)]


def test_a_delta_that_comes_again_is_written_whole_where_that_is_wanted(
    vault: sqlite3.Connection,
) -> None:
    (text, _), (noise, _) = objects = named(TEXT, NOISE)
    put(vault, encode(objects))
    id = as_delta(vault, text, noise)
    deltas = "SELECT id FROM vault.delta"
    assert vault.execute(deltas).fetchall() == [(id,)]

    assert put(vault, encode(objects)) == []
    assert vault.execute(deltas).fetchall() == [(id,)]

    assert put(vault, encode(objects), promote=True) == []
    assert vault.execute(deltas).fetchall() == []
    # Others may lean on it by its id.
    assert vault.execute("SELECT id FROM vault.name WHERE key = ?", (text,)).fetchone() == (id,)
    assert stored(vault, text)[:1] == PACKED
    assert next_id(vault) == 3


def test_nothing_is_written_over_another_though_a_name_that_is_damaged_leads_there(
    vault: sqlite3.Connection,
) -> None:
    (text, _), (noise, _) = objects = named(TEXT, NOISE)
    put(vault, encode(objects))
    vault.execute("UPDATE vault.name SET id = 2 WHERE key = ?", (text,))
    assert same_of(vault, dict(objects)) == {noise}
    assert put(vault, encode(objects), promote=True) == [text]
    assert read(vault, [text, noise], PlainCache()).objects == dict(objects)
    assert same_of(vault, dict(objects)) == {text, noise}
    assert put(vault, encode(objects), promote=True) == []


@pytest.mark.parametrize("is_leaning", [False, True])
def test_no_delta_is_written_over_though_a_name_that_is_damaged_leads_there(
    vault: sqlite3.Connection, *, is_leaning: bool
) -> None:
    """Only the bytes that come out say whose a delta is."""
    other = NOISE[:4_000] + b"something else" + NOISE[4_000:]
    (noise, _), (near, _), (text, _) = objects = named(NOISE, other, TEXT)
    put(vault, encode(objects))
    id = as_delta(vault, near, noise)
    if is_leaning:  # on what is lost with it, it would be a delta of itself
        as_delta(vault, text, near)
    vault.execute("UPDATE vault.name SET id = ? WHERE key = ?", (id, text))
    assert read(vault, [noise, near, text], PlainCache()).damaged == {text}

    assert put(vault, encode(named(TEXT)), promote=True) == [text]

    found = read(vault, [noise, near, text], PlainCache())
    assert (found.objects, found.damaged) == (dict(objects), frozenset())
    assert put(vault, encode(objects), promote=True) == []
    assert read(vault, [noise, near, text], PlainCache()).objects == dict(objects)
    assert vault.execute("SELECT id FROM vault.delta WHERE id = ?", (id,)).fetchone() is None
