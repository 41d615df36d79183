"""`picture_of`: which drawing a genome's format has."""

from collections.abc import Callable, Mapping
from typing import Final, Literal

from registry.formats.bibites import network_of_bibite
from registry.formats.errors import NoConversion
from registry.formats.json_text import Reader, parse, sequence
from registry.formats.lenia import channels_of
from registry.formats.neat import network_of_neat
from registry.formats.networks import Network
from registry.formats.patterns_out import READERS
from registry.formats.primordium import (
    brain_network,
    genotype_json,
    hexdna2_json,
    is_flat,
    wiki_network,
)
from registry.formats.texts import text_of
from registry.formats.words import Format
from registry.pictures.cells import cells_png, cells_svg
from registry.pictures.colours import palette_of_lenia, palette_of_states
from registry.pictures.errors import NoPicture
from registry.pictures.graph import graph_png, graph_svg
from registry.plain import as_map

Kind = Literal["svg", "png"]


def picture_of(
    format: Format, data: bytes, kind: Kind, *, title: str = "", file: str = ""
) -> bytes:
    """The drawing of one genome. Raises `NoPicture`, and `InvalidFile` for what cannot be read."""
    if read_network := NETWORKS.get(format):
        network = read_network(data, file)
        return graph_svg(network, title) if kind == "svg" else graph_png(network)
    if format is Format.LENIA:
        channels = channels_of(_animal(data, file))
        palette = palette_of_lenia()
    elif format in READERS:
        try:
            pattern = READERS[format](data, file)
        except NoConversion as error:
            raise NoPicture(error.detail) from error
        channels, palette = (pattern,), palette_of_states(pattern.states)
    else:
        raise NoPicture(f"nothing draws {format}; {', '.join(sorted(DRAWN))} can be drawn")
    return cells_svg(channels, palette, title) if kind == "svg" else cells_png(channels, palette)


def _genotype(data: bytes, file: str) -> Network:
    return brain_network(Reader(parse(genotype_json(data, file), file), file))


def _json(data: bytes, file: str) -> Network:
    return brain_network(Reader(parse(text_of(data, file), file), file))


def _hexdna2(data: bytes, file: str) -> Network:
    text = hexdna2_json(data, file)
    reader = Reader(parse(text, file), file)
    return brain_network(reader) if is_flat(text, file) else wiki_network(reader)


def _legend(data: bytes, file: str) -> Network:
    return brain_network(_first(data, file).inside("genotype"))


def _neat(data: bytes, file: str) -> Network:
    return network_of_neat(Reader(parse(text_of(data, file), file), file))


def _bibite(data: bytes, file: str) -> Network:
    return network_of_bibite(Reader(parse(text_of(data, file), file), file))


def _animal(data: bytes, file: str) -> Reader:
    return _first(data, file)


def _first(data: bytes, file: str) -> Reader:
    """The one object of a text; of several, the first."""
    text = text_of(data, file)
    found = next((part.value for part in sequence(text, file) if as_map(part.value)), None)
    if found is None:
        raise NoPicture("there is nothing in it")
    return Reader(found, file)


NETWORKS: Final[Mapping[Format, Callable[[bytes, str], Network]]] = {
    Format.PRIMORDIUM_GENOTYPE: _genotype,
    Format.PRIMORDIUM_JSON: _json,
    Format.PRIMORDIUM_HEXDNA2: _hexdna2,
    Format.PRIMORDIUM_LEGENDS: _legend,
    Format.NEAT_NETWORK: _neat,
    Format.BIBITES: _bibite,
}
DRAWN: Final[frozenset[Format]] = frozenset({*NETWORKS, *READERS})
"""Formats of genomes that have a picture."""
