"""What `io.panspermia.forager` gives, in Python: integers of any size, written from its README."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

UNJUDGED: Final = -(1 << 63)
ONE: Final = 1 << 16
LARGEST: Final = 1_000 * ONE
SPAN: Final = 64 * ONE
ENERGY_MAX: Final = 200 * ONE
FOOD: Final = 24
MASK: Final = (1 << 64) - 1
AGGREGATIONS: Final = ("sum", "product", "max", "min", "mean")


def within(value: int, most: int) -> int:
    return max(-most, min(most, value))


def cut(over: int, under: int) -> int:
    """Divided, towards zero."""
    found = abs(over) // abs(under)
    return found if (over < 0) == (under < 0) else -found


def times(a: int, b: int) -> int:
    return a * b >> 16


def fixed(number: Decimal) -> int:
    """Its first 14 digits, in units of 1/65,536, towards zero."""
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).lstrip("0")
    kept = int(text[:14] or "0")
    exponent += len(text[14:])
    over: int = kept * ONE * 10 ** max(exponent, 0) if kept else 0
    under: int = 10 ** max(-exponent, 0)
    found = min(over // under, LARGEST)
    return -found if sign else found


def decay(z: int) -> int:
    turns = z * 6_196_328_018 >> 16
    u = (turns & 0xFFFFFFFF) * 2_977_044_471 >> 32
    found = 1 << 32
    for n in range(10, 0, -1):
        found = (1 << 32) - (u * found >> 32) // n
    return found >> (turns >> 32)


def logistic(z: int) -> int:
    z = within(z, 60 * ONE)
    half = (1 << 48) // ((1 << 32) + decay(abs(z)))
    return ONE - half if z < 0 else half


ACTIVATIONS: Final[dict[str, Callable[[int], int]]] = {
    "sigmoid": lambda x: logistic(5 * x),
    "tanh": lambda x: 2 * logistic(5 * x) - ONE,
    "relu": lambda x: max(x, 0),
    "identity": lambda x: x,
    "clamped": lambda x: within(x, ONE),
    "abs": abs,
    "gauss": lambda x: decay(5 * times(within(x, 222_822), within(x, 222_822))) >> 16,
    "square": lambda x: times(x, x),
    "cube": lambda x: times(within(times(x, x), LARGEST), x),
    "hat": lambda x: max(0, ONE - abs(x)),
    "": lambda x: 2 * logistic(2 * x) - ONE,
}


@dataclass
class Node:
    activation: str = ""
    aggregation: str = "sum"
    bias: int = 0
    response: int = ONE
    given: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])


@dataclass
class Network:
    inputs: list[int]
    outputs: list[int]
    nodes: dict[int, Node]
    is_recurrent: bool
    values: dict[int, int] = field(default_factory=dict[int, int])

    def order(self) -> list[int] | None:
        """Each after all that it is reckoned from; None where there is a circle."""
        done, order = set(self.inputs), list[int]()
        left = [*self.nodes]
        while left:
            ready = [id for id in left if all(one in done for one, _ in self.nodes[id].given)]
            if not ready:
                return None
            order.append(ready[0])
            done.add(ready[0])
            left.remove(ready[0])
        return order

    def reckoned(self, id: int) -> int:
        node = self.nodes[id]
        given = [times(weight, self.values.get(one, 0)) for one, weight in node.given]
        found = 0
        match node.aggregation:
            case "product" if given:
                found = ONE
                for each in given:
                    found = within(times(found, each), LARGEST)
            case "max":
                found = max(given, default=0)
            case "min":
                found = min(given, default=0)
            case "mean" if given:
                found = cut(sum(given), len(given))
            case _:
                found = sum(given)
        total = within(node.bias + times(node.response, within(found, LARGEST)), LARGEST)
        return within(ACTIVATIONS[node.activation](total), LARGEST)

    def think(self, senses: Sequence[int], order: Sequence[int]) -> None:
        for id, sense in zip(self.inputs, [*senses, *[0] * len(self.inputs)], strict=False):
            self.values[id] = sense
        if self.is_recurrent:
            self.values |= {id: self.reckoned(id) for id in self.nodes}
        else:
            for id in order:
                self.values[id] = self.reckoned(id)

    def output(self, number: int) -> int:
        if number >= len(self.outputs):
            return ONE
        id = self.outputs[number]
        value = self.values.get(id, 0)
        is_logistic = id in self.nodes and self.nodes[id].activation == "sigmoid"
        return within(2 * value - ONE if is_logistic else value, ONE)


def read_neat(text: str) -> Network | None:
    data: dict[str, Any] = json.loads(text, parse_float=Decimal)
    nodes = {
        one["id"]: Node(
            one["activation"]["name"],
            one["aggregation"]["name"],
            fixed(Decimal(one["bias"])),
            fixed(Decimal(one["response"])),
        )
        for one in data["nodes"]
        if one["id"] not in data["topology"]["input_keys"]
    }
    for node in nodes.values():
        if node.activation not in ACTIVATIONS or node.aggregation not in AGGREGATIONS:
            return None
    kind, topology = data["network_type"], data["topology"]
    if kind not in ("feedforward", "recurrent"):
        return None
    network = Network(topology["input_keys"], topology["output_keys"], nodes, kind == "recurrent")
    return connected(network, data["connections"])


def read_primordium(text: str) -> Network | None:
    brain: dict[str, Any] = json.loads(bytes.fromhex(text.strip()), parse_float=Decimal)["brain"]
    kinds = {one["id"]: one["node_type"] for one in brain["nodes"]}
    nodes = {id: Node() for id, kind in kinds.items() if kind != "Input"}
    inputs = [id for id, kind in kinds.items() if kind == "Input"]
    outputs = [id for id, kind in kinds.items() if kind == "Output"]
    return connected(Network(inputs, outputs, nodes, True), brain["connections"])


def connected(network: Network, connections: Sequence[dict[str, Any]]) -> Network | None:
    for one in connections:
        if one["enabled"]:
            weight = fixed(Decimal(one["weight"]))
            network.nodes[one["to"]].given.append((one["from"], weight))
    return network if network.outputs else None


class World:
    def __init__(self, seed: int) -> None:
        self.state = seed & MASK or 0x9E3779B97F4A7C15
        self.food = [self.place() for _ in range(FOOD)]
        self.x = self.y = SPAN // 2

    def draw(self) -> int:
        state = self.state
        state ^= state >> 12
        state ^= state << 25 & MASK
        state ^= state >> 27
        self.state = state
        return state * 0x2545F4914F6CDD1D & MASK

    def place(self) -> tuple[int, int]:
        return self.draw() >> 42, self.draw() >> 42

    def towards(self, place: tuple[int, int]) -> tuple[int, int]:
        half = SPAN // 2
        dx, dy = (
            (b - a + half) % SPAN - half for a, b in zip((self.x, self.y), place, strict=True)
        )
        return dx, dy


def forage(text: str, seed: int, ticks: int) -> int:
    network = read_neat(text) if text.lstrip().startswith("{") else read_primordium(text)
    if network is None:
        return UNJUDGED
    order = network.order() if not network.is_recurrent else []
    if order is None:
        return UNJUDGED
    world, (hx, hy), energy, last, eaten = World(seed), (ONE, 0), ENERGY_MAX // 2, 0, 0
    for tick in range(ticks):
        ways = [world.towards(place) for place in world.food]
        dx, dy = min(ways, key=lambda one: one[0] ** 2 + one[1] ** 2)
        far = math.isqrt(dx * dx + dy * dy)
        ahead, aside = (cut(hx * dx + hy * dy, far), cut(hx * dy - hy * dx, far)) if far else (0, 0)
        near = ONE - (far >> 5) if far < 32 * ONE else 0
        network.think([ahead, aside, near, energy // 200, last, ONE], order)
        last, speed = network.output(0), network.output(1) + ONE >> 1
        t = last >> 2
        t2 = times(t, t)
        c, s = cut(ONE - t2 << 16, ONE + t2), cut(2 * t << 16, ONE + t2)
        nx, ny = hx * c - hy * s >> 16, hx * s + hy * c >> 16
        length = math.isqrt(nx * nx + ny * ny)
        hx, hy = cut(nx << 16, length), cut(ny << 16, length)
        world.x = (world.x + times(hx, speed)) % SPAN
        world.y = (world.y + times(hy, speed)) % SPAN
        for number, place in enumerate(world.food):
            dx, dy = world.towards(place)
            if dx * dx + dy * dy < ONE * ONE:
                eaten += 1
                energy = min(energy + 40 * ONE, ENERGY_MAX)
                world.food[number] = world.place()
        energy -= ONE + speed >> 1
        if energy <= 0:
            return eaten * 1_000_000 + tick + 1
    return eaten * 1_000_000 + ticks
