"""Patterns from each of their formats to each other."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from registry.formats.cells import (
    pattern_of_cells,
    pattern_of_life105,
    pattern_of_life106,
    write_cells,
    write_life106,
)
from registry.formats.errors import NoConversion
from registry.formats.json_text import Reader, parse, sequence
from registry.formats.lenia import channels_of
from registry.formats.limits import RUNS_MAX
from registry.formats.macrocell import pattern_of_macrocell, write_macrocell
from registry.formats.patterns import Pattern
from registry.formats.rle import pattern_of_rle, write_rle
from registry.formats.texts import line_of, text_of
from registry.formats.words import Format
from registry.plain import as_map

Options = Mapping[str, str]

_LENIA_PARAMETERS = ("R", "T", "b", "m", "s", "kn", "gn")


def pattern_of_lenia(data: bytes, file: str) -> Pattern:
    """The first channel of an animal, its parameters as a comment."""
    text = text_of(data, file)
    animal = next((part for part in sequence(text, file) if as_map(part.value) is not None), None)
    reader = Reader(animal.value if animal else parse(text, file), file)
    channels = channels_of(reader)
    if len(channels) != 1:
        raise NoConversion(f"an animal of {len(channels)} channels; a pattern has one")
    params = as_map(reader.map.get("params")) or {}
    said = " ".join(f"{key}={params[key]}" for key in _LENIA_PARAMETERS if key in params)
    name = line_of(reader.text("name", ""), 200)
    return replace(channels[0], name=name, comments=(line_of(f"Lenia {said}", 200),))


READERS: Final[Mapping[Format, Callable[[bytes, str], Pattern]]] = {
    Format.RLE: pattern_of_rle,
    Format.MACROCELL: pattern_of_macrocell,
    Format.CELLS: pattern_of_cells,
    Format.LIFE_105: pattern_of_life105,
    Format.LIFE_106: pattern_of_life106,
    Format.LENIA: pattern_of_lenia,
}

WRITERS: Final[Mapping[Format, Callable[[Pattern, str], bytes]]] = {
    Format.RLE: lambda pattern, _: write_rle(pattern),
    Format.MACROCELL: lambda pattern, _: write_macrocell(_few(pattern)),
    Format.CELLS: lambda pattern, file: write_cells(_of_two_states(pattern), file),
    Format.LIFE_106: lambda pattern, file: write_life106(_of_two_states(pattern), file),
}

_LOSES: Final[Mapping[Format, str]] = {
    Format.RLE: "layout",
    Format.MACROCELL: "name, author and layout",
    Format.CELLS: "the rule, the place and the generation",
    Format.LIFE_106: "the rule, and all comments",
}


def loses(source: Format, target: Format) -> str | None:
    """What a conversion loses beside the layout; None where there is none."""
    if source is Format.LENIA:
        is_rle = target is Format.RLE
        return "all but the cells and one comment: no rule of Golly's runs it" if is_rle else None
    return _LOSES[target]


def between(source: Format, target: Format) -> Callable[[bytes, str, Options], bytes]:
    def run(data: bytes, file: str, _: Options) -> bytes:
        return WRITERS[target](READERS[source](data, file), file)

    return run


def _of_two_states(pattern: Pattern) -> Pattern:
    if pattern.states > 1:
        raise NoConversion(f"cells have {pattern.states + 1} states there, and this format has two")
    return pattern


def _few(pattern: Pattern) -> Pattern:
    """A macrocell is made cell by cell."""
    if pattern.population > RUNS_MAX:
        raise NoConversion(
            f"{pattern.population:,} live cells: more than {RUNS_MAX:,} to write out"
        )
    return pattern
