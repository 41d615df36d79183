"""The Bibites: templates (.bb8template), and what is read of whole animals (.bb8).

```
{"name", "speciesName", "description", "generation", "version": "0.6.1", "nodes": [{"Type", "Index",
 "Inov", "Desc", "baseActivation"}], "synapses": [{"Inov", "NodeIn", "NodeOut", "Weight", "En"}],
 "genes": {"Diet": 0.5, …}}
```
The format drifts from version to version: what is known is read, and nothing that is unknown, or
missing, or a number in quotes, is a reason to refuse a file. A .bb8 has the same under `brain` and
`genes.genes`.
"""

import math
from collections.abc import Iterator

from registry.formats.errors import InvalidFile, Place
from registry.formats.found import Found, Scalar
from registry.formats.json_text import Reader, parse
from registry.formats.limits import CONNECTIONS_MAX, GENES_MAX, NODES_MAX
from registry.formats.networks import Connection, Network, Node, NodeKind
from registry.formats.texts import line_of, name_of, prose_of, tags_of, text_of
from registry.formats.words import Format
from registry.plain import as_list, as_map

INPUT_TYPE = 0
OUTPUTS_BEFORE_HIDDEN = 48  # indices of hidden nodes begin beyond those of senses and actions
_HIDDEN_LABEL = "hidden"


def read_bibite(data: bytes, file: str) -> tuple[Found, ...]:
    """Raises `InvalidFile`."""
    reader = Reader(parse(text_of(data, file), file), file)
    network = network_of_bibite(reader)
    genes = genes_of_bibite(reader)
    if not network.nodes and not genes:
        raise InvalidFile(file, Place(), "has neither nodes nor genes")
    species = _text(reader, "speciesName")
    fields: dict[str, Scalar] = {**network.counts(), "genes": len(genes)}
    for key in ("generation", "version"):
        value = reader.map.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool):
            fields[key] = line_of(value) if isinstance(value, str) else value
    if species:
        fields["species"] = species
    return (
        Found(
            kind="genome",
            format=Format.BIBITES,
            data=data,
            name=_text(reader, "name") or species or name_of(file),
            description=prose_of(str(reader.map.get("description") or "")),
            tags=tags_of("bibites", species),
            by=_text(reader, "author"),
            fields=fields,
        ),
    )


def genes_of_bibite(reader: Reader) -> dict[str, float]:
    genes = as_map(reader.map.get("genes")) or {}
    genes = as_map(genes.get("genes")) or genes
    found = {key: number for key, value in genes.items() if (number := _number(value)) is not None}
    if len(genes) > GENES_MAX:
        raise reader.wrong("genes", f"{len(genes):,} of them, at most {GENES_MAX:,}")
    return found


def network_of_bibite(reader: Reader) -> Network:
    brain = reader if as_map(reader.map.get("brain")) is None else reader.inside("brain")
    connections: list[Connection] = []
    for each in _rows(brain, ("synapses", "Synapses"), CONNECTIONS_MAX):
        source, target = _number(each.map.get("NodeIn")), _number(each.map.get("NodeOut"))
        weight = _number(each.map.get("Weight"))
        if source is not None and target is not None:
            is_enabled = each.map.get("En") is not False
            connections.append(Connection(int(source), int(target), weight or 0.0, is_enabled))
    nodes = [
        _node(each, number)
        for number, each in enumerate(_rows(brain, ("nodes", "Nodes"), NODES_MAX))
    ]
    return Network(tuple(nodes), tuple(connections))


def _node(row: Reader, number: int) -> Node:
    index = _number(row.map.get("Index"))
    id = number if index is None else int(index)
    label = line_of(str(row.map.get("Desc") or ""))
    type = _number(row.map.get("Type"))
    is_hidden = label.lower().startswith(_HIDDEN_LABEL) or id >= OUTPUTS_BEFORE_HIDDEN
    kind: NodeKind = "input" if type == INPUT_TYPE else "hidden" if is_hidden else "output"
    name = line_of(str(row.map.get("TypeName") or ""))
    base = _number(row.map.get("baseActivation"))
    activation = name or ("" if type is None else f"{type:g}")
    return Node(id, kind, label, activation, f"base {base!r}" if base else "")


def _rows(reader: Reader, keys: tuple[str, ...], count_max: int) -> Iterator[Reader]:
    for key in keys:
        if as_list(reader.map.get(key)) is not None:
            yield from reader.objects(key, count_max)
            return


def _text(reader: Reader, key: str) -> str:
    value = reader.map.get(key)
    return line_of(value) if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    """Also of a text, as editors of the web write it."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value[:64] if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
