"""The demo: it holds, and what it expects is what Life gives, computed here without any module."""

import json
import subprocess

import pytest

from node.commands.demo import ARGUMENTS, EXPECTED
from node.commands.demo_life import SCORE, TICKS
from node.commands.nodes import COMMAND, clean_environment
from node.demo import creature_files
from registry.formats import Format, detect
from tests.node.demo.life import score

SIZE = 64
MASK = (1 << 64) - 1


@pytest.mark.nodes
def test_the_demo_holds() -> None:
    done = subprocess.run(
        [*COMMAND, "demo", "--json"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *steps, result = map(json.loads, done.stdout.splitlines())
    assert all(step["ok"] for step in steps)
    assert (len(steps), result["schema"], result["ok"]) == (18, "panspermia.demo/1", True)


def test_the_expected_number_is_that_of_life() -> None:
    seed, generations = ARGUMENTS
    cells = soup(seed)
    for _ in range(generations):
        cells = step(cells)
    assert fnv1a(cells) == EXPECTED


def test_the_expected_score_is_that_of_life() -> None:
    genome, seed = creature_files()
    assert score(genome.read_text(), 0, TICKS) == SCORE
    assert detect(seed.name, seed.read_bytes()) is Format.PRIMORDIUM_CONFIG


def soup(state: int) -> bytes:
    """Each cell lives where the next number below 100 is below 37; xorshift64* of Vigna 2016."""
    cells = bytearray()
    for _ in range(SIZE * SIZE):
        state ^= state >> 12
        state ^= (state << 25) & MASK
        state ^= state >> 27
        number = (state * 0x2545F4914F6CDD1D & MASK) >> 32
        cells.append((number * 100 >> 32) < 37)
    return bytes(cells)


def step(cells: bytes) -> bytes:
    def living_around(x: int, y: int) -> int:
        return sum(
            cells[(y + dy) % SIZE * SIZE + (x + dx) % SIZE]
            for dx in (-1, 0, 1)
            for dy in (-1, 0, 1)
            if dx or dy
        )

    return bytes(
        living_around(x, y) in ((2, 3) if cells[y * SIZE + x] else (3,))
        for y in range(SIZE)
        for x in range(SIZE)
    )


def fnv1a(data: bytes) -> int:
    """As a signed number of 64 bits, as WebAssembly gives it."""
    state = 0xCBF29CE484222325
    for byte in data:
        state = (state ^ byte) * 0x100000001B3 & MASK
    return state - (1 << 64) if state >> 63 else state
