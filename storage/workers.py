"""A few threads of the store's own for checking and loading.

Not asyncio's pool: each thread that allocates keeps an arena of memory, and with the default of up
to 32 of them a node that received 100,000 entries stayed 150 MB larger.
"""

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

WORKERS = 2  # signature checks free the GIL, so two threads use two cores; all else does not


class Workers:
    """Made by `open_workers`. Without `threads`: for who is in a thread of the store's already."""

    def __init__(self, threads: ThreadPoolExecutor | None) -> None:
        self._threads = threads

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`work` on one of the threads."""
        if self._threads is None:
            return work(*args, **kwargs)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))


@contextmanager
def open_workers() -> Generator[Workers]:
    """On leaving waits for what still runs."""
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="store") as threads:
        yield Workers(threads)
