"""Mallory with nothing but invalid entries, calling again and again, by one key and by fresh ones.

A call offers `CALL_ENTRIES`, gives whatever is asked for, and lasts until the node hangs up. Where
she is not let in, her entries of that call are spent all the same.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from crdt.change import SignedEntry
from p2p.protocol.errors import PeerLeft
from tests.e2e.mallory import Mallory

CALL_ENTRIES = 1_000
CALLERS = 8  # at a time
BREATH_S = 0.01  # between two calls of one caller: this process wants a core too


def wrong_signatures() -> list[SignedEntry]:
    """Of what she signed, with other signatures."""
    return [replace(one, signature=os.urandom(64)) for one in wrong_payloads()]


def wrong_payloads() -> list[SignedEntry]:
    """Well signed, and no change inside."""
    mallory = Mallory()
    capability = mallory.signer.capabilities["pub"]
    return [
        mallory.forges(os.urandom(40), capability=capability, timestamp=number)
        for number in range(1, CALL_ENTRIES + 1)
    ]


def unknown_capabilities() -> list[SignedEntry]:
    """A different one each, which nobody gave."""
    mallory = Mallory()
    return [
        mallory.forges(os.urandom(40), capability=os.urandom(300), timestamp=number)
        for number in range(1, CALL_ENTRIES + 1)
    ]


@dataclass
class Flood:
    """What she did, and what came of it."""

    door: str
    device: Mallory = field(default_factory=Mallory)  # the key that she comes back with
    calls: int = 0
    given: int = 0  # entries that the node asked for and got
    words: Counter[str] = field(default_factory=Counter[str])  # why it hung up; empty: no word

    @property
    def offered(self) -> int:
        return self.calls * CALL_ENTRIES

    async def run(self, *, entries: int, seconds: float = 0.0) -> None:
        """At least so many offered, and at least for so long."""
        kinds = [wrong_signatures(), wrong_payloads(), unknown_capabilities()]
        until_s = time.monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CALLERS):
                tasks.create_task(self._call_again(kinds, entries, until_s))

    async def _call_again(
        self, kinds: Sequence[Sequence[SignedEntry]], entries: int, until_s: float
    ) -> None:
        while self.offered < entries or time.monotonic() < until_s:
            self.calls += 1
            mallory = self.device if self.calls % 2 else Mallory()
            self.words[await self._call(mallory, kinds[self.calls % len(kinds)])] += 1
            await asyncio.sleep(BREATH_S)

    async def _call(self, mallory: Mallory, entries: Sequence[SignedEntry]) -> str:
        """Why it ended."""
        try:
            async with mallory.meets(self.door) as call:
                try:
                    await call.offers(entries)
                finally:
                    self.given += call.given
        except PeerLeft as left:
            return "" if left.code == "connection-lost" else left.code
        except OSError:
            return ""
        return "patience"  # it took all of them
