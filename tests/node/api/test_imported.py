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


async def test_what_was_made_elsewhere_before_is_as_old_as_it_is(alice: Alice) -> None:
    post, get = alice.client.post, alice.client.get
    old = {"id": "universe:old", "name": "Old", "createdAt": THEN_MS}
    for _ in range(2):
        made = (await post("/api/universe", json=old)).json()
        assert made["universe"]["createdAt"] == THEN_MS
    assert made["state"] == "unchanged"
    await post(f"{PLACE}/snapshot", params={"tick": "3"}, content=b"state")
    begun = {"name": "Fork", "id": "universe:fork", "createdAt": THEN_MS + 1, "config": {"a": 1}}
    fork = (await post(f"{PLACE}/fork", json=begun)).json()["universe"]
    assert (fork["createdAt"], fork["config"]) == (THEN_MS + 1, {"a": 1})
    passage = {
        "id": "passage:1", "sourceUniverseId": "universe:old", "targetUniverseId": "universe:fork",
        "stability": 70, "createdAt": THEN_MS + 2, "lastMaintenance": THEN_MS + 3,
    }  # fmt: skip
    shown = (await post("/api/passage", json=passage)).json()["passage"]
    assert (shown["createdAt"], shown["lastMaintenance"]) == (THEN_MS + 2, THEN_MS + 3)
    assert (shown["active"], shown["stability"]) == (True, 70)
    player = {"id": "player:1", "displayName": "Ada", "createdAt": THEN_MS + 4}
    assert (await post("/api/player", json=player)).json()["player"]["createdAt"] == THEN_MS + 4
    # Said again without it, or younger, it is not made anew; and nothing is from tomorrow.
    later = {"id": "universe:old", "name": "Old", "createdAt": THEN_MS + 9}
    assert (await post("/api/universe", json=later)).json()["state"] == "unchanged"
    renamed = {"id": "universe:old", "name": "Older"}
    assert (await post("/api/universe", json=renamed)).json()["universe"]["createdAt"] == THEN_MS
    far = {"id": "universe:far", "name": "Far", "createdAt": 10**14}
    found = (await post("/api/universe", json=far)).json()["universe"]
    assert found["createdAt"] == found["updatedAt"] < 10**14
    assert (await get("/api/universe/universe:fork")).json()["universe"]["config"] == {"a": 1}


@pytest.mark.parametrize("at", [-1, 10**15, "soon"])
async def test_a_universe_that_cannot_be_so_old_is_refused(alice: Alice, at: object) -> None:
    body = {"id": "universe:old", "name": "Old", "createdAt": at}
    assert (await alice.client.post("/api/universe", json=body)).status_code == 422
