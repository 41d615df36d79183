"""Networks of neurons, whatever program made them: for pictures and comparisons."""

from dataclasses import dataclass
from typing import Literal

NodeKind = Literal["input", "hidden", "output"]


@dataclass(frozen=True, slots=True)
class Node:
    id: int
    kind: NodeKind
    label: str = ""
    activation: str = ""  # in the program's own word
    about: str = ""  # bias and what else may differ


@dataclass(frozen=True, slots=True)
class Connection:
    source: int
    target: int
    weight: float
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class Network:
    nodes: tuple[Node, ...]
    connections: tuple[Connection, ...]

    def counts(self) -> dict[str, int]:
        """What lists show of it."""
        return {
            "nodes": len(self.nodes),
            "hidden_nodes": sum(node.kind == "hidden" for node in self.nodes),
            "connections": len(self.connections),
            "enabled_connections": sum(each.is_enabled for each in self.connections),
        }
