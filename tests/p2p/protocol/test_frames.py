"""Frames: one encoding each, every field within its bounds, and no other error than the peer's."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import cbor
from p2p.protocol import frames, limits
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import decode_frame, encode_frame, split_ids
from tests.p2p.protocol.strategies import BY_KIND, any_frame

KEY, ID, SIGNATURE = b"k" * 32, b"i" * 16, b"s" * 64


def code_of(data: bytes) -> str:
    with pytest.raises(RemoteProtocolError) as refusal:
        decode_frame(data)
    return refusal.value.code


def test_every_kind_has_its_number_and_its_strategy() -> None:
    assert set(BY_KIND) == set(frames.FRAMES)
    kinds = [kind.__struct_config__.tag for kind in frames.FRAMES]
    # Whoever does not know an odd one can do without it.
    odd = {kind for kind in kinds if isinstance(kind, int) and kind % 2}
    assert odd == {1, 51}
    assert len(set(kinds)) == len(kinds)


@given(any_frame)
def test_decoding_undoes_encoding(frame: frames.Frame) -> None:
    assert decode_frame(encode_frame(frame)) == frame


@pytest.mark.parametrize(
    ("frame", "data"),
    [
        (frames.Ping(7), "820807"),
        (frames.Pong(300), "820a19012c"),
        (frames.Bye("stopping", ""), "84066873746f7070696e676000"),
        (frames.Bye("refused-for-now", "", 10), "84066f726566757365642d666f722d6e6f77600a"),
        (frames.Part(1, b"", 0), "84181e014000"),
        (frames.Holding(1, True, (2, 3)), "84182001f5820203"),
        (frames.Delta(1, b"d", 9), "84182201416409"),
        (frames.Get(1, KEY, 2, 5, 6, 3), f"88181c015820{KEY.hex()}02050603f6"),
        (
            frames.Get(1, KEY, 2, 5, 6, 3, frames.Base(KEY, 4, 7)),
            f"88181c015820{KEY.hex()}02050603835820{KEY.hex()}0407",
        ),
        (frames.Listed(2), "821002"),
        (frames.Credit(4096), "8216191000"),
        (frames.Ranges(1, (frames.Skip(frames.Upper(3, b"\1")),)), "830e0181820082034101"),
    ],
)
def test_known_bytes(frame: frames.Frame, data: str) -> None:
    assert encode_frame(frame).hex() == data
    assert decode_frame(bytes.fromhex(data)) == frame


@given(st.binary(max_size=400))
def test_garbage_is_the_peers_fault(garbage: bytes) -> None:
    with suppress(RemoteProtocolError):
        decode_frame(garbage)


@given(any_frame, st.data())
def test_a_changed_byte_is_another_frame_or_the_peers_fault(
    frame: frames.Frame, data: st.DataObject
) -> None:
    changed = bytearray(encode_frame(frame))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(RemoteProtocolError):
        decode_frame(bytes(changed))


@given(any_frame, st.data())
def test_a_frame_that_is_cut_is_the_peers_fault(frame: frames.Frame, data: st.DataObject) -> None:
    whole = encode_frame(frame)
    end = data.draw(st.integers(0, len(whole) - 1))
    assert code_of(whole[:end]) in ("frame-bytes", "frame-shape")


def test_an_unknown_even_kind_ends_the_session_and_an_odd_one_is_ignored() -> None:
    assert code_of(cbor.encode([2 * len(frames.FRAMES), 1])) == "frame-kind"
    assert decode_frame(cbor.encode([2 * len(frames.FRAMES) + 1, {"anything": [1]}])) is None
    assert decode_frame(cbor.encode([9])) is None


def test_elements_after_those_known_are_ignored() -> None:
    assert decode_frame(cbor.encode([8, 7, "later", {}])) == frames.Ping(7)
    ranges = [14, 1, [[0, None, "later"]], "later"]
    assert decode_frame(cbor.encode(ranges)) == frames.Ranges(1, (frames.Skip(None),))


@pytest.mark.parametrize(
    "value", [None, 8, [], ["8"], [-2], [True], [8.0], [[8]], {}, {0: 1}, "Ping", [b"\0", 1]]
)
def test_what_is_no_frame(value: object) -> None:
    assert code_of(cbor.encode(value)) == "frame-shape"


def plain(frame: frames.Frame) -> list[Any]:
    value: list[Any] = msgspec.to_builtins(frame, builtin_types=(bytes,))
    return value


HELLO = frames.Hello(1, "x", KEY, b"", KEY, (), 0, ())
SENT = [0, b"", SIGNATURE, b""]
OVERSTEPS: list[tuple[str, list[Any]]] = [
    ("AGENT_CHARACTERS_MAX", [0, 1, "x" * (limits.AGENT_CHARACTERS_MAX + 1), *plain(HELLO)[3:]]),
    ("ADDRESSES_MAX", [*plain(HELLO)[:6], ["x"] * (limits.ADDRESSES_MAX + 1), 0, []]),
    (
        "ADDRESS_CHARACTERS_MAX",
        [*plain(HELLO)[:6], ["x" * (limits.ADDRESS_CHARACTERS_MAX + 1)], 0, []],
    ),
    ("overlap", [*plain(HELLO)[:8], [ID] * (limits.INTERESTS_MAX + 1)]),
    ("CARDS_MAX", [52, 1, [b""] * (limits.CARDS_MAX + 1)]),
    ("CARD_BYTES_MAX", [51, bytes(limits.CARD_BYTES_MAX + 1)]),
    ("PRESENTED_MAX", [2, [[b"", SIGNATURE]] * (limits.PRESENTED_MAX + 1)]),
    ("INTERESTS_MAX", [4, [[KEY, b""]] * (limits.INTERESTS_MAX + 1)]),
    ("SENTENCE_CHARACTERS_MAX", [6, "", "x" * (limits.SENTENCE_CHARACTERS_MAX + 1)]),
    ("Bye.code", [6, "x" * (limits.AGENT_CHARACTERS_MAX + 1), ""]),
    ("RANGE_ITEMS_MAX", [14, 0, [[0, [0, b"x"]]] * (limits.RANGE_ITEMS_MAX + 1)]),
    ("LIST_IDS_MAX", [14, 0, [[2, None, ID * (limits.LIST_IDS_MAX + 1)]]]),
    ("HAVE_IDS_MAX", [20, KEY, ID * (limits.HAVE_IDS_MAX + 1), False]),
    ("HAVE_CREDIT_IDS", [22, limits.HAVE_CREDIT_IDS + 1]),
    ("WANT_IDS_MAX", [24, 0, KEY, ID * (limits.WANT_IDS_MAX + 1)]),
    ("entries", [26, 0, [], [SENT] * (limits.WANT_IDS_MAX + 1), b""]),
    ("capabilities", [26, 0, [b""] * (limits.WANT_IDS_MAX + 1), [], b""]),
    ("missing", [26, 0, [], [], ID * (limits.WANT_IDS_MAX + 1)]),
    ("capability", [2, [[bytes((8 << 10) + 1), SIGNATURE]]]),
    ("area", [4, [[KEY, bytes((8 << 10) + 1)]]]),
    ("entry", [26, 0, [], [[0, bytes((16 << 10) + 1), SIGNATURE, b""]], b""]),
    ("payload", [26, 0, [], [[0, b"", SIGNATURE, bytes((64 << 10) + 1)]], b""]),
    ("part", [30, 0, bytes((512 << 10) + 1)]),
    ("delta", [34, 0, bytes((512 << 10) + 1), 9]),
    ("delta of too much", [34, 0, b"d", (512 << 10) + 1]),
    ("delta of nothing", [34, 0, b"d", 0]),
    ("base of no chunk", [28, 0, KEY, 2, 0, 1, 3, [KEY, 0, 0]]),
    ("base of many", [28, 0, KEY, 2, 0, 1, 3, [KEY, 0, limits.RUN_CHUNKS_MAX + 1]]),
    ("base far away", [28, 0, KEY, 2, 0, 1, 3, [KEY, (1 << 40) + 1, 1]]),
    ("base of a short key", [28, 0, KEY, 2, 0, 1, 3, [KEY[1:], 0, 1]]),
    ("base that is none", [28, 0, KEY, 2, 0, 1, 3, 7]),
    ("piece", [28, 0, KEY, 3, 0]),
    ("index", [28, 0, KEY, 0, (1 << 40) + 1]),
    ("count", [18, 0, (1 << 53) + 1, ID]),
    ("no ranges", [14, 0, []]),
    ("no ids", [20, KEY, b"", False]),
    ("no credit", [22, 0]),
    ("short key", [28, 0, KEY[1:], 0, 0]),
    ("short signature", [2, [[b"", SIGNATURE[1:]]]]),
    ("negative", [8, -1]),
    ("float", [8, 1.5]),
    ("text for bytes", [28, 0, "k" * 32, 0, 0]),
    ("bool for a number", [8, True]),
    ("number for a bool", [20, KEY, ID, 1]),
    ("unknown range", [14, 0, [[3, None]]]),
    ("field missing", [26, 0, [], []]),
]


@pytest.mark.parametrize("value", [row[1] for row in OVERSTEPS], ids=[row[0] for row in OVERSTEPS])
def test_a_field_beyond_its_bounds_is_refused(value: list[Any]) -> None:
    assert code_of(cbor.encode(value)) == "frame-shape"


def test_the_longest_of_each_is_taken() -> None:
    hello = frames.Hello(
        frames.U64_MAX,
        "x" * limits.AGENT_CHARACTERS_MAX,
        KEY,
        bytes(8 << 10),
        KEY,
        ("x" * limits.ADDRESS_CHARACTERS_MAX,) * limits.ADDRESSES_MAX,
        0,
        (ID,) * limits.INTERESTS_MAX,
    )
    longest: list[frames.Frame] = [
        hello,
        frames.Present((frames.Presented(bytes(8 << 10), SIGNATURE),) * limits.PRESENTED_MAX),
        frames.Interests((frames.Interest(KEY, bytes(8 << 10)),) * limits.INTERESTS_MAX),
        frames.Have(KEY, ID * limits.HAVE_IDS_MAX, True),
        frames.Want(1, KEY, ID * limits.WANT_IDS_MAX),
        frames.Part(1, bytes(512 << 10), 512 << 10),
        frames.Ranges(1, (frames.Summary(frames.Upper(9, b"12345"), 1 << 53, ID),) * 2_048),
    ]
    for frame in longest:
        assert decode_frame(encode_frame(frame)) == frame


def test_what_is_larger_than_a_frame_is_not_even_looked_at() -> None:
    assert code_of(bytes(frames.FRAME_BYTES_MAX + 1)) == "frame-bytes"


def test_items_and_depth_are_bounded() -> None:
    assert code_of(cbor.encode([9, [0] * frames.FRAME_ITEMS_MAX])) == "frame-bytes"
    deep: object = 0
    for _ in range(frames.FRAME_DEPTH_MAX + 1):
        deep = [deep]
    assert code_of(cbor.encode([9, deep])) == "frame-bytes"


@pytest.mark.parametrize("joined", [ID + b"x", ID + ID, b"x"])
def test_ids_that_are_cut_or_come_twice(joined: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as refusal:
        split_ids(joined)
    assert refusal.value.code == "ids"


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 65_535, 65_536, limits.RUN_BYTES_MAX])
@pytest.mark.parametrize("number", [0, 23, 24, 1 << 40])
def test_a_part_is_encoded_as_any_frame(size: int, number: int) -> None:
    """Its encoder and decoder are of its own, since its data are long."""
    part = frames.Part(number, bytes(size), size)
    assert encode_frame(part) == cbor.encode([30, number, bytes(size), size])
    assert decode_frame(encode_frame(part)) == part


@pytest.mark.parametrize(
    "fields",
    [
        [True, b"", 0],
        [-1, b"", 0],
        [1, "", 0],
        [1, b"", None],
        [1, b"", False],
        [1, b"", limits.RUN_BYTES_MAX + 1],
        [1, bytes(limits.RUN_BYTES_MAX + 1), 0],
        [1, b""],
    ],
)
def test_a_part_that_is_none(fields: list[object]) -> None:
    with pytest.raises(RemoteProtocolError, match="frame-shape"):
        decode_frame(cbor.encode([30, *fields]))


def test_a_get_of_an_earlier_version_has_no_base() -> None:
    assert decode_frame(cbor.encode([28, 1, KEY, 2, 5, 6, 3])) == frames.Get(1, KEY, 2, 5, 6, 3)


def test_a_part_of_a_later_version() -> None:
    assert decode_frame(cbor.encode([30, 1, b"x", 0, "more"])) == frames.Part(1, b"x", 0)
