"""What is done with a card, and what a person is told of where peers come from."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from crdt.did import encode_did_key
from crdt.keys import COMMONS, NamespaceKey
from node.cards import places_of
from node.listening import told_places
from node.pairing import likely
from node.shown_peers import one_source_words
from node.table import discoverable, not_joined
from p2p.protocol.card import Card
from p2p.protocol.sources import peer_source, relay_source
from p2p.transport.place import is_local, to_tell
from storage.store import Store, open_store
from tests.simulation.people import BOB
from tests.storage.people import NOW_US, project

GARDEN = NamespaceKey(b"garden" * 5 + b"\0\1")
BOBS_Z = encode_did_key(BOB.device_key).removeprefix("did:key:")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as opened:
        yield opened


def test_a_card_says_nothing_that_means_its_reader() -> None:
    here = (
        "127.0.0.1:1", "[::1]:1", "localhost:1", "0.0.0.0:1", "[fe80::1]:1", "224.0.0.1:1",
        "[::ffff:127.0.0.1]:1", "127.1:1", "2130706433:1", "0x7f000001:1", "a.localhost.:1",
        "ip6-localhost:1", "ws://127.0.0.1:3000/api", "wss://localhost/",
        f"circuit:{BOBS_Z}@127.0.0.1:22", f"webrtc:{BOBS_Z}@ws://[::1]:80/",
    )  # fmt: skip
    there = (
        "192.0.2.7:4747", "[2001:db8::1]:4747", "node.example:4747", "ws://10.0.0.1/",
        "wss://node.example/p", "localhost.example:1", f"circuit:{BOBS_Z}@relay.example:4747",
        f"webrtc:{BOBS_Z}@192.0.2.7:4747",
    )  # fmt: skip
    assert [is_local(place) for place in here] == [True] * len(here)
    assert [is_local(place) for place in there] == [False] * len(there)
    assert to_tell((*there, *here)) == there
    assert to_tell(here[:1]) == here[:1]
    assert likely((*here, *there), there) == there[:4]
    assert likely(here[:2], here[:1]) == here[:2]
    hosts = ("169.254.7.7", "192.0.2.7", "127.0.0.1")
    assert told_places(hosts, 4747) == there[:1]
    assert told_places(hosts[2:], 1, ("wss://node.example/p",)) == ("wss://node.example/p",)


def test_a_device_is_called_where_its_card_says_and_through_its_relays() -> None:
    places = ("192.0.2.7:4747", "wss://example.org/p", "no place: at all")
    relays = (f"relay://{BOBS_Z}@relay.example:4747", "nonsense")
    card = Card(BOB.device_key, BOB.author, places, relays, bytes(32), 0, 1, b"")
    circuit = f"circuit:{BOBS_Z}@relay.example:4747"
    assert places_of(card) == ("192.0.2.7:4747", "wss://example.org/p", circuit)


async def test_a_private_namespace_is_in_the_table_only_where_the_person_says_so(
    store: Store,
) -> None:
    await store.join(GARDEN, "garden")
    assert await discoverable((), store) == [COMMONS]
    assert await discoverable(("meadow",), store) == [COMMONS]
    assert await not_joined(("garden", "meadow"), store) == ["meadow"]
    assert await not_joined(("garden",), store) == []
    assert await discoverable(("garden",), store) == [COMMONS, GARDEN]


def test_a_person_reads_who_told_of_all_peers() -> None:
    by_bob = one_source_words(peer_source(BOB.device_key), 3)
    assert (
        f"all 3 connected peers are known from one side only, the peer did:key:{BOBS_Z}" in by_bob
    )
    assert "the relay relay://r:1" in one_source_words(relay_source("relay://r:1?token=x"), 2)
    assert "the public table" in one_source_words("dht", 2)
