"""Worlds of other programs go into a real node and come out of it, by the command line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.commands.nodes import LocalNode, start_node, stop_all
from node.commands.world_files import world_files
from tests.e2e.story import Shell
from tests.node.commands.test_world_files import laid
from tests.storage.test_foreign_worlds import world_db
from tests.universe.formats.memory import as_json
from tests.universe.formats.saves import SAVED_MS, save, universe_part
from tests.universe.formats.test_out import EVENT
from tests.universe.formats.test_primordium import LEGEND, LIVE, SAVED, lines
from tests.universe.formats.villages import SECOND_MS, entry, state, village
from universe.formats import plan

pytestmark = pytest.mark.nodes

MAIN = "universe:main"
LARGE = state(4, 40_000)
DECAY = {"decayAfterTicks": 24_000}
PASSAGE = {
    "id": "passage:a",
    "sourceUniverseId": MAIN,
    "targetUniverseId": "universe:fork",
    "type": "bridge",
    "active": True,
    "createdAt": SECOND_MS,
    "createdBy": "player:1",
    "stability": 80,
    "lastMaintenance": SECOND_MS + 7,
}


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNode]:
    made = start_node("alice", tmp_path_factory.mktemp("worlds"), "--no-mdns")
    yield made
    stop_all([made])


@pytest.fixture(scope="module")
def bob(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNode]:
    made = start_node("bob", tmp_path_factory.mktemp("worlds"), "--no-mdns")
    yield made
    stop_all([made])


def told(shell: Shell, alice: LocalNode, *line: str, exit: int = 0) -> dict[str, Any]:
    ran = shell(alice, "universe", *line)
    assert ran.code == exit, ran
    return ran.answer


def kinds(path: Path) -> dict[str, list[str]]:
    """As each state of what lies there would be signed."""
    return {
        one.id: [each.kind_kept for each in one.snapshots]
        for one in plan(world_files(path)).universes
    }


def hashes(path: Path) -> dict[str, list[str]]:
    return {
        one.id: [each.content.checksum.hex() for each in one.snapshots]
        for one in plan(world_files(path)).universes
    }


def server(top: Path) -> Path:
    """A played universe and a fork of it, with what is usually wrong."""
    entries = [
        entry(0, 1),
        entry(0, 2),
        entry(0, 3),
        entry(4, 4, type="manual", decayPolicy=DECAY),
        entry(9, 5),
        entry(7, 6, type="canonical", canonEvent=EVENT, day=3),
    ]
    states = {"0.json.gz": state(0), "4.json.gz": LARGE, "7.json.gz": state(7)}
    fork = {"universeId": MAIN, "snapshotTick": 4}
    files = village(MAIN, entries, states, config={"timeScale": 2}) | village(
        "universe:fork", [entry(4, 20), entry(5, 30)], {"5.json.gz": state(5)}, forkOf=fork
    )
    player = {"id": "player:1", "displayName": "Ada", "createdAt": SECOND_MS, "lastSeen": SECOND_MS}
    files |= {
        "passages/a.json": as_json(PASSAGE),
        "passages/b.json": as_json({**PASSAGE, "id": "passage:b", "active": False}),
        "passages/c.json": as_json({**PASSAGE, "id": "passage:c", "sourceUniverseId": "u:lost"}),
        "players/player:1/profile.json": as_json(player),
        "players/player:1/universes.json": as_json({"universes": [MAIN, "universe:fork"]}),
    }
    return laid(top, files)


def test_a_server_goes_in_once_and_comes_out_as_it_was(
    alice: LocalNode, shell: Shell, tmp_path: Path
) -> None:
    top = server(tmp_path / "data")
    planned = told(shell, alice, "import", str(top), "--dry-run")
    assert [one["state"] for one in planned["universes"]] == ["planned"] * 2
    assert shell(alice, "universe", "export", MAIN, str(tmp_path / "none")).code == 5
    done = told(shell, alice, "import", str(top))
    assert [(one["id"], one["state"], one["new"]) for one in done["universes"]] == [
        (MAIN, "created", 3),
        ("universe:fork", "created", 1),
    ]
    assert done["counts"] == planned["counts"]
    for kind in ("passages", "players"):
        there = [(one["id"], one["state"]) for one in done[kind]]
        told_before = [(one["id"], one["state"]) for one in planned[kind]]
        assert [(id, state.replace("created", "planned")) for id, state in there] == told_before
    assert {one["id"]: one["state"] for one in done["passages"]} == {
        "passage:a": "created",
        "passage:b": "created",
        "passage:c": "left",
    }
    get = alice.client.get
    assert get(f"/api/universe/{MAIN}")["universe"]["createdAt"] == SECOND_MS
    passage = get("/api/passage/passage:a")["passage"]
    assert {key: passage[key] for key in PASSAGE} == PASSAGE
    assert passage["state"] == "open"
    assert get("/api/passage/passage:b")["passage"]["state"] == "closed"
    (ada,) = done["players"]
    player = get("/api/player/player:1", {"namespace": ada["namespace"]})["player"]
    assert (player["displayName"], player["createdAt"], player["universeCount"]) == (
        "Ada",
        SECOND_MS,
        2,
    )
    # Who plays is nobody else's matter: the player is where the universes are.
    assert ada["namespace"] == get(f"/api/universe/{MAIN}")["universe"]["namespace"] != "commons"
    fork = alice.client.get("/api/universe/universe:fork")["universe"]
    assert (fork["forkOf"]["universeId"], fork["forkOf"]["snapshotTick"]) == (MAIN, 4)
    assert {"overwritten", "missing", "order", "checksum"} <= done["counts"].keys()
    again = told(shell, alice, "import", str(top))
    assert [(one["state"], one["new"], one["known"]) for one in again["universes"]] == [
        ("unchanged", 0, 3),
        ("unchanged", 0, 1),
    ]
    assert [one["state"] for one in again["passages"]] == ["unchanged", "unchanged", "left"]
    assert [one["state"] for one in again["players"]] == ["unchanged"]
    out = tmp_path / "out"
    for format in ("ai-village", "raw"):
        report = told(shell, alice, "export", MAIN, str(out / format), "--format", format)
        assert (report["written"], report["left"]) == (3, [])
        assert hashes(out / format) == {MAIN: hashes(top)[MAIN]}
        assert kinds(out / format) == {MAIN: kinds(top)[MAIN]}
        (same,) = plan(world_files(out / format)).universes
        (one, _) = plan(world_files(top)).universes
        assert [each.at_us for each in same.snapshots] == [each.at_us for each in one.snapshots]
        assert same.events == one.events
        assert (same.name, same.owner) == (one.name, one.owner)
    timeline = next((out / "ai-village").rglob("timeline.json"))
    assert "regenerated" not in timeline.read_text()
    went_in = {0: "auto", 4: "manual", 7: "canonical"}
    told_there = json.loads(timeline.read_text())["snapshots"]
    assert {one["tick"]: one["type"] for one in told_there} == went_in
    back = told(shell, alice, "import", str(out / "ai-village"))
    assert [(one["state"], one["new"]) for one in back["universes"]] == [("unchanged", 0)]
    refused = shell(alice, "universe", "export", MAIN, str(out / "raw"))
    assert (refused.code, refused.answer["code"]) == (1, "file-exists")
    for format in ("ai-village", "raw"):
        both = out / f"both-{format}"
        line = ["export", MAIN, "universe:fork", str(both), "--format", format]
        assert told(shell, alice, *line)["passages_left"] == []
        first, second = plan(world_files(top)), plan(world_files(both))
        assert second.passages == first.passages[:2]
        assert [(one.id, one.name, one.created_us) for one in second.players] == [
            ("player:1", "Ada", SECOND_MS * 1_000)
        ]
        assert [one.created_us for one in second.universes] == [SECOND_MS * 1_000] * 2
        assert [each.decay for each in second.universes[0].snapshots] == [
            each.decay for each in first.universes[0].snapshots
        ]


def test_saves_and_worlds_go_in_and_what_is_broken_is_told(
    alice: LocalNode, shell: Shell, tmp_path: Path
) -> None:
    parts = [universe_part("universe:one", 3), universe_part("universe:two", 4)]
    top = laid(tmp_path / "saves", {"a.json": as_json(save(*parts)), "b.json": b"{"})
    done = told(shell, alice, "import", str(top / "a.json"))
    assert [(one["id"], one["new"]) for one in done["universes"]] == [
        ("universe:one", 1),
        ("universe:two", 1),
    ]
    out = tmp_path / "out"
    event = {"type": "marriage", "title": "Only told", "tick": 1}
    alice.client.post("/api/universe/universe:two/timeline", event)
    left = told(shell, alice, "export", "universe:two", str(out), "--format", "savefile")
    assert left["events_left"] == 1
    assert hashes(out) == {"universe:two": hashes(top / "a.json")["universe:two"]}
    assert kinds(out) == {"universe:two": ["auto:manual"]}

    eden = laid(
        tmp_path / "eden",
        {"save.json": SAVED, "logs/live.jsonl": LIVE + b"7\n", "logs/legends.json": lines(LEGEND)},
    )
    world_db(eden / "logs/world.db", [(1_000, b"\x00binary" * 9_000)])
    done = told(shell, alice, "import", str(eden), "--id", "universe:eden-2", exit=1)
    (one,) = done["universes"]
    assert (one["id"], one["new"], one["events"]) == ("universe:eden-2", 2, 6)
    assert [problem["place"] for problem in done["problems"] if problem["about"] == "unreadable"]
    assert done["refused"] == []
    timeline = alice.client.get("/api/universe/universe:eden-2/timeline")["entries"]
    assert {"Oxygen is low.", "Extinction"} <= {one["title"] for one in timeline}
    told(shell, alice, "export", "universe:eden-2", str(tmp_path / "raw"))
    assert sorted(hashes(tmp_path / "raw")["universe:eden-2"]) == sorted(
        hashes(eden)["universe:eden"]
    )
    again = told(
        shell,
        alice,
        "export",
        "universe:eden-2",
        str(tmp_path / "eden-3"),
        "--format",
        "primordium",
    )
    assert (again["written"], again["left"]) == (2, [])
    assert sorted(hashes(tmp_path / "eden-3")["universe:eden-2"]) == sorted(
        hashes(eden)["universe:eden"]
    )
    path = tmp_path / "no-saves"
    line = ["export", "universe:eden-2", str(path), "--format", "savefile"]
    refused = told(shell, alice, *line, exit=1)
    assert (refused["code"], len(refused["left"])) == ("nothing-exported", 2)
    assert not [*path.rglob("*.json")]
    nothing = shell(alice, "universe", "import", str(tmp_path / "none"))
    assert (nothing.code, nothing.answer["code"]) == (1, "not-a-world")


def history(at: LocalNode, id: str) -> dict[str, Any]:
    """Of a universe what a journey through files leaves as it is."""
    universe = at.client.get(f"/api/universe/{id}")["universe"]
    listed = at.client.get(f"/api/universe/{id}/snapshots")["snapshots"]
    told = at.client.get(f"/api/universe/{id}/timeline")["entries"]
    said = ("tick", "type", "kind", "checksum", "inherited", "wrapped", "day", "timestamp")
    keys = (*said, "decayPolicy")
    fork: dict[str, Any] = universe.get("forkOf") or {}
    return {
        "counts": (universe["snapshotCount"], universe["canonicalEventCount"]),
        "fork": (fork.get("universeId"), fork.get("snapshotTick")),
        "snapshots": sorted(repr([one.get(key) for key in keys]) for one in listed),
        "entries": sorted((one["tick"], one["type"], one["title"]) for one in told),
        "begins": [one["checksum"] for one in listed if one.get("inherited")],
    }


def lying(top: Path) -> dict[str, bytes]:
    """By path; of an index without the ids of snapshots, which say who signed them."""
    found: dict[str, bytes] = {}
    for path in sorted(top.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if path.name == "universe.json":
                index = json.loads(data)
                for one in index["snapshots"]:
                    del one["id"]
                data = as_json(index)
            found[str(path.relative_to(top))] = data
    return found


def saved_by(id: str, tick: int, name: str, parent: str = "") -> dict[str, Any]:
    identity: dict[str, Any] = {"id": id, "name": id[9:].title(), "createdAt": SAVED_MS}
    if parent:
        identity |= {"parentId": parent, "forkedAtTick": 300}
    whole = save(universe_part(id, tick, identity=identity), creature=name)
    whole["header"] = {"name": name, "lastSavedAt": SAVED_MS + tick}
    return whole


def played(alice: LocalNode, word: str) -> list[str]:
    """A universe with four states of one tick, two forks of it, and a fork of a fork."""
    post = alice.client.post
    main, fork, deeper, other = (f"universe:{word}-{one}" for one in ("main", "a", "b", "c"))

    def keep(id: str, tick: int, name: str, kind: str, parent: str = "", event: str = "") -> str:
        body = {"snapshot": saved_by(id, tick, name, parent), "tick": tick, "day": 2, "type": kind}
        if event:
            body["canonEvent"] = {**EVENT, "title": event}
        return str(post(f"/api/universe/{id}/snapshot", body)["id"])

    def begin(id: str, of: str, snapshot: str) -> None:
        body = {"snapshotTick": 300, "snapshot": snapshot, "name": id[9:].title(), "id": id}
        post(f"/api/universe/{of}/fork", {**body, "ownerId": "", "visibility": "private"})

    body = {"id": main, "name": main[9:].title(), "ownerId": "", "visibility": "private"}
    post("/api/universe", body)
    first = keep(main, 300, "Ada", "auto")
    second = keep(main, 300, "Eve", "canonical", event="Eve")
    keep(main, 300, "Cain", "canonical", event="Cain")
    begin(fork, main, second)
    keep(fork, 301, "Eve", "manual", main)
    begin(deeper, fork, second)
    keep(deeper, 400, "Eve", "manual", fork)
    begin(other, main, first)
    keep(other, 350, "Ada", "manual", main)
    keep(main, 300, "late", "manual")
    if word == "raw":  # others have no place for it
        told_only = {"type": "marriage", "title": "Only told", "tick": 301, "importance": 5}
        post(f"/api/universe/{main}/timeline", told_only)
    return [main, fork, deeper, other]


@pytest.mark.parametrize("format", ["raw", "ai-village", "savefile"])
def test_forks_go_out_and_in_with_the_very_states_they_begin_with(
    alice: LocalNode, bob: LocalNode, shell: Shell, tmp_path: Path, format: str
) -> None:
    """And nothing grows, whoever imports it and however often."""
    ids = played(alice, format)
    there = {id: history(alice, id) for id in ids}
    first, second = tmp_path / "first", tmp_path / "second"
    report = told(shell, alice, "export", *ids, str(first), "--format", format)
    assert (report["left"], report["events_left"]) == ([], 0)
    done = told(shell, bob, "import", str(first))
    new = {one["id"]: one["new"] for one in done["universes"]}
    assert new == dict(zip(ids, (4, 1, 1, 1), strict=True))
    assert not any("no_fork" in one for one in done["universes"])
    again = told(shell, bob, "import", str(first))
    assert [one["new"] for one in again["universes"]] == [0] * 4
    here = {id: history(bob, id) for id in ids}
    if format == "savefile":  # knows neither kinds nor events
        for one in (*there.values(), *here.values()):
            one["counts"] = one["counts"][0]
            del one["snapshots"], one["entries"]
    assert here == there
    told(shell, bob, "export", *ids, str(second), "--format", format)
    assert lying(second) == lying(first)
