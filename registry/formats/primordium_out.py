"""Primordium's files made out of each other: every number goes over as it is written."""

import tomllib
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from registry.formats.errors import NoConversion
from registry.formats.json_text import (
    Token,
    compact,
    indented,
    member,
    parse_verbatim,
    start_of,
    write,
)
from registry.formats.primordium import (
    NODE_TYPES,
    PHENOTYPE,
    SPECIALIZATIONS,
    TRAITS,
    genotype_json,
    hexdna2_json,
    is_flat,
    read_json,
)
from registry.formats.primordium_migration import is_uuid, write_migration
from registry.formats.primordium_world import settings_of_toml
from registry.formats.texts import text_of
from registry.plain import as_list, as_map
from registry.toml import quote

Options = Mapping[str, str]
_BARE_KEY = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def genotype_to_json(data: bytes, file: str, _: Options) -> bytes:
    return indented(genotype_json(data, file)).encode()


def json_to_genotype(data: bytes, file: str, _: Options) -> bytes:
    return _hexed(text_of(data, file))


def legend_to_genotype(data: bytes, file: str, _: Options) -> bytes:
    """The same characters that the program itself writes where it tells of that genotype."""
    text = text_of(data, file)
    start = start_of(text)
    inside = member(text, "genotype", start)
    if inside is None:  # a whole fossils.json with one fossil
        table = member(text, "fossils", start)
        assert table is not None
        inside = member(text, "genotype", start_of_first(text, table.start))
    assert inside is not None
    return _hexed(text[inside.start : inside.end])


def start_of_first(text: str, at: int) -> int:
    """Where the first thing in a list begins."""
    return at + 1 + start_of(text[at + 1 :])


def hexdna2_to_genotype(data: bytes, file: str, _: Options) -> bytes:
    """Raises `NoConversion` where the wiki's form lacks what a genotype must have."""
    text = hexdna2_json(data, file)
    if is_flat(text, file):
        return _hexed(text)
    whole = as_map(parse_verbatim(text, file)) or {}
    topology = as_map((as_map(whole.get("brain")) or {}).get("topology")) or {}
    kinds = {kind: word for word, kind in NODE_TYPES.items()}
    nodes = [as_map(each) or {} for each in as_list(topology.get("nodes")) or ()]
    connections = [as_map(each) or {} for each in as_list(topology.get("connections")) or ()]
    brain = {
        "nodes": [
            {"id": each["id"], "node_type": kinds[each["layer"]], "label": None} for each in nodes
        ],
        "connections": [
            {
                "from": each["src"],
                "to": each["dst"],
                "weight": each["weight"],
                "enabled": each["enabled"],
                "innovation": number,
            }
            for number, each in enumerate(connections)
        ],
        "next_node_id": max((each["id"] for each in nodes), default=-1) + 1,
        "learning_rate": Token("0.0"),
    }
    told = {**(as_map(whole.get("phenotype")) or {}), **(as_map(whole.get("life_history")) or {})}
    if missing := [key for key in (*PHENOTYPE, *TRAITS) if key not in told]:
        raise NoConversion(f"the genome does not say {', '.join(missing)}")
    lineage = str((as_map(whole.get("metadata")) or {}).get("lineage_id", ""))
    made = str(uuid.uuid5(uuid.NAMESPACE_OID, lineage))  # the same lineage, the same id
    flat = {
        "brain": brain,
        **{key: told[key] for key in PHENOTYPE},
        "lineage_id": lineage if is_uuid(lineage) else made,
        **{key: told[key] for key in TRAITS},
        "specialization_bias": [Token("0.0")] * SPECIALIZATIONS,
        "regulatory_rules": list[object](),
    }
    found = write(flat)
    read_json(found.encode(), file)  # what was told may still be no number
    return _hexed(found)


def genotype_to_migration(data: bytes, file: str, options: Options) -> bytes:
    return write_migration(text_of(data, file), options)


def config_to_json(data: bytes, file: str, _: Options) -> bytes:
    settings_of_toml(data, file)  # within bounds, and TOML at all
    settings = tomllib.loads(text_of(data, file), parse_float=_json_number)
    return indented(write(_jsonable(settings))).encode()


def settings_to_toml(data: bytes, file: str, _: Options) -> bytes:
    settings = as_map(parse_verbatim(text_of(data, file), file)) or {}
    return "\n".join([*_table(settings, ()), ""]).lstrip("\n").encode()


def _hexed(text: str) -> bytes:
    return compact(text).encode().hex().encode()


def _json_number(text: str) -> Token:
    """TOML's digits may be parted by `_` and begin with `+`; and it has numbers that JSON lacks."""
    plain = text.replace("_", "").removeprefix("+")
    if plain.lstrip("-") in ("inf", "nan"):
        raise NoConversion(f"JSON has no number {plain}")
    return Token(plain)


def _jsonable(value: object) -> object:
    if (found := as_map(value)) is not None:
        return {key: _jsonable(each) for key, each in found.items()}
    if (items := as_list(value)) is not None:
        return [_jsonable(each) for each in items]
    if value is None or isinstance(value, str | int | float):
        return value
    raise NoConversion(f"JSON has no dates, as {value}")


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """The plain values of a table first, then the tables inside of it."""
    inner = {key: found for key, value in table.items() if (found := as_map(value)) is not None}
    for key, value in table.items():
        if key not in inner:
            yield f"{_key(key)} = {_value(value)}"
    for key, found in inner.items():
        yield ""
        yield f"[{'.'.join(map(_key, (*path, key)))}]"
        yield from _table(found, (*path, key))


def _key(key: str) -> str:
    return key if key and set(key) <= _BARE_KEY else quote(key)


def _value(value: object) -> str:
    match value:
        case None:
            raise NoConversion("TOML has no null")
        case bool():
            return "true" if value else "false"
        case Token() | int():
            return str(value)
        case str():
            return quote(value)
        case _:
            pass
    if (found := as_map(value)) is not None:
        return f"{{{', '.join(f'{_key(key)} = {_value(each)}' for key, each in found.items())}}}"
    return f"[{', '.join(map(_value, as_list(value) or ()))}]"
