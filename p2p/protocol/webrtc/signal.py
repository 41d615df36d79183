"""Signals: an offer or an answer, signed by one device and sealed for another.

    sealed = sealed box of CBOR [body, signature 64]   signature over "panspermia-signal:" ‖ body
    body   = CBOR [1, kind, from 32, to 32, call 16, sealing key 32, issued_us, until_us, sdp]

Whatever passes them on can read nothing, alter nothing, and give them to nobody else: the receiver
is named inside of what is signed. `Seen` keeps an offer from being taken twice.
docs/protocol/webrtc.md is the specification.
"""

from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from crdt.boxes import open_sealed, seal_to
from crdt.ed25519 import SigningKey
from crdt.errors import CrdtError, Malformed
from crdt.keys import DeviceKey
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Count, Key
from p2p.protocol.signed import SignedBody, read_body, sign_body
from p2p.protocol.webrtc.sdp import SDP_BYTES_MAX

SIGNAL_PREFIX: Final = b"panspermia-signal:"
SIGNAL_VERSION: Final = 1
SEALED_SIGNAL_BYTES_MAX = 12 << 10  # a description of 8 KiB, and what is around it
CALL_BYTES = 16
SIGNAL_LIFE_S = 120  # longer than a connection is tried
SIGNAL_SKEW_S = 300  # by which two honest clocks may differ
SIGNALS_SEEN_MAX = 4_096  # calls remembered until they have expired; 400 KB

OFFER: Final = 0
ANSWER: Final = 1
Kind: TypeAlias = Literal[0, 1]

_SECOND_US = 1_000_000


class _Body(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    kind: Kind
    source: Key
    target: Key
    call: Annotated[bytes, Meta(min_length=CALL_BYTES, max_length=CALL_BYTES)]
    sealing: Key
    issued_us: Count
    until_us: Count
    sdp: Annotated[str, Meta(max_length=SDP_BYTES_MAX)]


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal, unsealed."""

    kind: Kind
    source: DeviceKey
    target: DeviceKey
    call: bytes  # made by the offerer at random; the answer repeats it
    sealing: bytes  # the X25519 key of `source`: what an answer is sealed to
    sdp: str
    issued_us: int = 0  # Unix time; set by `seal_signal`
    until_us: int = 0


def seal_signal(signal: Signal, device: SigningKey, key: bytes, *, now_us: int) -> bytes:
    """`signal`, signed by its source `device`, for the owner of the X25519 `key`.

    Raises `RemoteProtocolError` where `key`, which the peer gave, is none.
    """
    try:
        return seal_to(key, sign_signal(signal, device, now_us=now_us))
    except CrdtError as error:
        raise RemoteProtocolError("signal-key", f"a sealing key is none: {error.detail}") from error


def sign_signal(signal: Signal, device: SigningKey, *, now_us: int) -> bytes:
    """What is in the box."""
    assert device.public == signal.source
    body = _Body(
        SIGNAL_VERSION, signal.kind, signal.source, signal.target, signal.call, signal.sealing,
        now_us, now_us + SIGNAL_LIFE_S * _SECOND_US, signal.sdp,
    )  # fmt: skip
    return sign_body(body, device, SIGNAL_PREFIX)


def open_signal(sealed: bytes, private: bytes, *, us: bytes, now_us: int) -> Signal:
    """The signal for this device `us`, whose X25519 key is `private`.

    Raises `RemoteProtocolError` for all that was not made for it, by whom it says, just now.
    """
    if len(sealed) > SEALED_SIGNAL_BYTES_MAX:
        sentence = f"a signal has {len(sealed)} bytes, at most {SEALED_SIGNAL_BYTES_MAX} allowed"
        raise RemoteProtocolError("signal-bytes", sentence)
    try:
        data = open_sealed(private, sealed)
        signed = _decode(data)
    except CrdtError as error:
        raise RemoteProtocolError("signal-bytes", f"a signal: {error.detail}") from error
    except msgspec.ValidationError as error:
        raise RemoteProtocolError("signal-bytes", f"a signal is malformed: {error}") from error
    body = signed.body
    if body.version != SIGNAL_VERSION:
        raise RemoteProtocolError("signal-version", f"a signal is of version {body.version}")
    if body.target != us or body.source == us:
        raise RemoteProtocolError("signal-target", "a signal is for another device")
    _check_times(body, now_us)
    if not signed.is_signed_by(body.source, SIGNAL_PREFIX):
        raise RemoteProtocolError("signal-signature", "a signal is not signed by its device")
    source, target = DeviceKey(body.source), DeviceKey(body.target)
    return Signal(
        body.kind, source, target, body.call, body.sealing, body.sdp,
        body.issued_us, body.until_us,
    )  # fmt: skip


def _decode(data: bytes) -> SignedBody[_Body]:
    signed = read_body(data, _Body, bytes_max=SEALED_SIGNAL_BYTES_MAX, items_max=16, depth_max=1)
    if len(signed.body.sdp.encode()) > SDP_BYTES_MAX:
        raise Malformed("signal-bytes", f"its description is longer than {SDP_BYTES_MAX} bytes")
    return signed


def _check_times(body: _Body, now_us: int) -> None:
    skew_us = SIGNAL_SKEW_S * _SECOND_US
    if not 0 <= body.until_us - body.issued_us <= SIGNAL_LIFE_S * _SECOND_US:
        raise RemoteProtocolError("signal-time", "a signal is valid for too long")
    if body.issued_us > now_us + skew_us or body.until_us < now_us - skew_us:
        sentence = "a signal is old, or from ahead: compare the clocks of both machines"
        raise RemoteProtocolError("signal-time", sentence)


class Seen:
    """The calls that were taken; an offer counts once, however often a relay brings it."""

    def __init__(self) -> None:
        self._until: dict[tuple[bytes, bytes], int] = {}

    def has(self, signal: Signal) -> bool:
        """Whether its call was taken."""
        return (bytes(signal.source), signal.call) in self._until

    def take(self, signal: Signal, *, now_us: int) -> bool:
        """Whether it is the first of its call. With `SIGNALS_SEEN_MAX` of them none is taken:
        to forget one that has not expired would let it come again."""
        horizon_us = now_us - SIGNAL_SKEW_S * _SECOND_US
        key = (bytes(signal.source), signal.call)
        if self.has(signal):
            return False
        if len(self._until) >= SIGNALS_SEEN_MAX:
            for old in [old for old, until in self._until.items() if until < horizon_us]:
                del self._until[old]
            if len(self._until) >= SIGNALS_SEEN_MAX:
                return False
        self._until[key] = signal.until_us
        return True
