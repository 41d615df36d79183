"""Keeps peers connected: tries the addresses that people named and that discovery hints at.

static, invite   for ever, with full-jitter back-off, or until it is forgotten
others           `HINT_ATTEMPTS` times, then forgotten until they are announced again

Whoever sends us away says for how long, and is not called before that, or before an hour at most.
Who is announced with a newer card than before has moved, or is back: they are called at once, but
for that, and not twice within `NEWS_S`, since forged announcements are free. When a relay is back,
so are they who are called through it, which may be after minutes of back-off.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from crdt.did import decode_did_key, encode_did_key
from crdt.errors import CrdtError
from p2p.protocol.backoff import Backoff
from p2p.protocol.errors import DUPLICATE, LocalProtocolError, SyncError
from p2p.protocol.hint import CHOSEN, Hint, Source
from p2p.transport.connection import Connection
from p2p.transport.mover import known_as
from p2p.transport.network import Network
from p2p.transport.place import DirectPlace, RelayedPlace, parse_place

HINT_ATTEMPTS = 5
# A session that lasted so long was of use. Shorter ones, as with two devices of one key that push
# each other out for ever, are tried less and less often.
STEADY_S = 10.0
HOPELESS = ("self", "address")  # this node, or no address at all
TOLD_WAIT_S_MAX = 3_600.0  # a peer may be forgiven at any time, and cannot tell us
NEWS_S = 10.0
ADDRESSES_MAX = 256  # known at once: forged announcements are free, so they are bounded


@dataclass(slots=True)
class Found:
    """An address that somebody named, and what became of it."""

    claimed_did: str  # whom the address was named for; empty where nobody said
    device_did: str  # the same, then as proved
    address: str
    source: Source
    seen_s: float
    last_error: str = ""
    is_wanted: bool = True
    issued_us: int = 0  # of the newest card that was announced with it
    not_before_s: float = 0.0  # as it told us, or because of news just now
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    def is_for(self, device: bytes) -> bool:
        """Whether it was named for `device`, or for nobody; not who answered there instead."""
        return device_at(self.claimed_did or self.device_did) == device


class Dialler:
    """One task an address, in the task group of the node."""

    def __init__(self, network: Network, random: Random, tasks: asyncio.TaskGroup) -> None:
        self._network = network
        self._random = random
        self._tasks = tasks
        self._clock = asyncio.get_running_loop().time
        self._found: dict[str, Found] = {}

    @property
    def found(self) -> Sequence[Found]:
        """The addresses that are tried or connected now."""
        return tuple(found for found in self._found.values() if found.is_wanted)

    def hint(self, hint: Hint, *, lost: str = "") -> None:
        """Starts to try the addresses that are not tried yet. `lost`: why a session ended there."""
        device = device_of(hint)
        if device == self._network.device:
            return
        if (connection := self._network.connection(device)) is not None:
            connection.know(known_as(hint.addresses))
        for text in hint.addresses:
            if known := self._found.get(text):
                known.seen_s, known.is_wanted = self._clock(), True
                if hint.source in CHOSEN:
                    known.source = hint.source
                    is_proved = known.claimed_did and known.claimed_did == known.device_did
                    if hint.source == "static" or not is_proved:  # what a card says is not proved
                        known.claimed_did = hint.device_did or known.claimed_did
                self._take_news(known, hint)
            elif len(self._found) < ADDRESSES_MAX or hint.source in CHOSEN:
                self._found[text] = Found(
                    hint.device_did,
                    hint.device_did,
                    text,
                    hint.source,
                    self._clock(),
                    lost,
                    issued_us=hint.issued_us,
                )
                self._tasks.create_task(self._keep(hint, text), name=f"dial {text}")

    def _take_news(self, known: Found, hint: Hint) -> None:
        """An announcement that is older than another one, or as old, says nothing new."""
        if hint.issued_us <= known.issued_us:
            return
        known.issued_us = hint.issued_us
        self._call_soon(known)

    def call_through(self, relay: DirectPlace) -> None:
        """This node is registered at `relay` anew: whoever is behind it is called at once."""
        for found in self._found.values():
            if (place := relayed(found.address)) is not None and place.relay == relay:
                self._call_soon(found)

    def _call_soon(self, found: Found) -> None:
        """Unless they told us to wait, or there was news of them just now."""
        now_s = self._clock()
        if found.not_before_s <= now_s:
            found.not_before_s = now_s + NEWS_S
            found.hurry.set()

    def forget(self, device: bytes) -> Sequence[Found]:
        """Ends the tries at what was named for `device`, and where it answered; these addresses.

        Until they are named again. A session that stands goes on.
        """
        meant = [
            found
            for found in self.found
            if found.is_for(device) or device_at(found.device_did) == device
        ]
        for found in meant:
            found.is_wanted = False
        return meant

    def hurry(self) -> None:
        """Tries all of them now: why they were waited for may be no more."""
        for found in self._found.values():
            found.hurry.set()
        for connection in self._network.connections:
            connection.hurry()

    async def _keep(self, hint: Hint, text: str) -> None:
        """Connects, and connects again, until there is no hope left or it is ourselves."""
        found, device = self._found[text], device_of(hint)
        backoff, attempts_left = Backoff(), HINT_ATTEMPTS
        try:
            while found.is_wanted and (found.source in CHOSEN or attempts_left):
                attempts_left -= 1
                told_s = 0.0
                try:
                    began_s = self._clock()
                    device, told_s = await self._be_connected(found, device)
                    attempts_left = HINT_ATTEMPTS
                    if self._clock() - began_s >= STEADY_S:
                        backoff.reset()
                except SyncError as error:
                    found.last_error = error.sentence
                    if error.code in HOPELESS:
                        return
                    told_s = error.wait_s
                told_s = min(told_s, TOLD_WAIT_S_MAX)
                if told_s:
                    found.not_before_s = self._clock() + told_s
                await rest(found, max(backoff.fail(self._random), told_s))
        finally:
            del self._found[text]

    async def _be_connected(self, found: Found, device: bytes) -> tuple[bytes, int]:
        """Until a session that was there, or that was opened now, has ended.

        With whom it was, and for how many seconds we were told to stay away.
        """
        connection = self._network.connection(device)
        if connection is not None:
            return await self._be_left_by(connection, found)
        connection = await self._network.reach(parse_place(found.address))
        found.device_did = encode_did_key(connection.device)
        known = self._network.connection(connection.device)
        if known is not None and known.is_greeted and known.link.is_resumable:
            await connection.close()  # another place of a peer that is here
            known.know(known_as((found.address,)))
            return await self._be_left_by(known, found)
        reason = await self._network.serve(connection)
        if not connection.is_greeted:
            raise reason
        found.last_error = reason.sentence
        return connection.device, reason.wait_s

    @staticmethod
    async def _be_left_by(connection: Connection, found: Found) -> tuple[bytes, int]:
        """The same of a session that stands, whoever opened it."""
        await connection.ended.wait()
        reason = connection.reason
        if reason is None or reason.code == DUPLICATE:  # this node stops, or has a newer one
            return connection.device, 0
        found.last_error = reason.sentence
        return connection.device, reason.wait_s


async def rest(found: Found, seconds: float) -> None:
    """So long, or until somebody is in a hurry."""
    found.hurry.clear()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await found.hurry.wait()


def device_of(hint: Hint) -> bytes:
    """The device that is claimed to be there; empty where the hint says nothing of use."""
    return device_at(hint.device_did)


def relayed(address: str) -> RelayedPlace | None:
    """The place behind a relay that `address` names, if it does."""
    try:
        place = parse_place(address)
    except LocalProtocolError:
        return None
    return place if isinstance(place, RelayedPlace) else None


def device_at(did: str) -> bytes:
    try:
        return decode_did_key(did)
    except CrdtError:
        return b""
