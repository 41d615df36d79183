"""The task behind the gates: what comes is answered without anybody asking."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pytest

from crdt.keys import COMMONS, NamespaceKey
from node.events import Events
from node.gates import PAUSE_MAX_S, PAUSE_S, Gates
from node.services.passages import Ferry, document_of
from registry.head import touch
from tests.node.services.test_travel import Person, opened, opened_people, sends
from tests.storage.full_disk import largest_file
from tests.storage.people import NOW_US
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


async def test_what_a_full_disk_keeps_from_being_signed_is_signed_once_there_is_room(
    people: tuple[Person, Person], caplog: pytest.LogCaptureFixture
) -> None:
    alice, bob = people
    sent = await sends(alice, await opened(alice, bob))
    await bob.hears(alice)
    events, tries = Events(), asyncio.Semaphore(0)

    async def rest(seconds: float) -> None:
        assert seconds >= PAUSE_S
        tries.release()

    told = events.follow(0, ("traveller",))
    gates = gates_of(bob, events)
    with largest_file(4096):
        task = asyncio.create_task(gates.run(rest, again_s=0.01))
        async with asyncio.timeout(60):
            for _ in range(3):  # by itself: nothing else comes
                await tries.acquire()
    async with asyncio.timeout(60):
        event = await anext(told)
    assert b'"kind":"arrival"' in event.data
    await told.aclose()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert caplog.messages
    assert all("the gate of" in said for said in caplog.messages)
    pairs = zip(caplog.messages, caplog.messages[1:], strict=False)
    assert all(one != next_one for one, next_one in pairs), "told once, not at each try"
    assert await gates.answer(COMMONS) == 0
    await alice.hears(bob)
    assert await alice.sees(sent) == In(bob.universe("universe:reef"))


class Busy(Gates):
    """To whom something comes at each look."""

    async def answer(self, namespace: NamespaceKey) -> int:
        by = self.ferry(namespace)
        document = document_of(f"{by.did}/universe:meadow", "uni", namespace)
        signer = by.identity.signer
        await by.store.commit(document, lambda editor: touch(editor, next(TIMES)), signer)
        return await super().answer(namespace)


TIMES = count(NOW_US)


async def test_what_comes_during_a_look_has_the_next_and_no_pause_is_long(
    people: tuple[Person, Person],
) -> None:
    alice, _ = people
    clock = iter((0.0, 0.0, 1.0, 2.0, 10.0, 1_000.0))  # each look begins and ends
    pauses, enough = list[float](), asyncio.Event()

    async def rest(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            enough.set()
            await asyncio.Event().wait()

    gates = Busy(lambda _: alice.ferry, alice.gates.lock, Events(), lambda: next(clock))
    task = asyncio.create_task(gates.run(rest))
    async with asyncio.timeout(60):
        await enough.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert pauses == [PAUSE_S, 4.0, PAUSE_MAX_S]


ELSEWHERE = NamespaceKey(bytes(32))


class PutOff(Busy):
    """Whom the disk once kept from answering elsewhere, while something comes here at each look."""

    looked: asyncio.Event

    async def answer(self, namespace: NamespaceKey) -> int:
        if namespace == ELSEWHERE:
            self.looked.set()
            return 0
        if not self.looked.is_set():
            self.put_off.add(ELSEWHERE)
        return await super().answer(namespace)


async def test_what_was_put_off_waits_for_no_silence(people: tuple[Person, Person]) -> None:
    alice, _ = people

    async def rest(_: float) -> None:
        await asyncio.sleep(0)

    gates = PutOff(lambda _: alice.ferry, alice.gates.lock, Events())
    gates.looked = asyncio.Event()
    task = asyncio.create_task(gates.run(rest, again_s=3_600))
    async with asyncio.timeout(60):
        await gates.looked.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
