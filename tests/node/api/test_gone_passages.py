"""Passages to universes that their owner deleted, and who is in one."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from crdt.keys import COMMONS
from node.services.passages import Ferry
from node.services.travel import Gatekeeper
from tests.node.api.test_passages import (
    FAR,
    FOX,
    MAIN,
    PASSAGE,
    PASSAGES,
    has_universe,
    ok,
    proposed,
)
from tests.node.parts import Alice, open_alice


@pytest_asyncio.fixture
async def alice(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path) as alice:
        for id in (MAIN, FAR):
            await has_universe(alice, id)
        yield alice


async def answer(alice: Alice, id: str) -> list[str]:
    """What the gate of it signs now."""
    node = alice.node
    keeper = Gatekeeper(Ferry(node.store, node.identity, node.clock_us, COMMONS), node.gating)
    return [one.receipt.kind for one in await keeper.answer(f"{node.identity.did}/{id}")]


async def test_a_passage_to_what_was_deleted_leads_nowhere_and_who_is_there_stays(
    alice: Alice,
) -> None:
    client, far = alice.client, f"{alice.node.identity.did}/{FAR}"
    one = await proposed(alice, arrivals="ask")
    assert (one["active"], one["state"], one["gone"]) == (True, "open", [])
    path = f"{PASSAGE}/{one['id']}"
    for number, soul in ((1, "fox"), (2, "hen"), (3, "cat")):
        wish = {"soul": soul, "data": FOX, "from": MAIN, "migration": f"{number:032x}"}
        ok(await client.post(f"{path}/travel", json=wish))
        if soul != "hen":
            yes = {"migration": f"{number:032x}", "accept": True}
            ok(await client.post(f"{path}/decide", json=yes))
    back = {"soul": "cat", "data": FOX, "from": FAR, "migration": f"{4:032x}"}
    ok(await client.post(f"{path}/travel", json=back))
    ok(await client.delete(f"/api/universe/{FAR}"))
    shown = ok(await client.get(path))["passage"]
    assert (shown["active"], shown["state"], shown["gone"]) == (False, "gone", [far])
    assert ok(await client.get(PASSAGES))["passages"] == [shown]
    told = {one["soul"]: one for one in ok(await client.get(f"{path}/travellers"))["travellers"]}
    assert {soul: (one["state"], one.get("gone", False)) for soul, one in told.items()} == {
        "fox": ("in", True), "hen": ("in-transit", True), "cat": ("in-transit", False),
    }  # fmt: skip
    # Who is there neither leaves nor is called back, and nothing is signed.
    recall = {"migration": f"{1:032x}", "from": MAIN}
    fox = ok(await client.post(f"{path}/recall", json=recall))["traveller"]
    assert (fox["state"], fox["universe"]) == ("in", far)
    away = {"soul": "fox", "data": FOX, "from": FAR, "migration": f"{5:032x}"}
    stays = await client.post(f"{path}/travel", json=away)
    assert (stays.status_code, stays.json()["code"]) == (409, "deleted")
    record = f"{alice.node.identity.did}/universe/{FAR}"
    assert f"panspermia delete {record} --undo" in stays.json()["detail"]
    # Who is on the way there comes back, and who had left it and is called back returns to it.
    recall = {"migration": f"{4:032x}", "from": FAR}
    ok(await client.post(f"{path}/recall", json=recall))
    assert await answer(alice, FAR) == ["refusal"]
    assert await answer(alice, MAIN) == ["return", "refusal"], "own ones come back first"
    assert await answer(alice, FAR) == ["return"]
    told = ok(await client.get(f"{path}/travellers"))["travellers"]
    assert {(one["soul"], one["universe"].partition("/")[2], one["state"]) for one in told} == {
        ("fox", FAR, "in"), ("hen", MAIN, "in"), ("cat", FAR, "in"),
    }  # fmt: skip
    # Its owner brings it back, and with it those who are there.
    undo = {"record": record, "undo": True}
    ok(await client.post("/api/records/deletion", json=undo))
    assert ok(await client.get(path))["passage"]["state"] == "open"
    assert ok(await client.post(f"{path}/travel", json=away))["traveller"]["state"] == "in-transit"
    ok(await client.delete(path))
    ok(await client.delete(f"/api/universe/{FAR}"))
    closed = ok(await client.get(path))["passage"]
    assert (closed["state"], closed["gone"]) == ("closed", [far])
