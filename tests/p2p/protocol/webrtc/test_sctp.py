"""Packets that a library would read without end are not shown to it."""

import pytest

from p2p.protocol.webrtc.sctp import CHUNKS_MAX, PARAMETERS_MAX, is_sound

HEADER = bytes(12)
PARAMETER = b"\x00\x01\x00\x05x\0\0\0"


def chunk(kind: int, body: bytes = b"") -> bytes:
    return bytes([kind, 0]) + (4 + len(body)).to_bytes(2, "big") + body + bytes(-len(body) % 4)


SOUND = {
    "data": chunk(0, bytes(13)),
    "an INIT": chunk(1, bytes(16) + PARAMETER),
    "an INIT without parameters": chunk(1, bytes(16)),
    "a heartbeat": chunk(4, PARAMETER * PARAMETERS_MAX),
    "several": chunk(3, bytes(12)) + chunk(0, b"x") + chunk(130, PARAMETER),
    "an unknown one, whose body is its own": chunk(77, bytes(8)),
}
NOT_SOUND = {
    "nothing": b"",
    "a cut head": b"\x00\x00\x00",
    "a chunk of no length": bytes(4),
    "a chunk beyond the end": b"\x00\x00\x00\x08",
    "a parameter of no length": chunk(4, bytes(4)),
    "one in an INIT": chunk(1, bytes(16) + bytes(4)),
    "one after a good one": chunk(130, PARAMETER + bytes(4)),
    "one in the second chunk": chunk(0, bytes(12)) + chunk(9, b"\0\0\0\3"),
    "a parameter beyond the end": chunk(6, b"\0\0\0\x09" + bytes(4)),
    "too many parameters": chunk(4, PARAMETER * (PARAMETERS_MAX + 1)),
    "too many chunks": chunk(10) * (CHUNKS_MAX + 1),
}


@pytest.mark.parametrize("chunks", SOUND.values(), ids=SOUND.keys())
def test_what_is_of_its_lengths_is_sound(chunks: bytes) -> None:
    assert is_sound(HEADER + chunks)


@pytest.mark.parametrize("chunks", NOT_SOUND.values(), ids=NOT_SOUND.keys())
def test_what_is_not_is_not(chunks: bytes) -> None:
    assert not is_sound(HEADER + chunks)
    assert not is_sound(chunks[:8])
