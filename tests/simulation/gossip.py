"""A hundred nodes that write now and then: how an entry spreads, and what that costs.

    python -m tests.simulation.gossip [SEED]      the table of docs/BENCHMARKS.md

Production sessions over the quick store. A *hop* is one transfer between two nodes, *copies* are
the payloads that a node received for an entry that it needed, *announced* the ids that it was told.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from random import Random
from statistics import mean

from crdt.order import ITEM_ID_BYTES
from p2p.protocol.frames import Credit, Entries, Frame, Have, SentEntry, Want, encode_frame
from storage.appended import AppendedEvent
from tests.simulation.memory_store import MemoryStore
from tests.simulation.network import End, Network, Node
from tests.simulation.people import made_up_entry, person

NODES = 100
DEGREE = 6  # on the average
ENTRIES = 25
PAYLOAD_BYTES = 400
MET_S = 20.0  # by when all have compared what they hold, which is nothing
WRITE_EVERY_S = 0.5
SPREAD_WITHIN_S = 200.0
STEP_S = 0.5

Edges = tuple[tuple[int, int], ...]


def random_graph(random: Random, nodes: int = NODES) -> Edges:
    """Connected: each newcomer knows one before it, and others at random."""
    edges = {(random.randrange(node), node) for node in range(1, nodes)}
    while len(edges) < nodes * DEGREE // 2:
        one, other = sorted(random.sample(range(nodes), 2))
        edges.add((one, other))
    return tuple(sorted(edges))


def ring(random: Random, nodes: int = NODES) -> Edges:
    return tuple((node, (node + 1) % nodes) for node in range(nodes))


def star(random: Random, nodes: int = NODES) -> Edges:
    """Everybody knows only the one in the middle, as behind a relay."""
    return tuple((0, node) for node in range(1, nodes))


def distances(edges: Edges, start: int) -> dict[int, int]:
    """Of each node from `start`, in edges."""
    near: dict[int, list[int]] = {}
    for one, other in edges:
        near.setdefault(one, []).append(other)
        near.setdefault(other, []).append(one)
    far, queue = {start: 0}, deque([start])
    while queue:
        node = queue.popleft()
        for other in near[node]:
            if other not in far:
                far[other] = far[node] + 1
                queue.append(other)
    return far


@dataclass(frozen=True, slots=True)
class Spread:
    """What one run did; means are over all entries and all nodes that needed them."""

    missing: int
    hops_mean: float
    hops_max: int
    distance_mean: float
    distance_max: int
    copies: float
    announced: float
    bytes_mean: float  # of Have, Want, Entries and Credit, received by a node for an entry
    payload_bytes: int  # of that, the entry itself as it is sent
    arrived_s_mean: float
    arrived_s_max: float


@dataclass(slots=True)
class _Entry:
    """One that was written: by whom, when, and how far each node that holds it is from there."""

    author: int
    written_s: float
    hops: dict[int, int] = field(default_factory=dict[int, int])
    arrived_s: dict[int, float] = field(default_factory=dict[int, float])


class Gossip(Network):
    """Counts what is said, and who got what of whom."""

    def __init__(self, seed: int, edges: Edges, *, delay_s: float | None) -> None:
        super().__init__(seed, delay_s=delay_s)
        self.edges = edges
        self.written: dict[bytes, _Entry] = {}
        self.given = self.announced = self.bytes = self.payload_bytes = 0
        self._numbers: dict[str, int] = {}
        self._ends: list[End] = []

    async def begin(self) -> None:
        """All are there, know their neighbours, and have compared."""
        for number in range(1 + max(max(edge) for edge in self.edges)):
            who = person(f"node {number}")
            node = await self.add(who, who.config(), MemoryStore().open)
            self._numbers[who.device_key.hex()] = number
            node.store.subscribe(self._noter(number))
        for one, other in self.edges:
            self.keep_connected(self.nodes[one], self.nodes[other])
        await self.run(MET_S)
        self.given = self.announced = self.bytes = 0

    async def write(self) -> None:
        """Somebody publishes an entry."""
        author = self.random.randrange(len(self.nodes))
        signed = made_up_entry(self.random, payload_bytes=PAYLOAD_BYTES)
        sent = SentEntry(0, b"", signed.signature, signed.payload)
        self.payload_bytes = len(encode_frame(Entries(1, (signed.capability,), (sent,), b"")))
        self.written[signed.id[:ITEM_ID_BYTES]] = _Entry(author, self.now_s)
        await self.nodes[author].store.receive([signed], source="self")

    async def cut_one(self) -> None:
        """Some session is lost; those who had it call again."""
        ends = [end for node in self.nodes for end in node.ends]
        if ends:
            self.cut(self.random.choice(ends))

    @property
    def missing(self) -> int:
        return sum(len(self.nodes) - len(one.hops) for one in self.written.values())

    def spread(self) -> Spread:
        needed = [
            (one.hops[node], far[node], one.arrived_s[node] - one.written_s)
            for one in self.written.values()
            for far in [distances(self.edges, one.author)]
            for node in one.hops
            if node != one.author
        ]
        reports = [end.session.report for end in self._ends]
        came = sum(report.entries_received + report.entries_known for report in reports)
        hops, far, took_s = zip(*needed, strict=True)
        return Spread(
            missing=self.missing,
            hops_mean=mean(hops),
            hops_max=max(hops),
            distance_mean=mean(far),
            distance_max=max(far),
            copies=came / len(needed),
            announced=self.announced / len(needed),
            bytes_mean=self.bytes / len(needed),
            payload_bytes=self.payload_bytes,
            arrived_s_mean=mean(took_s),
            arrived_s_max=max(took_s),
        )

    def said(self, end: End, frame: Frame) -> Sequence[bytes]:
        (data,) = super().said(end, frame)
        match frame:
            case Have(ids=ids):
                self.announced += len(ids) // ITEM_ID_BYTES
                self.bytes += len(data)
            case Want() | Entries() | Credit():
                self.bytes += len(data)
            case _:
                pass
        return (data,)

    def connect(self, source: Node, target: Node) -> tuple[End, End]:
        ends = super().connect(source, target)
        self._ends += ends
        return ends

    def _noter(self, number: int) -> Callable[[AppendedEvent], None]:
        def note(event: AppendedEvent) -> None:
            for id in event.ids:
                one = self.written[id[:ITEM_ID_BYTES]]
                giver = self._numbers.get(event.source)
                one.hops[number] = 0 if giver is None else one.hops[giver] + 1
                one.arrived_s[number] = self.now_s

        return note


@dataclass(frozen=True, slots=True)
class World:
    """Who knows whom, and what goes wrong."""

    name: str
    graph: Callable[[Random], Edges]
    delay_s: float | None = None  # one way; None: a random one for each frame
    has_losses: bool = False


STEADY = World("random, degree 6, steady lines", random_graph, delay_s=0.05)
WILD = World("random, degree 6, lines of all speeds", random_graph)
LOSSY = World("the same, a session lost every half second", random_graph, has_losses=True)
RING = World("ring", ring)
STAR = World("star", star)
WORLDS = (STEADY, WILD, LOSSY, RING, STAR)


async def gossip(seed: int, world: World, *, entries: int = ENTRIES) -> Gossip:
    """Until all have everything. Raises `AssertionError` where that does not happen."""
    network = Gossip(seed, world.graph(Random(f"graph {seed}")), delay_s=world.delay_s)
    await network.begin()
    for _ in range(entries):
        await network.run(network.now_s + network.random.expovariate(1 / WRITE_EVERY_S))
        await network.write()
        if world.has_losses:
            await network.cut_one()
    end_s = network.now_s + SPREAD_WITHIN_S
    while network.missing:
        assert network.now_s < end_s, f"{network.missing} copies of {entries} entries are missing"
        await network.run(network.now_s + STEP_S)
    assert network.faults == []
    return network


async def table(seed: int) -> str:
    """All worlds of one seed, as rows of Markdown."""
    rows = ["| world | " + " | ".join(one.name for one in fields(Spread)) + " |"]
    rows.append("|---" * (1 + len(fields(Spread))) + "|")
    for world in WORLDS:
        network = await gossip(seed, world)
        spread = network.spread()
        shown = [getattr(spread, one.name) for one in fields(Spread)]
        cells = [f"{one:.2f}" if isinstance(one, float) else str(one) for one in shown]
        rows.append(f"| {world.name} | " + " | ".join(cells) + " |")
        await network.close()
    return "\n".join(rows)


if __name__ == "__main__":
    print(asyncio.run(table(int(sys.argv[1]) if len(sys.argv) > 1 else 0)))
