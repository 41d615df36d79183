"""A universe goes out as files and comes in on another node as the same universe, all of it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli import cli
from node.failure import Failure
from tests.node.parts import Alice, open_alice
from tests.node.served import shown, typed
from tests.universe.formats.memory import as_json
from tests.universe.formats.saves import SAVED_MS, save, universe_part

MAIN, FORK = "universe:main", "universe:fork"
SAID: dict[str, Any] = {
    "name": "Two  spaces .. and dots",
    "ownerId": "player:ada",
    "description": "A world  of …  ",
    "tags": ["meadow", "Ünïcode tag"],
    "license": "MIT OR Apache-2.0",
    "card": "# Meadow\n\n\tTabs, \u0001 and 🌱.\n",
    "config": {"timeScale": 2.5, "deep": [1, {"a": None}]},
    "retention": {"auto": {"newest": 40, "older_than_s": 60}, "manual": {"thin": True}},
    "createdAt": SAVED_MS - 5_000,
}
EVENT: dict[str, Any] = {
    "type": "festival:of-lights-",
    "title": "Lights  in ..",
    "description": "So\nit was.",
    "importance": 7,
    "day": 4,
    "entities": ["ann  b", "bob"],
    "souls": ["soul:1"],
    "parents": ["eve"],
}


def saved(tick: int, creature: str) -> bytes:
    whole = save(universe_part(MAIN, tick), creature=creature)
    whole["header"] = {"name": "by hand", "lastSavedAt": SAVED_MS}
    return as_json(whole)


class Playing:
    """Makes universes on a node, over HTTP."""

    def __init__(self, alice: Alice) -> None:
        self.post, self.get = alice.client.post, alice.client.get
        self._at_us = SAVED_MS * 1_000

    async def make(self, id: str) -> None:
        body = {**SAID, "id": id, "visibility": "private"}
        assert (await self.post("/api/universe", json=body)).status_code == 201

    async def keep(
        self, id: str, tick: int, data: bytes, media: str = "application/json", **more: object
    ) -> str:
        self._at_us += 1_000_000
        query: dict[str, Any] = {"tick": tick, "at": self._at_us, "type": "auto", **more}
        for key in {"event", "decay"} & query.keys():
            query[key] = json.dumps(query[key])
        answer = await self.post(
            f"/api/universe/{id}/snapshot",
            params=query,
            content=data,
            headers={"content-type": media},
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def keep_in_json(self, id: str, tick: int, data: bytes, decay: dict[str, Any]) -> None:
        self._at_us += 1_000_000
        said = {"tick": tick, "type": "auto", "decayPolicy": decay}
        body = as_json(said)[:-1] + b',"snapshot":' + data + b"}"
        path, media = f"/api/universe/{id}/snapshot", {"content-type": "application/json"}
        query = {"at": self._at_us}
        answer = await self.post(path, params=query, content=body, headers=media)
        assert answer.status_code == 201, answer.text

    async def tell(self, id: str, tick: int, title: str, snapshot: str | None = None) -> None:
        self._at_us += 1_000_000
        said = {**EVENT, "title": title, "tick": tick, "timestamp": self._at_us // 1_000}
        body = said if snapshot is None else {**said, "snapshot": snapshot}
        answer = await self.post(f"/api/universe/{id}/timeline", json=body)
        assert answer.status_code == 201, answer.text

    async def fork(self, snapshot: str) -> None:
        body = {**SAID, "id": FORK, "snapshot": snapshot, "visibility": "private", "license": "MIT"}
        answer = await self.post(f"/api/universe/{MAIN}/fork", json=body)
        assert answer.status_code == 201, answer.text

    async def whole(self, id: str) -> dict[str, Any]:
        """All of it but who signed it, and when that was."""
        place = f"/api/universe/{id}"
        universe = (await self.get(place)).json()["universe"]
        listed = (await self.get(f"{place}/snapshots")).json()["snapshots"]
        told = (await self.get(f"{place}/timeline")).json()["entries"]
        by_id = {one["id"]: (one["tick"], one["type"], one["checksum"]) for one in listed}
        signed = ("author", "fullName", "namespace", "updatedAt", "parent", "gate", "forkOf")
        fork: dict[str, Any] = universe.get("forkOf") or {}
        return {
            "universe": {key: one for key, one in universe.items() if key not in signed},
            "fork": (fork.get("universeId"), by_id.get(fork.get("snapshot"))),
            "snapshots": _sorted(listed, {"id", "blob", "parent"}),
            "told": _sorted(
                [{**one, "names": by_id.get(one.get("names"))} for one in told],
                {"event", "snapshot"},
            ),
        }


def _sorted(rows: list[dict[str, Any]], without: set[str]) -> list[str]:
    kept = [{key: one for key, one in row.items() if key not in without} for row in rows]
    return sorted(json.dumps(row, sort_keys=True) for row in kept)


async def played(alice: Alice) -> dict[str, Any]:
    """Two states at one tick, one of them kept twice, as is one that came in JSON too; events with
    and without one; a fork."""
    hers = Playing(alice)
    await hers.make(MAIN)
    await hers.keep(MAIN, 100, saved(100, "Ada"), decay={"decayAfterTicks": 5})
    await hers.keep_in_json(MAIN, 100, saved(100, "Ada"), {"decayAfterTicks": 5})
    first = await hers.keep(MAIN, 300, saved(300, "Ada"), day=3)
    second = await hers.keep(MAIN, 300, saved(300, "Eve"), type="manual")
    never = {"neverDecay": True, "preservationReason": "it  was .. so"}
    again = await hers.keep(
        MAIN, 300, saved(300, "Eve"), type="canonical", event=EVENT, decay=never, day=4
    )
    await hers.keep(MAIN, 301, saved(301, "late"), "application/json; charset=utf-8")
    await hers.tell(MAIN, 300, "of the first", first)
    await hers.tell(MAIN, 300, "of the second", second)
    await hers.tell(MAIN, 300, "of the same bytes", again)
    await hers.tell(MAIN, 300, "of none")
    await hers.tell(MAIN, 7, "where nothing opens")
    await hers.fork(second)
    await hers.keep(FORK, 302, saved(302, "Cain"))
    await hers.tell(FORK, 300, "of what it began with", second)
    return {id: await hers.whole(id) for id in (MAIN, FORK)}


@asynccontextmanager
async def bob_at(path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(path / "bob") as bob:
        yield bob


async def done(home: Path, *line: str, exit: int = 0) -> dict[str, Any]:
    """What the command says in JSON, or its problem."""
    whole = ["--home", str(home), "--json", "universe", *line]
    run = partial(CliRunner().invoke, cli, whole, standalone_mode=False)
    ran = await asyncio.to_thread(run)
    if isinstance(ran.exception, Failure):
        assert ran.exception.exit == exit, ran.exception.problem
        return ran.exception.problem
    assert (ran.exception, exit) == (None, 0), ran.output
    found: dict[str, Any] = json.loads(ran.output.splitlines()[-1])
    return found


@pytest.mark.parametrize("format", ["raw", "ai-village", "savefile"])
async def test_all_of_a_universe_comes_back(alice: Alice, tmp_path: Path, format: str) -> None:
    there = await played(alice)
    out = tmp_path / "out"
    async with shown(alice) as home:
        report = await done(home, "export", MAIN, FORK, str(out), "--format", format)
    assert report["left"] == []
    async with bob_at(tmp_path) as bob, shown(bob) as home:
        planned = await done(home, "import", str(out), "--dry-run")
        imported = await done(home, "import", str(out))
        his = Playing(bob)
        assert {id: await his.whole(id) for id in there} == there
        again = await done(home, "import", str(out))
        assert {id: await his.whole(id) for id in there} == there
    weak = {"checksum"} if format == "savefile" else set[str]()  # its own are made up
    assert {one["about"] for one in imported["problems"]} == weak
    numbers = ("id", "snapshots", "canonical", "events", "bytes", "new", "known")
    for one, before, after in zip(
        imported["universes"], planned["universes"], again["universes"], strict=True
    ):
        assert [one[key] for key in numbers] == [before[key] for key in numbers]
        assert (after["new"], after["known"]) == (0, one["new"])


async def test_a_world_of_primordium_comes_back(alice: Alice, tmp_path: Path) -> None:
    """The newest save, and of each tick one state of the simulation."""
    hers = Playing(alice)
    await hers.make(MAIN)
    binary = "application/octet-stream"
    first = await hers.keep(MAIN, 10, b"\x00ten" * 99, binary, day=3)
    await hers.keep(MAIN, 20, b"\x00twenty" * 99, binary, type="canonical", event=EVENT)
    world = {"version": 1, "world": {"tick": 25, "config": {"seed": 1}}}
    await hers.keep(MAIN, 25, as_json(world), type="manual", decay={"neverDecay": True})
    await hers.tell(MAIN, 10, "of the first", first)
    await hers.tell(MAIN, 11, "of none")
    there, out = await hers.whole(MAIN), tmp_path / "eden"
    async with shown(alice) as home:
        report = await done(home, "export", MAIN, str(out), "--format", "primordium")
    assert (report["written"], report["left"]) == (3, [])
    async with bob_at(tmp_path) as bob, shown(bob) as home:
        imported = await done(home, "import", str(out))
        assert await Playing(bob).whole(MAIN) == there
    assert imported["problems"] == []
    assert [one["retention"] for one in imported["universes"]] == [SAID["retention"]]


@pytest.mark.parametrize(
    "state", [{"version": 1, "world": {"width": 3}}, {"tick": "x"}, {"$version": 1}, [1]]
)
async def test_what_is_no_save_of_primordium_is_left_out_and_told(
    alice: Alice, tmp_path: Path, state: object
) -> None:
    """Primordium would not read it, and nor would an import."""
    hers = Playing(alice)
    await hers.make(MAIN)
    await hers.keep(MAIN, 10, b"\x00ten" * 99, "application/octet-stream")
    out, alone = tmp_path / "eden", tmp_path / "alone"
    line = ("--format", "primordium")
    async with shown(alice) as home:
        json_one = await hers.keep(MAIN, 25, as_json(state))
        report = await done(home, "export", MAIN, str(out), *line)
        await hers.make(FORK)
        await hers.keep(FORK, 25, as_json(state))
        nothing = await done(home, "export", FORK, str(alone), *line, exit=1)
    (left,) = report["left"]
    assert report["saves"][0]["snapshot"] is None
    assert (report["written"], left["id"]) == (1, json_one)
    assert left["reason"] == "is no save.json: it has no world tick: see --format raw"
    assert sorted(one.name for one in out.rglob("*.*")) == ["panspermia.json", "world.db"]
    assert (nothing["code"], alone.exists()) == ("nothing-exported", False)
    async with bob_at(tmp_path) as bob, shown(bob) as home:
        assert (await done(home, "import", str(out)))["problems"] == []


async def test_the_newest_that_is_a_save_of_primordium_goes_out_as_one(
    alice: Alice, tmp_path: Path
) -> None:
    """What else is there is told each by itself, and which state the save is."""
    hers, out, again = Playing(alice), tmp_path / "eden", tmp_path / "again"
    await hers.make(MAIN)
    world = as_json({"version": 1, "world": {"tick": 20}})
    oldest = await hers.keep(MAIN, 10, as_json({"version": 1, "world": {"tick": 10}}))
    taken = await hers.keep(MAIN, 20, world)
    first = await hers.keep(MAIN, 21, b"\x00one", "application/octet-stream")
    await hers.keep(MAIN, 21, b"\x00two", "application/octet-stream")
    newest = [await hers.keep(MAIN, tick, as_json({"at": tick})) for tick in (30, 40)]
    async with shown(alice) as home:
        line = ("export", MAIN, "--format", "primordium")
        report = await done(home, *line, str(out))
        words = await typed(home, "universe", *line, str(again))
    assert (out / "save.json").read_bytes() == world
    (save,) = report["saves"]
    assert (save["universe"], save["snapshot"], save["tick"]) == (MAIN, taken, 20)
    reasons = {
        one["id"]: one["reason"].removesuffix(": see --format raw") for one in report["left"]
    }
    assert reasons == {
        **dict.fromkeys(newest, "is no save.json: it has no world tick"),
        oldest: "save.json is the newer state of tick 20",
        first: "a newer state of this tick is in the database",
    }
    assert report["written"] == 2
    assert f"save.json of {MAIN}: the state of tick 20\n" in words.output
    async with bob_at(tmp_path) as bob, shown(bob) as home:
        assert (await done(home, "import", str(out)))["problems"] == []


async def test_where_no_state_is_a_save_of_primordium_it_says_so(
    alice: Alice, tmp_path: Path
) -> None:
    hers = Playing(alice)
    await hers.make(MAIN)
    await hers.keep(MAIN, 1, b"\x00one", "application/octet-stream")
    async with shown(alice) as home:
        line = ("universe", "export", MAIN, "--format", "primordium")
        ran = await typed(home, *line, str(tmp_path / "binary"))
        assert f"no save.json of {MAIN}: it has no state of JSON\n" in ran.output
        for tick in (2, 3):
            await hers.keep(MAIN, tick, as_json({"at": tick}))
        ran = await typed(home, *line, str(tmp_path / "none"))
        assert f"no save.json of {MAIN}: of 2 states none is one\n" in ran.output


NUMBERS = ("id", "snapshots", "canonical", "events", "bytes", "decaying", "new", "known", "fork_of")


def numbers(report: dict[str, Any]) -> object:
    """What a plan and the import that follows it are to say alike."""
    made = {"planned": "created"}
    return (
        [[one[key] for key in NUMBERS] for one in report["universes"]],
        [made.get(one["state"], one["state"]) for one in report["universes"]],
        ["no_fork" in one for one in report["universes"]],
        [(one["universe"], one["code"]) for one in report["refused"]],
        [[(one["id"], made.get(one["state"], one["state"])) for one in report[key]]
         for key in ("passages", "players")],
        report["counts"],
    )  # fmt: skip


@pytest.mark.parametrize("first", ["nothing", "some", "public", "deleted", "no fork"])
async def test_a_plan_has_the_numbers_of_the_import_that_follows(
    alice: Alice, tmp_path: Path, first: str
) -> None:
    """Also of a fork that can be none here: then what it began with is its own, and is counted."""
    await played(alice)
    out = tmp_path / "out"
    async with shown(alice) as home:
        await done(home, "export", MAIN, FORK, str(out))
    is_left = first in ("public", "deleted")
    async with bob_at(tmp_path) as bob, shown(bob) as home:
        his = Playing(bob)
        if first == "some":
            await his.make(MAIN)
            await his.keep(MAIN, 300, saved(300, "Eve"), type="manual")
            await his.keep(MAIN, 301, saved(301, "another"))
        elif first == "no fork":
            await his.make(FORK)
        elif first != "nothing":
            body = {"id": MAIN, "name": "Mine", "visibility": "public"}
            assert (await his.post("/api/universe", json=body)).status_code == 201
            if first == "deleted":
                gone = await bob.client.delete(f"/api/universe/{MAIN}")
                assert gone.status_code == 200
        line = ["import", str(out)]
        planned = await done(home, *line, "--dry-run", exit=int(is_left))
        there = await his.get(f"/api/universe/{FORK}/snapshots")
        assert there.status_code == (200 if first == "no fork" else 404)
        imported = await done(home, *line, exit=int(is_left))
        listed = (await his.get(f"/api/universe/{FORK}/snapshots")).json()["snapshots"]
    assert numbers(planned) == numbers(imported)
    main, fork = imported["universes"]
    assert [one.get("inherited", False) for one in listed].count(True) == (
        0 if is_left or first == "no fork" else 1
    )
    assert main["known"] == (1 if first == "some" else 0)
    is_fork = not is_left and first != "no fork"
    assert (fork["snapshots"], fork["new"]) == ((1, 1) if is_fork else (2, 2))
    assert fork["bytes"] == sum(
        one["fileSize"] for one in listed if not one.get("inherited", False)
    )


async def test_a_rule_that_comes_along_is_told_and_is_left_out_with_all_that_goes(
    alice: Alice, tmp_path: Path
) -> None:
    hers, out = Playing(alice), tmp_path / "out"
    await hers.make(MAIN)
    for tick in range(3):
        await hers.keep(MAIN, tick, saved(tick, "Ada"), type="manual", decay={"decayAfterTicks": 1})
    async with shown(alice) as home:
        await done(home, "export", MAIN, str(out), "--format", "ai-village")
        for more in (["--dry-run"], list[str]()):  # its own rule stays, whatever comes
            ran = await typed(home, "universe", "import", str(out), *more)
            assert "brings a rule" not in ran.output
    async with bob_at(tmp_path) as bob, shown(bob) as home:
        ran = await typed(home, "universe", "import", str(out), "--dry-run")
        assert f"{MAIN}: brings a rule by which snapshots go" in ran.output
        ran = await typed(home, "universe", "import", str(out), "--dry-run", "--keep-all")
        assert "brings a rule" not in ran.output
        await done(home, "import", str(out), "--keep-all")
        universe = (await bob.client.get(f"/api/universe/{MAIN}")).json()["universe"]
    assert "retention" not in universe
    assert universe["snapshotCount"] == 3


async def test_of_a_rule_by_which_all_stays_nobody_is_warned(alice: Alice, tmp_path: Path) -> None:
    hers, out = Playing(alice), tmp_path / "out"
    await hers.make(MAIN)
    await hers.keep(MAIN, 1, saved(1, "Ada"))
    async with shown(alice) as home:
        kept = await typed(home, "universe", "prune", MAIN, "--keep-all")
        assert kept.exit_code == 0, kept.output
        await done(home, "export", MAIN, str(out), "--format", "raw")
    async with bob_at(tmp_path) as bob, shown(bob) as home:
        ran = await typed(home, "universe", "import", str(out))
        assert ran.exit_code == 0, ran.output
        assert "brings a rule" not in ran.output
        shown_here = (await bob.client.get(f"/api/universe/{MAIN}")).json()
    assert shown_here["rule"][0] == "auto: all are kept"
