"""A SaveFile of ai_village: one or several universes in one JSON text, each in one state.

```
{"$schema": "https://…/savefile/v1", "$version": 1, "header": {createdAt, lastSavedAt, name, …},
 "multiverse": {…},
 "universes": [{identity: {id, name, createdAt, parentId?, forkedAtTick?},
                time: {universeTick: "9001", day, forkPoint?: {parentUniverseId, …}},
                config, entities, worldState, checksums: {entities, components, worldState}}, …],
 "passages": […], "player"?: …, "checksums": {overall, universes: {id: …}, multiverse}}
```
Of a file with one universe all of the file is its snapshot; of several each has its own part of
it, byte by byte. Checksums are SHA-256 or a hash of 32 bits: the former are checked.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from registry.errors import InvalidName
from registry.formats.errors import InvalidFile, Place
from registry.manifest import NAME_CHARACTERS_MAX
from universe.formats.between import each_once, passages_of
from universe.formats.claims import TICK_MAX, Claims, whole_of
from universe.formats.costs import Costs, about_of
from universe.formats.events import at_of
from universe.formats.file_names import escaped
from universe.formats.imported import (
    About,
    Files,
    ForkOf,
    ImportedPassage,
    ImportedSnapshot,
    ImportedUniverse,
    Plan,
    Report,
    Source,
    WorldFormat,
)
from universe.formats.merging import merged
from universe.formats.notes import Notes
from universe.formats.origins import Beside, with_origins
from universe.formats.outline import PARTS_OF_FILE, Outline, Span, outline_of
from universe.formats.sums import Sums, check_sums
from universe.formats.taking import content_of
from universe.names import parse_new_id

SCHEMA: Final = b"schemas/savefile/"
UNIVERSE_SCHEMA: Final = b"schemas/universe/"
VERSION: Final = 1
PART: Final = "One universe, taken out of a SaveFile with several."
"""The description of a SaveFile of ours, of which the one universe in it is the state."""


def is_savefile(head: bytes) -> bool:
    """By what a file begins with, unpacked."""
    return SCHEMA in head


def plan_savefiles(files: Files, paths: list[str]) -> Plan:
    """Several files too: states of one universe in several of them are one universe."""
    report = Report()
    for path, why in files.listing.passed_over:
        report.tell(About.OUTSIDE, path, why)
    universes: list[ImportedUniverse] = []
    notes = Notes(files, report)
    passages, players = notes.beside()
    costs = Costs(files.listing.files[path] for path in paths)
    known = {one.id for one in passages}
    for path in paths:
        try:
            found, between = read_savefile(files, path, report, costs)
        except InvalidFile as wrong:
            report.refuse(wrong, about_of(wrong))
            continue
        universes += [_noted(one, notes) for one in found]
        passages += [one for one in between if one.id not in known]
    notes.tell()
    whole = _said(merged(universes, report), notes)
    copies = _copies(whole, universes)
    ordered = with_origins(_without_strays(whole, copies, universes), report, copies)
    return Plan(WorldFormat.SAVEFILE, ordered, report, *each_once(passages, players, report))


def _noted(one: ImportedUniverse, notes: Notes) -> ImportedUniverse:
    """With what our notes say of the state in it: also of which universe here it is one."""
    (snapshot,) = one.snapshots
    snapshot, index = notes.on(snapshot)
    return one if index is None else replace(one, id=index.id, snapshots=(snapshot,))


def _said(universes: Sequence[ImportedUniverse], notes: Notes) -> list[ImportedUniverse]:
    """With what our notes say of each universe; one without a state is in its notes alone."""
    by_id = {one.id: one for one in universes}
    for index in reversed(notes.all):  # of one id the first counts
        found = by_id.get(index.id) or ImportedUniverse(index.id, index.name, ())
        by_id[index.id] = notes.of(index, found)
    return [*by_id.values()]


def _copies(universes: Sequence[ImportedUniverse], found: Sequence[ImportedUniverse]) -> Beside:
    """By the ids of forks: states in files that were written for them, by their names.

    What a fork began with is a SaveFile that says it is its parent's; only its name is the fork's.
    """
    by_name = [
        (each.source.path.rpartition("/")[2], each) for one in found for each in one.snapshots
    ]
    copies: dict[str, list[ImportedSnapshot]] = {}
    for one in universes:
        if one.fork_of is None:
            continue
        name = f"{escaped(one.id)}-{one.fork_of.tick}"
        beside = [each for told, each in by_name if told.startswith((f"{name}.", f"{name}-"))]
        copies[one.id] = beside
    return copies


def _without_strays(
    universes: Sequence[ImportedUniverse], copies: Beside, found: Sequence[ImportedUniverse]
) -> list[ImportedUniverse]:
    """A universe of which there is nothing but what forks began with is none that came along.

    Its states are the forks' own then: every game calls its first universe alike, and they would
    go into another one of that id. A file of its own that has the same bytes is in `found` alone,
    which is from before of the same bytes one file was kept.
    """
    lent: set[str] = set()
    files: dict[str, set[str]] = {}
    for one in found:
        files.setdefault(one.id, set()).update(each.source.path for each in one.snapshots)
    for one in universes:
        own = {each.source.path for each in one.snapshots}
        lent |= {each.source.path for each in copies.get(one.id, ())} - own

    def is_stray(one: ImportedUniverse) -> bool:
        return bool(one.snapshots) and files[one.id] <= lent

    stray = {each.source.path for one in universes if is_stray(one) for each in one.snapshots}
    return [
        replace(
            one,
            snapshots=(
                *(each for each in copies.get(one.id, ()) if each.source.path in stray),
                *one.snapshots,
            ),
        )
        for one in universes
        if not is_stray(one)
    ]


def read_savefile(
    files: Files, path: str, report: Report, costs: Costs
) -> tuple[list[ImportedUniverse], list[ImportedPassage]]:
    """Raises `InvalidFile` where it is none; what is wrong with one part is in the report."""
    costs.begin(path)
    data = costs.unpacked(files.unpacked(path), path)
    file, universes = outline_of(data, path, costs)
    if not universes:
        reason = "holds no universe: is it a SaveFile?"
        raise InvalidFile(path, Place(pointer="/universes"), reason)
    if (version := file.small.get("$version")) != VERSION:
        reason = f"is {version!r:.20}, and what is known is version {VERSION}"
        report.tell(About.CLAIM, path, reason, Place(pointer="/$version"))
    header = Claims(file.small.get("header", {}), path, "/header", report)
    at_us = header.time_us("lastSavedAt") or header.time_us("createdAt")
    at_us = at_us or at_of(files.listing.files[path].changed_us)
    found: list[ImportedUniverse] = []
    for number, outline in enumerate(universes):
        is_part = len(universes) > 1 or header.fields.get("description") == PART
        span = outline.whole if is_part else None
        try:
            found.append(_universe(files, path, number, outline, span, at_us, report))
        except InvalidFile as wrong:
            report.refuse(wrong)
    if len(universes) > 1:
        for key in PARTS_OF_FILE:
            if key in file.spans:
                reason = "belongs to none of the universes: it stays in the file"
                report.tell(About.LEFT, path, reason, Place(pointer=f"/{key}"))
    check_sums(Sums(data, path, report, costs.checked), file, universes)
    return found, passages_of(Claims(file.small, path, "", report))


def _universe(
    files: Files,
    path: str,
    number: int,
    outline: Outline,
    span: Span | None,
    at_us: int,
    report: Report,
) -> ImportedUniverse:
    """Raises `InvalidFile`."""
    pointer = f"/universes/{number}"
    claims = Claims(outline.small, path, pointer, report)
    identity, time = claims.inside("identity"), claims.inside("time")
    if identity is None:
        raise InvalidFile(path, claims.at("identity"), "is missing")
    try:
        told = identity.fields.get("id")
        id = parse_new_id(told if isinstance(told, str) else "")
    except InvalidName as wrong:
        raise InvalidFile(path, identity.at("id"), wrong.detail) from wrong
    tick = whole_of(time.fields.get("universeTick")) if time else None
    if tick is None:
        place = time.at("universeTick") if time else claims.at("time")
        raise InvalidFile(path, place, f"is no whole number from 0 to {TICK_MAX}")
    source = Source(path, is_packed=True, span=span)
    snapshot = ImportedSnapshot(
        source=source,
        content=content_of(files, source),
        tick=tick,
        at_us=at_us,
        kind="manual",
        day=time.whole("day") if time else None,
        is_wrapped=span is None,
        is_as_sent=True,
    )
    return ImportedUniverse(
        id=id,
        name=identity.line("name", NAME_CHARACTERS_MAX) or id,
        snapshots=(snapshot,),
        created_us=identity.time_us("createdAt"),
        config=claims.config("config"),
        fork_of=_fork_of(identity, time),
    )


def _fork_of(identity: Claims, time: Claims | None) -> ForkOf | None:
    """By its `forkPoint`, else by its identity."""
    point = time.inside("forkPoint") if time else None
    if point is not None:
        parent, tick = point.fields.get("parentUniverseId"), point.whole("parentUniverseTick")
    else:
        parent, tick = identity.fields.get("parentId"), identity.whole("forkedAtTick")
    if parent is None and tick is None:
        return None
    if not isinstance(parent, str) or tick is None:
        (point or identity).doubt("", "says not of which universe and tick it is a fork")
        return None
    return ForkOf(parent, tick)
