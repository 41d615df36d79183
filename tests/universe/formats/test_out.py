"""What goes out comes in again: the same universes, with the same bytes."""

import gzip
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.universe.formats.memory import MemoryFiles, as_json, packed
from tests.universe.formats.saves import save, universe_part
from tests.universe.formats.villages import entry, state, village
from universe.formats import ImportedUniverse, WorldFormat, plan
from universe.formats.imported import ForkOf, ImportedPassage, ImportedPlayer
from universe.formats.leaving import OutSnapshot, OutUniverse, Written
from universe.formats.notes import is_notes
from universe.formats.out import around, folder_of, laid_out, small_files
from universe.formats.server import server_files
from universe.snapshot import Decay

MAIN = "universe:main"
NEVER = {"neverDecay": True, "preservationReason": "canonical event"}
EVENT = {
    "type": "agent:born",
    "title": "Ada",
    "description": "is born",
    "day": 3,
    "importance": 7,
    "entities": ["entity-1"],
}


def going_out(one: ImportedUniverse) -> OutUniverse:
    """As a node has it, with a snapshot's bytes as its id."""
    by_place = {each.source: each.content.checksum.hex() for each in one.snapshots}
    return OutUniverse(
        id=one.id,
        name=one.name,
        snapshots=tuple(
            OutSnapshot(
                each.content.checksum.hex(),
                each.tick,
                each.kind,
                each.at_us,
                each.media,
                each.day,
                each.event,
                each.content.size,
                each.is_wrapped,
                each.content.checksum.hex(),
                each.decay,
            )
            for each in one.snapshots
        ),
        events=one.events,
        owner=one.owner,
        created_us=one.created_us,
        is_public=one.is_public,
        config=one.config,
        fork_of=one.fork_of,
        said=one.said,
        named=tuple((event, by_place[source]) for event, source in one.named),
    )


def written_out(
    files: MemoryFiles, one: ImportedUniverse, format: WorldFormat, *, is_escaped: bool = False
) -> dict[str, bytes]:
    out = going_out(one)
    by_id = {each.content.checksum.hex(): each for each in one.snapshots}
    laid, left = laid_out(out, format, is_escaped=is_escaped)
    assert not left
    found: dict[str, bytes] = {}
    written: dict[str, Written] = {}
    for each in laid:
        data = files.taken(by_id[each.snapshot.id].source)
        if format is WorldFormat.SAVEFILE:
            both = around(out, each.snapshot, data[:4_096])
            assert both is not None
            data = data.join(both)
        assert each.path not in found
        found[each.path] = packed(data) if each.is_packed else data
        digest = hashlib.sha256(data).digest()
        written[each.snapshot.id] = Written(len(found[each.path]), digest)
    return found | small_files(out, format, laid, written, is_escaped=is_escaped)


@pytest.mark.parametrize("is_escaped", [False, True])
def test_a_universe_goes_to_a_server_and_comes_back(is_escaped: bool) -> None:
    """Two states at one tick, a canonical one, a fork, settings: and nothing to complain of."""
    entries = [
        entry(0, 1, filename="a.json.gz"),
        entry(0, 2, filename="b.json.gz", type="manual", decayPolicy={"decayAfterTicks": 24_000}),
        entry(7, 3, type="canonical", canonEvent=EVENT, day=3, decayPolicy=NEVER),
    ]
    states = {"a.json.gz": state(0), "b.json.gz": state(0, 9), "7.json.gz": state(7)}
    more: dict[str, Any] = {
        "forkOf": {"universeId": "universe:b", "snapshotTick": 4},
        "config": {"timeScale": 2.5},
    }
    files = MemoryFiles(village(MAIN, entries, states, **more))
    (one,) = plan(files).universes
    out = written_out(files, one, WorldFormat.AI_VILLAGE, is_escaped=is_escaped)
    folder = "universes/universe%3Amain" if is_escaped else "universes/universe:main"
    assert f"{folder}/snapshots/0.json.gz" in out
    assert f"{folder}/snapshots/canonical/agent%3Aborn_3_1768000003000.json.gz" in out
    assert all(path.startswith(folder) for path in out)
    again = MemoryFiles(out)
    found = plan(again)
    (same,) = found.universes
    assert not found.report.problems
    assert [each.content for each in same.snapshots] == [each.content for each in one.snapshots]
    assert going_out(same) == going_out(one)
    assert [each.decay for each in same.snapshots] == [
        None,
        Decay(24_000),
        Decay(None, True, "canonical event"),
    ]
    # What the program looks for: a file of each entry's name, whose JSON is the state.
    timeline = json.loads(out[f"{folder}/timeline.json"])
    for told in timeline["snapshots"]:
        text = gzip.decompress(out[f"{folder}/snapshots/{told['filename']}"])
        assert json.loads(text)["tick"] == str(told["tick"])


def test_parts_of_a_savefile_go_into_one_each_and_come_back_as_they_were() -> None:
    parts = [universe_part(MAIN, 7), universe_part("universe:b", 9)]
    files = MemoryFiles({"save.json": as_json(save(*parts))})
    for one, part in zip(plan(files).universes, parts, strict=True):
        out = written_out(files, one, WorldFormat.SAVEFILE)
        ((path, data), (beside, _)) = out.items()
        assert beside == f"{one.id.replace(':', '%3A')}.panspermia.json"
        assert path == f"{one.id.replace(':', '%3A')}-{one.snapshots[0].tick}.json"
        whole = json.loads(data)
        assert whole["universes"] == [part]
        assert whole["multiverse"]["time"]["absoluteTick"] == str(one.snapshots[0].tick)
        found = plan(MemoryFiles(out))
        (same,) = found.universes
        assert same.snapshots[0].content == one.snapshots[0].content
        assert going_out(same) == going_out(one)


def test_a_whole_savefile_goes_out_as_it_came() -> None:
    data = as_json(save(universe_part(MAIN, 7)))
    files = MemoryFiles({"save.json": data})
    (one,) = plan(files).universes
    out = written_out(files, one, WorldFormat.SAVEFILE)
    assert {path: lying for path, lying in out.items() if not is_notes(path)} == {
        "universe%3Amain-7.json": data
    }


def test_what_a_format_has_no_place_for_is_left_and_named() -> None:
    binary = OutSnapshot("00" * 32, 1, "auto", 1, "application/octet-stream")
    text = OutSnapshot("11" * 32, 2, "auto", 2, "application/json; charset=utf-8")
    one = OutUniverse(MAIN, "Main", (binary, text))
    for format in (WorldFormat.AI_VILLAGE, WorldFormat.SAVEFILE):
        laid, left = laid_out(one, format)
        assert [each.snapshot for each in laid] == [text]
        assert left == (binary,)
    assert around(one, text, b'{"creatures": []}') is None
    laid, left = laid_out(one, WorldFormat.RAW)
    assert [each.path for each in laid] == ["states/1.bin", "states/2.json"]
    assert not left


def test_primordium_has_room_for_the_newest_save_and_a_state_a_tick() -> None:
    binary = "application/octet-stream"
    told = [
        OutSnapshot(f"{number:02x}" * 32, tick, "auto", number, media)
        for number, (tick, media) in enumerate(
            [(1, binary), (1, binary), (2, binary), (3, "application/json"), (2, "text/plain")], 1
        )
    ]
    older = OutSnapshot("00" * 32, 9, "auto", 0, "application/json")
    one = OutUniverse("universe:eden", "Eden", (older, *told))
    laid, left = laid_out(one, WorldFormat.PRIMORDIUM)
    assert [(each.path, each.snapshot.id[:2], each.is_row) for each in laid] == [
        ("logs/world.db", "02", True),
        ("logs/world.db", "03", True),
        ("save.json", "04", False),
        ("save.json", "00", False),  # where the newer one is no save
    ]
    assert {each.id[:2] for each in left} == {"01", "05"}


@pytest.mark.parametrize("id", [".", "..", "...", "con"])
@pytest.mark.parametrize("is_escaped", [False, True])
def test_an_id_of_a_player_becomes_a_folder_that_leads_nowhere(id: str, is_escaped: bool) -> None:
    """Dots alone are no id of a universe."""
    assert folder_of(id, is_escaped) not in ("", ".", "..")


@pytest.mark.parametrize("id", ["..a", "a\\b", "%2e", "x" * 128, "é" * 64, "con", "a b"])
@pytest.mark.parametrize("is_escaped", [False, True])
def test_an_id_becomes_a_folder_that_leads_nowhere(id: str, is_escaped: bool) -> None:
    name = folder_of(id, is_escaped)
    assert name not in ("", ".", "..")
    assert not set(name) & {"/", "\\", "\0"}
    assert len(name.encode()) <= 200
    one = OutUniverse(id, "Main", (), fork_of=ForkOf(MAIN, 3))
    out = small_files(one, WorldFormat.AI_VILLAGE, (), {}, is_escaped=is_escaped)
    (same,) = plan(MemoryFiles(out)).universes
    assert same.id == id


def test_raw_files_are_named_in_one_index() -> None:
    entries = [entry(5, 1, type="canonical", canonEvent=EVENT)]
    files = MemoryFiles(village(MAIN, entries, {"5.json.gz": state(5)}))
    (one,) = plan(files).universes
    out = written_out(files, one, WorldFormat.RAW)
    index = json.loads(out["universe.json"])
    assert out[index["snapshots"][0]["file"]] == state(5)
    assert index["snapshots"][0]["sha256"] == hashlib.sha256(state(5)).hexdigest()
    assert index["events"][0]["title"] == "Ada"
    found = plan(MemoryFiles({f"copy/{path}": data for path, data in out.items()}))
    (same,) = found.universes
    assert not found.report.problems
    assert going_out(same) == going_out(one)
    assert same.snapshots[0].content == one.snapshots[0].content


def test_an_index_may_say_the_folder_in_which_it_stands() -> None:
    files = MemoryFiles(village(MAIN, [entry(5, 1)], {"5.json.gz": state(5)}))
    out = written_out(files, plan(files).universes[0], WorldFormat.RAW)
    index = json.loads(out["universe.json"])
    index["snapshots"][0]["file"] = "./" + index["snapshots"][0]["file"]
    found = plan(MemoryFiles({**out, "universe.json": as_json(index)}))
    assert len(found.universes[0].snapshots) == 1
    assert not found.report.problems


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"file": "."}, "is not there"),
        ({"file": "../secret"}, "leads out of its folder"),
        ({"file": "states/9.json"}, "is not there"),
        ({"sha256": "00"}, "/snapshots/0/sha256: 00 is not that of states/5.json"),
        ({"tick": -1}, "says no tick"),
    ],
)
def test_an_index_that_says_something_else_is_refused(
    change: dict[str, object], reason: str
) -> None:
    files = MemoryFiles(village(MAIN, [entry(5, 1)], {"5.json.gz": state(5)}))
    out = written_out(files, plan(files).universes[0], WorldFormat.RAW)
    index = json.loads(out["universe.json"])
    index["snapshots"][0] |= change
    found = plan(MemoryFiles({**out, "universe.json": as_json(index)}))
    assert not found.universes[0].snapshots
    assert reason in str(found.report.problems[0])


PASSAGE = ImportedPassage(
    "passage:1", MAIN, "universe:b", "gate", False, 1_000_000, "player:1", 90, 2_000_000
)
PLAYER = ImportedPlayer("player:1", "Ada", (MAIN, "universe:b"), 3_000_000, 4_000_000)


def pair() -> tuple[MemoryFiles, list[ImportedUniverse]]:
    files = village(MAIN, [entry(1, 1)], {"1.json.gz": as_json(universe_part(MAIN, 1))})
    part = as_json(universe_part("universe:b", 2))
    files |= village("universe:b", [entry(2, 2)], {"2.json.gz": part})
    memory = MemoryFiles(files)
    return memory, [*plan(memory).universes]


@pytest.mark.parametrize("is_escaped", [False, True])
def test_passages_and_players_go_to_a_server_and_come_back(is_escaped: bool) -> None:
    files, universes = pair()
    out: dict[str, bytes] = {}
    for one in universes:
        out |= written_out(files, one, WorldFormat.AI_VILLAGE, is_escaped=is_escaped)
    both = [replace(going_out(one), passages=(PASSAGE,), players=(PLAYER,)) for one in universes]
    out |= server_files(both, is_escaped=is_escaped)
    found = plan(MemoryFiles(out))
    assert not found.report.problems
    assert (found.passages, found.players) == ((PASSAGE,), (PLAYER,))
    assert json.loads(out["passages/index.json"]) == {"passages": ["passage:1"]}
    assert json.loads(out["players/index.json"]) == {"players": ["player:1"]}
    assert server_files([going_out(universes[0])]) == {}


def test_a_passage_called_index_is_no_index() -> None:
    one = replace(going_out(pair()[1][0]), passages=(replace(PASSAGE, id="index"),))
    files = server_files([one])
    assert json.loads(files["passages/index.json"]) == {"passages": ["index"]}
    assert len(files) == 2


@pytest.mark.parametrize("format", [WorldFormat.RAW, WorldFormat.SAVEFILE])
def test_a_passage_stands_with_both_its_universes_and_is_one(format: WorldFormat) -> None:
    files, universes = pair()
    out: dict[str, bytes] = {}
    for one in universes:
        whole = replace(going_out(one), passages=(PASSAGE,), players=(PLAYER,))
        laid, _ = laid_out(whole, format)
        data = files.taken(one.snapshots[0].source)
        if format is WorldFormat.SAVEFILE:
            data = data.join(around(whole, laid[0].snapshot, data[:4_096]) or ())
        written = {laid[0].snapshot.id: Written(len(data), hashlib.sha256(data).digest())}
        files_of_one = {laid[0].path: data, **small_files(whole, format, laid, written)}
        out |= {f"{one.id}/{path}": text for path, text in files_of_one.items()}
    found = plan(MemoryFiles(out))
    assert {one.id for one in found.universes} == {MAIN, "universe:b"}
    assert found.passages == (PASSAGE,)
    assert found.players == (PLAYER,)
