"""Bytes that are there, sent again: what is new of what is said with them is kept, once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from tests.node.api.test_snapshots import AT, PLACE, listed, main, put
from tests.node.parts import Alice

__all__ = ["main"]  # a fixture of each test

EVE = {
    "type": "birth", "title": "Eve", "description": "The first.", "day": 1, "importance": 9,
    "entities": ["eve"],
}  # fmt: skip
STATE: dict[str, Any] = {"snapshot": {"a": 1}, "tick": 5, "day": 1, "type": "canonical"}


@pytest_asyncio.fixture(autouse=True)
async def all_is_kept(alice: Alice, main: None) -> AsyncIterator[None]:
    everything: dict[str, Any] = {"retention": {"auto": {}}}
    assert (await alice.client.post(f"{PLACE}/prune", json=everything)).status_code == 200
    yield


async def sent(alice: Alice, status: int, **said: object) -> dict[str, Any]:
    answer = await alice.client.post(AT, json=STATE | said)
    assert answer.status_code == status, answer.text
    done: dict[str, Any] = answer.json()
    return done


async def told(alice: Alice) -> list[tuple[int, str, str]]:
    entries = (await alice.client.get(f"{PLACE}/timeline")).json()["entries"]
    return [(one["tick"], one["type"], one["title"]) for one in entries if one["type"] == "birth"]


async def test_an_event_that_comes_later_with_known_bytes_is_told(alice: Alice) -> None:
    await sent(alice, 201)
    done = await sent(alice, 201, canonEvent=EVE)
    assert done["entry"]["canonEvent"] == EVE
    for _ in range(2):  # whoever heard no answer says all of it again, at another time
        again = await sent(alice, 200, canonEvent=EVE)
        assert (again["known"], again["id"], again["entry"]) == (True, done["id"], done["entry"])
    # Whoever says less of it than is there says nothing new, and hears what is there.
    less = await sent(alice, 200)
    assert less["entry"] == done["entry"]
    twin = EVE | {"entities": ["lilith"]}
    assert (await sent(alice, 201, canonEvent=twin))["entry"]["canonEvent"] == twin
    assert (await sent(alice, 200, canonEvent=EVE))["id"] == done["id"]
    assert await told(alice) == [(5, "birth", "Eve"), (5, "birth", "Eve")]
    found = await listed(alice)
    assert [one.get("canonEvent") for one in found] == [None, EVE, twin]
    assert len({one["blob"] for one in found}) == 1


async def test_what_is_asked_later_to_be_kept_for_ever_is(alice: Alice) -> None:
    first = await sent(alice, 201, type="auto", decayPolicy={"decayAfterTicks": 10})
    dear = {"neverDecay": True, "preservationReason": "my wedding"}
    for status in (201, 200):
        done = await sent(alice, status, type="auto", decayPolicy=dear)
        assert done["entry"]["decayPolicy"] == dear
    # The one that was on its way for longest says what is there by now.
    late = await sent(alice, 200, type="auto", decayPolicy={"decayAfterTicks": 10})
    assert late["id"] == first["id"]
    for tick in (100, 101):
        await put(alice, b"%d" % tick, f"tick={tick}&type=auto")
    left = [(one["tick"], one.get("decayPolicy")) for one in await listed(alice)]
    assert left == [(5, {"decayAfterTicks": 10}), (5, dear), (100, None), (101, None)]
    pruned = await alice.client.post(f"{PLACE}/prune", json={"decayed": True})
    assert [one["id"] for one in pruned.json()["dropped"]] == [first["id"]]
    left = [(one["tick"], one.get("decayPolicy")) for one in await listed(alice)]
    assert left == [(5, dear), (100, None), (101, None)]


async def test_who_says_the_same_at_once_says_it_once(alice: Alice) -> None:
    both = await asyncio.gather(
        alice.client.post(AT, json=STATE | {"canonEvent": EVE}),
        alice.client.post(AT, json=STATE | {"canonEvent": EVE}),
    )
    assert sorted(one.status_code for one in both) == [200, 201]
    assert len({one.json()["id"] for one in both}) == 1
    assert (len(await listed(alice)), await told(alice)) == (1, [(5, "birth", "Eve")])


async def test_a_key_is_for_one_event_and_one_wish(alice: Alice) -> None:
    """A key that comes again with another wish is not answered as if it had been granted."""
    headers = {"idempotency-key": "eve-0001"}
    first = await alice.client.post(AT, json=STATE | {"canonEvent": EVE}, headers=headers)
    assert first.status_code == 201
    again = await alice.client.post(AT, json=STATE | {"canonEvent": EVE}, headers=headers)
    assert again.json() == first.json()
    for said in ({}, {"canonEvent": EVE | {"title": "Adam"}},
                 {"canonEvent": EVE, "decayPolicy": {"neverDecay": True}}):  # fmt: skip
        other = await alice.client.post(AT, json=STATE | said, headers=headers)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
