"""A hundred nodes: every entry reaches every node, in few hops, and hardly a byte of it twice.

`PANSPERMIA_GOSSIP_SEEDS=50` runs more seeds, `PANSPERMIA_GOSSIP_FIRST=7` others; with `-v -s` the
figures are shown. `python -m tests.simulation.gossip` prints them for all worlds of a seed.
"""

import os

import pytest

from tests.simulation.gossip import LOSSY, RING, STAR, STEADY, WILD, Spread, World, gossip

FIRST = int(os.environ.get("PANSPERMIA_GOSSIP_FIRST", "0"))
COUNT = int(os.environ.get("PANSPERMIA_GOSSIP_SEEDS", "1"))
SEEDS = range(FIRST, FIRST + COUNT)
COPIES_MAX = 1.05


async def spread(seed: int, world: World) -> Spread:
    """One world to the end, with what must hold in each of them."""
    network = await gossip(seed, world)
    figures = network.spread()
    await network.close()
    print(f"seed {seed}, {world.name}: {figures}")
    assert figures.missing == 0
    assert figures.copies <= COPIES_MAX
    return figures


@pytest.mark.parametrize("seed", SEEDS)
async def test_over_steady_lines_each_entry_takes_the_shortest_way_once(seed: int) -> None:
    """Every neighbour has it after one hop, and nobody is sent it twice."""
    figures = await spread(seed, STEADY)
    assert (figures.hops_mean, figures.hops_max) == (figures.distance_mean, figures.distance_max)
    assert figures.copies == 1.0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("world", [WILD, LOSSY], ids=["wild", "lossy"])
async def test_over_lines_of_all_speeds_it_takes_hardly_longer_ways(
    seed: int, world: World
) -> None:
    figures = await spread(seed, world)
    assert figures.hops_mean < 1.5 * figures.distance_mean
    assert figures.announced < 6.0, "a node is told by each neighbour once at the most"


@pytest.mark.parametrize("seed", SEEDS)
async def test_it_goes_round_a_ring(seed: int) -> None:
    figures = await spread(seed, RING)
    assert figures.distance_max == 50
    assert figures.announced < 1.1


@pytest.mark.parametrize("seed", SEEDS)
async def test_through_one_in_the_middle_everybody_is_two_hops_away(seed: int) -> None:
    figures = await spread(seed, STAR)
    assert figures.hops_max == 2
    assert figures.announced == 1.0


async def test_the_same_seed_spreads_the_same() -> None:
    runs = [await gossip(4, WILD, entries=3) for _ in range(2)]
    assert runs[0].trace.digest() == runs[1].trace.digest()
    assert runs[0].spread() == runs[1].spread()
