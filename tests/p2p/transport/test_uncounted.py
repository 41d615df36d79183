"""A task goes on after a group of its own failed, on each version of Python."""

import asyncio

import pytest

from p2p.transport.uncounted import uncounted


async def fail() -> None:
    await asyncio.sleep(0)
    raise OSError("gone")


async def test_a_task_may_wait_again_after_a_group_of_it_failed() -> None:
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    with pytest.raises(ExceptionGroup), uncounted():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
    assert task.cancelling() == before
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()
