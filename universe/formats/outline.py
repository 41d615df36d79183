"""Where the parts of a SaveFile lie in its text, and those of them that are small."""

from dataclasses import dataclass, field
from typing import Any, Final

from universe.formats.costs import Costs
from universe.formats.spans import Cursor

OF_HEADER: Final = ("createdAt", "lastSavedAt", "name", "description")
OF_UNIVERSE: Final = ("identity", "time", "config", "checksums")
OF_FILE: Final = ("$schema", "$version", "passages", "checksums")
PARTS_OF_UNIVERSE: Final = ("entities", "worldState")
PARTS_OF_FILE: Final = ("multiverse", "player", "godCraftedQueue")

Span = tuple[int, int]


@dataclass(slots=True)
class Outline:
    """Of one object of the text: the places of its large members, and the values of small ones."""

    spans: dict[str, Span] = field(default_factory=dict[str, Span])
    small: dict[str, Any] = field(default_factory=dict[str, Any])
    whole: Span = (0, 0)


def outline_of(data: bytes, path: str, costs: Costs) -> tuple[Outline, list[Outline]]:
    """Of the file, and of each universe in it. Raises `InvalidFile`."""
    cursor = Cursor(data, path, costs)
    file, universes = Outline(), list[Outline]()
    for key in cursor.members():
        start = cursor.at
        if key == "universes":
            for _ in cursor.items():
                costs.universes.spend(1, path)
                universes.append(_of_object(cursor, OF_UNIVERSE))
        elif key == "header":
            file.small[key] = _of_object(cursor, OF_HEADER).small
        elif key in OF_FILE:
            file.small[key] = cursor.value()
        else:
            cursor.span()
        if key in PARTS_OF_FILE:
            file.spans[key] = (start, cursor.ended)
    cursor.end()
    return file, universes


def _of_object(cursor: Cursor, small: tuple[str, ...]) -> Outline:
    outline, start = Outline(), cursor.at
    for key in cursor.members():
        begun = cursor.at
        if key in small:
            outline.small[key] = cursor.value()
        else:
            cursor.span()
        if key in PARTS_OF_UNIVERSE:
            outline.spans[key] = (begun, cursor.ended)
    outline.whole = (start, cursor.ended)
    return outline
