"""Who may read a fork: nobody whom the author of its parent does not let read that."""

from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from blake3 import blake3

from crdt.area import Area
from crdt.blob import BlobId
from crdt.capability import READ, WRITE, delegate, own
from crdt.change import DocumentId
from crdt.keys import AuthorKey, NamespaceKey
from node.config import ApiConfig, Config
from registry.head import Words
from tests.node.api.test_namespaces import GUILD, post, to_root
from tests.node.parts import Alice, open_alice
from tests.storage.people import BOB, NOW_US, Person
from tests.storage.test_namers import in_guild
from tests.storage.test_namespaces import GROUP
from universe.record import CLASS, KIND, Facts, add_snapshot, create_universe
from universe.snapshot import Snapshot, sign_snapshot

ID = "universe:secret"
FULL = f"{BOB.did}/{ID}"
FORK = f"/api/universe/{FULL.replace('/', '%2F')}/fork"


@pytest_asyncio.fixture
async def alice(tmp_path: Path) -> AsyncGenerator[Alice]:
    """A node that takes what multiverse clients write, without a token where one is left out."""
    config = Config(api=ApiConfig(compat=True))
    async with open_alice(tmp_path / "alice", config=config) as alice:
        yield alice


@pytest_asyncio.fixture
async def bobs(alice: Alice) -> None:
    """Bob's universe in a guild, which both may read and write in, with one snapshot."""
    await shared_by_bob(alice, READ, WRITE)


async def shared_by_bob(alice: Alice, *modes: int) -> None:
    for mode in modes:
        await post(alice, "/api/capabilities", {"capability": to_root(alice, mode)})
    await post(alice, "/api/namespaces", {"name": "guild", "did": GUILD})
    await post(alice, "/api/namespaces", {"name": "others"})
    author = AuthorKey(BOB.root.public)
    owner = own(GROUP, WRITE, GROUP.public)
    right = delegate(owner, GROUP, Area(author), BOB.root.public)
    bob = Person(BOB.root, in_guild(right, BOB.root, BOB.signer.device, BOB))
    state = blake3(b"hidden").digest()
    taken = Snapshot(
        universe=FULL, tick=1, kind="manual", blob=BlobId(state), size=6, checksum=state,
        media="text/plain", at_us=NOW_US,
    )  # fmt: skip
    document = DocumentId(NamespaceKey(GROUP.public), author, CLASS, KIND, ID.encode())
    entries = bob.writes(
        document,
        create_universe(Words("Theirs"), Facts(visibility="shared"), now_us=NOW_US),
        add_snapshot(sign_snapshot(taken, bob.signer.device), now_us=NOW_US),
    )
    received = await alice.node.store.receive(entries, source="peer")
    assert len(received.added) == len(entries), received.refused


async def fork(alice: Alice, path: str = FORK, **body: object) -> httpx2.Response:
    return await alice.client.post(path, json={"name": "Fork"} | body)


async def universes(alice: Alice) -> list[tuple[str, str]]:
    answer = await alice.client.get("/api/universes", headers=alice.bearer("read"))
    return sorted((one["name"], one["visibility"]) for one in answer.json()["universes"])


@pytest.mark.usefixtures("bobs")
async def test_what_others_share_is_forked_for_its_readers_or_for_oneself_alone(
    alice: Alice,
) -> None:
    wider = (
        {"visibility": "public"},
        {"namespace": "commons"},
        {"visibility": "public", "namespace": "commons"},
        {"visibility": "shared", "namespace": "commons"},
        {"namespace": "others"},
        {"visibility": "shared", "namespace": "others"},
        {"visibility": "public", "namespace": "others"},
    )
    for body in wider:
        refused = await fork(alice, **body)
        assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed"), body
        assert f"{FULL} is shared with you and not with everybody" in refused.json()["detail"]
    assert await universes(alice) == [("Theirs", "shared")]
    for body in ({}, {"namespace": "guild"}, {"visibility": "shared", "namespace": GUILD}):
        made = await fork(alice, **body)
        assert made.status_code == 201, made.text
        shown = made.json()["universe"]
        assert (shown["visibility"], shown["namespace"]) == ("shared", GUILD), body
    hidden = await fork(alice, visibility="private")
    assert hidden.json()["universe"]["visibility"] == "private"
    mine = f"/api/universe/{hidden.json()['universe']['id']}/fork"
    for body in wider:  # by way of one's own fork, which begins with the same state
        refused = await fork(alice, mine, **body)
        assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed"), body
    again = await fork(alice, mine)
    assert again.json()["universe"]["visibility"] == "private", again.text
    odd = await fork(alice, visibility="private", namespace="guild")
    assert odd.json()["code"] == "needs-namespace"
    nowhere = await fork(alice, namespace="nowhere")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "unknown-namespace")


async def test_without_a_token_a_fork_is_for_nobody_who_may_not_read_its_parent(
    alice: Alice,
) -> None:
    for id, is_public in (("universe:mine", False), ("universe:open", True)):
        await post(alice, "/api/universe", {"id": id, "name": id[9:], "isPublic": is_public})
        await alice.client.post(f"/api/universe/{id}/snapshot?tick=1", content=b"a world")
    del alice.client.headers["authorization"]
    mine, public = "/api/universe/universe:mine/fork", "/api/universe/universe:open/fork"
    for path, body in (
        (mine, {"visibility": "public"}),
        (mine, {"namespace": "commons"}),
        (mine, {"namespace": "private"}),
        (public, {"namespace": "commons"}),
        (public, {"namespace": "nowhere"}),
    ):
        refused = await fork(alice, path, **body)
        assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed"), (path, body)
    assert await universes(alice) == [("mine", "private"), ("open", "public")]
    for path, body, seen in (
        (mine, {}, "private"),
        (mine, {"visibility": "private"}, "private"),
        (public, {}, "public"),
        (public, {"visibility": "public"}, "public"),
        (public, {"visibility": "private"}, "private"),
    ):
        made = await fork(alice, path, **body)
        assert made.status_code == 201, made.text
        assert made.json()["universe"]["visibility"] == seen, (path, body)


async def test_with_a_token_what_is_ones_own_is_forked_for_whomever_one_says(alice: Alice) -> None:
    await post(alice, "/api/universe", {"id": "universe:mine", "name": "mine"})
    await post(alice, "/api/namespaces", {"name": "others"})
    place = "/api/universe/universe:mine"
    await alice.client.post(f"{place}/snapshot?tick=1", content=b"a world")
    for body, seen in (({"visibility": "public"}, "public"), ({"namespace": "others"}, "shared")):
        made = await fork(alice, f"{place}/fork", **body)
        assert made.json()["universe"]["visibility"] == seen, made.text
        told = "everybody can" if seen == "public" else "all members of its namespace can"
        assert made.json()["warning"].startswith(f"{told} read that it was forked from")
        assert f"{alice.node.identity.did}/universe:mine, and" in made.json()["warning"]
    hidden = await fork(alice, f"{place}/fork")
    assert (hidden.json()["universe"]["visibility"], hidden.json()["warning"]) == ("private", None)


async def test_whether_a_fork_is_public_is_said_as_of_a_universe(alice: Alice) -> None:
    """As games say it; what would tell everybody of a private world needs a plainer word."""
    for id, is_public in (("universe:mine", False), ("universe:open", True)):
        await post(alice, "/api/universe", {"id": id, "name": id[9:], "isPublic": is_public})
        await alice.client.post(f"/api/universe/{id}/snapshot?tick=1", content=b"a world")
    mine, public = "/api/universe/universe:mine/fork", "/api/universe/universe:open/fork"
    for has_token in (True, False):
        if not has_token:
            del alice.client.headers["authorization"]
        refused = await fork(alice, mine, isPublic=True)
        assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")
        assert '"visibility": "public"' in refused.json()["detail"]
        for path, said, seen in (
            (mine, False, "private"),
            (public, False, "private"),
            (public, True, "public"),
        ):
            made = await fork(alice, path, isPublic=said)
            assert made.status_code == 201, made.text
            assert (made.json()["universe"]["visibility"], made.json()["warning"]) == (seen, None)


async def test_who_may_only_read_is_told_how_to_fork_it(alice: Alice) -> None:
    await shared_by_bob(alice, READ)
    refused = await fork(alice)
    assert (refused.status_code, refused.json()["code"]) == (403, "no-capability")
    detail = refused.json()["detail"]
    assert "holds no capability to write there" in detail
    assert "panspermia universe fork … --private" in detail
    assert '`"visibility": "private"`' in detail
    elsewhere = await fork(alice, namespace="others")
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (403, "not-allowed")
    assert "--private" in elsewhere.json()["detail"]
    hidden = await fork(alice, visibility="private")
    assert (hidden.status_code, hidden.json()["universe"]["visibility"]) == (201, "private")
