"""The bundled evaluators: they give what their READMEs say, exactly, as Python reckons it."""

import functools
import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import wasmtime

from node.demo import EVALUATORS, evaluator_folders, evaluators
from node.workers.evaluating import evaluate
from node.workers.execution import Executor
from node.workers.messages import Evaluate
from registry.manifest import parse_manifest
from registry.wasm.evaluator import evaluator_problem
from registry.wasm.limits import Limits
from registry.wasm.sections import read_outline
from tests.node.demo.forager import forage
from tests.node.demo.life import UNJUDGED, score

LIFE, FORAGER = evaluators()
COMPILER = "Version 0.28.20"


@functools.cache
def engine() -> wasmtime.Engine:
    return Executor.open().engine


@pytest.fixture(scope="module", autouse=True)
def ended() -> Iterator[None]:
    """The engine does not outlive the interpreter's parts that it needs to be freed."""
    yield
    engine.cache_clear()


def judged(wasm: bytes, genome: str, seed: int, ticks: int) -> int:
    """The result, or what an evaluator gives for what it cannot judge."""
    task = Evaluate(
        wall_s=60, wasm=wasm, genome=genome.encode(), seed=seed, ticks=ticks, deadline_s=60
    )
    found = evaluate(engine(), task)
    assert found.answer is not None, found
    assert found.ending in ("result", "unjudged"), found
    return UNJUDGED if found.result is None else found.result


@pytest.mark.parametrize("folder", evaluator_folders(), ids=EVALUATORS)
def test_an_evaluator_is_one(folder: Path) -> None:
    stated = parse_manifest((folder / "gen.toml").read_text(encoding="utf-8"))
    assert (stated.id, stated.warnings, "evaluator" in stated.tags) == (folder.name, (), True)
    assert (folder / "README.md").read_text(encoding="utf-8").startswith(f"# {stated.name}\n")
    assert evaluator_problem(read_outline((folder / stated.wasm).read_bytes(), Limits())) is None


@pytest.mark.parametrize("folder", evaluator_folders(), ids=EVALUATORS)
def test_an_evaluator_is_made_from_its_text(folder: Path, tmp_path: Path) -> None:
    compiler = os.environ.get("PANSPERMIA_ASC") or shutil.which("asc")
    if compiler is None:
        pytest.skip("no AssemblyScript here: `npm install -g assemblyscript@0.28.20`")
    found = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True)
    if found.stdout.strip() != COMPILER:
        pytest.skip(f"AssemblyScript is {found.stdout.strip()}, not {COMPILER}")
    name = folder.name.rpartition(".")[2]
    readme = (folder / "README.md").read_text(encoding="utf-8")
    (line,) = [one.split() for one in readme.splitlines() if one.startswith("    asc ")]
    made = tmp_path / "made.wasm"
    subprocess.run([compiler, *line[1:-1], str(made)], cwd=folder, check=True, timeout=120)
    assert made.read_bytes() == (folder / f"{name}.wasm").read_bytes()


PATTERNS = {
    "glider": ("x = 3, y = 3, rule = B3/S23\nbob$2bo$3o!", 50, 4 * 10**7 + 10**5 + 5),
    "block": ("#N Block\n#C A still life.\nx = 2, y = 2\n2o$2o!", 50, 10**7 + 4),
    "blinker": ("x=3,y=1,rule=23/3\n3o!", 50, 2 * 10**7 + 3),
    "lightweight spaceship": (
        "x = 5, y = 4, rule = b3s23\nbo2bo$o4b$o3bo$\n4o!",
        50,
        4 * 10**7 + 2 * 10**5 + 9,
    ),
    "r-pentomino, cut": ("x = 3, y = 3, rule = B3/S23\nb2o$2o$bo!", 120, None),
    "highlife replicator": ("x = 5, y = 5, rule = B36/S23\n2b3o$bo2bo$o3bo$o2bo$3o!", 60, None),
    "everything": ("x = 3, y = 3, rule = B0/S8\n.A.$2.A$3A!", 1, None),
    "diehard": ("x = 8, y = 3, rule = B3/S23\n6bo$2o$bo3b3o!", 200, 130 * 10**11 + 10**7),
    "nothing": ("x = 0, y = 0\n!", 10, 10**7),
    "no end": ("x = 2, y = 2\n2o$2o", 10, 10**7 + 4),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_life_score(name: str) -> None:
    text, ticks, known = PATTERNS[name]
    found = judged(LIFE.wasm, text, 0, ticks)
    assert found == score(text, 0, ticks)
    assert known is None or found == known


@pytest.mark.parametrize("seed", [1, 2, -1, (1 << 63) - 1])
def test_life_score_of_soups_and_seeds(seed: int) -> None:
    chance = random.Random(seed)
    rows = ("".join(chance.choice("bo") for _ in range(12)) for _ in range(12))
    soup = f"x = 12, y = 12, rule = B3/S23\n{'$'.join(rows)}!"
    for own in (0, seed):
        assert judged(LIFE.wasm, soup, own, 60) == score(soup, own, 60)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bob$2bo$3o!",
        "x = 3, y = 3, rule = B3/S23/4\n3o!",
        "x = 3, y = 3, rule = B33/S23\n3o!",
        "x = 3, y = 3, rule = B3/S23:T8,8\n3o!",
        "x = 257, y = 3\n3o!",
        "x = 3, y = 3\n4o!",
        "x = 3, y = 1\n$3o!",
        "x = 3, y = 3\n3x!",
        "x = 3, y = 3\n0o!",
        "x = 3, y = 3\n300$!",
        "x = 3, y = 3\n99999999999999999999o!",
    ],
)
def test_life_score_cannot_judge(text: str) -> None:
    assert judged(LIFE.wasm, text, 0, 10) == score(text, 0, 10) == UNJUDGED


def test_life_score_has_no_more_ticks_than_it_can_note() -> None:
    block = PATTERNS["block"][0]
    assert judged(LIFE.wasm, block, 0, 90_000) == score(block, 0, 90_000) == 10**7 + 4
    assert judged(LIFE.wasm, block, 0, 90_001) == score(block, 0, 90_001) == UNJUDGED
    assert judged(LIFE.wasm, block, 0, -1) == UNJUDGED


ACTIVATIONS = [
    "sigmoid",
    "tanh",
    "relu",
    "identity",
    "clamped",
    "abs",
    "gauss",
    "square",
    "cube",
    "hat",
]
AGGREGATIONS = ["sum", "product", "max", "min", "mean"]


def network(number: int, kind: str) -> str:
    """A network as neat-python would export it, drawn by its number."""
    chance = random.Random(number)
    inputs = [-1 - n for n in range(chance.randint(1, 7))]
    outputs = [*range(chance.randint(1, 3))]
    hidden = [10 + n for n in range(chance.randint(0, 4))]
    nodes = [
        {
            "id": id,
            "activation": {"name": chance.choice(ACTIVATIONS), "custom": False},
            "aggregation": {"name": chance.choice(AGGREGATIONS), "custom": False},
            "bias": chance.uniform(-2, 2),
            "response": chance.choice([1.0, chance.uniform(-2, 2)]),
        }
        for id in (*outputs, *hidden)
    ]
    circular = [*hidden, *outputs] if kind == "recurrent" else []
    connections = [
        {
            "from": one,
            "to": other,
            "weight": chance.uniform(-5, 5) * 10.0 ** chance.randint(-9, 4),
            "enabled": chance.random() < 0.9,
        }
        for other in (*hidden, *outputs)
        for one in (*inputs, *(circular or [n for n in hidden if n < other or other in outputs]))
        if chance.random() < 0.6
    ]
    topology = {"input_keys": inputs, "output_keys": outputs}
    whole = {"network_type": kind, "topology": topology, "nodes": nodes, "connections": connections}
    return json.dumps(whole, indent=chance.choice([None, 2]))


@pytest.mark.parametrize("number", range(24))
def test_forager_of_networks(number: int) -> None:
    text = network(number, "recurrent" if number % 2 else "feedforward")
    for seed in (0, number + 1, -number):
        assert judged(FORAGER.wasm, text, seed, 80) == forage(text, seed, 80)


def steering(activation: str = "clamped", kind: str = "feedforward") -> str:
    """Turns to where the food is: one connection, from aside to turn."""
    return json.dumps(
        {
            "network_type": kind,
            "topology": {"input_keys": [-1, -2], "output_keys": [0]},
            "nodes": [
                {
                    "id": 0,
                    "activation": {"name": activation},
                    "aggregation": {"name": "sum"},
                    "bias": 0,
                    "response": 1,
                }
            ],
            "connections": [{"from": -2, "to": 0, "weight": 4, "enabled": True}],
        }
    )


def test_who_turns_to_the_food_eats_more() -> None:
    eaten = [judged(FORAGER.wasm, steering(), seed, 300) // 1_000_000 for seed in range(5)]
    blind = steering().replace('"weight": 4', '"weight": 0')
    missed = [judged(FORAGER.wasm, blind, seed, 300) // 1_000_000 for seed in range(5)]
    assert min(eaten) > 5
    assert sum(eaten) > 3 * sum(missed)


def brain(number: int) -> str:
    chance = random.Random(number)
    kinds = ["Input"] * 6 + ["Output"] * 3 + ["Hidden"] * 2
    nodes = [{"id": n, "node_type": kind, "label": None} for n, kind in enumerate(kinds)]
    connections = [
        {"from": one, "to": other, "weight": round(chance.uniform(-2, 2), 3), "enabled": True}
        for one in range(len(kinds))
        for other in range(6, len(kinds))
        if chance.random() < 0.5
    ]
    genotype = {"sensing_range": 5.0, "brain": {"nodes": nodes, "connections": connections}}
    return json.dumps(genotype, separators=(",", ":")).encode().hex()


@pytest.mark.parametrize("number", range(4))
def test_forager_of_primordium(number: int) -> None:
    assert judged(FORAGER.wasm, brain(number), 7, 100) == forage(brain(number), 7, 100)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "zz",
        "7b7d",
        steering("sin"),
        steering(kind="ctrnn"),
        steering()[:-40],
        steering().replace('"to": 0', '"to": 5'),
        steering().replace('"to": 0', '"to": -1'),
        steering().replace("4", "null"),
        steering().replace('"from": -2', '"from": 0'),
        steering().replace('"output_keys": [0]', '"output_keys": []'),
        "{" * 5_000,
        '{"a":' * 5_000,
        '"' + "\\" * 99,
    ],
)
def test_forager_cannot_judge(text: str) -> None:
    assert judged(FORAGER.wasm, text, 0, 10) == UNJUDGED


SAMPLES = Path(os.environ.get("PANSPERMIA_VECTORS", "nowhere")).parent / "samples"


@pytest.mark.parametrize(
    "name", ["neat-python/xor_network.json", "primordium/exported_dna_synthetic.txt"]
)
def test_forager_of_files_that_programs_wrote(name: str) -> None:
    if not (SAMPLES / name).is_file():
        pytest.skip("no samples here: PANSPERMIA_VECTORS names the folder beside them")
    text = (SAMPLES / name).read_text()
    assert judged(FORAGER.wasm, text, 7, 200) == forage(text, 7, 200)
