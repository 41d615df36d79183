"""What a game says beside a snapshot, made to fit: the state itself is what must not be lost.

A server of the multiverse takes any JSON there, and its clients only log what is refused: so an
autosave that was refused for a title would be lost, and nobody told. Where such clients need no
token what they say is cut and cleaned, and the answer shows what is kept. The `tick` is not: under
a wrong one nobody would find the state again.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from node.api.cleaned import LOOKED_AT, Cleaner, flag
from registry.formats.texts import line_of
from universe.event import (
    DESCRIPTION_BYTES_MAX,
    IMPORTANCE_MAX,
    NAME_CHARACTERS_MAX,
    NAMES_MAX,
    TITLE_CHARACTERS_MAX,
    event_word,
)
from universe.formats.decays import AFTER_MAX as WHOLE_MAX
from universe.formats.events import UNNAMED_TYPE, described, type_of
from universe.snapshot import KINDS, REASON_CHARACTERS_MAX

OTHER_KIND: Final = "manual"
"""Of what is none of ours; with a token a rule for autosaves does not let it go."""
NAMES_BYTES_MAX: Final = 4_096
"""Of all names of an event: with a title and a description an event holds that."""
REASON_BYTES_MAX: Final = 256
"""With the longest name of a universe it fits a statement."""


def cleaned_snapshot(given: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a `WrappedSnapshot`, as far as they say something."""
    return {"tick": given.get("tick")} | _cleaned(given, _BESIDE)


def _cleaned(given: Mapping[str, Any], cleaners: Mapping[str, Cleaner]) -> dict[str, Any]:
    found = {name: clean(given[name]) for name, clean in cleaners.items() if name in given}
    return {name: value for name, value in found.items() if value is not None}


def _kind(value: object) -> str | None:
    if value is None:
        return None
    text = value.strip().lower() if isinstance(value, str) else ""
    return text if text in KINDS else OTHER_KIND


def _event(value: object) -> dict[str, Any] | None:
    if not isinstance(value, dict) or not value:
        return None
    given = cast("Mapping[str, Any]", value)
    written = _said(given.get("type"), NAME_CHARACTERS_MAX)
    type = type_of(written) if written else UNNAMED_TYPE
    description = described(_said(given.get("description"), DESCRIPTION_BYTES_MAX))
    title = _said(given.get("title"), TITLE_CHARACTERS_MAX)
    event = {
        "type": type,
        "title": title or line_of(description, TITLE_CHARACTERS_MAX) or event_word(type),
        "description": description,
        **_cleaned(given, {"day": _from_zero(WHOLE_MAX), "importance": _from_zero(IMPORTANCE_MAX)}),
    }
    left = NAMES_BYTES_MAX
    for key in ("entities", "souls", "parents"):
        event[key] = names = _names(given.get(key), left)
        left -= _bytes_of(names)
    return event


def _names(value: object, bytes_max: int) -> tuple[str, ...]:
    """The first of them, each once, as far as there is room for them."""
    some = cast("list[object]", value)[: LOOKED_AT * NAMES_MAX] if isinstance(value, list) else []
    lines = (_said(each, NAME_CHARACTERS_MAX) for each in some)
    names = tuple(dict.fromkeys(name for name in lines if name))[:NAMES_MAX]
    while _bytes_of(names) > bytes_max:
        names = names[:-1]
    return names


def _bytes_of(names: tuple[str, ...]) -> int:
    return sum(len(name.encode()) for name in names)


def _decay(value: object) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    return _cleaned(cast("Mapping[str, Any]", value), _DECAY)


def _reason(value: object) -> str | None:
    shown = _said(value, REASON_CHARACTERS_MAX)
    while len(shown.encode()) > REASON_BYTES_MAX:
        shown = line_of(shown, len(shown) * 3 // 4)
    return shown or None


def _said(value: object, characters_max: int) -> str:
    """One line; a number is its digits, "" is anything else that is no text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = f"{value:.17g}" if isinstance(value, float) else f"{value}"
    return line_of(value, characters_max) if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    """Rounded down; of a number in a text too, as large ones of JavaScript are sent."""
    if isinstance(value, str):
        text = value.strip()[:20]
        digits = text.removeprefix("-")
        value = int(text) if digits.isascii() and digits.isdecimal() else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value)


def _from_zero(most: int) -> Cleaner:
    def clean(value: object) -> int | None:
        found = _whole(value)
        return None if found is None else min(max(found, 0), most)

    return clean


def _ticks(value: object) -> int | None:
    """A decay in the past says nothing: with 0 for it the state would go at once."""
    found = _whole(value)
    return None if found is None or found < 0 else min(found, WHOLE_MAX)


_BESIDE: Final[Mapping[str, Cleaner]] = {
    "day": _from_zero(WHOLE_MAX),
    "type": _kind,
    "canonEvent": _event,
    "decayPolicy": _decay,
}
_DECAY: Final[Mapping[str, Cleaner]] = {
    "decayAfterTicks": _ticks,
    "neverDecay": flag,
    "preservationReason": _reason,
}
