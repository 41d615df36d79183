"""A snapshot is fetched as what differs from those beside it, and then lies so."""

from pathlib import Path

from blake3 import blake3

from crdt.blob import BlobId, Chunking
from crdt.chunking import content_manifest_of
from node.projection import project
from node.services.fetch import hold_blob
from storage.store import open_store
from tests.node.parts import Wish, Wishes
from tests.storage.people import ALICE, NOW_US
from tests.storage.test_snapshots import MAIN, created, keeps, taken

WORLD = blake3(b"a world").digest(length=1 << 20)
WORLDS = {tick: b"%d" % tick + WORLD for tick in (1, 2, 3)}
BLOBS = {tick: BlobId(content_manifest_of(world).id) for tick, world in WORLDS.items()}


async def test_peers_are_told_what_is_beside_it_here(tmp_path: Path) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:

        class Bob(Wishes):
            async def bring(self, wish: Wish) -> None:
                asked.append(wish)
                (world,) = (WORLDS[tick] for tick in BLOBS if BLOBS[tick] == wish.blob)
                await store.put_blob(world, chunking=Chunking.CONTENT)

        asked: list[Wish] = []
        await store.commit(MAIN, created(), ALICE.signer)
        for tick, blob in BLOBS.items():
            await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
        for tick in (1, 3, 2):
            await hold_blob(store, Bob(), BLOBS[tick], len(WORLDS[tick]))
        told = [set(wish.relative_to) for wish in asked]
        assert told == [set(), {BLOBS[1]}, {BLOBS[1], BLOBS[3]}]
        assert await store.settled() > 0, "the first two became what differs from the last"
        for tick, blob in BLOBS.items():
            assert await store.read_blob(blob) == WORLDS[tick]
        await hold_blob(store, Bob(), BLOBS[2], len(WORLDS[2]))
        assert (len(asked), await store.settled()) == (3, 0)
