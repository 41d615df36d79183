"""Bob's exchange gave everybody that Alice talks to: she is told. A second side ends that."""

import pytest

from crdt.keys import DeviceKey
from p2p.protocol.sources import (
    DEVICES_MAX,
    SOURCES_MAX,
    Sources,
    one_source,
    peer_source,
    relay_source,
)

BOB, CAROL, DAVE, ERIN = (DeviceKey(bytes([number]) * 32) for number in range(1, 5))
FROM_BOB = peer_source(BOB)
A_RELAY = relay_source("relay://relay.example:4747")


@pytest.mark.parametrize("source", [FROM_BOB, A_RELAY, "dht"])
def test_all_come_from_one_side(source: str) -> None:
    assert one_source({CAROL: [source], DAVE: [source]}) == source
    assert one_source({CAROL: [source], DAVE: [source], ERIN: [source, "mdns"]}) is None
    assert one_source({CAROL: [source], DAVE: [source], ERIN: []}) is None
    assert one_source({CAROL: [source]}) is None


def test_bob_does_not_count_among_those_that_he_told_of() -> None:
    connected = {BOB: ["static"], CAROL: [FROM_BOB], DAVE: [FROM_BOB]}
    assert one_source(connected) == FROM_BOB
    assert one_source({BOB: ["static"], CAROL: [FROM_BOB]}) is None
    assert one_source({**connected, ERIN: ["mdns"]}) is None


@pytest.mark.parametrize("source", ["static", "mdns", "invite"])
def test_what_a_person_chose_or_the_network_shows_is_no_warning(source: str) -> None:
    assert one_source({CAROL: [source], DAVE: [source]}) is None


def test_two_relays_are_two_sides() -> None:
    assert one_source({CAROL: [A_RELAY], DAVE: [relay_source("relay://other:1")]}) is None
    assert one_source({}) is None


def test_a_token_is_no_part_of_a_source() -> None:
    assert relay_source("relay://relay.example:1?token=secret") == "relay:relay://relay.example:1"


def test_sources_are_remembered_in_their_order_and_bounded() -> None:
    sources = Sources({CAROL: ("mdns", "dht")})
    assert not sources.note(CAROL, "mdns")
    assert sources.note(CAROL, FROM_BOB)
    assert sources.of(CAROL) == ("mdns", "dht", FROM_BOB)
    assert sources.of(DAVE) == ()
    for number in range(2 * SOURCES_MAX):
        sources.note(CAROL, f"peer:{number}")
    assert len(sources.of(CAROL)) == SOURCES_MAX
    for number in range(DEVICES_MAX):
        sources.note(number.to_bytes(32, "big"), "dht")
    assert sources.of(CAROL) == ()
