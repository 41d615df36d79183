"""A record goes out of sight, comes back, and goes for good."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crdt.change import DocumentId, Signer, device_capabilities
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, DeviceKey
from crdt.statement import DROP_HEADS_MAX
from node.identity import open_author
from registry.deletion import is_deleted
from tests.node.api.test_devices import carry
from tests.node.api.test_install import ADDER, publish
from tests.node.api.test_namespaces import post
from tests.node.modules import ADD, new_module
from tests.node.parts import Alice, open_alice
from tests.storage.people import Person, named

PATH = "/api/records/deletion"


async def delete(
    at: Alice, status: int = 200, record: str = ADDER, **body: object
) -> dict[str, Any]:
    answer = await at.client.post(PATH, json={"record": record, **body})
    assert answer.status_code == status, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def listed(at: Alice) -> list[str]:
    return [one["id"] for one in (await at.client.get("/api/modules")).json()["modules"]]


async def test_what_is_deleted_is_out_of_sight_and_comes_back(alice: Alice) -> None:
    await publish(alice, ADDER, "1.0.0")
    before = (await alice.client.get(f"/api/modules/{ADDER}")).json()
    assert (await delete(alice, 409, undo=True))["code"] == "not-deleted"
    assert (await delete(alice, 409, for_good=True))["code"] == "not-deleted"
    assert (await delete(alice))["deleted"]
    assert await listed(alice) == []
    assert (await delete(alice, 409))["code"] == "deleted"
    assert not (await delete(alice, undo=True))["deleted"]
    assert (await alice.client.get(f"/api/modules/{ADDER}")).json() == before


async def test_for_good_takes_the_bytes_along(alice: Alice) -> None:
    await publish(alice, ADDER, "1.0.0")
    await delete(alice)
    gone = await delete(alice, for_good=True)
    assert (gone["for_good"], gone["entries_dropped"]) == (True, 2)
    assert gone["bytes_freed"] > 0
    assert (await delete(alice, 404, undo=True))["code"] == "unknown-module"
    assert await listed(alice) == []


async def test_what_was_let_go_does_not_begin_anew(alice: Alice) -> None:
    """Its numbers would be used twice, wherever somebody still holds what was there."""
    await publish(alice, ADDER, "1.0.0")
    await delete(alice)
    await delete(alice, for_good=True)
    answer = await alice.client.post("/api/modules", json=new_module(ADDER, "1.1.0", ADD))
    assert (answer.status_code, answer.json()["code"]) == (409, "let-go")


async def test_nobody_deletes_what_is_anothers(alice: Alice) -> None:
    assert (await delete(alice, 404))["code"] == "unknown-module"


async def test_what_is_deleted_is_not_published_unseen(alice: Alice) -> None:
    await publish(alice, ADDER, "1.0.0")
    await delete(alice)
    answer = await alice.client.post("/api/modules", json=new_module(ADDER, "1.1.0", ADD))
    assert (answer.status_code, answer.json()["code"]) == (409, "deleted")
    await delete(alice, undo=True)
    await publish(alice, ADDER, "1.1.0")
    assert await listed(alice) == [ADDER]


async def test_a_rating_is_a_record_too(alice: Alice) -> None:
    """And so is whatever else lies in a subspace, known here or not."""
    await publish(alice, ADDER, "1.0.0")
    url = f"/api/modules/{ADDER}/ratings"

    async def count() -> int:
        return int((await alice.client.get(url)).json()["count"])

    did = alice.node.identity.did
    record = f"rate/mod/{did}/{ADDER}"
    assert (await delete(alice, 404, record))["code"] == "unknown-record"
    await alice.client.post(url, json={"stars": 4})
    assert (await delete(alice, record=record))["record"] == f"{did}/{record}"
    assert await count() == 0
    await delete(alice, record=f"{did}/{record}", undo=True)
    assert await count() == 1
    await delete(alice, record=f"/{record}")
    await alice.client.post(url, json={"stars": 5})
    assert await count() == 1, "said anew"
    await delete(alice, record=record)
    assert (await delete(alice, record=record, for_good=True))["entries_dropped"] == 6
    genome = DocumentId(COMMONS, alice.node.identity.author, "pub", "gen", b"moss")
    store, signer = alice.node.store, alice.node.identity.signer
    await store.commit(genome, lambda editor: editor.put(("head", "name"), "moss"), signer)
    await delete(alice, record="pub/gen/moss")
    state = await store.read(genome)
    assert state is not None
    assert is_deleted(state.value)
    assert (await delete(alice, record="pub/gen/moss", for_good=True))["entries_dropped"] == 2
    assert await store.read(genome) is None


@pytest.mark.parametrize(
    "record", ["_auth/log/authority", "pub/GEN/x", "pub//x", "pub/gen/" + "x" * 256, "x/pub/gen/y"]
)
async def test_what_names_no_record(alice: Alice, record: str) -> None:
    answer = await alice.client.post(PATH, json={"record": record})
    assert answer.status_code in (400, 404, 422), answer.text


async def test_only_the_owner_lets_it_go(alice: Alice, tmp_path: Path) -> None:
    """Who may write there may take it out of sight, and no more."""
    await publish(alice, ADDER, "1.0.0")
    async with open_alice(tmp_path / "bob") as bob:
        wanted = {"to": bob.node.identity.did, "record": ADDER}
        code = (await post(alice, "/api/grants", wanted))["code"]
        await post(bob, "/api/invites/accept", {"code": code}, 200)
        await carry(alice, bob)
        name = f"{alice.node.identity.did}/{ADDER}"
        await delete(bob, record=name)
        assert (await delete(bob, 403, name, for_good=True))["code"] == "no-capability"
        await carry(bob, alice)
    assert await listed(alice) == []
    await delete(alice, undo=True)
    assert await listed(alice) == [ADDER]


async def test_more_heads_than_one_statement_names(alice: Alice) -> None:
    """As many devices wrote at once; the mark itself rolled the record over."""
    author = open_author(alice.node.home)
    clock = DocumentId(COMMONS, alice.node.identity.author, "pub", "mod", b"org.example.clock")
    draft = Person(author, alice.node.identity.signer)
    entries = [
        replace(draft, signer=Signer(device, clock.subspace, device_capabilities(author, key)))
        .writes(clock, named(f"clock {n}"))[0]
        for n in range(DROP_HEADS_MAX + 1)
        for device in [SigningKey.from_seed(n.to_bytes(32, "big"))]
        for key in [DeviceKey(device.public)]
    ]  # fmt: skip
    for at in range(0, len(entries), 200):
        taken = await alice.node.store.receive(entries[at : at + 200], source="peer")
        assert not taken.refused
    await delete(alice, record="org.example.clock")
    held = await alice.node.store.heads_held(clock)
    assert [one.epoch for one, _ in held] == [0, 1]
    assert len(held[0][1]) > DROP_HEADS_MAX
    gone = await delete(alice, record="org.example.clock", for_good=True)
    assert gone["entries_dropped"] > DROP_HEADS_MAX
    assert await alice.node.store.heads_held(clock) == []
