"""Primordium's genotypes: hex of JSON, the wiki's HexDNA 2.0, and the JSON itself.

```
7b22627261696e…              lower-case hex of compact serde_json(Genotype): what the program writes
20|7b2276657273…[crc32]      HexDNA 2.0: JSON of another shape, which only its wiki describes
{"brain":{"nodes":…          the JSON, as in the legends and lineages it logs
```
Its numbers are f32 and f64 in text, and its own reader does not give back what it read: so the text
is kept, and where a number goes into another file, it goes there character by character.
"""

import math
import re
import uuid
import zlib
from collections.abc import Mapping

from registry.formats.errors import InvalidFile, Place
from registry.formats.found import Found, Scalar
from registry.formats.json_text import Reader, parse
from registry.formats.limits import CONNECTIONS_MAX, GENES_MAX, NODES_MAX
from registry.formats.networks import Connection, Network, Node, NodeKind
from registry.formats.texts import line_of, name_of, tags_of, text_of
from registry.formats.words import Format

HEXDNA2 = "20|"
HEX_CHARACTERS_MAX = 8 << 20  # a usual genotype has 10,000
CRC_BYTES = 4

NODE_TYPES: Mapping[str, NodeKind] = {"Input": "input", "Hidden": "hidden", "Output": "output"}
SENSORS = frozenset({"Oxygen", "Carbon", "EnergyRatio", "NearbyKin", "AgeRatio", "Clock"})
OPERATORS = frozenset({"GreaterThan", "LessThan"})
GENES = frozenset({"Trophic", "Sensing", "Speed", "ReproInvest", "Maturity", "MaxEnergy"})
PHENOTYPE = ("sensing_range", "max_speed", "max_energy")  # f64; every other real is an f32
TRAITS = (
    "metabolic_niche",
    "trophic_potential",
    "reproductive_investment",
    "maturity_gene",
    "mate_preference",
    "pairing_bias",
)
SPECIALIZATIONS = 3  # soldier, engineer, provider

_HEX = re.compile(r"[0-9a-fA-F]*\Z")
_NO_HEX = re.compile(r"[^0-9a-fA-F]")


def read_genotype(data: bytes, file: str) -> tuple[Found, ...]:
    """Raises `InvalidFile`."""
    return (found_of(data, genotype_json(data, file), Format.PRIMORDIUM_GENOTYPE, file),)


def read_json(data: bytes, file: str) -> tuple[Found, ...]:
    return (found_of(data, text_of(data, file), Format.PRIMORDIUM_JSON, file),)


def read_hexdna2(data: bytes, file: str) -> tuple[Found, ...]:
    text = hexdna2_json(data, file)
    if is_flat(text, file):
        return (found_of(data, text, Format.PRIMORDIUM_HEXDNA2, file),)
    reader = Reader(parse(text, file), file)
    network = wiki_network(reader)
    life: dict[str, Scalar] = {
        key: reader.inside("phenotype").number(key)
        for key in PHENOTYPE
        if "phenotype" in reader.map and key in reader.inside("phenotype").map
    }
    about = reader.inside("metadata") if "metadata" in reader.map else None
    generation = about.map.get("generation") if about else None
    if isinstance(generation, int):
        life["generation"] = generation
    lineage = about.map.get("lineage_id") if about else None
    return (
        Found(
            kind="genome",
            format=Format.PRIMORDIUM_HEXDNA2,
            data=data,
            name=name_of(file),
            tags=tags_of("primordium"),
            lineage=line_of(lineage) if isinstance(lineage, str) else "",
            fields={**network.counts(), **life},
        ),
    )


def genotype_json(data: bytes, file: str) -> str:
    """The JSON inside the flat form, checked to be hex of UTF-8. Raises `InvalidFile`."""
    return _unhexed(text_of(data, file).strip(), file).decode()


def hexdna2_json(data: bytes, file: str) -> str:
    """The JSON inside HexDNA 2.0; a CRC-32 behind it is checked, in whichever order it stands."""
    text = text_of(data, file).strip()
    if not text.startswith(HEXDNA2):
        raise InvalidFile(file, Place(byte=0), f"does not begin with {HEXDNA2}")
    body = text.removeprefix(HEXDNA2)
    raw = _unhexed(body, file, is_text=False)
    if not raw.rstrip().endswith(b"}") or _is_checked(raw):
        plain, told = raw[:-CRC_BYTES], raw[-CRC_BYTES:]
        crc = zlib.crc32(plain)
        if told not in (crc.to_bytes(CRC_BYTES, "big"), crc.to_bytes(CRC_BYTES, "little")):
            where = Place(byte=len(HEXDNA2) + 2 * len(plain))
            raise InvalidFile(file, where, "the checksum is not that of what stands before it")
        raw = plain
    return _utf8(raw, file)


def is_flat(text: str, file: str) -> bool:
    """Whether the JSON is of the program's own shape."""
    return "sensing_range" in Reader(parse(text, file), file).map


def found_of(data: bytes, text: str, format: Format, file: str) -> Found:
    """A genotype whose JSON is `text`. Raises `InvalidFile` where the program would not take it."""
    reader = Reader(parse(text, file), file)
    check_genotype(reader)
    network = brain_network(reader)
    return Found(
        kind="genome",
        format=format,
        data=data,
        name=name_of(file),
        tags=tags_of("primordium"),
        lineage=reader.text("lineage_id"),
        fields={**network.counts(), **{key: reader.number(key) for key in PHENOTYPE}},
    )


def check_genotype(reader: Reader) -> None:
    """What its reader needs: it ignores fields that it does not know, and refuses missing ones."""
    brain = reader.inside("brain")
    brain.whole("next_node_id")
    _finite(brain, "learning_rate")
    for key in (*PHENOTYPE, *TRAITS):
        _finite(reader, key)
    try:
        uuid.UUID(reader.text("lineage_id"))
    except ValueError as error:
        raise reader.wrong("lineage_id", "is no UUID") from error
    biases = reader.items("specialization_bias", SPECIALIZATIONS)
    if len(biases) != SPECIALIZATIONS or not all(map(_is_number, biases)):
        raise reader.wrong("specialization_bias", f"must be {SPECIALIZATIONS} numbers")
    for rule in reader.objects("regulatory_rules", GENES_MAX):
        rule.one_of("sensor", SENSORS)
        rule.one_of("operator", OPERATORS)
        rule.one_of("target", GENES)
        _finite(rule, "threshold")
        _finite(rule, "modifier")


def brain_network(reader: Reader) -> Network:
    """The brain of a genotype. Connections may hang loose there: the program takes them too."""
    brain = reader.inside("brain")
    nodes: list[Node] = []
    for each in brain.objects("nodes", NODES_MAX):
        label = each.map.get("label")
        if label is not None and not isinstance(label, str):
            raise each.wrong("label", "must be a text or null")
        kind = NODE_TYPES[each.one_of("node_type", frozenset(NODE_TYPES))]
        nodes.append(Node(each.whole("id"), kind, line_of(label or "")))
    connections: list[Connection] = []
    for each in brain.objects("connections", CONNECTIONS_MAX):
        each.whole("innovation")
        connections.append(_connection(each, "from", "to"))
    return Network(tuple(nodes), tuple(connections))


def wiki_network(reader: Reader) -> Network:
    """The brain as the wiki nests it."""
    topology = reader.inside("brain").inside("topology")
    kinds = frozenset(NODE_TYPES.values())
    nodes = tuple(
        Node(each.whole("id"), _kind(each.one_of("layer", kinds)))
        for each in topology.objects("nodes", NODES_MAX)
    )
    connections = tuple(
        _connection(each, "src", "dst") for each in topology.objects("connections", CONNECTIONS_MAX)
    )
    return Network(nodes, connections)


def _connection(row: Reader, source: str, target: str) -> Connection:
    _finite(row, "weight")
    weight = float(row.number("weight"))
    return Connection(row.whole(source), row.whole(target), weight, row.flag("enabled"))


def _kind(word: str) -> NodeKind:
    return next(kind for kind in NODE_TYPES.values() if kind == word)


def _finite(reader: Reader, key: str) -> None:
    if not math.isfinite(reader.number(key)):  # whole numbers may be beyond any float
        raise reader.wrong(key, "must be a finite number")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unhexed(text: str, file: str, *, is_text: bool = True) -> bytes:
    if not text:
        raise InvalidFile(file, Place(), "is empty")
    if len(text) > HEX_CHARACTERS_MAX:
        raise InvalidFile(file, Place(), f"more than {HEX_CHARACTERS_MAX:,} hex digits")
    if not _HEX.match(text):
        found = _NO_HEX.search(text)
        at = found.start() if found else 0
        raise InvalidFile(file, Place(byte=at), f"{text[at]!r} is no hex digit")
    if len(text) % 2:
        raise InvalidFile(file, Place(byte=len(text)), "an odd number of hex digits")
    raw = bytes.fromhex(text)
    if is_text:
        _utf8(raw, file)
    return raw


def _utf8(raw: bytes, file: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        where = Place(byte=2 * error.start)
        raise InvalidFile(file, where, "the hex is not that of UTF-8 from here on") from error


def _is_checked(raw: bytes) -> bool:
    """Of what ends with `}` either way: the sum in front of which it fits."""
    plain, told = raw[:-CRC_BYTES], raw[-CRC_BYTES:]
    crc = zlib.crc32(plain)
    return told in (crc.to_bytes(CRC_BYTES, "big"), crc.to_bytes(CRC_BYTES, "little"))
