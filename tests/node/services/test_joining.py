"""What waits for its turn is done together; nobody takes anybody else with them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from node.services.joining import Joining


class Works:
    """Answers tenfold; to what is negative with an error, to 0 only when it is alone."""

    def __init__(self) -> None:
        self.done: list[list[int]] = []
        self.may_go = asyncio.Event()
        self.has_begun = asyncio.Event()

    async def __call__(self, asked: Sequence[int]) -> list[int | Exception | None]:
        self.has_begun.set()
        await self.may_go.wait()
        self.done.append([*asked])
        if 13 in asked:
            raise ConnectionError("all of it failed")
        return [self.answer(one, len(asked)) for one in asked]

    def answer(self, one: int, count: int) -> int | Exception | None:
        if one < 0:
            return ValueError(str(one))
        return None if one == 0 and count > 1 else one * 10


async def test_those_that_wait_are_done_together_and_each_has_its_own_answer() -> None:
    joining, works, turn = Joining[int, int](), Works(), asyncio.Lock()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(joining.join("main", 1, works, turn))
        await works.has_begun.wait()
        others = [
            tasks.create_task(_told(joining.join("main", one, works, turn)))
            for one in (2, 0, -3, 4)
        ]
        beside = tasks.create_task(joining.join("other", 5, works, asyncio.Lock()))
        await until(lambda: len(joining) == 6)
        works.may_go.set()
    assert [first.result(), beside.result()] == [10, 50]
    assert [one.result() for one in others] == [20, 0, "-3", 40]
    assert sorted(works.done) == [[0], [1], [2, 0, -3, 4], [5]]
    assert len(joining) == 0


async def test_who_is_cancelled_takes_nobody_with_them() -> None:
    """Who waits is not done; whose turn it is has the work done to its end, for the others."""
    joining, works, turn = Joining[int, int](), Works(), asyncio.Lock()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        lead = tasks.create_task(joining.join("main", 1, works, turn))
        await works.has_begun.wait()
        works.has_begun.clear()
        second, third, fourth = (
            tasks.create_task(joining.join("main", one, works, turn)) for one in (2, 3, 4)
        )
        await until(lambda: len(joining) == 4)
        third.cancel()
        lead.cancel()
        await until(lambda: len(joining) == 3)
        works.may_go.set()
    assert lead.cancelled()
    assert third.cancelled()
    assert (second.result(), fourth.result()) == (20, 40)
    assert works.done == [[1], [2, 4]]
    assert len(joining) == 0


async def test_what_fails_as_a_whole_is_told_to_all_and_the_next_are_done() -> None:
    joining, works, turn = Joining[int, int](), Works(), asyncio.Lock()
    works.may_go.set()
    answers = await asyncio.gather(
        *(joining.join("main", one, works, turn) for one in (12, 13)), return_exceptions=True
    )
    assert [type(one) for one in answers] == [ConnectionError, ConnectionError]
    assert await joining.join("main", 14, works, turn) == 140
    with pytest.raises(ConnectionError):
        await joining.join("main", 13, works, turn)


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - the loop goes round, and no clock is asked
        await asyncio.sleep(0)


async def _told(answer: Awaitable[int]) -> int | str:
    try:
        return await answer
    except ValueError as error:
        return str(error)
