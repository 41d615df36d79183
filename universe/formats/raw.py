"""A universe as `universe export --format raw` writes it: an index, and each state byte for byte.

```
universe.json     {"type": "panspermia.universe-export/1", id, name, …, events: […],
                   fork_of: {universe, tick, sha256?} | null,
                   snapshots: [{file, tick, kind, at_us, day, media, size, sha256, event, decay,
                                inherited?}],
                   passages: […], players: […]}                         as ai_village has them
states/…          what the index names
```
A state that is `inherited` is the parent's, which the fork began with; `fork_of` has its sum.
"""

from dataclasses import replace
from typing import Final

from registry.errors import InvalidName
from registry.fields import TIME_US_MAX
from registry.formats.errors import InvalidFile, Place
from registry.formats.json_text import parse
from registry.manifest import NAME_CHARACTERS_MAX
from registry.plain import as_list, as_map
from universe.event import (
    IMPORTANCE_MAX,
    TITLE_CHARACTERS_MAX,
    Event,
    event_problems,
)
from universe.formats.between import each_once, passages_of, player_of
from universe.formats.claims import OWNER_CHARACTERS_MAX, TICK_MAX, Claims, object_of, whole_of
from universe.formats.decays import decay_of
from universe.formats.events import described, names_of, type_of
from universe.formats.file_names import path_below
from universe.formats.imported import (
    BINARY_MEDIA,
    JSON_MEDIA,
    About,
    Files,
    ForkOf,
    ImportedPassage,
    ImportedPlayer,
    ImportedSnapshot,
    ImportedUniverse,
    Plan,
    Report,
    Source,
    WorldFormat,
)
from universe.formats.limits import CONFIG_BYTES_MAX, INDEX_BYTES_MAX
from universe.formats.merging import once
from universe.formats.origins import with_origins
from universe.formats.sums import SHA256
from universe.formats.taking import content_of
from universe.names import parse_new_id
from universe.parts import EVENTS_MAX
from universe.snapshot import KINDS, media_problem

INDEX: Final = "universe.json"
TYPE: Final = "panspermia.universe-export/1"


def plan_raw(files: Files, folders: list[str]) -> Plan:
    """Each of the folders that holds an index; the rest is in the report."""
    report = Report()
    universes: dict[str, ImportedUniverse] = {}
    passages: list[ImportedPassage] = []
    players: list[ImportedPlayer] = []
    for path, why in files.listing.passed_over:
        report.tell(About.OUTSIDE, path, why)
    for folder in folders:
        path = f"{folder}/{INDEX}" if folder else INDEX
        try:
            told = Claims(object_of(files, path, INDEX_BYTES_MAX), path, "", report)
            one = _universe(files, folder, told)
        except InvalidFile as wrong:
            report.refuse(wrong)
            continue
        if universes.setdefault(one.id, one) is not one:
            report.tell(About.SAME_ID, folder, f"another folder before it is {one.id} too")
            continue
        passages += passages_of(told)
        players += _players(told)
    ordered = with_origins([*universes.values()], report)
    return Plan(WorldFormat.RAW, ordered, report, *each_once(passages, players, report))


def _players(told: Claims) -> list[ImportedPlayer]:
    found: list[ImportedPlayer] = []
    for number, value in enumerate(as_list(told.fields.get("players")) or ()):
        fields = as_map(value) or {}
        inner = Claims(fields, told.file, f"/players/{number}", told.report)
        universes = [one for one in as_list(fields.get("universes")) or () if isinstance(one, str)]
        try:
            found.append(player_of(inner, tuple(dict.fromkeys(universes))))
        except InvalidFile as wrong:
            told.report.refuse(wrong)
    return found


def _universe(files: Files, folder: str, told: Claims) -> ImportedUniverse:
    """Raises `InvalidFile`."""
    path, report = told.file, told.report
    if told.fields.get("type") != TYPE:
        raise InvalidFile(path, told.at("type"), f"is not {TYPE}")
    try:
        id = parse_new_id(str(told.fields.get("id", "")))
    except InvalidName as wrong:
        raise InvalidFile(path, told.at("id"), wrong.detail) from wrong
    snapshots: list[ImportedSnapshot] = []
    for number, value in enumerate(as_list(told.fields.get("snapshots")) or ()):
        pointer = f"/snapshots/{number}"
        try:
            if (fields := as_map(value)) is None:
                raise InvalidFile(path, Place(pointer=pointer), "must be an object")
            snapshots.append(_snapshot(files, folder, Claims(fields, path, pointer, report)))
        except InvalidFile as wrong:
            report.refuse(wrong)
    events = [
        event
        for number, value in enumerate(as_list(told.fields.get("events")) or ())
        if (event := _event(value, Claims({}, path, f"/events/{number}", report)))
    ]
    all_events = dict.fromkeys([*(one.event for one in snapshots if one.event), *events])
    kept = tuple(all_events)[:EVENTS_MAX]
    if len(all_events) > len(kept):
        reason = f"{len(all_events):,} events, of which {EVENTS_MAX:,} are taken"
        told.doubt("events", reason, About.LEFT)
    among = frozenset(kept)
    shown = [one if one.event in among else replace(one, event=None) for one in snapshots]
    return ImportedUniverse(
        id=id,
        name=told.line("name", NAME_CHARACTERS_MAX) or id,
        snapshots=once(shown, report, said_of),
        events=kept,
        owner=told.line("owner", OWNER_CHARACTERS_MAX),
        created_us=told.whole("created_us", TIME_US_MAX) or 0,
        is_public=told.fields.get("is_public") is True,
        config=_config(told),
        fork_of=_fork_of(told),
    )


def said_of(one: ImportedSnapshot) -> tuple[object, ...]:
    """By what it is known among those of its bytes: a state may be kept twice for two reasons."""
    return one.content.checksum, one.tick, one.kind, one.event, one.decay, one.is_inherited


def _fork_of(told: Claims) -> ForkOf | None:
    fork = told.inside("fork_of")
    tick = fork.whole("tick") if fork else None
    if fork is None or tick is None:
        return None
    sum = fork.fields.get("sha256")
    if sum is not None and not (isinstance(sum, str) and SHA256.fullmatch(sum)):
        fork.doubt("sha256", "is no SHA-256 in hex")
        sum = None
    return ForkOf(str(fork.fields.get("universe")), tick, (sum or "").lower())


def _config(told: Claims) -> str:
    text = told.fields.get("config")
    if not isinstance(text, str) or not text:
        return ""
    try:
        if len(text.encode()) <= CONFIG_BYTES_MAX and as_map(parse(text, told.file)) is not None:
            return text
    except InvalidFile:
        pass
    told.doubt("config", "is no text of a JSON object, or too long")
    return ""


def _snapshot(files: Files, folder: str, told: Claims) -> ImportedSnapshot:
    """Raises `InvalidFile`."""
    tick, file = whole_of(told.fields.get("tick")), told.fields.get("file")
    if tick is None or not isinstance(file, str):
        raise InvalidFile(told.file, told.at("tick"), "says no tick, or no file")
    path = path_below(folder, file, told.file, told.at("file"))
    if path not in files.listing.files:
        raise InvalidFile(told.file, told.at("file"), f"is not there: {file}")
    source = Source(path)
    content = content_of(files, source)
    if (sum := told.fields.get("sha256")) != content.sha256.hex():
        reason = f"is not that of {file}: {content.sha256.hex()}"
        raise InvalidFile(told.file, told.at("sha256"), f"{str(sum)[:64]} {reason}")
    kind, media = told.fields.get("kind"), told.fields.get("media")
    policy = told.inside("decay")
    is_media = isinstance(media, str) and media_problem(media) is None
    return ImportedSnapshot(
        source=source,
        content=content,
        tick=tick,
        at_us=told.whole("at_us", TIME_US_MAX) or 0,
        kind=str(kind) if kind in KINDS else "auto",
        day=told.whole("day"),
        media=str(media) if is_media else BINARY_MEDIA,
        event=_event(told.fields.get("event"), told),
        is_wrapped=told.fields.get("wrapped") is True and media == JSON_MEDIA,
        decay=decay_of(policy) if policy else None,
        is_inherited=told.fields.get("inherited") is True,
    )


def _event(value: object, told: Claims) -> Event | None:
    """None where there is none, or where it can be none, which is told."""
    fields = as_map(value)
    if fields is None:
        return None
    inner = Claims(fields, told.file, told.pointer, told.report)
    text = fields.get("description")
    event = Event(
        tick=inner.whole("tick") or 0,
        at_us=inner.whole("at_us", TIME_US_MAX) or 0,
        type=type_of(str(fields.get("type", ""))),
        title=inner.line("title", TITLE_CHARACTERS_MAX) or "?",
        description=text if isinstance(text, str) else "",
        day=inner.whole("day", TICK_MAX),
        importance=inner.whole("importance", IMPORTANCE_MAX) or 0,
        entities=names_of(inner, "entities"),
        souls=names_of(inner, "souls"),
        parents=names_of(inner, "parents"),
    )
    if event_problems(event):
        inner.doubt("description", "cannot be said so, and is cut")
        return replace(event, description=described(event.description))
    return event
