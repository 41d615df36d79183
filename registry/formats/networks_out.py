"""Brains of other programs as networks of neat-python, whose JSON others read."""

from collections.abc import Callable, Mapping, Sequence

from registry.formats.bibites import network_of_bibite
from registry.formats.json_text import Reader, Token, indented, parse, parse_verbatim, write
from registry.formats.networks import Network, Node
from registry.formats.primordium import brain_network, genotype_json
from registry.formats.texts import text_of
from registry.plain import as_list, as_map

Options = Mapping[str, str]

# The Bibites' numbers of node types, by the names that neat-python has for the same functions.
_BIBITES_ACTIVATIONS: Mapping[str, str] = {
    "1": "sigmoid",
    "2": "identity",
    "3": "tanh",
    "4": "sin",
    "5": "relu",
    "6": "gauss",
    "9": "abs",
}


def genotype_to_neat(data: bytes, file: str, _: Options) -> bytes:
    text = genotype_json(data, file)
    network = brain_network(Reader(parse(text, file), file))
    brain = as_map((as_map(parse_verbatim(text, file)) or {}).get("brain")) or {}
    rows = [as_map(each) or {} for each in as_list(brain.get("connections")) or ()]
    return _neat(network, [row["weight"] for row in rows], _tanh)


def bibite_to_neat(data: bytes, file: str, _: Options) -> bytes:
    network = network_of_bibite(Reader(parse(text_of(data, file), file), file))
    weights = [Token(repr(each.weight)) for each in network.connections]
    return _neat(network, weights, _activation_of_bibite)


def _tanh(_: Node) -> tuple[str, bool]:
    return "tanh", False


def _activation_of_bibite(node: Node) -> tuple[str, bool]:
    """The name, and whether neat-python lacks it."""
    name = _BIBITES_ACTIVATIONS.get(node.activation)
    return (name, False) if name else (f"bibites-{node.activation}", True)


def _neat(
    network: Network,
    weights: Sequence[object],
    activation: Callable[[Node], tuple[str, bool]],
) -> bytes:
    """`weights`: one to a connection, as they are to be written."""
    nodes = {node.id: node for node in network.nodes}.values()  # one to an id, as it must be there
    known = {node.id for node in nodes}
    inputs = [node.id for node in nodes if node.kind == "input"]
    outputs = [node.id for node in nodes if node.kind == "output"]
    rows = zip(network.connections, weights, strict=True)
    value = {
        "format_version": "1.0",
        "network_type": "recurrent",
        "metadata": {"converted_by": "panspermia"},
        "topology": {
            "num_inputs": len(inputs),
            "num_outputs": len(outputs),
            "input_keys": inputs,
            "output_keys": outputs,
        },
        "nodes": [
            _node(node, activation) for node in {each.id: each for each in network.nodes}.values()
        ],
        "connections": [
            {"from": each.source, "to": each.target, "weight": weight, "enabled": each.is_enabled}
            for each, weight in rows
            if each.source in known and each.target in known
        ],
    }
    return indented(write(value)).encode()


def _node(node: Node, activation: Callable[[Node], tuple[str, bool]]) -> dict[str, object]:
    name, is_custom = ("identity", False) if node.kind == "input" else activation(node)
    aggregation = "none" if node.kind == "input" else "sum"
    return {
        "id": node.id,
        "type": node.kind,
        "activation": {"name": name, "custom": is_custom},
        "aggregation": {"name": aggregation, "custom": False},
        "bias": Token("0.0"),
        "response": Token("1.0"),
    }
