"""The bundled modules: made from their text, valid as they declare, and right in what they do."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
import wasmtime

from node.demo import MODULES, folders
from node.workers.workers import Workers, open_workers
from registry.manifest import Manifest, parse_manifest
from registry.ranges import parse_range
from registry.wasm.verdict import Policy

pytestmark = pytest.mark.asyncio(loop_scope="module")

MASK = (1 << 64) - 1
SIZE = 64
World = frozenset[tuple[int, int]]  # the living cells, (x, y)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers() -> AsyncIterator[Workers]:
    async with open_workers() as opened:
        yield opened


class XorShift:
    """xorshift64*, in Python."""

    def __init__(self, seed: int) -> None:
        self.state = seed & MASK or 0x9E3779B97F4A7C15

    def next(self) -> int:
        state = self.state
        state ^= state >> 12
        state ^= state << 25 & MASK
        state ^= state >> 27
        self.state = state
        return state * 0x2545F4914F6CDD1D & MASK

    def below(self, bound: int) -> int:
        return (self.next() >> 32) * bound >> 32


def step(world: World) -> World:
    """Conway's rule on the torus."""
    neighbours: dict[tuple[int, int], int] = {}
    for x, y in world:
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                if dx or dy:
                    cell = ((x + dx) % SIZE, (y + dy) % SIZE)
                    neighbours[cell] = neighbours.get(cell, 0) + 1
    return frozenset(
        cell for cell, count in neighbours.items() if count == 3 or (count == 2 and cell in world)
    )


def soup(seed: int) -> World:
    random = XorShift(seed)
    cells = ((cell % SIZE, cell // SIZE) for cell in range(SIZE * SIZE))
    return frozenset(cell for cell in cells if random.below(100) < 37)


def generations(world: World, count: int) -> World:
    for _ in range(count):
        world = step(world)
    return world


def fnv1a(data: bytes) -> int:
    number = 0xCBF29CE484222325
    for byte in data:
        number = (number ^ byte) * 0x100000001B3 & MASK
    return number


def signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def manifest(folder: Path) -> Manifest:
    return parse_manifest((folder / "gen.toml").read_text(encoding="utf-8"))


async def run(workers: Workers, target: str, export: str, args: Sequence[int]) -> tuple[float, ...]:
    """Every module linked, as after an install."""
    modules = [(folder.name, (folder / manifest(folder).wasm).read_bytes()) for folder in folders()]
    outcome = await workers.run(modules, export, args, target=target)
    assert outcome.ok, outcome
    return outcome.results


@pytest.mark.parametrize("folder", folders(), ids=MODULES)
async def test_a_module_is_made_from_its_text(folder: Path) -> None:
    wasm = folder / manifest(folder).wasm
    text = wasm.with_suffix(".wat").read_text(encoding="utf-8")
    assert bytes(wasmtime.wat2wasm(text)) == wasm.read_bytes()


@pytest.mark.parametrize("folder", folders(), ids=MODULES)
async def test_a_module_keeps_its_manifest(workers: Workers, folder: Path) -> None:
    stated = manifest(folder)
    assert stated.id == folder.name
    assert stated.warnings == ()
    assert stated.readme
    assert (folder / stated.readme).read_text(encoding="utf-8").startswith(f"# {stated.name}\n")
    needed = tuple(each.reference.id for each in stated.dependencies)
    policy = Policy.for_manifest(stated.imports, needed)
    verdict = await workers.validate((folder / stated.wasm).read_bytes(), policy)
    assert verdict.ok, verdict
    assert {each.module for each in verdict.imports} == set(needed), "needs what it imports"


async def test_dependencies_are_bundled_in_versions_that_fit() -> None:
    stated = {folder.name: manifest(folder) for folder in folders()}
    for number, name in enumerate(MODULES):
        for needed in stated[name].dependencies:
            assert needed.reference.id in MODULES[:number], "dependencies first"
            assert parse_range(needed.range).allows(stated[needed.reference.id].version)


@pytest.mark.parametrize("seed", [1, 42, 0, -1, MASK])
async def test_rng(workers: Workers, seed: int) -> None:
    expected = (signed(XorShift(seed).next()),)
    assert await run(workers, "io.panspermia.rng", "first", [seed]) == expected


async def test_rng_known_answer(workers: Workers) -> None:
    """The first number after 1, from the formula by hand: 0x2000001 · 0x2545f4914f6cdd1d."""
    expected = (signed(0x2000001 * 0x2545F4914F6CDD1D & MASK),)
    assert await run(workers, "io.panspermia.rng", "first", [1]) == expected


@pytest.mark.parametrize("count", [0, 1, 10, 200])
async def test_life(workers: Workers, count: int) -> None:
    pentomino = frozenset({(32, 31), (33, 31), (31, 32), (32, 32), (32, 33)})
    expected = (len(generations(pentomino, count)),)
    assert await run(workers, "io.panspermia.life", "pentomino", [count]) == expected


@pytest.mark.parametrize(("seed", "count"), [(42, 0), (42, 1), (42, 100), (7, 50)])
async def test_census(workers: Workers, seed: int, count: int) -> None:
    world = generations(soup(seed), count)
    census = "io.panspermia.census"
    assert await run(workers, census, "census", [seed, count]) == (len(world),)
    image = bytes((cell % SIZE, cell // SIZE) in world for cell in range(SIZE * SIZE))
    assert await run(workers, census, "fingerprint", [seed, count]) == (signed(fnv1a(image)),)


async def test_bottleneck(workers: Workers) -> None:
    world, counts = soup(3), list[int]()
    for _ in range(41):
        counts.append(len(world))
        world = step(world)
    expected = (counts.index(min(counts)), min(counts))
    assert await run(workers, "io.panspermia.census", "bottleneck", [3, 40]) == expected
