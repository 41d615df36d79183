"""What Primordium logs, as events: live.jsonl and legends.json, line by line, of any length."""

import heapq
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec

from registry.fields import TIME_US_MAX
from registry.formats.errors import Place
from registry.formats.texts import line_of
from universe.event import DEATH, IMPORTANCE_MAX, NAME_CHARACTERS_MAX, TITLE_CHARACTERS_MAX, Event
from universe.formats.claims import TICK_MAX
from universe.formats.events import described
from universe.formats.imported import About, Files, Report
from universe.formats.limits import EVENTS_MAX, LOG_BYTES_MAX
from universe.formats.taking import lines_of

TYPES: Final[Mapping[str, tuple[str, int]]] = {
    "Extinction": ("extinction", 900),
    "EcoAlert": ("crisis", 600),
    "ClimateShift": ("climate", 500),
    "TribalSplit": ("lineage", 400),
    "Narration": ("narration", 300),
}
"""What changes a world: a type of events, and how important one is where the line says nothing."""
STATE: Final = "Snapshot"
COUNTED: Final = ("Birth", "Death", "Metamorphosis")


Kind = TypeVar("Kind", bound=msgspec.Struct)


class _Live(msgspec.Struct):
    event: str
    tick: int = 0
    timestamp: str = ""
    id: str = ""
    lineage_id: str = ""
    message: str = ""
    text: str = ""
    severity: float = 0.0
    population: int = 0
    from_: str = msgspec.field(default="", name="from")
    to: str = ""


class _Legend(msgspec.Struct):
    id: str
    lineage_id: str
    death_tick: int
    generation: int = 0
    lifespan: int = 0
    offspring_count: int = 0
    death_timestamp: str = ""


class Chronicle:
    """The most important events of a world, `EVENTS_MAX` at most, and when its states were kept."""

    def __init__(self, file: str, report: Report) -> None:
        self._file, self._report = file, report
        self._heap: list[tuple[int, int, Event]] = []
        self._number = self._dropped = 0
        self.states: dict[int, int] = {}
        """By tick, in µs since 1970."""

    @property
    def events(self) -> tuple[Event, ...]:
        found = dict.fromkeys(event for _, _, event in sorted(self._heap, key=lambda one: -one[1]))
        return tuple(sorted(found, key=lambda event: (event.tick, event.at_us)))

    def read_live(self, files: Files, path: str) -> None:
        """Raises `InvalidFile`."""
        counted: Counter[str] = Counter()
        for number, line in lines_of(files, path, LOG_BYTES_MAX):
            if (told := self._decoded(line, _Live, path, number)) is None:
                continue
            if told.event == STATE:
                self.states[told.tick] = _at_us(told.timestamp)
            elif told.event in TYPES:
                self._add(_event_of(told))
            else:
                counted[line_of(told.event, 32)] += 1
                if len(counted) > len(COUNTED) + 32:
                    counted = Counter(dict(counted.most_common(len(COUNTED) + 8)))
        if counted:
            shown = ", ".join(f"{count:,} {name}" for name, count in counted.most_common(8))
            self._report.tell(About.LEFT, path, f"no events of a world, which stay there: {shown}")
        self._tell_rest(files, path)

    def read_legends(self, files: Files, path: str) -> None:
        """Raises `InvalidFile`."""
        for number, line in lines_of(files, path, LOG_BYTES_MAX):
            if told := self._decoded(line, _Legend, path, number):
                self._add(_legend_of(told))
        self._tell_rest(files, path)

    def tell(self) -> None:
        if self._dropped:
            reason = f"{self._dropped:,} events are less important than the {EVENTS_MAX:,} taken"
            self._report.tell(About.LEFT, self._file, reason)

    def _decoded(self, line: bytes | None, kind: type[Kind], path: str, number: int) -> Kind | None:
        reason = "is too long for an event"
        if line is not None:
            try:
                told = msgspec.json.decode(line, type=kind)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                reason = f"is no event: {error}"[:200]
            else:
                tick = getattr(told, "tick", getattr(told, "death_tick", 0))
                if 0 <= tick <= TICK_MAX:
                    return told
                reason = f"its tick is not from 0 to {TICK_MAX}"
        self._report.tell(About.UNREADABLE, path, line_of(reason, 200), Place(line=number))
        return None

    def _add(self, event: Event) -> None:
        self._number += 1
        one = (event.importance, -self._number, event)  # of equals the first stays
        if len(self._heap) < EVENTS_MAX:
            heapq.heappush(self._heap, one)
        else:
            heapq.heappushpop(self._heap, one)
            self._dropped += 1

    def _tell_rest(self, files: Files, path: str) -> None:
        if files.listing.files[path].size > LOG_BYTES_MAX:
            reason = f"what is behind {LOG_BYTES_MAX:,} bytes was not read"
            self._report.tell(About.TOO_MUCH, path, reason)


def _event_of(told: _Live) -> Event:
    type, importance = TYPES[told.event]
    match told.event:
        case "Extinction":
            title = "Extinction"
        case "EcoAlert":
            title = line_of(told.message, TITLE_CHARACTERS_MAX) or "Alarm"
        case "ClimateShift":
            title = line_of(f"Climate: {told.from_} to {told.to}", TITLE_CHARACTERS_MAX)
        case "TribalSplit":
            title = line_of(f"A tribe parts from {told.lineage_id}", TITLE_CHARACTERS_MAX)
        case _:
            title = line_of(told.text, TITLE_CHARACTERS_MAX) or "Narration"
            importance = min(max(round(told.severity * 1_000), 0), IMPORTANCE_MAX)
    return Event(
        tick=told.tick,
        at_us=_at_us(told.timestamp),
        type=type,
        title=title,
        description=described(told.message or told.text),
        importance=importance,
        entities=_names(told.id),
    )


def _legend_of(told: _Legend) -> Event:
    lineage = line_of(told.lineage_id, 8)
    return Event(
        tick=told.death_tick,
        at_us=_at_us(told.death_timestamp),
        type=DEATH,
        title=f"A legend of {lineage}" if lineage else "A legend",
        description=(
            f"Generation {told.generation}, {told.offspring_count} offspring,"
            f" lived for {told.lifespan} ticks."
        )[:200],
        importance=min(max(told.offspring_count, 0), IMPORTANCE_MAX),
        entities=_names(told.id),
    )


def _names(id: str) -> tuple[str, ...]:
    shown = line_of(id, NAME_CHARACTERS_MAX)
    return (shown,) if shown else ()


def _at_us(timestamp: str) -> int:
    """RFC 3339; 0 where it is none."""
    try:
        found = datetime.fromisoformat(timestamp)
        since = found.replace(tzinfo=found.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        return 0
    us = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return us if 0 <= us <= TIME_US_MAX else 0
