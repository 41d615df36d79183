"""Events with more names than one of ours has room for: they lose names, and no state with them."""

import hashlib
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.universe.formats.memory import MemoryFiles, as_json
from tests.universe.formats.villages import entry, state, village
from universe.event import EVENT_BYTES_MAX, Event, encode_event, event_size
from universe.formats import About, ImportedUniverse, plan
from universe.formats.raw import TYPE

MAIN = "universe:main"
TODAY_US = 1_768_000_000_000_000
LISTS = ("entities", "souls", "parents")


def named(letter: str) -> list[str]:
    return [f"{letter}{number:02}-" + "é" * 120 for number in range(64)]


def planned(files: dict[str, bytes]) -> tuple[ImportedUniverse, list[str]]:
    found = plan(MemoryFiles(files))
    (one,) = found.universes
    assert found.report.refused == 0
    left = [each.reason for each in found.report.problems if each.about is About.LEFT]
    return one, left


def indexed(event: dict[str, Any], **more: object) -> dict[str, bytes]:
    data = b"a world"
    listed = {"file": "states/1.bin", "tick": 1, "sha256": hashlib.sha256(data).hexdigest()}
    index = {"type": TYPE, "id": MAIN, "snapshots": [{**listed, "event": event}], **more}
    return {"universe.json": as_json(index), "states/1.bin": data}


def test_a_state_of_a_server_keeps_as_much_of_its_event_as_there_is_room_for() -> None:
    told = {"type": "crisis", "title": "All fled", "entities": named("e")}
    lines = [entry(1, 1, type="canonical", canonEvent=told), entry(2, 2)]
    states = {"1.json.gz": state(1), "2.json.gz": state(2)}
    one, left = planned(village(MAIN, lines, states))
    assert [each.kind for each in one.snapshots] == ["canonical", "auto"]
    (event,) = one.events
    assert one.snapshots[0].event == event
    assert event.entities == tuple(named("e"))[: len(event.entities)]
    gone = 64 - len(event.entities)
    assert left == [f"more than {EVENT_BYTES_MAX:,} bytes: {gone:,} of its names are left out"]
    assert EVENT_BYTES_MAX - 300 < len(encode_event(event)) <= EVENT_BYTES_MAX


def test_who_it_happened_to_stays_rather_than_the_parents() -> None:
    """It has room as it will be signed: with a time of today, its snapshot's day and its id."""
    said = {"tick": 1, "type": "birth", "title": "t", **{key: named(key[0]) for key in LISTS}}
    point = {"tick": 1, "checksum": "00" * 32, "file": "states/1.bin"}
    one, left = planned(indexed(said, events=[{**said, "title": "u", "snapshot": point}]))
    assert len(left) == 2
    for event in one.events:
        assert (len(event.parents), len(event.souls)) == (0, 0)
        assert 25 < len(event.entities) < 64
        encode_event(replace(event, at_us=TODAY_US, snapshot=bytes(32)))


@pytest.mark.parametrize("more", [0, 1])
def test_an_event_that_just_has_room_is_the_same(more: int) -> None:
    said: dict[str, Any] = {
        "tick": 1, "at_us": TODAY_US, "type": "birth", "title": "t", "entities": named("e")[:32],
    }  # fmt: skip
    rest = EVENT_BYTES_MAX - event_size(_event(said))
    said["title"] += "x" * (100 - 2)  # one byte more says how long it is
    rest = EVENT_BYTES_MAX - event_size(_event(said))
    souls: list[str] = []
    said["souls"] = souls
    while rest > 0:
        souls.append(f"{len(souls):02}" + "s" * min(100, max(1, rest - 20)))
        rest = EVENT_BYTES_MAX - event_size(_event(said))
    while rest < 0:
        souls[0] = souls[0][:-1]
        rest = EVENT_BYTES_MAX - event_size(_event(said))
    said["title"] += "y" * (rest + more)
    one, left = planned(indexed(said))
    assert (one.events == (_event(said),)) is (more == 0)
    assert len(left) == more


def _event(said: dict[str, Any]) -> Event:
    return msgspec.convert(said, Event)
