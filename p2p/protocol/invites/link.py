"""The link of an invite, which a QR carries: the secret, and where who made it can be called.

    link = "panspermia:invite-" ‖ base32 (Crockford's) of check 4 ‖ CBOR
    CBOR = [1, secret 8, device 32, [place …], [relay …]]

The check is the first bytes of BLAKE3 of the CBOR. In capitals all of it fits the alphanumeric mode
of a QR code, which takes 5.5 bits a character.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from blake3 import blake3
from msgspec import Meta, Struct

from crdt import cbor
from crdt.errors import Malformed
from crdt.keys import DeviceKey
from p2p.protocol.errors import LocalProtocolError
from p2p.protocol.frames import Key
from p2p.protocol.invites.code import ALPHABET, SECRET_BITS, SECRET_BYTES

SCHEME: Final = "panspermia:"
LINK_PREFIX: Final = f"{SCHEME}invite-"
LINK_VERSION: Final = 1
LINK_BYTES_MAX = 1_024
"""A QR of version 40 has room for 2,600 characters, but no camera reads that from a screen."""
LINK_PLACES_MAX = 8
LINK_RELAYS_MAX = 4
LINK_PLACE_CHARACTERS_MAX = 256
LINK_CHARACTERS_MAX = 2_048

_CHECK_BYTES: Final = 4
_VALUES: Final = {character: value for value, character in enumerate(ALPHABET)}
_READ_AS: Final = str.maketrans("OIL", "011")

_Text = Annotated[
    str, Meta(min_length=1, max_length=LINK_PLACE_CHARACTERS_MAX, pattern=r"^[!-~]+\Z")
]


class _Body(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    secret: Annotated[bytes, Meta(min_length=SECRET_BYTES, max_length=SECRET_BYTES)]
    device: Key
    places: Annotated[tuple[_Text, ...], Meta(max_length=LINK_PLACES_MAX)]
    relays: Annotated[tuple[_Text, ...], Meta(max_length=LINK_RELAYS_MAX)]


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says. Whoever has it has the invite."""

    secret: bytes
    device: DeviceKey
    places: tuple[str, ...] = ()
    relays: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Link(of {self.device.hex()[:12]})"


def write_link(link: Link) -> str:
    """The text; the last places and relays are left out where there is no room for all."""
    places, relays = list(link.places[:LINK_PLACES_MAX]), list(link.relays[:LINK_RELAYS_MAX])
    while len(body := _encoded(link, places, relays)) > LINK_BYTES_MAX:
        (places if len(places) > len(relays) else relays).pop()
    return LINK_PREFIX + _base32(blake3(body).digest()[:_CHECK_BYTES] + body)


def is_link(text: str) -> bool:
    """Whether it says to be one."""
    return text.strip()[: len(SCHEME)].lower() == SCHEME


def read_link(text: str) -> Link:
    """What a link says.

    Raises `LocalProtocolError` (`invite-link`), which does not repeat it.
    """
    packed = "".join(text[: LINK_CHARACTERS_MAX + 1].split())
    head, rest = packed[: len(LINK_PREFIX)], packed[len(LINK_PREFIX) :]
    if head.lower() != LINK_PREFIX or len(packed) > LINK_CHARACTERS_MAX:
        raise _bad("it is none of an invite")
    data = _from_base32(rest.upper().translate(_READ_AS))
    check, body = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
    if blake3(body).digest()[:_CHECK_BYTES] != check:
        raise _bad("a part of it is wrong or missing: copy it whole, or scan it again")
    try:
        plain: object = cbor.decode(body, bytes_max=LINK_BYTES_MAX, items_max=64, depth_max=2)
        said = msgspec.convert(plain, _Body, builtin_types=(bytes,))
    except (Malformed, msgspec.ValidationError) as error:
        raise _bad("it is whole, but of another version, or forged") from error
    if said.version != LINK_VERSION or int.from_bytes(said.secret, "big") >> SECRET_BITS:
        raise _bad("it is of a version that this Panspermia does not know: update it")
    return Link(said.secret, DeviceKey(said.device), said.places, said.relays)


def _encoded(link: Link, places: list[str], relays: list[str]) -> bytes:
    return cbor.encode([LINK_VERSION, link.secret, link.device, places, relays])


def _base32(data: bytes) -> str:
    number, size = int.from_bytes(data, "big"), -(-8 * len(data) // 5)
    number <<= 5 * size - 8 * len(data)
    return "".join(ALPHABET[number >> 5 * at & 31] for at in reversed(range(size)))


def _from_base32(text: str) -> bytes:
    """Raises `LocalProtocolError` where a character is none, or bits are left that mean nothing."""
    number = 0
    for character in text:
        if character not in _VALUES:
            raise _bad("it has a character that no link has")
        number = number << 5 | _VALUES[character]
    size, spare = divmod(5 * len(text), 8)
    if spare >= 5 or number & (1 << spare) - 1:
        raise _bad("a part of its end is missing, or something follows it: copy it whole")
    return (number >> spare).to_bytes(size, "big")


def _bad(why: str) -> LocalProtocolError:
    return LocalProtocolError("invite-link", f"the link cannot be used: {why}")
