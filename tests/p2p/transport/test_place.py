"""Where peers are called, as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.did import encode_did_key
from crdt.keys import DeviceKey
from p2p.protocol.errors import LocalProtocolError
from p2p.protocol.limits import ADDRESS_CHARACTERS_MAX
from p2p.transport.address import Address
from p2p.transport.place import (
    Place,
    RelayedPlace,
    WebSocketPlace,
    kind_of,
    parse_place,
)
from tests.simulation.people import BOB

DEVICE = encode_did_key(BOB.device_key).removeprefix("did:key:")
RELAY = WebSocketPlace(Address("relay.example", 443), "/", is_tls=True)


@pytest.mark.parametrize(
    ("text", "place", "shown"),
    [
        ("192.0.2.1", Address("192.0.2.1", 4747), "192.0.2.1:4747"),
        ("circuit:4747", Address("circuit", 4747), "circuit:4747"),
        ("[2001:db8::1]:1", Address("2001:db8::1", 1), "[2001:db8::1]:1"),
        ("wss://relay.example", RELAY, "wss://relay.example/"),
        (
            "ws://[::1]:81/a/b",
            WebSocketPlace(Address("::1", 81), "/a/b", is_tls=False),
            "ws://[::1]:81/a/b",
        ),
        (
            f"circuit:{DEVICE}@relay.example:9",
            RelayedPlace("circuit", BOB.device_key, Address("relay.example", 9)),
            f"circuit:{DEVICE}@relay.example:9",
        ),
        (
            f" webrtc:{DEVICE}@wss://relay.example/ ",
            RelayedPlace("webrtc", BOB.device_key, RELAY),
            f"webrtc:{DEVICE}@wss://relay.example/",
        ),
    ],
)
def test_what_people_type(text: str, place: Place, shown: str) -> None:
    assert parse_place(text) == place
    assert str(place) == shown
    assert parse_place(shown) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://a:1",
        "WS://a:1",
        "ws://",
        "ws:///path",
        "ws://a:0/",
        "ws://user@a/",
        "ws://user:secret@a/",
        "wss://a/?token=secret",
        "wss://a/#top",
        "wss://a/\r\nHost: b",
        "wss://a/ b",
        "wss://a\\b/",
        f"circuit:{DEVICE}",
        f"circuit:{DEVICE}@",
        f"circuit:{DEVICE[:-1]}@relay:1",
        f"circuit:did:key:{DEVICE}@relay:1",
        f"circuit:{DEVICE}@circuit:{DEVICE}@relay:1",
        f"smoke:{DEVICE}@relay:1",
        "a" * (ADDRESS_CHARACTERS_MAX + 1),
    ],
)
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(LocalProtocolError, match="is not host:port"):
        parse_place(text)


def test_what_a_place_is_reached_by() -> None:
    places = ("a:1", "ws://a/", f"circuit:{DEVICE}@a:1", f"webrtc:{DEVICE}@a:1")
    kinds = ["tcp", "websocket", "circuit", "webrtc"]
    assert [kind_of(parse_place(place)) for place in places] == kinds


@given(st.binary(min_size=32, max_size=32), st.sampled_from(["circuit", "webrtc"]))
def test_any_device_is_read_again(key: bytes, kind: str) -> None:
    text = f"{kind}:{encode_did_key(key).removeprefix('did:key:')}@{RELAY}"
    place = parse_place(text)
    assert isinstance(place, RelayedPlace)
    assert (place.device, str(place)) == (DeviceKey(key), text)
