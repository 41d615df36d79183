"""Bob's exchange gave everybody that Alice talks to: she is told. A second side ends that."""

from collections import Counter
from random import Random

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


def test_whom_a_relay_alone_showed_tell_of_each_other_and_of_themselves() -> None:
    by = {one: peer_source(one) for one in (BOB, CAROL, DAVE)}
    assert one_source({BOB: [A_RELAY, by[BOB]], CAROL: [A_RELAY, by[CAROL]]}) == A_RELAY
    assert one_source({BOB: [A_RELAY, by[CAROL]], CAROL: [A_RELAY, by[BOB]]}) == A_RELAY
    each = {one: [A_RELAY, *by.values()] for one in by}
    assert one_source(each) == A_RELAY
    assert one_source({**each, ERIN: [by[BOB]]}) == A_RELAY, "by Bob, whom the relay showed"
    assert one_source({**each, ERIN: [by[BOB], "mdns"]}) is None
    assert one_source({**each, ERIN: [peer_source(ERIN)]}) is None, "it called us"


def test_a_peers_word_counts_for_as_much_as_how_it_is_known_itself() -> None:
    from_erin = peer_source(ERIN)
    connected = {BOB: [A_RELAY], CAROL: [A_RELAY, from_erin]}
    away = Sources({ERIN: [A_RELAY]})
    assert one_source(connected, away.of) == A_RELAY
    away.note(ERIN, "invite")
    assert one_source(connected, away.of) is None, "whom a person chose knew Carol"
    assert one_source(connected) is None, "nobody had to tell of whoever called us"
    assert one_source({BOB: [A_RELAY], CAROL: [A_RELAY, "peer:nonsense"]}) is None


def test_each_that_told_is_asked_about_once() -> None:
    """A hundred are connected, and a thousand told of them, whom a relay showed."""
    random, count = Random(1), 1_000
    devices = [DeviceKey(number.to_bytes(32, "big")) for number in range(count)]
    sources = Sources({device: [A_RELAY] for device in devices})
    for device in devices:
        for teller in random.sample(devices, SOURCES_MAX - 1):
            sources.note(device, peer_source(teller))
    connected = {device: sources.of(device) for device in devices[:100]}
    asked = Counter[bytes]()

    def of(device: bytes) -> tuple[str, ...]:
        asked[device] += 1
        return sources.of(device)

    assert one_source(connected, of) == A_RELAY
    assert set(asked) | set(connected) == set(devices), "the search reaches everybody"
    assert max(asked.values()) == 1, "every other side is ruled out by the first who is connected"


def test_two_who_vouch_for_each_other_hang_on_whom_one_of_them_was_told_of_by() -> None:
    others = {CAROL: [FROM_BOB, peer_source(DAVE)], DAVE: [peer_source(CAROL)]}
    assert one_source({BOB: ["static"], **others}) == FROM_BOB
    assert one_source({BOB: [A_RELAY], **others}) == A_RELAY, "three hang on it, and two on Bob"


def test_what_many_peers_say_does_not_displace_where_it_came_from() -> None:
    sources = Sources({CAROL: ["static", A_RELAY]})
    for number in range(2 * SOURCES_MAX):
        sources.note(CAROL, peer_source(DeviceKey(bytes([number]) * 32)))
    assert sources.of(CAROL)[:2] == ("static", A_RELAY)
    assert len(sources.of(CAROL)) == SOURCES_MAX


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
