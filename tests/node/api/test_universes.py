"""Universes over HTTP: what multiverse clients ask, and ours beside it."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crdt.change import DocumentId, Signer, device_capabilities
from crdt.did import decode_did_key
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey, DeviceKey
from node.config import ApiConfig, Config
from registry.deletion import delete
from registry.head import Words
from storage import listings
from tests.node.parts import Alice, open_alice
from tests.registry.people import ALICE_LAPTOP
from tests.storage.people import BOB, CAROL, NOW_US, Person
from tests.universe.worlds import PLAIN
from universe.record import CLASS, KIND, Facts, create_universe, fork_universe
from universe.snapshot import sign_snapshot

# As a multiverse client sends it.
MAIN: dict[str, Any] = {
    "id": "universe:main", "name": "Main", "ownerId": "player:alice", "isPublic": True,
    "config": {"timeScale": 1.5, "magicLevel": 3, "techLevel": "low"},
}  # fmt: skip

RULE = [
    "auto: up to 2,000 are kept; of more, the oldest are thinned to the last of each hour, day,"
    " week",
    "manual: all are kept",
    "canonical: all are kept",
]


@pytest_asyncio.fixture
async def games(tmp_path: Path) -> AsyncGenerator[Alice]:
    """A node that takes what multiverse clients write, without a token."""
    config = Config(api=ApiConfig(compat=True))
    async with open_alice(tmp_path / "alice", config=config) as alice:
        del alice.client.headers["authorization"]
        yield alice


async def made(alice: Alice, **more: object) -> dict[str, Any]:
    answer = await alice.client.post("/api/universe", json=MAIN | more)
    assert answer.status_code == 201, answer.text
    universe: dict[str, Any] = answer.json()["universe"]
    return universe


async def from_peer(
    alice: Alice, who: Person, id: str = "universe:main", *, parent: str | None = None
) -> str:
    """A universe of somebody else's, as it comes from a peer; its full name."""
    document = DocumentId(COMMONS, AuthorKey(decode_did_key(who.did)), CLASS, KIND, id.encode())
    words, facts = Words("Theirs"), Facts(owner="player:bob")
    edit = create_universe(words, facts, now_us=NOW_US)
    if parent is not None:
        origin = sign_snapshot(PLAIN, ALICE_LAPTOP)
        edit = fork_universe(words, facts, parent, origin, now_us=NOW_US)
    await alice.node.store.receive(who.writes(document, edit), source="peer")
    return f"{who.did}/{id}"


@pytest.mark.parametrize("path", ["/api/universe", "/api/multiverse/universe"])
async def test_a_universe_is_made_shown_listed_and_deleted_without_a_token(
    games: Alice, path: str
) -> None:
    answer = await games.client.post(path, json=MAIN)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["success"] is True
    universe = made["universe"]
    assert {key: universe[key] for key in MAIN} == MAIN
    assert (universe["snapshotCount"], universe["lastSnapshotAt"]) == (0, 0)
    assert universe["lastTick"] is None
    assert (universe["canonicalEventCount"], universe["createdAt"] > 1_600_000_000_000) == (0, True)
    for name in ("universe:main", f"{games.node.identity.did}%2Funiverse:main"):
        shown = (await games.client.get(f"/api/universe/{name}")).json()
        assert shown == {"universe": universe, "rule": RULE}
    for query in ("", "?publicOnly=true", "?ownerId=player:alice"):
        listed = (await games.client.get(f"/api/universes{query}")).json()
        assert listed["universes"] == [universe], query
    for query in ("?ownerId=player:bob", "?namespace=commons&author=bob"):
        other = await games.client.get(f"/api/universes{query}")
        assert other.status_code == 404 or other.json()["universes"] == []
    stats = (await games.client.get("/api/multiverse/stats")).json()
    assert stats["universeCount"] == 1
    gone = await games.client.delete("/api/universe/universe:main")
    assert (gone.status_code, gone.json()["success"]) == (200, True)
    missing = await games.client.get("/api/universe/universe:main")
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown-record")
    assert missing.json()["error"] == missing.json()["detail"]
    bearer = games.bearer("write")
    again = await games.client.post(path, json=MAIN, headers=bearer)
    assert (again.status_code, again.json()["code"]) == (409, "deleted")


async def test_said_again_it_is_the_same_and_its_words_may_change(alice: Alice) -> None:
    first = await made(alice)
    assert await made(alice) == first
    renamed = await made(alice, name="Renamed", config={"timeScale": 2})
    assert (renamed["name"], renamed["config"]) == ("Renamed", {"timeScale": 2})
    assert renamed["createdAt"] == first["createdAt"]
    hidden = await alice.client.post("/api/universe", json=MAIN | {"isPublic": False})
    assert (hidden.status_code, hidden.json()["code"]) == (409, "universe-elsewhere")


async def test_what_is_private_is_in_a_namespace_that_nobody_is_told_of(alice: Alice) -> None:
    body = {"name": "Mine", "ownerId": "player:alice"}
    one, two = [
        (await alice.client.post("/api/universe", json=body)).json()["universe"] for _ in range(2)
    ]
    assert one["id"] != two["id"]
    assert (one["visibility"], one["isPublic"]) == ("private", False)
    assert one["namespace"] == two["namespace"] != "commons"
    (private,) = [
        space
        for space in (await alice.client.get("/api/namespaces")).json()["namespaces"]
        if space["did"] == one["namespace"]
    ]
    assert (private["name"], private["kind"]) == ("private", "owned")
    assert (await alice.client.get("/api/universes?publicOnly=true")).json()["universes"] == []
    assert len((await alice.client.get("/api/universes")).json()["universes"]) == 2
    shown = await alice.client.get(f"/api/universe/{one['id']}")
    assert shown.json()["universe"] == one
    elsewhere = await alice.client.get(f"/api/universe/{one['id']}?namespace=commons")
    assert elsewhere.status_code == 404


async def test_what_is_shared_is_in_the_namespace_of_its_readers(alice: Alice) -> None:
    await alice.client.post("/api/namespaces", json={"name": "friends"})
    shared = await made(alice, isPublic=None, namespace="friends")
    assert (shared["visibility"], shared["isPublic"]) == ("shared", False)
    for wrong, code in (
        ({"visibility": "shared"}, "needs-namespace"),
        ({"visibility": "private", "namespace": "friends"}, "needs-namespace"),
        ({"visibility": "public", "namespace": "friends"}, "needs-namespace"),
        ({"namespace": "nowhere"}, "unknown-namespace"),
    ):
        body = {"id": "other", "name": "Other", **wrong}
        answer = await alice.client.post("/api/universe", json=body)
        assert answer.json()["code"] == code, wrong


async def test_an_id_alone_is_ones_own_and_of_strangers_only_where_it_is_the_only_one(
    alice: Alice,
) -> None:
    bobs = await from_peer(alice, BOB)
    shown = (await alice.client.get("/api/universe/universe:main")).json()["universe"]
    assert (shown["fullName"], shown["name"]) == (bobs, "Theirs")
    carols = await from_peer(alice, CAROL)
    several = await alice.client.get("/api/universe/universe:main")
    assert (several.status_code, several.json()["code"]) == (409, "ambiguous-universe")
    assert sorted(several.json()["candidates"]) == sorted([bobs, carols])
    mine = await made(alice)
    shown = (await alice.client.get("/api/universe/universe:main")).json()["universe"]
    assert shown == mine
    await alice.client.put("/api/names/bob", json={"author": BOB.did})
    called = (await alice.client.get("/api/universe/bob%2Funiverse:main")).json()["universe"]
    assert called["fullName"] == bobs
    bare = await alice.client.post(f"/api/universe/{bobs.replace('/', '%2F')}/prune", json={})
    assert (bare.status_code, bare.json()["code"]) == (403, "no-capability")
    for query in ("", "?dryRun=true"):
        refused = await alice.client.delete(f"/api/universe/{bobs.replace('/', '%2F')}{query}")
        assert (refused.status_code, refused.json()["code"]) == (403, "no-capability")


async def test_a_multiverse_client_is_told_ids_by_which_it_finds_the_very_ones(
    games: Alice,
) -> None:
    """They ask for a universe by its `id` alone, and many are called alike."""
    bobs = await from_peer(games, BOB)
    none = await games.client.get("/api/multiverse/universe/universe:main")
    assert none.status_code == 404, "of a stranger's one nothing is said, so that it makes its own"
    mine = await made(games)
    sea = await from_peer(games, BOB, "universe:sea")
    fork = await from_peer(games, CAROL, "universe:fork", parent=bobs)
    isle = await from_peer(games, BOB, "universe:isle", parent=str(mine["fullName"]))
    await made(games, id="universe:pond")
    client = games.client
    listed = (await client.get("/api/multiverse/universes")).json()["universes"]
    found = {one["id"]: one["fullName"] for one in listed}
    assert found == {
        "universe:main": mine["fullName"], bobs: bobs, sea: sea, fork: fork, isle: isle,
        "universe:pond": f"{games.node.identity.did}/universe:pond",
    }  # fmt: skip
    for one in listed:  # written into the address as it is
        for part in ("", "/snapshots", "/timeline", "/forks"):
            asked = await client.get(f"/api/multiverse/universe/{one['id']}{part}")
            assert asked.status_code == 200, (one["id"], part)
        shown = (await client.get(f"/api/multiverse/universe/{one['id']}")).json()["universe"]
        assert shown == one
    forks = {one["id"]: one["forkOf"]["universeId"] for one in listed if one.get("forkOf")}
    assert forks == {fork: bobs, isle: "universe:main"}
    for change in (
        client.delete("/api/multiverse/universe/universe:sea"),
        client.post("/api/multiverse/universe/universe:sea/snapshot", json={"snapshot": {}}),
    ):
        assert (await change).status_code == 404, "what is a stranger's is never meant"

    ends = {"sourceUniverseId": "universe:pond", "targetUniverseId": bobs, "type": "gate"}
    passage = (await client.post("/api/multiverse/passage", json=ends)).json()["passage"]
    (shown,) = (await client.get("/api/multiverse/passages")).json()["passages"]
    assert shown == passage == (await client.get(f"/api/passage/{passage['id']}")).json()["passage"]
    assert (shown["sourceUniverseId"], shown["targetUniverseId"]) == ("universe:pond", bobs)
    await client.post("/api/player", json={"id": "player:alice", "displayName": "Alice"})
    owned = (await client.get("/api/multiverse/player/player:alice/universes")).json()
    assert sorted(owned["universeIds"]) == ["universe:main", "universe:pond"]


async def test_however_many_strangers_call_theirs_so_ones_own_is_found(
    games: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "PAGE_MAX", 2)
    others = [BOB, CAROL, *(made_up(number) for number in range(40))]  # most come before one's own
    for one in others:
        await from_peer(games, one)
    mine = await made(games)
    for name in ("universe:main", str(mine["fullName"]).replace("/", "%2F")):
        shown = await games.client.get(f"/api/universe/{name}")
        assert shown.json()["universe"] == mine
    assert await made(games) == mine
    saved = await games.client.post(
        "/api/universe/universe:main/snapshot", json={"snapshot": {}, "tick": 5}
    )
    assert saved.status_code == 201, saved.text
    for one in others:
        shown = await games.client.get(f"/api/universe/{one.did}%2Funiverse:main")
        assert shown.json()["universe"]["author"] == one.did


def made_up(number: int) -> Person:
    root, device = (SigningKey.from_seed(bytes([number, at]) * 16) for at in (1, 2))
    capabilities = device_capabilities(root, DeviceKey(device.public))
    return Person(root, Signer(device, AuthorKey(root.public), capabilities))


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"name": ""}, 422), ({"name": None}, 422), ({"name": "x" * 2_000}, 422),
        ({"name": "a\nb"}, 422), ({"id": "a/b"}, 422), ({"id": "did:key:x"}, 422),
        ({"id": "x" * 200}, 422), ({"config": [1]}, 422), ({"config": {"a": "x" * 20_000}}, 422),
        ({"ownerId": "x" * 200}, 422), ({"visibility": "secret"}, 422), ({"id": 5}, 422),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_told_and_makes_nothing(
    alice: Alice, wrong: dict[str, Any], status: int
) -> None:
    answer = await alice.client.post("/api/universe", json=MAIN | wrong)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]
    assert (await alice.client.get("/api/universes")).json()["universes"] == []
    names = [
        one["name"] for one in (await alice.client.get("/api/namespaces")).json()["namespaces"]
    ]
    assert names == ["commons"]


async def test_pages_of_a_list_neither_overlap_nor_skip(alice: Alice) -> None:
    for number in range(5):
        await made(alice, id=f"universe:{number}")
    page = (await alice.client.get("/api/universes?limit=2&sort_by=name")).json()
    seen = [one["id"] for one in page["universes"]]
    while page["next"]:
        query = {"limit": "2", "sort_by": "name", "cursor": page["next"]}
        page = (await alice.client.get("/api/universes", params=query)).json()
        seen += [one["id"] for one in page["universes"]]
    assert sorted(seen) == [f"universe:{number}" for number in range(5)]


async def test_a_universe_is_searched_for(alice: Alice) -> None:
    await made(alice, description="A quiet ocean world.")
    await alice.search_sees_it()
    found = (await alice.client.get("/api/search?q=ocean&kind=universe")).json()
    assert [one["id"] for one in found["results"]] == [f"{alice.node.identity.did}/universe:main"]


async def test_what_is_deleted_comes_back_with_all_its_snapshots(alice: Alice) -> None:
    await made(alice)
    sent = await alice.client.post("/api/universe/universe:main/snapshot?tick=1", content=b"one")
    assert sent.status_code == 201
    before = (await alice.client.get("/api/universe/universe:main")).json()
    assert (await alice.client.delete("/api/universe/universe:main")).status_code == 200
    late = await alice.client.post("/api/universe/universe:main/snapshot?tick=2", content=b"two")
    assert late.status_code == 404
    did = alice.node.identity.did
    for name in ("universe:main", f"{did}%2Funiverse:main"):
        gone = await alice.client.get(f"/api/universe/{name}")
        assert (gone.status_code, gone.json()["code"]) == (404, "unknown-record")
        back = f"panspermia delete {did}/universe/universe:main --undo brings it back"
        assert gone.json()["detail"] == f"universe:main is deleted: {back}"
    undone = {"record": "universe/universe:main", "undo": True}
    answer = await alice.client.post("/api/records/deletion", json=undone)
    assert answer.json()["record"] == f"{alice.node.identity.did}/universe/universe:main"
    after = (await alice.client.get("/api/universe/universe:main")).json()
    assert {**after["universe"], "updatedAt": 0} == {**before["universe"], "updatedAt": 0}
    one = await alice.client.get("/api/universe/universe:main/snapshot/1")
    assert one.content == b"one"


@pytest.mark.parametrize("is_public", [True, False])
async def test_what_is_deleted_is_not_made_anew_for_other_readers(
    alice: Alice, is_public: bool
) -> None:
    """Else there would be two of one full name when it comes back."""
    await alice.client.post("/api/namespaces", json={"name": "friends"})
    first = await made(alice, isPublic=is_public)
    assert (await alice.client.delete("/api/universe/universe:main")).status_code == 200
    nothing = {"isPublic": None}
    for readers in (nothing, {"isPublic": not is_public}, nothing | {"namespace": "friends"}):
        answer = await alice.client.post("/api/universe", json=MAIN | readers)
        assert (answer.status_code, answer.json()["code"]) == (409, "deleted"), readers
        told = "" if is_public else f" --namespace {first['namespace']}"
        assert f"/universe/universe:main --undo{told} brings" in answer.json()["detail"]
    undone = {"record": "universe/universe:main", "undo": True}
    at = f"/api/records/deletion?namespace={first['namespace']}"
    assert (await alice.client.post(at, json=undone)).status_code == 200
    shown = (await alice.client.get("/api/universe/universe:main")).json()["universe"]
    assert {**shown, "updatedAt": 0} == {**first, "updatedAt": 0}


async def test_what_another_deleted_is_said_to_be_so(alice: Alice) -> None:
    full, owner = f"{BOB.did}/universe:main", AuthorKey(decode_did_key(BOB.did))
    document = DocumentId(COMMONS, owner, CLASS, KIND, b"universe:main")
    made = create_universe(Words("Theirs"), Facts(owner="player:bob"), now_us=NOW_US)
    entries = BOB.writes(document, made, delete(now_us=NOW_US + 1))
    await alice.node.store.receive(entries, source="peer")
    gone = await alice.client.get(f"/api/universe/{full.replace('/', '%2F')}")
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown-record")
    back = f"panspermia delete {BOB.did}/universe/universe:main --undo"
    assert (
        gone.json()["detail"] == f"{full} is deleted; whoever may write it brings it back: {back}"
    )
    never = await alice.client.get("/api/universe/universe:other")
    assert never.json()["detail"] == "no universe universe:other is known here"
    theirs = await alice.client.get(f"/api/universe/{BOB.did}%2Funiverse:other")
    assert theirs.json()["detail"].endswith("; `panspermia sync` may bring it")


async def test_who_says_a_name_in_place_of_an_id_is_told_the_ids(alice: Alice) -> None:
    ids = [(await made(alice, id=id, name="My world"))["id"] for id in ("universe:a", "universe:b")]
    await from_peer(alice, BOB, "universe:c")
    answer = await alice.client.get("/api/universe/My%20world")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-record")
    said = answer.json()["detail"]
    assert said.startswith("no universe has the id My world, which is what you call universe:")
    assert {*said.partition(" call ")[2].split(", ")} == {*ids}
    other = await alice.client.get("/api/universe/Theirs")
    said = other.json()["detail"]
    assert said == "no universe Theirs is known here", "what others call theirs tells nothing"
