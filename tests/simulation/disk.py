"""The disk of a simulated node: the production store on it, and what a crash leaves of its file.

A crash is `kill -9`: the node comes back to a copy of its files and their logs as they were at that
moment, with a write half done if it was amid one, and SQLite recovers.
"""

import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from storage.quota import Quota
from storage.store import DEFAULT, Store, open_store
from storage.vault.opening import vault_beside
from tests.simulation.in_place import without_threads
from tests.simulation.network import PowerCut
from tests.storage.new_files import new_file
from tests.storage.people import project

PARTS = ("", "-wal")  # of the database and of its vault; the rest SQLite makes again


class Disk:
    """One node's. `break_after(n)` lets the power fail at the n-th step of its writes from now."""

    def __init__(
        self,
        folder: Path,
        clock_us: Callable[[], int],
        quota: Quota = DEFAULT,
        *,
        has_threads: bool = False,
    ) -> None:
        folder.mkdir()
        self.crashes = 0
        self._has_threads = has_threads
        self._folder = folder
        self._clock_us = clock_us
        self._quota = quota
        self._steps_left: int | None = None
        self.path.write_bytes(new_file())

    @property
    def path(self) -> Path:
        return self._folder / f"{self.crashes}.db"

    def break_after(self, steps: int) -> None:
        self._steps_left = steps

    def stay(self) -> None:
        """No power cut is to come any more."""
        self._steps_left = None

    def crash(self) -> None:
        """From here on the disk is what it is now; the store that is open writes into the void."""
        before, self.crashes = self.path, self.crashes + 1
        for old, new in ((before, self.path), (vault_beside(before), vault_beside(self.path))):
            for part in PARTS:
                if Path(f"{old}{part}").exists():
                    shutil.copyfile(f"{old}{part}", f"{new}{part}")

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Store]:
        """Production code and schema."""
        async with AsyncExitStack() as stack:
            opened = open_store(
                self.path,
                project=project,
                clock_us=self._clock_us,
                quota=self._quota,
                on_step=self._step,
            )
            if self._has_threads:
                yield await stack.enter_async_context(opened)
                return
            with without_threads():
                store = await stack.enter_async_context(opened)
            yield store

    def _step(self, step: str) -> None:
        if self._steps_left is None:
            return
        self._steps_left -= 1
        if self._steps_left <= 0:
            self._steps_left = None
            self.crash()
            raise PowerCut(step)
