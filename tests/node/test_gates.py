"""The task behind the gates: what comes is answered without anybody asking."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from crdt.keys import COMMONS, NamespaceKey
from node.events import Events
from node.gates import Gates
from node.services.passages import Ferry
from tests.node.services.test_travel import Person, opened, opened_people, sends
from universe.travel import In


@pytest.fixture
async def people(tmp_path: Path) -> AsyncGenerator[tuple[Person, Person]]:
    async with AsyncExitStack() as stack:
        yield await opened_people(stack, tmp_path)


def gates_of(person: Person, events: Events) -> Gates:
    def ferry(namespace: NamespaceKey) -> Ferry:
        assert namespace == COMMONS
        return person.ferry

    return Gates(ferry, person.gates.lock, events)


async def test_who_comes_is_let_in_by_itself_and_told(people: tuple[Person, Person]) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    events, looked = Events(), asyncio.Semaphore(0)

    async def rest(seconds: float) -> None:
        looked.release()

    task = asyncio.create_task(gates_of(bob, events).run(rest))
    async with asyncio.timeout(60):
        await looked.acquire()  # at the start, of what came while nobody ran
        sent = await sends(alice, passage)
        told = events.follow(0, ("traveller",))
        await bob.hears(alice)
        event = await anext(told)
        assert b'"kind":"arrival"' in event.data
        await looked.acquire()
        await told.aclose()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await alice.hears(bob)
    assert await alice.sees(sent) == In(bob.universe("universe:reef"))


async def test_what_came_before_the_start_is_answered_and_nothing_twice(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    await sends(alice, passage)
    await bob.hears(alice)
    gates = gates_of(bob, Events())
    assert await gates.answer(COMMONS) == 1
    assert await gates.answer(COMMONS) == 0
    assert await gates_of(alice, Events()).answer(COMMONS) == 0
