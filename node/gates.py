"""The gates that this device is: they answer travellers as soon as what is held changes.

    a universe or a passage changed ─▸ universes of one's own passages ─▸ what is due at each

Nothing is queued: what is due is asked of the store each time, so what a kill interrupted is found
at the next start. Changes that come meanwhile are looked at together, a pause after the last look.
Where nothing changes there is a look after 10 s, 20 s, … 10 min if a disk was full or busy, or what
another end says is damaged here: who comes from there waits, and nobody else; if somebody waits for
the next day, each hour, and when it is time; after 30 s if more stories of travellers were left
than one look reads, until all were read since something changed; an hour after one was left out
that is too long, or damaged here.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from crdt.blob import BlobId
from crdt.change import DocumentId
from crdt.errors import CrdtError
from crdt.keys import COMMONS, NamespaceKey
from node.errors import NodeError
from node.events import Events
from node.retries import Retries
from node.services.coming import StoryTurns
from node.services.passages import Ferry, own_halves
from node.services.travel import Gatekeeper
from node.services.verdicts import Wanted
from node.traveller_turns import Turns
from p2p.protocol.errors import SyncError
from registry.errors import RegistryError
from storage.appended import AppendedEvent
from storage.errors import Corrupt, OverQuota, Rotted, StorageError
from universe import passage, record
from universe.gate import ANSWERS_MAX
from universe.names import parse_full_name
from universe.receipts import Checked

log = logging.getLogger(__name__)

PAUSE_S: Final = 0.5
"""Between two looks: a busy passage costs no more than that often."""
REST: Final = 4
"""A look is followed by a pause of as many times what it took: somebody else's long chain of
receipts, changed again and again, takes a fifth of a processor where a look is short."""
PAUSE_MAX_S: Final = 10.0
"""Who comes meanwhile waits no longer; so looks of more than a quarter of it take more."""
ROUNDS_MAX: Final = 8
"""Of `ANSWERS_MAX` receipts at one gate before the others have their turn."""
KINDS: Final = frozenset({(record.CLASS, record.KIND), (passage.CLASS, passage.KIND)})
TRY_AGAIN_S: Final = 30.0
LOOK_ANYWAY_S: Final = 3_600.0
"""Whatever is known of when: this device may sleep meanwhile, or its clock be set."""
LOOK_SOONEST_S: Final = 1.0
"""After the last one, where nothing changed: a clock that was set back keeps no processor busy."""
PASSING: Final = (OverQuota, StorageError, Corrupt, Rotted)
"""No other kinds: those say more than that it cannot be now. What is damaged somebody may mend."""
FAILURES: Final = (NodeError, RegistryError, CrdtError, StorageError)

FETCH_FAILURES: Final = (*FAILURES, SyncError)

Rest = Callable[[float], Awaitable[None]]
Wait = Callable[[asyncio.Event, float | None], Awaitable[None]]
"""Until it is set, or so many seconds have passed."""


async def woken(wake: asyncio.Event, wait_s: float | None) -> None:
    """`Wait` by the loop's clock."""
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await wake.wait()


class GateNews(Struct, frozen=True):
    """The `traveller` event: what a gate of this node signed."""

    kind: str
    universe: str
    other: str
    soul: str
    migration: str


@dataclass(slots=True)
class Gates:
    """`ferry` is of one namespace; `lock` is shared by all who sign for a gate here."""

    ferry: Callable[[NamespaceKey], Ferry]
    lock: asyncio.Lock
    events: Events
    clock_s: Callable[[], float] = time.monotonic
    fetch: Callable[[BlobId, int], Awaitable[None]] | None = None
    """A traveller's blob, of at most so many bytes; None where nobody is asked."""
    pause: Rest = asyncio.sleep
    fetching: dict[BlobId, tuple[NamespaceKey, frozenset[str]]] = field(
        default_factory=dict[BlobId, tuple[NamespaceKey, frozenset[str]]]
    )
    """And by which passages they came."""
    turns: Turns = field(default_factory=Turns)
    wanted: dict[BlobId, Wanted] = field(default_factory=dict[BlobId, Wanted])
    hashes: dict[BlobId, bytes] = field(default_factory=dict[BlobId, bytes])
    """As the gatekeeper's: a blob is read once for all who are refused by it, at whatever look, and
    once more in the look by which somebody is let in."""
    stories: StoryTurns = field(default_factory=StoryTurns)
    warned: dict[str, str] = field(default_factory=dict[str, str])
    """Universe → what was logged of its gate last: not at every look again."""
    put_off: Retries[NamespaceKey] = field(default_factory=Retries[NamespaceKey])
    """Where something is due that the disk did not take, or that waits for the next day, or where
    not all stories were read, or one was left out."""

    async def run(self, rest: Rest = asyncio.sleep, wait: Wait = woken) -> None:
        """Until cancelled. What is put off is looked at when it is due, busy or not."""
        store = self.ferry(COMMONS).store
        changed: set[NamespaceKey] = set(await store.namespaces_held())
        wake = asyncio.Event()
        wake.set()

        def note(event: AppendedEvent) -> None:
            if any(_is_ours(one) for one in event.documents):
                self.stories.news += 1
                changed.add(event.namespace)
                wake.set()

        def came(namespace: NamespaceKey) -> None:
            changed.add(namespace)
            wake.set()

        unsubscribe = store.subscribe(note)
        try:
            async with asyncio.TaskGroup() as fetches:
                while True:
                    await wait(wake, self._silent_s())
                    wake.clear()
                    begun_s = self.clock_s()
                    changed |= self.put_off.due(now_s=begun_s)
                    look = sorted(changed)
                    changed.clear()  # what comes meanwhile has the next look
                    for namespace in look:
                        await self.answer(namespace)
                        for blob, one in self._next_wanted():
                            self.fetching[blob] = namespace, one.passages
                            fetching = self._fetch(blob, one.size, came)
                            fetches.create_task(fetching, name="traveller")
                    took_s = self.clock_s() - begun_s
                    await rest(min(max(PAUSE_S, REST * took_s), PAUSE_MAX_S))
        finally:
            unsubscribe()

    async def answer(self, namespace: NamespaceKey) -> int:
        """Sign what is due at one's own gates there: how many receipts."""
        by, count = self.ferry(namespace), 0
        keeper = Gatekeeper(by, self.lock, hashes=self.hashes, stories=self.stories)
        try:
            halves = await own_halves(by)
        except FAILURES as error:
            log.warning("gates: %s", error)
            self._put_off(namespace, keeper, is_failed=type(error) in PASSING)
            return 0
        is_failed = False
        ends = {end for one in halves for end in one.ends[:2]}
        for universe in sorted(end for end in ends if parse_full_name(end)[0] == by.did):
            for _ in range(ROUNDS_MAX):
                signed = await self._answer_one(keeper, universe)
                is_failed = is_failed or signed is None or keeper.damage != ""
                if signed is None:
                    break
                for one in signed:
                    self.events.publish("traveller", _news(one))
                count += len(signed)
                if len(signed) < ANSWERS_MAX:
                    break
        self.wanted = keeper.wanted
        self._put_off(namespace, keeper, is_failed=is_failed)
        return count

    def _put_off(self, namespace: NamespaceKey, keeper: Gatekeeper, *, is_failed: bool) -> None:
        """After a look there: when the next one is, if nothing changes. `is_failed`: for now."""
        if is_failed:
            self.put_off.put_off(namespace, now_s=self.clock_s())
        else:
            self.put_off.done(namespace)
        if keeper.put_off_until_us is not None:
            wait_s = (keeper.put_off_until_us - keeper.by.clock_us()) / 1_000_000
            wait_s = max(LOOK_SOONEST_S, min(wait_s, LOOK_ANYWAY_S))
            self.put_off.no_later(namespace, self.clock_s() + wait_s)

    def _silent_s(self) -> float | None:
        """How long nothing may come until there is a look all the same; None: for ever."""
        return self.put_off.first_s(now_s=self.clock_s())

    def _next_wanted(self) -> list[tuple[BlobId, Wanted]]:
        """What is asked for now, of what travellers wait for."""
        if self.fetch is None:
            return []
        wanted = {blob: one for blob, one in self.wanted.items() if blob not in self.fetching}
        under_way = [passages for _, passages in self.fetching.values()]
        return [(blob, wanted[blob]) for blob in self.turns.take(wanted, under_way)]

    async def _fetch(self, blob: BlobId, size: int, came: Callable[[NamespaceKey], None]) -> None:
        """Once; what nobody gives is asked for again after a pause."""
        assert self.fetch is not None
        try:
            await self.fetch(blob, size)
            self.turns.came(blob)
            self.stories.news += 1
        except FETCH_FAILURES as error:
            self.turns.failed(blob)
            log.info("the bytes of a traveller: %s", error)
            await self.pause(TRY_AGAIN_S)
        came(self.fetching.pop(blob)[0])

    async def _answer_one(self, keeper: Gatekeeper, universe: str) -> list[Checked] | None:
        """One gate that cannot be answered for keeps no other one waiting. None: not now."""
        try:
            signed = await keeper.answer(universe)
        except FAILURES as error:
            self._warn(universe, str(error))
            return None if type(error) in PASSING else []
        if keeper.damage:
            self._warn(universe, f"who comes from there waits: {keeper.damage}")
        else:
            self.warned.pop(universe, None)
        return signed

    def _warn(self, universe: str, why: str) -> None:
        if self.warned.get(universe) != why:
            log.warning("the gate of %s: %s", universe, why)
        self.warned[universe] = why


def _is_ours(document: DocumentId) -> bool:
    return (document.cls, document.kind) in KINDS


def _news(one: Checked) -> GateNews:
    said = one.receipt
    who = said.traveller.who
    return GateNews(said.kind, said.universe, said.other, who.soul, said.migration.hex())
