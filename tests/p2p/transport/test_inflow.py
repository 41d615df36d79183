"""Frames come out of any pieces of the wire as they went in; what is kept of them is bounded."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import FRAME_BYTES_MAX
from p2p.protocol.relay.limits import RELAY_FRAME_BYTES_MAX
from p2p.transport.inflow import (
    AHEAD_FRAMES,
    AHEAD_PART,
    PIECE_BYTES_MIN,
    SHORT_BYTES,
    SHORT_MESSAGES_BURST,
    SHORT_MESSAGES_PER_S,
    Inflow,
)
from p2p.transport.linked import STRANGER_FRAME_BYTES_MAX
from p2p.transport.noise import PLAINTEXT_BYTES_MAX, NoiseCipher
from p2p.transport.stream import FrameStream
from tests.fuzz.p2p_doors import Tape
from tests.p2p.transport.test_noise import meet
from tests.simulation.people import BOB

SIZES = st.one_of(
    st.integers(1, 40),
    st.sampled_from([PLAINTEXT_BYTES_MAX - 4, PLAINTEXT_BYTES_MAX, 262_159, FRAME_BYTES_MAX]),
)


class Recorder(Tape):
    """A carrier that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__(b"")
        self.written = bytearray()

    async def write(self, data: bytes | bytearray) -> None:
        self.written += data


def wire_of(frames: list[bytes]) -> tuple[bytes, Inflow]:
    """The bytes of these frames, and who can read them."""
    alice, bob = meet()
    carrier = Recorder()
    asyncio.run(FrameStream(carrier, alice, BOB.device_key).write(frames))
    return bytes(carrier.written), Inflow(bob)


def message(cipher: NoiseCipher, plain: bytes) -> bytes:
    sealed = cipher.encrypt(plain)
    return len(sealed).to_bytes(2, "big") + sealed


def bring(inflow: Inflow, data: bytes) -> None:
    inflow.take(memoryview(inflow.rest + data))


@settings(max_examples=25, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=4), st.data())
def test_frames_come_out_as_they_went_in(sizes: list[int], data: st.DataObject) -> None:
    frames = [bytes([place]) * size for place, size in enumerate(sizes)]
    wire, inflow = wire_of(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    came: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        bring(inflow, wire[start:end])
        while data.draw(st.booleans()) and (frame := inflow.next(FRAME_BYTES_MAX)) is not None:
            came.append(frame)
    while (frame := inflow.next(FRAME_BYTES_MAX)) is not None:
        came.append(frame)
    assert came == frames
    assert inflow.received_bytes == len(wire)
    assert not inflow.is_ready


def test_it_runs_ahead_of_its_reader_but_not_far() -> None:
    many = [bytes([7])] * (5 * AHEAD_FRAMES)
    wire, inflow = wire_of(many)
    assert inflow.next(FRAME_BYTES_MAX) is None  # it is read
    bring(inflow, wire)
    assert inflow.is_full
    read = [inflow.next(FRAME_BYTES_MAX) for _ in many]
    assert read == many
    assert not inflow.is_full
    assert inflow.next(FRAME_BYTES_MAX) is None

    large = [bytes(FRAME_BYTES_MAX // AHEAD_PART // 2)] * 6
    wire, inflow = wire_of(large)
    assert inflow.next(FRAME_BYTES_MAX) is None
    bring(inflow, wire)
    assert inflow.is_full
    assert len(inflow.rest) > len(wire) // 2, "what nobody reads stays as it came"
    assert [inflow.next(FRAME_BYTES_MAX) for _ in large] == large


@pytest.mark.parametrize(
    ("longest", "kept"), [(STRANGER_FRAME_BYTES_MAX, 100 << 10), (RELAY_FRAME_BYTES_MAX, 150 << 10)]
)
def test_who_may_send_short_frames_alone_holds_less(longest: int, kept: int) -> None:
    """A relay has 10,000 clients, and a node 128 strangers: what waits of each adds up."""
    many = [bytes(8 << 10)] * 100
    wire, inflow = wire_of(many)
    assert inflow.next(longest) is None
    brought = 0
    while not inflow.is_full:
        piece = wire[brought : brought + inflow.read_bytes]
        bring(inflow, piece)
        brought += len(piece)
    assert brought < kept
    bring(inflow, wire[brought:])
    assert [inflow.next(longest) for _ in many] == many


def test_nothing_is_taken_before_it_is_known_how_much_may_come() -> None:
    wire, inflow = wire_of([bytes(5)])
    bring(inflow, wire)
    assert inflow.is_full
    with pytest.raises(RemoteProtocolError) as told:
        inflow.next(4)
    assert told.value.code == "frame-length"
    assert inflow.next(5) == bytes(5)  # who allows more may have it


def test_a_frame_in_messages_of_one_byte_takes_no_more_memory_than_another() -> None:
    alice, bob = meet()
    inflow = Inflow(bob)
    assert inflow.next(FRAME_BYTES_MAX) is None
    head = (64 << 10).to_bytes(4, "big")
    bring(inflow, b"".join(message(alice, bytes([one])) for one in head))
    for _ in range(16):
        bring(inflow, b"".join(message(alice, b"x") for _ in range(4 << 10)))
        pieces = inflow._pieces  # pyright: ignore[reportPrivateUsage]  what is kept
        assert len(pieces) <= 1 + (64 << 10) // PIECE_BYTES_MIN
    assert inflow.next(FRAME_BYTES_MAX) == b"x" * (64 << 10)


class Watch:
    """A clock in the hands of a test."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_megabyte_in_single_bytes_is_a_flood() -> None:
    """SHORT_MESSAGES_BURST, and then SHORT_MESSAGES_PER_S."""
    (alice, bob), watch = meet(), Watch()
    inflow = Inflow(bob, clock=watch)
    assert inflow.next(FRAME_BYTES_MAX) is None
    bring(inflow, message(alice, FRAME_BYTES_MAX.to_bytes(4, "big")))
    for _ in range(int(SHORT_MESSAGES_BURST) >> 12):
        bring(inflow, b"".join(message(alice, b"x") for _ in range(4_095)))
    assert not inflow.is_ready
    watch.now_s = 1.0
    more = int(SHORT_MESSAGES_PER_S) + 15  # that were left
    bring(inflow, b"".join(message(alice, b"x") for _ in range(more)))
    assert not inflow.is_ready
    bring(inflow, message(alice, b"x" * SHORT_BYTES))
    assert not inflow.is_ready, "that is no short one"
    bring(inflow, message(alice, b"x" * (SHORT_BYTES - 1)))
    with pytest.raises(RemoteProtocolError) as told:
        inflow.next(FRAME_BYTES_MAX)
    assert told.value.code == "noise-flood"
    assert inflow.is_full, "nothing more is taken"


def test_a_keystroke_each_millisecond_is_no_flood() -> None:
    """Four messages for each, for so long that what may come at once would not do."""
    (alice, bob), watch = meet(), Watch()
    inflow = Inflow(bob, clock=watch)
    assert inflow.next(FRAME_BYTES_MAX) is None
    frame = b"\0\0\0\x40" + bytes(64)
    for millisecond in range(25_000):
        watch.now_s = millisecond / 1_000
        bring(inflow, b"".join(message(alice, frame) for _ in range(4)))
        assert [inflow.next(FRAME_BYTES_MAX) for _ in range(4)] == [bytes(64)] * 4


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        ("nothing", "frame-length"),
        ("altered", "noise-message"),
        ("no length", "noise-length"),
        ("no tag", "noise-length"),
        ("empty", "noise-length"),
    ],
)
def test_what_came_before_a_lie_is_read_first(lie: str, code: str) -> None:
    alice, bob = meet()
    inflow = Inflow(bob)
    assert inflow.next(FRAME_BYTES_MAX) is None
    good = message(alice, b"\0\0\0\2hi")
    bad = {
        "nothing": message(alice, bytes(4)),
        "altered": message(alice, b"\0\0\0\2ho")[:-1] + b"\0",
        "no length": bytes(2),
        "no tag": b"\0\x0f" + bytes(15),
        "empty": message(alice, b""),
    }[lie]
    bring(inflow, good + bad + good)
    assert inflow.next(FRAME_BYTES_MAX) == b"hi"
    for _ in range(2):
        with pytest.raises(RemoteProtocolError) as told:
            inflow.next(FRAME_BYTES_MAX)
        assert told.value.code == code
