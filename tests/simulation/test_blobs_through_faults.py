"""A blob comes whole through cuts and crashes, and what has come is not sent again."""

import os
from pathlib import Path
from random import Random

import pytest

from crdt.blob import CHUNK_BYTES, BlobId
from p2p.protocol.effects import BlobFetched
from p2p.protocol.limits import WINDOW_BYTES_FIRST
from tests.simulation.disk import Disk
from tests.simulation.life import store_of
from tests.simulation.network import Network, Node
from tests.simulation.people import ALICE, BOB, Person, person
from tests.storage.people import NOW_US

COUNT = int(os.environ.get("PANSPERMIA_SIMULATION_SEEDS", "25")) // 5
CHUNKS = 24
LOOK_S = 0.3
# Of both givers, and one of them has its whole window while the other is away.
WINDOW_CHUNKS = 2 * WINDOW_BYTES_FIRST // CHUNK_BYTES
WITHIN_S = 600.0


async def join(network: Network, who: Person, folder: Path) -> tuple[Node, Disk]:
    disk = Disk(folder / who.name, lambda: NOW_US + round(network.now_s * 1e6))
    return await network.add(who, who.config(), disk.open), disk


async def fetch_through_faults(seed: int, folder: Path) -> tuple[int, int]:
    """(chunks that were asked for, the most that are asked for again after faults)"""
    network, random = Network(seed), Random(f"faults {seed}")
    content = random.randbytes(CHUNKS * CHUNK_BYTES - 5)
    alice, disk = await join(network, ALICE, folder)
    givers = [await join(network, who, folder) for who in (BOB, person("carol"))]
    names = [await store_of(giver).put_blob(content) for giver, _ in givers]
    blob: BlobId = names[0]
    for giver, _ in givers:
        network.keep_connected(alice, giver)
    lost = faults = 0
    while not await store_of(alice).has_blob(blob):
        assert network.now_s < WITHIN_S
        await network.run(network.now_s + random.expovariate(1 / LOOK_S))
        alice.swarm.want(blob)
        if faults >= 2 * CHUNKS or not alice.ends:
            continue
        match random.randrange(8):
            case 0 | 1:
                network.cut(random.choice(alice.ends))
            case 2:
                disk.crash()
                await network.crash(alice)
            case 3:
                disk.break_after(random.randint(1, 12))
            case _:
                continue
        faults += 1
        lost += WINDOW_CHUNKS
    assert await store_of(alice).read_blob(blob) == content
    came = sum(len(swarm.stored) for swarm in alice.swarms)
    disk.stay()
    await network.run(network.now_s + 5.0)
    while not alice.ends:  # a crash at the very end
        assert network.now_s < WITHIN_S
        await network.run(network.now_s + 5.0)
    assert await fetched_at_once(network, alice, blob)
    await network.close()
    return came, CHUNKS + lost


async def fetched_at_once(network: Network, node: Node, blob: BlobId) -> bool:
    """What is held is not asked for again."""
    asked, told = len(node.swarm.asked), len(node.swarm.events)
    node.swarm.want(blob)
    await network.run(network.now_s + 1.0)
    fresh = node.swarm.events[told:]
    is_told = any(isinstance(event, BlobFetched) for event in fresh)
    return is_told and len(node.swarm.asked) == asked


@pytest.mark.parametrize("seed", range(max(1, COUNT)))
async def test_a_blob_comes_whole_and_its_chunks_once(seed: int, tmp_path: Path) -> None:
    print(f"seed {seed}")
    came, most = await fetch_through_faults(seed, tmp_path)
    assert came + most >= CHUNKS
    assert came <= most


async def test_those_who_fetch_at_the_same_time_help_each_other(tmp_path: Path) -> None:
    """Two fetch from one: what it must send in all is not twice the blob."""
    network, content = Network(7), Random("shared").randbytes(4 * CHUNKS * CHUNK_BYTES)
    people = (ALICE, BOB, person("carol"))
    (alice, _), (bob, _), (carol, _) = [await join(network, who, tmp_path) for who in people]
    blob = await store_of(carol).put_blob(content)
    for one, other in ((alice, bob), (alice, carol), (bob, carol)):
        network.keep_connected(one, other)
    while not all(len(node.ends) == 2 for node in (alice, bob, carol)):
        await network.run(network.now_s + 1.0)
    await network.run(network.now_s + 5.0)
    for node in (alice, bob):
        node.swarm.want(blob)
    while not (await store_of(alice).has_blob(blob) and await store_of(bob).has_blob(blob)):
        assert network.now_s < WITHIN_S
        await network.run(network.now_s + 1.0)
    given = sum(end.session.report.blob_bytes_sent for end in carol.ends)
    assert given < 1.8 * len(content)
    await network.close()
