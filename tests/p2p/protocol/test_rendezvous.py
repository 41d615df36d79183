"""Bob leaves his card where those who know the garden find it; to others it is noise."""

from dataclasses import replace

import pytest

from crdt.boxes import sealing_key
from crdt.capability import CapabilityCache
from p2p.protocol.card import Card, check_card, sign_card
from p2p.protocol.errors import LocalProtocolError, RemoteProtocolError
from p2p.protocol.rendezvous import (
    DAY_US,
    RELAYS,
    SEALED_CARD_BYTES_MAX,
    SLOTS,
    VALUE_BYTES,
    choose_slot,
    days,
    open_card,
    seal_card,
    slots,
)
from tests.simulation.people import BOB, Person, person

GARDEN = b"garden" * 5 + b"\0\1"
NOW_US = 20_000 * DAY_US + DAY_US // 2
NONCE = bytes(24)
HOUR_US = DAY_US // 24
FIRST_PUBLIC = "46857f543b32040525ae99ea6e9569b424e6853739e1d7737b8b705b0f3a4ef4"


def card_of(one: Person, places: tuple[str, ...] = ("192.0.2.7:4747",)) -> bytes:
    return sign_card(
        one.device,
        author=one.author,
        capability=one.config().capability,
        places=places,
        relays=(),
        sealing=sealing_key(bytes(32)),
        issued_us=NOW_US,
        until_us=NOW_US + DAY_US,
    )


def read(data: bytes) -> Card:
    return check_card(data, CapabilityCache(), now_us=NOW_US)


def code_of(number: int, value: bytes, name: bytes = GARDEN, day: int = 20_000) -> str:
    with pytest.raises(RemoteProtocolError) as refusal:
        open_card(slots(name, day)[number], value)
    return refusal.value.code


def test_who_knows_the_name_finds_the_card() -> None:
    for slot in slots(GARDEN, 20_000):
        value = seal_card(slot, card_of(BOB), nonce=NONCE)
        assert len(value) == VALUE_BYTES <= 996  # BEP 44: 1,000 bytes as "942:…"
        assert open_card(slot, value) == card_of(BOB)


def test_nobody_else_can_tell_what_it_is() -> None:
    """Neither by its key, which differs everywhere, nor by its bytes or their number."""
    places = [
        (one.public, one.secret)
        for name in (GARDEN, RELAYS)
        for day in (20_000, 20_001)
        for one in slots(name, day)
    ]
    assert len({public for public, _ in places}) == len({secret for _, secret in places}) == 32
    value = seal_card(slots(GARDEN, 20_000)[0], card_of(BOB), nonce=NONCE)
    for seen in (BOB.device_key, BOB.author, GARDEN, b"192.0.2.7"):
        assert seen not in value
    assert code_of(0, value, name=RELAYS) == "record-bytes"
    assert code_of(1, value) == "record-bytes"
    assert code_of(0, value, day=20_001) == "record-bytes"
    long = seal_card(slots(GARDEN, 20_000)[0], card_of(BOB, ("h:1",) * 16), nonce=NONCE)
    assert len(long) == len(value)


def test_the_names_of_slots_are_those_of_the_document() -> None:
    first = slots(bytes(range(32)), 20_000)[0]
    assert first.public.hex() == FIRST_PUBLIC


def test_forged_and_cut_records_are_refused() -> None:
    slot = slots(GARDEN, 20_000)[0]
    value = seal_card(slot, card_of(BOB), nonce=NONCE)
    for bad in (b"", value[:-1], value + b"\0", bytes(len(value)), value[:-1] + b"\0"):
        assert code_of(0, bad) == "record-bytes"


def test_a_card_that_is_too_long_is_not_sealed() -> None:
    longest = bytes(SEALED_CARD_BYTES_MAX)
    slot = slots(GARDEN, 20_000)[0]
    assert open_card(slot, seal_card(slot, longest, nonce=NONCE)) == longest
    with pytest.raises(LocalProtocolError):
        seal_card(slot, longest + b"\0", nonce=NONCE)


def test_around_midnight_both_days_are_looked_at() -> None:
    assert days(NOW_US) == (20_000,)
    assert days(20_000 * DAY_US + HOUR_US // 2) == (19_999, 20_000)
    assert days(20_001 * DAY_US - HOUR_US // 2) == (20_000, 20_001)
    assert days(0) == (0,)


def test_one_slot_a_device_and_none_of_anothers() -> None:
    first = choose_slot({}, BOB.device_key, day=20_000)
    assert first is not None
    bob, carol = read(card_of(BOB)), read(card_of(person("carol")))
    assert choose_slot({first: carol}, BOB.device_key, day=20_000) == (first + 1) % SLOTS
    elsewhere = (first + 3) % SLOTS
    assert choose_slot({first: carol, elsewhere: bob}, BOB.device_key, day=20_000) == elsewhere
    assert choose_slot(dict.fromkeys(range(SLOTS), carol), BOB.device_key, day=20_000) is None
    full = {**dict.fromkeys(range(SLOTS), carol), 5: replace(bob, issued_us=0)}
    assert choose_slot(full, BOB.device_key, day=20_000) == 5
