"""Primordium's registry.db: what its rows are, once somebody has taken them out of the file.

The file is SQLite, which only `storage` reads, in a child process with limits; what comes here are
plain rows. Tables and columns are those of `WANTED`; whatever else is in the file is not looked at.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from registry.formats.detecting import detect
from registry.formats.errors import InvalidFile, Place
from registry.formats.found import Found, Scalar
from registry.formats.limits import BY_CHARACTERS_MAX, ITEM_BYTES_MAX, ITEMS_MAX
from registry.formats.primordium import read_genotype, read_hexdna2
from registry.formats.texts import line_of, name_of, prose_of, tags_of
from registry.formats.words import Format
from registry.plain import as_list

Value = str | int | float | None
Row = Mapping[str, Value]
Tables = Mapping[str, Mapping[int, Row]]  # by the number of the row, from 1

WANTED: Mapping[str, tuple[str, ...]] = {
    "lineages": ("id", "start_tick", "civilization_level", "is_extinct", "best_genotype"),
    "fossils": ("id", "lineage_id", "tick", "genotype", "legend_reason"),
    "genome_submissions": (
        "id", "lineage_id", "genotype", "author", "name", "description", "tags", "fitness_score",
        "offspring_count", "tick", "downloads", "created_at",
    ),
    "seed_submissions": (
        "id", "author", "name", "description", "tags", "config_json", "avg_tick_time", "max_pop",
        "performance_summary", "created_at", "downloads",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rows:
    """What a database holds; a row that is broken takes none of the others with it."""

    found: tuple[Found, ...]
    refused: tuple[InvalidFile, ...]


def read_tables(tables: Tables, file: str, unread: Iterable[tuple[Place, str]] = ()) -> Rows:
    """Lineages with their best genomes, fossils, genomes and seeds; at least one row of them.

    `unread`: rows that are known to be broken, and why. A genotype that the program itself would
    not take is kept as text, as its registry kept it. Raises `InvalidFile` for the whole.
    """
    found: list[Found] = []
    refused = [InvalidFile(file, place, reason) for place, reason in unread]
    for table, read_row in _READERS.items():
        for number, row in tables.get(table, {}).items():
            try:
                found += read_row(row, Place(table=table, row=number), file)
            except InvalidFile as error:
                refused.append(error)
    if not found and not refused:
        known = ", ".join(WANTED)
        raise InvalidFile(file, Place(), f"has nothing in any of the tables {known}")
    if len(found) > ITEMS_MAX:
        raise InvalidFile(file, Place(), f"{len(found):,} items, at most {ITEMS_MAX:,}")
    return Rows(tuple(found), tuple(refused))


def _lineage(row: Row, place: Place, file: str) -> list[Found]:
    id = line_of(_text(row, "id"))
    if not id:
        raise InvalidFile(file, place, "a lineage without an id")
    best = _genotype(_text(row, "best_genotype"), place, file)
    lineage = Found(
        kind="lineage",
        format=Format.PRIMORDIUM_REGISTRY,
        data=b"",  # a row is no bytes
        place=place,
        name=id,
        tags=("primordium",),
        lineage=id,
        civilization_level=_whole(row, "civilization_level", 32) or 0,
        is_extinct=bool(_whole(row, "is_extinct")),
        start_tick=_whole(row, "start_tick"),
        best_genotype=best.identity if best else "",
    )
    if best is None:
        return [lineage]
    return [lineage, replace(best, name=f"Best of {line_of(id, 8)}", lineage=id)]


def _fossil(row: Row, place: Place, file: str) -> list[Found]:
    genome = _genotype(_text(row, "genotype"), place, file)
    if genome is None:
        raise InvalidFile(file, place, "a fossil without a genotype")
    lineage = line_of(_text(row, "lineage_id"))
    return [
        replace(
            genome,
            name=f"Fossil of {line_of(lineage, 8)}" if lineage else "Fossil",
            description=prose_of(_text(row, "legend_reason")),
            tags=(*genome.tags, "fossil"),
            tick=_whole(row, "tick"),
            lineage=lineage,
        )
    ]


def _genome(row: Row, place: Place, file: str) -> list[Found]:
    genome = _genotype(_text(row, "genotype"), place, file)
    if genome is None:
        raise InvalidFile(file, place, "a genome without a genotype")
    return [
        replace(
            genome,
            name=line_of(_text(row, "name")) or f"{name_of(file)} {_text(row, 'id')}".strip(),
            description=prose_of(_text(row, "description")),
            tags=tags_of("primordium", *_tags(_text(row, "tags"))),
            by=line_of(_text(row, "author"), BY_CHARACTERS_MAX),
            fitness_score=_number(row, "fitness_score"),
            offspring_count=_whole(row, "offspring_count", 32),
            tick=_whole(row, "tick"),
            lineage=line_of(_text(row, "lineage_id")) or genome.lineage,
            fields={**genome.fields, **_counted(row)},
        )
    ]


def _seed(row: Row, place: Place, file: str) -> list[Found]:
    config = _text(row, "config_json").encode()
    if not config:
        raise InvalidFile(file, place, "a seed without settings in config_json")
    _bound(config, place, file)
    return [
        Found(
            kind="seed",
            format=Format.PRIMORDIUM_CONFIG_JSON,
            data=config,
            place=place,
            name=line_of(_text(row, "name")) or name_of(file),
            description=prose_of(_text(row, "description")),
            tags=tags_of("primordium", *_tags(_text(row, "tags"))),
            by=line_of(_text(row, "author"), BY_CHARACTERS_MAX),
            avg_tick_time=_number(row, "avg_tick_time"),
            max_pop=_whole(row, "max_pop", 32),
            performance_summary=prose_of(_text(row, "performance_summary")),
            fields=_counted(row),
        )
    ]


def _genotype(text: str, place: Place, file: str) -> Found | None:
    """The genome whose bytes are `text`; None where there is none."""
    data = text.encode()
    if not data:
        return None
    _bound(data, place, file)
    format = detect("", data)
    readers = {
        Format.PRIMORDIUM_GENOTYPE: read_genotype,
        Format.PRIMORDIUM_HEXDNA2: read_hexdna2,
    }
    if reader := readers.get(format):
        try:
            (found,) = reader(data, file)
        except InvalidFile:
            pass
        else:
            return replace(found, place=place)
    return Found(
        kind="genome",
        format=Format.UNKNOWN,
        data=data,
        place=place,
        name=name_of(file),
        tags=("primordium",),
    )


_READERS: Mapping[str, Callable[[Row, Place, str], list[Found]]] = {
    "lineages": _lineage,
    "fossils": _fossil,
    "genome_submissions": _genome,
    "seed_submissions": _seed,
}


def _bound(data: bytes, place: Place, file: str) -> None:
    if len(data) > ITEM_BYTES_MAX:
        raise InvalidFile(file, place, f"more than {ITEM_BYTES_MAX:,} bytes")


def _tags(text: str) -> list[str]:
    """A JSON list, or words with commas between: the program has written both."""
    try:
        listed = as_list(json.loads(text[:4_096])) if text.startswith("[") else None
    except (ValueError, RecursionError):
        listed = None
    return [str(each) for each in listed] if listed is not None else text[:4_096].split(",")


def _counted(row: Row) -> dict[str, Scalar]:
    """What the old registry said of it, which nobody can check."""
    found: dict[str, Scalar] = {}
    if downloads := _whole(row, "downloads", 53):
        found["downloads_elsewhere"] = downloads
    if created := _text(row, "created_at"):
        found["created_elsewhere"] = line_of(created)
    return found


def _text(row: Row, key: str) -> str:
    value = row.get(key)
    return "" if value is None else str(value)


def _whole(row: Row, key: str, bits: int = 63) -> int | None:
    value = row.get(key)
    return value if isinstance(value, int) and 0 <= value < 1 << bits else None


def _number(row: Row, key: str) -> float | None:
    value = row.get(key)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
