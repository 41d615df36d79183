"""The same work on many things, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def a_few_at_a_time(
    things: Iterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int, name: str
) -> None:
    """`work` on each, begun in order. The first failure ends it for all, and is raised as it is.

    `name` is that of the tasks, for whoever looks at what a node does.
    """
    pending = iter(things)

    async def one_by_one() -> None:
        for thing in pending:
            await work(thing)

    try:
        async with asyncio.TaskGroup() as tasks:
            works = [
                tasks.create_task(one_by_one(), name=f"{name}, {number}")
                for number in range(at_once)
            ]
            # In here: before Python 3.13 a group that fails after its block is over leaves this
            # task counted as cancelled, and who asked goes on, to say what failed.
            await asyncio.wait(works)
    except ExceptionGroup as group:
        raise group.exceptions[0] from group
