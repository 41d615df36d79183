"""STUN binding requests (RFC 8489), answered: "from there I see you", in few bytes.

    request   type 0x0001, length, cookie 0x2112A442, transaction 12, attributes
    answer    type 0x0101, length, cookie, transaction, XOR-MAPPED-ADDRESS, FINGERPRINT where asked

An answer has at most 52 bytes, so it is of no use to whoever forges the address of somebody else.
Nothing is kept between two datagrams.
"""

import zlib
from ipaddress import ip_address
from struct import Struct
from typing import Final

HEADER_BYTES: Final = 20
REQUEST_BYTES_MAX = 548  # RFC 8489, section 6.1: what passes every path in one piece
ATTRIBUTES_MAX = 16
ANSWER_BYTES_MAX = 52
UNKNOWN_MAX = 4  # attributes that an error names

COOKIE: Final = 0x2112A442
_COOKIE_BYTES: Final = COOKIE.to_bytes(4, "big")
_HEADER: Final = Struct(">HHI12s")
_HEAD: Final = Struct(">HH")

_REQUEST: Final = 0x0001
_ANSWER: Final = 0x0101
_ERROR: Final = 0x0111
_ERROR_CODE: Final = 0x0009
_UNKNOWN_ATTRIBUTES: Final = 0x000A
_XOR_MAPPED_ADDRESS: Final = 0x0020
_FINGERPRINT: Final = 0x8028
_FINGERPRINT_XOR: Final = 0x5354554E
_OPTIONAL: Final = 0x8000  # from here on an attribute may be passed over
# May be passed over too: credentials, and what ICE adds, in requests that ask for no credentials.
_KNOWN: Final = frozenset({0x0006, 0x0008, 0x0014, 0x0015, 0x001C, 0x001D, 0x001E, 0x0024, 0x0025})


def answer_stun(datagram: bytes, host: str, port: int) -> bytes | None:
    """What is sent back to `host` and `port`; None for all that is no binding request."""
    if not HEADER_BYTES <= len(datagram) <= REQUEST_BYTES_MAX or port == 0:
        return None
    kind, length, cookie, transaction = _HEADER.unpack_from(datagram)
    if kind != _REQUEST or cookie != COOKIE or length != len(datagram) - HEADER_BYTES:
        return None
    kinds = _attributes(datagram)
    if kinds is None:
        return None
    unknown = [one for one in kinds if one < _OPTIONAL and one not in _KNOWN]
    body = _error_420(unknown[:UNKNOWN_MAX]) if unknown else _mapped(host, port, transaction)
    wants_fingerprint = _FINGERPRINT in kinds
    size = len(body) + (8 if wants_fingerprint else 0)
    answer = _HEADER.pack(_ERROR if unknown else _ANSWER, size, COOKIE, transaction) + body
    if wants_fingerprint:
        answer += _attribute(_FINGERPRINT, _fingerprint(answer))
    return answer


def _attributes(datagram: bytes) -> list[int] | None:
    """The kinds of the attributes, where they fill the datagram and its fingerprint is right."""
    kinds: list[int] = []
    at = HEADER_BYTES
    while at < len(datagram):
        if len(datagram) - at < _HEAD.size or len(kinds) == ATTRIBUTES_MAX:
            return None
        kind, size = _HEAD.unpack_from(datagram, at)
        value = datagram[at + 4 : at + 4 + size]
        if kinds and kinds[-1] == _FINGERPRINT:  # it is the last
            return None
        if kind == _FINGERPRINT and value != _fingerprint(datagram[:at]):
            return None
        kinds.append(kind)
        at += 4 + size + -size % 4
    return kinds if at == len(datagram) else None


def _mapped(host: str, port: int, transaction: bytes) -> bytes:
    address = ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or address  # of a socket that takes both
    pad = _COOKIE_BYTES + transaction
    plain = mapped.packed
    family = 1 if mapped.version == 4 else 2
    value = _HEAD.pack(family, port ^ COOKIE >> 16)
    value += bytes(one ^ other for one, other in zip(plain, pad, strict=False))
    return _attribute(_XOR_MAPPED_ADDRESS, value)


def _error_420(unknown: list[int]) -> bytes:
    kinds = b"".join(kind.to_bytes(2, "big") for kind in unknown)
    return _attribute(_ERROR_CODE, bytes([0, 0, 4, 20])) + _attribute(_UNKNOWN_ATTRIBUTES, kinds)


def _attribute(kind: int, value: bytes) -> bytes:
    return _HEAD.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _fingerprint(before: bytes) -> bytes:
    """Over what is before it, whose length in the header counts the fingerprint already."""
    said = _HEAD.pack(_HEAD.unpack_from(before)[0], len(before) - HEADER_BYTES + 8)
    return (zlib.crc32(said + before[4:]) ^ _FINGERPRINT_XOR).to_bytes(4, "big")
