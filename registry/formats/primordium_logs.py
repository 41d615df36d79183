"""What Primordium logs: legends.json, fossils.json(.gz), lineages.json(.gz).

```
legends.json    one to a line: {"id","parent_id","lineage_id","birth_tick","death_tick",
                "generation","offspring_count","peak_energy","genotype":{…},…}
fossils.json    {"fossils": [{"lineage_id","name","extinct_tick","total_offspring","genotype",…}]}
lineages.json   {"lineages": {id: {"name","first_appearance_tick","is_extinct","civilization_level",
                "max_fitness_genotype": {…} or null,…}}}
```
A legend or fossil is a genome, with all that stands around its genotype; a lineage is one, and the
genotype in it is another.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from registry.formats.errors import InvalidFile, Place
from registry.formats.found import Found, Scalar
from registry.formats.json_text import (
    Part,
    Reader,
    escaped,
    member,
    members,
    parse,
    sequence,
    start_of,
)
from registry.formats.limits import ITEMS_MAX
from registry.formats.primordium import check_genotype, found_of
from registry.formats.texts import Lines, line_of, text_of
from registry.formats.words import Format
from registry.plain import as_map

_LEGEND_NUMBERS = ("generation", "lifespan", "peak_energy", "birth_tick")
_FOSSIL_NUMBERS = ("max_generation", "avg_lifespan", "peak_population")
_LINEAGE_NUMBERS = (
    "total_entities_produced",
    "current_population",
    "peak_population",
    "max_generation",
)


def read_legends(data: bytes, file: str) -> tuple[Found, ...]:
    """Legends and fossils. Raises `InvalidFile`."""
    text = text_of(data, file)
    found: list[Found] = []
    lines = Lines(text)
    ids: list[tuple[object, object]] = []  # its own, its parent's
    for part, pointer in _logged(text, file):
        reader = Reader(part.value, file, pointer)
        genotype = reader.inside("genotype")
        check_genotype(genotype)
        inside = found_of(b"", _slice(text, part, "genotype"), Format.PRIMORDIUM_JSON, file)
        is_fossil = "extinct_tick" in reader.map
        tick, offspring, numbers = (
            ("extinct_tick", "total_offspring", _FOSSIL_NUMBERS)
            if is_fossil
            else ("death_tick", "offspring_count", _LEGEND_NUMBERS)
        )
        lineage = reader.text("lineage_id")
        name = line_of(reader.text("name", "")) if is_fossil else ""
        found.append(
            replace(
                inside,
                format=Format.PRIMORDIUM_LEGENDS,
                data=text[part.start : part.end].encode(),
                place=lines.place(part.start),
                name=name or f"{'Fossil' if is_fossil else 'Legend'} of {line_of(lineage, 8)}",
                tags=(*inside.tags, "fossil" if is_fossil else "legend"),
                tick=reader.whole(tick, bits=63),
                offspring_count=reader.whole(offspring, bits=32),
                lineage=line_of(lineage),
                fields={**inside.fields, **_numbers(reader, numbers)},
            )
        )
        ids.append((_id(reader.map.get("id")), _id(reader.map.get("parent_id"))))
        _bound(found, file)
    identities = {own: each.identity for (own, _), each in zip(ids, found, strict=True) if own}
    return tuple(
        replace(each, parents=(identities[parent],)) if parent in identities else each
        for (_, parent), each in zip(ids, found, strict=True)
    )


def _id(value: object) -> str | int | None:
    return value if isinstance(value, (str, int)) else None


def read_lineages(data: bytes, file: str) -> tuple[Found, ...]:
    """Each lineage, and after it the best genome that it had. Raises `InvalidFile`."""
    text = text_of(data, file)
    whole = Reader(parse(text, file), file)
    start = start_of(text)
    if "lineages" not in whole.map:  # one of them alone, as it is kept
        return (
            *_lineage(text, Part("", start, len(text.rstrip()), whole.map), file, "", Lines(text)),
        )
    table = member(text, "lineages", start)
    whole.inside("lineages")
    assert table is not None
    lines = Lines(text)
    found: list[Found] = []
    for part in members(text, table.start):
        found += _lineage(text, part, file, f"/lineages/{escaped(part.key)}", lines)
        _bound(found, file)
    return tuple(found)


def _lineage(text: str, part: Part, file: str, pointer: str, lines: Lines) -> Iterator[Found]:
    reader = Reader(part.value, file, pointer)
    id = line_of(part.key or reader.text("id", ""))
    place = lines.place(part.start)
    best: tuple[Found, ...] = ()
    if as_map(reader.map.get("max_fitness_genotype")) is not None:
        check_genotype(reader.inside("max_fitness_genotype"))
        slice = _slice(text, part, "max_fitness_genotype")
        genome = found_of(slice.encode(), slice, Format.PRIMORDIUM_JSON, file)
        name = line_of(reader.text("name", ""))
        best = (replace(genome, name=f"Best of {name or line_of(id, 8)}", place=place, lineage=id),)
    yield Found(
        kind="lineage",
        format=Format.PRIMORDIUM_LINEAGES,
        data=text[part.start : part.end].encode(),
        place=place,
        name=line_of(reader.text("name", "")) or id,
        tags=("primordium",),
        lineage=id,
        civilization_level=reader.whole("civilization_level", bits=32),
        is_extinct=reader.flag("is_extinct"),
        start_tick=reader.whole("first_appearance_tick", bits=63),
        best_genotype=best[0].identity if best else "",
        fields=_numbers(reader, _LINEAGE_NUMBERS),
    )
    yield from best


def _logged(text: str, file: str) -> Iterator[tuple[Part, str]]:
    """Each legend or fossil with the pointer to it."""
    start = start_of(text)
    if text.startswith("{", start) and '"fossils"' in text[start : start + 64]:
        Reader(parse(text, file), file).items("fossils", ITEMS_MAX)
        table = member(text, "fossils", start)
        assert table is not None
        for number, part in enumerate(members(text, table.start)):
            yield part, f"/fossils/{number}"
    else:
        for number, part in enumerate(sequence(text, file)):
            yield part, f"/{number}"


def _slice(text: str, part: Part, key: str) -> str:
    inside = member(text, key, part.start)
    assert inside is not None
    return text[inside.start : inside.end]


def _numbers(reader: Reader, keys: tuple[str, ...]) -> Mapping[str, Scalar]:
    return {key: reader.number(key) for key in keys if key in reader.map}


def _bound(found: list[Found], file: str) -> None:
    if len(found) > ITEMS_MAX:
        raise InvalidFile(file, Place(), f"more than {ITEMS_MAX:,} items; cut the file in parts")
