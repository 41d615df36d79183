"""A universe as files in the layout of another program: names and small files; states come between.

```
ai-village   universes/<id>/metadata.json, timeline.json, snapshots/<tick>.json.gz, …/canonical/…
savefile     <id>-<tick>.json, one SaveFile for each state
primordium   save.json, the newest state; logs/world.db, those of the simulation, one a tick
raw          universe.json and states/<tick>.<ending>, byte for byte
```
Beside the first three lies what they have no place for, in notes of ours that their programs pass
over: see `notes`.

What writes them asks for the names first (`laid_out`), writes each state there, and then the small
files (`small_files`), in which the sizes and sums of what was written stand.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from blake3 import blake3

from universe.formats.between import passage_json
from universe.formats.canonical import sha256_of
from universe.formats.decays import decay_json
from universe.formats.file_names import escaped
from universe.formats.imported import BINARY_MEDIA, JSON_MEDIA, WorldFormat
from universe.formats.index_out import index_json, notes_json
from universe.formats.leaving import Laid, OutSnapshot, OutUniverse, Written
from universe.formats.notes import NOTES
from universe.formats.primordium import DATABASES, LOGS, SAVE
from universe.formats.raw import INDEX
from universe.formats.savefile import PART, UNIVERSE_SCHEMA, VERSION, is_savefile
from universe.snapshot import kind_sent

NAME_BYTES_MAX: Final = 180
"""Of a name that is made of an id: most systems take 255 with what is added to it."""
PROGRAM: Final = "https://aivillage.dev"


def laid_out(
    universe: OutUniverse, format: WorldFormat, *, is_escaped: bool = False
) -> tuple[tuple[Laid, ...], tuple[OutSnapshot, ...]]:
    """Where each state goes, and those for which the format has no place.

    Several may go to one place: the first of them that its program can read is to go there.
    `is_escaped`: where the system takes no `:` in the names of files.
    """
    if format is WorldFormat.PRIMORDIUM:
        return _primordium(universe)
    taken: set[str] = set()
    laid: list[Laid] = []
    left: list[OutSnapshot] = []
    order = _by_bytes if format is WorldFormat.SAVEFILE else _order
    for one in sorted(universe.snapshots, key=order):
        is_json = _is_json(one)
        if format is not WorldFormat.RAW and not is_json:
            left.append(one)
            continue
        folder, name, ending = _place(universe, one, format, is_json, is_escaped)
        if f"{name}{ending}" in taken:  # several at one tick are normal
            name = f"{name}-{(one.checksum or one.id)[:16]}"
        plain, copies = name, 1
        while f"{name}{ending}" in taken:  # of the same bytes too
            copies += 1
            name = f"{plain}-{copies}"
        taken.add(f"{name}{ending}")
        laid.append(Laid(one, folder, f"{name}{ending}", ending.endswith(".gz")))
    return tuple(laid), tuple(left)


def _order(one: OutSnapshot) -> tuple[object, ...]:
    """What a fork began with, then by time; nothing in it differs from author to author."""
    return not one.is_inherited, one.at_us, one.tick, one.checksum, one.kind, one.id


def _by_bytes(one: OutSnapshot) -> tuple[object, ...]:
    """A SaveFile has a time of its own, which need not be when its snapshot was taken."""
    return not one.is_inherited, one.tick, one.checksum, one.id


def _primordium(universe: OutUniverse) -> tuple[tuple[Laid, ...], tuple[OutSnapshot, ...]]:
    """As a save those that may be one, the newest first; of each tick the newest binary one."""
    kept: dict[int, OutSnapshot] = {}
    saves: list[OutSnapshot] = []
    for one in sorted(universe.snapshots, key=_order):
        if _is_json(one):
            saves.insert(0, one)
        elif one.media.partition(";")[0].strip().lower() == BINARY_MEDIA:
            kept[one.tick] = one
    laid = [Laid(one, LOGS, DATABASES[0], is_row=True) for one in kept.values()]
    laid += [Laid(one, "", SAVE) for one in saves]
    ids = {one.snapshot.id for one in laid}
    return tuple(laid), tuple(one for one in universe.snapshots if one.id not in ids)


def _is_json(one: OutSnapshot) -> bool:
    return one.media.partition(";")[0].strip().lower() == JSON_MEDIA


def small_files(
    universe: OutUniverse,
    format: WorldFormat,
    laid: Sequence[Laid],
    written: Mapping[str, Written],
    *,
    is_escaped: bool = False,
) -> dict[str, bytes]:
    """By their paths; `written` by the id of the snapshot."""
    match format:
        case WorldFormat.AI_VILLAGE:
            folder = f"universes/{folder_of(universe.id, is_escaped)}"
            entries = [_entry(one, written[one.snapshot.id]) for one in laid]
            timeline = {
                "universeId": universe.id,
                "snapshots": entries,
                "lastUpdated": max((one["timestamp"] for one in entries), default=0),
            }
            return {
                f"{folder}/metadata.json": as_text(_metadata(universe, entries)),
                f"{folder}/timeline.json": as_text(timeline),
                f"{folder}/{NOTES}": as_text(notes_json(universe, laid, folder)),
            }
        case WorldFormat.RAW:
            return {INDEX: as_text(index_json(universe, laid, written))}
        case WorldFormat.SAVEFILE:  # of several universes all may lie in one folder
            name = f"{folder_of(universe.id, is_escaped=True)}.{NOTES}"
            return {name: as_text(notes_json(universe, laid))}
        case WorldFormat.PRIMORDIUM:
            return {NOTES: as_text(notes_json(universe, laid))}


def folder_of(id: str, is_escaped: bool) -> str:
    """A name for the folder of a universe: its id, where that is a name and leads nowhere."""
    plain = not is_escaped and not id.startswith(".") and "\\" not in id and "%" not in id
    name = id if plain else escaped(id)
    if len(name.encode()) > NAME_BYTES_MAX:
        name = f"{escaped(id)[:100].rstrip('%. ')}-{blake3(id.encode()).hexdigest()[:16]}"
    return name


def _place(
    universe: OutUniverse, one: OutSnapshot, format: WorldFormat, is_json: bool, is_escaped: bool
) -> tuple[str, str, str]:
    """Folder, name, ending."""
    match format:
        case WorldFormat.AI_VILLAGE:
            folder = f"universes/{folder_of(universe.id, is_escaped)}/snapshots"
            if one.kind == "canonical" and one.event:
                key = f"{escaped(one.event.type)}_{one.day or 0}_{one.at_us // 1_000}"
                return folder, f"canonical/{key}", ".json.gz"
            return folder, str(one.tick), ".json.gz"
        case WorldFormat.SAVEFILE:
            return "", f"{folder_of(universe.id, is_escaped=True)}-{one.tick}", ".json"
        case _:
            return "states", str(one.tick), ".json" if is_json else ".bin"


def _metadata(universe: OutUniverse, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": universe.id,
        "name": universe.name,
        "ownerId": universe.owner,
        "createdAt": universe.created_us // 1_000,
        "lastSnapshotAt": max((one["timestamp"] for one in entries), default=0),
        "snapshotCount": len(entries),
        "canonicalEventCount": sum(one["type"] == "canonical" for one in entries),
        "isPublic": universe.is_public,
    }
    if fork := universe.fork_of:
        found["forkOf"] = {"universeId": fork.universe, "snapshotTick": fork.tick}
    if universe.config:
        found["config"] = json.loads(universe.config)
    return found


def _entry(one: Laid, written: Written) -> dict[str, Any]:
    snapshot = one.snapshot
    found: dict[str, Any] = {
        "tick": snapshot.tick,
        "timestamp": snapshot.at_us // 1_000,
        "day": snapshot.day or 0,
        # As the program has its copy of it: the event is the parent's.
        "type": "manual" if snapshot.is_inherited else kind_sent(snapshot.kind),
    }
    if snapshot.is_inherited:
        found["inherited"] = True
    if event := snapshot.event:
        found["canonEvent"] = {
            "type": event.type,
            "title": event.title,
            "description": event.description,
            "day": event.day or 0,
            "importance": event.importance,
            "entities": [*event.entities],
        }
    if snapshot.decay:
        found["decayPolicy"] = decay_json(snapshot.decay)
    return found | {
        "fileSize": written.size,
        "checksum": written.sha256.hex(),
        "filename": one.name,
    }


def as_text(value: object) -> bytes:
    """As it lies in a file."""
    return json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"


def around(universe: OutUniverse, one: OutSnapshot, head: bytes) -> tuple[bytes, bytes] | None:
    """What stands before and behind a state in its SaveFile; None where it belongs into none.

    `head`: what the state begins with. A SaveFile is itself; of a part of one the part stays as it
    is, so that it is found again.
    """
    if is_savefile(head):
        return b"", b""
    if UNIVERSE_SCHEMA not in head:
        return None
    ms = one.at_us // 1_000
    schema = f"{PROGRAM}/schemas"
    header = {
        "createdAt": ms,
        "lastSavedAt": ms,
        "playTime": 0,
        "gameVersion": "0.1.0",
        "formatVersion": VERSION,
        "name": universe.name,
        "description": PART,
    }
    times = {"absoluteTick": str(one.tick), "originTimestamp": ms, "currentTimestamp": ms}
    multiverse = {
        "$schema": f"{schema}/multiverse/v1",
        "$version": 1,
        "time": {**times, "realTimeElapsed": 0},
        "config": {},
    }
    told = {"$schema": f"{schema}/savefile/v1", "$version": VERSION, "header": header}
    before = json.dumps({**told, "multiverse": multiverse}, ensure_ascii=False)[:-1]
    sums: dict[str, Any] = {"overall": "", "universes": {}, "multiverse": sha256_of(multiverse)}
    passages = [passage_json(one) for one in universe.passages]
    behind = json.dumps({"passages": passages, "checksums": sums})[1:]
    return f'{before}, "universes": ['.encode(), f"], {behind}\n".encode()
