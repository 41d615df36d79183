"""Relays that say so themselves: shown, bounded, and of each the newest word."""

from crdt.did import encode_did_key
from crdt.keys import AuthorKey, DeviceKey
from node.found_relays import FOUND_MAX, FoundRelays
from p2p.protocol.card import Card
from p2p.transport.relay.url import RelayUrl
from tests.simulation.people import BOB

NOW_US = 1_000_000
BOBS_Z = encode_did_key(BOB.device_key).removeprefix("did:key:")


def card(*places: str, issued_us: int = 1, device: DeviceKey = BOB.device_key) -> Card:
    return Card(device, AuthorKey(BOB.author), places, (), bytes(32), issued_us, 2 * NOW_US, b"")


def urls(found: FoundRelays, *used: str, now_us: int = NOW_US) -> list[str]:
    of_use = [RelayUrl.parse(one) for one in used]
    shown = found.shown(of_use, may_call=lambda text: "127.0" not in text, now_us=now_us)
    return [one.url for one in shown]


def test_the_first_place_that_others_reach_is_shown_with_the_key() -> None:
    found = FoundRelays()
    circuit = f"circuit:{BOBS_Z}@192.0.2.1:4747"
    found.note(card("nonsense at all", circuit, "127.0.0.1:4747", "wss://relay.example/p"))
    assert urls(found) == [f"wss://{BOBS_Z}@relay.example/p"]
    assert urls(found, "wss://relay.example/p") == [], "it is used already"
    assert urls(found, f"relay://{BOBS_Z}@192.0.2.9:1") == [], "by another address"
    assert urls(found, now_us=2 * NOW_US) == [], "its word has run out"


def test_the_newest_word_of_each_counts() -> None:
    found = FoundRelays()
    found.note(card("192.0.2.1:1", issued_us=2))
    found.note(card("192.0.2.2:1", issued_us=1))
    assert urls(found) == [f"relay://{BOBS_Z}@192.0.2.1:1"]


def test_who_says_to_be_many_pushes_out_no_more_than_there_is_room_for() -> None:
    found = FoundRelays()
    for number in range(2 * FOUND_MAX):
        found.note(card(f"192.0.2.1:{number + 1}", device=DeviceKey(number.to_bytes(32, "big"))))
    assert len(urls(found)) == FOUND_MAX
