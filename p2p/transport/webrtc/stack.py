"""One data channel over aiortc's ICE, DTLS and SCTP: the one module that imports them.

It takes 0.3 s and 42 MB, so it is imported in a thread, by `p2p.transport.webrtc.caller`, when the
first channel is wanted. The parts are put together here rather than by RTCPeerConnection, which
also does audio and video, reads descriptions in its own way, and bounds nothing of what a peer
sends. What is overridden are those bounds:

- checks from ever new ports, and datagrams that nobody reads yet, cost no memory;
- what is received in pieces is one message of the one channel, and not more than the window;
- whatever SCTP raises over a packet ends the channel, not only the task that read it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import cast

from aioice import Candidate as IceCandidate
from aioice import Connection as IceConnection
from aioice.ice import (
    CandidatePair,
    StunProtocol,
    relayed_candidate,
    server_reflexive_candidate,
)
from aioice.stun import Message
from aiortc import (
    RTCCertificate,
    RTCDataChannel,
    RTCDataChannelParameters,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
    RTCSctpCapabilities,
    RTCSctpTransport,
)

from p2p.protocol.errors import PeerLeft, RemoteProtocolError, SyncError
from p2p.protocol.webrtc.sctp import is_sound
from p2p.protocol.webrtc.sdp import (
    CANDIDATES_MAX,
    MESSAGE_BYTES_MAX,
    Candidate,
    CandidateType,
    Description,
    Fingerprint,
)
from p2p.transport.address import Address
from p2p.transport.webrtc.servers import SERVERS_MAX, IceServers

HOSTS_MAX = 8  # addresses of this machine that are offered; a machine of containers has hundreds
GATHER_S = 3.0  # for the answers of STUN and TURN servers
# Pairs of addresses that are checked: an offer may name those of somebody who never asked for it,
# and each gets six datagrams before the call is given up (RFC 8445, sections 6.1.2.5 and 19.5.1).
PAIRS_MAX = 100
NAMED_PAIRS_MAX = 80  # of them, those of the peer's candidates; checks of the peer show others
DATAGRAMS_MAX = 1_024  # received and not yet read
DATAGRAM_BYTES_MAX = 2_048  # DTLS here sends none above 1,200
PIECES_MAX = 4_096  # of a message not yet whole; a window of 1 MiB has 900 of full size

EARLY_MAX = 128  # messages before anybody listens: a window of full ones is 64

STREAM = 0  # agreed on beforehand, so that nobody opens one
LABEL = "panspermia"
SCTP_PORT = 5_000

# They log what strangers send, with addresses and tracebacks.
for _name in ("aiortc", "aioice"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class _Ice(IceConnection):
    """Gathers where it is told, at several servers; bounds what a peer may make it check."""

    def __init__(self, servers: IceServers, *, is_controlling: bool) -> None:
        super().__init__(ice_controlling=is_controlling)
        self._servers = servers

    async def get_component_candidates(
        self,
        component: int,
        addresses: list[str],
        timeout: int = 5,  # noqa: ASYNC109 - the library's own
    ) -> list[IceCandidate]:
        hosts = addresses if self._servers.hosts is None else list(self._servers.hosts)
        found = await super().get_component_candidates(component, hosts[:HOSTS_MAX], timeout)
        try:
            async with asyncio.timeout(GATHER_S), asyncio.TaskGroup() as asked:
                for protocol in list(self._protocols):
                    for server in self._stun_of(protocol):
                        asked.create_task(self._ask_stun(protocol, server, found), name="STUN")
                for number in range(len(self._servers.turn[:SERVERS_MAX])):
                    asked.create_task(self._ask_turn(component, number, found), name="TURN")
        except TimeoutError:
            pass  # what has answered by now is used
        return found

    def _stun_of(self, protocol: StunProtocol) -> Sequence[Address]:
        # aioice asks over IPv4 only: there are no NATs of IPv6 to find out about.
        is_v4 = ":" not in protocol.local_candidate.host
        return self._servers.stun[:SERVERS_MAX] if is_v4 else ()

    async def _ask_stun(
        self, protocol: StunProtocol, server: Address, found: list[IceCandidate]
    ) -> None:
        with suppress(Exception):  # of a server that does not answer, or answers anything
            one, _ = await server_reflexive_candidate(protocol, (server.host, server.port))
            if all((one.host, one.port) != (known.host, known.port) for known in found):
                found.append(one)

    async def _ask_turn(self, component: int, number: int, found: list[IceCandidate]) -> None:
        turn = self._servers.turn[number]
        with suppress(Exception):  # as above
            one, protocol = await relayed_candidate(
                component=component,
                hide_related_address=True,
                protocol_factory=lambda: StunProtocol(self),
                turn_server=(turn.place.host, turn.place.port),
                turn_username=turn.user,
                turn_password=turn.secret,
                turn_ssl=False,
                turn_transport=turn.transport,
            )
            self._protocols.append(protocol)
            found.append(one)

    def sort_check_list(self) -> None:
        super().sort_check_list()
        if all(pair.state is CandidatePair.State.FROZEN for pair in self._check_list):
            del self._check_list[NAMED_PAIRS_MAX:]  # none is under way: the best remain

    def check_incoming(
        self, message: Message, addr: tuple[str, int], protocol: StunProtocol
    ) -> None:
        known = any(pair.remote_addr == addr for pair in self._check_list)
        if known or len(self._check_list) < PAIRS_MAX:
            super().check_incoming(message, addr, protocol)

    def data_received(self, data: bytes, component: int) -> None:
        if len(data) <= DATAGRAM_BYTES_MAX and self._queue.qsize() < DATAGRAMS_MAX:
            super().data_received(data, component)

    def selected(self) -> CandidatePair | None:
        """The pair of addresses that carries."""
        return next(iter(self._nominated.values()), None)


class _Gatherer(RTCIceGatherer):
    def __init__(self, servers: IceServers, *, is_controlling: bool) -> None:
        super().__init__(iceServers=[])
        self.ice = self._connection = _Ice(servers, is_controlling=is_controlling)


class _Dtls(RTCDtlsTransport):
    @property
    def pump(self) -> "asyncio.Future[None] | None":
        """The task that reads datagrams, once there is a channel."""
        return self._task


class _Sctp(RTCSctpTransport):
    """`broken` is told of a packet that no honest peer sends, once."""

    broken: Callable[[], None] | None = None
    is_broken = False

    async def _handle_data(self, data: bytes) -> None:
        if self.is_broken:
            return
        if not is_sound(data):
            self._break()
            return
        try:
            await super()._handle_data(data)
        except ConnectionError:
            raise
        except Exception:  # asserts, struct.error, KeyError: whatever a wrong packet meets
            self._break()
        if self._is_overfull():
            self._break()

    def _is_overfull(self) -> bool:
        streams = self._inbound_streams
        if len(self._data_channels) > 1 or any(number != STREAM for number in streams):
            return True
        pieces = sum(len(stream.reassembly) for stream in streams.values())
        return pieces > PIECES_MAX or self._advertised_rwnd < -MESSAGE_BYTES_MAX

    def _break(self) -> None:
        self.is_broken = True
        if self.broken is not None:
            self.broken()

    @property
    def is_idle(self) -> bool:
        """Whether all that was sent has arrived."""
        return not (self._data_channel_queue or self._outbound_queue or self._sent_queue)


class Leg:
    """One end of a connection: gather, say where one is, connect, and then `channel`.

    Everything that it opens `stop` closes, from whatever state.
    """

    def __init__(self, servers: IceServers, *, is_offering: bool) -> None:
        self.is_offering = is_offering
        self.ended = asyncio.Event()
        """Set by `end`, by whichever side; then it is to be stopped."""
        self.stopped = asyncio.Event()
        self.fault: SyncError | None = None
        """Set with `ended` where the peer broke a rule."""
        self._hosts = ("0.0.0.0",) if servers.hosts is None else tuple(servers.hosts)
        self._on_end: Callable[[], None] | None = None
        self._gatherer = _Gatherer(servers, is_controlling=is_offering)
        self._ice = RTCIceTransport(self._gatherer)
        self._dtls = _Dtls(self._ice, [RTCCertificate.generateCertificate()])
        self._sctp = _Sctp(self._dtls, SCTP_PORT)
        self._sctp.broken = self._broke
        parameters = RTCDataChannelParameters(label=LABEL, negotiated=True, id=STREAM)
        self.channel = RTCDataChannel(self._sctp, parameters)
        self._opened = asyncio.Event()
        self._hear: Callable[[bytes | str], None] | None = None
        self._early: list[bytes | str] = []
        self.channel.on("open", self._opened.set)
        self.channel.on("message", self._heard)
        self.channel.on("close", self.end)
        self._ice.on("statechange", self._look)
        self._dtls.on("statechange", self._look)

    async def gather(self) -> Description:
        """Where this end may be reached. Takes `GATHER_S` at most."""
        await self._gatherer.gather()
        parameters = self._gatherer.getLocalParameters()
        prints = self._dtls.getLocalParameters().fingerprints
        candidates = [_said(one) for one in self._gatherer.ice.local_candidates]
        return Description(
            username=parameters.usernameFragment or "",
            password=parameters.password or "",
            fingerprints=[
                Fingerprint(one.algorithm, one.value)
                for one in prints
                if one.algorithm == "sha-256"
            ],
            setup="actpass" if self.is_offering else "active",
            candidates=candidates[:CANDIDATES_MAX],
            is_complete=True,
            sctp_port=self._sctp.port,
        )

    async def connect(self, remote: Description) -> None:
        """Until the channel is open. Raises `SyncError`; the caller bounds the time."""
        try:
            await self._connect(remote)
        except SyncError:
            raise
        except Exception as error:  # of OpenSSL, of sockets, of asserts in the libraries
            raise no_way(f"{type(error).__name__} while connecting") from error
        if self.fault is not None:
            raise self.fault

    async def _connect(self, remote: Description) -> None:
        ice = self._gatherer.ice
        for one in remote.candidates:
            # Nobody is to make this machine knock at its own doors.
            if _is_loopback(one.host) and not all(map(_is_loopback, self._hosts)):
                continue
            await ice.add_remote_candidate(
                IceCandidate(one.foundation, 1, "udp", one.priority, one.host, one.port, one.type)
            )
        if remote.is_complete:  # else its own checks may show where it is
            await ice.add_remote_candidate(None)
        await self._ice.start(RTCIceParameters(remote.username, remote.password))
        if self._ice.state != "completed":
            raise no_way("no pair of addresses works")
        prints = [RTCDtlsFingerprint(one.algorithm, one.value) for one in remote.fingerprints]
        await self._dtls.start(RTCDtlsParameters(prints))
        if self._dtls.state != "connected":
            raise no_way("the DTLS handshake failed")
        await self._sctp.start(RTCSctpCapabilities(MESSAGE_BYTES_MAX), remote.sctp_port)
        await self._opened.wait()
        if self.channel.readyState != "open":
            raise no_way("the channel was closed as it opened")

    @property
    def remote(self) -> Address:
        """Where datagrams come from; behind a TURN server, the address of that."""
        pair = self._gatherer.ice.selected()
        return Address(*pair.remote_addr) if pair else Address("0.0.0.0", 0)

    @property
    def is_idle(self) -> bool:
        """Whether the peer has all that was sent."""
        return self._sctp.is_idle

    def end(self) -> None:
        """Nothing more is read or sent; whoever keeps it stops it."""
        self.ended.set()
        self._opened.set()
        if self._on_end is not None:
            self._on_end()

    def listen(self, hear: Callable[[bytes | str], None]) -> None:
        """`hear` is called for every message, also for those that came before there was anybody."""
        self._hear = hear
        early, self._early = self._early, []
        for message in early:
            hear(message)

    def _heard(self, message: bytes | str) -> None:
        if self._hear is not None:
            self._hear(message)
        elif len(self._early) < EARLY_MAX:
            self._early.append(message)
        else:
            self._broke()

    def on_end(self, call: Callable[[], None]) -> None:
        """`call` is called at the end, perhaps more than once."""
        self._on_end = call

    async def stop(self) -> None:
        """Closes the sockets and ends the tasks; waits for no peer."""
        pump = self._dtls.pump
        try:
            with suppress(Exception):  # sockets are closed whatever the libraries say before
                await self._sctp.stop()
                await self._dtls.stop()
        finally:
            await self._ice.stop()
        if pump is not None:
            await asyncio.wait([pump])
            if not pump.cancelled():
                pump.exception()  # looked at: how it ended is told by `ended`

    def _look(self) -> None:
        if self._ice.state in ("failed", "closed") or self._dtls.state in ("failed", "closed"):
            self.end()

    def _broke(self) -> None:
        sentence = "what came over the data channel is no SCTP that this node allows"
        self.fault = RemoteProtocolError("webrtc-packet", sentence)
        self.end()


def _said(one: IceCandidate) -> Candidate:
    # aioice's foundations are 32 hexadecimal digits, as long as allowed.
    kind = cast("CandidateType", one.type)
    return Candidate(one.foundation, one.priority, one.host, one.port, kind)


def _is_loopback(host: str) -> bool:
    return ip_address(host).is_loopback


def no_way(why: str) -> PeerLeft:
    """There is no direct path between the two."""
    return PeerLeft("webrtc-no-path", f"No direct path to the peer was found: {why}.")
