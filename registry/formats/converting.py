"""`convert`: a file of one program for another, and the table of what gets lost on each way.

Numbers go from file to file character by character. What a target needs and the source does not say
is filled in with what `CONVERSIONS` names. Nothing is converted by way of a third format unless the
table says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from registry.errors import quoted
from registry.formats import patterns_out
from registry.formats.errors import NoConversion, NoItem
from registry.formats.found import Found
from registry.formats.networks_out import bibite_to_neat, genotype_to_neat
from registry.formats.primordium_migration import OPTIONS
from registry.formats.primordium_out import (
    config_to_json,
    genotype_to_json,
    genotype_to_migration,
    hexdna2_to_genotype,
    json_to_genotype,
    legend_to_genotype,
    settings_to_toml,
)
from registry.formats.reading import read
from registry.formats.texts import unpacked
from registry.formats.words import Format

Options = Mapping[str, str]
Convert = Callable[[bytes, str, Options], bytes]

NOTHING: Final = ""
ITEMS_TOLD_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Conversion:
    source: Format
    target: Format
    loses: str  # said to people; NOTHING where all of it comes back
    run: Convert
    options: tuple[str, ...] = ()


def convert(
    data: bytes,
    source: Format,
    target: Format,
    options: Options | None = None,
    *,
    name: str = "",
) -> bytes:
    """The one item of a file as a file of another format.

    Where `source` is `target`: as it is, unpacked. Raises `InvalidFile` for what cannot be read,
    `NoConversion` where none leads there, `NoItem` where it holds several: `item_of` takes one out.
    """
    found = read(source, data, name)
    if source is target:
        return unpacked(data, name)
    way = find_conversion(source, target)
    given = options or {}
    if unknown := given.keys() - {*way.options}:
        known = f"there are: {', '.join(way.options)}" if way.options else "there are none"
        raise NoConversion(f"no option {quoted(min(unknown))} on the way to {target}; {known}")
    item_of(found, None)
    return way.run(data, name, given)


def find_conversion(source: Format, target: Format) -> Conversion:
    """Raises `NoConversion` with the ways that there are."""
    found = BY_ENDS.get((source, target))
    if found is None:
        targets = [way.target.value for way in CONVERSIONS if way.source is source]
        known = f"from {source} ways lead to {', '.join(targets)}" if targets else "no way leads on"
        raise NoConversion(f"nothing leads from {source} to {target}: {known}")
    return found


def item_of(found: tuple[Found, ...], number: int | None) -> Found:
    """The item of that number, counted from 1; None: the only one. Raises `NoItem`."""
    if number is None and len(found) == 1:
        return found[0]
    if number is not None and 0 < number <= len(found):
        return found[number - 1]
    several = "several items" if len(found) > 1 else "one item"
    names = [f"{place} {one.name}" for place, one in enumerate(found[:ITEMS_TOLD_MAX], 1)]
    if (more := len(found) - len(names)) > 0:
        names.append(f"… and {more:,} more")
    raise NoItem(
        f"the file holds {several}, 1 to {len(found):,}: say which one with --item:"
        f" {', '.join(names)}"
    )


_BRAIN_ONLY = (
    "all but the network: traits, rules, lineage, innovations; connections that hang loose; neurons"
    " become tanh of a sum without bias, as the program runs them"
)
_FILLED_IN = (
    "activations, biases, innovation history, aggression, colour and metadata; filled in are"
    " learning_rate 0, no specialization and no rules, which the wiki's form does not have"
)

_PRIMORDIUM: tuple[Conversion, ...] = (
    Conversion(Format.PRIMORDIUM_GENOTYPE, Format.PRIMORDIUM_JSON, NOTHING, genotype_to_json),
    Conversion(
        Format.PRIMORDIUM_JSON, Format.PRIMORDIUM_GENOTYPE, "spaces and line ends", json_to_genotype
    ),
    Conversion(
        Format.PRIMORDIUM_HEXDNA2, Format.PRIMORDIUM_GENOTYPE, _FILLED_IN, hexdna2_to_genotype
    ),
    Conversion(
        Format.PRIMORDIUM_GENOTYPE,
        Format.PRIMORDIUM_MIGRATION,
        NOTHING,
        genotype_to_migration,
        OPTIONS,
    ),
    Conversion(
        Format.PRIMORDIUM_MIGRATION,
        Format.PRIMORDIUM_GENOTYPE,
        "energy, generation, species and fingerprint",
        lambda data, name, _: read(Format.PRIMORDIUM_MIGRATION, data, name)[0].data,
    ),
    Conversion(
        Format.PRIMORDIUM_LEGENDS,
        Format.PRIMORDIUM_GENOTYPE,
        "all that was logged around the genotype",
        legend_to_genotype,
    ),
    Conversion(
        Format.PRIMORDIUM_CONFIG,
        Format.PRIMORDIUM_CONFIG_JSON,
        "comments and layout",
        config_to_json,
    ),
    Conversion(Format.PRIMORDIUM_CONFIG_JSON, Format.PRIMORDIUM_CONFIG, "layout", settings_to_toml),
)

_NETWORKS: tuple[Conversion, ...] = (
    Conversion(Format.PRIMORDIUM_GENOTYPE, Format.NEAT_NETWORK, _BRAIN_ONLY, genotype_to_neat),
    Conversion(
        Format.BIBITES,
        Format.NEAT_NETWORK,
        "genes, species and descriptions; activations that neat-python lacks are marked as custom",
        bibite_to_neat,
    ),
)

_PATTERNS: tuple[Conversion, ...] = tuple(
    Conversion(source, target, loses, patterns_out.between(source, target))
    for source in patterns_out.READERS
    for target in patterns_out.WRITERS
    if source is not target and (loses := patterns_out.loses(source, target)) is not None
)

CONVERSIONS: Final[tuple[Conversion, ...]] = (*_PRIMORDIUM, *_NETWORKS, *_PATTERNS)
BY_ENDS: Final[Mapping[tuple[Format, Format], Conversion]] = {
    (way.source, way.target): way for way in CONVERSIONS
}
