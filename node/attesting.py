"""Attests by itself what followed authors say of genomes, where the person wants that.

After that come entries of the open challenges that they call for, whoever entered.

    what was said ─▸ newest first ─▸ an evaluator one trusts? ─▸ run, niced ─▸ signed ─▸ a pause
                                                              ├── not for now: after a while again
                                                              └── no answer here: noted

What is left to do is asked of the store each time, so there is no queue to fill or to lose. After
each run, however it ended, it rests as long as `attest.cpu_percent` of a processor asks for, in the
next life of the node where this one ends (`node.cpu_debt`), and looks again at most every `LOOK_S`.
Cancelled, it ends its child at once.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from msgspec import Struct

from crdt.errors import CrdtError
from crdt.keys import COMMONS, NamespaceKey
from node.config import AttestConfig
from node.cpu_debt import CpuDebt, Rest
from node.errors import NodeError
from node.events import Events
from node.retries import Retries
from node.services.attest import Attested, Attestor, NoAnswer, attest_again, is_of
from node.services.entering import entries_left
from node.services.evaluators import names_of
from p2p.protocol.errors import SyncError
from registry.attestation import Attestation, read_row
from registry.errors import RegistryError
from registry.fitness import Trust
from storage.attestations import Candidate
from storage.errors import StorageError

log = logging.getLogger(__name__)

PAGE_MAX: Final = 200
"""Looked at together for one that may be run; then those after them."""
LOOK_S: Final = 5.0
"""Between two looks that found nothing: whatever comes meanwhile is looked at together."""
LOOK_ANYWAY_S: Final = 60.0
"""Without news: giving somebody a name is none of the store's."""
PASSING_S: Final = 86_400
"""Before what this machine had no time or memory for is tried again."""
PASSING: Final = frozenset({"deadline", "evaluator-timeout", "evaluator-died"})

Key: TypeAlias = tuple[NamespaceKey, bytes]
"""Where an evaluation is asked, and which."""
FAILURES: Final = (NodeError, RegistryError, CrdtError, StorageError, SyncError)


class AttestedNews(Struct, frozen=True):
    """The `attested` event."""

    genome: str
    evaluation: str
    module: str
    seed: int
    ticks: int
    ending: str
    result: int | None
    contradictions: int
    """How many say something else, whoever they are."""
    disputes: int
    """Of these, those who ran it and whom one follows, or oneself."""


class AttestingState(Struct, frozen=True):
    """For the status page."""

    enabled: bool
    running: str | None
    """The evaluation that is being run."""
    done: int
    """Since the node started."""
    failed: int
    """Those without an answer here, since then."""
    last_error: str


@dataclass(slots=True)
class Attesting:
    """`by` attests in commons; `namespaces` are those looked into."""

    by: Attestor
    config: AttestConfig
    events: Events
    clock_s: Callable[[], float] = time.monotonic
    running: str | None = None
    done: int = 0
    failed: int = 0
    last_error: str = ""
    retries: Retries[Key] = field(default_factory=Retries[Key])
    debt: CpuDebt = field(init=False)

    def __post_init__(self) -> None:
        workers = self.by.workers.config
        longest_s = workers.compile_s + workers.background_s
        self.debt = CpuDebt(self.by.store, self.config.cpu_percent, longest_s)

    @property
    def state(self) -> AttestingState:
        return AttestingState(
            self.config.enabled, self.running, self.done, self.failed, self.last_error
        )

    @property
    def engine(self) -> str:
        """What tries: what is noted of it holds for no other."""
        workers = self.by.workers
        return f"{workers.checker} {workers.features} {workers.config.background_s:g} s"

    async def run(self, rest: Rest = asyncio.sleep) -> None:
        """Until cancelled."""
        if not self.config.enabled:
            return
        changed = asyncio.Event()
        unsubscribe = self.by.store.subscribe(lambda _: changed.set())
        try:
            await self.debt.load()
            await self.debt.pay(rest)
            while True:
                changed.clear()
                looked_s = self.clock_s()
                has_run = await self._once_paid(looked_s)
                await self.debt.pay(rest)
                if not has_run:
                    await rest(LOOK_S)
                    # What came due since this look began was perhaps passed over by it.
                    due_s = looked_s + self.retries.next_s(now_s=looked_s)
                    wait_s = min(due_s - self.clock_s(), LOOK_ANYWAY_S)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(wait_s):
                            await changed.wait()
        finally:
            unsubscribe()

    async def _once_paid(self, looked_s: float) -> bool:
        """As `once`; what it used is owed."""
        before_s = self.by.workers.background_cpu_s
        try:
            has_run = await self._once_or_not()
        except asyncio.CancelledError:
            await self.debt.break_off(self.clock_s() - looked_s)
            raise
        await self.debt.end(self.by.workers.background_cpu_s - before_s)
        return has_run

    async def _once_or_not(self) -> bool:
        """As `once`; what nobody thought of costs a rest, not the node."""
        try:
            return await self.once()
        except Exception as error:
            log.exception("attesting failed")
            self.last_error = str(error)
            return False

    async def once(self) -> bool:
        """Run what comes first of what can be run now; False: there is nothing."""
        tried: set[Key] = set()
        while (has_run := await self._look(tried)) is None:
            pass
        return has_run

    async def _look(self, tried: set[Key]) -> bool | None:
        """As `once`, without what was `tried`. None: look anew.

        A failure may take minutes, and anybody can enter what fails: so what came meanwhile, and
        goes before entries, does not wait until all of these were tried.
        """
        began_s = self.clock_s()
        async with aclosing(self._left()) as left:
            async for one in left:
                key = (one.namespace, one.row.evaluation)
                # Of another author's word for it, what was put off just now is put off too.
                if key in tried or not self._is_due(one):
                    continue
                tried.add(key)
                if await self._has_run(one):
                    return True
                if self.clock_s() - began_s >= LOOK_S:
                    return None
        return False

    async def _has_run(self, one: Candidate) -> bool:
        said, key = read_row(one.row), (one.namespace, one.row.evaluation)
        self.running = said.id
        try:
            await self.debt.begin()
            by = replace(self.by, namespace=one.namespace, waits=True)
            done = await attest_again(by, said)
        except NoAnswer as error:
            await self._note(key, said, error)
            self.retries.done(key)
            return True
        except FAILURES as error:  # its bytes are not here, or not yet; or it may not be signed
            self.last_error = f"{said.id[:16]}…: {getattr(error, 'detail', error)}"
            self.retries.put_off(key, now_s=self.clock_s())
            return False
        except Exception:  # the same would fail first in every look
            self.retries.put_off(key, now_s=self.clock_s())
            raise
        finally:
            self.running = None
        self.retries.done(key)
        self._tell(said, done)
        return True

    async def _left(self) -> AsyncGenerator[Candidate]:
        """What may be run now, the newest first, down to the oldest; then entries of challenges."""
        store, own = self.by.store, self.by.identity.did
        namespaces = [COMMONS, *(one.namespace for one in await store.joined())]
        trust = Trust(own, await store.followed_authors())
        after: tuple[int, int] | None = None
        while page := await store.to_attest(
            own, namespaces, PAGE_MAX, engine=self.engine, after=after
        ):
            for one in await self._due(page, trust):
                yield one
            after = page[-1].place
        async with aclosing(entries_left(self.by, namespaces, self.engine, PAGE_MAX)) as pages:
            async for page in pages:
                for one in await self._due(page, trust):
                    yield one

    async def _due(self, page: list[Candidate], trust: Trust) -> list[Candidate]:
        """Those of a page that may be run, and are not put off."""
        runnable = await self._runnable(page, trust)
        return [
            one
            for one in page
            if self._is_due(one) and (one.namespace, read_row(one.row).evaluator) in runnable
        ]

    def _is_due(self, one: Candidate) -> bool:
        return self.retries.is_due((one.namespace, one.row.evaluation), now_s=self.clock_s())

    async def _runnable(self, page: list[Candidate], trust: Trust) -> set[tuple[NamespaceKey, str]]:
        """Whose evaluators are run: those the settings name, else bundled and followed ones.

        By the bytes that go by such a name here, not by what somebody says.
        """
        chosen = self.config.evaluators
        believes = chosen.__contains__ if chosen else is_of(trust)
        runnable: set[tuple[NamespaceKey, str]] = set()
        for place in {one.namespace for one in page}:
            said = [read_row(one.row) for one in page if one.namespace == place]
            names = await names_of(self.by.store, said, believes, place)
            runnable |= {
                (place, evaluator)
                for evaluator, name in names.items()
                if not chosen or name.module in chosen
            }
        return runnable

    async def _note(self, key: Key, said: Attestation, error: NoAnswer) -> None:
        """It ran, and has no answer here: what is not only a matter of the moment is final."""
        self.failed += 1
        self.last_error = f"{said.module} {said.version}: {error.detail}"
        log.warning("attesting %s: %s", said.id, self.last_error)
        until_us = self.by.clock_us() + PASSING_S * 1_000_000 if error.reason in PASSING else None
        await self.by.store.note_not_attested(
            *key, error.reason, engine=self.engine, until_us=until_us
        )

    def _tell(self, said: Attestation, done: Attested) -> None:
        self.done += 1
        one = done.judgement
        if one.disputes:
            names = ", ".join(sorted({word.author for word in one.disputes}))
            log.warning("%s gives %s; not so say %s", said.id, done.answer, names)
        self.events.publish(
            "attested",
            AttestedNews(
                genome=said.genome,
                evaluation=said.id,
                module=one.name.module if one.name else "",
                seed=said.seed,
                ticks=said.ticks,
                ending=done.answer.ending,
                result=done.answer.result,
                contradictions=len(one.contradictions),
                disputes=len(one.disputes),
            ),
        )
