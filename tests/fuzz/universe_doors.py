"""The doors of `universe`: statements and names that strangers wrote."""

from collections.abc import Sequence

from crdt import cbor
from registry.plain import as_map
from tests.fuzz.registry_doors import has_text_keys
from tests.registry.people import ALICE_LAPTOP
from tests.universe.passengers import (
    FOX,
    GATES,
    MEADOW,
    NO_ROOM,
    REEF,
    answered,
    key_of,
    sent,
)
from tests.universe.test_event import BIRTH, LEAST
from tests.universe.test_passage import PROPOSED, document, value
from tests.universe.test_player import alice
from tests.universe.test_player import document as player_document
from tests.universe.worlds import FULL, MAIN_ID, PLAIN, fork, world
from universe.event import decode_event, encode_event
from universe.gatebook import gatebook_of
from universe.gates import decode_hand_over, sign_hand_over
from universe.lines import Lines
from universe.names import parse_full_name, parse_universe_id
from universe.passage import half_of
from universe.player import listed_player, parse_player_id, player_listing, player_of
from universe.receipts import decode_receipt, encode_receipt
from universe.record import universe_listing
from universe.retention import Policy, Rule, parse_policy, write_policy
from universe.snapshot import (
    decode_signed,
    decode_snapshot,
    encode_signed,
    encode_snapshot,
    sign_snapshot,
)


def read_snapshot(data: bytes) -> None:
    assert encode_snapshot(decode_snapshot(data)) == data


def snapshot_seeds() -> Sequence[bytes]:
    return [encode_snapshot(one) for one in (PLAIN, FULL)]


def read_signed_snapshot(data: bytes) -> None:
    signed = decode_signed(data)
    assert encode_signed(signed) == data
    decode_snapshot(signed.statement)


def signed_snapshot_seeds() -> Sequence[bytes]:
    return [encode_signed(sign_snapshot(one, ALICE_LAPTOP)) for one in (PLAIN, FULL)]


def read_universe_name(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    (parse_full_name if "/" in text else parse_universe_id)(text)


def universe_name_seeds() -> Sequence[bytes]:
    return [b"universe:main", PLAIN.universe.encode()]


def read_player(data: bytes) -> None:
    """The record of a player, and then its id."""
    fields = as_map(cbor.decode(data, bytes_max=1 << 16)) or {}
    row = player_listing(player_document(), fields)
    assert listed_player(row.fields) == player_of(player_document(), fields)
    parse_player_id(row.name)


def player_seeds() -> Sequence[bytes]:
    return [cbor.encode(alice().value)]


def read_receipt(data: bytes) -> None:
    assert encode_receipt(decode_receipt(data)) == data


def receipt_seeds() -> Sequence[bytes]:
    left = sent(FOX, MEADOW, REEF)
    (refused,) = answered(REEF, left, verdict=NO_ROOM)
    return [encode_receipt(one.receipt) for one in (left, refused)]


def read_hand_over(data: bytes) -> None:
    hand_over = decode_hand_over(data)
    assert hand_over.epoch >= 1


def hand_over_seeds() -> Sequence[bytes]:
    return [sign_hand_over(GATES[0].hand_over, key_of(101)).statement]


def read_universe_record(data: bytes) -> None:
    """The value of a document that others write, and each piece that it holds by the thousand."""
    value: object = cbor.decode(data, bytes_max=1 << 20)
    fields = as_map(value)
    if fields is None or not has_text_keys(fields):  # as all maps of a document have
        return
    listing = universe_listing(MAIN_ID, fields)
    parts = listing.parts
    assert parts is not None
    for id, said in parts.snapshots.items():
        row = parts.read_snapshot(id, said)
        assert row is None or row.id == id
    for id, said in parts.events.items():
        parts.read_event(id, said)


def universe_record_seeds() -> Sequence[bytes]:
    return [cbor.encode(one.value) for one in (world(), fork())]


def read_passage(data: bytes) -> None:
    """The record of a passage, and the gate's book of a universe that says the same."""
    fields = as_map(cbor.decode(data, bytes_max=1 << 16)) or {}
    book = gatebook_of(document(PROPOSED), fields)
    assert not Lines(book.receipts, book.hand_overs)[MEADOW].receipts
    half = half_of(document(PROPOSED), fields)
    assert 0 <= half.stability <= 100


def passage_seeds() -> Sequence[bytes]:
    recall = {f"recall-{'00' * 32}": True, "00000001-0000000000000000": b"\x82\x40\x40"}
    return [cbor.encode(value(PROPOSED)), cbor.encode(value(PROPOSED) | {"gate": recall})]


def read_event(data: bytes) -> None:
    assert encode_event(decode_event(data)) == data


def event_seeds() -> Sequence[bytes]:
    return [encode_event(one) for one in (BIRTH, LEAST)]


def read_rule(data: bytes) -> None:
    policy = parse_policy(data.decode(errors="surrogateescape"))
    assert parse_policy(write_policy(policy)) == policy


def rule_seeds() -> Sequence[bytes]:
    rules = (
        Rule(thin=True, newest=500),
        Rule(thin_over=9),
        Rule(older_than_s=86_400, older_than_ticks=9),
    )
    ours = [write_policy(Policy(auto=one, manual=one)).encode() for one in rules]
    return [*ours, b'{"decayAfterTicks": 1728000, "neverDecay": false}']
