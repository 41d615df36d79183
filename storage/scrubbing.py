"""Everything in the vault is read, so that what the disk forgot is told before it is missed."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial

from crdt.blob import BlobId
from storage.settling import Settling
from storage.vault.scrubbing import Scrub


def _nobody(done: int, total: int) -> None:
    """Hears of progress that nobody waits for."""


class Scrubbing(Settling):
    """Blobs of version 2; the chunks of others are checked as they are read."""

    async def scrub(self, told: Callable[[int, int], None] = _nobody) -> Sequence[BlobId]:
        """Holds each chunk and page of the vault against its hash; gives the blobs that were whole
        and are not, since a part of them is damaged. What is damaged is fetched again with them.

        `told` hears, in a thread, how many of how many are done. Others read and write meanwhile.
        """
        damaged = await self._database.vault.read_in_parts(partial(_damaged, told=told))
        return await self._forget_objects(damaged) if damaged else []


def _damaged(vault: sqlite3.Connection, told: Callable[[int, int], None]) -> list[bytes]:
    """The hashes of all objects that are."""
    found: list[bytes] = []
    with Scrub(vault) as scrub:
        while (damaged := scrub.step()) is not None:
            found += damaged
            told(scrub.objects - scrub.left(), scrub.objects)
    return found
