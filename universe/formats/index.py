"""A universe as we write of it ourselves: the index of `raw`, and notes beside others' files.

```
{"type": …, id, name, owner, created_us, is_public, config, fork_of: {universe, tick,
 sha256? | checksum?} | null, description?, tags?, license?, card?, retention?,
 events: [{…, snapshot?: {tick, checksum, file}}],
 snapshots: [{file, tick, kind, at_us, day, media, wrapped, event, decay, inherited?,
              sha256? | checksum?}],
 passages: […], players: […]}                                       as ai_village has them
```
`checksum` is BLAKE3, `sha256` SHA-256, both in hex, of the very bytes of a state. What is wrong
with one thing is told, and takes nothing else with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from registry.errors import InvalidName, InvalidRecord
from registry.fields import TIME_US_MAX, Plain
from registry.formats.errors import InvalidFile, Place
from registry.formats.json_text import parse
from registry.formats.texts import line_of
from registry.head import CARD_BYTES_MAX, line_problem
from registry.manifest import (
    DESCRIPTION_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    TAG_CHARACTERS_MAX,
    TAGS_MAX,
)
from registry.plain import as_list, as_map
from registry.spdx import EXPRESSION_CHARACTERS_MAX, license_problem
from universe.event import IMPORTANCE_MAX, TITLE_CHARACTERS_MAX, Event, event_problems
from universe.formats.between import passages_of, player_of
from universe.formats.claims import OWNER_CHARACTERS_MAX, TICK_MAX, Claims, whole_of
from universe.formats.decays import decay_of
from universe.formats.events import described, fitting, names_of, type_of
from universe.formats.imported import (
    BINARY_MEDIA,
    JSON_MEDIA,
    About,
    ForkOf,
    ImportedPassage,
    ImportedPlayer,
    ImportedSnapshot,
    Said,
    Source,
)
from universe.formats.limits import CONFIG_BYTES_MAX, LISTED_MAX, MEMBERS_MAX
from universe.formats.sums import SHA256
from universe.names import parse_new_id
from universe.parts import EVENTS_MAX
from universe.retention import parse_policy, write_policy
from universe.snapshot import KINDS_SIGNED, Decay, media_problem

Named: TypeAlias = tuple[tuple[Event, Source], ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """One of its snapshots; `file` as it is written there."""

    number: int
    file: str
    tick: int
    at_us: int
    kind: str
    """As in a statement."""
    day: int | None
    media: str
    event: Event | None
    is_wrapped: bool
    decay: Decay | None
    is_inherited: bool
    checksum: str = ""
    sha256: str = ""

    def on(self, one: ImportedSnapshot) -> ImportedSnapshot:
        """What was found of these bytes, with all that is said of it here."""
        return replace(
            one,
            tick=self.tick,
            at_us=self.at_us or one.at_us,
            kind=self.kind,
            day=self.day,
            media=self.media,
            event=self.event,
            is_wrapped=self.is_wrapped,
            decay=self.decay,
            is_inherited=self.is_inherited,
            is_noted=True,
            is_as_sent=False,
        )


@dataclass(frozen=True, slots=True)
class Pointed:
    """A snapshot that an event names."""

    tick: int
    checksum: str
    file: str
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Index:
    """`events` are those that it tells, each with the snapshot that it names."""

    path: str
    id: str
    name: str
    owner: str
    created_us: int
    is_public: bool
    config: str
    said: Said
    fork_of: ForkOf | None
    listed: tuple[Listed, ...]
    events: tuple[tuple[Event, Pointed | None], ...]
    passages: tuple[ImportedPassage, ...]
    players: tuple[ImportedPlayer, ...]


def read_index(told: Claims) -> Index:
    """Raises `InvalidFile` where nothing says a usable id."""
    try:
        id = parse_new_id(str(told.fields.get("id", "")))
    except InvalidName as wrong:
        raise InvalidFile(told.file, told.at("id"), wrong.detail) from wrong
    return Index(
        path=told.file,
        id=id,
        name=told.exact("name", NAME_CHARACTERS_MAX) or id,
        owner=told.exact("owner", OWNER_CHARACTERS_MAX),
        created_us=told.whole("created_us", TIME_US_MAX) or 0,
        is_public=told.fields.get("is_public") is True,
        config=_config(told),
        said=_said(told),
        fork_of=_fork_of(told),
        listed=tuple(_all_listed(told)),
        events=tuple(_events(told)),
        passages=tuple(passages_of(told)),
        players=tuple(_players(told)),
    )


def events_of(
    index: Index, snapshots: Sequence[ImportedSnapshot], told: Claims
) -> tuple[tuple[Event, ...], Named]:
    """Those that name none of these snapshots, and those that do; as many as there is room for.

    `snapshots`: of its universe, of which each event counts once here too.
    """
    alike: dict[tuple[int, str], list[ImportedSnapshot]] = {}
    for one in snapshots:
        alike.setdefault((one.tick, one.content.checksum.hex()), []).append(one)
    plain = dict.fromkeys(one.event for one in snapshots if one.event)
    named: dict[tuple[Event, Source], None] = {}
    for event, pointed in index.events:
        if pointed is None:
            plain.setdefault(event)
            continue
        found = alike.get((pointed.tick, pointed.checksum), [])
        of_file = [one for one in found if one.source.path.endswith(pointed.file)]
        if not found:
            reason = f"{event.title}: names a snapshot that is not there, and is taken without it"
            told.report.tell(About.CLAIM, index.path, reason, pointed.place)
            plain.setdefault(event)
        else:
            named.setdefault((event, (of_file or found)[0].source))
    if (count := len(plain) + len(named)) > EVENTS_MAX:
        told.doubt("events", f"{count:,} events, of which {EVENTS_MAX:,} are taken", About.LEFT)
    first = tuple(plain)[:EVENTS_MAX]
    return first, tuple(named)[: EVENTS_MAX - len(first)]


def with_events(
    snapshots: Sequence[ImportedSnapshot], events: Sequence[Event]
) -> tuple[ImportedSnapshot, ...]:
    """They, each with its event only where that is among these."""
    among = frozenset(events)
    return tuple(one if one.event in among else replace(one, event=None) for one in snapshots)


def _all_listed(told: Claims) -> list[Listed]:
    found: list[Listed] = []
    for number, value in enumerate(_first(told, "snapshots", LISTED_MAX)):
        pointer = f"{told.pointer}/snapshots/{number}"
        try:
            if (fields := as_map(value)) is None:
                raise InvalidFile(told.file, Place(pointer=pointer), "must be an object")
            found.append(_listed(number, Claims(fields, told.file, pointer, told.report)))
        except InvalidFile as wrong:
            told.report.refuse(wrong)
    return found


def _first(told: Claims, key: str, most: int) -> Sequence[Plain]:
    """As many of a list as are looked at."""
    listed = as_list(told.fields.get(key)) or []
    if len(listed) > most:
        told.doubt(key, f"{len(listed):,} of them, of which {most:,} are looked at", About.LEFT)
    return listed[:most]


def _listed(number: int, told: Claims) -> Listed:
    """Raises `InvalidFile`."""
    tick, file = whole_of(told.fields.get("tick")), told.fields.get("file")
    if tick is None or not isinstance(file, str):
        raise InvalidFile(told.file, told.at("tick"), "says no tick, or no file")
    kind, media = told.fields.get("kind"), told.fields.get("media")
    policy, event, day = told.inside("decay"), told.inside("event"), told.whole("day")
    is_media = isinstance(media, str) and media_problem(media) is None
    is_wrapped = told.fields.get("wrapped") is True
    return Listed(
        number=number,
        file=file,
        tick=tick,
        at_us=told.whole("at_us", TIME_US_MAX) or 0,
        kind=str(kind) if kind in KINDS_SIGNED else "auto",
        day=day,
        media=str(media) if is_media else BINARY_MEDIA,
        event=None if event is None else fitting(_event(event), event, day=day),
        is_wrapped=is_wrapped and media == JSON_MEDIA,
        decay=decay_of(policy) if policy else None,
        is_inherited=told.fields.get("inherited") is True,
        checksum=_sum(told, "checksum"),
        sha256=str(told.fields.get("sha256") or ""),
    )


def _events(told: Claims) -> list[tuple[Event, Pointed | None]]:
    found: list[tuple[Event, Pointed | None]] = []
    for number, value in enumerate(_first(told, "events", LISTED_MAX)):
        pointer = f"{told.pointer}/events/{number}"
        if (fields := as_map(value)) is None:
            told.report.tell(About.CLAIM, told.file, "must be an object", Place(pointer=pointer))
            continue
        inner = Claims(fields, told.file, pointer, told.report)
        pointed = _pointed(inner)
        event = fitting(_event(inner), inner, names_one=pointed is not None)
        found.append((event, pointed))
    return found


def _pointed(told: Claims) -> Pointed | None:
    point = told.inside("snapshot")
    if point is None:
        return None
    tick, checksum = point.whole("tick"), _sum(point, "checksum")
    if tick is None or not checksum:
        told.doubt("snapshot", "says no tick, or no BLAKE3")
        return None
    file = point.fields.get("file")
    return Pointed(tick, checksum, file if isinstance(file, str) else "", told.at("snapshot"))


def _event(told: Claims) -> Event:
    """What cannot be said so is cut, which is told."""
    fields = told.fields
    exact = Event(
        tick=told.whole("tick") or 0,
        at_us=told.whole("at_us", TIME_US_MAX) or 0,
        type=str(fields.get("type", "")),
        title=str(fields.get("title", "")),
        description=str(fields.get("description") or ""),
        day=told.whole("day", TICK_MAX),
        importance=told.whole("importance", IMPORTANCE_MAX) or 0,
        entities=_texts(told, "entities"),
        souls=_texts(told, "souls"),
        parents=_texts(told, "parents"),
    )
    if not event_problems(exact):
        return exact
    told.doubt("", "cannot be said so, and is cut")
    return replace(
        exact,
        type=type_of(exact.type),
        title=told.line("title", TITLE_CHARACTERS_MAX) or "?",
        description=described(exact.description),
        entities=names_of(told, "entities"),
        souls=names_of(told, "souls"),
        parents=names_of(told, "parents"),
    )


def _texts(told: Claims, key: str) -> tuple[str, ...]:
    listed = as_list(told.fields.get(key)) or ()
    return tuple(one for one in listed if isinstance(one, str))


def _said(told: Claims) -> Said:
    """What readers would refuse is told, and left out."""
    license = told.line("license", EXPRESSION_CHARACTERS_MAX)
    if license and (problem := license_problem(license)):
        told.doubt("license", problem)
        license = ""
    card = told.fields.get("card")
    if card is not None and (not isinstance(card, str) or len(card.encode()) > CARD_BYTES_MAX):
        told.doubt("card", f"is no text of at most {CARD_BYTES_MAX:,} bytes")
        card = None
    return Said(
        description=told.exact("description", DESCRIPTION_CHARACTERS_MAX),
        tags=_tags(told),
        license=license,
        card=str(card or ""),
        retention=_retention(told),
    )


def _tags(told: Claims) -> tuple[str, ...]:
    value = told.fields.get("tags")
    listed = [] if value is None else as_list(value)
    fit = [
        one
        for one in listed or ()
        if isinstance(one, str) and one.strip() and not line_problem(one, TAG_CHARACTERS_MAX)
    ]
    tags = tuple(dict.fromkeys(fit))
    if listed is None or len(fit) != len(listed) or len(tags) > TAGS_MAX:
        most = f"at most {TAGS_MAX} texts of {TAG_CHARACTERS_MAX} characters"
        told.doubt("tags", f"must be a list of {most}")
    return tags[:TAGS_MAX]


def _retention(told: Claims) -> str:
    value = told.fields.get("retention")
    if not value:
        return ""
    try:
        if isinstance(value, str):
            return write_policy(parse_policy(value))
        reason = "is no text of JSON"
    except InvalidRecord as wrong:
        reason = line_of(str(wrong), 200)
    told.doubt("retention", reason)
    return ""


def _fork_of(told: Claims) -> ForkOf | None:
    fork = told.inside("fork_of")
    tick = fork.whole("tick") if fork else None
    if fork is None or tick is None:
        return None
    return ForkOf(
        str(fork.fields.get("universe")), tick, _sum(fork, "sha256"), _sum(fork, "checksum")
    )


def _sum(told: Claims, key: str) -> str:
    """32 bytes in lower-case hex; "" where there are none."""
    value = told.fields.get(key)
    if value is None:
        return ""
    if isinstance(value, str) and SHA256.fullmatch(value):
        return value.lower()
    told.doubt(key, f"is no {'SHA-256' if key == 'sha256' else 'BLAKE3'} in hex")
    return ""


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


def _players(told: Claims) -> list[ImportedPlayer]:
    found: list[ImportedPlayer] = []
    for number, value in enumerate(_first(told, "players", MEMBERS_MAX)):
        fields = as_map(value) or {}
        inner = Claims(fields, told.file, f"/players/{number}", told.report)
        universes = [one for one in as_list(fields.get("universes")) or () if isinstance(one, str)]
        try:
            found.append(player_of(inner, tuple(dict.fromkeys(universes))))
        except InvalidFile as wrong:
            told.report.refuse(wrong)
    return found
