"""Snapshots of another that go out while they are fetched: the very bytes that were signed, or an
answer that breaks off."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from blake3 import blake3

from crdt.blob import BlobId, Chunking
from crdt.chunking import content_manifest_of, cut
from node.api.routes import snapshots
from node.api.routes.universes import hand_of
from node.api.transfer import Transfer
from node.services.universes import document_of, universe_meant
from p2p.protocol.errors import PeerLeft
from storage.beside import UNIVERSES_MAX
from storage.store import Store
from tests.node.api.test_scrub import spoil
from tests.node.api.test_snapshots import AT, WORLD
from tests.node.api.test_snapshots import main as main
from tests.node.parts import Alice, Wish, Wishes, open_alice
from tests.storage import people
from tests.storage.test_snapshots import FORK, MAIN, created, keeps, taken
from universe.record import add_snapshot
from universe.snapshot import Snapshot, sign_snapshot

FORK_TOO = replace(FORK, subspace=people.CAROL.signer.author)
STATE = WORLD * 3
"""Of several pieces."""
GONE = "z6Mkbob…bobbob gave some of it and is gone; no peer is connected"


@dataclass
class Giving(Wishes):
    """What bob gives of a state is cut as snapshots are. He may leave after some of it."""

    gives: int | None = None
    """So many chunks; None: all."""
    is_missed: bool = False
    """Bob is waited for, when he left."""
    has_callers: bool = False
    """Meanwhile others greet again and again, and have nothing of it."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    back: asyncio.Event = field(default_factory=asyncio.Event)

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
        if self.is_missed:
            self.running = (Transfer(wish.blob.hex(), state="fetching", reason=GONE),)
            wish.progress(self.gives or 0, manifest.parsed.chunk_count)
            self.left.set()
            missed = self.running
            while self.has_callers:
                for self.running in ((), missed):
                    wish.progress(self.gives or 0, manifest.parsed.chunk_count)
                    await asyncio.sleep(0.01)
            await self.back.wait()
            self.running = ()
            wish.progress(self.gives or 0, manifest.parsed.chunk_count)
            await self.alice.put_blob(state, chunking=Chunking.CONTENT)
            return wish.progress(1, 1)
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


@pytest.mark.parametrize("is_followed", [True, False])
async def test_a_giver_that_is_gone_is_waited_for_so_long(
    alice: Alice,
    bob: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    is_followed: bool,
) -> None:
    monkeypatch.setattr(snapshots, "FOLLOWED_BYTES_MIN", 0 if is_followed else len(STATE))
    blob = await signed(alice, bob, blake3(STATE).digest(), wrapped=False)
    network = alice.network
    assert isinstance(network, Giving)
    network.gives, network.is_missed = 20, True
    async with asyncio.timeout(60):
        cut_off = await alice.client.get(f"{AT}/1", params={"patience_s": 1})
        if is_followed:
            assert cut_off.status_code == 200
            assert 0 < len(cut_off.content) < int(cut_off.headers["content-length"])
            assert STATE.startswith(cut_off.content)
            (told,) = [one for one in caplog.records if one.levelno >= logging.WARNING]
            assert GONE in told.getMessage()
            assert "damaged" not in told.getMessage(), "the rest was never here"
            assert told.exc_info is None
        else:
            assert (cut_off.status_code, cut_off.json()["code"]) == (504, "blob-unreachable")
            assert GONE in cut_off.json()["detail"]
            assert "ask again" in cut_off.json()["detail"]
        near = (await alice.client.get(f"{AT.rpartition('/')[0]}/nearest/1")).json()
        assert (near["held"], near["damaged"]) == (False, False)
        held = await alice.client.post(f"/api/blobs/{blob.hex()}/fetch", json={"patience_s": 1})
        last = json.loads(held.text.splitlines()[-1])
        assert (last["event"], last["code"]) == ("error", "blob-unreachable")
        assert f"{GONE}, and nobody who has it came within 1 s" in last["detail"]


async def test_who_greets_and_gives_nothing_makes_nobody_wait_longer(
    alice: Alice, bob: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "FOLLOWED_BYTES_MIN", 0)
    await signed(alice, bob, blake3(STATE).digest(), wrapped=False)
    network = alice.network
    assert isinstance(network, Giving)
    network.gives, network.is_missed, network.has_callers = 20, True, True
    async with asyncio.timeout(30):
        cut_off = await alice.client.get(f"{AT}/1", params={"patience_s": 1})
    assert len(cut_off.content) < int(cut_off.headers["content-length"])


async def test_who_is_back_in_time_gives_the_rest(
    alice: Alice, bob: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "FOLLOWED_BYTES_MIN", 0)
    await signed(alice, bob, blake3(STATE).digest(), wrapped=False)
    network = alice.network
    assert isinstance(network, Giving)
    network.gives, network.is_missed = 20, True
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(alice.client.get(f"{AT}/1"))
        await network.left.wait()
        network.back.set()
        assert (await reading).content == STATE


@pytest.mark.parametrize("said", [0, 121, "5", 1.5])
async def test_a_patience_of_no_whole_seconds_is_refused(alice: Alice, said: float | str) -> None:
    refused = await alice.client.post(f"/api/blobs/{'0' * 64}/fetch", json={"patience_s": said})
    assert refused.status_code == 422, refused.text
    assert "patience_s" in refused.json()["detail"]
    if said != "5":  # as every number in a query
        query = await alice.client.get(f"{AT}/1", params={"patience_s": said})
        assert (query.status_code, query.json()["code"]) == (400, "bad-query")


@pytest.mark.parametrize("is_found_late", [False, True])
async def test_what_came_before_and_rotted_since_comes_again_on_the_way(
    alice: Alice, bob: Store, monkeypatch: pytest.MonkeyPatch, *, is_found_late: bool
) -> None:
    """While the rest is being fetched, and when all of that is here already."""
    monkeypatch.setattr(snapshots, "FOLLOWED_BYTES_MIN", 0)
    await signed(alice, bob, blake3(STATE).digest(), wrapped=False)
    network = alice.network
    assert isinstance(network, Giving)
    network.gives = 20
    assert (await alice.client.get(f"{AT}/1")).content != STATE
    spoil(
        alice,
        "snapshots.db",
        "UPDATE whole SET data = zeroblob(length(data)) WHERE id ="
        " (SELECT id FROM name WHERE size > 4000 ORDER BY id LIMIT 1 OFFSET 3)",
    )
    has_begun = asyncio.Event()

    async def bring(wish: Wish) -> None:
        """As the swarm does: what is missing at the end is looked for once more."""
        while missing := await alice.node.store.missing_chunks(wish.blob):
            for index in missing:
                data = await bob.read_chunk(wish.blob, index)
                await alice.node.store.add_chunks(wish.blob, [(index, data)])
                wish.progress(index, len(STATE))
                if not is_found_late and not has_begun.is_set():
                    await found.wait()
            has_begun.set()

    found = asyncio.Event()
    read_run = alice.node.store.read_run

    async def read(*said: Any, **more: Any) -> Any:  # noqa: ANN401 - as it is called
        if is_found_late:
            await has_begun.wait()
        try:
            return await read_run(*said, **more)
        finally:
            found.set()

    monkeypatch.setattr(network, "bring", bring)
    monkeypatch.setattr(alice.node.store, "read_run", read)
    async with asyncio.timeout(60):
        answer = await alice.client.get(f"{AT}/1")
    assert answer.content == STATE


@pytest.mark.parametrize("way", ["fetched", "opened", "opened while it comes"])
async def test_of_which_universe_it_is_says_what_it_comes_relative_to(
    alice: Alice, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Where nobody is followed, and somebody names the same states beside others, and more."""
    if way == "opened while it comes":
        monkeypatch.setattr(snapshots, "FOLLOWED_BYTES_MIN", 0)
    store, wishes = alice.node.store, list[Wish]()

    async def note(wish: Wish) -> None:
        wishes.append(wish)
        await store.put_blob(b"2", chunking=Chunking.CONTENT)

    monkeypatch.setattr(alice.network, "bring", note)
    first = await store.put_blob(b"1", chunking=Chunking.CONTENT)
    junk = [await store.put_blob(b"junk %d" % at, chunking=Chunking.CONTENT) for at in range(4)]
    state = BlobId(content_manifest_of(b"2").id)
    for document, who, blobs in (
        (FORK, people.BOB, [junk[0], state, *junk[1:]]),
        (MAIN, people.ALICE, [first, state]),
    ):
        await store.commit(document, created(), who.signer)
        for tick, blob in enumerate(blobs, 1):
            await store.commit(document, keeps(taken(tick, blob, who=who)), who.signer)
    name = f"{people.ALICE.did}/universe:main"
    if way == "fetched":
        path = f"/api/blobs/{state.hex()}/fetch"
        answer = await alice.client.post(path, json={"universe": name})
        assert json.loads(answer.text.splitlines()[-1])["event"] == "result", answer.text
        unknown = await alice.client.post(path, json={"universe": "universe:none"})
        assert unknown.status_code == 404
    else:
        path = f"/api/universe/{quote(name, safe='')}/snapshot/2?raw=true"
        assert (await alice.client.get(path)).content == b"2"
    assert [list(wish.relative_to) for wish in wishes] == [[first]]


async def test_a_universe_that_is_not_meant_clearly_is_a_problem_that_is_listed(
    alice: Alice,
) -> None:
    """And so is a namespace that nobody knows, whatever else is said."""
    path = f"/api/blobs/{bytes(32).hex()}/fetch"
    for document, who in ((FORK, people.BOB), (FORK_TOO, people.CAROL)):
        await alice.node.store.commit(document, created(), who.signer)
    several = await alice.client.post(path, json={"universe": "universe:fork"})
    assert (several.status_code, several.json()["code"]) == (409, "ambiguous-universe")
    unknown = await alice.client.post(path, json={"namespace": "nowhere", "patience_s": 1})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown-namespace")
    spoken = (await alice.client.get("/openapi.json")).json()["paths"]
    assert "409" in spoken["/api/blobs/{blob}/fetch"]["post"]["responses"]


async def test_whoever_follows_a_state_as_it_comes_has_it_relative_to_its_universe_all_along(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also once the answer has begun; where four longer universes name it beside others."""
    monkeypatch.setattr(snapshots, "FOLLOWED_BYTES_MIN", 0)
    store, wishes = alice.node.store, list[Wish]()

    async def note(wish: Wish) -> None:
        wishes.append(wish)
        if len(wishes) > 1:
            await store.put_blob(STATE, chunking=Chunking.CONTENT)
            return
        manifest = content_manifest_of(STATE)
        await store.begin_blob(wish.blob, manifest.root)
        for number, page in enumerate(manifest.pages):
            await store.add_page(wish.blob, number, page)
        await store.add_chunks(wish.blob, [(0, next(cut([STATE], Chunking.CONTENT)))])
        wish.progress(1, len(STATE))
        await asyncio.Event().wait()

    monkeypatch.setattr(alice.network, "bring", note)
    first = await store.put_blob(b"1", chunking=Chunking.CONTENT)
    junk = [await store.put_blob(b"junk %d" % at, chunking=Chunking.CONTENT) for at in range(2)]
    state = BlobId(content_manifest_of(STATE).id)
    for number in range(UNIVERSES_MAX):
        document = replace(FORK, record=b"universe:%d" % number)
        await store.commit(document, created(), people.BOB.signer)
        for tick, blob in enumerate([junk[0], state, junk[1]]):
            signed = taken(tick, blob, who=people.BOB)
            await store.commit(document, keeps(signed), people.BOB.signer)
    await store.commit(MAIN, created(), people.ALICE.signer)
    hers = [
        Snapshot(
            f"{people.ALICE.did}/universe:main", tick, "auto", blob, len(data),
            blake3(data).digest(), "application/json", tick,
        )
        for tick, blob, data in ((1, first, b"1"), (2, state, STATE))
    ]  # fmt: skip
    for said in hers:
        signed = sign_snapshot(said, people.ALICE.signer.device)
        await store.commit(MAIN, keeps(signed), people.ALICE.signer)
    name = quote(f"{people.ALICE.did}/universe:main", safe="")
    answer = await alice.client.get(f"/api/universe/{name}/snapshot/2?raw=true")
    assert answer.content == STATE
    assert [list(wish.relative_to) for wish in wishes] == [[first], [first]]
