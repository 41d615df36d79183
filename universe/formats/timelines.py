"""One universe of an ai_village server: its metadata, its timeline, and the files it names.

```
<folder>/metadata.json      {id, name, ownerId, createdAt, snapshotCount, isPublic, forkOf?, …}
<folder>/timeline.json      {universeId, snapshots: [{tick, timestamp, day, type, canonEvent?,
                             fileSize, checksum, filename, decayPolicy?}], lastUpdated}
<folder>/snapshots/<tick>.json.gz
<folder>/snapshots/canonical/<type>_<day>_<ms>.json.gz     or, of other programs, …<tick>.json.gz
```
The program names files by their tick, and writes over the one that is there: of several entries
with one name the last one tells what is in the file. So files are what counts; a timeline only
says more about them, and one that is broken or missing loses none of them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from registry.fields import TIME_US_MAX
from registry.formats.errors import InvalidFile, Place
from registry.plain import as_list, as_map
from universe.event import Event
from universe.formats.budget import Budget
from universe.formats.claims import TICK_MAX, Claims, Plain, whole_of
from universe.formats.decays import decay_of
from universe.formats.events import at_of, canon_event
from universe.formats.file_names import Names, path_below, unescaped
from universe.formats.half_written import NO_JSON, Look
from universe.formats.imported import JSON_MEDIA, About, Files, ImportedSnapshot, Report, Source
from universe.formats.index import Named, with_events
from universe.formats.limits import EVENTS_MAX
from universe.formats.merging import once
from universe.formats.notes import Notes
from universe.formats.sums import SHA256
from universe.formats.taking import content_of_pieces, pieces_of
from universe.parts import EVENTS_MAX as ALL_EVENTS_MAX
from universe.snapshot import KINDS, Decay

TIMELINE: Final = "timeline.json"
SNAPSHOTS: Final = "snapshots"
ENDINGS: Final = (".json.gz", ".json")
_DIGITS: Final = "([0-9]{1,255})"
"""Of a number in a name, which no disk has longer."""
_BY_TICK: Final = re.compile(rf"{_DIGITS}\.json(?:\.gz)?")
_CANONICAL: Final = re.compile(rf"canonical/.*_{_DIGITS}_{_DIGITS}\.json(?:\.gz)?")
_CANONICAL_BY_TICK: Final = re.compile(rf"canonical/(?:.*[/_])?{_DIGITS}\.json(?:\.gz)?")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline, as far as it can be believed."""

    number: int
    tick: int
    at_us: int
    kind: str
    filename: str
    day: int | None = None
    size: int | None = None
    checksum: str = ""
    event: Event | None = None
    decay: Decay | None = None
    is_inherited: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """What was found of one universe: its snapshots as they were taken, and its events."""

    snapshots: tuple[ImportedSnapshot, ...]
    events: tuple[Event, ...]
    named: Named = ()


def read_line(
    files: Files,
    folder: str,
    lying: Sequence[str],
    notes: Notes,
    report: Report,
    budget: Budget,
) -> Line:
    """What lies in the folder of one universe, and what its timeline and our notes say of it."""
    path = f"{folder}/{TIMELINE}" if folder else TIMELINE
    entries = _entries(files, path, report, budget) if path in files.listing.files else []
    below = f"{folder}/{SNAPSHOTS}" if folder else SNAPSHOTS
    found = _by_file(entries, Names(lying), below, path, report)
    _tell_order(entries, path, report)
    _tell_worthless(entries, path, report)
    snapshots: list[ImportedSnapshot] = []
    noted: dict[Event | None, Event | None] = {}
    for each in sorted(lying):
        entry = _writer(found[each], files.listing.files[each].size) if each in found else None
        if entry and (others := len(found[each]) - 1):
            reason = (
                f"{others:,} earlier entries of the timeline name this file, which the last wrote"
            )
            report.tell(About.OVERWRITTEN, each, reason)
        try:
            found_one, is_json = _snapshot(files, each, below, entry, path, notes, report)
            one, index = notes.on(found_one)
            if one.media == JSON_MEDIA and not is_json:
                report.tell(About.CLAIM, each, NO_JSON)
            if index is not None:
                noted[found_one.event] = one.event  # says more of it than a timeline can
            first = min((each.number for each in found.get(each, ())), default=len(entries))
            snapshots.append(replace(one, listed=first))
        except InvalidFile as wrong:
            report.refuse(wrong)
    told = [noted.get(entry.event, entry.event) for entry in entries]
    kept = once(snapshots, report)
    events = _most_important([*dict.fromkeys(filter(None, told))], path, report)
    named: Named = ()
    if (own := notes.in_folder(folder)) is not None:
        theirs, named = notes.events(own, kept)
        events = tuple(dict.fromkeys((*theirs, *events)))[:ALL_EVENTS_MAX]
    return Line(with_events(kept, events), events, named)


def _entries(files: Files, path: str, report: Report, budget: Budget) -> list[Entry]:
    try:
        listed = as_list(budget.object_of(files, path).get("snapshots"))
        if listed is None:
            raise InvalidFile(path, Place(pointer="/snapshots"), "must be a list")
    except InvalidFile as wrong:
        report.refuse(wrong)
        return []
    entries: list[Entry] = []
    for number, value in enumerate(listed):
        pointer = f"/snapshots/{number}"
        if (fields := as_map(value)) is None:
            report.tell(About.UNREADABLE, path, "must be an object", Place(pointer=pointer))
        else:
            try:
                entries.append(_entry(number, fields, path, pointer, report))
            except InvalidFile as wrong:
                report.refuse(wrong)
    return entries


def _entry(number: int, fields: Plain, path: str, pointer: str, report: Report) -> Entry:
    claims = Claims(fields, path, pointer, report)
    tick = whole_of(fields.get("tick"))
    if tick is None:
        reason = f"is no whole number from 0 to {TICK_MAX}"
        raise InvalidFile(path, claims.at("tick"), reason)
    filename = fields.get("filename", f"{tick}.json.gz")
    if not isinstance(filename, str) or not filename:
        raise InvalidFile(path, claims.at("filename"), "must be a text")
    kind = fields.get("type", "auto")
    if kind not in KINDS:
        claims.doubt("type", f"is none of {', '.join(KINDS)}: it becomes auto")
        kind = "auto"
    day, at_us = claims.whole("day"), claims.time_us("timestamp")
    told = claims.inside("canonEvent")
    checksum, policy = fields.get("checksum"), claims.inside("decayPolicy")
    return Entry(
        number=number,
        tick=tick,
        at_us=at_us,
        kind=str(kind),
        filename=filename,
        day=day,
        size=claims.whole("fileSize"),
        checksum=checksum if isinstance(checksum, str) else "",
        event=canon_event(told, tick=tick, at_us=at_us, day=day) if told else None,
        decay=decay_of(policy) if policy else None,
        is_inherited=fields.get("inherited") is True,
    )


def _by_file(
    entries: Sequence[Entry], names: Names, below: str, path: str, report: Report
) -> dict[str, list[Entry]]:
    """The entries of each file that is there, in their order."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        place = Place(pointer=f"/snapshots/{entry.number}/filename")
        try:
            told = path_below(below, entry.filename, path, place)
        except InvalidFile as wrong:
            report.refuse(wrong, About.OUTSIDE)
            continue
        if (file := names.find(told)) is None:
            reason = f"the snapshot of tick {entry.tick} is not there: {told}"
            report.tell(About.MISSING, path, reason, place)
        else:
            found.setdefault(file, []).append(entry)
    return found


def _writer(entries: Sequence[Entry], size: int) -> Entry:
    """The entry that tells what is in the file: the last, of those with its size if there are."""
    of_size = [entry for entry in entries if entry.size == size]
    return max(of_size or entries, key=lambda entry: (entry.at_us, entry.number))


def _snapshot(
    files: Files,
    file: str,
    below: str,
    entry: Entry | None,
    timeline: str,
    notes: Notes,
    report: Report,
) -> tuple[ImportedSnapshot, bool]:
    """Also whether it is JSON. Raises `InvalidFile`."""
    source = Source(file, is_packed=True)
    name = file.removeprefix(f"{below}/")
    if entry is None and (tick := notes.tick_at(file)) is not None:
        entry = Entry(-1, tick, 0, "auto", name)
    if entry is None:
        entry = _unlisted(file, name, report)
    look = Look()
    content = content_of_pieces(look.at(pieces_of(files, source)), file)
    if SHA256.fullmatch(entry.checksum) and content.sha256.hex() != entry.checksum.lower():
        place = Place(pointer=f"/snapshots/{entry.number}/checksum")
        reason = f"the bytes of {file} have another SHA-256: {content.sha256.hex()}"
        report.tell(About.CHECKSUM, timeline, reason, place)
    found = ImportedSnapshot(
        source=source,
        content=content,
        tick=entry.tick,
        at_us=entry.at_us or at_of(files.listing.files[file].changed_us),
        kind=entry.kind,
        day=entry.day,
        event=entry.event,
        is_wrapped=True,
        decay=entry.decay,
        is_inherited=entry.is_inherited,
        is_as_sent=True,
    )
    return found, look.is_json()


def _unlisted(file: str, name: str, report: Report) -> Entry:
    """What the name alone says. Raises `InvalidFile`."""
    meant = unescaped(name)
    if by_tick := _BY_TICK.fullmatch(meant):
        entry = Entry(-1, int(by_tick[1]), 0, "auto", name)
    elif canonical := _CANONICAL.fullmatch(meant):
        day, us = int(canonical[1]), int(canonical[2]) * 1_000
        entry = Entry(-1, 0, us if us <= TIME_US_MAX else 0, "canonical", name, day)
    elif by_tick := _CANONICAL_BY_TICK.fullmatch(meant):
        entry = Entry(-1, int(by_tick[1]), 0, "canonical", name)
    else:
        raise InvalidFile(file, Place(), "no timeline lists it, and its name says no tick")
    if entry.tick > TICK_MAX or (entry.day or 0) > TICK_MAX:
        raise InvalidFile(file, Place(), f"its name says a number beyond {TICK_MAX}")
    if entry.day is None:
        report.tell(About.UNLISTED, file, "no timeline lists it: only its name says its tick")
    else:
        report.tell(About.UNLISTED, file, "no timeline lists it: only its name says its day")
        report.tell(About.CLAIM, file, "no timeline says its tick: 0 is taken")
    return entry


def _most_important(events: list[Event], path: str, report: Report) -> tuple[Event, ...]:
    if len(events) > EVENTS_MAX:
        reason = f"{len(events):,} events, of which the {EVENTS_MAX:,} most important are taken"
        report.tell(About.LEFT, path, reason, Place(pointer="/snapshots"))
        events = sorted(events, key=lambda event: -event.importance)[:EVENTS_MAX]
    return tuple(sorted(events, key=lambda event: (event.at_us, event.tick)))


def _tell_order(entries: Sequence[Entry], path: str, report: Report) -> None:
    back = sum(later.tick < sooner.tick for sooner, later in pairwise(entries))
    if back:
        reason = f"ticks go back, {back:,} times: the time of saving gives the order"
        report.tell(About.ORDER, path, reason, Place(pointer="/snapshots"))


def _tell_worthless(entries: Sequence[Entry], path: str, report: Report) -> None:
    worthless = sum(SHA256.fullmatch(entry.checksum) is None for entry in entries)
    if worthless:
        reason = f"{worthless:,} checksums are of 32 bits, or words: nothing can be checked by them"
        report.tell(About.CHECKSUM, path, reason, Place(pointer="/snapshots"))
