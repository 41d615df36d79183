"""Background tasks end with their block, whatever they do with a cancellation."""

import asyncio

import pytest

from node.tasks import background_tasks


async def test_they_end_with_the_block() -> None:
    async with background_tasks() as tasks:
        forever = tasks.create_task(asyncio.Event().wait(), name="forever")
        await asyncio.sleep(0)
    assert forever.cancelled()


async def test_one_that_swallows_its_first_cancellation() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    async with asyncio.timeout(5), background_tasks() as tasks:
        task = tasks.create_task(stubborn(), name="stubborn")
        await asyncio.sleep(0)
    assert task.cancelled()


async def test_a_failure_fails_the_block() -> None:
    async def fails() -> None:
        raise ValueError("no")

    with pytest.RaisesGroup(ValueError):
        async with background_tasks() as tasks:
            tasks.create_task(fails(), name="fails")
            await asyncio.Event().wait()


async def test_an_error_of_the_block_ends_the_tasks() -> None:
    ended = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.RaisesGroup(KeyError):
        async with background_tasks() as tasks:
            tasks.create_task(waits(), name="waits")
            await asyncio.sleep(0)
            raise KeyError("oops")
    assert ended.is_set()
