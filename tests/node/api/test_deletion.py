"""A module goes out of sight, comes back, and goes for good."""

from typing import Any

from tests.node.api.test_install import ADDER, publish
from tests.node.modules import ADD, new_module
from tests.node.parts import Alice

PATH = f"/api/modules/{ADDER}/deletion"


async def delete(at: Alice, status: int = 200, **body: object) -> dict[str, Any]:
    answer = await at.client.post(PATH, json=body)
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
