"""Task groups that end with their block."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any, Final, TypeVar

T = TypeVar("T")

# A task ends within milliseconds of its cancellation, a goodbye to a peer included.
CANCEL_AGAIN_S: Final = 0.25


class BackgroundTasks(asyncio.TaskGroup):
    """A group that can be ended while its tasks would go on."""

    def __init__(self) -> None:
        super().__init__()
        self._running: set[asyncio.Task[Any]] = set()

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        task = super().create_task(coro, name=name, context=context)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def end(self) -> None:
        """Cancel every task until none is left.

        Once is not enough: in Python 3.11 a TaskGroup inside a task swallows the cancellation if
        one of its own tasks fails in that very moment, and the task goes on with what is next.
        """
        while self._running:
            for task in self._running:
                task.cancel()
            await asyncio.wait(set(self._running), timeout=CANCEL_AGAIN_S)


@asynccontextmanager
async def background_tasks() -> AsyncGenerator[BackgroundTasks]:
    """A group whose tasks end with the block; where one fails, the block fails with it."""
    async with BackgroundTasks() as tasks:
        try:
            yield tasks
        finally:
            await tasks.end()
