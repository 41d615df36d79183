"""What the helper of games does with what a node answers, and with files it cannot read."""

import json
import os
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from node.clients import panspermia_autosave
from node.clients.panspermia_autosave import Autosave
from tests.node.clients.answering import (
    ANSWERS,
    MISMATCHES_MAX,
    REFUSED,
    SENT,
    Answering,
    Heard,
    answering,
    by_row,
    problem,
)
from universe.event import DESCRIPTION_BYTES_MAX

DEADLINE_S = 60.0


class Game:
    """Its saves, which the node that a test plays is told of."""

    def __init__(self, folder: Path, told: Answering) -> None:
        self.folder, self.told = folder, told
        self.open: list[Autosave] = []

    def __call__(
        self, url: str | None = None, *, waiting_max: int = 200, most_s: float = 0.01
    ) -> Autosave:
        """`url` "": no node is there. `most_s`: between tries."""
        saves = Autosave(
            self.folder, "universe:main", url=self.told.url if url is None else url, token="t",
            waiting_max=waiting_max, backoff_s=(most_s, most_s), blocked_s=0.01,
        )  # fmt: skip
        self.open.append(saves)
        return saves

    def names(self) -> list[str]:
        return sorted(one.name.lstrip("0") for one in self.folder.iterdir() if one.name != "lock")

    def ticks(self) -> list[int]:
        """That the node was told of."""
        return [int(one.query["tick"]) for one in self.told.heard]


@pytest.fixture
def told() -> Iterator[Answering]:
    with answering() as told:
        yield told


@pytest.fixture
def game(tmp_path: Path, told: Answering) -> Iterator[Game]:
    game = Game(tmp_path / "saves", told)
    yield game
    for saves in game.open:
        saves.close(DEADLINE_S)


class Locked:
    """A file that cannot be opened, as where a virus scanner has it; each change is one act."""

    def __init__(self, path: Path, beside: Path) -> None:
        self.path, self.beside = path, beside
        self.beside.mkdir(exist_ok=True)
        self.hidden = beside / path.name
        self.hidden.hardlink_to(path)
        link = beside / "link"
        link.symlink_to(beside, target_is_directory=True)
        link.replace(path)

    def open(self) -> None:
        self.hidden.replace(self.path)


def until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


@pytest.mark.parametrize(
    "row", range(len(ANSWERS)), ids=["-".join(map(str, one)) for one in ANSWERS]
)
def test_what_becomes_of_a_save_by_what_the_node_answers(
    told: Answering, game: Game, row: int
) -> None:
    told.answer = by_row(told)
    saves = game(f"{told.url}/{row}")
    saves.save(b"state", tick=7)
    assert saves.flush(DEADLINE_S)
    ending, status = ANSWERS[row][2], saves.status()
    is_refused = ending == REFUSED
    assert (status.sent, status.refused, status.dropped) == (not is_refused, is_refused, 0)
    assert len(told.heard) == (1 if ending in (SENT, REFUSED) else 3)
    assert len({one.key for one in told.heard}) == 1
    assert {one.body for one in told.heard} == {b"state"}
    assert game.names() == ["1.refused" if is_refused else "1.sent"]
    assert bool(status.problem) is is_refused
    if is_refused:
        said = "it is so" if ANSWERS[row][1] else f"status {ANSWERS[row][0]}: no JSON"
        assert status.problem == f"the node will not take a save: {said}"


def test_bytes_that_never_arrive_as_they_are_are_given_up(told: Answering, game: Game) -> None:
    row = ANSWERS.index((422, "checksum-mismatch", "waits"))
    told.answer = by_row(told, times=1_000)
    saves = game(f"{told.url}/{row}")
    saves.save(b"state", tick=7)
    assert saves.flush(DEADLINE_S)
    assert (saves.status().refused, len(told.heard)) == (1, MISMATCHES_MAX)


def test_the_node_is_told_when_a_save_was_made(told: Answering, game: Game) -> None:
    first = game("")
    path = first.save(b"early", tick=1)
    first.close(DEADLINE_S)
    line, _, state = path.read_bytes().partition(b"\n")
    head = json.loads(line) | {"at_ms": 1_700_000_000_000}
    path.write_bytes(json.dumps(head).encode() + b"\n" + state)
    assert game().flush(DEADLINE_S)
    assert told.heard[0].query == {"tick": "1", "type": "auto", "made_ms": "1700000000000"}


def test_a_universe_that_was_deleted_is_not_to_be_made_anew(told: Answering, game: Game) -> None:
    back = "universe:main is deleted: panspermia delete X --undo brings it back"
    said = ["no universe of that id is known", back, "nothing is at this address"]
    codes = ["unknown-record", "unknown-record", "not-found"]
    make = "; make it: panspermia universe create NAME --id universe:main"
    at = 0
    told.answer = lambda _: problem(404, codes[at], said[at])
    saves = game()
    saves.save(b"state", tick=1)
    until(lambda: saves.status().problem == said[0] + make)
    at = 1
    until(lambda: saves.status().problem == said[1])
    at = 2
    until(lambda: saves.status().problem == said[2])


# ── events ───────────────────────────────────────────────────────────────────────────────────────


def test_an_event_that_the_node_refuses_does_not_take_the_state_with_it(
    told: Answering, game: Game
) -> None:
    def answer(heard: Heard) -> tuple[int, object]:
        if "wrong" in heard.query.get("event", ""):
            return problem(422, "invalid-record", "/type: no type of events")
        return 201, {"success": True}

    told.answer = answer
    saves = game()
    saves.save(b"one", tick=1, kind="canonical", event={"type": "wrong"})
    saves.save(b"two", tick=2)
    assert saves.flush(DEADLINE_S)
    assert [(one.query.get("event"), one.query["type"]) for one in told.heard] == [
        ('{"type": "wrong"}', "canonical"), (None, "canonical"), (None, "auto"),
    ]  # fmt: skip
    assert told.heard[1].body == b"one"
    assert told.heard[0].key != told.heard[1].key
    status = saves.status()
    assert (status.sent, status.refused) == (2, 0)
    assert status.problem.startswith("the event of tick 1 was left out, and its state saved")
    assert "/type: no type of events" in status.problem
    saves.save(b"three", tick=3, kind="canonical", event={"type": "founded"})
    assert saves.flush(DEADLINE_S)
    assert saves.status().problem == "", "the next one is there"


def test_where_the_state_is_refused_as_well_it_is_put_aside(told: Answering, game: Game) -> None:
    told.answer = lambda _: problem(400, "bad-query")
    saves = game()
    saves.save(b"one", tick=1, kind="canonical", event={"type": "founded"})
    assert saves.flush(DEADLINE_S)
    assert (saves.status().refused, len(told.heard)) == (1, 2)


def test_an_event_waits_with_its_state_for_a_node_that_is_busy(told: Answering, game: Game) -> None:
    told.answer = lambda _: problem(503, "") if len(told.heard) < 3 else (201, {"success": True})
    saves = game()
    saves.save(b"one", tick=1, kind="canonical", event={"type": "founded"})
    assert saves.flush(DEADLINE_S)
    assert all("event" in one.query for one in told.heard)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({"description": "x" * 2_049}, "its description has 2,049 bytes, at most 2,048"),
        ({"description": "é" * 1_025}, "its description has 2,050 bytes, at most 2,048"),
        ({"entities": ["x" * 100] * 700}, "characters as JSON, at most 8,192"),
        ({"entities": ["水" * 100] * 70}, "bytes in an address, at most 61,440"),
        ({"description": "x" * 1_200_000}, "its description has 1,200,000 bytes"),
    ],
)
def test_an_event_that_is_too_long_is_left_out_at_once(
    told: Answering, game: Game, event: dict[str, Any], why: str
) -> None:
    saves = game()
    saves.save(b"state", tick=1, kind="canonical", event={"type": "founded", **event})
    assert why in saves.status().problem
    assert saves.flush(DEADLINE_S)
    (heard,) = told.heard
    assert (heard.body, heard.query["type"], "event" in heard.query) == (
        b"state",
        "canonical",
        False,
    )
    assert saves.status().problem.startswith("the event of tick 1 was left out, and its state")


def test_an_event_that_fits_is_told_as_it_is(told: Answering, game: Game) -> None:
    event = {
        "type": "founded",
        "title": "水" * 200,
        "description": "é" * 1_024,
        "souls": ["\ud83c"],
    }
    saves = game()
    saves.save(b"state", tick=1, kind="canonical", event=event)
    assert saves.flush(DEADLINE_S)
    assert json.loads(told.heard[0].query["event"]) == event
    assert saves.status().problem == ""


# ── files ────────────────────────────────────────────────────────────────────────────────────────


def test_a_save_that_cannot_be_opened_for_a_moment_is_sent_later(
    told: Answering, game: Game, tmp_path: Path
) -> None:
    first = game("")
    paths = [first.save(b"state %d" % tick, tick=tick) for tick in range(15)]
    first.close(DEADLINE_S)
    locked = [Locked(path, tmp_path / "scanner") for path in paths[:13]]
    saves = game(most_s=10 * DEADLINE_S)
    until(lambda: saves.status().sent == 2)
    until(lambda: "cannot be read now" in saves.status().problem)
    assert (saves.status().waiting, saves.status().refused) == (13, 0)
    saves.save(b"state 15", tick=15)
    until(lambda: saves.status().sent == 3)
    for one in locked:
        one.open()
    assert saves.flush(DEADLINE_S)
    assert (saves.status().sent, saves.status().refused, saves.status().dropped) == (16, 0, 0)
    assert game.ticks()[:3] == [13, 14, 15], "others go first"
    assert sorted(game.ticks()) == list(range(16))


def test_an_older_save_is_not_given_for_the_newest(game: Game, tmp_path: Path) -> None:
    saves = game("")
    saves.save(b"old", tick=1)
    path = saves.save(b"new", tick=2)
    locked = Locked(path, tmp_path / "scanner")
    with pytest.raises(IsADirectoryError):
        saves.latest()
    locked.open()
    latest = saves.latest()
    assert latest is not None
    assert latest.tick == 2


def test_what_cannot_be_read_is_not_taken_for_an_automatic_one(game: Game, tmp_path: Path) -> None:
    first = game("")
    path = first.save(b"founded", tick=1, kind="canonical")
    first.save(b"auto", tick=2)
    first.save(b"auto", tick=3)
    first.close(DEADLINE_S)
    locked = Locked(path, tmp_path / "scanner")
    saves = game("", waiting_max=3)
    until(lambda: "no address" in saves.status().problem)  # that one was passed over
    saves.save(b"auto", tick=4)
    locked.open()
    assert (saves.status().dropped, saves.status().waiting) == (1, 3)
    assert {"1.save", "4.save"} < set(game.names())
    assert len(game.names()) == 3


def test_what_is_refused_and_whole_is_counted_when_it_goes(
    told: Answering, game: Game, tmp_path: Path
) -> None:
    told.answer = lambda _: problem(400, "bad-query")
    saves = game()
    for tick in range(12):
        saves.save(b"state", tick=tick)
    assert saves.flush(DEADLINE_S)
    until(lambda: len(game.names()) == 10)
    assert (saves.status().refused, saves.status().dropped) == (12, 2)
    oldest = min(game.folder.glob("*.refused"))
    damaged = sorted(game.folder.glob("*.refused"))[1]
    damaged.write_bytes(b"half")
    locked = Locked(oldest, tmp_path / "scanner")
    for tick in range(2):
        saves.save(b"state", tick=tick)
    assert saves.flush(DEADLINE_S)
    until(lambda: not damaged.exists())
    locked.open()
    assert saves.status().dropped == 2, "one was damaged, and one could not be looked at"


def test_what_is_being_sent_is_not_dropped(told: Answering, game: Game) -> None:
    may_answer = threading.Event()

    def answer(heard: Heard) -> tuple[int, object]:
        assert may_answer.wait(DEADLINE_S)
        return 201, {"success": True}

    told.answer = answer
    saves = game(waiting_max=2)
    saves.save(b"state 1", tick=1)
    until(lambda: bool(told.heard))
    for tick in range(2, 6):
        saves.save(b"state %d" % tick, tick=tick)
    assert game.names() == ["1.save", "5.save"]
    may_answer.set()
    assert saves.flush(DEADLINE_S)
    assert (saves.status().sent, saves.status().dropped, game.ticks()) == (2, 3, [1, 5])


def test_the_disk_has_a_save_before_it_has_its_name(
    game: Game, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, str, int]] = []
    fsync, rename = os.fsync, os.replace

    def synced(file: int) -> None:
        path = Path(f"/proc/self/fd/{file}").readlink()
        calls.append(("synced", path.name, 0 if path.is_dir() else path.stat().st_size))
        fsync(file)

    def renamed(source: Path, target: Path) -> None:
        calls.append(("renamed", Path(target).name, 0))
        rename(source, target)

    saves = game("")
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    path = saves.save(b"x" * 100_000, tick=1)
    size = path.stat().st_size
    assert size > 100_000
    draft = path.with_suffix(".tmp").name
    assert calls == [("synced", draft, size), ("renamed", path.name, 0), ("synced", "saves", 0)]


@pytest.mark.parametrize(
    "state", [bytearray(b"abcd" * 3), memoryview(array("I", [1, 2, 3])), memoryview(b"abcdef")[::2]]
)
def test_states_of_other_kinds_are_kept_whole(game: Game, state: bytearray | memoryview) -> None:
    saves = game()
    saves.save(state, tick=1)
    assert saves.flush(DEADLINE_S)
    assert game.told.heard[0].body == bytes(state)
    assert saves.status().refused == 0


def test_what_cannot_be_put_aside_holds_up_no_other(told: Answering, game: Game) -> None:
    """As on Windows, where a scanner has it open; it is sent again with its key."""
    told.answer = lambda _: (201, {"success": True})
    saves = game("")
    path = saves.save(b"one", tick=1)
    saves.close(DEADLINE_S)
    held = path.with_suffix(".sent")
    (held / "by").mkdir(parents=True)
    saves = game()
    until(lambda: saves.status().problem.startswith(path.name))
    saves.save(b"two", tick=2)
    until(lambda: saves.status().sent == 1)
    (held / "by").rmdir()
    held.rmdir()
    assert saves.flush(DEADLINE_S)
    assert saves.status().sent == 2
    assert len({one.key for one in told.heard}) == 2


def test_more_than_a_first_line_holds_is_said_at_once(tmp_path: Path) -> None:
    saves = Autosave(tmp_path / "saves", "universe:main", media="x" * (1 << 20), home=tmp_path)
    with pytest.raises(ValueError, match="what is said of a save has"):
        saves.save(b"state", tick=1)
    assert not list((tmp_path / "saves").glob("*.save"))
    saves.close(DEADLINE_S)


def test_the_longest_description_is_that_of_a_node() -> None:
    assert panspermia_autosave.DESCRIPTION_BYTES_MAX == DESCRIPTION_BYTES_MAX


@pytest.mark.parametrize("code", ["universe-full", "record-full"])
def test_an_event_for_which_there_is_no_room_keeps_no_state_waiting(
    told: Answering, game: Game, code: str
) -> None:
    def answer(heard: Heard) -> tuple[int, object]:
        return problem(507, code) if "event" in heard.query else (201, {"success": True})

    told.answer = answer
    saves = game()
    saves.save(b"one", tick=1, kind="canonical", event={"type": "birth", "title": "Ada"})
    saves.save(b"two", tick=2)
    assert saves.flush(DEADLINE_S)
    assert [one.body for one in told.heard] == [b"one", b"one", b"two"]
    assert saves.status().sent == 2
    assert "the event of tick 1 was left out" in saves.status().problem


def test_a_node_that_does_not_know_when_a_save_was_made_gets_it_without(
    told: Answering, game: Game
) -> None:
    told.answer = lambda heard: (
        problem(400, "unknown-parameter") if "made_ms" in heard.query else (201, {"success": True})
    )
    saves = game()
    saves.save(b"one", tick=1)
    assert saves.flush(DEADLINE_S)
    assert (saves.status().sent, saves.status().problem) == (1, "")


@pytest.mark.parametrize("options", [{"tick": 1.5}, {"tick": 1 << 63}, {"tick": 1, "day": 3.5},
                                     {"tick": 1, "day": -1}])  # fmt: skip
def test_what_is_no_whole_number_is_refused_before_anything_is_kept(
    game: Game, options: dict[str, Any]
) -> None:
    saves = game("")
    with pytest.raises(ValueError, match="of a whole tick and day"):
        saves.save(b"state", **options)
    assert game.names() == []
    assert saves.status().waiting == 0
