"""neat-python's network JSON, format_version 1.0, as `neat.export.export_network_json` writes it.

Only the network is in it, not the genome with its innovations, and neat-python reads none: what is
lost, the program lost. Its other files are pickles, which nothing here opens.
"""

from registry.errors import quoted
from registry.formats.found import Found, Scalar
from registry.formats.json_text import Reader, parse
from registry.formats.limits import CONNECTIONS_MAX, NODES_MAX
from registry.formats.networks import Connection, Network, Node, NodeKind
from registry.formats.texts import line_of, name_of, tags_of, text_of
from registry.formats.words import Format

VERSIONS = ("1.0",)
TYPES = frozenset({"feedforward", "recurrent", "ctrnn", "iznn"})
_KINDS: dict[str, NodeKind] = {"input": "input", "hidden": "hidden", "output": "output"}


def read_neat(data: bytes, file: str) -> tuple[Found, ...]:
    """Raises `InvalidFile`."""
    reader = Reader(parse(text_of(data, file), file), file)
    version = reader.text("format_version")
    if version not in VERSIONS:
        raise reader.wrong("format_version", f"{quoted(version)} is not known; only 1.0 is")
    type = reader.one_of("network_type", TYPES)
    network = network_of_neat(reader)
    about = reader.inside("metadata") if "metadata" in reader.map else Reader({}, file)
    fields: dict[str, Scalar] = {"network_type": type, **network.counts()}
    fields |= {
        key: value
        for key in ("generation", "genome_id")
        if isinstance(value := about.map.get(key), int)
    }
    for kind in ("inputs", "outputs"):
        fields[kind] = sum(node.kind == kind[:-1] for node in network.nodes)
    return (
        Found(
            kind="genome",
            format=Format.NEAT_NETWORK,
            data=data,
            name=name_of(file),
            tags=tags_of("neat", type),
            fitness_score=about.number("fitness") if about.map.get("fitness") is not None else None,
            description=line_of(str(about.map.get("description", "") or ""), 1_000),
            fields=fields,
        ),
    )


def network_of_neat(reader: Reader) -> Network:
    nodes: dict[int, Node] = {}
    for each in reader.objects("nodes", NODES_MAX):
        id = each.whole("id", is_signed=True)
        if id in nodes:
            raise each.wrong("id", f"there is a node {id} already")
        kind = _KINDS[each.one_of("type", frozenset(_KINDS))]
        nodes[id] = Node(id, kind, "", _word(each, "activation"), _about(each))
    connections: list[Connection] = []
    for each in reader.objects("connections", CONNECTIONS_MAX):
        ends = [each.whole(key, is_signed=True) for key in ("from", "to")]
        for key, end in zip(("from", "to"), ends, strict=True):
            if end not in nodes:
                raise each.wrong(key, f"there is no node {end}")
        source, target = ends
        weight = each.number("weight")
        connections.append(Connection(source, target, weight, each.flag("enabled")))
    return Network(tuple(nodes.values()), tuple(connections))


def _word(node: Reader, key: str) -> str:
    return line_of(node.inside(key).text("name")) if key in node.map else ""


def _about(node: Reader) -> str:
    """Aggregation and the numbers of a node, in one line."""
    numbers = [
        f"{key} {node.number(key)!r}"
        for key in ("bias", "response", "time_constant", "a", "b", "c", "d")
        if key in node.map
    ]
    return line_of(", ".join((_word(node, "aggregation"), *numbers)), 300)
