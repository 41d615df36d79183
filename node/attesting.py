"""Attests by itself what followed authors say of genomes, where the person wants that.

After that come entries of the open challenges that they call for, whoever entered.

    what was said ─▸ newest first ─▸ an evaluator one trusts? ─▸ run, niced ─▸ signed ─▸ a pause
                                                              └── no answer here: noted, not again

What is left to do is asked of the store each time, so there is no queue to fill or to lose; after
each run it rests as long as `attest.cpu_percent` of a processor asks for. Cancelled, it ends its
child at once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from msgspec import Struct

from crdt.errors import CrdtError
from crdt.keys import COMMONS, NamespaceKey
from node.config import AttestConfig
from node.errors import NodeError, Rejected, Unreachable, Unverified
from node.events import Events
from node.services.attest import Attested, Attestor, attest_again, ranking
from node.services.entering import next_entry
from p2p.protocol.errors import SyncError
from registry.attestation import Attestation, read_row
from registry.errors import RegistryError
from registry.fitness import Trust
from storage.errors import StorageError

log = logging.getLogger(__name__)

AHEAD_MAX: Final = 200
"""Looked at for one that may be run; what comes after them waits until those are done."""
REST_S_MAX: Final = 3_600.0
RETRY_S: Final = 600.0
"""After what no peer had; news wake it up earlier."""

Rest = Callable[[float], Awaitable[None]]


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
    """How many say something else."""


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
    running: str | None = None
    done: int = 0
    failed: int = 0
    last_error: str = ""

    @property
    def state(self) -> AttestingState:
        return AttestingState(
            self.config.enabled, self.running, self.done, self.failed, self.last_error
        )

    async def run(self, rest: Rest = asyncio.sleep) -> None:
        """Until cancelled."""
        if not self.config.enabled:
            return
        changed = asyncio.Event()
        unsubscribe = self.by.store.subscribe(lambda _: changed.set())
        try:
            while True:
                changed.clear()
                used_s = await self._once_or_not()
                if used_s is not None:
                    await rest(rest_s(used_s, self.config.cpu_percent))
                    continue
                try:
                    async with asyncio.timeout(RETRY_S):
                        await changed.wait()
                except TimeoutError:
                    continue
        finally:
            unsubscribe()

    async def _once_or_not(self) -> float | None:
        """As `once`; what nobody thought of costs a rest, not the node."""
        try:
            return await self.once()
        except Exception as error:
            log.exception("attesting failed")
            self.last_error = str(error)
            return None

    async def once(self) -> float | None:
        """Run what comes first: the seconds of a processor that it took; None: there is nothing."""
        unreachable: set[bytes] = set()
        while (found := await self._next(unreachable)) is not None:
            namespace, said = found
            self.running = said.id
            try:
                done = await attest_again(replace(self.by, namespace=namespace, waits=True), said)
            except Unreachable as error:
                self.last_error = error.detail
                unreachable.add(bytes.fromhex(said.id))
                continue
            except SyncError as error:  # its bytes cannot be had, or not kept, for now
                self.last_error = str(error)
                unreachable.add(bytes.fromhex(said.id))
                continue
            except (NodeError, RegistryError, CrdtError, StorageError) as error:
                return await self._note(said, error)
            finally:
                self.running = None
            self._tell(said, done)
            return done.cpu_ms / 1_000
        return None

    async def _next(self, without: set[bytes]) -> tuple[NamespaceKey, Attestation] | None:
        store, own = self.by.store, self.by.identity.did
        namespaces = [COMMONS, *(one.namespace for one in await store.joined())]
        trust = Trust(own, await store.followed_authors())
        for namespace, row in await store.to_attest(own, namespaces, AHEAD_MAX):
            said = read_row(row)
            if row.evaluation not in without and self._may_run(said, trust):
                return namespace, said
        return await next_entry(self.by, namespaces, trust, self._may_judge, without, AHEAD_MAX)

    def _may_judge(self, module: str, is_trusted: bool) -> bool:
        """Of a challenge: as `_may_run`."""
        return module in self.config.evaluators if self.config.evaluators else is_trusted

    def _may_run(self, said: Attestation, trust: Trust) -> bool:
        """Whose evaluators are run: those the settings name, else bundled and followed ones."""
        if self.config.evaluators:
            return said.module in self.config.evaluators
        return said.evaluator in ranking([said], trust)

    async def _note(self, said: Attestation, error: Exception) -> float:
        """No answer here: it is not tried again, and took at most what its limits allow."""
        detail = getattr(error, "detail", str(error))
        self.failed += 1
        self.last_error = f"{said.module} {said.version}: {detail}"
        log.warning("attesting %s: %s", said.id, self.last_error)
        code = error.reason if isinstance(error, (Rejected, Unverified)) else "failed"
        await self.by.store.note_not_attested(bytes.fromhex(said.id), code)
        return self.by.workers.config.background_s if code in COSTLY else 0.0

    def _tell(self, said: Attestation, done: Attested) -> None:
        self.done += 1
        words = done.judgement.contradictions
        if words:
            names = ", ".join(sorted({word.author for word in words}))
            log.warning("%s gives %s; not so say %s", said.id, done.answer, names)
        self.events.publish(
            "attested",
            AttestedNews(
                genome=said.genome,
                evaluation=said.id,
                module=said.module,
                seed=said.seed,
                ticks=said.ticks,
                ending=done.answer.ending,
                result=done.answer.result,
                contradictions=len(words),
            ),
        )


COSTLY: Final = frozenset({"deadline", "evaluator-timeout", "evaluator-died"})


def rest_s(used_s: float, cpu_percent: int) -> float:
    """How long to rest after so many seconds of a processor, to take a share of it."""
    return min(used_s * (100 / cpu_percent - 1), REST_S_MAX)
