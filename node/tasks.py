"""Task groups that end with their block."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class _Ended(Exception):
    """Ends a task group from inside: its other tasks are cancelled."""


@asynccontextmanager
async def background_tasks() -> AsyncGenerator[asyncio.TaskGroup]:
    """A task group whose tasks end with the block; where one fails, the block fails with it."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
            raise _Ended
    except* _Ended:
        pass
