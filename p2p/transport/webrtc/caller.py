"""Data channels to devices: offers and answers through a signaller, and the carrier they lead to.

    caller                      signaller                       called
      offer, sealed        ->   passes it on    ->              answer, sealed, by the same way back
      checks, DTLS, SCTP   <================ UDP ===============>   one carrier on each side

Of two offers that cross, that of the smaller device key is answered. What comes of a signal is a
carrier and nothing more: who is at its other end says Noise.
"""

import asyncio
import importlib
import logging
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from crdt.ed25519 import SigningKey
from crdt.keys import DeviceKey
from p2p.protocol.errors import PeerLeft, RemoteProtocolError, SyncError
from p2p.protocol.limits import TokenBucket
from p2p.protocol.webrtc.sdp import Description, parse_sdp, write_sdp
from p2p.protocol.webrtc.signal import (
    ANSWER,
    CALL_BYTES,
    OFFER,
    Kind,
    Seen,
    Signal,
    open_signal,
    seal_signal,
)
from p2p.transport.address import Address
from p2p.transport.carrier import Carrier
from p2p.transport.webrtc.carrier import DataChannelCarrier, keep_leg
from p2p.transport.webrtc.servers import IceServers

if TYPE_CHECKING:  # importing it costs 0.3 s
    from p2p.transport.webrtc.stack import Leg

STACK = "p2p.transport.webrtc.stack"
LOG = logging.getLogger(__name__)

CONNECT_S = 25.0  # from an offer to an open channel, the checks of bad addresses included
ANSWERING_MAX = 8  # offers that are being answered; each opens a socket for every address
# Offers that are answered, of all devices: a signal of a stranger costs a signature and sockets.
OFFERS_PER_S = 0.5
OFFERS_BURST = 16.0


class Signaller(Protocol):
    """Passes sealed bytes on to a device; it need not be trusted, or even deliver."""

    async def signal(self, device: bytes, sealed: bytes) -> None:
        """Raises `SyncError` where it cannot."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """This device: its signing key, and the X25519 key pair of its card."""

    device: SigningKey
    sealing_private: bytes
    sealing_public: bytes


@dataclass(eq=False, slots=True)
class _Offered:
    """An offer of ours that is out."""

    call: bytes
    answer: asyncio.Future[str]


class Caller:
    """Makes and takes calls. `tasks` owns every task that is started here."""

    def __init__(
        self,
        identity: Identity,
        servers: Callable[[], IceServers],
        *,
        receive: Callable[[Carrier, Address], None],
        is_welcome: Callable[[DeviceKey], bool],
        wall_us: Callable[[], int],
        entropy: Callable[[int], bytes],
        tasks: asyncio.TaskGroup,
    ) -> None:
        """`receive` gets the carriers that others called for; `servers` are read at each call."""
        self._identity = identity
        self._us = DeviceKey(identity.device.public)
        self._servers = servers
        self._receive = receive
        self._is_welcome = is_welcome
        self._wall_us = wall_us
        self._entropy = entropy
        self._tasks = tasks
        self._clock = asyncio.get_running_loop().time
        self._offered: dict[DeviceKey, _Offered] = {}
        self._answering: set[DeviceKey] = set()
        self._answering_pages = 0
        self._seen = Seen()
        self._offers = TokenBucket.full(OFFERS_PER_S, OFFERS_BURST, now_s=self._clock())

    # --- calling ------------------------------------------------------------------------------

    async def call(
        self, device: DeviceKey, sealing: bytes, through: Signaller
    ) -> DataChannelCarrier:
        """A channel to `device`, whose card has the key `sealing`. Raises `SyncError`."""
        if device in self._offered:
            raise PeerLeft("webrtc-busy", "This node calls that device by WebRTC already.")
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        mine = self._offered[device] = _Offered(self._entropy(CALL_BYTES), answer)
        try:
            async with asyncio.timeout(CONNECT_S):
                return await self._offer(device, sealing, through, mine)
        except TimeoutError as error:
            why = "no answer came in time" if not answer.done() else "no address answered in time"
            raise _no_way(why) from error
        finally:
            answer.cancel()
            if answer.done() and not answer.cancelled():
                answer.exception()  # looked at, for it may have come too late to be waited for
            del self._offered[device]

    async def _offer(
        self, device: DeviceKey, sealing: bytes, through: Signaller, mine: _Offered
    ) -> DataChannelCarrier:
        async with self._leg(is_offering=True) as leg:
            said = await leg.gather()
            if not said.candidates:
                raise _no_way("this machine has no address to be reached at")
            signal = self._signal(OFFER, device, mine.call, write_sdp(said))
            await through.signal(device, self._sealed(signal, sealing))
            await leg.connect(parse_sdp(await mine.answer, "active"))
            return DataChannelCarrier(leg)

    # --- being called -------------------------------------------------------------------------

    def hear(self, sealed: bytes, through: Signaller) -> None:
        """A signal that came through `through`. What is wrong with it concerns nobody here."""
        now_us = self._wall_us()
        try:
            private = self._identity.sealing_private
            signal = open_signal(sealed, private, us=self._us, now_us=now_us)
        except RemoteProtocolError as error:
            LOG.debug("a signal was refused: %s", error)
            return
        if signal.kind == ANSWER:
            mine = self._offered.get(signal.source)
            if mine is not None and mine.call == signal.call and not mine.answer.done():
                mine.answer.set_result(signal.sdp)
        elif self._is_answered(signal, now_us):
            self._answering.add(signal.source)
            name = f"answer {signal.source.hex()[:8]}"
            self._tasks.create_task(self._answer(signal, through), name=name)

    def _is_answered(self, signal: Signal, now_us: int) -> bool:
        mine = self._offered.get(signal.source)
        if mine is not None and self._us < signal.source:
            return False  # they answer ours
        has_room = len(self._answering) < ANSWERING_MAX and signal.source not in self._answering
        if not (has_room and self._is_welcome(signal.source)):
            return False
        # Those beyond the rate are not remembered: else they would soon fill all the room for it.
        if self._seen.has(signal) or not self._offers.take(now_s=self._clock()):
            return False
        if not self._seen.take(signal, now_us=now_us):
            return False
        if mine is not None and not mine.answer.done():
            crossed = PeerLeft("webrtc-crossed", "The other side called at the same moment.")
            mine.answer.set_exception(crossed)
        return True

    async def _answer(self, signal: Signal, through: Signaller) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                offer = parse_sdp(signal.sdp, "actpass")
                async with self._leg(is_offering=False) as leg:
                    said = replace(await leg.gather(), mid=offer.mid)
                    answer = self._signal(ANSWER, signal.source, signal.call, write_sdp(said))
                    await through.signal(signal.source, self._sealed(answer, signal.sealing))
                    await leg.connect(offer)
                    self._hand_over(leg)
        except (SyncError, TimeoutError) as error:
            LOG.debug("a call of %s led nowhere: %s", signal.source.hex()[:8], error)
        finally:
            self._answering.discard(signal.source)

    async def answer_page(self, sdp: str) -> str:
        """The answer to the offer of somebody's own page; its channel is taken as any other.

        Raises `SyncError` where the offer is none, or too many are being answered.
        """
        offer = parse_sdp(sdp, "actpass")
        if self._answering_pages >= ANSWERING_MAX:
            raise PeerLeft("webrtc-busy", "Too many pages call this node now.", wait_s=5)
        self._answering_pages += 1
        try:
            async with self._leg(is_offering=False) as leg:
                said = replace(await leg.gather(), mid=offer.mid)
                self._tasks.create_task(self._meet_page(leg, offer), name="answer a page")
        except BaseException:
            self._answering_pages -= 1
            raise
        return write_sdp(said)

    async def _meet_page(self, leg: "Leg", offer: Description) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                with ended_by_errors(leg):
                    await leg.connect(offer)
                    self._hand_over(leg)
        except (SyncError, TimeoutError) as error:
            LOG.debug("the call of a page led nowhere: %s", error)
        finally:
            self._answering_pages -= 1

    def _hand_over(self, leg: "Leg") -> None:
        carrier = DataChannelCarrier(leg)
        self._receive(carrier, carrier.remote)

    # --- both ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def _leg(self, *, is_offering: bool) -> AsyncGenerator["Leg"]:
        """One end of a connection, which an error ends. Imports aiortc beside the loop."""
        stack: Any = await asyncio.to_thread(importlib.import_module, STACK)
        leg = cast("Leg", stack.Leg(self._servers(), is_offering=is_offering))
        began = asyncio.Event()
        self._tasks.create_task(keep_leg(leg, began), name="data channel")
        await began.wait()
        with ended_by_errors(leg):
            yield leg

    def _signal(self, kind: Kind, device: DeviceKey, call: bytes, sdp: str) -> Signal:
        return Signal(kind, self._us, device, call, self._identity.sealing_public, sdp)

    def _sealed(self, signal: Signal, key: bytes) -> bytes:
        return seal_signal(signal, self._identity.device, key, now_us=self._wall_us())


@contextmanager
def ended_by_errors(leg: "Leg") -> Generator[None]:
    """What goes wrong meanwhile ends `leg`."""
    try:
        yield
    except BaseException:
        leg.end()
        raise


def _no_way(why: str) -> PeerLeft:
    return PeerLeft("webrtc-no-path", f"No direct path to the peer was found: {why}.")
