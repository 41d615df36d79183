"""What says which ids were given says too little, by one bit: no id is given again because of it,
and what is new can be stored."""

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from crdt import delta
from crdt.blob import Chunking
from crdt.digest import payload_digest
from storage.errors import Corrupt
from storage.vault.opening import make_vault
from storage.vault.reading import read
from storage.vault.rescue import is_noted
from storage.vault.rows import encode, put
from storage.vault.scrubbing import fault_of_small
from storage.vault.starting import start_vault
from storage.vault.unpacking import PlainCache, encode_bases
from tests.storage.test_folding import opened
from tests.storage.test_rescued import files
from tests.storage.test_whole_again import SERIES, put_settled, readable
from tests.storage.vault.worlds import open_vault

OBJECTS = [Random(seed).randbytes(3_000) for seed in range(70)]
NEW = [Random(seed).randbytes(3_000) for seed in range(70, 100)]


def all_read(path: Path, datas: list[bytes]) -> bool:
    with open_vault(path) as vault:
        found = read(vault, [payload_digest(data) for data in datas], PlainCache()).objects
    return sorted(found.values()) == sorted(datas)


def count_less(path: Path, last: int | None = None) -> None:
    """The last id that was given is that; else one bit is less, of those behind most deltas."""
    with closing(sqlite3.connect(path, isolation_level=None)) as vault:
        ((was,),) = vault.execute("SELECT seq FROM sqlite_sequence WHERE name = 'whole'")
        now = was ^ 1 << was.bit_length() - 1 if last is None else last
        assert now < was
        vault.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'whole'", (now,))


def filled(path: Path, *, are_last_deltas: bool) -> None:
    make_vault(path)
    with open_vault(path) as vault:
        put(vault, encode((payload_digest(data), data) for data in OBJECTS))
        if are_last_deltas:
            vault.executemany(
                "INSERT INTO vault.delta VALUES (?, ?, ?)",
                [
                    (id, encode_bases([1]), delta.encode(data, OBJECTS[0]))
                    for id, data in enumerate(OBJECTS, 1)
                    if id > 40
                ],
            )
            vault.execute("DELETE FROM vault.whole WHERE id > 40")


@pytest.mark.parametrize("last", [68, 66, 6, 0])
@pytest.mark.parametrize("are_last_deltas", [False, True], ids=["whole", "deltas"])
def test_a_start_meets_with_it(tmp_path: Path, last: int, *, are_last_deltas: bool) -> None:
    path = tmp_path / "snapshots.db"
    filled(path, are_last_deltas=are_last_deltas)
    assert not start_vault(path)
    count_less(path, last)
    with open_vault(path) as vault:
        assert fault_of_small(vault) == "ids that were given are given again"
    assert start_vault(path).kept == "snapshots.db.old"
    with open_vault(path) as vault:
        assert fault_of_small(vault) == ""
        put(vault, encode((payload_digest(data), data) for data in NEW))
        asked = "SELECT id FROM vault.whole UNION ALL SELECT id FROM vault.delta"
        ids = vault.execute(asked).fetchall()
    assert len(ids) == len({*ids}) == len(OBJECTS) + len(NEW)
    assert all_read(path, OBJECTS + NEW)
    assert not start_vault(path)


def test_what_is_new_is_not_written_under_the_id_of_another(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    for are_last_deltas in (False, True):
        filled(path, are_last_deltas=are_last_deltas)
        count_less(path, 50)
        with (
            open_vault(path) as vault,
            pytest.raises(sqlite3.DatabaseError, match="given again") as raised,
        ):
            put(vault, encode((payload_digest(data), data) for data in NEW))
        assert raised.value.sqlite_errorcode == sqlite3.SQLITE_CORRUPT
        assert not is_noted(path)  # who writes does that
        path.unlink()


@pytest.mark.parametrize("when", ["before a start", "while it runs"])
async def test_a_node_keeps_what_is_new_again_after_a_start(tmp_path: Path, when: str) -> None:
    new = Random(7).randbytes(90_000)
    path = tmp_path / "snapshots.db"
    async with opened(tmp_path) as store:
        blobs = await put_settled(store)
        if when == "while it runs":
            count_less(path)
            with pytest.raises(Corrupt, match=r"given again.* Start the node again"):
                await store.put_blob(new, chunking=Chunking.CONTENT)
            assert "snapshots.db.damaged" in files(tmp_path)
    if when == "before a start":
        count_less(path)
    async with opened(tmp_path) as store:
        assert store.mended.is_rescued
        blob = await store.put_blob(new, chunking=Chunking.CONTENT)
        assert await store.read_blob(blob) == new
        assert await readable(store, blobs) == len(SERIES)
        assert (await store.scrub()).parts == 0
