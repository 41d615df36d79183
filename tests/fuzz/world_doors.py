"""The doors of `universe.formats`: worlds that other programs left."""

import hashlib
from collections.abc import Sequence

from blake3 import blake3

from registry.formats.errors import InvalidFile, Place
from tests.universe.formats.memory import MemoryFiles, as_json, packed
from tests.universe.formats.saves import save, universe_part
from tests.universe.formats.test_primordium import LEGEND, LIVE, SAVED, lines
from tests.universe.formats.villages import entry, state, village
from universe.event import decode_event, encode_event
from universe.formats import (
    Plan,
    plan_ai_village,
    plan_primordium,
    plan_savefiles,
    world_folders,
)
from universe.formats.notes import NOTES
from universe.formats.notes import TYPE as NOTES_TYPE
from universe.formats.raw import TYPE, plan_raw
from universe.formats.spans import Cursor
from universe.formats.unpacking import PIECE_BYTES, Unpacking
from universe.names import parse_universe_id

PLAIN_BYTES_MAX = 2 << 20
TIMELINE = "universes/universe:main/timeline.json"
SAVE = "snapshots/5.json.gz"
METADATA = "universes/universe:main/metadata.json"


def look_through(data: bytes) -> None:
    """What the cursor takes, it takes to the end; its parts lie in each other."""
    cursor = Cursor(data, "file")
    _walk(cursor, data, 3)
    cursor.end()


def _walk(cursor: Cursor, data: bytes, depth: int) -> None:
    if depth and cursor.is_object:
        for _ in cursor.members():
            _walk(cursor, data, depth - 1)
    elif depth and cursor.is_list:
        for _ in cursor.items():
            _walk(cursor, data, depth - 1)
    else:
        start, end = cursor.span()
        assert 0 <= start < end <= len(data)


def unpack(data: bytes) -> None:
    """However it is cut, the same comes out."""
    whole = _unpacked(data, len(data) or 1)
    assert _unpacked(data, 7) == whole
    assert len(whole) <= PLAIN_BYTES_MAX


def _unpacked(data: bytes, step: int) -> bytes:
    unpacking = Unpacking("file", PLAIN_BYTES_MAX)
    pieces: list[bytes] = []
    for start in range(0, len(data), step):
        pieces += unpacking.feed(data[start : start + step])
    pieces += unpacking.close()
    assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)
    return b"".join(pieces)


def read_timeline(data: bytes) -> None:
    hold(plan_ai_village(MemoryFiles({**_main(), TIMELINE: data})))


def read_metadata(data: bytes) -> None:
    hold(plan_ai_village(MemoryFiles({**_main(), METADATA: data})))


def read_save(data: bytes) -> None:
    files = MemoryFiles({"save.json": data})
    plan = plan_savefiles(files, ["save.json"])
    for one in plan.universes:
        for snapshot in one.snapshots:
            assert files.taken(snapshot.source)
    hold(plan)


def read_saved_world(data: bytes) -> None:
    _hold_world({"save.json": data})


def read_log(data: bytes) -> None:
    _hold_world({"logs/live.jsonl": data, "logs/legends.json": data})


def _hold_world(lying: dict[str, bytes]) -> None:
    files = MemoryFiles(lying)
    hold(plan_primordium(files, world_folders(files.listing)))


def read_index(data: bytes) -> None:
    states = {"states/5.json": state(5), "states/6.bin": b"six"}
    hold(plan_raw(MemoryFiles({**states, "universe.json": data}), [""]))


def read_notes(data: bytes) -> None:
    folder = "universes/universe:main"
    hold(plan_ai_village(MemoryFiles({**_main(), f"{folder}/panspermia.json": data})))
    part = as_json({**save(universe_part("universe:main", 5)), "header": {"lastSavedAt": 1}})
    hold(plan_savefiles(MemoryFiles({"snapshots/5.json.gz": part, NOTES: data}), [SAVE]))


def hold(plan: Plan) -> None:
    """What a plan promises can be made. Raises `InvalidFile` where something was refused."""
    for one in plan.universes:
        assert parse_universe_id(one.id) == one.id
        assert one.name
        for snapshot in one.snapshots:
            assert snapshot.tick >= 0
            assert snapshot.at_us >= 0
            assert snapshot.content.size
            assert snapshot.event is None or snapshot.event in one.events
        places = {snapshot.source for snapshot in (*one.snapshots, one.copy) if snapshot}
        assert all(source in places for _, source in one.named)
        for event in (*one.events, *(event for event, _ in one.named)):
            assert decode_event(encode_event(event)) == event
    for problem in plan.report.problems:
        assert str(problem).isprintable()
    if plan.report.refused:
        raise InvalidFile("data", Place(), str(plan.report.problems[0]))


def _main() -> dict[str, bytes]:
    event = {
        "type": "agent:born",
        "title": "Ada",
        "description": "is born",
        "day": 3,
        "importance": 7.5,
        "entities": ["entity-1", "entity-2"],
    }
    entries = [entry(0, 1), entry(5, 2), entry(7, 3, type="canonical", canonEvent=event)]
    fork = {"universeId": "universe:b", "snapshotTick": 3}
    states = {"5.json.gz": state(5), "7.json.gz": state(7)}
    return village("universe:main", entries, states, forkOf=fork, config={"timeScale": 1.5})


def timeline_seeds() -> Sequence[bytes]:
    return [_main()[TIMELINE], as_json({"snapshots": [{}, 7, entry(1 << 40, 1)]})]


def metadata_seeds() -> Sequence[bytes]:
    return [_main()[METADATA], as_json({"id": "universe:x", "config": [], "forkOf": 1})]


def save_seeds() -> Sequence[bytes]:
    parts = [universe_part("universe:main", 7), universe_part("universe:b", 9)]
    whole = [{**save(*parts[:count]), "header": {"lastSavedAt": 1}} for count in (1, 2)]
    return [*map(as_json, whole), packed(as_json(whole[0]))]


def saved_world_seeds() -> Sequence[bytes]:
    return [SAVED, packed(SAVED), b'{"tick": 3, "width": 9}']


def log_seeds() -> Sequence[bytes]:
    return [LIVE, lines(LEGEND), lines({"event": "Extinction", "tick": 3})]


def index_seeds() -> Sequence[bytes]:
    told = {"tick": 5, "at_us": 7, "type": "birth", "title": "Ada", "entities": ["a"]}
    snapshot = {
        "file": "states/5.json",
        "tick": 5,
        "kind": "auto",
        "at_us": 3,
        "media": "application/json",
        "sha256": hashlib.sha256(state(5)).hexdigest(),
        "event": told,
    }
    fork = {"universe": "universe:b", "tick": 3}
    index = {"type": TYPE, "id": "universe:main", "name": "Main", "fork_of": fork, "config": "{}"}
    return [as_json({**index, "snapshots": [snapshot, 7], "events": [told, 7]}), as_json(index)]


def notes_seeds() -> Sequence[bytes]:
    told = {"tick": 5, "at_us": 7, "type": "birth", "title": "Ada", "entities": ["a"]}
    checksum = blake3(state(5)).hexdigest()
    point = {"tick": 5, "checksum": checksum, "file": SAVE}
    notes = {
        "type": NOTES_TYPE,
        "id": "universe:main",
        "tags": ["a", "b"],
        "license": "MIT",
        "card": "# A",
        "retention": '{"auto":{"newest":5}}',
        "fork_of": {"universe": "universe:b", "tick": 3, "checksum": checksum},
        "snapshots": [{**point, "kind": "manual", "media": "application/json", "event": told}],
        "events": [{**told, "title": "Eve", "snapshot": point}, told, 7],
    }
    return [as_json(notes), as_json({"type": NOTES_TYPE, "id": "universe:x"})]


def text_seeds() -> Sequence[bytes]:
    deep = b"[" * 40 + b"]" * 40
    return [state(3), _main()[TIMELINE], b'\xef\xbb\xbf{"a":"\\u00e4\\"]"}', deep, b"-1.5e3"]


def packed_seeds() -> Sequence[bytes]:
    one = packed(state(3))
    return [one, one + packed(state(4)) + bytes(9), state(5), packed(bytes(1 << 21)), b"\x1f"]
