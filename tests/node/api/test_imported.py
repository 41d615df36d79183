"""States that were kept elsewhere before: they are as old as they are."""

from typing import Any

import pytest

from tests.node.parts import Alice

THEN_MS = 1_700_000_000_123
PLACE = "/api/universe/universe:old"
EVENT = '{"type": "birth", "title": "Ada"}'


@pytest.mark.parametrize("is_wrapped", [False, True])
async def test_a_snapshot_says_when_it_was_taken(alice: Alice, is_wrapped: bool) -> None:
    made = await alice.client.post("/api/universe", json={"id": "universe:old", "name": "Old"})
    assert made.status_code == 201
    at = {"at": str(THEN_MS * 1_000)}
    if is_wrapped:
        event = {"type": "birth", "title": "Ada"}
        body: dict[str, Any] = {"snapshot": {"a": 1}, "tick": 3, "canonEvent": event}
        answer = await alice.client.post(f"{PLACE}/snapshot", params=at, json=body)
    else:
        query = {"tick": "3", "event": EVENT, **at}
        answer = await alice.client.post(f"{PLACE}/snapshot", params=query, content=b"state")
    assert answer.status_code == 201, answer.text
    assert answer.json()["entry"]["timestamp"] == THEN_MS
    listed = (await alice.client.get(f"{PLACE}/snapshots")).json()
    assert [one["timestamp"] for one in listed["snapshots"]] == [THEN_MS]


@pytest.mark.parametrize("at", ["-1", "soon", str(1 << 62)])
async def test_a_time_that_cannot_be_is_refused(alice: Alice, at: str) -> None:
    await alice.client.post("/api/universe", json={"id": "universe:old", "name": "Old"})
    query = {"tick": "3", "at": at}
    answer = await alice.client.post(f"{PLACE}/snapshot", params=query, content=b"state")
    assert answer.status_code in (400, 422)
    listed = (await alice.client.get(f"{PLACE}/snapshots")).json()
    assert listed["snapshots"] == []
