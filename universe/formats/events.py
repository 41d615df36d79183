"""Events as other programs tell them, as events of a timeline.

A type stays as it was written wherever one of ours may be written so: `event_kind` knows what is
meant by it. What is no type at all becomes one letter by letter, which is told.
"""

import re
from dataclasses import replace
from typing import Final

from crdt.digest import DIGEST_BYTES
from registry.fields import TIME_US_MAX
from registry.formats.texts import line_of, prose_of
from registry.plain import as_list
from universe.event import (
    DESCRIPTION_BYTES_MAX,
    EVENT_BYTES_MAX,
    IMPORTANCE_MAX,
    NAME_CHARACTERS_MAX,
    NAMES_MAX,
    TITLE_CHARACTERS_MAX,
    Event,
    event_problems,
    event_size,
    event_word,
    is_event_type,
)
from universe.formats.claims import Claims
from universe.formats.imported import About

UNNAMED_TYPE: Final = "event"
_NINE_BYTES: Final = 1 << 32
"""In CBOR, as the µs of any day since January 1970."""
_NOT_IN_TYPES: Final = re.compile(r"[^a-z0-9_:-]+", re.ASCII)


def type_of(text: str) -> str:
    """`text` as a type of events."""
    if is_event_type(text):
        return text
    found = _NOT_IN_TYPES.sub("-", text.lower()).strip("-:_")
    return found[:64].rstrip("-:_") if found[:1].isalpha() and found[:1].isascii() else UNNAMED_TYPE


def canon_event(told: Claims, *, tick: int, at_us: int, day: int | None) -> Event:
    """The `canonEvent` of an entry of ai_village."""
    written = told.fields.get("type")
    type = type_of(written) if isinstance(written, str) else UNNAMED_TYPE
    if type != written:
        told.doubt("type", f"is no type of events: it becomes {type}")
    description = described(told.line("description", DESCRIPTION_BYTES_MAX))
    event = Event(
        tick=tick,
        at_us=at_us,
        type=type,
        title=told.line("title", TITLE_CHARACTERS_MAX)
        or line_of(description, TITLE_CHARACTERS_MAX)
        or event_word(type),
        description=description,
        day=day if (own := told.whole("day")) is None else own,
        importance=importance_of(told),
        entities=names_of(told, "entities"),
    )
    assert not event_problems(event)
    return fitting(event, told)


def fitting(
    event: Event, told: Claims, *, day: int | None = None, names_one: bool = False
) -> Event:
    """With as many of its names as one event has room for; that others are left out is told.

    Measured as it will be signed: at a time of today, of the `day` of its snapshot where it says
    none, and with the id of a snapshot where it names one.
    """
    signed = replace(
        event,
        at_us=max(event.at_us, _NINE_BYTES),
        day=day if event.day is None else event.day,
        snapshot=bytes(DIGEST_BYTES) if names_one else None,
    )
    over, left = event_size(signed) - EVENT_BYTES_MAX, 0
    entities, souls, parents = [*event.entities], [*event.souls], [*event.parents]
    for some in (parents, souls, entities):
        while over > 0 and some:
            over -= len(some.pop().encode()) + 1
            left += 1
    if not left:
        return event
    reason = f"more than {EVENT_BYTES_MAX:,} bytes: {left:,} of its names are left out"
    told.doubt("", reason, About.LEFT)
    return replace(event, entities=tuple(entities), souls=tuple(souls), parents=tuple(parents))


def described(text: str) -> str:
    """`text` cut to what an event takes."""
    shown = prose_of(text)
    while len(shown.encode()) > DESCRIPTION_BYTES_MAX:
        shown = line_of(shown, len(shown) * 3 // 4)
    return shown


def importance_of(told: Claims) -> int:
    value = told.fields.get("importance", 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        told.doubt("importance", "is no number that is not negative")
        return 0
    return round(min(value, IMPORTANCE_MAX))


def names_of(told: Claims, key: str) -> tuple[str, ...]:
    """Who takes part, as far as an event names them."""
    value = told.fields.get(key)
    if value is None:
        return ()
    listed = as_list(value)
    texts = [each for each in listed or () if isinstance(each, str)]
    if listed is None or len(texts) != len(listed):
        told.doubt(key, "must be a list of texts")
    shown = [line_of(each, NAME_CHARACTERS_MAX) for each in texts]
    names = tuple(dict.fromkeys(each for each in shown if each))
    if len(names) > NAMES_MAX:
        told.doubt(key, f"{len(names):,} names, of which {NAMES_MAX} are taken", About.LEFT)
    return names[:NAMES_MAX]


def at_of(us: int) -> int:
    return min(max(us, 0), TIME_US_MAX)
