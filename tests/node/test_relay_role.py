"""Rates of a relay and the circuits that share them."""

import pytest
from msgspec.structs import replace

from node.config import RelayConfig
from node.errors import BadSetting
from node.relay_role import Room, narrow_words, room_of, show_role
from node.shown_peers import state_of_all
from p2p.protocol.relay import frames
from storage.relayed import RelayHeld
from tests.node.parts import BOB as PEER
from tests.p2p.protocol.relay.clients import ALICE, BOB, Office


def test_there_are_no_more_circuits_than_a_rate_keeps_alive() -> None:
    assert room_of(RelayConfig()) == Room(1_024, 64)
    narrow = RelayConfig(enabled=True, rate="64KiB", device_rate="8KiB", circuit_rate="4KiB")
    assert room_of(narrow) == Room(32, 4)
    assert room_of(RelayConfig(rate="1GiB", circuits=10)) == Room(10, 64)
    assert "enough for 32 circuits" in narrow_words(narrow)
    assert not narrow_words(RelayConfig(enabled=True, rate="64KiB", circuits=32))


@pytest.mark.parametrize("name", ["rate", "device_rate", "circuit_rate"])
def test_a_rate_that_keeps_no_session_alive_is_refused(name: str) -> None:
    with pytest.raises(BadSetting, match=rf"relay\.{name}: 1KiB .* at least 2KiB"):
        room_of(replace(RelayConfig(), **{name: "1KiB"}))


def test_a_relay_says_what_it_does_for_others() -> None:
    office = Office.made()
    alice, _ = office.come(ALICE), office.come(BOB)
    nothing = RelayHeld(cards=2, letters=0, letter_bytes=0, posts=0)
    idle = show_role(office.relay, 0, nothing, 0)
    assert idle.words == "a relay: 2 devices registered, 0 circuits open"
    (offered,) = office.say(alice, frames.Call(1, BOB))
    assert isinstance(offered, frames.Circuit)
    office.relay.is_caching = True
    for budget, blobs in ((10 << 30, "up to 10.0 GiB of blobs"), (0, "no blobs")):
        assert show_role(office.relay, 0, nothing, budget).words.endswith(
            f", records of its namespaces are kept, and {blobs}"
        )
    office.relay.is_caching = False
    office.relay.drain(20.0)
    leaving = show_role(office.relay, 3_000, RelayHeld(2, 1, 2_048, 0), 0)
    assert leaving.draining
    assert leaving.passed_bytes == 3_000
    assert leaving.words == (
        "a relay that is about to stop: 2 devices registered, 0 circuits open,"
        " 1 letter waits (2.0 KiB)"
    )
    alone = state_of_all((), (), (), idle)
    assert (alone.state, alone.words) == ("relaying", idle.words)
    caching = state_of_all((PEER,), (), (), idle)
    assert (caching.state, caching.words) == ("in-sync", f"{idle.words}; in sync with 1 peer")
