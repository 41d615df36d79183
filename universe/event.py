"""What happened in a universe: one event of its timeline, as its author says it.

```
event = canonical CBOR {"tick", "at_us", "type", "title", …}       what is empty or 0 is left out
id    = the first 16 bytes of its BLAKE3; its key in `events` is their hex
```
One event has one encoding, so that two universes with one past say it under one id. Events come
from strangers: `decode_event` raises `MalformedRecord` and nothing else.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from blake3 import blake3

from crdt import cbor
from crdt.digest import DIGEST_BYTES
from registry.errors import MalformedRecord, Problem, quoted
from registry.fields import TIME_US_MAX, unsafe_line
from registry.head import line_problem, refuse
from registry.wire import decoded
from universe.snapshot import EVENT_BYTES, TICK_MAX

EVENT_BYTES_MAX: Final = 8 * 1024
"""One change of 64 KiB holds it seven times."""
TITLE_CHARACTERS_MAX: Final = 200
DESCRIPTION_BYTES_MAX: Final = 2 * 1024
IMPORTANCE_MAX: Final = 1_000
NAMES_MAX: Final = 64
"""Of entities, of souls, of parents, each."""
NAME_CHARACTERS_MAX: Final = 128

BIRTH, DEATH, REBIRTH = "birth", "death", "rebirth"

EVENT_TYPES: Final[Mapping[str, str]] = {
    "start": "begins",
    BIRTH: "born",
    DEATH: "dies",
    REBIRTH: "born again",
    "soul": "a soul awakes",
    "union": "a union",
    "lineage": "a lineage begins",
    "founded": "founded",
    "harvest": "harvest",
    "culture": "culture",
    "discovery": "discovery",
    "crisis": "crisis",
    "war": "war",
    "peace": "peace",
    "extinction": "extinct",
    "milestone": "milestone",
    "departure": "departs",
    "arrival": "arrives",
}
"""The types that are known, each with the word that people read. Any other is kept and shown."""

SYNONYMS: Final[Mapping[str, str]] = {
    "universe:start": "start",
    "time:milestone": "milestone",
    "soul:created": "soul",
    "agent:born": BIRTH,
    "union:formed": "union",
    "agent:died": DEATH,
    "soul:reincarnated": REBIRTH,
    "culture:emerged": "culture",
    "crisis:occurred": "crisis",
    "lineage:founded": "lineage",
}
"""How the games of ai_village call them. The type stays as it was written."""

_TYPE: Final = re.compile(r"[a-z][a-z0-9_:-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Event:
    """`tick` in the time of its world, `at_us` in µs since 1970, as the author has it."""

    tick: int
    at_us: int
    type: str
    title: str
    description: str = ""
    day: int | None = None
    """In the time of its world."""
    importance: int = 0
    entities: tuple[str, ...] = ()
    """Who or what it happened to; of a birth, who was born."""
    souls: tuple[str, ...] = ()
    """Identities of creatures that outlast their bodies and their universe."""
    parents: tuple[str, ...] = ()
    """Of a birth: entities."""
    snapshot: bytes | None = None
    """Id of the one that was taken for it."""


def event_kind(type: str) -> str:
    """The known type that `type` is, or is another word for; else `type` itself."""
    return SYNONYMS.get(type, type)


def is_event_type(text: str) -> bool:
    """Whether an event may be of it."""
    return _TYPE.fullmatch(text) is not None


def event_word(type: str) -> str:
    """What people read for it."""
    return EVENT_TYPES.get(event_kind(type), type)


def event_id(encoded: bytes) -> bytes:
    """16 bytes."""
    return blake3(encoded).digest()[:EVENT_BYTES]


def event_problems(event: Event) -> list[Problem]:
    """What readers would refuse of it; all but its size as a whole."""
    problems = [
        *_between("tick", event.tick, TICK_MAX),
        *_between("at_us", event.at_us, TIME_US_MAX),
        *_between("day", event.day or 0, TICK_MAX),
        *_between("importance", event.importance, IMPORTANCE_MAX),
    ]
    if not is_event_type(event.type):
        rule = "a-z, then up to 63 of a-z, 0-9, _, : and -"
        problems.append(Problem("/type", f"{quoted(event.type)} is no type of events: {rule}"))
    if not event.title:
        problems.append(Problem("/title", "is empty"))
    elif problem := line_problem(event.title, TITLE_CHARACTERS_MAX):
        problems.append(Problem("/title", problem))
    if (size := len(event.description.encode(errors="replace"))) > DESCRIPTION_BYTES_MAX:
        problems.append(Problem("/description", f"{size} bytes, at most {DESCRIPTION_BYTES_MAX}"))
    elif any("\ud800" <= each <= "\udfff" for each in event.description):
        problems.append(Problem("/description", "is no text: half of a character"))
    for key in ("entities", "souls", "parents"):
        problems += _name_problems(key, getattr(event, key))
    if event.snapshot is not None and len(event.snapshot) != DIGEST_BYTES:
        problems.append(Problem("/snapshot", "is no id of a snapshot: 64 hex digits"))
    return problems


def encode_event(event: Event) -> bytes:
    """Raises `InvalidRecord` that names every field which readers would refuse."""
    refuse(event_problems(event))
    encoded = _encoded(event)
    if len(encoded) > EVENT_BYTES_MAX:
        refuse([Problem("", f"the event has {len(encoded)} bytes, at most {EVENT_BYTES_MAX}")])
    return encoded


def event_size(event: Event) -> int:
    """Bytes of its encoding, also where these are too many. Nothing else of it is checked."""
    return len(_encoded(event))


def decode_event(data: bytes) -> Event:
    """Raises `MalformedRecord` for anything that `encode_event` would not write."""
    event = decoded(
        data, Event, MalformedRecord, "an event", bytes_max=EVENT_BYTES_MAX, depth_max=2
    )
    if problems := event_problems(event):
        raise MalformedRecord(f"an event: {problems[0]}")
    if _encoded(event) != data:
        raise MalformedRecord("an event: says a field that is empty, or that none has")
    return event


_ALWAYS: Final = ("tick", "at_us", "type", "title")
_KEYS: Final = tuple(each.name for each in fields(Event))


def _encoded(event: Event) -> bytes:
    said: dict[str, Any] = {key: getattr(event, key) for key in _KEYS}
    empty: tuple[object, ...] = ("", (), None)
    return cbor.encode(
        {
            key: value
            for key, value in said.items()
            if key in _ALWAYS or (value not in empty and not (key == "importance" and value == 0))
        }
    )


def _between(key: str, value: int, most: int) -> list[Problem]:
    return [] if 0 <= value <= most else [Problem(f"/{key}", f"is {value}, not 0 to {most}")]


def _name_problems(key: str, names: tuple[str, ...]) -> list[Problem]:
    if len(names) > NAMES_MAX:
        return [Problem(f"/{key}", f"{len(names)} names, at most {NAMES_MAX}")]
    problems: list[Problem] = []
    for place, name in enumerate(names):
        where = f"/{key}/{place}"
        if not name:
            problems.append(Problem(where, "is empty"))
        elif len(name) > NAME_CHARACTERS_MAX:
            detail = f"{len(name)} characters, at most {NAME_CHARACTERS_MAX}"
            problems.append(Problem(where, detail))
        elif reason := unsafe_line(name):
            problems.append(Problem(where, reason))
    return problems
