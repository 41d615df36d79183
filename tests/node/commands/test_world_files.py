"""Folders of worlds as they lie on a disk: hostile ones too."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from node.commands.world_files import WorldFiles, world_files
from node.workers import worlds as workers
from registry.formats.errors import InvalidFile
from tests.storage.test_foreign_worlds import world_db
from tests.universe.formats.memory import as_json
from tests.universe.formats.saves import save, universe_part
from tests.universe.formats.test_primordium import LEGEND, LIVE, SAVED, lines
from tests.universe.formats.villages import entry, state, village
from universe.formats import About, Plan, WorldFormat, plan
from universe.formats.imported import Listing, LyingFile
from universe.formats.taking import pieces_of


def laid(top: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        place = top / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return top


def told(plan: Plan, about: About) -> list[str]:
    return [str(one) for one in plan.report.problems if one.about is about]


def test_a_server_is_found_by_what_lies_there(tmp_path: Path) -> None:
    files = village("universe:main", [entry(1, 1), entry(2, 2)], {"1.json.gz": state(1)})
    secret = tmp_path / "secret.json"
    secret.write_bytes(b"{}")
    top = laid(tmp_path / "server" / "data", files)
    (top / "universes/universe:main/snapshots/2.json.gz").symlink_to(secret)
    os.mkfifo(top / "universes/universe:main/snapshots/3.json.gz")
    found = world_files(tmp_path / "server")
    one = plan(found)
    assert one.format is WorldFormat.AI_VILLAGE
    (main,) = one.universes
    assert [each.tick for each in main.snapshots] == [1]
    assert b"".join(pieces_of(found, main.snapshots[0].source)) == state(1)
    outside = [line.rpartition("/")[2] for line in told(one, About.OUTSIDE)]
    assert outside == ["2.json.gz: a link, which is not followed", "3.json.gz: a pipe"]
    assert one.report.counts[About.MISSING] == 1


def test_a_file_that_became_a_link_meanwhile_is_not_followed(tmp_path: Path) -> None:
    files = village("universe:main", [entry(1, 1)], {"1.json.gz": state(1)})
    found = world_files(laid(tmp_path / "data", files))
    place = tmp_path / "data/universes/universe:main/snapshots/1.json.gz"
    place.unlink()
    place.symlink_to("/etc/hostname")
    one = plan(found)
    assert not one.universes[0].snapshots
    assert "cannot be read" in told(one, About.UNREADABLE)[0]


def test_a_bomb_is_refused_in_the_memory_of_a_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("universe.formats.unpacking.BOMB_BYTES", 1 << 20)
    bomb = gzip.compress(bytes(32 << 20), mtime=0)
    files = village("universe:main", [entry(1, 1)], {})
    files["universes/universe:main/snapshots/1.json.gz"] = bomb
    one = plan(world_files(laid(tmp_path, files)))
    assert not one.universes[0].snapshots
    assert "times its size" in told(one, About.UNREADABLE)[0]


def test_a_savefile_is_one_file_or_a_folder_of_them(tmp_path: Path) -> None:
    text = as_json(save(universe_part("universe:main", 3)))
    top = laid(tmp_path, {"a.json": text, "deeper/b.json.gz": gzip.compress(text, mtime=0)})
    laid(tmp_path, {"settings.json": b"{}"})
    for path in (top / "a.json", top):
        one = plan(world_files(path))
        assert one.format is WorldFormat.SAVEFILE
        assert [each.id for each in one.universes] == ["universe:main"]
        assert len(one.universes[0].snapshots) == 1
    assert plan(world_files(top), WorldFormat.SAVEFILE).report.counts[About.UNREADABLE] == 1


def test_a_world_of_primordium_with_its_database(tmp_path: Path) -> None:
    large = bytes(range(256)) * 9_000
    top = laid(
        tmp_path / "eden",
        {"save.json": SAVED, "logs/live.jsonl": LIVE, "logs/legends.json": lines(LEGEND)},
    )
    made = "CREATE TABLE world_snapshots (tick, a, b, c, world_data)"
    rows = [(1_000, large), (2_000, None), ("x", b"y"), (3_000, b"z")]
    world_db(top / "logs/world.db", rows, made)
    found = world_files(top)
    one = plan(found)
    (eden,) = one.universes
    assert (one.format, eden.id) == (WorldFormat.PRIMORDIUM, "universe:eden")
    by_tick = {each.tick: each for each in eden.snapshots}
    assert set(by_tick) == {1_000, 3_000, 4_200}
    assert by_tick[1_000].content.checksum == blake3(large).digest()
    assert b"".join(pieces_of(found, by_tick[1_000].source)) == large
    assert b"".join(pieces_of(found, by_tick[3_000].source)) == b"z"
    reasons = told(one, About.UNREADABLE)
    assert [line.rpartition(": ")[0] for line in reasons][1] == (
        "logs/world.db: world_snapshots, row 3"
    )
    assert len(reasons) == 2


def test_one_file_of_primordium_is_known_by_what_it_begins_with(tmp_path: Path) -> None:
    laid(tmp_path, {"Eden 7.json": SAVED})
    assert plan(world_files(tmp_path / "Eden 7.json")).universes[0].id == "universe:Eden 7"
    world_db(tmp_path / "kept.sqlite", [(5, b"state")])
    (one,) = plan(world_files(tmp_path / "kept.sqlite")).universes
    assert (one.id, one.snapshots[0].tick) == ("universe:kept", 5)


def test_a_state_that_cannot_be_read_to_its_end_is_refused_alone(tmp_path: Path) -> None:
    """The page after its first is cut off, and what came so far is no state."""
    path = world_db(tmp_path / "world.db", [(1, b"small"), (2, os.urandom(60_000))])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 30_000])
    with workers.states(path, "world.db") as read, pytest.raises(InvalidFile):
        assert [b"".join(pieces) for _, pieces in read]


def test_a_child_that_is_ended_is_a_reason(tmp_path: Path) -> None:
    path = world_db(tmp_path / "world.db", [(1, b"state")])
    with (
        pytest.raises(InvalidFile, match="cannot be read in time"),
        workers.states(path, "world.db", start_s=0.0) as read,
    ):
        assert [*read]


@pytest.mark.parametrize("name", ["nothing", "empty", "text.txt"])
def test_what_holds_no_world_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("no world")
    with pytest.raises(InvalidFile, match=r"cannot be read|holds no world"):
        plan(world_files(tmp_path / name))


class ReadFiles(WorldFiles):
    """Counts how often a file was read from its beginning."""

    times = 0

    def chunks(self, path: str) -> Iterator[bytes]:
        self.times += 1
        return super().chunks(path)


def test_a_file_of_many_universes_is_unpacked_once(tmp_path: Path) -> None:
    """What is small as a .gz would be unpacked for each of thousands."""
    parts = [universe_part(f"universe:{n}", n) for n in range(9)]
    name, data = "a.json.gz", gzip.compress(as_json(save(*parts)))
    top = laid(tmp_path, {name: data})
    files = ReadFiles(top, Listing("top", {name: LyingFile(len(data))}), is_folder=True)
    found = plan(files)
    states = [one.snapshots[0] for one in found.universes]
    sums = [blake3(b"".join(pieces_of(files, one.source))).digest() for one in states]
    assert sums == [one.content.checksum for one in states]
    assert len(sums) == 9
    looks = 2  # what it is, by its first bytes
    assert files.times <= looks + 1
