"""Players over HTTP: the requests of multiverse clients, and ours beside them."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crdt.change import DocumentId
from crdt.did import decode_did_key
from crdt.keys import COMMONS, AuthorKey
from node.config import ApiConfig, Config
from registry import module, ratings
from registry.head import Words
from registry.ratings import rate, record_of
from tests.node.modules import new_module
from tests.node.parts import Alice, open_alice
from tests.storage.people import BOB, CAROL, Person, person
from universe.player import register_player
from universe.record import Facts, create_universe

PLAYER, PLAYERS = "/api/player", "/api/players"
ID = "player:3f0c7c6e-1d0e-4b57-9a5c-6a8f3f1d2c11"
# As a multiverse client sends it when it starts.
ALICE: dict[str, Any] = {"id": ID, "displayName": "Alice"}


async def register(alice: Alice, **said: Any) -> dict[str, Any]:  # noqa: ANN401 - of a JSON body
    answer = await alice.client.post(PLAYER, json=ALICE | said)
    assert answer.status_code == 201, answer.text
    done: dict[str, Any] = answer.json()
    return done


async def get(alice: Alice, path: str) -> dict[str, Any]:
    answer = await alice.client.get(path)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def comes(alice: Alice, who: Person, name: str, id: str = ID) -> str:
    """A player of somebody else, as it comes from a peer; the full name."""
    document = DocumentId(COMMONS, AuthorKey(who.root.public), "pub", "player", id.encode())
    entries = who.writes(document, register_player(name, now_us=5))
    assert not (await alice.node.store.receive(entries, source="peer")).refused
    return f"{who.did}/{id}"


async def test_a_player_is_registered_found_and_given_back(alice: Alice) -> None:
    done = await register(alice)
    player = done["player"]
    assert done["success"]
    assert {key: player[key] for key in ALICE} == ALICE
    assert (player["author"], player["universeCount"]) == (alice.node.identity.did, 0)
    assert player["createdAt"] == player["lastSeen"] > 0
    for name in (ID, f"{alice.node.identity.did}%2F{ID}"):
        assert (await get(alice, f"{PLAYER}/{name}"))["player"] == player
    (row,) = (await get(alice, PLAYERS))["players"]
    assert (row["id"], row["displayName"]) == (ID, "Alice")
    await alice.search_sees_it()
    (hit,) = (await get(alice, "/api/search?q=alice&kind=player"))["results"]
    assert (hit["kind"], hit["name"]) == ("player", "Alice")
    assert hit["id"] == f"{alice.node.identity.did}/{ID}"


async def test_a_start_of_the_game_signs_nothing_new(alice: Alice) -> None:
    first = await register(alice, about="Grows worlds.", links=["https://example.org/a"])
    again = await register(alice)
    assert first["entry"]
    assert again["entry"] is None, "and so nobody was seen"
    assert again["player"] == first["player"]
    changed = (await register(alice, displayName="Alicia"))["player"]
    assert (changed["displayName"], changed["about"]) == ("Alicia", "Grows worlds.")
    assert changed["lastSeen"] >= first["player"]["lastSeen"]


async def test_a_dry_run_registers_nobody(alice: Alice) -> None:
    done = await register(alice, dry_run=True)
    assert (done["player"], done["entry"], done["dry_run"]) == (None, None, True)
    assert (await alice.client.get(f"{PLAYER}/{ID}")).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"id": ""}, "invalid-body"),
        ({"id": "a/b"}, "invalid-name"),
        ({"id": "a\nb"}, "invalid-name"),
        ({"id": "é" * 100}, "invalid-name"),
        ({"displayName": "x" * 65}, "invalid-record"),
        ({"displayName": 7}, "invalid-body"),
        ({"links": ["javascript:alert(1)"]}, "invalid-record"),
        ({"links": ["https://a"] * 9}, "invalid-body"),
        ({"displayname": "a slip"}, "invalid-body"),
    ],
)
async def test_what_is_wrong_is_told(alice: Alice, wrong: dict[str, Any], code: str) -> None:
    answer = await alice.client.post(PLAYER, json=ALICE | wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await get(alice, PLAYERS))["players"] == []


async def test_of_two_strangers_who_say_they_are_her_none_is_meant(alice: Alice) -> None:
    nobody = await alice.client.get(f"{PLAYER}/{ID}")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "unknown-player")
    bobs = await comes(alice, BOB, "Bob")
    assert (await get(alice, f"{PLAYER}/{ID}"))["player"]["displayName"] == "Bob"
    carols = await comes(alice, CAROL, "Carol")
    several = await alice.client.get(f"{PLAYER}/{ID}")
    assert (several.status_code, several.json()["code"]) == (409, "ambiguous-player")
    assert set(several.json()["candidates"]) == {bobs, carols}
    named = (await get(alice, f"{PLAYER}/{carols.replace('/', '%2F')}"))["player"]
    assert (named["displayName"], named["alsoBy"]) == ("Carol", [BOB.did])
    await alice.node.store.set_petname("bob", BOB.did)
    assert (await get(alice, f"{PLAYER}/{ID}"))["player"]["displayName"] == "Bob"
    own = (await register(alice))["player"]
    shown = (await get(alice, f"{PLAYER}/{ID}"))["player"]
    assert (shown["author"], shown["displayName"]) == (own["author"], "Alice")
    assert shown["alsoBy"] == [BOB.did, CAROL.did]


async def rated(alice: Alice, who: Person, target: str, stars: int) -> None:
    author = AuthorKey(who.root.public)
    document = DocumentId(COMMONS, author, ratings.CLASS, module.KIND, record_of(target))
    entries = who.writes(document, rate(stars, "Rolls well.", now_us=9_000))
    assert not (await alice.node.store.receive(entries, source="peer")).refused


async def test_what_others_sign_of_her_is_shown_with_where_it_stands(alice: Alice) -> None:
    await register(alice)
    did = alice.node.identity.did
    empty = await get(alice, f"{PLAYER}/{ID}/reputation")
    assert empty == {
        "author": did, "followed": [], "strangers": [], "proofs": [], "whole": True,
    }  # fmt: skip
    published = await alice.client.post("/api/modules", json=new_module("org.example.dice"))
    assert published.status_code in (200, 201), published.text
    target = f"{did}/org.example.dice"
    await rated(alice, BOB, target, 5)
    await rated(alice, CAROL, target, 1)
    mine = {"stars": 5, "review": "I made it."}
    path = f"/api/modules/{target.replace('/', '%2F')}/ratings"
    assert (await alice.client.post(path, json=mine)).status_code == 201
    await alice.node.store.set_petname("bob", BOB.did)
    found = await get(alice, f"{PLAYER}/{ID}/reputation")
    ((near,), (far,)) = found["followed"], found["strangers"]
    assert (near["kind"], near["signers"], near["average"]) == ("rating", 1, 5.0)
    assert (far["signers"], far["average"]) == (1, 1.0), "and what she says of herself is nowhere"
    (fact,) = near["facts"]
    assert fact == {
        "by": BOB.did, "on": "module", "of": target, "part": "", "said": "Rolls well.",
        "stars": 5, "at": 9, "where": path,
    }  # fmt: skip
    said = await get(alice, fact["where"])
    assert BOB.did in {one["author"] for one in said["ratings"]}


async def test_a_proof_against_her_key_is_one_that_anybody_can_fetch(alice: Alice) -> None:
    dave = person(9)
    one = f"{await comes(alice, dave, 'Dave')}"
    await comes(alice, dave, "David")  # a first change again, as a copied home makes it
    found = await get(alice, f"{PLAYER}/{one.replace('/', '%2F')}/reputation")
    (proof,) = found["proofs"]
    assert decode_did_key(proof["key"]) == dave.signer.device.public
    assert (proof["number"], len(proof["entries"])) == (1, 2)
    assert (await alice.client.get(proof["where"])).status_code == 200


@pytest_asyncio.fixture
async def compat(tmp_path: Path) -> AsyncGenerator[Alice]:
    config = Config(api=ApiConfig(compat=True))
    async with open_alice(tmp_path / "alice", config=config) as alice:
        del alice.client.headers["authorization"]
        yield alice


async def test_a_client_of_the_multiverse_needs_no_token_and_is_made_to_fit(compat: Alice) -> None:
    sent = {"id": ID, "displayName": "A\nlong name " + "x" * 200, "avatar": {"any": "thing"}}
    answer = await compat.client.post(PLAYER, json=sent)
    assert answer.status_code == 201, answer.text
    assert answer.json()["player"]["displayName"].startswith("A long name xxx")
    number = await compat.client.post(PLAYER, json={"id": 5})
    assert number.status_code == 422
    assert number.json()["detail"] == "/id: Expected `str`, got `int`"
    none = await compat.client.post(PLAYER, json={"id": None})
    assert none.json()["detail"] == "Object missing required field `id`"
    private = await compat.client.post(PLAYER, json=ALICE | {"namespace": "team"})
    assert (private.status_code, private.json()["code"]) == (403, "not-allowed")


async def test_a_players_universes_by_their_ids_and_with_what_is_known_of_them(
    alice: Alice,
) -> None:
    await register(alice)
    assert await get(alice, f"{PLAYER}/{ID}/universes") == {
        "playerId": ID, "universeIds": [], "next": None,
    }  # fmt: skip
    for id, owner in (("universe:b", ID), ("universe:a", ID), ("universe:c", "player:other")):
        body = {"id": id, "name": id, "ownerId": owner, "isPublic": id == "universe:b"}
        made = await alice.client.post("/api/universe", json=body)
        assert made.status_code == 201, made.text
    path = f"{PLAYER}/{ID}/universes"
    assert (await get(alice, path))["universeIds"] == ["universe:a", "universe:b"]
    shown = (await get(alice, f"{path}?includeMetadata=true"))["universes"]
    assert [(one["id"], one["ownerId"]) for one in shown] == [
        ("universe:a", ID),
        ("universe:b", ID),
    ]
    assert shown[1] == (await get(alice, "/api/universe/universe:b"))["universe"]
    first = await get(alice, f"{path}?limit=1")
    assert first["universeIds"] == ["universe:a"]
    assert (await get(alice, f"{path}?limit=1&cursor={first['next']}"))["universeIds"] == [
        "universe:b"
    ]
    player = (await get(alice, f"{PLAYER}/{ID}"))["player"]
    assert player["universeCount"] == 2
    stats = await get(alice, "/api/multiverse/stats")
    assert (stats["playerCount"], stats["universeCount"]) == (1, 3)


async def test_who_never_registered_has_the_universes_that_name_them(compat: Alice) -> None:
    path = f"{PLAYER}/{ID}/universes"
    assert await get(compat, path) == {"playerId": ID, "universeIds": [], "next": None}
    for id, owner in (("universe:b", ID), ("universe:a", ID), ("universe:c", "player:other")):
        body = {"id": id, "name": id, "ownerId": owner}
        assert (await compat.client.post("/api/universe", json=body)).status_code == 201
    assert (await get(compat, path))["universeIds"] == ["universe:a", "universe:b"]
    shown = (await get(compat, f"{path}?includeMetadata=true"))["universes"]
    assert [(one["id"], one["ownerId"]) for one in shown] == [
        ("universe:a", ID),
        ("universe:b", ID),
    ]
    assert (await get(compat, f"{PLAYER}/nobody/universes"))["universeIds"] == []
    token = compat.bearer("read")
    answer = await compat.client.get(f"{PLAYER}/nobody/universes", headers=token)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-player")


async def test_who_never_registered_is_a_player_to_clients_without_a_token(compat: Alice) -> None:
    did, token = compat.node.identity.did, compat.bearer("read")
    nobody = await compat.client.get(f"{PLAYER}/{ID}")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "unknown-player")
    for id, owner in (("universe:b", ID), ("universe:a", ID), ("universe:c", "player:other")):
        body = {"id": id, "name": id, "ownerId": owner, "createdAt": 7}
        assert (await compat.client.post("/api/universe", json=body)).status_code == 201
    written = compat.node.store.written()
    player = (await get(compat, f"{PLAYER}/{ID}"))["player"]
    told = {"id": ID, "displayName": ID, "universeCount": 2, "createdAt": 7, "author": did}
    assert {name: player[name] for name in told} == told
    assert (player["registered"], player["lastSeen"] > 7) == (False, True)
    assert (await get(compat, "/api/multiverse/stats"))["playerCount"] == 2
    assert (await get(compat, PLAYERS))["players"] == []
    assert compat.node.store.written() == written, "nothing is signed for them"
    # With a token only what somebody signed is there.
    told_so = await compat.client.get(f"{PLAYER}/{ID}", headers=token)
    assert (told_so.status_code, told_so.json()["code"]) == (404, "unknown-player")
    stats = (await compat.client.get("/api/multiverse/stats", headers=token)).json()
    assert stats["playerCount"] == 0
    for wrong in (f"{did}%2F{ID}", "nobody", "%00", "a%2Fb%2Fc", "x" * 500, "zed%2Fnobody"):
        assert (await compat.client.get(f"{PLAYER}/{wrong}")).status_code in (404, 422)
    for path in (f"{PLAYER}/{ID}", f"{PLAYER}/{ID}/universes"):
        elsewhere = await compat.client.get(f"{path}?namespace=typo")
        assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "unknown-namespace")
    assert (await compat.client.post(PLAYER, json=ALICE)).status_code == 201
    player = (await get(compat, f"{PLAYER}/{ID}"))["player"]
    assert (player["displayName"], player["registered"]) == ("Alice", True)
    assert (await get(compat, "/api/multiverse/stats"))["playerCount"] == 2


async def test_of_two_strangers_whose_universes_name_one_owner_none_is_meant(
    compat: Alice,
) -> None:
    for who in (BOB, CAROL):
        document = DocumentId(COMMONS, AuthorKey(who.root.public), "pub", "uni", b"universe:x")
        facts = Facts(owner=ID, visibility="public")
        entries = who.writes(document, create_universe(Words("X"), facts, now_us=5_000))
        assert not (await compat.node.store.receive(entries, source="peer")).refused
        answer = await compat.client.get(f"{PLAYER}/{ID}")
        assert answer.status_code == (200 if who is BOB else 404)
        if who is BOB:
            player = answer.json()["player"]
            assert (player["author"], player["createdAt"]) == (BOB.did, 5)
    assert (await get(compat, "/api/multiverse/stats"))["playerCount"] == 2
    registered = [await comes(compat, who, "Not her") for who in (BOB, CAROL)]
    assert (await compat.client.get(f"{PLAYER}/{ID}")).status_code == 409
    body = {"id": "universe:mine", "name": "Mine", "ownerId": ID}
    assert (await compat.client.post("/api/universe", json=body)).status_code == 201
    for petname in ("", "bob"):  # with it one stranger is meant before others, and she before him
        if petname:
            await compat.node.store.set_petname(petname, BOB.did)
        player = (await get(compat, f"{PLAYER}/{ID}"))["player"]
        assert (player["author"], player["displayName"]) == (compat.node.identity.did, ID)
        universes = await get(compat, f"{PLAYER}/{ID}/universes")
        assert universes["universeIds"] == ["universe:mine"]
    bobs = registered[0].replace("/", "%2F")
    assert (await get(compat, f"{PLAYER}/{bobs}"))["player"]["displayName"] == "Not her"


async def test_a_snapshot_is_a_sign_of_life_and_starting_the_game_is_none(alice: Alice) -> None:
    before = (await register(alice))["player"]["lastSeen"]
    body = {"id": "universe:a", "name": "A", "ownerId": ID}
    assert (await alice.client.post("/api/universe", json=body)).status_code == 201
    kept = await alice.client.post("/api/universe/universe:a/snapshot?tick=1", content=b"state")
    assert kept.status_code in (200, 201), kept.text
    seen = (await register(alice))["player"]["lastSeen"]
    assert seen >= kept.json()["entry"]["timestamp"] >= before
    assert (await register(alice))["player"]["lastSeen"] == seen


async def test_without_a_token_nobody_is_registered(alice: Alice) -> None:
    del alice.client.headers["authorization"]
    assert (await alice.client.post(PLAYER, json=ALICE)).status_code == 401
