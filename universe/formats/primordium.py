"""A folder in which a world of Primordium lives: its save, the states that it kept, what it logged.

```
save.json               {"version": 1, "world": {width, height, tick, …}}; before: the world alone
logs/live.jsonl         one event to a line: {"event": "Extinction", "tick", "timestamp", …}
logs/legends.json       one legend to a line: {id, lineage_id, death_tick, offspring_count, …}
logs/world.db,          world_snapshots(tick, pop_count, carbon_level, energy_total, world_data);
registry.db             of the server the latter, beside genomes and seeds
```
A folder is one universe, called after it. Of its events those are taken that change a world; births
and deaths are counted, for there are millions. States in a database are binary, and stay so.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from registry.errors import InvalidName
from registry.formats.errors import InvalidFile, Place
from registry.formats.json_text import compact
from registry.formats.texts import line_of, name_of
from registry.manifest import NAME_CHARACTERS_MAX
from universe.formats.between import each_once
from universe.formats.chronicle import Chronicle
from universe.formats.claims import TICK_MAX, whole_of
from universe.formats.costs import Costs, about_of
from universe.formats.events import at_of
from universe.formats.imported import (
    BINARY_MEDIA,
    About,
    Files,
    ImportedSnapshot,
    ImportedUniverse,
    Listing,
    Plan,
    Report,
    Source,
    WorldFormat,
)
from universe.formats.limits import CONFIG_BYTES_MAX, SAVE_BYTES_MAX
from universe.formats.merging import once
from universe.formats.notes import Notes
from universe.formats.origins import with_origins
from universe.formats.spans import Cursor
from universe.formats.taking import content_of, head_of, read
from universe.names import PREFIX, parse_new_id

SAVE: Final = "save.json"
LIVE: Final = "live.jsonl"
LEGENDS: Final = "legends.json"
TABLE: Final = "world_snapshots"
LOGS: Final = "logs"
SQLITE: Final = b"SQLite format 3\0"
DATABASES: Final = ("world.db", "registry.db")
VERSION: Final = 1


def world_folders(listing: Listing) -> dict[str, list[str]]:
    """Folders in which a world lives, by their paths, each with its files."""
    found: dict[str, list[str]] = {}
    for path in sorted(listing.files):
        folder, _, name = path.rpartition("/")
        above, _, last = folder.rpartition("/")
        if name in (SAVE, LIVE, LEGENDS, *DATABASES):
            found.setdefault(above if last == LOGS else folder, []).append(path)
    return found


def plan_primordium(files: Files, folders: Mapping[str, Sequence[str]]) -> Plan:
    """Whatever of them can be read; the rest is in the report."""
    report = Report()
    for path, why in files.listing.passed_over:
        report.tell(About.OUTSIDE, path, why)
    universes: dict[str, ImportedUniverse] = {}
    notes = Notes(files, report)
    costs = Costs(files.listing.files[path] for paths in folders.values() for path in paths)
    for folder, paths in folders.items():
        one = _universe(files, folder, paths, notes, report, costs)
        where = folder or files.listing.name
        if not one.snapshots and not one.events:
            report.tell(About.MISSING, where, "holds no state of a world that can be read")
        elif one.id in universes:
            report.tell(About.SAME_ID, where, f"another folder before it is {one.id} too")
        else:
            universes[one.id] = one
    notes.tell()
    ordered = with_origins([*universes.values()], report)
    return Plan(WorldFormat.PRIMORDIUM, ordered, report, *each_once(*notes.beside(), report))


def _universe(
    files: Files,
    folder: str,
    paths: Sequence[str],
    notes: Notes,
    report: Report,
    costs: Costs,
) -> ImportedUniverse:
    where = folder or files.listing.name
    last = where.rpartition("/")[2]
    is_file = last in files.listing.files and not folder
    name = name_of(last) if is_file else line_of(last, NAME_CHARACTERS_MAX)
    chronicle = Chronicle(where, report)
    snapshots: list[ImportedSnapshot] = []
    config = ""
    for path in sorted(paths, key=lambda path: path.endswith(DATABASES)):  # dates come first
        try:
            last = path.rpartition("/")[2]
            if last == LIVE:
                chronicle.read_live(files, path)
            elif last == LEGENDS:
                chronicle.read_legends(files, path)
            elif last in DATABASES or head_of(files, path, len(SQLITE)) == SQLITE:
                snapshots += _stored(files, path, chronicle.states, report)
            else:
                saved, config = _saved(files, path, notes, report, costs)
                snapshots.append(saved)
        except InvalidFile as wrong:
            report.refuse(wrong, about_of(wrong))
    chronicle.tell()
    found = ImportedUniverse(
        id=_id(name),
        name=name or "Primordium",
        snapshots=once([notes.on(one)[0] for one in snapshots], report),
        events=chronicle.events,
        config=config,
    )
    index = notes.in_folder(folder)
    return found if index is None else notes.of(index, found)


def _id(name: str) -> str:
    try:
        return parse_new_id(f"{PREFIX}{name}")
    except InvalidName:
        return f"{PREFIX}primordium"


def is_save(data: bytes) -> bool:
    """Whether that is a save.json: a world with a tick."""
    try:
        return whole_of(_told(data, SAVE).get("tick")) is not None
    except InvalidFile:
        return False


def _saved(
    files: Files, path: str, notes: Notes, report: Report, costs: Costs
) -> tuple[ImportedSnapshot, str]:
    """The state, and its settings as JSON. Raises `InvalidFile`."""
    costs.begin(path)
    told = _told(costs.unpacked(read(files, path, SAVE_BYTES_MAX), path), path, costs)
    version = told.get("version")
    if "world" in told and version != VERSION:
        reason = f"is {version!r:.20}, and what is known is version {VERSION}"
        report.tell(About.CLAIM, path, reason, Place(pointer="/version"))
    tick = whole_of(told.get("tick"))
    if tick is None:
        tick = notes.tick_at(path)
    if tick is None:
        place = Place(pointer="/world/tick" if "world" in told else "/tick")
        raise InvalidFile(path, place, f"is no whole number from 0 to {TICK_MAX}")
    source = Source(path, is_packed=True)
    at_us = at_of(files.listing.files[path].changed_us)
    saved = ImportedSnapshot(source, content_of(files, source), tick, at_us, "manual")
    return saved, told.get("config", "")


def _told(data: bytes, path: str, costs: Costs | None = None) -> dict[str, Any]:
    """What is looked at in a save. Raises `InvalidFile`."""
    cursor = Cursor(data, path, costs)
    told: dict[str, Any] = {}
    for key in cursor.members():
        match key:
            case "version":
                told[key] = cursor.value()
            case "world":
                told |= {"world": True, **_of_world(cursor, data)}
            case "tick" | "config":  # the oldest form, which is the world alone
                _take(key, cursor, data, told)
            case _:
                pass
    cursor.end()
    return told


def _of_world(cursor: Cursor, data: bytes) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for key in cursor.members():
        if key in ("tick", "config"):
            _take(key, cursor, data, told)
    return told


def _take(key: str, cursor: Cursor, data: bytes, told: dict[str, Any]) -> None:
    if key == "tick":
        told[key] = cursor.value()
    elif cursor.is_object:
        start, end = cursor.span()
        text = compact(data[start:end].decode()) if end - start <= 4 * CONFIG_BYTES_MAX else ""
        told[key] = text if len(text.encode()) <= CONFIG_BYTES_MAX else ""


def _stored(
    files: Files, path: str, states: Mapping[int, int], report: Report
) -> Iterator[ImportedSnapshot]:
    """Raises `InvalidFile`."""
    changed_us = at_of(files.listing.files[path].changed_us)
    for one in files.worlds(path):
        tick = whole_of(one.tick)
        if one.content is None or tick is None:
            reason = one.reason or f"its tick is no whole number from 0 to {TICK_MAX}"
            report.tell(About.UNREADABLE, path, reason, Place(table=TABLE, row=one.row))
            continue
        yield ImportedSnapshot(
            source=Source(path, row=one.row),
            content=one.content,
            tick=tick,
            at_us=states.get(tick) or changed_us,
            media=BINARY_MEDIA,
        )
