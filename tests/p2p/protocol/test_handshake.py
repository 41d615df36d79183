"""The handshake payload: a device vouches for the channel's key, and nobody else's will do."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import cbor
from crdt.digest import PARAMETERS
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.handshake import PAYLOAD_BYTES_MAX, SIGNED_PREFIX, check_payload, make_payload
from tests.simulation.people import ALICE, BOB

NOISE_KEY = b"n" * 32
PAYLOAD = make_payload(ALICE.device, NOISE_KEY)


def parts() -> list[Any]:
    said: list[Any] = cbor.decode(PAYLOAD, bytes_max=PAYLOAD_BYTES_MAX)
    return said


def code_of(payload: bytes, noise_static: bytes = NOISE_KEY) -> str:
    with pytest.raises(RemoteProtocolError) as refusal:
        check_payload(payload, noise_static)
    return refusal.value.code


def test_alice_is_known_by_her_device() -> None:
    assert check_payload(PAYLOAD, NOISE_KEY) == ALICE.device_key
    signature = ALICE.device.sign(SIGNED_PREFIX + NOISE_KEY)
    assert parts() == [1, PARAMETERS, ALICE.device_key, signature]


def test_elements_after_these_are_room_for_later() -> None:
    assert check_payload(cbor.encode([*parts(), {"later": [1]}]), NOISE_KEY) == ALICE.device_key


def test_a_payload_holds_for_one_channel_only() -> None:
    assert code_of(PAYLOAD, b"m" * 32) == "handshake-signature"


@pytest.mark.parametrize(
    ("place", "value", "code"),
    [
        (0, 2, "handshake-version"),
        (0, "1", "handshake-payload"),
        (1, "willow25+william3", "handshake-parameters"),
        (2, BOB.device_key, "handshake-signature"),
        (2, bytes(32), "handshake-signature"),
        (2, b"short", "handshake-payload"),
        (3, bytes(64), "handshake-signature"),
        (3, bytes(63), "handshake-payload"),
    ],
)
def test_what_is_wrong_is_named(place: int, value: object, code: str) -> None:
    said = parts()
    said[place] = value
    assert code_of(cbor.encode(said)) == code


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        PAYLOAD[:-1],
        PAYLOAD + b"\0",
        cbor.encode(parts()[:3]),
        cbor.encode({"device": ALICE.device_key}),
        cbor.encode([*parts(), bytes(PAYLOAD_BYTES_MAX)]),
    ],
    ids=["empty", "cut", "left over", "too few", "map", "PAYLOAD_BYTES_MAX"],
)
def test_what_is_no_payload(payload: bytes) -> None:
    assert code_of(payload) == "handshake-payload"


@given(st.binary(max_size=200))
def test_garbage_is_the_peers_fault(garbage: bytes) -> None:
    assert code_of(garbage).startswith("handshake-")


@given(st.integers(0, len(PAYLOAD) - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(place: int, by: int) -> None:
    changed = bytearray(PAYLOAD)
    changed[place] ^= by
    assert code_of(bytes(changed)).startswith("handshake-")
