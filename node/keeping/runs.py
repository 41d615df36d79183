"""States of a universe that came one after the other are made small together, the oldest first.

They come the newest first, each as what differs from the one after it. What lies as a difference
already is no base of another (decision 110): made small as they come, all but the first would be
left as they are.
"""

import logging
from collections import defaultdict
from typing import Final

from crdt.blob import BlobId
from node.keeping.plan import Wanted
from node.services.beside import settle_beside
from storage.errors import StorageError
from storage.store import Store

log = logging.getLogger(__name__)

RUN_MAX: Final = 32
"""So many lie there whole for a while, and of so many about one stays so."""


class Runs:
    """What came of each universe, and was not made small yet. What a process leaves of it when it
    ends, the next start makes small (`storage.unsettled`)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._came = defaultdict[int, list[BlobId]](list)

    async def came(self, one: Wanted, *, goes_on: bool) -> None:
        """`goes_on`: more of its universe is fetched next."""
        self._came[one.universe].append(one.blob)
        await self.ended(one, goes_on=goes_on and len(self._came[one.universe]) < RUN_MAX)

    async def ended(self, one: Wanted, *, goes_on: bool) -> None:
        """Of this one nothing comes for now, whether it is here or not."""
        if goes_on and one.universe:
            return
        try:
            await settle_beside(self._store, [*reversed(self._came.pop(one.universe, []))])
        except StorageError as error:  # they take more room until the next start
            log.debug("what is kept is not made small: %s", error)
