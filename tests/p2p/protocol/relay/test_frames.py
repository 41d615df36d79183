"""Frames of a relay's conversation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import cbor
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Hello, encode_frame, peek_kind
from p2p.protocol.relay import frames, limits
from p2p.protocol.relay.frames import REGISTER_KIND, decode_relay_frame, encode_relay_frame

KEY, ID = bytes(32), bytes(16)
EXAMPLES: tuple[frames.RelayFrame, ...] = (
    frames.Register(b"card", b"token"),
    frames.Registered(3_600, "192.0.2.1", True),
    frames.Lookup(1, True, KEY),
    frames.Cards(1, (b"card",)),
    frames.Call(1, KEY),
    frames.Circuit(0, KEY, KEY),
    frames.Signal(0, KEY, b"sealed"),
    frames.Post(1, KEY, b"sealed", 7),
    frames.Fetch(1, KEY),
    frames.Fetched(1, None),
    frames.Letter(1, KEY, ID, b"sealed", 7),
    frames.Collect(),
    frames.Delivered(ID, b"sealed"),
    frames.Taken(ID * 2),
    frames.Done(1, "not-here", "Not here."),
    frames.Draining(30),
)


@pytest.mark.parametrize("frame", EXAMPLES, ids=lambda frame: type(frame).__name__)
def test_decoding_undoes_encoding(frame: frames.RelayFrame) -> None:
    data = encode_relay_frame(frame)
    assert decode_relay_frame(data) == frame
    assert (peek_kind(data) == REGISTER_KIND) == isinstance(frame, frames.Register)


def test_the_fullest_frames_fit() -> None:
    card = bytes(limits.CARD_BYTES_MAX)
    fullest = (
        frames.Cards(1 << 53, (card,) * limits.CARDS_MAX),
        frames.Letter(1 << 53, KEY, ID, bytes(limits.LETTER_BYTES_MAX), 1 << 53),
        frames.Taken(ID * limits.TAKEN_IDS_MAX),
    )
    for frame in fullest:
        assert decode_relay_frame(encode_relay_frame(frame)) == frame


def test_a_hello_opens_no_relays_conversation() -> None:
    hello = Hello(1, "", KEY, b"", KEY, (), 0, ())
    assert peek_kind(encode_frame(hello)) != REGISTER_KIND


def test_an_unknown_odd_kind_is_ignored_and_an_even_one_is_not() -> None:
    assert decode_relay_frame(cbor.encode([97, b"later"])) is None
    with pytest.raises(RemoteProtocolError) as unknown:
        decode_relay_frame(cbor.encode([96, b"later"]))
    assert unknown.value.code == "frame-kind"


def test_ids_are_whole() -> None:
    assert frames.split_letter_ids(ID + b"\1" * 16) == (ID, b"\1" * 16)
    with pytest.raises(RemoteProtocolError):
        frames.split_letter_ids(ID + b"\1")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_a_fault(data: bytes) -> None:
    try:
        frame = decode_relay_frame(data)
    except RemoteProtocolError:
        return
    assert frame is None or decode_relay_frame(encode_relay_frame(frame)) == frame
