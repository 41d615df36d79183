"""What a fork begins with goes out and comes in as that very state, and never as one more."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.universe.formats.memory import MemoryFiles, as_json, packed
from tests.universe.formats.saves import SAVED_MS, save, universe_part
from tests.universe.formats.villages import entry, state, village
from universe.event import Event
from universe.formats import ImportedUniverse, Plan, WorldFormat, plan
from universe.formats.file_names import escaped
from universe.formats.imported import About, ForkOf
from universe.formats.out import (
    OutSnapshot,
    OutUniverse,
    Written,
    around,
    folder_of,
    laid_out,
    small_files,
)
from universe.snapshot import Decay

MAIN, FORK, DEEPER, OTHER = "universe:main", "universe:fork", "universe:deeper-12", "universe:other"
FORMATS = [WorldFormat.AI_VILLAGE, WorldFormat.SAVEFILE, WorldFormat.RAW]
KINDS = {"auto": 0, "canonical": 1}


@dataclass(frozen=True)
class World:
    """As a node has it: universes, and the bytes of their states by ids of snapshots."""

    universes: tuple[OutUniverse, ...]
    states: Mapping[str, bytes]


def saved(id: str, tick: int, saved_s: int, creature: str, fork_of: ForkOf | None = None) -> bytes:
    """A SaveFile of one universe, which says of which it is a fork."""
    identity: dict[str, Any] = {"id": id, "name": id[9:].title(), "createdAt": SAVED_MS}
    if fork_of:
        identity |= {"parentId": fork_of.universe, "forkedAtTick": fork_of.tick}
    whole = save(universe_part(id, tick, identity=identity), creature=creature)
    whole["header"] = {"name": "by hand", "lastSavedAt": SAVED_MS + saved_s * 1_000}
    whole["checksums"]["overall"] = ""
    return as_json(whole)


def event(title: str, saved_s: int) -> Event:
    at_us = (SAVED_MS + saved_s * 1_000) * 1_000
    return Event(tick=300, at_us=at_us, type="birth", title=title, day=2, importance=7)


def world() -> World:
    """Four states of one tick; forks of the second and the first, a fork of a fork."""
    states: dict[str, bytes] = {}

    def one(data: bytes, tick: int, saved_s: int, **more: Any) -> OutSnapshot:  # noqa: ANN401 - fields
        found = OutSnapshot(
            id=hashlib.sha256(repr((len(states), more)).encode()).hexdigest(),
            tick=tick,
            kind="canonical" if more.get("event") else "auto",
            at_us=(SAVED_MS + saved_s * 1_000) * 1_000,
            day=2,
            size=len(data),
            is_wrapped=True,
            checksum=hashlib.blake2s(data).hexdigest(),
        )
        states[found.id] = data
        return replace(found, **more)

    main = ForkOf(MAIN, 300)
    never = Decay(None, True, "canonical event")
    births = [event(name, at) for at, name in ((20, "Eve"), (30, "Cain"))]
    trunk = [
        one(saved(MAIN, 100, 5, "Ada"), 100, 5, decay=Decay(24_000)),
        one(saved(MAIN, 300, 10, "Ada"), 300, 10),
        one(saved(MAIN, 300, 20, "Eve"), 300, 20, event=births[0], decay=never),
        one(saved(MAIN, 300, 30, "Cain"), 300, 30, event=births[1]),
        one(saved(MAIN, 300, 90, "late"), 300, 90),  # after all the forks
    ]

    def inherited(of: OutSnapshot) -> OutSnapshot:
        return one(
            states[of.id], 300, 0, at_us=of.at_us, kind=of.kind, decay=of.decay, is_inherited=True
        )

    fork = [inherited(trunk[2]), one(saved(FORK, 301, 40, "Eve", main), 301, 40)]
    deeper_of = ForkOf(FORK, 300)
    deeper = [inherited(trunk[2]), one(saved(DEEPER, 400, 50, "Eve", deeper_of), 400, 50)]
    other = [inherited(trunk[1]), one(saved(OTHER, 350, 60, "Ada", main), 350, 60)]
    told = ((MAIN, trunk, None), (FORK, fork, main), (DEEPER, deeper, deeper_of))
    return World(
        tuple(
            OutUniverse(
                id=id,
                name=id[9:].title(),
                snapshots=tuple(snapshots),
                events=tuple(one.event for one in snapshots if one.event),
                owner="player:1",
                created_us=SAVED_MS * 1_000,
                fork_of=fork_of,
            )
            for id, snapshots, fork_of in (*told, (OTHER, other, main))
        ),
        states,
    )


def written(one: OutUniverse, states: Mapping[str, bytes], format: WorldFormat) -> dict[str, bytes]:
    """The files of a universe, as the command writes them."""
    laid, left = laid_out(one, format)
    assert not left
    files: dict[str, bytes] = {}
    sums: dict[str, Written] = {}
    for each in laid:
        data = states[each.snapshot.id]
        if format is WorldFormat.SAVEFILE:
            data = data.join(around(one, each.snapshot, data[:4_096]) or ())
        assert each.path not in files
        files[each.path] = packed(data) if each.is_packed else data
        sums[each.snapshot.id] = Written(len(files[each.path]), hashlib.sha256(data).digest())
    files |= small_files(one, format, laid, sums)
    top = "" if format is WorldFormat.AI_VILLAGE else f"{folder_of(one.id, is_escaped=False)}/"
    return {f"{top}{path}": data for path, data in files.items()}


def exported(whole: World, format: WorldFormat) -> dict[str, bytes]:
    parts = [written(one, whole.states, format) for one in whole.universes]
    return {path: data for files in parts for path, data in files.items()}


def imported(files: MemoryFiles, found: Plan) -> World:
    """What a node has then: the origin's own statement with the fork, signed by another."""
    states: dict[str, bytes] = {}
    universes: list[OutUniverse] = []
    for one in found.universes:
        origin = () if one.origin is None else (replace(one.origin, event=None, is_inherited=True),)
        snapshots: list[OutSnapshot] = []
        for each in (*origin, *one.snapshots):
            data = files.taken(each.source)
            id = hashlib.sha256(f"another's {one.id} {len(states)}".encode()).hexdigest()
            states[id] = data
            snapshots.append(
                OutSnapshot(
                    id=id,
                    tick=each.tick,
                    kind=each.kind,
                    at_us=each.at_us,
                    media=each.media,
                    day=each.day,
                    event=each.event,
                    size=len(data),
                    is_wrapped=each.is_wrapped,
                    checksum=hashlib.blake2s(data).hexdigest(),
                    decay=each.decay,
                    is_inherited=each.is_inherited,
                )
            )
        universes.append(
            OutUniverse(
                id=one.id,
                name=one.name,
                snapshots=tuple(snapshots),
                events=one.events,
                owner=one.owner,
                created_us=one.created_us,
                fork_of=one.fork_of if origin else None,
            )
        )
    return World(tuple(universes), states)


def without_ids(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """A snapshot's id says who signed it, which differs."""
    found = dict(files)
    for path, data in files.items():
        if path.endswith("universe.json"):
            index = json.loads(data)
            for one in index["snapshots"]:
                del one["id"]
            found[path] = as_json(index)
    return found


def origins(found: Plan, files: MemoryFiles) -> dict[str, str]:
    """By forks, who was born in what they begin with."""
    return {
        one.id: json.loads(files.taken(one.origin.source))["creature"]
        for one in found.universes
        if one.origin
    }


def brought_back(whole: World, format: WorldFormat) -> tuple[Plan, MemoryFiles]:
    """What went out and is read again goes out the same again, however often."""
    first = exported(whole, format)
    files = MemoryFiles(first)
    found = plan(files)
    again = exported(imported(files, found), format)
    assert without_ids(again) == without_ids(first)
    return found, files


@pytest.mark.parametrize("format", FORMATS)
def test_a_fork_comes_back_with_the_very_state_it_began_with(format: WorldFormat) -> None:
    found, files = brought_back(world(), format)
    assert origins(found, files) == {FORK: "Eve", DEEPER: "Eve", OTHER: "Ada"}
    told = {one.id: [each.tick for each in one.snapshots] for one in found.universes}
    assert told == {MAIN: [100, 300, 300, 300, 300], FORK: [301], DEEPER: [400], OTHER: [350]}
    if format is not WorldFormat.SAVEFILE:  # in which a copy names its parent
        assert not found.report.problems


def test_a_servers_metadata_counts_a_copy_as_the_server_does() -> None:
    files = exported(world(), WorldFormat.AI_VILLAGE)
    metadata = json.loads(files[f"universes/{FORK}/metadata.json"])
    assert (metadata["snapshotCount"], metadata["canonicalEventCount"]) == (2, 0)
    begun, own = json.loads(files[f"universes/{FORK}/timeline.json"])["snapshots"]
    assert (begun["type"], begun["inherited"], begun["filename"]) == ("manual", True, "300.json.gz")
    assert "inherited" not in own


def test_the_index_of_a_fork_names_the_state_itself() -> None:
    whole = world()
    files = exported(whole, WorldFormat.RAW)
    index = json.loads(files[f"{FORK}/universe.json"])
    sum = hashlib.sha256(saved(MAIN, 300, 20, "Eve")).hexdigest()
    assert index["fork_of"] == {"universe": MAIN, "tick": 300, "sha256": sum}
    told = [(one["sha256"] == sum, one["inherited"]) for one in index["snapshots"]]
    assert told == [(True, True), (False, False)]


@pytest.mark.parametrize("format", [WorldFormat.AI_VILLAGE, WorldFormat.RAW])
def test_the_same_bytes_kept_by_the_fork_itself_stay_its_own(format: WorldFormat) -> None:
    whole = world()
    fork = whole.universes[1]
    own = replace(fork.snapshots[0], id="5a" * 32, is_inherited=False, kind="auto", decay=None)
    changed = replace(fork, snapshots=(*fork.snapshots, own))
    states = {**whole.states, own.id: whole.states[fork.snapshots[0].id]}
    whole = World((whole.universes[0], changed, *whole.universes[2:]), states)
    found, _ = brought_back(whole, format)
    assert [each.tick for each in found.universes[1].snapshots] == [300, 301]


def test_a_state_kept_for_two_reasons_comes_back_for_both() -> None:
    """The same bytes saved by the clock and for an event: `raw` loses neither."""
    whole = world()
    trunk = whole.universes[0]
    again = replace(trunk.snapshots[2], id="5a" * 32, kind="auto", event=None, decay=None)
    states = {**whole.states, again.id: whole.states[trunk.snapshots[2].id]}
    both = replace(trunk, snapshots=(*trunk.snapshots, again))
    whole = World((both, *whole.universes[1:]), states)
    found, _ = brought_back(whole, WorldFormat.RAW)
    assert not found.report.problems
    assert len(found.universes[0].snapshots) == 6
    fork = found.universes[1]
    assert fork.origin is not None
    assert fork.origin.kind == "canonical"


def older(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """An index as it was written before it said which state is inherited."""
    found = dict(files)
    for path, data in files.items():
        if path.endswith("universe.json"):
            index = json.loads(data)
            for one in index["snapshots"]:
                del one["inherited"]
            if index["fork_of"]:
                del index["fork_of"]["sha256"]
            found[path] = as_json(index)
    return found


def test_an_older_index_is_read_by_its_bytes() -> None:
    files = MemoryFiles(older(exported(world(), WorldFormat.RAW)))
    found = plan(files)
    assert origins(found, files) == {FORK: "Eve", DEEPER: "Eve", OTHER: "Ada"}
    assert [len(one.snapshots) for one in found.universes] == [5, 1, 1, 1]
    assert not found.report.problems


def test_a_copy_comes_in_as_the_forks_own_where_its_parent_does_not() -> None:
    files = exported(world(), WorldFormat.RAW)
    alone = {path: data for path, data in files.items() if path.startswith(FORK)}
    (one,) = plan(MemoryFiles(alone)).universes
    assert (one.origin, [each.tick for each in one.snapshots]) == (None, [300, 301])
    assert not any(each.is_inherited for each in one.snapshots)


@pytest.mark.parametrize("id", [FORK, DEEPER])
def test_a_savefile_of_a_fork_alone_brings_no_universe_of_its_parents_name(id: str) -> None:
    """Every game calls its first universe alike: it would go into one's own."""
    files = exported(world(), WorldFormat.SAVEFILE)
    alone = {path: data for path, data in files.items() if f"{escaped(id)}-" in path}
    (one,) = plan(MemoryFiles(alone)).universes
    assert (one.id, one.origin) == (id, None)
    assert [each.tick for each in one.snapshots][:1] == [300]
    assert len(one.snapshots) == 2


@pytest.mark.parametrize("states", [(2,), (1, 2), (0, 2)])
def test_a_world_of_the_state_alone_that_its_fork_began_with_is_there_too(
    states: tuple[int, ...],
) -> None:
    """Of the same bytes one file is kept, the fork's: the world had none of its own then."""
    both = world()
    main, fork = both.universes[:2]
    main = replace(main, snapshots=tuple(main.snapshots[at] for at in states), events=())
    files = exported(World((main, fork), both.states), WorldFormat.SAVEFILE)
    found = {one.id: one for one in plan(MemoryFiles(files)).universes}
    assert [each.tick for each in found[MAIN].snapshots] == [each.tick for each in main.snapshots]
    assert found[FORK].fork_of == ForkOf(MAIN, 300)
    assert found[FORK].origin is not None


def forked(fork: ImportedUniverse) -> tuple[str | None, list[int]]:
    origin = None if fork.origin is None else fork.origin.source.path.rpartition("/")[2]
    return origin, [each.tick for each in fork.snapshots]


def test_a_parent_that_lost_the_state_is_no_parent_of_what_names_it() -> None:
    """Another state of that tick would be another world."""
    files = exported(world(), WorldFormat.RAW)
    index = json.loads(files[f"{MAIN}/universe.json"])
    index["snapshots"] = [one for one in index["snapshots"] if one["at_us"] % 10**8 != 20_000_000]
    found = plan(MemoryFiles({**files, f"{MAIN}/universe.json": as_json(index)}))
    assert forked(found.universes[1]) == (None, [300, 301])
    sum = hashlib.sha256(saved(MAIN, 300, 20, "Eve")).hexdigest()
    reason = f"{MAIN} has no state {sum} at tick 300: {FORK} is no fork of it here"
    assert reason in [one.reason for one in found.report.problems]
    assert {one.about for one in found.report.problems} == {About.CLAIM}


def test_a_server_says_a_tick_alone_and_the_first_listed_is_meant() -> None:
    """Which is not the first by time, nor by name."""
    entries = [
        entry(3, 9, filename="b.json.gz"),
        entry(3, 5, filename="a.json.gz"),
        entry(4, 6),
    ]
    files = village(
        MAIN, entries, {"a.json.gz": state(3), "b.json.gz": state(3, 9), "4.json.gz": state(4)}
    )
    for id, tick, states in (
        ("universe:a", 3, {"3.json.gz": state(3)}),
        ("universe:b", 3, {"3.json.gz": state(3, 11)}),
        ("universe:c", 3, {}),
        ("universe:d", 2, {"2.json.gz": state(2)}),
    ):
        files |= village(
            id,
            [entry(tick, 20, type="manual")],
            states,
            forkOf={"universeId": MAIN, "snapshotTick": tick},
        )
    found = plan(MemoryFiles(files))
    assert {one.id: forked(one) for one in found.universes[1:]} == {
        "universe:a": ("a.json.gz", []),
        "universe:b": ("b.json.gz", [3]),
        "universe:c": ("b.json.gz", []),
        "universe:d": (None, [2]),
    }
    told = [one.reason for one in found.report.problems if one.about is About.CLAIM]
    assert told == [f"{MAIN} has no state at tick 2: universe:d is no fork of it here"]


@pytest.mark.parametrize("sum", ["00", 5, "g" * 64])
def test_a_sum_that_is_none_is_told_and_the_bytes_say_it(sum: object) -> None:
    files = exported(world(), WorldFormat.RAW)
    index = json.loads(files[f"{FORK}/universe.json"])
    index["fork_of"]["sha256"] = sum
    memory = MemoryFiles({**files, f"{FORK}/universe.json": as_json(index)})
    found = plan(memory)
    assert origins(found, memory)[FORK] == "Eve"
    assert str(found.report.problems[0]).endswith("/fork_of/sha256: is no SHA-256 in hex")


@pytest.mark.parametrize("is_own", [False, True])
def test_what_its_copy_was_kept_for_is_told_of_its_parent_alone(*, is_own: bool) -> None:
    """Unless a state of the fork's own was kept for it too."""
    files = exported(world(), WorldFormat.RAW)
    path = f"{FORK}/universe.json"
    index, birth = json.loads(files[path]), json.loads(files[f"{MAIN}/universe.json"])["events"][0]
    index["events"] = [birth]
    index["snapshots"][0]["event"] = birth
    if is_own:
        index["snapshots"][1] |= {"kind": "canonical", "event": birth}
    found = plan(MemoryFiles({**files, path: as_json(index)}))
    fork = found.universes[1]
    assert fork.copy is not None
    assert fork.copy.event is not None  # told with it where it is no fork after all
    assert [one.title for one in fork.events] == (["Eve"] if is_own else [])
    assert [one.title for one in found.universes[0].events] == ["Eve", "Cain"]
