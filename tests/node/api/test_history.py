"""The signed history of a name, and whether what is installed is what was signed."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from crdt.keys import COMMONS
from tests.node.api.test_install import ADDER, give, install, publish, shared
from tests.node.api.test_rights import ADD, let_in, put, record_of, twin_of
from tests.node.modules import new_module
from tests.node.parts import Alice, open_alice


@pytest_asyncio.fixture
async def bob(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path / "bob") as bob:
        yield bob


async def test_who_did_what_by_which_device_and_right(alice: Alice, bob: Alice) -> None:
    await publish(bob, ADDER, "1.0.0")
    path = f"/api/modules/{ADDER}/versions/1.0.0"
    for body in ({"reason": "It adds wrongly."}, {"undo": True}):
        assert (await bob.client.post(f"{path}/yank", json=body)).status_code == 200
    assert (await bob.client.post(f"{path}/deprecate", json={"reason": "Old."})).status_code == 200
    await publish(bob, ADDER, "1.1.0")
    await give(bob, alice)
    answer = await alice.client.get(f"/api/modules/{ADDER}/history")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert [one["words"] for one in told["events"]] == [
        "released 1.0.0",
        "yanked 1.0.0: It adds wrongly.",
        "took back the yank of 1.0.0",
        "deprecated 1.0.0: Old.",
        "released 1.1.0",
    ]
    assert (told["whole"], told["equivocations"]) == (True, [])
    first = told["events"][0]
    identity = bob.node.identity
    assert (first["device"], first["counts"]) == (identity.device_did, True)
    assert first["chain"] == [identity.did, identity.device_did]
    assert len(first["entry"]) == len(first["capability"]) == 64
    missing = await alice.client.get("/api/modules/org.example.none/history")
    assert missing.json()["code"] == "unknown-module"


async def test_what_is_installed_is_verified(alice: Alice, bob: Alice) -> None:
    did = await shared(alice, bob)
    empty = (await alice.client.get("/api/installed/verify")).json()
    assert empty == {"ok": True, "modules": []}
    await install(alice, f"{ADDER}@1.0.0")
    found = (await alice.client.get("/api/installed/verify")).json()
    (one,) = found["modules"]
    assert (found["ok"], one["module"], one["version"]) == (True, f"{did}/{ADDER}", "1.0.0")
    assert {"signature", "sha256", "installed"} <= {check["name"] for check in one["checks"]}
    gone = await bob.client.post("/api/records/deletion", json={"record": ADDER})
    assert gone.status_code == 200, gone.text
    await give(bob, alice)
    left = (await alice.client.get("/api/installed/verify")).json()
    assert [(one["name"], one["ok"]) for one in left["modules"][0]["checks"]] == [
        ("record", False),
        ("sha256", True),
    ]


async def test_two_changes_of_one_number_are_shown_as_proof(alice: Alice) -> None:
    answer = await alice.client.post("/api/modules", json=new_module(ADD))
    assert answer.status_code == 201, answer.text
    bob, store, place = await let_in(alice), alice.node.store, record_of(alice)
    (base,) = await store.told(place)
    (signed,) = await store.entries(COMMONS, [base.id[:16]])
    await store.commit(place, put("bob", "left"), bob)
    await store.receive([twin_of(signed, place, bob)], source="peer")
    told = (await alice.client.get(f"/api/modules/{ADD}/history")).json()
    (fork,) = told["equivocations"]
    assert [one["code"] for one in fork["entries"]] == [None, "lost-branch"]
    lost = [one for one in told["events"] if not one["counts"]]
    assert [(one["code"], one["words"]) for one in lost] == [("lost-branch", "")]
    assert "the other one won" in lost[0]["why"]
    assert [len(one["chain"]) for one in told["events"] if one["counts"]] == [2, 3]
