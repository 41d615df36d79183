"""Alice calls authors as she likes: names stay in her node, what she signs holds keys only."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crdt.did import encode_did_key
from crdt.ed25519 import SigningKey
from node.services.modules import module_document
from registry.module import signed_release_of
from registry.statement import decode_statement
from storage.petnames import PETNAMES_MAX
from tests.node.api.test_install import ADDER, DOUBLER, give, install, publish, versions
from tests.node.modules import calling, new_module
from tests.node.parts import Alice, open_alice

CAROL = encode_did_key(SigningKey.from_seed(bytes([7]) * 32).public)


@pytest_asyncio.fixture
async def bob(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path / "bob") as bob:
        yield bob


async def call(at: Alice, name: str, did: str, **more: object) -> dict[str, Any]:
    answer = await at.client.put(f"/api/names/{name}", json={"author": did, **more})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def names(at: Alice) -> dict[str, str]:
    return {
        one["name"]: one["author"] for one in (await at.client.get("/api/names")).json()["names"]
    }


async def test_named_listed_and_forgotten(alice: Alice) -> None:
    assert await names(alice) == {}
    made = await call(alice, "carol", CAROL)
    assert (made["name"], made["author"], made["before"]) == ("carol", CAROL, None)
    await call(alice, "ca", CAROL)
    assert await names(alice) == {"ca": CAROL, "carol": CAROL}
    one = (await alice.client.get("/api/names/carol")).json()
    assert one == {"name": "carol", "author": CAROL, "noted_at": made["noted_at"]}
    gone = await alice.client.delete("/api/names/carol")
    assert (gone.status_code, gone.content) == (204, b"")
    for method in ("GET", "DELETE"):
        missing = await alice.client.request(method, "/api/names/carol")
        assert (missing.status_code, missing.json()["code"]) == (404, "unknown-petname")
    assert await names(alice) == {"ca": CAROL}


async def test_a_name_never_moves_unasked(alice: Alice) -> None:
    did = alice.node.identity.did
    await call(alice, "carol", CAROL)
    assert (await call(alice, "carol", CAROL))["before"] == CAROL
    taken = await alice.client.put("/api/names/carol", json={"author": did})
    assert (taken.status_code, taken.json()["code"]) == (409, "name-taken")
    assert taken.json()["candidates"] == [CAROL]
    assert all(said in taken.json()["detail"] for said in (CAROL, did, "--replace"))
    assert await names(alice) == {"carol": CAROL}
    moved = await call(alice, "carol", did, replace=True)
    assert (moved["before"], moved["author"]) == (CAROL, did)


@pytest.mark.parametrize(
    "name",
    [
        "Carol", "carol.org", "car%C3%B3l", "%D0%B0lice", "a" * 65, "-carol", "ca%20rol",
        "ca%2Frol", "%0Acarol", "carol%2F",
        "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", "carol%0A", "", "%00",
        "%FF",
    ],
)  # fmt: skip
async def test_what_nobody_can_be_called(alice: Alice, name: str) -> None:
    answer = await alice.client.put(f"/api/names/{name}", json={"author": CAROL})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-name"), answer.text
    assert await names(alice) == {}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"author": "carol"}, "invalid-name"),
        ({"author": "did:key:z6Mk"}, "invalid-name"),
        ({"author": "did:web:example.org"}, "invalid-name"),
        ({"author": "x" * 129}, "invalid-body"),
        ({}, "invalid-body"),
        ({"author": CAROL, "force": True}, "invalid-body"),
    ],
)
async def test_whom_nobody_can_be(alice: Alice, body: dict[str, object], code: str) -> None:
    answer = await alice.client.put("/api/names/carol", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert await names(alice) == {}


async def test_names_are_listed_a_page_at_a_time(alice: Alice) -> None:
    for number in range(5):
        await call(alice, f"n{number}", CAROL)
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await alice.client.get(f"/api/names?limit=2{cursor}")).json()
        seen += [one["name"] for one in page["names"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ["n0", "n1", "n2", "n3", "n4"]
    foreign = await alice.client.get(f"/api/refused?{cursor[1:]}")
    assert (foreign.status_code, foreign.json()["code"]) == (404, "cursor-unknown")


async def test_there_is_an_end_to_names(alice: Alice) -> None:
    for number in range(PETNAMES_MAX):
        await alice.node.store.set_petname(f"n{number}", CAROL)
    answer = await alice.client.put("/api/names/more", json={"author": CAROL})
    assert (answer.status_code, answer.json()["code"]) == (507, "over-quota")
    whole = (await alice.client.get("/api/names?limit=1000")).json()
    assert (len(whole["names"]), whole["next"]) == (PETNAMES_MAX, None)


async def test_a_write_that_is_repeated_happens_once(alice: Alice) -> None:
    key = {"idempotency-key": "name-carol-1"}
    body = {"author": CAROL}
    first = await alice.client.put("/api/names/carol", json=body, headers=key)
    await alice.client.delete("/api/names/carol")
    again = await alice.client.put("/api/names/carol", json=body, headers=key)
    assert (again.json(), again.headers["idempotent-replay"]) == (first.json(), "true")
    assert await names(alice) == {}


async def test_names_outlive_a_restart(tmp_path: Path) -> None:
    async with open_alice(tmp_path / "a") as alice:
        await call(alice, "carol", CAROL)
    async with open_alice(tmp_path / "a") as alice:
        assert await names(alice) == {"carol": CAROL}


async def test_what_is_signed_knows_no_petname(alice: Alice, bob: Alice, tmp_path: Path) -> None:
    """Bob builds on alice's adder by his word for her; a third node has no such word."""
    await publish(alice, ADDER, "1.0.0")
    await give(alice, bob)
    did, bobs = alice.node.identity.did, bob.node.identity.did
    await call(bob, "al", did)
    body = new_module(DOUBLER, "1.0.0", calling(ADDER), needs={f"al/{ADDER}": "^1"})
    answer = await bob.client.post("/api/modules", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["dependencies"] == {f"{did}/{ADDER}": "^1"}

    state = await bob.node.store.read(module_document(bobs, DOUBLER))
    assert state is not None
    signed = signed_release_of(state.value, "1.0.0")
    assert signed is not None
    assert list(decode_statement(signed.statement).dependencies) == [f"{did}/{ADDER}"]

    async with open_alice(tmp_path / "dora") as dora:
        await give(alice, dora)
        await give(bob, dora)
        dora.network.bob = bob.node.store
        await bob.node.store.put_blob(await blob_of(alice, ADDER))
        await install(dora, DOUBLER)
        assert await versions(dora) == {ADDER: "1.0.0", DOUBLER: "1.0.0"}
        run = {"id": DOUBLER, "export": "double", "args": [21]}
        assert (await dora.client.post("/api/run", json=run)).json()["results"] == [
            {"type": "i32", "value": 42}
        ]
        assert await names(dora) == {}


async def blob_of(at: Alice, id: str) -> bytes:
    return (await at.client.get(f"/api/modules/{id}/versions/1.0.0/wasm")).content


async def test_two_spellings_of_one_need(alice: Alice) -> None:
    did = alice.node.identity.did
    await publish(alice, ADDER, "1.0.0")
    await call(alice, "me", did)
    for one, other in ((f"me/{ADDER}", f"{did}/{ADDER}"), (ADDER, f"me/{ADDER}")):
        body = new_module(DOUBLER, needs={one: "^1", other: "^2"})
        answer = await alice.client.post("/api/modules", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-manifest")
        (fault,) = answer.json()["errors"]
        assert fault["pointer"] == f"/dependencies/{other.replace('/', '~1')}"
        assert one in fault["detail"]
        assert other in fault["detail"]


async def test_a_need_of_nobody_is_told_how_to_name(alice: Alice) -> None:
    body = new_module(DOUBLER, needs={f"carol/{ADDER}": "^1", f"dora/{ADDER}": "^1"})
    answer = await alice.client.post("/api/modules", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-petname")
    for name in ("carol", "dora"):
        assert f"panspermia name set {name} did:key:" in answer.json()["detail"]
    assert (await alice.node.store.counts()).entries == 0


async def test_a_petname_stands_wherever_an_author_does(alice: Alice, bob: Alice) -> None:
    did = bob.node.identity.did
    await publish(bob, ADDER, "1.0.0")
    await give(bob, alice)
    await publish(alice, ADDER, "3.0.0")  # so that the bare id is ambiguous
    await alice.search_sees_it()
    await call(alice, "bob", did)
    name, path = f"bob/{ADDER}", f"/api/modules/bob%2F{ADDER}"

    assert (await alice.client.get(path)).json()["author_did"] == did
    version = (await alice.client.get(f"{path}/versions/1.0.0")).json()
    assert version["module"] == f"{did}/{ADDER}"
    assert (await alice.client.get(f"{path}/versions/1.0.0/verify")).json()["ok"]
    assert (await alice.client.get(f"{path}/versions/1.0.0/wasm")).status_code == 200
    rated = await alice.client.post(f"{path}/ratings", json={"stars": 4})
    assert (rated.status_code, rated.json()["average"]) == (201, 4.0)
    yanked = await alice.client.post(f"{path}/versions/1.0.0/yank", json={})
    assert yanked.json()["code"] == "not-your-module"

    for url in ("/api/modules?author=bob", f"/api/modules?author={did}"):
        (found,) = (await alice.client.get(url)).json()["modules"]
        assert found["author_did"] == did
    (hit,) = (await alice.client.get("/api/search?q=adds&author=bob")).json()["results"]
    assert hit["author"] == did

    result = await install(alice, f"{name}@^1")
    assert result["lock"]["requirements"] == {f"{did}/{ADDER}": "^1"}
    run = {"id": name, "export": "add", "args": [1, 2]}
    assert (await alice.client.post("/api/run", json=run)).json()["results"] == [
        {"type": "i32", "value": 3}
    ]
    gone = await alice.client.post("/api/uninstall", json={"ids": [name]})
    assert gone.json()["removed"] == [{"id": f"{did}/{ADDER}", "version": "1.0.0"}]


async def test_one_module_by_two_names_with_two_ranges(alice: Alice, bob: Alice) -> None:
    did = bob.node.identity.did
    await publish(bob, ADDER, "1.0.0")
    await give(bob, alice)
    await call(alice, "bob", did)
    body = {"requirements": [f"bob/{ADDER}@^1", f"{did}/{ADDER}@*"]}
    answer = await alice.client.post("/api/resolve", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "asked-twice")
    await install(alice, f"bob/{ADDER}@^1", f"{did}/{ADDER}@^1", f"{ADDER}@^1")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"/api/modules/carol%2F{ADDER}", None),
        ("GET", f"/api/modules/carol%2F{ADDER}/ratings", None),
        ("GET", "/api/modules?author=carol", None),
        ("GET", "/api/search?author=carol", None),
        ("POST", "/api/resolve", {"requirements": [f"carol/{ADDER}"]}),
        ("POST", "/api/install", {"requirements": [f"carol/{ADDER}@^1"]}),
        ("POST", "/api/uninstall", {"ids": [f"carol/{ADDER}"]}),
        ("POST", "/api/run", {"id": f"carol/{ADDER}", "export": "add"}),
    ],
)
async def test_who_is_nobody_is_told_how_to_name(
    alice: Alice, method: str, path: str, body: dict[str, object] | None
) -> None:
    answer = await alice.client.request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-petname"), answer.text
    assert "panspermia name set carol did:key:" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/modules?author=Carol",
        "/api/modules?author=%00",
        "/api/search?author=did:key:zBob",
        f"/api/modules/Carol%2F{ADDER}",
    ],
)
async def test_what_names_no_author_is_said(alice: Alice, path: str) -> None:
    answer = await alice.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-name")


async def test_an_ambiguous_name_shows_whom_one_knows(alice: Alice, bob: Alice) -> None:
    did = bob.node.identity.did
    await publish(bob, ADDER, "1.0.0")
    await give(bob, alice)
    await publish(alice, ADDER, "1.0.0")
    await call(alice, "bob", did)
    answer = (await alice.client.get(f"/api/modules/{ADDER}")).json()
    assert answer["candidates"] == sorted(
        f"{author}/{ADDER}" for author in (did, alice.node.identity.did)
    )
    assert f"{did}/{ADDER} (bob/{ADDER})" in answer["detail"]


async def test_a_path_beside_a_module_is_no_module(alice: Alice) -> None:
    await publish(alice, ADDER, "1.0.0")
    await call(alice, "me", alice.node.identity.did)
    for owner in ("", "me%2F", f"{alice.node.identity.did}%2F"):
        for path in ("", "/ratings", "/versions/1.0.0", "/versions/1.0.0/verify"):
            answer = await alice.client.get(f"/api/modules/{owner}{ADDER}{path}")
            assert answer.status_code == 200, answer.text
