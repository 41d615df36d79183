"""Bob's card, made, read, and everything that a card may not be."""

from dataclasses import replace

import msgspec
import pytest

from crdt import cbor
from crdt.area import Area
from crdt.boxes import open_sealed, seal_to, sealing_key
from crdt.capability import READ, WRITE, Capability, CapabilityCache, delegate, encode_capability
from crdt.keys import COMMONS
from p2p.protocol import card as cards
from p2p.protocol.card import CARD_PREFIX, Card, check_card, sign_card
from p2p.protocol.errors import LocalProtocolError, RemoteProtocolError
from p2p.protocol.limits import CARD_BYTES_MAX
from tests.simulation.people import BOB, person

CAROL = person("carol")
NOW_US = 1_700_000_000_000_000
SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US
PRIVATE = bytes(range(32))
PLACES = ("192.0.2.7:4747", "[2001:db8::1]:4747", "ws://192.0.2.7:8080/p")
RELAYS = ("relay://relay.example:4747",)


def bobs(
    *,
    capability: bytes | None = None,
    places: tuple[str, ...] = PLACES,
    relays: tuple[str, ...] = RELAYS,
    sealing: bytes | None = None,
    issued_us: int = NOW_US,
    until_us: int = NOW_US + DAY_US,
) -> bytes:
    return sign_card(
        BOB.device,
        author=BOB.author,
        capability=BOB.config().capability if capability is None else capability,
        places=places,
        relays=relays,
        sealing=sealing_key(PRIVATE) if sealing is None else sealing,
        issued_us=issued_us,
        until_us=until_us,
    )


def read(data: bytes, now_us: int = NOW_US) -> Card:
    return check_card(data, CapabilityCache(), now_us=now_us)


def code_of(data: bytes, now_us: int = NOW_US) -> str:
    with pytest.raises(RemoteProtocolError) as refusal:
        read(data, now_us)
    return refusal.value.code


def body_of(data: bytes) -> list[object]:
    outer: list[bytes] = cbor.decode(data, bytes_max=1 << 20)
    body: list[object] = cbor.decode(outer[0], bytes_max=1 << 20)
    return body


def signed(body: object) -> bytes:
    """By Bob's device, whatever it says."""
    encoded = cbor.encode(body)
    return cbor.encode([encoded, BOB.device.sign(CARD_PREFIX + encoded)])


def changed(at: int, value: object) -> bytes:
    body = body_of(bobs())
    body[at] = value
    return signed(body)


def test_what_is_signed_is_read() -> None:
    data = bobs()
    assert read(data) == Card(
        BOB.device_key,
        BOB.author,
        PLACES,
        RELAYS,
        sealing_key(PRIVATE),
        NOW_US,
        NOW_US + DAY_US,
        data,
    )
    assert open_sealed(PRIVATE, seal_to(read(data).sealing, b"a letter")) == b"a letter"


def test_a_card_ends() -> None:
    card = read(bobs())
    assert card.is_fresh(now_us=card.until_us - 1)
    assert not card.is_fresh(now_us=card.until_us)
    assert read(card.encoded, card.until_us - 1) == card
    assert code_of(card.encoded, card.until_us) == "card-over"


def test_no_card_lasts_for_long_or_comes_from_the_future() -> None:
    longest = cards.CARD_LIFE_S_MAX * SECOND_US
    read(changed(8, NOW_US + longest))
    for until_us in (NOW_US + longest + 1, NOW_US, NOW_US - 1):
        assert code_of(changed(8, until_us)) == "card-life"
    ahead = cards.CARD_AHEAD_S_MAX * SECOND_US
    read(bobs(issued_us=NOW_US + ahead))
    assert code_of(bobs(issued_us=NOW_US + ahead + 1, until_us=NOW_US + DAY_US)) == "card-ahead"


def test_no_byte_can_be_altered() -> None:
    data = bobs()
    for at in range(len(data)):
        code_of(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def test_nobody_signs_for_another_device() -> None:
    body = body_of(bobs())
    encoded = cbor.encode(body)
    stolen = cbor.encode([encoded, CAROL.device.sign(CARD_PREFIX + encoded)])
    assert code_of(stolen) == "card-signature"
    assert code_of(changed(1, CAROL.device_key)) == "card-signature"


def test_a_signature_for_something_else_is_none() -> None:
    encoded = cbor.encode(body_of(bobs()))
    assert code_of(cbor.encode([encoded, BOB.device.sign(encoded)])) == "card-signature"


def test_nobody_speaks_for_another_author() -> None:
    assert code_of(changed(2, CAROL.author)) == "card-author"
    carols = CAROL.config().capability
    assert code_of(changed(3, carols)) == "card-author"
    body = body_of(bobs())
    body[2:4] = [CAROL.author, carols]  # Carol's author did delegate, but to Carol's device
    assert code_of(signed(body)) == "card-author"


@pytest.mark.parametrize(
    ("mode", "path"), [(READ, (b"pub",)), (WRITE, (b"pub", b"mod", b"one record"))]
)
def test_a_right_to_less_is_no_device(mode: int, path: tuple[bytes, ...]) -> None:
    """As in a Hello."""
    root = Capability(mode, COMMONS, BOB.author)
    less = delegate(root, BOB.root, Area(BOB.author, path), BOB.device_key)
    assert code_of(changed(3, encode_capability(less))) == "card-author"


def test_a_capability_that_is_not_valid_is_refused() -> None:
    valid = BOB.config().capability
    assert code_of(changed(3, valid[:-1] + bytes([valid[-1] ^ 1])))
    assert code_of(changed(3, b"")) == "truncated"


@pytest.mark.parametrize(
    "place",
    ["", "a b:1", "host:1\n", "host\0:1", "höst:1", "x" * 257, "relay://relay.example:1?token=s"],
)
def test_a_place_is_printable_short_and_carries_no_token(place: str) -> None:
    for at in (4, 5):
        assert code_of(changed(at, [place])) == "card-bytes"
    with pytest.raises(LocalProtocolError):
        bobs(places=(place,))
    with pytest.raises(LocalProtocolError):
        bobs(relays=(place,))


def test_there_are_not_too_many_places() -> None:
    full = read(bobs(places=("h:1",) * 16, relays=("r:1",) * 8))
    assert (len(full.places), len(full.relays)) == (16, 8)
    assert code_of(changed(4, ["h:1"] * 17)) == "card-bytes"
    assert code_of(changed(5, ["r:1"] * 9)) == "card-bytes"


def test_the_largest_card_is_read_and_a_larger_one_not() -> None:
    long = ("h" * 256,) * 16
    assert len(bobs(places=long, relays=long[:8])) < CARD_BYTES_MAX
    assert code_of(bytes(CARD_BYTES_MAX + 1)) == "card-bytes"
    body = body_of(bobs(places=long, relays=long[:8]))
    body[3] = bytes(8 << 10)
    assert code_of(signed(body)) == "card-bytes"


@pytest.mark.parametrize("key", [bytes(32), b"\1" + bytes(31)])
def test_a_key_that_anybody_could_read_with_is_refused(key: bytes) -> None:
    assert code_of(changed(6, key)) == "sealing-key"


def test_another_version_or_shape_is_refused() -> None:
    assert code_of(changed(0, 2)) == "card-version"
    body = body_of(bobs())
    shapes: list[object] = [[*body, 1], body[:-1], {"a": 1}, [], b"", [[[body]]]]
    for shape in shapes:
        assert code_of(signed(shape)) == "card-bytes"
    for data in (b"", b"\xff", cbor.encode([]), cbor.encode([b"", bytes(64), 1])):
        assert code_of(data) == "card-bytes"
    assert code_of(changed(7, -1)) == "card-bytes"


def test_what_nobody_would_take_is_not_signed() -> None:
    with pytest.raises(LocalProtocolError):
        bobs(until_us=NOW_US)
    with pytest.raises(LocalProtocolError):
        bobs(capability=CAROL.config().capability)


def test_a_card_is_known_by_its_bytes() -> None:
    card = read(bobs())
    assert read(card.encoded) == card != replace(card, issued_us=1)
    assert msgspec.convert(body_of(card.encoded)[7], int) == card.issued_us
