"""Folders that are small as they lie, and would take hours or all memory as they are read."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from crdt.blob import BLOB_BYTES_MAX
from tests.universe.formats.memory import MemoryFiles, as_json, packed
from tests.universe.formats.villages import entry, state, village
from universe.formats import About, Plan, WorldFormat, budget, plan
from universe.formats.imported import Listing, LyingFile
from universe.formats.notes import TYPE as NOTES_TYPE
from universe.formats.raw import TYPE

STATE = b"state" * 1_000


class ReadFiles(MemoryFiles):
    """Counts how often each is read from its beginning; the planner's first look is one."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(files)
        self.read: Counter[str] = Counter()

    def chunks(self, path: str) -> Iterator[bytes]:
        self.read[path] += 1
        return super().chunks(path)


def index(id: str, ticks: int = 0, type: str = TYPE) -> bytes:
    sha256 = hashlib.sha256(STATE).hexdigest()
    listed = [{"file": "states/1.bin", "tick": tick, "sha256": sha256} for tick in range(ticks)]
    events = [{"tick": 1, "type": "war", "title": "x" * 100}]
    return as_json({"type": type, "id": id, "name": id, "events": events, "snapshots": listed})


def reasons(found: Plan) -> list[str]:
    return [one.reason for one in found.report.problems]


def test_a_file_that_many_entries_name_is_read_once() -> None:
    files = ReadFiles({"universe.json": index("universe:a", 50), "states/1.bin": STATE})
    (one,) = plan(files).universes
    assert [each.tick for each in one.snapshots] == [*range(50)]
    assert files.read["states/1.bin"] == 1
    empty = ReadFiles({"universe.json": index("universe:a", 9), "states/1.bin": b""})
    found = plan(empty)
    assert (found.universes[0].snapshots, empty.read["states/1.bin"]) == ((), 1)
    assert reasons(found) == ["is empty"] * 9


def test_a_file_that_is_larger_than_any_state_is_not_read() -> None:
    """A sparse one takes no room on a disk."""
    files = ReadFiles({"universe.json": index("universe:a", 3), "states/1.bin": STATE})
    lying = {**files.listing.files, "states/1.bin": LyingFile(BLOB_BYTES_MAX + 1)}
    files.listing = Listing("data", lying)
    found = plan(files)
    assert found.universes[0].snapshots == ()
    assert reasons(found) == [f"{BLOB_BYTES_MAX + 1:,} bytes, at most {BLOB_BYTES_MAX:,}"] * 3
    assert "states/1.bin" not in files.read


@pytest.mark.parametrize("type", [TYPE, NOTES_TYPE])
def test_of_indexes_and_of_notes_so_many_bytes_are_taken(
    monkeypatch: pytest.MonkeyPatch, type: str
) -> None:
    """As they are unpacked; what was read before counts, and nothing is read beyond."""
    name = "universe.json" if type == TYPE else "panspermia.json"
    plain = [index(f"universe:{letter}", type=type) for letter in "abcd"]
    monkeypatch.setattr(budget, "ALL_INDEXES_BYTES_MAX", 3 * len(plain[0]) - 1)
    files = ReadFiles({f"{n}/{name}": packed(data) for n, data in enumerate(plain)})
    found = plan(files)
    assert sorted(one.id for one in found.universes) == ["universe:a", "universe:b"]
    assert [one.partition(" bytes")[0] for one in reasons(found)] == [
        f"beyond {3 * len(plain[0]) - 1:,}"
    ] * 2
    looks = 1 if type == TYPE else 0
    assert [files.read[f"{n}/{name}"] - looks for n in range(4)] == [1, 1, 1, 0]


def test_of_all_indexes_so_many_entries_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "ALL_LISTED_MAX", 7)
    states = {f"{n}/states/1.bin": STATE for n in range(3)}
    files = {f"{n}/universe.json": index(f"universe:{n}", 2) for n in range(3)}
    found = plan(MemoryFiles({**files, **states}), WorldFormat.RAW)
    assert [one.id for one in found.universes] == ["universe:0", "universe:1"]
    assert reasons(found) == ["beyond 7 states and events in all such files together"]


def test_of_a_servers_small_files_so_many_bytes_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may be a .gz of a thousandth; its states are what their names say then."""
    files: dict[str, bytes] = {}
    for letter in "abcd":
        states = {"7.json.gz": state(7)}
        files |= village(f"universe:{letter}", [entry(7, 1)] * 100, states)
    lines = {path: packed(data) for path, data in files.items() if path.endswith("timeline.json")}
    one = len(files["universes/universe:a/timeline.json"])
    monkeypatch.setattr(budget, "ALL_INDEXES_BYTES_MAX", 3 * one - 1)
    read = ReadFiles({**files, **lines})
    found = plan(read)
    assert [one.id for one in found.universes] == [f"universe:{letter}" for letter in "abcd"]
    assert [[each.tick for each in one.snapshots] for one in found.universes] == [[7]] * 4
    refused = [one for one in found.report.problems if one.about is About.UNREADABLE]
    assert [one.reason.partition(" bytes")[0] for one in refused] == [f"beyond {3 * one - 1:,}"] * 3
    assert [read.read[path] for path in sorted(lines)] == [1, 1, 1, 0]
    assert read.read["universes/universe:d/metadata.json"] == 0
