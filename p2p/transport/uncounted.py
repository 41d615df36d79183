"""A group of tasks that failed leaves the task it was in as it found it."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def uncounted() -> Generator[None]:
    """Around an `asyncio.TaskGroup`, in a task that goes on when the group failed.

    Where a child fails while the group only waits for its children, some versions of Python, 3.11.2
    of Debian 12 among them, leave the task counted as cancelled, though nobody did. The next
    `asyncio.timeout` in it then ends the task instead of telling that the time is over.
    """
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    try:
        yield
    except Exception:
        if task.cancelling() > before:
            task.uncancel()
        raise
