"""Who gives way where a budget is full: the sources that brought most of it, the heaviest first."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from crdt.capability import CapabilityCache
from storage.database import Writing
from storage.eviction import evict_newest
from storage.quota import Quota

EVICT_BYTES_MIN = 256 << 10  # at once: room for what comes next, too
EVICT_PARTS = 64  # of a small budget, that is
# Records looked at for one batch, to be evicted: some 0.3 s. What finds no room by then is refused,
# and what is too much goes with the next batches.
LOOKS_MAX = 1_024


@dataclass(slots=True)
class Displacing:
    """For the arrivals of one source; `is_named`: somebody followed speaks for it."""

    write: Writing
    quota: Quota
    capabilities: CapabilityCache
    source: int = 0
    is_named: bool = False
    evicted: Counter[str] = field(default_factory=Counter[str])
    """Entries that went, by who had brought them."""
    _looks: int = LOOKS_MAX

    async def weight(self, budget: int) -> int:
        """What this source brought that counts against the budget."""
        return await self.write.number(
            "SELECT bytes FROM weight WHERE budget = ? AND source = ?", (budget, self.source)
        )

    async def make_room(self, budget: int, over: int, wanted: int) -> int:
        """Evicts what heavier sources brought; gives how many bytes are still too many."""
        if over <= 0:
            return over
        mine = wanted + await self.weight(budget)
        passed = {self.source}
        if self.is_named:
            over = await self.displace(budget, over, passed, everything, spares_named=True)

        def fair(weight: int, over: int) -> int:
            """Until it weighs what this source then will; what is refused after all, does not."""
            spare = (weight - mine + over) // 2
            return spare if self.is_named else min(spare, weight - self.quota.share_of(budget))

        return await self.displace(budget, over, passed, fair, spares_named=not self.is_named)

    async def displace(
        self,
        budget: int,
        over: int,
        passed: set[int],
        spare_of: Callable[[int, int], int],
        *,
        spares_named: bool,
    ) -> int:
        """Sources give way, the heaviest first, each as much as `spare_of` its weight says."""
        least = min(EVICT_BYTES_MIN, self.quota.bytes_of(budget) // EVICT_PARTS)
        while over > 0 and self._looks > 0:
            rival = await self._heaviest(budget, passed, spares_named=spares_named)
            if rival is None or (spare := spare_of(rival[1], over)) <= 0:
                break
            passed.add(rival[0])
            over -= await self.evict(budget, rival[0], min(spare, max(over, least)))
        return over

    async def _heaviest(
        self, budget: int, passed: set[int], *, spares_named: bool
    ) -> tuple[int, int] | None:
        """(number, bytes of this budget) of the source that brought most, but for those passed."""
        named = (
            " AND NOT EXISTS (SELECT 1 FROM source s JOIN followed f ON f.author = s.author"
            " WHERE s.number = w.source)"
        )
        row = await self.write.row(
            "SELECT w.source, w.bytes FROM weight w WHERE w.budget = ? AND w.bytes > 0"
            " AND w.source NOT IN (SELECT value FROM json_each(?))"
            f"{named if spares_named else ''} ORDER BY w.bytes DESC, w.source DESC LIMIT 1",
            (budget, json.dumps(sorted(passed))),
        )
        return (row[0], row[1]) if row else None

    async def evict(self, budget: int, source: int, wanted_bytes: int) -> int:
        """Gives how many bytes are free then."""
        self._looks = max(self._looks, 1)
        gone = await evict_newest(
            self.write, budget, source, wanted_bytes, self.capabilities, looks_max=self._looks
        )
        self._looks -= max(gone.looked_at, 1)
        if gone.entries:
            row = await self.write.row("SELECT key FROM source WHERE number = ?", (source,))
            self.evicted[row[0] if row else ""] += gone.entries
        return gone.bytes


def everything(weight: int, over: int) -> int:
    return weight
