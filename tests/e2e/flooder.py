"""Mallory with nothing but invalid entries, calling again and again, by one key and by fresh ones.

A call offers `CALL_ENTRIES`, gives whatever is asked for, and lasts until the node hangs up, or she
has no more patience. Where she is not let in, her entries of that call are spent all the same.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from crdt.capability import WRITE, Capability, encode_capability
from crdt.change import (
    DocumentId,
    SignedEntry,
    Signer,
    log_of,
    sign_change,
    sign_statement,
)
from crdt.document import Document, Editor
from crdt.keys import COMMONS, AuthorKey
from crdt.path import AUTHORITY
from crdt.statement import Revoke
from p2p.protocol.errors import PeerLeft
from tests.e2e.mallory import Mallory

CALL_ENTRIES = 1_000
BEGUN = 200  # entries of a record whose device loses its right then
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


@dataclass(frozen=True)
class Revoked:
    """An author who took back the right of a device, and all that this device writes since."""

    mallory: Mallory
    said: SignedEntry
    """That it has no right any more."""
    entries: Sequence[SignedEntry]
    """Of one record, one upon the other, all well signed."""

    @classmethod
    def with_entries(cls, count: int) -> "Revoked":
        mallory = Mallory()
        author = AuthorKey(mallory.root.public)
        document = DocumentId(COMMONS, author, "pub", "mod", b"bomb")
        draft = Document.open("pub", "mod", mallory.device.public)
        entries: list[SignedEntry] = []
        for number in range(count):
            raw = draft.change(partial(_count, number=number))
            assert raw is not None
            before = entries[-1].id if entries else None
            entries.append(
                sign_change(raw, document, signer=mallory.signer, prev=before, timestamp=number)
            )
        right = {AUTHORITY: encode_capability(Capability(WRITE, COMMONS, author))}
        said = sign_statement(
            Revoke(mallory.device.public),
            log_of(COMMONS, author, AUTHORITY),
            seq=1,
            signer=Signer(mallory.root, author, right),
            prev=None,
            timestamp=1,
        )
        return cls(mallory, said, entries)

    async def is_said(self, door: str) -> None:
        """A first call, by somebody else: the record's beginning, then that the right is gone."""
        async with Mallory().meets(door) as call:
            await call.offers(self.entries[:BEGUN])
            await call.offers([self.said])


def _count(editor: Editor, *, number: int) -> None:
    editor.put(("head", "count"), number)


@dataclass
class Flood:
    """What she did, and what came of it."""

    door: str
    kinds: Sequence[Sequence[SignedEntry]] = ()
    """Taken in turn, one for each call; none: everything that is wrong in itself."""
    patience_s: float = 120.0
    """Of a call."""
    is_smart: bool = False
    """Whether each call begins with an entry that is good, which ends the trial."""
    device: Mallory = field(default_factory=Mallory)  # the key that she comes back with
    calls: int = 0
    given: int = 0  # entries that the node asked for and got
    words: Counter[str] = field(default_factory=Counter[str])  # why it hung up; empty: no word

    @property
    def offered(self) -> int:
        return self.calls * CALL_ENTRIES

    async def run(self, *, entries: int, seconds: float = 0.0) -> None:
        """At least so many offered, and at least for so long."""
        kinds = self.kinds or (wrong_signatures(), wrong_payloads(), unknown_capabilities())
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
            async with asyncio.timeout(self.patience_s), mallory.meets(self.door) as call:
                try:
                    if self.is_smart:
                        await call.offers([mallory.publishes()])
                    await call.offers(entries)
                finally:
                    self.given += call.given
        except PeerLeft as left:
            return "" if left.code == "connection-lost" else left.code
        except TimeoutError:
            return "patience"
        except OSError:
            return ""
        return "dealt with"
