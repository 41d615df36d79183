"""Peers that are refused now: shown, forgiven, and written down to outlive a restart."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict

from msgspec import Struct

from crdt.did import decode_did_key, encode_did_key
from crdt.errors import CrdtError
from p2p.protocol.offences import Offences, Offender
from registry.listed import rfc3339
from storage.errors import StorageError
from storage.offences import OffenderRow
from storage.store import Store

log = logging.getLogger(__name__)

US_PER_S = 1_000_000
SHOWN_MAX = 1_000  # devices, and as many hosts


class RefusedPeer(Struct, frozen=True):
    """Somebody whom this node does not talk to for now."""

    device: str | None
    """did:key of the device; null where nobody of a host is let in."""
    host: str
    """From where it called last; empty where this node called it."""
    code: str
    reason: str
    """Of its last offence, as a sentence."""
    times: int
    """Refused entries and broken rules, all of them."""
    at: str | None
    until: str
    codes: dict[str, int]
    """How often of late, by code."""


class Offenders:
    """`offences` as people see it; whoever notes never waits."""

    def __init__(self, store: Store, offences: Offences, clock_s: Callable[[], float]) -> None:
        self._store = store
        self._offences = offences
        self._clock_s = clock_s
        self._noted = asyncio.Event()

    def note(self) -> None:
        """Something may have changed: to be written soon."""
        self._noted.set()

    async def run(self) -> None:
        """Until cancelled: write down what changed, all of it at once."""
        while True:
            await self._noted.wait()
            self._noted.clear()
            await self.write()

    async def write(self) -> None:
        """A disk that is full costs the memory after a restart, nothing else."""
        changes = self._offences.take_changes(now_s=self._clock_s())
        try:
            kept = [row_of(one) for one in changes.kept]
            await self._store.write_offenders(kept, changes.forgotten)
        except StorageError as error:
            log.warning("could not note who broke the rules: %s", error)

    def shown(self) -> Sequence[RefusedPeer]:
        """Devices first, then hosts; the latest offender first."""
        now_s = self._clock_s()
        devices = self._offences.refused_now(now_s=now_s)[:SHOWN_MAX]
        hosts = self._offences.closed_now(now_s=now_s)[:SHOWN_MAX]
        return (
            *map(show_device, devices),
            *(
                RefusedPeer(
                    None, one.host, one.code, one.sentence, one.times, None, at(one.until_s), {}
                )
                for one in hosts
            ),
        )

    def forgive(self, who: str) -> bool:
        """A device by its did:key, or a host; gives whether anything was remembered of it."""
        try:
            done = self._offences.forgive(decode_did_key(who))
        except CrdtError:
            done = self._offences.forgive_host(who)
        self.note()
        return done


async def remembered(store: Store) -> Offences:
    """What an earlier run of this node wrote down."""
    return Offences(map(offender_of, await store.offenders()))


def show_device(one: Offender) -> RefusedPeer:
    return RefusedPeer(
        device=encode_did_key(one.device),
        host=one.host,
        code=one.code,
        reason=one.sentence,
        times=one.times,
        at=at(one.at_s),
        until=at(one.until_s),
        codes={code: round(count) for code, count in one.codes.items() if round(count)},
    )


def at(seconds: float) -> str:
    return rfc3339(round(seconds * US_PER_S))


def row_of(one: Offender) -> OffenderRow:
    fields = asdict(one)
    at_us, until_us = (round(fields.pop(name) * US_PER_S) for name in ("at_s", "until_s"))
    return OffenderRow(**fields, at_us=at_us, until_us=until_us)


def offender_of(row: OffenderRow) -> Offender:
    return Offender(
        device=row.device,
        host=row.host,
        strikes=row.strikes,
        level=row.level,
        times=row.times,
        code=row.code,
        sentence=row.sentence,
        at_s=row.at_us / US_PER_S,
        until_s=row.until_us / US_PER_S,
        codes=dict(row.codes),
    )
