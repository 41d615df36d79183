"""A snapshot is fetched as what differs from those beside it, and then lies so."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3

from crdt.blob import BlobId, Chunking
from crdt.chunking import content_manifest_of
from crdt.did import encode_did_key
from node.projection import project
from node.services.fetch import hold_blob
from storage.beside import UNIVERSES_MAX
from storage.errors import StorageError
from storage.store import Store, open_store
from tests.node.parts import Wish, Wishes
from tests.storage.people import ALICE, BOB, NOW_US
from tests.storage.test_snapshots import FORK, MAIN, created, keeps, listed, taken

WORLD = blake3(b"a world").digest(length=1 << 20)
WORLDS = {tick: b"%d" % tick + WORLD for tick in (1, 2, 3)}
DAMAGE = (  # where its rows are to be is an index
    "UPDATE sqlite_schema SET rootpage = (SELECT max(rootpage) FROM sqlite_schema"
    " WHERE type = 'index') WHERE name = 'snapshot'"
)
BLOBS = {tick: BlobId(content_manifest_of(world).id) for tick, world in WORLDS.items()}


class Giver(Wishes):
    """Has all of them, and notes what he is asked for."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self.asked: list[Wish] = []

    async def bring(self, wish: Wish) -> None:
        self.asked.append(wish)
        (world,) = (WORLDS[tick] for tick in BLOBS if BLOBS[tick] == wish.blob)
        await self.store.put_blob(world, chunking=Chunking.CONTENT)


async def test_peers_are_told_what_is_beside_it_here(tmp_path: Path) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        bob = Giver(store)
        await store.commit(MAIN, created(), ALICE.signer)
        for tick, blob in BLOBS.items():
            await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
        for tick in (1, 3, 2):
            await hold_blob(store, bob, BLOBS[tick], len(WORLDS[tick]))
        told = [set(wish.relative_to) for wish in bob.asked]
        assert told == [set(), {BLOBS[1]}, {BLOBS[1], BLOBS[3]}]
        assert await store.settled() > 0, "the first two became what differs from the last"
        for tick, blob in BLOBS.items():
            assert await store.read_blob(blob) == WORLDS[tick]
        await hold_blob(store, bob, BLOBS[2], len(WORLDS[2]))
        assert (len(bob.asked), await store.settled()) == (3, 0)


async def test_a_stranger_who_names_it_beside_something_else_does_not_change_what_it_is_like(
    tmp_path: Path,
) -> None:
    """Whose universe it is says who opens it; else that of whom one follows counts."""
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        bob = Giver(store)
        junk = [await store.put_blob(b"junk %d" % at, chunking=Chunking.CONTENT) for at in range(3)]
        await store.commit(FORK, created(), BOB.signer)
        for tick, blob in BLOBS.items():
            for at, of in ((10 * tick, junk[tick - 1]), (10 * tick + 1, blob)):
                await store.commit(FORK, keeps(taken(at, of, who=BOB)), BOB.signer)
        await store.commit(MAIN, created(), ALICE.signer)
        for tick, blob in BLOBS.items():
            await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
        main = (await listed(store)).number
        for tick in (1, 2):
            await hold_blob(store, bob, BLOBS[tick], len(WORLDS[tick]), universe=main)
        assert await store.settled() > 0
        await store.set_petname("alice", encode_did_key(ALICE.root.public))
        await hold_blob(store, bob, BLOBS[3], len(WORLDS[3]))
        told = [list(wish.relative_to)[:2] for wish in bob.asked]
        assert told == [[], [BLOBS[1]], [BLOBS[2], BLOBS[1]]]


async def test_of_which_universe_it_is_says_what_it_is_made_small_against(tmp_path: Path) -> None:
    """Though more, and longer ones, than are looked into name it beside something else."""
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        bob = Giver(store)
        junk = [await store.put_blob(b"junk %d" % at, chunking=Chunking.CONTENT) for at in range(4)]
        for number in range(UNIVERSES_MAX):
            document = replace(FORK, record=b"universe:%d" % number)
            await store.commit(document, created(), BOB.signer)
            states = [junk[0], BLOBS[1], junk[1], BLOBS[2], junk[2]]
            for tick, blob in enumerate(states):
                await store.commit(document, keeps(taken(tick, blob, who=BOB)), BOB.signer)
        await store.commit(MAIN, created(), ALICE.signer)
        for tick in (1, 2):
            await store.commit(MAIN, keeps(taken(tick, BLOBS[tick])), ALICE.signer)
        main = (await listed(store)).number
        for tick in (2, 1):
            await hold_blob(store, bob, BLOBS[tick], len(WORLDS[tick]), universe=main)
        assert await store.settled() > 0


async def test_what_is_here_is_here_though_it_is_not_known_what_is_beside_it(
    tmp_path: Path,
) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:

        class Bob(Wishes):
            async def bring(self, wish: Wish) -> None:
                await store.put_blob(WORLDS[1], chunking=Chunking.CONTENT)
                with closing(sqlite3.connect(tmp_path / "p.db")) as database:
                    database.execute("PRAGMA writable_schema = ON")
                    database.execute(DAMAGE)
                    database.execute("PRAGMA schema_version = 1000")  # others read it anew
                    database.commit()

        await store.commit(MAIN, created(), ALICE.signer)
        await store.commit(MAIN, keeps(taken(1, BLOBS[1])), ALICE.signer)
        await hold_blob(store, Bob(), BLOBS[1], len(WORLDS[1]))
        with pytest.raises(StorageError):
            await store.beside(BLOBS[1])
        assert await store.read_blob(BLOBS[1]) == WORLDS[1]
