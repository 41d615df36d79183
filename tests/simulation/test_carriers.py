"""Sessions go from carrier to carrier at any moment, and every entry comes exactly once.

`PANSPERMIA_CARRIER_SEEDS=1000` runs more seeds, `PANSPERMIA_CARRIER_FIRST=7` others.
"""

import gc
import os
from dataclasses import dataclass, field
from itertools import count
from random import Random

import pytest

from crdt.blob import CHUNK_BYTES, BlobId
from crdt.order import ITEM_ID_BYTES
from p2p.protocol import limits
from tests.simulation.carriers import CarrierNetwork
from tests.simulation.memory_store import MemoryStore
from tests.simulation.network import Node
from tests.simulation.people import made_up_entry, person

FIRST = int(os.environ.get("PANSPERMIA_CARRIER_FIRST", "0"))
COUNT = int(os.environ.get("PANSPERMIA_CARRIER_SEEDS", "30"))
HELD = 120  # entries of each node at the beginning
WRITTEN = 20  # on the way, at least
MOVES = 4  # the same
PAYLOAD_BYTES = 400
CHUNKS = 5
SETTLE_S = 600.0  # virtual: sessions that stand still are noticed, and nodes call again
STEP_S = 2.0


@dataclass
class Life:
    """One seed: its nodes, and what befell them."""

    network: CarrierNetwork
    nodes: list[Node]
    content: bytes
    blob: BlobId
    written: set[bytes] = field(default_factory=set[bytes])
    by: dict[Node, int] = field(default_factory=dict[Node, int])  # how many each wrote

    @property
    def random(self) -> Random:
        return self.network.random

    async def write(self, node: Node) -> None:
        signed = made_up_entry(self.random, payload_bytes=PAYLOAD_BYTES)
        self.written.add(signed.id[:ITEM_ID_BYTES])
        self.by[node] = self.by.get(node, 0) + 1
        await node.store.receive([signed], source="self")

    async def befall(self) -> None:
        """Something happens to a carrier, or now and then to more."""
        network, carriers = self.network, self.network.live_carriers()
        if not carriers:
            return
        carrier = self.random.choice(carriers)
        match self.random.randrange(16):
            case 0 | 1 | 2 | 3 | 4:
                network.kill(carrier)
            case 5 | 6:
                carrier.is_stuck = True
            case 7 | 8 | 9:
                network.move(self.random.choice(carrier.ends))
            case 10 | 11:
                for end in carrier.ends:
                    network.move(end)
            case 12:  # it dies amid the move
                network.move(carrier.ends[0])
                network.kill(carrier)
            case 13:
                network.part(*(end.node for end in carrier.ends))
                network.after(self.random.expovariate(1 / 5), self._join)
            case 14 if self.random.random() < 0.3:
                await network.crash(carrier.ends[0].node, down_s=self.random.expovariate(1 / 3))
            case _:
                pass

    async def _join(self) -> None:
        self.network.join()

    def is_whole(self) -> bool:
        """All hold all entries, and the blob."""
        stores = [_store(node) for node in self.nodes]
        return all(one.ids_held() == self.written for one in stores) and all(
            self.blob in one.blobs_held() for one in stores
        )


def _store(node: Node) -> MemoryStore:
    assert isinstance(node.store, MemoryStore)
    return node.store


async def live(seed: int, *, nodes: int) -> Life:
    """Until all hold everything; what is said is heard once and in order, or the network raises."""
    network = CarrierNetwork(seed)
    people = [person(f"node {number}") for number in range(nodes)]
    made = [await network.add(who, who.config(), MemoryStore().open) for who in people]
    content = network.random.randbytes(CHUNKS * CHUNK_BYTES - 7)
    life = Life(network, made, content, _store(made[0]).put_blob(content))
    for node in made:
        for _ in range(HELD):
            await life.write(node)
    for number, node in enumerate(made):
        for other in made[number + 1 :]:
            network.keep_connected(node, other)
    for number in count():
        if number >= WRITTEN and network.moves >= MOVES:
            break
        await network.run(network.now_s + life.random.expovariate(1 / STEP_S))
        await life.write(life.random.choice(made))
        await life.befall()
        if number == WRITTEN // 4:
            for node in made[1:]:
                node.swarm.want(life.blob)
    network.join()
    until_s = network.now_s + SETTLE_S
    while not life.is_whole():
        assert network.now_s < until_s, "not all hold all"
        await network.run(network.now_s + STEP_S)
        for node in made[1:]:
            node.swarm.want(life.blob)
    return life


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is here fills them."""
    monkeypatch.setattr(limits, "KEPT_BYTES_FIRST", 8 << 10)
    monkeypatch.setattr(limits, "ACK_BYTES", 4 << 10)


SEEDS = range(FIRST, FIRST + COUNT)


@pytest.mark.parametrize("seed", SEEDS)
async def test_between_two_nodes_every_entry_and_chunk_comes_exactly_once(seed: int) -> None:
    print(f"seed {seed}")
    life = await live(seed, nodes=2)
    network = life.network
    assert network.faults == []
    for node in life.nodes:
        reports = [end.session.report for end in network.moving if end.node is node]
        came = sum(one.entries_received for one in reports)
        assert came == len(life.written) - life.by[node]
        assert sum(one.entries_known for one in reports) == 0
    chunks = [piece for swarm in life.nodes[1].swarms for piece in swarm.stored]
    assert len(chunks) == len(set(chunks)) == CHUNKS
    assert _store(life.nodes[1]).blob(life.blob) == life.content
    await network.close()


@pytest.mark.parametrize("seed", SEEDS[: COUNT // 3])
async def test_among_three_nodes_all_hold_all(seed: int) -> None:
    print(f"seed {seed}")
    life = await live(seed, nodes=3)
    assert life.network.faults == []
    for node in life.nodes[1:]:
        assert _store(node).blob(life.blob) == life.content
    await life.network.close()


async def test_when_garbage_is_collected_changes_nothing() -> None:
    """Nothing goes by where in memory an object lies, as a set of objects does."""
    before, digests = gc.get_threshold(), set[bytes]()
    try:
        for often in (5, 20, 300, 100_000):
            gc.set_threshold(often, 5, 5)
            digests.add((await live(FIRST, nodes=3)).network.trace.digest())
    finally:
        gc.set_threshold(*before)
    assert len(digests) == 1


async def test_the_same_seed_is_the_same_life() -> None:
    lives = [await live(FIRST, nodes=3) for _ in range(2)]
    assert len({life.network.trace.digest() for life in lives}) == 1
