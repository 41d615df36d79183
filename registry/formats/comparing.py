"""What differs between two genomes or two seeds: in words, and as a list for programs.

Compared is what they are, not how they are written: a genotype as hex and one as JSON may be the
same, and so may a pattern as RLE and as plaintext. Neurons are told by their ids, connections by
their ends, settings by their names, cells by their place in the pattern.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from registry.errors import quoted
from registry.formats.bibites import genes_of_bibite, network_of_bibite
from registry.formats.errors import InvalidFile, NotComparable
from registry.formats.found import Scalar
from registry.formats.json_text import Reader, parse, sequence
from registry.formats.lenia import channels_of
from registry.formats.neat import network_of_neat
from registry.formats.networks import Network
from registry.formats.patterns import Bounds, Pattern, bounds_of, normal_rule, rows_of
from registry.formats.patterns_out import READERS
from registry.formats.primordium import (
    brain_network,
    genotype_json,
    hexdna2_json,
    is_flat,
    wiki_network,
)
from registry.formats.primordium_world import settings_of_toml
from registry.formats.texts import text_of
from registry.formats.words import Format
from registry.plain import as_list, as_map

CHANGES_MAX: Final = 10_000
"""Of one comparison; the rest is counted."""

How = Literal["added", "removed", "changed"]
Value = Scalar | None


@dataclass(frozen=True, slots=True)
class Change:
    """`where` is a thing's name; `before` and `after` what it was and is, None where it is not."""

    how: How
    what: str  # node, connection, setting, trait, gene, rule, size, population, cells
    where: str
    before: Value = None
    after: Value = None

    def __str__(self) -> str:
        name = f"{self.what} {self.where}".strip()
        match self.how:
            case "added":
                return f"+ {name}: {_shown(self.after)}"
            case "removed":
                return f"- {name}: {_shown(self.before)}"
            case "changed":
                return f"~ {name}: {_shown(self.before)} → {_shown(self.after)}"


@dataclass(frozen=True, slots=True)
class Comparison:
    same_bytes: bool
    changes: tuple[Change, ...]  # at most CHANGES_MAX
    count: int  # of all of them

    @property
    def summary(self) -> str:
        if self.same_bytes:
            return "the same, byte for byte"
        if not self.count:
            return "written in another way, and the same"
        counts = Counter((change.what, change.how) for change in self.changes)
        parts = (f"{count} × {what} {how}" for (what, how), count in counts.items())
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Traits:
    """What a genome or seed is made of, for comparing."""

    kind: str  # only what is of one kind can be compared
    network: Network | None = None
    patterns: tuple[Pattern, ...] = ()
    values: Mapping[tuple[str, str], Value] | None = None  # (what, where) → value


def compare(
    before: tuple[Format, bytes], after: tuple[Format, bytes], files: tuple[str, str] = ("", "")
) -> Comparison:
    """Raises `NotComparable` for two of different kinds, `InvalidFile` for what cannot be read."""
    first, second = (
        traits_of(format, data, file)
        for (format, data), file in zip((before, after), files, strict=True)
    )
    if first.kind != second.kind:
        raise NotComparable(f"{first.kind} and {second.kind} have nothing to compare")
    found = [*_differences(first, second)]
    return Comparison(before[1] == after[1], tuple(found[:CHANGES_MAX]), len(found))


def traits_of(format: Format, data: bytes, file: str = "") -> Traits:
    reader = _TRAITS.get(format)
    if reader is not None:
        return reader(data, file)
    if format in READERS:
        return Traits("patterns", patterns=(READERS[format](data, file),))
    raise NotComparable(f"nothing compares {format}; it can be compared byte for byte only")


def _differences(first: Traits, second: Traits) -> Iterator[Change]:
    yield from _of_values(first.values or {}, second.values or {})
    if first.network and second.network:
        yield from _of_networks(first.network, second.network)
    if len(first.patterns) != len(second.patterns):
        counts = len(first.patterns), len(second.patterns)
        yield Change("changed", "channels", "", *counts)
    for number, (one, other) in enumerate(zip(first.patterns, second.patterns, strict=False), 1):
        channel = f"of channel {number}" if len(first.patterns) > 1 else ""
        yield from _of_patterns(one, other, channel)


def _of_values(
    first: Mapping[tuple[str, str], Value], second: Mapping[tuple[str, str], Value]
) -> Iterator[Change]:
    for what, where in dict.fromkeys((*first, *second)):
        key = (what, where)
        if key not in second:
            yield Change("removed", what, where, first[key])
        elif key not in first:
            yield Change("added", what, where, None, second[key])
        elif _differs(first[key], second[key]):
            yield Change("changed", what, where, first[key], second[key])


def _of_networks(first: Network, second: Network) -> Iterator[Change]:
    nodes = [
        {
            ("node", str(node.id)): ", ".join(
                part for part in (node.kind, node.label, node.activation, node.about) if part
            )
            for node in network.nodes
        }
        for network in (first, second)
    ]
    yield from _of_values(*nodes)
    yield from _of_values(_connections(first), _connections(second))


def _connections(network: Network) -> dict[tuple[str, str], Value]:
    """By their ends; where two have the same, the second has a number too."""
    seen: Counter[str] = Counter()
    found: dict[tuple[str, str], Value] = {}
    for each in network.connections:
        ends = f"{each.source} → {each.target}"
        seen[ends] += 1
        where = ends if seen[ends] == 1 else f"{ends} ({seen[ends]})"
        weight = f"{each.weight!r}" + ("" if each.is_enabled else ", off")
        found["connection", where] = weight
    return found


def _of_patterns(first: Pattern, second: Pattern, channel: str) -> Iterator[Change]:
    rules = [normal_rule(pattern.rule) for pattern in (first, second)]
    if rules[0] != rules[1]:
        yield Change("changed", "rule", channel, *rules)
    boxes = [bounds_of(pattern) for pattern in (first, second)]
    sizes = [f"{box.width} × {box.height}" for box in boxes]
    if sizes[0] != sizes[1]:
        yield Change("changed", "size", channel, *sizes)
    if first.population != second.population:
        yield Change("changed", "population", channel, first.population, second.population)
    try:
        rows = [rows_of(pattern, "") for pattern in (first, second)]
    except InvalidFile:  # too many cells to lay beside each other: their runs say whether
        laid = [
            _at_top_left(pattern, box) for pattern, box in zip((first, second), boxes, strict=True)
        ]
        if laid[0] != laid[1] and sizes[0] == sizes[1]:
            yield Change("changed", "cells", channel, "these", "others")
        return
    gone, come, turned = _cells(*rows)
    for how, count in (("removed", gone), ("added", come)):
        if count:
            value = (count, None) if how == "removed" else (None, count)
            yield Change("removed" if how == "removed" else "added", "cells", channel, *value)
    if turned:
        yield Change("changed", "cells", channel, turned, "other states")


def _at_top_left(pattern: Pattern, box: Bounds) -> list[tuple[int, int, int, int]]:
    return [(run.y - box.top, run.x - box.left, run.length, run.state) for run in pattern.runs]


def _cells(first: list[bytes], second: list[bytes]) -> tuple[int, int, int]:
    """How many live only there, only here, and in another state; both laid at their top left."""
    gone = come = turned = 0
    width = max((len(row) for row in (*first[:1], *second[:1])), default=0)
    blank = bytes(width)
    for y in range(max(len(first), len(second))):
        old = first[y].ljust(width, b"\0") if y < len(first) else blank
        new = second[y].ljust(width, b"\0") if y < len(second) else blank
        if old == new:
            continue
        for a, b in zip(old, new, strict=True):
            gone += bool(a) and not b
            come += bool(b) and not a
            turned += bool(a and b and a != b)
    return gone, come, turned


def _primordium(reader: Reader) -> Traits:
    """A genotype of the program's own shape."""
    rest = {key: value for key, value in reader.map.items() if key != "brain"}
    brain = {key: value for key, value in reader.inside("brain").map.items() if key in _BRAIN}
    values = {**_flat("trait", rest), **_flat("trait", brain)}
    return Traits("genomes of Primordium", brain_network(reader), values=values)


_BRAIN = ("learning_rate", "next_node_id")


def _genotype(data: bytes, file: str) -> Traits:
    return _primordium(Reader(parse(genotype_json(data, file), file), file))


def _genotype_json(data: bytes, file: str) -> Traits:
    return _primordium(Reader(parse(text_of(data, file), file), file))


def _legend(data: bytes, file: str) -> Traits:
    return _primordium(_first(data, file).inside("genotype"))


def _hexdna2(data: bytes, file: str) -> Traits:
    text = hexdna2_json(data, file)
    reader = Reader(parse(text, file), file)
    if is_flat(text, file):
        return _primordium(reader)
    rest = {key: value for key, value in reader.map.items() if key != "brain"}
    return Traits("genomes of HexDNA 2.0", wiki_network(reader), values=_flat("trait", rest))


def _neat(data: bytes, file: str) -> Traits:
    reader = Reader(parse(text_of(data, file), file), file)
    rest = {"network_type": reader.map.get("network_type"), **_map(reader, "metadata")}
    return Traits("networks of neat-python", network_of_neat(reader), values=_flat("trait", rest))


def _bibite(data: bytes, file: str) -> Traits:
    reader = Reader(parse(text_of(data, file), file), file)
    genes: dict[tuple[str, str], Value] = {
        ("gene", key): value for key, value in genes_of_bibite(reader).items()
    }
    return Traits("Bibites", network_of_bibite(reader), values=genes)


def _lenia(data: bytes, file: str) -> Traits:
    reader = _first(data, file)
    values = _flat("parameter", reader.map.get("params"))
    return Traits("animals of Lenia", patterns=channels_of(reader), values=values)


def _config(data: bytes, file: str) -> Traits:
    values = _flat("setting", settings_of_toml(data, file))
    return Traits("settings of Primordium", values=values)


def _config_json(data: bytes, file: str) -> Traits:
    values = _flat("setting", parse(text_of(data, file), file))
    return Traits("settings of Primordium", values=values)


_TRAITS: Final[Mapping[Format, Callable[[bytes, str], Traits]]] = {
    Format.PRIMORDIUM_GENOTYPE: _genotype,
    Format.PRIMORDIUM_JSON: _genotype_json,
    Format.PRIMORDIUM_LEGENDS: _legend,
    Format.PRIMORDIUM_HEXDNA2: _hexdna2,
    Format.PRIMORDIUM_CONFIG: _config,
    Format.PRIMORDIUM_CONFIG_JSON: _config_json,
    Format.NEAT_NETWORK: _neat,
    Format.BIBITES: _bibite,
    Format.LENIA: _lenia,
}


def _first(data: bytes, file: str) -> Reader:
    text = text_of(data, file)
    found = next((part.value for part in sequence(text, file) if as_map(part.value)), None)
    return Reader(found, file)


def _map(reader: Reader, key: str) -> dict[str, object]:
    return as_map(reader.map.get(key)) or {}


def _flat(what: str, value: object) -> dict[tuple[str, str], Value]:
    """Every plain value inside, by the names that lead to it."""
    return {(what, ".".join(path)): plain for path, plain in _leaves(value, ())}


def _leaves(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Value]]:
    inner: Iterable[tuple[str, object]]
    if (found := as_map(value)) is not None:
        inner = found.items()
    elif (items := as_list(value)) is not None:
        inner = ((str(number), each) for number, each in enumerate(items))
    else:
        yield path, value if value is None or isinstance(value, str | int | float) else str(value)
        return
    for key, each in inner:
        yield from _leaves(each, (*path, key))


def _differs(first: Value, second: Value) -> bool:
    return first != second or isinstance(first, bool) != isinstance(second, bool)


def _shown(value: Value) -> str:
    return quoted(value) if isinstance(value, str) and not value.isprintable() else f"{value}"
