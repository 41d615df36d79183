"""Events that wait for their turn are one change, and each has the answer that is its own."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from httpx2 import Response

from tests.node.api.test_snapshots import PLACE, put
from tests.node.api.test_snapshots import main as main
from tests.node.api.test_uploads_together import changes
from tests.node.parts import Alice
from tests.node.services.test_joining import until
from universe import record


def are_waiting(alice: Alice, count: int) -> bool:
    return len(alice.node.tellings) == count


async def together(alice: Alice, bodies: Sequence[dict[str, Any]]) -> list[Response]:
    begun = list[asyncio.Task[Response]]()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks, alice.node.making:
        for body in bodies:  # one after the other, so that they come in this order
            told = {"type": "union", "tick": 5, "timestamp": 1_000, **body}
            begun.append(tasks.create_task(alice.client.post(f"{PLACE}/timeline", json=told)))
            await until(partial(are_waiting, alice, len(begun)))
    return [one.result() for one in begun]


async def titles(alice: Alice) -> list[str]:
    answer = await alice.client.get(f"{PLACE}/timeline")
    return sorted(one["title"] for one in answer.json()["entries"] if one.get("event"))


async def test_events_that_wait_are_one_change(alice: Alice) -> None:
    kept = await put(alice, b"state", "tick=5")
    before = await changes(alice)
    answers = await together(
        alice,
        [
            {"title": "Ada"},
            {"title": "of none", "snapshot": "ab" * 32},
            {"title": "Eve", "snapshot": kept["id"]},
            {"title": "Ada"},
        ],
    )
    assert [one.status_code for one in answers] == [201, 404, 201, 201]
    assert answers[1].json()["code"] == "unknown-snapshot"
    first, _, second, again = (one.json() for one in answers)
    assert first["id"] == again["id"] != second["id"]
    assert second["entry"]["names"] == kept["id"]
    assert await changes(alice) == before + 1
    assert await titles(alice) == ["Ada", "Eve"]


async def test_an_event_that_has_no_room_is_refused_and_the_others_are_not(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "EVENTS_MAX", 2)
    answers = await together(alice, [{"title": title} for title in ("a", "b", "c", "a")])
    assert [one.status_code for one in answers] == [201, 201, 507, 201]
    assert answers[2].json()["code"] == "universe-full"
    assert await titles(alice) == ["a", "b"]


async def test_as_many_events_as_a_change_holds_go_together(alice: Alice) -> None:
    before = await changes(alice)
    many = [{"title": f"The {number}.", "description": "x" * 2_000} for number in range(40)]
    answers = await together(alice, many)
    assert {one.status_code for one in answers} == {201}
    assert 2 <= await changes(alice) - before <= 4
    assert len(await titles(alice)) == 40
