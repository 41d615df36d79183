"""A node's hand is killed at the changes of uploads, settling and collecting, each a moment of its
own: what was acknowledged is read, nothing half-done is listed, and the room comes back."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from blake3 import blake3

from crdt.blob import BlobId, parse_page
from crdt.chunking import content_manifest_of
from node.home import Home
from node.services.universes import Hand, universe_meant
from storage.vault_collecting import GivenBack
from tests.node.services.killed_uploads import DROPPED, MAIN, WORLDS, drop, keep, one_hand
from tests.storage.killed import killed_at

STEPS_MAX = 400  # one that ends by itself is the last, and comes much earlier
EVERY = 7  # of the moments before and after a change: both come up
MANIFESTS = {tick: content_manifest_of(world) for tick, world in WORLDS.items()}


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
async def test_killed_anywhere_what_was_acknowledged_is_read_and_all_room_comes_back(
    tmp_path: Path,
) -> None:
    program = Path(__file__).with_name("killed_uploads.py")
    step, last = await killed_at(range(0, STEPS_MAX, EVERY), program, tmp_path, check)
    assert step > 30, "it writes in many steps"
    kinds = [kind for kind, _ in last]
    assert kinds == [*("kept" for _ in WORLDS), "settled", "dropped", "collected"]


async def check(home: Path, acknowledged: list[tuple[str, str]]) -> None:
    kept = {int(tick): id for tick, _, id in (
        what.partition(":") for kind, what in acknowledged if kind == "kept"
    )}  # fmt: skip
    kinds = {kind for kind, _ in acknowledged}
    async with one_hand(home) as hand:
        store = hand.store
        assert store.mended.blobs == store.mended.chunks == 0
        listed = await read_all(hand)
        may_be_gone = {DROPPED} if "settled" in kinds else set[int]()
        assert listed.items() >= {(t, id) for t, id in kept.items() if t not in may_be_gone}
        if "dropped" in kinds:
            assert DROPPED not in listed
        await store.give_back()
        assert not store.has_left_over
        await store.gc(grace_us=-1)  # of a blob that no record came to name
        assert await store.give_back() == GivenBack()
        assert await read_all(hand) == listed
        assert_no_more(home, listed)
        # What was not answered is sent again, and what was answered is what is there.
        for tick in WORLDS:
            again = await keep(hand, tick)
            assert again.row.id.hex() == listed.get(tick, again.row.id.hex())
        await store.settled()
        assert (await read_all(hand)).keys() == WORLDS.keys()
        await drop(hand, bytes.fromhex((await read_all(hand))[DROPPED]))
        await store.gc(grace_us=-1)
        left = await read_all(hand)
        assert left.keys() == WORLDS.keys() - {DROPPED}
        assert_no_more(home, left)


async def read_all(hand: Hand) -> dict[int, str]:
    """What is listed, each as it was sent."""
    row = await universe_meant(hand.store, MAIN)
    found: dict[int, str] = {}
    for one in await hand.store.snapshots(row.number):
        data = await hand.store.read_blob(BlobId(one.blob))
        assert data == WORLDS[one.tick]
        assert one.checksum == blake3(data).digest()
        found[one.tick] = one.id.hex()
    return found


def assert_no_more(home: Path, listed: dict[int, str]) -> None:
    """Nothing lies there that no snapshot has."""
    named = {
        hash for tick in listed for hash in (*MANIFESTS[tick].parsed.page_hashes, *hashes_of(tick))
    }
    file = Home(home).database.with_name("snapshots.db")
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as vault:
        assert {key for (key,) in vault.execute("SELECT key FROM name")} == named
        assert vault.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def hashes_of(tick: int) -> list[bytes]:
    root, pages = MANIFESTS[tick].parsed, MANIFESTS[tick].pages
    return [one.hash for at, page in enumerate(pages) for one in parse_page(page, root, at)]
