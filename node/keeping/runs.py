"""States of a universe that came one after the other are made small together, the oldest first.

They mostly come the newest first, each as what differs from the one after it. What lies as a
difference already is no base of another (decision 110): made small as they come, each second one
would only be made small against the newest, which is far from it. So a run ends early only where
that gives room which is needed, or nothing comes for now: to wait costs room for a while, and no
more than the budget counts anyway. Who gave what came may have no more of it: of very many others
one is always due once more, so it is counted how many were tried in vain.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from crdt.blob import BlobId
from node.keeping.line import RUN_MAX
from node.keeping.plan import Wanted
from node.services.beside import near_to, settle_beside
from storage.store import Store

log = logging.getLogger(__name__)

VAIN_MAX: Final = 8
"""Tries of one universe in vain since something of it came, of which each asked all who are here;
then nothing comes for now. In a universe that is given with gaps, few are so wide."""
WAITS_S: Final = 86_400.0
"""They wait so long for the next one to be asked for: a round of the turns over a thin line, in
which each of a thousand authors has a place for as long as it may take."""


class Runs:
    """What came of each universe, and was not made small yet. What a process leaves of it when it
    ends, the next start makes small (`storage.unsettled`)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._came: dict[int, list[BlobId]] = {}
        self._last_s: dict[int, float] = {}
        self._vain = Counter[int]()
        """Of each of these, how many did not since."""
        self._is_short = False

    @property
    def lengths(self) -> Mapping[int, int]:
        """How many, by universe."""
        return {universe: len(came) for universe, came in self._came.items()}

    async def near_to(self, one: Wanted) -> Sequence[BlobId]:
        """What it is to be fetched relative to; nothing for what is no state. Of several universes
        the nearest and longest says it, whoever's turn it is."""
        if not one.universes:
            return ()
        return await near_to(self._store, one.blob, 0 if one.beside else one.universe)

    def came(self, one: Wanted, *, now_s: float) -> None:
        """It is here; what is no state stays as it is."""
        for universe in one.universes:
            self._came.setdefault(universe, []).append(one.blob)
            self._last_s[universe] = now_s
            del self._vain[universe]

    def in_vain(self, one: Wanted) -> None:
        """Nothing of it came."""
        for universe in self._came.keys() & one.universes:
            self._vain[universe] += 1

    def hurry(self) -> None:
        """The disk is full: what they take is needed."""
        self._is_short = True

    async def end(
        self,
        running: Iterable[Wanted],
        has_more_of: Callable[[int], bool],
        *,
        may_ask: bool,
        now_s: float,
    ) -> None:
        """Those of which nothing comes for now, whatever the reason is, and those that are long
        enough. `may_ask`: whether anything may be asked for, or may be soon."""
        coming = {universe for one in running for universe in one.universes}

        def goes_on(universe: int) -> bool:
            is_over = self._is_short or self._vain[universe] >= VAIN_MAX
            is_long = is_over or len(self._came[universe]) >= RUN_MAX
            is_soon = may_ask and now_s - self._last_s[universe] < WAITS_S
            return not is_long and (universe in coming or (is_soon and has_more_of(universe)))

        over = [universe for universe in self._came if not goes_on(universe)]
        self._is_short = False
        # All leave before the first is waited for: whoever else looks does not find them again.
        for universe, blobs in [(universe, self._end(universe)) for universe in over]:
            try:
                await settle_beside(self._store, blobs, universe)
            except Exception:  # a bug of ours costs room until the next start, not the node
                log.exception("what is kept is not made small")

    def _end(self, universe: int) -> list[BlobId]:
        """What came of it, in the order in which it came: not always that of its ticks."""
        del self._last_s[universe], self._vain[universe]
        return self._came.pop(universe)
