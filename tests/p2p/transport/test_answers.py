"""What the store says to a session's questions."""

from pathlib import Path

from crdt.blob import CHUNK_BYTES, build_manifest
from crdt.digest import payload_digest
from p2p.protocol import effects as ask
from p2p.transport.answers import answer
from storage.blobs import CHUNKS_MAX
from storage.store import open_store
from tests.p2p.transport.test_network import no_listing, wall_us


async def test_more_is_missing_than_a_list_tells_and_nothing_of_it_is_said_to_be_held(
    tmp_path: Path,
) -> None:
    """A store names 65,536 missing chunks at most: what lies behind them may be missing too."""
    data = bytes(CHUNK_BYTES)
    count = CHUNKS_MAX + 4
    hashes = [index.to_bytes(32, "big") for index in range(count)]
    hashes[7] = payload_digest(data)
    manifest = build_manifest(hashes, count * CHUNK_BYTES)
    path = tmp_path / "bob.db"
    async with open_store(path, project=no_listing, clock_us=wall_us) as store:
        await store.begin_blob(manifest.id, manifest.root)
        for place, page in enumerate(manifest.pages):
            await store.add_page(manifest.id, place, page)
        assert await answer(store, ask.HeldRuns(manifest.id, 0), source="") == []
        await store.add_chunks(manifest.id, [(7, data)])
        assert await answer(store, ask.HeldRuns(manifest.id, 0), source="") == [7, 1]
