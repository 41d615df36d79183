"""Which versions go together: how long the resolver thinks, and what it does where it is hard.

graph         1,000 packages of 10 versions, all drawn in: by all as requirements, and by a few
adversarial   conflicts at the end of chains, packages of 500 versions that pin each other, circles,
              random 3-SAT of 25 variables; each ends with versions or with its explanation
sat40         3-SAT of 40 variables, of which half have no solution: beyond what people publish
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from statistics import median
from typing import Any, Final

from registry.errors import Unsolvable
from registry.resolver import resolve
from tests.registry.indexes import MemoryIndex, chain, index_of, layered, three_sat

PACKAGES: Final = 1_000
VERSIONS: Final = 10
FEW: Final = 20
ROUNDS: Final = 5
GRAPH_MS_MAX: Final = 200
ADVERSARIAL_MS_MAX: Final = 2_000

Case = tuple[MemoryIndex, Mapping[str, str]]


def main() -> dict[str, Any]:
    """Milliseconds of CPU: the median of some rounds, and of what is adversarial the slowest."""
    graph = layered(PACKAGES, VERSIONS, seed=7)
    everything = {name(number): "*" for number in range(PACKAGES)}
    few = {name(number): "*" for number in range(0, PACKAGES, PACKAGES // FEW)}
    graph_ms = {
        "all": median(resolved_ms((graph, everything)) for _ in range(ROUNDS)),
        "few": median(resolved_ms((graph, few)) for _ in range(ROUNDS)),
    }
    hard_ms = {title: resolved_ms(make()) for title, make in ADVERSARIAL.items()}
    beyond = [resolved_ms(three_sat(40, 171, seed=seed)) for seed in range(4)]
    slowest = max(hard_ms.values())
    return {
        "packages": PACKAGES,
        "versions": VERSIONS,
        "graph_ms": {title: round(took_ms) for title, took_ms in graph_ms.items()},
        "graph_ms_max": GRAPH_MS_MAX,
        "adversarial_ms": {title: round(took_ms) for title, took_ms in hard_ms.items()},
        "adversarial_ms_max": ADVERSARIAL_MS_MAX,
        "sat40_ms": [round(took_ms) for took_ms in beyond],
        "held": max(graph_ms.values()) < GRAPH_MS_MAX and slowest < ADVERSARIAL_MS_MAX,
    }


def name(number: int) -> str:
    return f"p{number:04}"


def resolved_ms(case: Case) -> float:
    """Of CPU, the explanation included where nothing fits."""
    index, root = case
    started_s = time.process_time()
    with suppress(Unsolvable):
        resolve(index, root)
    return (time.process_time() - started_s) * 1000


def pinning(versions: int) -> Case:
    """Each version of one wants the other's of the same number, and that one the next number."""
    packages: dict[str, dict[str, str]] = {}
    for number in range(1, versions + 1):
        packages[f"a {number}.0.0"] = {"b": f"{number}.0.0"}
        packages[f"b {number}.0.0"] = {"a": f"{number % versions + 1}.0.0"}
    return index_of(packages), {"a": "*", "b": "*"}


def circle(length: int, versions: int) -> Case:
    """Around which every step wants a higher version, so none fits."""
    packages = {
        f"c{at} {number}.0.0": {f"c{(at + 1) % length}": f">{number - (at > 0)}.0.0"}
        for at in range(length)
        for number in range(1, versions + 1)
    }
    return index_of(packages), {"c0": "*"}


ADVERSARIAL: Final[Mapping[str, Callable[[], Case]]] = {
    "chain of 12 by 20": lambda: (chain(12, 20), {"link0": "*"}),
    "chain of 50 by 50": lambda: (chain(50, 50), {"link0": "*"}),
    "two of 500 that pin each other": lambda: pinning(500),
    "circle of 6 by 20": lambda: circle(6, 20),
    **{f"3-SAT of 25, seed {seed}": partial(three_sat, 25, 107, seed=seed) for seed in range(4)},
}
