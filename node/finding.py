"""Finding who made an invite, everywhere at once, by its secret alone.

    the link        places that it names
    this network    nodes that announce the sign of the invite by mDNS, now or while we look
    relays          whereabouts that the inviter left there, sealed under the secret

The first to prove that it knows the secret is it; all others are left.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from crdt.capability import CapabilityCache
from crdt.did import decode_did_key
from crdt.errors import CrdtError
from crdt.keys import DeviceKey
from node.errors import Conflict, NotAllowed, NotFound, Unreachable
from node.nearby import Nearby
from node.tasks import background_tasks
from node.turns import Turns
from p2p.protocol.errors import LocalProtocolError, PeerLeft, PeerTimeout, SyncError
from p2p.protocol.frames import Bye
from p2p.protocol.hint import Hint
from p2p.protocol.invites.accepting import Accepting, Offered
from p2p.protocol.invites.frames import OFFER_BYTES_MAX, encode_invite_frame
from p2p.protocol.invites.keys import (
    Whereabouts,
    meeting_of,
    open_whereabouts,
    sign_of,
)
from p2p.transport.stream import FrameStream

FIND_S: Final = 30.0
ANSWER_S: Final = 10.0
LOOK_AGAIN_S: Final = 3.0
"""At a relay: the invite may have been made this moment."""
AT_ONCE: Final = 8
"""Channels opened at one time; forged announcements are free."""

Tell = Callable[[str], None]
"""Progress, a sentence for people."""

OVER: Final = frozenset({"invite-used", "invite-expired", "invite-cancelled", "invite-dead"})


class Meeting(Protocol):
    """A relay, as a place where whereabouts are left; its `str` has no token in it."""

    async def post(self, tag: bytes, sealed: bytes, until_us: int) -> None:
        """Keeps it under `tag` until then. Raises `SyncError`."""
        ...

    async def fetch(self, tag: bytes) -> bytes | None:
        """What is kept there. Raises `SyncError`."""
        ...


@dataclass(frozen=True, slots=True)
class Ways:
    """How this node reaches others."""

    device: DeviceKey
    card: Callable[[], bytes]
    """Of this device, as of now."""
    open: Callable[[str], Awaitable[FrameStream]]
    """A channel to a place. Raises `SyncError`."""
    nearby: Nearby | None
    """None where mDNS is off."""
    wall_us: Callable[[], int]
    meetings: Callable[[], Sequence[Meeting]] = field(default=tuple)
    """The relays of this node, also those that are away just now."""
    use_relay: Callable[[str], None] = field(default=lambda url: None)
    """Has this node go to another one too. Raises `LocalProtocolError`."""


@dataclass(frozen=True, slots=True)
class Found:
    """The inviter's offer, on a channel that waits for an answer."""

    offered: Offered
    stream: FrameStream
    place: str
    """Where it was found."""
    is_by_relay: bool


@dataclass(slots=True)
class _Search:
    """Places to try, each once, and what came of them."""

    turns: Turns = field(default_factory=Turns)
    failed: dict[str, SyncError] = field(default_factory=dict[str, SyncError])
    underway: int = 0
    offers: list["Found"] = field(default_factory=list["Found"])
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set with every offer, and every place that gave none."""
    is_near: bool = False
    """Somebody on this network announced it."""
    over: SyncError | None = None
    """Why the invite is of no use, as one said who knows of it."""

    def add(self, place: str, device: DeviceKey | None, *, is_announced: bool = False) -> bool:
        """Whether it is new, and there is room."""
        is_new = self.turns.add(place, device, is_announced=is_announced)
        self.underway += is_new
        return is_new


@asynccontextmanager
async def found(
    ways: Ways, key: bytes, told: Whereabouts | None, tell: Tell, *, timeout_s: float = FIND_S
) -> AsyncGenerator[Found]:
    """The offer of whoever made the invite of this `key`; its channel is closed on leaving.

    `told`: what a link says. Raises `Unreachable` (`invite-not-found`) with what was tried,
    `NotAllowed` or `Conflict` where the invite is of no use any more.
    """
    search = _Search()
    offer: Found | None = None
    async with background_tasks() as tasks:
        _tell_what_is_tried(ways, told, tell)
        for _ in range(AT_ONCE):
            tasks.create_task(_try_places(ways, key, search, tell), name="try a place")
        for relay in told.relays if told else ():
            with suppress(LocalProtocolError):
                ways.use_relay(relay)
        tasks.create_task(_ask_relays(ways, key, search, tell), name="ask relays")
        for place in told.places if told else ():
            search.add(place, told.device if told else None)
        offer = await _first(ways, key, search, tell, timeout_s)
    for other in search.offers[1:]:  # by another address
        await other.stream.close()
    if offer is None:
        raise _why_not(ways, search)
    try:
        yield offer
    finally:
        await offer.stream.close()


async def _first(
    ways: Ways, key: bytes, search: _Search, tell: Tell, timeout_s: float
) -> Found | None:
    def near(hint: Hint) -> None:
        search.is_near = True
        for place in hint.addresses:
            if search.add(place, _device_of(hint), is_announced=True):
                tell(f"Somebody on this network announces it, at {place}.")

    async def wait() -> Found | None:
        may_come = ways.nearby is not None or bool(ways.meetings())
        while not search.offers:
            if search.underway == 0 and (search.over is not None or not may_come):
                return None
            search.news.clear()
            await search.news.wait()
        return search.offers[0]

    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            if ways.nearby is None:
                return await wait()
            async with ways.nearby.showing(sign_of(key), near):
                return await wait()
    return None


async def _try_places(ways: Ways, key: bytes, search: _Search, tell: Tell) -> None:
    while True:
        place, device = await search.turns.next()
        try:
            search.offers.append(await _ask(ways, key, place, device))
        except SyncError as error:
            search.failed[place] = error
            if error.code in OVER:
                search.over = error
            tell(f"{place}: {error.sentence}")
        finally:
            search.underway -= 1
            search.news.set()


async def _ask(ways: Ways, key: bytes, place: str, device: DeviceKey | None) -> Found:
    """Raises `SyncError`."""
    stream = await ways.open(place)
    try:
        if device is not None and stream.device != device:
            raise PeerLeft("another-device", "Another node answers there.")
        accepting = Accepting(key, stream.handshake_hash, ways.device, stream.device)
        async with asyncio.timeout(ANSWER_S):
            await stream.write([encode_invite_frame(accepting.redeem())])
            data = await stream.read(OFFER_BYTES_MAX)
        offered = accepting.hear_offer(data, CapabilityCache(16), now_us=ways.wall_us())
    except TimeoutError as error:
        await stream.close()
        raise PeerLeft("no-answer", "There is a node, but it gives no answer.") from error
    except BaseException:
        await stream.close()
        raise
    return Found(offered, stream, place, stream.carrier.name == "relay")


async def _ask_relays(ways: Ways, key: bytes, search: _Search, tell: Tell) -> None:
    """Again and again: the inviter may come to the relay later than we, and so may we."""
    while True:
        for meeting in ways.meetings():
            try:
                async with asyncio.timeout(ANSWER_S):
                    sealed = await meeting.fetch(meeting_of(key))
                if sealed is None:
                    continue
                whereabouts = open_whereabouts(key, sealed)
                new = [search.add(place, whereabouts.device) for place in whereabouts.places]
                if any(new):
                    tell(f"{meeting} knows where it was made.")
            except TimeoutError:
                search.failed[str(meeting)] = PeerTimeout("no-answer", "It gives no answer.")
            except SyncError as error:
                search.failed[str(meeting)] = error
        await asyncio.sleep(LOOK_AGAIN_S)


async def leave(found: Found, code: str, sentence: str) -> None:
    """Says goodbye to the inviter, who may be gone."""
    with suppress(SyncError):
        await found.stream.write([encode_invite_frame(Bye(code, sentence))])


def _tell_what_is_tried(ways: Ways, told: Whereabouts | None, tell: Tell) -> None:
    if told and told.places:
        tell(f"Calling {', '.join(told.places)}, as the link says.")
    if ways.nearby is not None:
        tell("Looking on this network.")
    for meeting in ways.meetings():
        tell(f"Asking {meeting}.")


def _why_not(ways: Ways, search: _Search) -> Exception:
    if search.over is not None:
        return refusal_of(search.over)
    tried = [f"{place}: {error.sentence}" for place, error in search.failed.items()]
    if ways.nearby is None:
        tried.append("this network: mDNS is off here (p2p.mdns)")
    elif not search.is_near:
        tried.append("this network: no node on it announces this invite")
    if relays := ways.meetings():
        tried.append(f"relays: {', '.join(map(str, relays))}")
    else:
        tried.append("relays: none is configured here")
    advice = (
        "Is the code right, neither used nor expired (most last 15 minutes), and is the"
        " node that made it running? On the same network the code alone is enough; from elsewhere"
        " take the link of `panspermia invite --qr`, which says where to call."
    )
    return Unreachable(
        "nobody was found who made this invite. Tried:\n  " + "\n  ".join(tried) + f"\n{advice}",
        code="invite-not-found",
    )


def refusal_of(error: SyncError) -> Exception:
    """What the inviter said, as an error of this node's; others as they are."""
    if error.code in ("invite-used", "own-invite"):
        return Conflict(error.sentence, code=error.code)
    if error.code in ("invite-expired", "invite-cancelled"):
        return NotFound(error.sentence, code=error.code)
    return NotAllowed(error.sentence, code=error.code) if error.code == "invite-dead" else error


def _device_of(hint: Hint) -> DeviceKey | None:
    try:
        return DeviceKey(decode_did_key(hint.device_did))
    except CrdtError:
        return None
