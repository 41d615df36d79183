"""A drop is read as it was written, or it is said where it is damaged."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.capability import Capability, encode_capability
from crdt.change import device_capabilities
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, DeviceKey
from node.drops import (
    END,
    ENTRY,
    FRAME_BYTES_MAX,
    HEAD,
    MAGIC,
    PETNAME,
    DropWriter,
    Head,
    PetnameFrame,
    packed,
    read_drop,
    unpacked,
)
from node.errors import Unverified
from tests.node.test_words import ALICE, BOB

LAPTOP = SigningKey.from_seed(bytes([9]) * 32)
RIGHT = device_capabilities(ALICE, DeviceKey(LAPTOP.public))["pub"]
NAME = PetnameFrame("bob", "did:key:zBob")


def head(capability: bytes = RIGHT, author: SigningKey = ALICE) -> Head:
    return Head("backup", author.public, LAPTOP.public, capability, 1, False, 2, 3)


def written(first: Head | None = None, device: SigningKey = LAPTOP) -> bytes:
    drop = DropWriter()
    pieces = [drop.begin(first or head())]
    pieces += [drop.write(PETNAME, packed(NAME)), drop.write(ENTRY, b"entry"), drop.end(device)]
    return b"".join(pieces)


WHOLE = written()


def code_of(data: bytes) -> str:
    with pytest.raises(Unverified) as caught:
        list(read_drop(io.BytesIO(data)))
    return caught.value.reason


def test_frames_come_back_as_they_were_written() -> None:
    frames = list(read_drop(io.BytesIO(WHOLE)))
    assert [one.kind for one in frames] == [HEAD, PETNAME, ENTRY, END]
    assert unpacked(frames[0], Head) == head()
    assert unpacked(frames[1], PetnameFrame) == NAME
    assert frames[2].body == b"entry"
    assert frames[-1].end_bytes == len(WHOLE)


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_no_changed_byte_passes(at: int, change: int) -> None:
    damaged = WHOLE[:at] + bytes([WHOLE[at] ^ change]) + WHOLE[at + 1 :]
    assert code_of(damaged) in ("not-a-drop", "drop-damaged", "drop-cut")


@pytest.mark.parametrize("size", [0, 3, 4, 10, len(WHOLE) - 1])
def test_a_file_that_was_cut_off(size: int) -> None:
    assert code_of(WHOLE[:size]) == ("not-a-drop" if size < len(MAGIC) else "drop-cut")


def test_a_cut_between_two_frames_shows_too() -> None:
    frames = list(read_drop(io.BytesIO(WHOLE)))
    for one in frames[:-1]:
        assert code_of(WHOLE[: one.end_bytes]) == "drop-cut"
    swapped = (
        WHOLE[: frames[0].end_bytes]
        + WHOLE[frames[1].end_bytes : frames[2].end_bytes]
        + WHOLE[frames[0].end_bytes : frames[1].end_bytes]
        + WHOLE[frames[2].end_bytes :]
    )
    assert code_of(swapped) == "drop-damaged"
    assert code_of(WHOLE + b"more") == "drop-damaged"


def test_only_a_device_of_the_author_signs() -> None:
    own = encode_capability(Capability(1, COMMONS, LAPTOP.public))
    bobs = device_capabilities(BOB, DeviceKey(LAPTOP.public))["pub"]
    assert code_of(written(device=BOB)) == "drop-damaged"
    assert code_of(written(head(own))) == "drop-damaged"
    assert code_of(written(head(bobs))) == "drop-damaged"
    assert code_of(written(head(b"none"))) == "drop-damaged"


def test_a_frame_claims_no_more_than_is_taken() -> None:
    size = (FRAME_BYTES_MAX + 1).to_bytes(4, "big")
    assert code_of(MAGIC + bytes([ENTRY]) + size + bytes(64)) == "drop-damaged"
    with pytest.raises(ValueError, match="a frame of"):
        DropWriter().write(ENTRY, bytes(FRAME_BYTES_MAX + 1))
