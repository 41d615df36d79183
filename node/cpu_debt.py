"""What was used of a processor and not rested for yet; it outlives the node.

    what was kept ─▸ rest ─┬▸ a run begins: noted as the longest ─▸ what it took ─▸ rest ─┐
                           └───────────────────────────────────────────────────────────────┘

No calendar is looked at: a debt is paid by resting while the node runs, so a clock that leaps gives
nothing away. Nor does it stop anything for ever: what is kept counts as one longest run at most.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from storage.errors import StorageError
from storage.store import Store

log = logging.getLogger(__name__)

NOTE_S: Final = 60.0
"""Of rest, between two notes of what is left: so much is rested twice where the node is killed."""

Rest: TypeAlias = Callable[[float], Awaitable[None]]


@dataclass(slots=True)
class CpuDebt:
    """Ask it before and after each run; all in seconds of a processor."""

    store: Store
    cpu_percent: int
    longest_s: float
    """What one run may take."""
    owed_s: float = 0.0
    has_begun: bool = False
    _noted_s: float | None = 0.0
    """None: nobody knows."""

    async def load(self) -> None:
        """What an earlier life of the node left; the longest run where that cannot be read."""
        try:
            self._noted_s = await self.store.attesting_owed_s()
        except StorageError as error:  # a bad disk, say: of the node, the rest may still work
            log.warning("what attesting used of the processor cannot be read: %s", error)
            self._noted_s, self.owed_s = None, self.longest_s
            return
        self.owed_s = min(self._noted_s, self.longest_s) if self._noted_s > 0 else 0.0

    async def begin(self) -> None:
        """A run may begin now: whoever kills the node in the middle owes the longest."""
        self.has_begun = True
        await self._note(self.owed_s + self.longest_s)

    async def end(self, used_s: float) -> None:
        """All that began since is over, and took so much."""
        self.has_begun = False
        self.owed_s += used_s
        await self._note(self.owed_s)

    async def break_off(self, passed_s: float) -> None:
        """As `end`, where nobody knows how much it took: as long as it ran at most."""
        if self.has_begun:
            await self.end(min(passed_s, self.longest_s))

    async def pay(self, rest: Rest) -> None:
        """Rests until nothing is owed."""
        while self.owed_s > 0:
            whole_s = rest_s(self.owed_s, self.cpu_percent)
            if whole_s > 0:
                await rest(min(whole_s, NOTE_S))
            self.owed_s *= 1 - NOTE_S / whole_s if whole_s > NOTE_S else 0
            await self._note(self.owed_s)

    async def _note(self, owed_s: float) -> None:
        if owed_s == self._noted_s:
            return
        try:
            await self.store.note_attesting_owed(owed_s)
        except StorageError as error:  # a full disk, say: this life of the node rests all the same
            log.warning("what attesting used of the processor cannot be noted: %s", error)
        else:
            self._noted_s = owed_s


def rest_s(used_s: float, cpu_percent: int) -> float:
    """How long to rest after so many seconds of a processor, to take a share of it."""
    return used_s * (100 / cpu_percent - 1)
