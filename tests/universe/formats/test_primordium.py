"""Worlds of Primordium: a save, states in a database, and what was logged."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from blake3 import blake3

from tests.universe.formats.memory import CHANGED_US, MemoryFiles, packed
from universe.formats import About, Plan, plan, plan_primordium, world_folders

SAVED = json.dumps(
    {
        "version": 1,
        "world": {
            "width": 100,
            "height": 50,
            "tick": 4_200,
            "food_persist": [{"x": 1, "value": 0.1}],
            "config": {"world": {"seed": 7}, "target_fps": 60.0},
            "log_dir": "logs",
        },
    },
    indent=2,
).encode()
LINEAGE = "0b51e6a4-0000-4000-8000-000000000000"
TIME = "2026-03-01T12:00:00.250000+00:00"
TIME_US = 1_772_366_400_250_000


def lines(*told: Mapping[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in told)


LIVE = lines(
    {"event": "Birth", "id": "a", "parent_id": None, "gen": 1, "tick": 1, "timestamp": TIME},
    {"event": "Birth", "id": "b", "parent_id": "a", "gen": 2, "tick": 2, "timestamp": TIME},
    {"event": "Snapshot", "tick": 1_000, "stats": {"population": 3}, "timestamp": TIME},
    {"event": "TribalSplit", "id": "b", "lineage_id": LINEAGE, "tick": 9, "timestamp": TIME},
    {"event": "EcoAlert", "message": "Oxygen is low.", "tick": 8, "timestamp": "soon"},
    {"event": "ClimateShift", "from": "Temperate", "to": "Ice", "tick": 7, "timestamp": TIME},
    {"event": "Narration", "tick": 6, "text": "A quiet age.", "severity": 0.25, "timestamp": TIME},
    {"event": "Extinction", "population": 0, "tick": 4_100, "timestamp": TIME},
)
LEGEND: dict[str, Any] = {
    "id": "creature-1",
    "parent_id": None,
    "lineage_id": LINEAGE,
    "birth_tick": 5,
    "death_tick": 105,
    "lifespan": 100,
    "generation": 12,
    "offspring_count": 44,
    "death_timestamp": TIME,
    "genotype": {"brain": {"nodes": []}},
}


def planned(
    files: Mapping[str, bytes], tables: Mapping[str, Sequence[tuple[int, bytes]]] | None = None
) -> tuple[Plan, MemoryFiles]:
    lying = MemoryFiles(files, name="eden")
    lying.tables = {path: [*rows] for path, rows in (tables or {}).items()}
    return plan_primordium(lying, world_folders(lying.listing)), lying


def told(plan: Plan, about: About) -> list[str]:
    return [str(one) for one in plan.report.problems if one.about is about]


def test_a_folder_is_a_universe_with_its_save_its_states_and_its_events() -> None:
    rows = [(500, b"first"), (1_000, b"second"), (1_500, b"first")]
    plan, files = planned(
        {
            "save.json": SAVED,
            "config.toml": b"[world]",
            "logs/live.jsonl": LIVE,
            "logs/legends.json": lines(LEGEND),
            "logs/world.db": b"SQLite format 3\0",
        },
        {"logs/world.db": rows},
    )
    (eden,) = plan.universes
    assert (eden.id, eden.name) == ("universe:eden", "eden")
    assert json.loads(eden.config) == {"world": {"seed": 7}, "target_fps": 60.0}
    assert [(one.tick, one.kind, one.media) for one in eden.snapshots] == [
        (500, "auto", "application/octet-stream"),
        (4_200, "manual", "application/json"),
        (1_000, "auto", "application/octet-stream"),
    ]
    assert [one.at_us for one in eden.snapshots] == [CHANGED_US, CHANGED_US, TIME_US]
    assert files.taken(eden.snapshots[2].source) == b"second"
    assert eden.snapshots[1].content.checksum == blake3(SAVED).digest()
    assert len(told(plan, About.DUPLICATE)) == 1
    assert [(event.tick, event.type, event.importance, event.title) for event in eden.events] == [
        (6, "narration", 250, "A quiet age."),
        (7, "climate", 500, "Climate: Temperate to Ice"),
        (8, "crisis", 600, "Oxygen is low."),
        (9, "lineage", 400, f"A tribe parts from {LINEAGE}"),
        (105, "death", 44, "A legend of 0b51e6a…"),
        (4_100, "extinction", 900, "Extinction"),
    ]
    assert eden.events[2].at_us == 0  # no time at all
    assert eden.events[4].entities == ("creature-1",)
    assert eden.events[4].description == "Generation 12, 44 offspring, lived for 100 ticks."
    assert told(plan, About.LEFT) == [
        "logs/live.jsonl: no events of a world, which stay there: 2 Birth"
    ]
    assert plan.report.refused == 0


def test_the_oldest_save_is_the_world_alone() -> None:
    world = json.dumps(json.loads(SAVED)["world"]).encode()
    plan, _ = planned({"old/save.json": packed(world)})
    (one,) = plan.universes
    assert (one.id, one.snapshots[0].tick) == ("universe:old", 4_200)
    assert one.snapshots[0].content.checksum == blake3(world).digest()
    assert not plan.report.problems


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{}", "/tick: is no whole number"),
        (b'{"version": 1, "world": {"tick": -3}}', "/world/tick: is no whole number"),
        (b'{"version": 1, "world": {"tick": 1e3}}', "/world/tick: is no whole number"),
        (b'{"version": 1, "world": {"tick": 5}', "is missing"),
        (b'{"version": 1, "world": [5]}', "byte 24: must be an object"),
        (b'{"world": {"tick": %s}}' % (b"9" * 5_000), "a number of more than 64 characters"),
        (SAVED.replace(b"logs", b"\xe4"), "is not UTF-8"),
    ],
)
def test_what_is_no_save_is_refused_with_its_place(data: bytes, reason: str) -> None:
    plan, _ = planned({"save.json": data, "logs/legends.json": lines(LEGEND)})
    (one,) = plan.universes  # by its legends
    assert not one.snapshots
    assert reason in told(plan, About.UNREADABLE)[0]


def test_a_newer_save_is_taken_and_told() -> None:
    plan, _ = planned({"save.json": SAVED.replace(b'"version": 1', b'"version": 9')})
    assert plan.universes[0].snapshots[0].tick == 4_200
    assert "is 9, and what is known is version 1" in told(plan, About.CLAIM)[0]


def test_a_line_that_is_no_event_is_told_and_the_others_are_taken() -> None:
    broken = [b'{"event":', b"\xff", b"[]", b'{"event": "Extinction", "tick": -1}', b"1" * 5_000]
    plan, _ = planned({"logs/live.jsonl": b"\n\n".join([*broken, LIVE])})
    assert len(plan.universes[0].events) == 5
    assert [line.split(": ")[1] for line in told(plan, About.UNREADABLE)] == [
        f"line {number}" for number in (1, 3, 5, 7, 9)
    ]


def test_of_many_events_the_most_important_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("universe.formats.chronicle.EVENTS_MAX", 3)
    legends = [{**LEGEND, "id": str(one), "offspring_count": one} for one in range(9)]
    plan, _ = planned({"logs/legends.json": lines(*legends)})
    assert [event.importance for event in plan.universes[0].events] == [6, 7, 8]
    assert "6 events are less important than the 3 taken" in told(plan, About.LEFT)[0]


def test_a_line_without_an_end_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("universe.formats.taking.LINE_BYTES_MAX", 2_000)
    plan, _ = planned({"logs/live.jsonl": b"x" * 50_000 + b"\n" + LIVE})
    assert len(plan.universes[0].events) == 5
    assert "line 1: is too long for an event" in told(plan, About.UNREADABLE)[0]


def test_a_log_is_read_so_far_and_what_is_behind_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("universe.formats.chronicle.LOG_BYTES_MAX", 1_500)
    plan, _ = planned({"logs/legends.json": lines(*[LEGEND] * 100)})
    assert len(plan.universes[0].events) == 1
    assert plan.report.counts[About.TOO_MUCH] == 1


def test_a_database_that_cannot_be_read_leaves_the_save() -> None:
    plan, _ = planned({"save.json": SAVED, "registry.db": b"no"})
    assert len(plan.universes[0].snapshots) == 1
    assert "registry.db: is no database" in told(plan, About.UNREADABLE)


def test_a_folder_with_nothing_in_it_becomes_nothing() -> None:
    plan, _ = planned({"save.json": b"7"})
    assert not plan.universes
    assert plan.report.counts[About.MISSING] == 1


def test_a_save_without_a_tick_has_the_one_of_its_notes() -> None:
    """An export wrote any JSON as save.json."""
    state = b'{"w": 1}'
    listed = {"file": "save.json", "tick": 25, "checksum": blake3(state).hexdigest()}
    notes = {"type": "panspermia.universe-notes/1", "id": "universe:a", "snapshots": [listed]}
    found = plan(MemoryFiles({"save.json": state, "panspermia.json": json.dumps(notes).encode()}))
    (one,) = found.universes
    assert [(each.tick, each.is_noted) for each in one.snapshots] == [(25, True)]
    assert not found.report.counts
