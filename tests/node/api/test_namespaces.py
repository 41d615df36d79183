"""A group of one's own over HTTP: made, published in, apart from what is public, and left."""

import os
from pathlib import Path
from typing import Any

import httpx2
import pytest

from crdt.area import Area
from crdt.capability import READ, WRITE, delegate, encode_capability, own
from crdt.did import decode_did_key, encode_did_key
from crdt.ed25519 import SigningKey
from crdt.keys import is_communal
from node.failure import Json
from node.home import Home
from node.identity import export_author, import_author, load_or_create
from node.services import namespaces as services
from storage import namespaces
from storage.keyfiles import is_sealed, read_key
from tests.node.modules import NOTHING, calling, new_module
from tests.node.parts import Alice, open_alice
from tests.storage.test_namespaces import GROUP

ADD = "org.example.add"
MEADOW = encode_did_key(bytes([2]) * 32)
"""Communal: anybody may join."""
GUILD = encode_did_key(GROUP.public)
PASSPHRASE = "correct horse battery"


async def post(alice: Alice, path: str, body: dict[str, Any], status: int = 201) -> Json:
    answer = await alice.client.post(path, json=body)
    assert answer.status_code == status, answer.text
    told: Json = answer.json()
    return told


async def created(alice: Alice, name: str = "guild") -> str:
    did: str = (await post(alice, "/api/namespaces", {"name": name}))["did"]
    return did


async def found(alice: Alice, query: str) -> list[tuple[str, str]]:
    answer = await alice.client.get(f"/api/search?{query}")
    assert answer.status_code == 200, answer.text
    return sorted((one["name"], one["namespace"]) for one in answer.json()["results"])


def problem(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def to_root(alice: Alice, mode: int = WRITE, area: Area | None = None) -> str:
    """What the guild gives to alice: her own subspace to write, or all of it to read."""
    owner = own(GROUP, mode, GROUP.public)
    author = alice.node.identity.author
    area = area or (Area(author) if mode == WRITE else Area())
    return encode_capability(delegate(owner, GROUP, area, author)).hex()


async def test_made_and_listed(alice: Alice) -> None:
    made = await post(alice, "/api/namespaces", {"name": "guild"})
    assert (made["kind"], made["records"], made["peers"]) == ("owned", 0, 0)
    assert made["rights"] == "read everything, write what is yours, administer"
    assert made["can_publish"]
    assert not is_communal(decode_did_key(made["did"]))
    listed = (await alice.client.get("/api/namespaces")).json()["namespaces"]
    assert [one["name"] for one in listed] == ["commons", "guild"]
    assert listed[0]["kind"] == "communal"
    assert listed[1] == made
    key = alice.node.home.namespaces / f"{decode_did_key(made['did']).hex()}.key"
    assert SigningKey.from_seed(read_key(key)).public == decode_did_key(made["did"])
    assert key.stat().st_mode & 0o777 == 0o600
    again = await alice.client.post("/api/namespaces", json={"name": "guild"})
    assert problem(again) == (409, "name-taken")
    odd = await alice.client.post("/api/namespaces", json={"name": "The Guild"})
    assert odd.status_code == 422


async def test_nothing_is_left_of_one_too_many(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await created(alice)
    for module in (namespaces, services):
        monkeypatch.setattr(module, "JOINED_MAX", 1)
    held = len(await alice.node.store.capabilities_held())
    answer = await alice.client.post("/api/namespaces", json={"name": "another"})
    assert (answer.status_code, answer.json()["code"]) == (507, "over-quota")
    assert len(list(alice.node.home.namespaces.iterdir())) == 1
    assert len(await alice.node.store.capabilities_held()) == held


async def test_what_is_published_there_is_no_part_of_commons(alice: Alice) -> None:
    did = await created(alice)
    published = await post(alice, "/api/modules", {**new_module(), "namespace": "guild"})
    assert published["namespace"] == did
    assert (await alice.client.get("/api/modules")).json()["modules"] == []
    for name in ("guild", did):
        (listed,) = (await alice.client.get(f"/api/modules?namespace={name}")).json()["modules"]
        one = await alice.client.get(f"/api/modules/{ADD}?namespace={name}")
        assert one.json() == listed
        assert listed["namespace"] == did
    assert await found(alice, "q=adds") == [("add", did)]
    assert await found(alice, "q=adds&namespace=commons") == []
    wasm = await alice.client.get(f"/api/modules/{ADD}/versions/1.0.0/wasm?namespace=guild")
    assert wasm.status_code == 200
    checks = await alice.client.get(f"/api/modules/{ADD}/versions/1.0.0/verify?namespace=guild")
    assert checks.json()["ok"], checks.json()
    elsewhere = await alice.client.get(f"/api/modules/{ADD}")
    assert problem(elsewhere) == (404, "unknown-module")
    assert "--namespace guild" in elsewhere.json()["detail"]


async def test_one_id_in_both_is_two_modules(alice: Alice) -> None:
    did = await created(alice)
    await post(alice, "/api/modules", {**new_module(version="1.0.0"), "namespace": "guild"})
    await post(alice, "/api/modules", new_module(version="2.0.0", text=NOTHING))
    versions = {
        name: (await alice.client.get(f"/api/modules/{ADD}?namespace={name}")).json()
        for name in ("commons", "guild")
    }
    assert [one["latest_version"] for one in versions.values()] == ["2.0.0", "1.0.0"]
    await post(alice, f"/api/modules/{ADD}/ratings?namespace=guild", {"stars": 2})
    await post(alice, f"/api/modules/{ADD}/ratings", {"stars": 5})
    for name, stars in (("commons", 5), ("guild", 2)):
        ratings = (await alice.client.get(f"/api/modules/{ADD}/ratings?namespace={name}")).json()
        assert (ratings["average"], ratings["count"]) == (stars, 1)
    yanked = await alice.client.post(
        f"/api/modules/{ADD}/versions/1.0.0/yank?namespace=guild", json={"reason": "old"}
    )
    assert yanked.json()["yanked"], yanked.text
    assert not (await alice.client.get(f"/api/modules/{ADD}")).json()["versions"][0]["yanked"]
    assert await found(alice, "q=adds") == [("add", "commons"), ("add", did)]


async def test_what_is_installed_from_there_stays_with_it(alice: Alice) -> None:
    did = await created(alice)
    await post(alice, "/api/modules", {**new_module(version="1.0.0"), "namespace": "guild"})
    double = new_module("org.example.twice", text=calling(ADD), needs={ADD: "^1"})
    await post(alice, "/api/modules", {**double, "namespace": "guild"})
    wanted = {"requirements": ["org.example.twice"]}
    answer = await alice.client.post("/api/install", json=wanted)
    assert problem(answer) == (404, "unknown-module")
    assert "--namespace guild" in answer.json()["detail"]
    await post(alice, "/api/install", {**wanted, "namespace": "guild"}, 200)
    # A newer one in commons is none of its business, a newer one there is.
    await post(alice, "/api/modules", new_module(version="1.5.0", text=NOTHING))
    assert (await alice.client.get("/api/outdated")).json() == {"outdated": []}
    await post(alice, "/api/modules", {**new_module(version="1.1.0"), "namespace": "guild"})
    (newer,) = (await alice.client.get("/api/outdated")).json()["outdated"]
    assert newer["latest"] == "1.1.0"
    await post(alice, "/api/install", {"requirements": [f"{ADD}@^1.1"]}, 200)
    installed = (await alice.client.get("/api/installed")).json()["installed"]
    assert {(one["version"], one["namespace"]) for one in installed} == {
        ("1.1.0", did), ("1.0.0", did),
    }  # fmt: skip
    ran = await alice.client.post(
        "/api/run", json={"id": "org.example.twice", "export": "double", "args": [4]}
    )
    assert ran.json()["results"][0]["value"] == 8, ran.text


async def test_no_rights_no_publishing(alice: Alice) -> None:
    unknown = await alice.client.post("/api/modules", json={**new_module(), "namespace": "nowhere"})
    assert problem(unknown) == (404, "unknown-namespace")
    await post(alice, "/api/capabilities", {"capability": to_root(alice, READ)})
    joined = await post(alice, "/api/namespaces", {"name": "guild", "did": GUILD})
    assert (joined["rights"], joined["can_publish"]) == ("read everything", False)
    refused = await alice.client.post("/api/modules", json={**new_module(), "namespace": "guild"})
    assert problem(refused) == (403, "no-capability")
    counts = await alice.node.store.counts()
    assert (counts.entries, counts.blobs) == (0, 0)
    area = Area(alice.node.identity.author, (b"pub",))
    kept = await post(alice, "/api/capabilities", {"capability": to_root(alice, WRITE, area)})
    assert [one["path"] for one in kept["capabilities"]] == ["/pub", "/pub"]
    await post(alice, "/api/modules", {**new_module(), "namespace": "guild"})
    (_, guild) = (await alice.client.get("/api/namespaces")).json()["namespaces"]
    assert guild["rights"] == "read everything, write what is yours under /pub"
    assert guild["can_publish"]
    assert (guild["records"], guild["entries"]) == (1, 1)


def with_last_bit_flipped(capability: str) -> str:
    return f"{int(capability, 16) ^ 1:0{len(capability)}x}"


async def test_a_capability_is_kept_for_whom_it_is_given_to(alice: Alice) -> None:
    await post(alice, "/api/capabilities", {"capability": to_root(alice)})
    listed = (await alice.client.get("/api/capabilities")).json()["capabilities"]
    me = alice.node.identity
    assert [(one["receiver"], one["path"]) for one in listed[:1]] == [(me.did, "/")]
    assert {(one["receiver"], one["path"]) for one in listed[1:]} == {
        (me.device_did, path) for path in ("/pub", "/rate", "/_ck")
    }
    for mangled, code in (
        (with_last_bit_flipped(to_root(alice)), "bad-delegation"),
        (to_root(alice) + "00", "trailing-bytes"),
        ("abc", "truncated"),
    ):
        answer = await alice.client.post("/api/capabilities", json={"capability": mangled})
        assert answer.json()["code"] == code, answer.text
    others = encode_capability(own(GROUP, READ, bytes([7]) * 32)).hex()
    answer = await alice.client.post("/api/capabilities", json={"capability": others})
    assert problem(answer) == (403, "not-the-receiver")
    assert len((await alice.client.get("/api/capabilities")).json()["capabilities"]) == 4


async def test_who_was_not_let_in_is_told_whom_to_ask(alice: Alice) -> None:
    answer = await alice.client.post("/api/namespaces", json={"name": "guild", "did": GUILD})
    assert problem(answer) == (403, "no-capability")
    assert alice.node.identity.did in answer.json()["detail"]
    code = await alice.client.post("/api/namespaces", json={"name": "g", "did": "psp1-abc"})
    assert "panspermia accept" in code.json()["detail"]


async def test_anybody_joins_a_communal_one_and_leaves_it(alice: Alice) -> None:
    joined = await post(alice, "/api/namespaces", {"name": "meadow", "did": MEADOW})
    assert (joined["kind"], joined["rights"]) == (
        "communal",
        "read everything, write what is yours",
    )
    assert joined["can_publish"]
    await post(alice, "/api/modules", {**new_module(), "namespace": "meadow"})
    assert await found(alice, "q=adds") == [("add", MEADOW)]
    assert (await alice.client.delete("/api/namespaces/meadow")).status_code == 204
    assert await found(alice, "q=adds") == []
    for name, status in (("meadow", 404), ("commons", 400)):
        assert (await alice.client.delete(f"/api/namespaces/{name}")).status_code == status
    again = await post(alice, "/api/namespaces", {"name": "again", "did": MEADOW})
    assert again["records"] == 1, "what was here of it stayed"


async def test_where_the_authors_key_is_sealed_its_passphrase_makes_and_seals(
    tmp_path: Path, alice: Alice
) -> None:
    exported = export_author(alice.node.home, PASSPHRASE, os.urandom)
    import_author(Home(tmp_path / "second"), exported, PASSPHRASE, os.urandom)
    async with open_alice(tmp_path / "second") as second:
        body = {"name": "guild"}
        answer = await second.client.post("/api/namespaces", json=body)
        assert problem(answer) == (403, "sealed")
        wrong = await second.client.post("/api/namespaces", json={**body, "passphrase": "x"})
        assert wrong.status_code == 403
        assert not second.node.home.namespaces.exists()
        assert (await second.client.get("/api/capabilities")).json()["capabilities"] == []
        await post(second, "/api/namespaces", {**body, "passphrase": PASSPHRASE})
        (key,) = second.node.home.namespaces.iterdir()
        assert is_sealed(key)
        await post(second, "/api/modules", {**new_module(), "namespace": "guild"})


@pytest.mark.parametrize("name", ["guild", "commons"])
async def test_a_home_outlives_its_process(tmp_path: Path, name: str) -> None:
    async with open_alice(tmp_path / "home") as alice:
        await created(alice)
        await post(alice, "/api/modules", {**new_module(), "namespace": name})
    async with open_alice(tmp_path / "home") as alice:
        one = await alice.client.get(f"/api/modules/{ADD}?namespace={name}")
        assert one.status_code == 200
        assert load_or_create(Home(tmp_path / "home"), os.urandom).did == alice.node.identity.did
