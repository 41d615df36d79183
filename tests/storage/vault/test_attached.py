"""How the vault is read beside whoever writes it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from crdt.digest import payload_digest
from storage.vault.attached import checkpoint, open_vault
from storage.vault.opening import make_vault
from storage.vault.rows import encode, put


async def test_who_reads_on_finds_what_was_unpacked_last(tmp_path: Path) -> None:
    """The neighbours of what was read lean on much the same."""
    make_vault(tmp_path / "snapshots.db")
    with open_vault(tmp_path / "snapshots.db") as vault:
        first = await vault.read_soon(lambda _, cache: cache)
        for _ in range(5):
            assert await vault.read_soon(lambda _, cache: cache) is first


async def test_one_reading_sees_one_moment_and_the_next_one_a_later_one(tmp_path: Path) -> None:
    """What is a delta and is written whole between two statements would be in neither place."""
    path = tmp_path / "snapshots.db"
    make_vault(path)

    def names(vault: sqlite3.Connection) -> int:
        ((count,),) = vault.execute("SELECT count(*) FROM vault.name")
        return int(count)

    def twice(vault: sqlite3.Connection) -> tuple[int, int]:
        before = names(vault)
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as writer:
            writer.execute("ATTACH DATABASE ? AS vault", (str(path),))
            put(writer, encode([(payload_digest(b"a world"), b"a world")]))
        return before, names(vault)

    with open_vault(path) as vault:
        assert await vault.read(twice) == (0, 0)
        assert await vault.read(names) == 1
        await vault.read_in_parts(checkpoint)
        assert (tmp_path / "snapshots.db-wal").stat().st_size == 0
