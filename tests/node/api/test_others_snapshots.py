"""Snapshots of another that go out while they are fetched: the very bytes that were signed, or an
answer that breaks off."""

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from blake3 import blake3

from crdt.blob import BlobId, Chunking
from crdt.chunking import content_manifest_of, cut
from node.api.routes import snapshots
from node.api.routes.universes import hand_of
from node.services.universes import document_of, universe_meant
from p2p.protocol.errors import PeerLeft
from storage.store import Store
from tests.node.api.test_snapshots import AT, WORLD
from tests.node.api.test_snapshots import main as main
from tests.node.parts import Alice, Wish, Wishes, open_alice
from universe.record import add_snapshot
from universe.snapshot import Snapshot, sign_snapshot

STATE = WORLD * 3
"""Of several pieces."""


@dataclass
class Giving(Wishes):
    """What bob gives of a state is cut as snapshots are. He may leave after some of it."""

    gives: int | None = None
    """So many chunks; None: all."""

    async def bring(self, wish: Wish) -> None:
        assert self.bob is not None
        assert self.alice is not None
        state = await self.bob.read_blob(wish.blob)
        if self.gives is None:
            assert await self.alice.put_blob(state, chunking=Chunking.CONTENT) == wish.blob
            return wish.progress(1, 1)
        manifest = content_manifest_of(state)
        await self.alice.begin_blob(wish.blob, manifest.root)
        for number, page in enumerate(manifest.pages):
            await self.alice.add_page(wish.blob, number, page)
        for number, chunk in enumerate(list(cut([state], Chunking.CONTENT))[: self.gives]):
            await self.alice.add_chunks(wish.blob, [(number, chunk)])
            wish.progress(number + 1, manifest.parsed.chunk_count)
        raise PeerLeft("no-peer-has-it", "No peer could give it.")


@pytest_asyncio.fixture
async def alice(tmp_path: Path) -> AsyncIterator[Alice]:
    async with open_alice(tmp_path / "alice", network=Giving()) as alice:
        yield alice


@pytest_asyncio.fixture
async def bob(tmp_path: Path, alice: Alice) -> AsyncIterator[Store]:
    async with open_alice(tmp_path / "bob") as bob:
        alice.network.bob = bob.node.store
        yield bob.node.store


async def signed(alice: Alice, bob: Store, checksum: bytes, *, wrapped: bool) -> BlobId:
    """A snapshot at tick 1 whose bytes bob has, and nobody here."""
    blob = await bob.put_blob(STATE, chunking=Chunking.CONTENT)
    hand = hand_of(alice.node)
    row = await universe_meant(alice.node.store, "universe:main")
    signer = await hand.signers.for_document(document_of(row))
    snapshot = Snapshot(
        universe=row.listing.target, tick=1, kind="manual", blob=blob, size=len(STATE),
        checksum=checksum, media="application/json", at_us=5, wrapped=wrapped,
    )  # fmt: skip
    edit = add_snapshot(sign_snapshot(snapshot, signer.device), now_us=5)
    await alice.node.store.commit(document_of(row), edit, signer)
    return blob


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("is_followed", [True, False])
async def test_what_is_not_what_was_signed_breaks_off(
    alice: Alice,
    bob: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    is_followed: bool,
    wrapped: bool,
) -> None:
    """Its blob is what the statement names: only the checksum tells that it is another state."""
    monkeypatch.setattr(snapshots, "FOLLOWED_BYTES_MIN", 0 if is_followed else len(STATE))
    blob = await signed(alice, bob, blake3(b"another state").digest(), wrapped=wrapped)
    for _ in range(2):  # while it is fetched, and from the disk
        caplog.clear()
        answer = await alice.client.get(f"{AT}/1")
        assert answer.status_code == 200
        assert 0 < len(answer.content) < int(answer.headers["content-length"])
        assert len(answer.content) < len(STATE), "the last piece stays here"
        told = [one for one in caplog.records if one.levelno >= logging.WARNING]
        assert ["not those that were signed" in one.getMessage() for one in told] == [True]
        assert told[0].exc_info is None
    assert await alice.node.store.has_blob(blob)


@pytest.mark.parametrize("wrapped", [False, True])
async def test_what_was_signed_comes_whole(
    alice: Alice, bob: Store, monkeypatch: pytest.MonkeyPatch, *, wrapped: bool
) -> None:
    monkeypatch.setattr(snapshots, "FOLLOWED_BYTES_MIN", 0)
    await signed(alice, bob, blake3(STATE).digest(), wrapped=wrapped)
    for _ in range(2):
        answer = await alice.client.get(f"{AT}/1")
        assert answer.headers["content-length"] == str(len(answer.content))
        assert answer.content.startswith(b'{"snapshot":' + STATE if wrapped else STATE)
        assert wrapped or answer.content == STATE


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_giver_that_leaves_in_the_middle_breaks_it_off_and_it_goes_on_from_there(
    alice: Alice,
    bob: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    wrapped: bool,
) -> None:
    monkeypatch.setattr(snapshots, "FOLLOWED_BYTES_MIN", 0)
    await signed(alice, bob, blake3(STATE).digest(), wrapped=wrapped)
    network = alice.network
    assert isinstance(network, Giving)
    network.gives = 20
    cut_off = await alice.client.get(f"{AT}/1")
    assert cut_off.status_code == 200
    begun = b'{"snapshot":' if wrapped else b""
    assert len(cut_off.content) < len(STATE)
    assert (begun + STATE).startswith(cut_off.content)
    (told,) = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert "No peer could give it." in told.getMessage()
    assert told.exc_info is None
    network.bob = None  # and nobody else has it
    alone = await alice.client.get(f"{AT}/1")
    assert (begun + STATE).startswith(alone.content)
    assert len(alone.content) < len(STATE)
    network.bob, network.gives = bob, None
    whole = await alice.client.get(f"{AT}/1")
    assert whole.content.startswith(begun + STATE)


async def test_who_fetches_before_it_opens_is_told_how_far_it_is(alice: Alice, bob: Store) -> None:
    """As the page and the shell do: `nearest` says what to fetch, the fetch tells while it comes,
    what broke off goes on, and then all of it is here."""
    await signed(alice, bob, blake3(STATE).digest(), wrapped=False)
    near = (await alice.client.get("/api/universe/universe:main/nearest/9")).json()
    assert (near["entry"]["tick"], near["held"]) == (1, False)
    network, path = alice.network, f"/api/blobs/{near['blob']}/fetch"
    assert isinstance(network, Giving)
    network.gives = 20
    broken = await alice.client.post(path, json={})
    *lines, last = map(json.loads, broken.text.splitlines())
    assert (last["event"], last["status"]) == ("error", 504)
    done = [line["done"] for line in lines]
    assert done
    assert done == sorted(done)
    assert done[-1] == 20
    for line in lines:
        assert (line["stage"], line["id"]) == ("fetch", near["blob"])
        assert 0 < line["done"] < line["total"]
    network.gives = None
    whole = await alice.client.post(path, json={})
    result = json.loads(whole.text.splitlines()[-1])
    assert (result["event"], result["size"]) == ("result", len(STATE))
    near = (await alice.client.get("/api/universe/universe:main/nearest/9")).json()
    assert near["held"]
    assert (await alice.client.get(f"{AT}/1")).content == STATE
