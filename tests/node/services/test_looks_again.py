"""A gate that cannot sign now looks again by itself for whom it left out for an hour."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from node.events import Events
from node.gates import Gates
from node.services import gatebooks
from node.services.passengers import Passenger
from registry.errors import CannotTravel
from tests.node.passing_time import PassingTime
from tests.node.services.test_cheats import line_at
from tests.node.services.test_cost_of_a_look import comes_through, reads_of
from tests.node.services.test_many_travellers import left
from tests.node.services.test_room import (
    ANSWERS,
    OTHERS,
    UNDER_WAY,
    closes,
    fills_with_events,
    flooded,
    joined,
)
from tests.node.services.test_travel import Person, opened_people
from tests.storage.people import NOW_US
from universe import room, shares
from universe.passage import Passage
from universe.receipts import Who


@pytest.fixture
async def people(tmp_path: Path) -> AsyncGenerator[tuple[Person, Person]]:
    async with AsyncExitStack() as stack:
        yield await opened_people(stack, tmp_path)


async def refused_from_far(alice: Person, bob: Person) -> tuple[Passage, list[str]]:
    """A hen that came to alice's meadow through many universes left it for bob's reef, which
    refused her. Gives the passage, and the ids of these universes."""
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    passage = await joined(alice, bob, meadow, reef, 1)
    ids = [f"universe:{number}" for number in range(8)]
    way = [await alice.makes(id) for id in ids]
    leaves = left(alice, bob, passage, 1, Who(way[0], "hen"))
    await comes_through(alice, leaves, way)
    await alice.signs(leaves)
    await closes(bob, passage)
    await bob.hears(alice)
    assert len(await bob.gates.answer(reef)) == 1
    await alice.hears(bob)
    return passage, ids


async def waits_until_quiet(by: Person, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long its gates wait where nothing comes, until they wait for news only. While they wait
    for the first time what was too long comes to be short enough."""
    passing, quiet = PassingTime(), asyncio.Event()
    ferry = replace(by.ferry, clock_us=lambda: NOW_US + round(passing.now_s * 1_000_000))

    async def rest(_: float) -> None:
        await asyncio.sleep(0)

    async def wait(wake: asyncio.Event, wait_s: float | None) -> None:
        if not wake.is_set():
            monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", 256)
            if wait_s is None:
                quiet.set()
        await passing.wait(wake, wait_s)

    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", 4)
    gates = Gates(lambda _: ferry, by.gates.lock, Events(), passing.clock_s)
    task = asyncio.create_task(gates.run(rest, wait))
    try:
        async with asyncio.timeout(60):
            await quiet.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return passing.waits


async def test_a_full_gate_looks_again_for_who_was_left_out(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "UNDER_WAY_MAX", UNDER_WAY)
    monkeypatch.setattr(room, "FOR_ANSWERS", ANSWERS)
    monkeypatch.setattr(room, "FOR_OTHERS", OTHERS)
    monkeypatch.setattr(room, "SNAPSHOTS_LEAST", 0)
    monkeypatch.setattr(room, "VALUES_MAX", 40)
    alice, bob = people
    meadow = alice.universe("universe:meadow")
    await refused_from_far(alice, bob)
    cheat = await joined(alice, bob, meadow, await bob.makes("universe:void"), 2)
    await fills_with_events(alice, meadow)
    monkeypatch.setattr(room, "VALUES_MAX", 9_400)  # bob's own gate is not to hold him back
    await flooded(alice, bob, cheat)
    monkeypatch.setattr(room, "VALUES_MAX", 40)
    assert await waits_until_quiet(alice, monkeypatch) == [3600]
    line = await line_at(alice, meadow)
    said = [(one.receipt.kind, one.receipt.traveller.who.soul) for one in line.receipts]
    assert said[-1] == ("return", "hen")
    assert [kind for kind, _ in said].count("arrival") == ANSWERS, "seven imps, and she before"
    with pytest.raises(CannotTravel, match="is full"):
        await alice.gates.answer(meadow)


async def test_a_gate_that_is_behind_looks_again_for_who_was_left_out(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    passage, way = await refused_from_far(alice, bob)
    pond = await bob.makes("universe:pond")
    beyond = await joined(alice, bob, meadow, pond, 2)
    await bob.gates.send(beyond, pond, bytes([7]) * 16, Passenger(b"{}", "eel"), 1)
    owl = left(alice, bob, passage, 9, Who(meadow, "owl"))
    told = replace(owl, kind="arrival", universe=reef, other=meadow, answers=bytes([9]) * 32)
    await bob.signs(replace(told, traveller=owl.traveller.told))
    await alice.hears(bob)
    with pytest.raises(CannotTravel, match="this device is behind"):
        await alice.gates.answer(meadow)
    reads, looks = reads_of(alice, monkeypatch), await waits_until_quiet(alice, monkeypatch)
    assert looks == [3600]
    assert min(reads[id] for id in way) > 0, "her story was read"
