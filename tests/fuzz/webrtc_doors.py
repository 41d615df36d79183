"""The doors of WebRTC: signals, descriptions, STUN, and what SCTP and its messages carry."""

import asyncio
from contextlib import suppress

from aioice import stun
from aiortc.rtcsctptransport import (
    AbortChunk,
    Chunk,
    DataChunk,
    ForwardTsnChunk,
    HeartbeatChunk,
    InitChunk,
    RTCSctpTransport,
    SackChunk,
    serialize_packet,
)

from crdt import cbor
from crdt.boxes import seal_to, sealing_key
from crdt.keys import DeviceKey
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.stun import ANSWER_BYTES_MAX, answer_stun
from p2p.protocol.webrtc.sdp import CANDIDATES_MAX, parse_sdp, write_sdp
from p2p.protocol.webrtc.signal import OFFER, SIGNAL_PREFIX, Signal, open_signal, sign_signal
from p2p.transport.webrtc.carrier import WINDOW_BYTES, DataChannelCarrier
from p2p.transport.webrtc.servers import IceServers
from p2p.transport.webrtc.stack import PIECES_MAX, Leg
from tests.p2p.protocol.webrtc.test_sdp import CHROMIUM
from tests.p2p.protocol.webrtc.test_sdp import OFFER as AN_OFFER
from tests.simulation.people import ALICE, BOB

NOON_US = 1_790_000_000_000_000
PRIVATE = bytes([7]) * 32
SEALING = sealing_key(PRIVATE)

# ── signals, descriptions ────────────────────────────────────────────────────────────────────────


def _opened(inside: bytes) -> Signal:
    sealed = seal_to(SEALING, inside)
    return open_signal(sealed, PRIVATE, us=ALICE.device_key, now_us=NOON_US)


def read_signal(data: bytes) -> None:
    """What is in the box."""
    assert _opened(data).source == BOB.device_key, "a forged signal passes"


def read_signed_signal(data: bytes) -> None:
    """A body of Bob's choice, well signed."""
    said = _opened(cbor.encode([data, BOB.device.sign(SIGNAL_PREFIX + data)]))
    assert said.target == ALICE.device_key
    read_sdp(said.sdp.encode())


def signal_seeds() -> list[bytes]:
    sdp = write_sdp(AN_OFFER)
    bob, alice = DeviceKey(BOB.device_key), DeviceKey(ALICE.device_key)
    said = Signal(OFFER, bob, alice, bytes(16), SEALING, sdp)
    return [sign_signal(said, BOB.device, now_us=NOON_US)]


def signal_body_seeds() -> list[bytes]:
    return [cbor.decode(seed, bytes_max=1 << 16)[0] for seed in signal_seeds()]


def read_sdp(data: bytes) -> None:
    said = parse_sdp(data.decode("utf-8", "surrogateescape"), "actpass")
    assert len(said.candidates) <= CANDIDATES_MAX
    assert parse_sdp(write_sdp(said), "actpass").candidates == said.candidates


def sdp_seeds() -> list[bytes]:
    return [CHROMIUM.encode(), write_sdp(AN_OFFER).encode()]


def ask_stun(data: bytes) -> None:
    answer = answer_stun(data, "2001:db8::1", 4_747)
    if answer is None:
        raise RemoteProtocolError("stun", "no request")
    assert len(answer) <= ANSWER_BYTES_MAX


def stun_seeds() -> list[bytes]:
    plain = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, bytes(12))
    full = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, bytes(12), {"USERNAME": "a:b"})
    full.add_message_integrity(b"secret")
    odd = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, bytes(12), {"CHANGE-REQUEST": 6})
    return [bytes(plain), bytes(full), bytes(odd)]


# ── a data channel ───────────────────────────────────────────────────────────────────────────────


def hear_packet(data: bytes) -> None:
    """One SCTP packet of a peer whose channel stands; its tag and checksum are right."""
    asyncio.run(_hear_packet(data))


async def _hear_packet(data: bytes) -> None:
    leg = Leg(IceServers(hosts=()), is_offering=True)
    # The insides of a library, as a connected peer meets them.
    sctp: RTCSctpTransport = leg._sctp  # pyright: ignore[reportPrivateUsage] - as above
    sctp._remote_port = 5_000  # pyright: ignore[reportPrivateUsage] - as above
    sctp._last_received_tsn = 0  # pyright: ignore[reportPrivateUsage] - as above
    sctp._association_state = sctp.State.ESTABLISHED  # pyright: ignore[reportPrivateUsage] - as above
    leg.channel._setReadyState("open")  # pyright: ignore[reportPrivateUsage] - as above
    carrier = DataChannelCarrier(leg)
    tag = sctp._local_verification_tag  # pyright: ignore[reportPrivateUsage] - as above
    packet = serialize_packet(5_000, 5_000, tag, _Raw(data))
    with suppress(ConnectionError):  # there is nobody whom it could answer
        await sctp._handle_data(packet)  # pyright: ignore[reportPrivateUsage] - as above
    streams = sctp._inbound_streams.values()  # pyright: ignore[reportPrivateUsage] - as above
    held = sum(len(stream.reassembly) for stream in streams)
    assert held <= PIECES_MAX or leg.fault is not None
    assert carrier.unread_bytes <= WINDOW_BYTES
    await leg.stop()
    if leg.fault is not None:
        raise leg.fault


class _Raw(Chunk):
    """Chunks as they are."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data

    def __bytes__(self) -> bytes:
        return self._data


def packet_seeds() -> list[bytes]:
    data = DataChunk(flags=3)
    data.tsn, data.stream_id, data.stream_seq = 1, 0, 0
    data.protocol, data.user_data = 53, b"bytes"
    text = DataChunk(flags=3)
    text.tsn, text.stream_id, text.stream_seq = 1, 0, 0
    text.protocol, text.user_data = 51, b"read 0"
    chunks = [
        data,
        text,
        SackChunk(),
        HeartbeatChunk(),
        InitChunk(),
        AbortChunk(),
        ForwardTsnChunk(),
    ]
    return [bytes(chunk) for chunk in chunks]
