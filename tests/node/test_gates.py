"""The task behind the gates: what comes is answered without anybody asking."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pytest

from crdt.keys import COMMONS, NamespaceKey
from node.events import Events
from node.gates import PAUSE_MAX_S, PAUSE_S, Gates
from node.retries import FIRST_S
from node.services.passages import Ferry, document_of
from registry.head import touch
from tests.node.passing_time import PassingTime
from tests.node.services.test_travel import Person, opened, opened_people, sends
from tests.storage.full_disk import largest_file
from tests.storage.people import NOW_US
from universe.travel import In


@pytest.fixture
async def people(tmp_path: Path) -> AsyncGenerator[tuple[Person, Person]]:
    async with AsyncExitStack() as stack:
        yield await opened_people(stack, tmp_path)


def gates_of(
    person: Person, events: Events, clock_s: Callable[[], float] = time.monotonic
) -> Gates:
    def ferry(namespace: NamespaceKey) -> Ferry:
        assert namespace == COMMONS
        return person.ferry

    return Gates(ferry, person.gates.lock, events, clock_s)


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
    passing = PassingTime()
    gates = gates_of(bob, events, passing.clock_s)
    with largest_file(4096):
        task = asyncio.create_task(gates.run(rest, passing.wait))
        async with asyncio.timeout(60):
            for _ in range(9):  # by itself: nothing else comes
                await tries.acquire()
    assert passing.waits[:8] == [10, 20, 40, 80, 160, 320, 600, 600], "less and less often"
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
    # Before each look it is asked how long nothing may come; then the look begins and ends.
    clock = iter((0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 10.0, 10.0, 1_000.0))
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

    looked: asyncio.Future[float]

    async def answer(self, namespace: NamespaceKey) -> int:
        if namespace == ELSEWHERE:
            self.looked.set_result(self.clock_s())
            await asyncio.Event().wait()
        if self.put_off.first_s(now_s=0) is None:
            self.put_off.put_off(ELSEWHERE, now_s=self.clock_s())
        return await super().answer(namespace)


async def test_what_was_put_off_waits_for_no_silence(people: tuple[Person, Person]) -> None:
    alice, _ = people
    passing = PassingTime()

    async def rest(seconds: float) -> None:
        passing.now_s += seconds
        await asyncio.sleep(0)

    gates = PutOff(lambda _: alice.ferry, alice.gates.lock, Events(), passing.clock_s)
    gates.looked = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(gates.run(rest, passing.wait))
    async with asyncio.timeout(60):
        assert await gates.looked == FIRST_S
    assert passing.waits == [], "others are never silent"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
