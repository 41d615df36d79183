"""Rates of a relay and the circuits that share them."""

import pytest
from msgspec.structs import replace

from node.config import RelayConfig
from node.errors import BadSetting
from node.relay_role import Room, narrow_words, room_of


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
