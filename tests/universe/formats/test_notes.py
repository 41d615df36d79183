"""What our notes say beside the files of another program counts where these are as they were."""

import json
from typing import Any

import pytest

from tests.universe.formats.memory import MemoryFiles, as_json, packed
from tests.universe.formats.test_origins import MAIN, exported, world
from tests.universe.formats.villages import state
from universe.formats import WorldFormat, budget, index, plan
from universe.formats.imported import NOTHING_SAID, About, ImportedUniverse
from universe.formats.notes import NOTES, is_notes

FOLDER = f"universes/{MAIN}"
TOLD = f"{FOLDER}/{NOTES}"
CARD = {"card": "# Meadow", "tags": ["a"], "license": "MIT", "retention": '{"auto":{"newest":5}}'}


def village(**notes: Any) -> dict[str, bytes]:  # noqa: ANN401 - JSON
    """One universe as a server has it, with more in the notes beside it."""
    files = exported(world(), WorldFormat.AI_VILLAGE)
    own = {path: data for path, data in files.items() if path.startswith(f"{FOLDER}/")}
    return {**own, TOLD: as_json({**json.loads(own[TOLD]), **notes})}


def read(files: dict[str, bytes]) -> tuple[ImportedUniverse, dict[About, int]]:
    found = plan(MemoryFiles(files))
    (one,) = found.universes
    return one, dict(found.report.counts)


def test_what_they_say_of_a_universe_comes_with_it() -> None:
    one, told = read(village(**CARD))
    assert not told
    said = one.said
    assert (said.card, said.tags, said.license) == ("# Meadow", ("a",), "MIT")
    assert json.loads(said.retention)["auto"]["newest"] == 5


def test_of_a_file_that_is_another_now_they_say_nothing() -> None:
    files = village(**CARD)
    notes = json.loads(files[TOLD])
    file = notes["snapshots"][0]["file"]
    notes["snapshots"][0]["kind"] = "manual"
    files |= {TOLD: as_json(notes), f"{FOLDER}/{file}": packed(state(100, 7))}
    one, told = read(files)
    assert told == {About.MISSING: 1, About.CHECKSUM: 1}
    assert [each.kind for each in one.snapshots if each.tick == 100] == ["auto"]
    assert one.said.card == "# Meadow"


@pytest.mark.parametrize("type", ["panspermia.universe-notes/2", None, 7])
def test_notes_of_another_kind_are_told_and_passed_over(type: object) -> None:
    one, told = read(village(**CARD, type=type))
    assert told == {About.LEFT: 1}
    assert one.said == NOTHING_SAID
    assert len(one.snapshots) == 5


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"type": NaN}', b'{"a": 1, "a": 2}'])
def test_notes_that_cannot_be_read_take_nothing_with_them(data: bytes) -> None:
    one, told = read({**village(), TOLD: data})
    assert told == {About.UNREADABLE: 1}
    assert len(one.snapshots) == 5


def test_a_server_that_went_on_says_itself_what_it_can_say() -> None:
    files = village(name="Once", owner="player:once", is_public=True, **CARD)
    metadata = json.loads(files[f"{FOLDER}/metadata.json"]) | {"name": "Now"}
    one, _ = read({**files, f"{FOLDER}/metadata.json": as_json(metadata)})
    assert (one.name, one.owner, one.is_public) == ("Now", "player:1", False)


def test_a_state_without_its_timeline_is_known_by_them() -> None:
    """Its tick too, where its name says none."""
    files = village()
    del files[f"{FOLDER}/timeline.json"]
    one, _ = read(files)
    assert sorted(each.tick for each in one.snapshots) == [100, 300, 300, 300, 300]
    births = [each.event.title for each in one.snapshots if each.event]
    assert births == ["Eve", "Cain"]


def test_each_of_several_events_names_the_very_one_of_its_tick() -> None:
    files = village()
    notes = json.loads(files[TOLD])
    at_tick = [each for each in notes["snapshots"] if each["tick"] == 300]
    notes["events"] = [
        {"tick": 300, "at_us": number, "type": "x", "title": each["file"],
         "snapshot": {key: each[key] for key in ("tick", "checksum", "file")}}
        for number, each in enumerate(at_tick, 1)
    ]  # fmt: skip
    one, told = read({**files, TOLD: as_json(notes)})
    assert not told
    assert len(one.named) == 4
    for event, source in one.named:
        assert source.path == f"{FOLDER}/{event.title}"
    notes["events"][0]["snapshot"]["checksum"] = "00" * 32
    one, told = read({**files, TOLD: as_json(notes)})
    assert (len(one.named), told) == (3, {About.CLAIM: 1})
    assert notes["events"][0]["title"] in {event.title for event in one.events}


def test_a_universe_without_a_state_is_there_by_its_notes_alone() -> None:
    notes = {**json.loads(village()[TOLD]), "snapshots": [], **CARD}
    one, told = read({f"x.{NOTES}": as_json(notes)})
    assert (one.id, one.snapshots, one.said.license, told) == (MAIN, (), "MIT", {})


@pytest.mark.parametrize(
    ("path", "is_one"),
    [("panspermia.json", True), ("a/b.panspermia.json", True), ("xpanspermia.json", False)],
)
def test_notes_are_known_by_their_name(path: str, *, is_one: bool) -> None:
    assert is_notes(path) == is_one


def test_of_lists_without_end_so_much_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 22 MB of small entries each would take ten times as much."""
    monkeypatch.setattr(index, "LISTED_MAX", 5)
    entry = {"tick": 9, "file": "9.json.gz"}
    one, told = read(village(snapshots=[entry] * 7, events=[{"title": f"{n}"} for n in range(8)]))
    assert told[About.LEFT] == 2
    assert len({each.title for each in one.events} & {f"{n}" for n in range(8)}) <= 5


def test_of_notes_without_end_so_much_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    files = village()
    listed = len(json.loads(files[TOLD])["snapshots"]) + len(json.loads(files[TOLD])["events"])
    monkeypatch.setattr(budget, "ALL_LISTED_MAX", 2 * listed - 1)
    more = {**files, f"{FOLDER}/z.{NOTES}": files[TOLD]}
    found = plan(MemoryFiles(more))
    reasons = [one.reason for one in found.report.problems]
    assert f"beyond {2 * listed - 1:,} states and events in all such files together" in reasons
    assert [one.id for one in found.universes] == [MAIN], "and what was read before counts"
