"""STUN answers, read by another implementation's reader; and what gets none."""

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from p2p.protocol.stun import (
    ANSWER_BYTES_MAX,
    ATTRIBUTES_MAX,
    REQUEST_BYTES_MAX,
    UNKNOWN_MAX,
    answer_stun,
)

TRANSACTION = bytes(range(12))

# RFC 5769, section 2.1: a request with every attribute that ICE gives it.
RFC_5769 = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff"
    "80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249"
    "c1b571a280280004e57a3bcf"
)


def request(**attributes: object) -> stun.Message:
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    return stun.Message(stun.Method.BINDING, stun.Class.REQUEST, TRANSACTION, named)


@pytest.mark.parametrize(
    ("host", "seen"),
    [("192.0.2.7", "192.0.2.7"), ("2001:db8::7", "2001:db8::7"), ("::ffff:192.0.2.7", "192.0.2.7"),
     ("fe80::7%eth0", "fe80::7")],
)  # fmt: skip
@pytest.mark.parametrize("with_fingerprint", [False, True])
def test_whoever_asks_hears_where_it_is_seen(host: str, seen: str, with_fingerprint: bool) -> None:
    asked = request()
    if with_fingerprint:
        asked.add_fingerprint()
    answer = answer_stun(bytes(asked), host, 41_234)
    assert answer is not None
    read = stun.parse_message(answer)  # checks a fingerprint
    assert (read.message_method, read.message_class) == (stun.Method.BINDING, stun.Class.RESPONSE)
    assert read.transaction_id == TRANSACTION
    assert read.attributes["XOR-MAPPED-ADDRESS"] == (seen, 41_234)
    assert ("FINGERPRINT" in read.attributes) == with_fingerprint
    assert len(answer) <= ANSWER_BYTES_MAX


def test_the_request_of_the_specification_is_answered() -> None:
    answer = answer_stun(RFC_5769, "192.0.2.1", 32_853)
    assert answer is not None
    # RFC 5769, section 2.2: that address as the attribute has it.
    assert b"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43" in answer


def test_what_must_be_understood_and_is_not_is_named() -> None:
    asked = bytes(request(CHANGE_REQUEST=6))
    answer = answer_stun(asked, "192.0.2.7", 1_000)
    assert answer is not None
    assert stun.parse_message(answer).error_code == 420
    assert answer[-6:-4] == b"\x00\x02"  # two bytes of names
    assert answer[-4:-2] == b"\x00\x03"  # CHANGE-REQUEST
    many = framed(b"".join(bytes([1, number, 0, 0]) for number in range(ATTRIBUTES_MAX)))
    answer = answer_stun(many, "2001:db8::1", 1_000)
    assert answer is not None
    assert len(answer) <= ANSWER_BYTES_MAX
    assert answer.endswith(bytes(byte for n in range(UNKNOWN_MAX) for byte in (1, n)))


def framed(attributes: bytes, *, kind: int = 1, length: int | None = None) -> bytes:
    size = len(attributes) if length is None else length
    head = kind.to_bytes(2, "big") + size.to_bytes(2, "big") + stun.COOKIE.to_bytes(4, "big")
    return head + TRANSACTION + attributes


SILENCE = {
    "nothing": b"",
    "a byte": b"\0",
    "cut in the header": framed(b"")[:19],
    "another cookie": framed(b"").replace(b"\x21\x12", b"\x21\x13"),
    "an answer": framed(b"", kind=0x0101),
    "an indication": framed(b"", kind=0x0011),
    "another method": framed(b"", kind=0x0003),
    "no STUN at all": framed(b"", kind=0xC001),
    "longer than it says": framed(bytes(4), length=0),
    "shorter than it says": framed(b"", length=4),
    "a cut attribute": framed(b"\x80\x22\x00"),
    "an attribute beyond the end": framed(b"\x80\x22\x00\x04"),
    "padding beyond the end": framed(b"\x80\x22\x00\x03abc"),
    "too many attributes": framed(b"\x80\x22\x00\x00" * (ATTRIBUTES_MAX + 1)),
    "a wrong fingerprint": framed(b"\x80\x28\x00\x04abcd"),
    "a short fingerprint": framed(b"\x80\x28\x00\x00"),
    "after the fingerprint": RFC_5769[:2] + b"\x00\x5c" + RFC_5769[4:] + b"\x80\x22\x00\x00",
    "too long": framed(b"\x80\x22" + (REQUEST_BYTES_MAX).to_bytes(2, "big") + bytes(548)),
}


@pytest.mark.parametrize("datagram", SILENCE.values(), ids=SILENCE.keys())
def test_what_is_no_request_gets_no_answer(datagram: bytes) -> None:
    assert answer_stun(datagram, "192.0.2.7", 1_000) is None


def test_port_0_gets_no_answer() -> None:
    assert answer_stun(framed(b""), "192.0.2.7", 0) is None


@given(st.one_of(st.binary(max_size=600), st.binary(max_size=100).map(framed)))
def test_no_bytes_get_much(datagram: bytes) -> None:
    answer = answer_stun(datagram, "2001:db8::1", 1_000)
    assert answer is None or len(answer) <= ANSWER_BYTES_MAX
