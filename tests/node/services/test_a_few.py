"""The same work on many things, a few at a time."""

import asyncio

import pytest

from node.errors import NotFound
from node.services.a_few import a_few_at_a_time


async def test_as_many_as_may_be_are_worked_on_and_all_are() -> None:
    begun: list[int] = []
    working, most = 0, 0
    gate = asyncio.Event()

    async def work(thing: int) -> None:
        nonlocal working, most
        begun.append(thing)
        working += 1
        most = max(most, working)
        if len(begun) == 3:
            gate.set()
        await gate.wait()
        working -= 1

    await a_few_at_a_time(range(10), work, at_once=3, name="test")
    assert begun == list(range(10))
    assert (working, most) == (0, 3)


async def test_the_first_failure_ends_the_others_and_is_raised_as_it_is() -> None:
    ended: list[int] = []
    waiting = asyncio.Event()

    async def work(thing: int) -> None:
        if thing == 0:
            await waiting.wait()
            raise NotFound("nothing there")
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(thing)

    with pytest.raises(NotFound, match="nothing there"):
        await a_few_at_a_time(range(5), work, at_once=2, name="test")
    assert ended == [1]


async def test_who_asked_may_wait_again_after_a_failure() -> None:
    """A task whose group failed after its block counts as cancelled before Python 3.13, and before
    3.11.3 its next timeout ends it.
    """

    async def work(thing: int) -> None:
        await asyncio.sleep(0)
        raise NotFound(f"{thing} is not here", code="not-found")

    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    with pytest.raises(NotFound):
        await a_few_at_a_time([1], work, at_once=1, name="look")
    assert task.cancelling() == before


async def test_who_asked_is_cancelled_though_the_work_fails_over_it() -> None:
    """What fails while it is ended hides no cancellation from who asked for it."""
    begun = asyncio.Event()
    went_on = False

    async def work(thing: int) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise NotFound(f"{thing} cannot be rolled back", code="not-found")

    async def ask() -> None:
        nonlocal went_on
        try:
            await a_few_at_a_time([1], work, at_once=1, name="look")
        except NotFound:
            task = asyncio.current_task()
            assert task is not None
            went_on = task.cancelling() == 0

    asking = asyncio.create_task(ask())
    await begun.wait()
    asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled() or not went_on
