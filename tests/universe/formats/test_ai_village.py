"""Universes of an ai_village server, with all that is wrong with those that were really played."""

import hashlib
import json
from collections import Counter
from typing import Any

import pytest
from blake3 import blake3

from tests.universe.formats.memory import CHANGED_US, MemoryFiles, as_json, packed
from tests.universe.formats.villages import SECOND_MS, entry, state, village
from universe.formats import REFUSED, About, ForkOf, ImportedUniverse, Plan, plan_ai_village
from universe.formats.file_names import escaped, unescaped
from universe.snapshot import Decay

MAIN = "universe:main"


def planned(files: dict[str, bytes], links: dict[str, str] | None = None) -> Plan:
    return plan_ai_village(MemoryFiles(files, links=links))


def only(plan: Plan) -> ImportedUniverse:
    (one,) = plan.universes
    return one


def told(plan: Plan, about: About) -> list[str]:
    return [str(one) for one in plan.report.problems if one.about is about]


def hashes(universe: ImportedUniverse) -> list[str]:
    return [one.content.checksum.hex() for one in universe.snapshots]


def test_a_played_universe_is_taken_with_all_that_is_wrong_told() -> None:
    """Entries that wrote over one file, one without a file, ticks out of order, a wrong count."""
    entries = [
        entry(553, 0, checksum="regenerated"),
        *(entry(0, 10 + number, fileSize=900 + number) for number in range(21)),
        entry(4126, 40),
        entry(9001, 50, type="manual"),
    ]
    states = {"553.json.gz": state(553), "0.json.gz": state(0), "9001.json.gz": state(9001)}
    plan = planned(village(MAIN, entries, states, snapshotCount=137))
    main = only(plan)
    assert (main.id, main.name, main.owner, main.is_public) == (MAIN, "Main", "player:1", True)
    assert hashes(main) == [blake3(state(tick)).hexdigest() for tick in (553, 0, 9001)]
    # The last of the entries tells when the file was written, and of which kind.
    assert [one.at_us for one in main.snapshots] == [
        (SECOND_MS + second * 1_000) * 1_000 for second in (0, 30, 50)
    ]
    assert [one.kind for one in main.snapshots] == ["auto", "auto", "manual"]
    assert plan.report.counts == Counter(
        {
            About.OVERWRITTEN: 1,
            About.MISSING: 1,
            About.ORDER: 1,
            About.COUNT: 1,
            About.CHECKSUM: 1,
        }
    )
    assert plan.report.refused == 0
    assert "20 earlier entries" in told(plan, About.OVERWRITTEN)[0]
    assert told(plan, About.MISSING) == [
        "universes/universe:main/timeline.json: /snapshots/22/filename: the snapshot of tick 4126"
        " is not there: universes/universe:main/snapshots/4126.json.gz"
    ]
    assert "137" in told(plan, About.COUNT)[0]
    assert "24 checksums" in told(plan, About.CHECKSUM)[0]


def test_of_several_entries_the_one_with_the_size_of_the_file_wrote_it() -> None:
    size = len(packed(state(0)))
    entries = [entry(0, 1, fileSize=size, type="manual"), entry(0, 2), entry(0, 3)]
    main = only(planned(village(MAIN, entries, {"0.json.gz": state(0)})))
    assert [(one.kind, one.at_us) for one in main.snapshots] == [
        ("manual", (SECOND_MS + 1_000) * 1_000)
    ]


@pytest.mark.parametrize(
    "folder", ["universe:main", "universe%3Amain", "universe\uf03amain", "universe：main"]
)
def test_a_folder_is_found_however_its_colon_is_escaped(folder: str) -> None:
    files = village(MAIN, [entry(1, 1)], {"1.json.gz": state(1)}, folder=folder)
    plan = planned(files)
    assert only(plan).id == MAIN
    assert About.CLAIM not in plan.report.counts
    del files[f"universes/{folder}/metadata.json"]  # then the folder's name is all there is
    assert only(planned(files)).id == MAIN


@pytest.mark.parametrize("id", ["universe:main", "a%3Ab", "con", "x.", ".", "a*b?c", "%", "ü 1"])
def test_an_escaped_name_gives_its_id_back(id: str) -> None:
    name = escaped(id)
    assert unescaped(name) == id
    assert not set(name) & set('<>:"|?*\\/')


def test_an_entry_finds_its_file_by_the_name_that_is_meant() -> None:
    """As Windows has it: a backslash between folders, and what it escapes in names."""
    event = {"type": "time:milestone", "title": "A month", "description": "", "day": 30}
    told = entry(5, 1, type="canonical", filename="canonical\\time:milestone_30_9.json.gz")
    files = village(
        MAIN, [{**told, "canonEvent": event}], {"canonical/time%3Amilestone_30_9.json.gz": b"{}"}
    )
    main = only(planned(files))
    (one,) = main.snapshots
    assert (one.kind, one.tick) == ("canonical", 5)
    assert one.event is not None
    assert main.events == (one.event,)
    assert (one.event.type, one.event.title, one.event.day) == ("time:milestone", "A month", 30)


@pytest.mark.parametrize(
    "filename", ["./5.json.gz", ".\\5.json.gz", "././5.json.gz", ".//5.json.gz", "5.json.gz/."]
)
def test_a_name_that_says_the_folder_it_stands_in_leads_nowhere_else(filename: str) -> None:
    """As a shell, or a program in another language, writes the name of the same file."""
    plan = planned(village(MAIN, [entry(5, 1, filename=filename)], {"5.json.gz": state(5)}))
    assert [(one.tick, one.at_us) for one in only(plan).snapshots] == [
        (5, (SECOND_MS + 1_000) * 1_000)
    ]
    assert not plan.report.counts[About.OUTSIDE] + plan.report.counts[About.UNLISTED]


@pytest.mark.parametrize(
    "filename",
    ["../5.json.gz", "a/../../5.json.gz", "./../5.json.gz", "/5.json.gz", "\\5.json.gz",
     "//host/5.json.gz", "C:\\5.json.gz", "file://5.json.gz", "5.json.gz\0", ".\\..\\5.json.gz"],
)  # fmt: skip
def test_a_name_that_leads_out_of_its_folder_is_refused(filename: str) -> None:
    plan = planned(village(MAIN, [entry(5, 1, filename=filename)], {"5.json.gz": state(5)}))
    (line,) = told(plan, About.OUTSIDE)
    assert line.endswith("/snapshots/0/filename: a name that leads out of its folder")
    assert len(told(plan, About.UNLISTED)) == 1, "the file that is there is known by its own name"


@pytest.mark.parametrize("filename", [".", "./", ".//."])
def test_a_name_of_the_folder_itself_is_no_file(filename: str) -> None:
    plan = planned(village(MAIN, [entry(5, 1, filename=filename)], {"5.json.gz": state(5)}))
    assert not told(plan, About.OUTSIDE)
    (line,) = told(plan, About.MISSING)
    assert "is not there" in line


def test_what_is_in_a_file_twice_is_taken_once_and_the_canonical_one_stays() -> None:
    entries = [entry(1, 1), entry(2, 2, type="canonical"), entry(3, 3)]
    same = {f"{tick}.json.gz": state(1) for tick in (1, 2, 3)}
    plan = planned(village(MAIN, entries, same))
    (one,) = only(plan).snapshots
    assert (one.kind, one.tick) == ("canonical", 2)
    assert len(told(plan, About.DUPLICATE)) == 2


def test_files_that_no_timeline_lists_are_taken_by_their_names() -> None:
    states = {
        "1055.json.gz": state(1055),
        "canonical/birth_3_1768000005000.json.gz": state(7),
        "notes.json": b"{}",
    }
    plan = planned(village(MAIN, [], states))
    assert [(one.tick, one.kind, one.day) for one in only(plan).snapshots] == [
        (1055, "auto", None),
        (0, "canonical", 3),
    ]
    assert [one.at_us for one in only(plan).snapshots] == [CHANGED_US, 1_768_000_005_000_000]
    assert len(told(plan, About.UNLISTED)) == 2
    assert "its name says no tick" in told(plan, About.UNREADABLE)[0]


@pytest.mark.parametrize(
    ("name", "tick", "day"),
    [
        ("500.json.gz", 500, None),
        ("0500.json.gz", 500, None),
        ("agent%3Aborn_500.json.gz", 500, None),
        ("2026/500.json.gz", 500, None),
        ("9223372036854775807.json.gz", (1 << 63) - 1, None),
        ("birth_500_1768000005000.json.gz", 0, 500),  # as the program names them: of that day
        ("birth_3_500.json.gz", 0, 3),
    ],
)
def test_a_canonical_state_that_nothing_lists_is_at_the_tick_it_is_called_by(
    name: str, tick: int, day: int | None
) -> None:
    plan = planned(village(MAIN, [], {f"canonical/{name}": state(7)}))
    (one,) = only(plan).snapshots
    assert (one.kind, one.tick, one.day) == ("canonical", tick, day)
    assert len(told(plan, About.UNLISTED)) == 1
    assert len(told(plan, About.CLAIM)) == (day is not None), "that 0 is taken for its tick"
    assert not plan.report.refused


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("canonical/9223372036854775808.json.gz", "a number beyond 9223372036854775807"),
        (f"canonical/{'9' * 60}.json.gz", "a number beyond 9223372036854775807"),
        (f"{'9' * 60}.json.gz", "a number beyond 9223372036854775807"),
        (f"canonical/birth_{'9' * 60}_1768000005000.json.gz", "a number beyond"),
        ("canonical/-500.json.gz", "its name says no tick"),
        ("canonical/five.json.gz", "its name says no tick"),
        ("canonical/2026-11-23.json.gz", "its name says no tick"),
    ],
)
def test_what_is_called_by_no_tick_that_can_be_is_told_and_the_others_are_taken(
    name: str, reason: str
) -> None:
    plan = planned(village(MAIN, [entry(1, 1)], {"1.json.gz": state(1), name: state(7)}))
    assert [one.tick for one in only(plan).snapshots] == [1]
    (line,) = told(plan, About.UNREADABLE)
    assert f"snapshots/{name}: " in line
    assert reason in line


def test_a_canonical_state_that_nothing_lists_beside_one_of_its_tick_that_is_listed() -> None:
    """Other bytes are a state of their own; the same ones are one, which is canonical."""
    states = {"500.json.gz": state(500), "canonical/500.json.gz": state(500, creatures=4)}
    plan = planned(village(MAIN, [entry(500, 1)], states))
    assert sorted((one.tick, one.kind) for one in only(plan).snapshots) == [
        (500, "auto"),
        (500, "canonical"),
    ]
    plan = planned(village(MAIN, [entry(500, 1)], {**states, "canonical/500.json.gz": state(500)}))
    (one,) = only(plan).snapshots
    assert (one.tick, one.kind) == (500, "canonical")
    assert len(told(plan, About.DUPLICATE)) == 1
    assert not plan.report.refused


def test_a_broken_timeline_loses_no_snapshot() -> None:
    files = village(MAIN, [], {"7.json.gz": state(7)})
    files["universes/universe:main/timeline.json"] = b'{"snapshots": [{"tick": 7,'
    plan = planned(files)
    assert hashes(only(plan)) == [blake3(state(7)).hexdigest()]
    assert "line 1" in told(plan, About.UNREADABLE)[0]


def test_an_entry_that_cannot_be_is_told_and_the_others_are_taken() -> None:
    strange: list[Any] = [
        {"tick": -1, "filename": "1.json.gz"},
        {"tick": "many"},
        {"tick": 1 << 64},
        7,
        {**entry(1, 1), "filename": "../../../etc/passwd"},
        {**entry(1, 1), "filename": "C:\\boot.json"},
        {**entry(1, 1), "filename": 3},
    ]
    plan = planned(village(MAIN, [*strange, entry(2, 2)], {"2.json.gz": state(2)}))
    assert len(only(plan).snapshots) == 1
    assert plan.report.counts[About.UNREADABLE] == 5
    assert plan.report.counts[About.OUTSIDE] == 2


def test_a_sha256_is_checked_and_a_wrong_one_told() -> None:
    right, wrong = state(1), state(2)
    digest = hashlib.sha256(right).hexdigest()
    entries = [entry(1, 1, checksum=digest), entry(2, 2, checksum=digest)]
    plan = planned(village(MAIN, entries, {"1.json.gz": right, "2.json.gz": wrong}))
    assert len(only(plan).snapshots) == 2
    assert [line for line in told(plan, About.CHECKSUM) if "SHA-256" in line] == [
        "universes/universe:main/timeline.json: /snapshots/1/checksum: the bytes of"
        " universes/universe:main/snapshots/2.json.gz have another SHA-256:"
        f" {hashlib.sha256(wrong).hexdigest()}"
    ]


def test_a_damaged_or_cut_or_empty_snapshot_is_refused_alone() -> None:
    files = village(MAIN, [entry(tick, tick) for tick in (1, 2, 3, 4)], {"1.json.gz": state(1)})
    below = "universes/universe:main/snapshots"
    files[f"{below}/2.json.gz"] = packed(state(2))[:-9]
    files[f"{below}/3.json.gz"] = b"\x1f\x8b" + bytes(40)
    files[f"{below}/4.json.gz"] = packed(b"")
    plan = planned(files)
    assert [one.tick for one in only(plan).snapshots] == [1]
    assert plan.report.counts[About.UNREADABLE] == 3
    assert "the end of the gzip is missing" in told(plan, About.UNREADABLE)[0]


def test_two_folders_that_say_one_id_are_not_mixed() -> None:
    files = village(MAIN, [entry(1, 1)], {"1.json.gz": state(1)}, folder="a")
    files |= village(MAIN, [entry(2, 2)], {"2.json.gz": state(2)}, folder="b")
    plan = planned(files)
    assert [one.tick for one in only(plan).snapshots] == [1]
    assert plan.report.counts[About.SAME_ID] == 1


def test_a_fork_comes_after_what_it_is_a_fork_of() -> None:
    fork = {"universeId": MAIN, "snapshotTick": 1}
    files = village("universe:a-fork", [entry(1, 9)], {"1.json.gz": state(1)}, forkOf=fork)
    files |= village(MAIN, [entry(1, 1)], {"1.json.gz": state(1)})
    plan = planned(files)
    assert [one.id for one in plan.universes] == [MAIN, "universe:a-fork"]
    assert plan.universes[1].fork_of == ForkOf(MAIN, 1)


def test_universes_that_are_forks_of_each_other_are_taken_in_some_order() -> None:
    files: dict[str, bytes] = {}
    for one, other in (("universe:a", "universe:b"), ("universe:b", "universe:a")):
        fork = {"universeId": other, "snapshotTick": 1}
        files |= village(one, [], {}, forkOf=fork)
    assert {one.id for one in planned(files).universes} == {"universe:a", "universe:b"}


def test_passages_and_players_are_found_where_they_lie() -> None:
    files = village(MAIN, [], {})
    passage = {
        "id": "passage:1",
        "sourceUniverseId": MAIN,
        "targetUniverseId": "universe:b",
        "type": "bridge",
        "active": False,
        "createdAt": SECOND_MS,
        "createdBy": "player:1",
        "stability": 90,
        "lastMaintenance": SECOND_MS,
    }
    files |= {
        "passages/index.json": as_json({"passages": ["passage:1"]}),
        "passages/passage%3A1.json": as_json(passage),
        "passages/broken.json": as_json({**passage, "type": "tunnel"}),
        "players/index.json": as_json({"players": ["player:1"]}),
        "players/player:1/profile.json": as_json({"id": "player:1", "displayName": "Ada"}),
        "players/player:1/universes.json": as_json({"universes": [MAIN]}),
        "planets/planet:x/metadata.json": as_json({"id": "planet:x"}),
    }
    plan = planned(files)
    assert only(plan).id == MAIN
    (found,) = plan.passages
    assert (found.id, found.type, found.is_active, found.stability) == (
        "passage:1",
        "bridge",
        False,
        90,
    )
    (player,) = plan.players
    assert (player.id, player.name, player.universes) == ("player:1", "Ada", (MAIN,))
    assert told(plan, About.UNREADABLE) == [
        "passages/broken.json: /type: is none of thread, bridge, gate, confluence"
    ]


def test_links_are_told_and_not_followed() -> None:
    link = "universes/universe:main/snapshots/1.json.gz"
    plan = planned(village(MAIN, [entry(1, 1)], {}), links={link: "a link, which is not followed"})
    assert only(plan).snapshots == ()
    assert told(plan, About.OUTSIDE) == [f"{link}: a link, which is not followed"]
    assert About.OUTSIDE in REFUSED


def test_an_id_that_no_universe_may_have_is_refused_with_its_place() -> None:
    files = {
        "universes/x/metadata.json": as_json({"id": "a/b"}),
        "universes/x/timeline.json": b"{}",
    }
    plan = planned(files)
    assert only(plan).id == "x"
    assert "holds a slash" in told(plan, About.CLAIM)[0]
    assert told(plan, About.UNREADABLE) == ["universes/x/timeline.json: /snapshots: must be a list"]


def test_the_folder_of_one_universe_alone_is_enough() -> None:
    prefix = "universes/universe:main/"
    files = village(MAIN, [entry(1, 1)], {"1.json.gz": state(1)})
    alone = {path.removeprefix(prefix): data for path, data in files.items()}
    assert only(planned(alone)).id == MAIN
    assert json.loads(alone["metadata.json"])["id"] == MAIN


def test_of_very_many_problems_those_that_left_something_out_are_told_too() -> None:
    entries = [entry(tick, tick) for tick in range(3_000)]
    files = village(MAIN, entries, {})
    files["universes/universe:main/snapshots/9.json.gz"] = packed(b"")
    plan = planned(files)
    assert plan.report.counts[About.MISSING] == 2_999
    assert len(plan.report.problems) == 1_001
    assert len(told(plan, About.UNREADABLE)) == 1


def test_how_long_a_state_was_to_be_kept_is_taken_as_far_as_it_can_be() -> None:
    policies: list[Any] = [
        {"decayAfterTicks": 1_728_000},
        {"neverDecay": True, "preservationReason": "fork\norigin" + "x" * 300},
        {"decayAfterTicks": -1, "neverDecay": "yes"},
        {},
        "soon",
        {"decayAfterTicks": 1 << 60},
    ]
    entries = [entry(tick, tick, decayPolicy=told) for tick, told in enumerate(policies)]
    states = {f"{tick}.json.gz": state(tick) for tick in range(len(policies))}
    plan = planned(village(MAIN, entries, states))
    first, second, *rest = (one.decay for one in only(plan).snapshots)
    assert first == Decay(1_728_000)
    assert second is not None
    assert (second.is_never, len(second.reason)) == (True, 200)
    assert "\n" not in second.reason
    assert rest == [None] * 4
    assert plan.report.counts[About.CLAIM] == 4


def test_passages_that_cannot_be_and_players_without_an_id_are_refused_alone() -> None:
    files = village(MAIN, [], {})
    good = {"id": "p", "sourceUniverseId": MAIN, "targetUniverseId": "universe:b", "type": "gate"}
    files |= {
        "passages/a.json": as_json(good),
        "passages/b.json": as_json({**good, "targetUniverseId": MAIN}),
        "passages/c.json": as_json({**good, "id": "x/y"}),
        "passages/d.json": as_json({**good, "stability": 7}),
        "players/%2E%2E/profile.json": as_json({"displayName": "Dots"}),
        "players/%2E%2E/universes.json": b"[" * 100_000,
        "players/b/profile.json": as_json({"id": "x/y"}),
    }
    plan = planned(files)
    assert [one.id for one in plan.passages] == ["p"]
    assert [(one.id, one.name) for one in plan.players] == [("..", "Dots")]
    assert [line.split(": ")[:2] for line in told(plan, About.UNREADABLE)] == [
        ["passages/b.json", "/targetUniverseId"],
        ["passages/c.json", "/id"],
        ["players/%2E%2E/universes.json", "line 1, column 33"],
        ["players/b/profile.json", "/id"],
    ]
    assert plan.report.counts[About.SAME_ID] == 1


def test_of_more_states_than_a_universe_has_the_important_and_the_newest_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("universe.formats.merging.SNAPSHOTS_MAX", 3)
    entries = [
        entry(0, 0, type="canonical"),
        entry(1, 1, type="manual"),
        *(entry(tick, tick) for tick in (2, 3, 4)),
    ]
    states = {f"{tick}.json.gz": state(tick) for tick in range(5)}
    plan = planned(village(MAIN, entries, states))
    assert [one.tick for one in only(plan).snapshots] == [0, 1, 4]
    assert "5 snapshots, and a universe has 3 at most" in told(plan, About.TOO_MUCH)[0]
    assert plan.report.refused == 1


def test_what_was_deleted_stays_in_the_file_unless_it_is_named() -> None:
    """The server's mark; a name alone is none."""
    gone = village(
        "universe:gone",
        [entry(1, 1)],
        {"1.json.gz": state(1)},
        name="[DELETED] Gone",
        isPublic=False,
    )
    odd = village("universe:odd", [], {}, name="[DELETED] scenes")
    plan = planned(village(MAIN, [], {}) | gone | odd)
    assert [one.id for one in plan.universes] == [MAIN, "universe:odd"]
    assert told(plan, About.LEFT) == [
        "universes/universe:gone: its owner deleted it: it stays in the file; its folder alone is"
        " imported"
    ]
    assert only(planned(gone)).id == "universe:gone"


def test_half_of_a_character_in_what_is_told_loses_nothing() -> None:
    """As a game that counts in UTF-16 cuts a title; the state itself stays byte for byte."""
    birth = {"type": "birth", "title": "Eve CUT", "description": "d", "day": 1, "importance": 5}
    listed = entry(3, 1, type="canonical", canonEvent=birth)
    cut = b'{"cut": "\\ud83c"}'
    files = village("universe:a", [listed], {"3.json.gz": cut}, name="Hill CUT")
    files = {path: data.replace(b"CUT", rb"\ud83c") for path, data in files.items()}
    found = planned(files)
    one = only(found)
    (kept,) = one.snapshots
    assert (one.name, kept.kind) == ("Hill \ufffd", "canonical")
    assert [each.title for each in one.events] == ["Eve \ufffd"]
    assert MemoryFiles(files).taken(kept.source) == cut
    assert not found.report.refused
