"""Signals: read by whom they are for, said by whom they say, once, and not long after."""

from dataclasses import replace

import pytest

from crdt import cbor
from crdt.boxes import seal_to, sealing_key
from crdt.ed25519 import SigningKey
from crdt.keys import DeviceKey
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.webrtc import signal as signals
from p2p.protocol.webrtc.signal import (
    ANSWER,
    OFFER,
    SEALED_SIGNAL_BYTES_MAX,
    SIGNAL_LIFE_S,
    SIGNAL_PREFIX,
    SIGNAL_SKEW_S,
    Seen,
    Signal,
    open_signal,
    seal_signal,
)

NOON_US = 1_790_000_000_000_000
ALICE, BOB, MALLORY = (SigningKey(bytes([number]) * 32) for number in (1, 2, 3))
PRIVATE = {name: bytes([number]) * 32 for number, name in enumerate(("alice", "bob"), start=11)}
PUBLIC = {name: sealing_key(private) for name, private in PRIVATE.items()}
SDP = "v=0\r\n"
SAID = Signal(
    OFFER, DeviceKey(ALICE.public), DeviceKey(BOB.public), bytes(16), PUBLIC["alice"], SDP
)


def opened(sealed: bytes, *, now_us: int = NOON_US) -> Signal:
    return open_signal(sealed, PRIVATE["bob"], us=BOB.public, now_us=now_us)


def made(**changed: object) -> bytes:
    """What Alice signs and seals to Bob, with elements of the body as a test wants them."""
    body: dict[str, object] = {
        "version": 1,
        "kind": 0,
        "source": ALICE.public,
        "target": BOB.public,
        "call": bytes(16),
        "sealing": PUBLIC["alice"],
        "issued_us": NOON_US,
        "until_us": NOON_US + SIGNAL_LIFE_S * 1_000_000,
        "sdp": SDP,
    }
    by = changed.pop("by", ALICE)
    assert isinstance(by, SigningKey)
    assert changed.keys() <= body.keys()
    encoded = cbor.encode(list((body | changed).values()))
    return seal_to(PUBLIC["bob"], cbor.encode([encoded, by.sign(SIGNAL_PREFIX + encoded)]))


def test_what_was_sealed_is_opened_by_whom_it_is_for() -> None:
    sealed = seal_signal(SAID, ALICE, PUBLIC["bob"], now_us=NOON_US)
    said = opened(sealed)
    until_us = NOON_US + SIGNAL_LIFE_S * 1_000_000
    assert said == replace(SAID, issued_us=NOON_US, until_us=until_us)
    with pytest.raises(RemoteProtocolError, match="signal-bytes"):
        open_signal(sealed, PRIVATE["alice"], us=ALICE.public, now_us=NOON_US)
    assert opened(made()) == said


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("signal-signature", {"by": MALLORY}),
        ("signal-signature", {"source": MALLORY.public}),
        ("signal-target", {"target": MALLORY.public}),
        ("signal-target", {"source": BOB.public}),
        ("signal-version", {"version": 2}),
        ("signal-bytes", {"kind": 2}),
        ("signal-bytes", {"call": bytes(15)}),
        ("signal-bytes", {"sealing": bytes(31)}),
        ("signal-bytes", {"sdp": "x" * 8_193}),
        ("signal-bytes", {"sdp": "é" * 4_097}),
        ("signal-bytes", {"sdp": b"v=0"}),
        ("signal-bytes", {"issued_us": -1}),
        ("signal-time", {"until_us": NOON_US + SIGNAL_LIFE_S * 1_000_000 + 1}),
        ("signal-time", {"until_us": NOON_US - 1}),
        ("signal-time", {"issued_us": NOON_US + SIGNAL_SKEW_S * 1_000_000 + 1,
                         "until_us": NOON_US + SIGNAL_SKEW_S * 1_000_000 + 2}),
        ("signal-time", {"issued_us": 0, "until_us": 1}),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused(code: str, changed: dict[str, object]) -> None:
    with pytest.raises(RemoteProtocolError, match=code):
        opened(made(**changed))


def test_bytes_that_are_no_signal_are_refused() -> None:
    signature = ALICE.sign(b"")
    inside = [b"", cbor.encode(1), cbor.encode([b"", b""]), cbor.encode([b"", signature]),
              cbor.encode([cbor.encode([1, 2]), signature])]  # fmt: skip
    for sealed in [b"", bytes(48), bytes(SEALED_SIGNAL_BYTES_MAX + 1),
                   *(seal_to(PUBLIC["bob"], one) for one in inside)]:  # fmt: skip
        with pytest.raises(RemoteProtocolError, match="signal-bytes"):
            opened(sealed)


def test_a_call_counts_once_until_it_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "SIGNALS_SEEN_MAX", 2)
    seen = Seen()
    first, second, third = (opened(made(call=bytes([number]) * 16)) for number in (1, 2, 3))
    assert seen.take(first, now_us=NOON_US)
    assert not seen.take(first, now_us=NOON_US)
    assert not seen.take(replace(first, kind=ANSWER), now_us=NOON_US)
    assert seen.take(second, now_us=NOON_US)
    # There is no room, and to forget one of them would let it come again.
    assert not seen.take(third, now_us=NOON_US)
    later_us = first.until_us + SIGNAL_SKEW_S * 1_000_000 + 1
    with pytest.raises(RemoteProtocolError, match="signal-time"):
        opened(made(call=bytes([1]) * 16), now_us=later_us)
    assert seen.take(third, now_us=later_us)
