"""`panspermia run` with the largest and the strangest numbers."""

import subprocess
from pathlib import Path

import pytest

from node.commands.nodes import COMMAND, clean_environment
from tests.e2e.story import Shell, StartNode, make_module
from tests.node.modules import wasm

pytestmark = pytest.mark.nodes

ECHO = """(module (func (export "echo") (param i64 f64 f64) (result i64 f64 f64)
    local.get 0 local.get 1 local.get 2))"""
LARGEST = "9223372036854775807"


def test_numbers_lose_nothing(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    alice = node("alice")
    folder = make_module(tmp_path / "m", "io.test.echo", "1.0.0", wasm(ECHO))
    assert shell(alice, "publish", str(folder)).code == 0
    assert shell(alice, "install", "io.test.echo", "--yes").code == 0
    command = ("run", "io.test.echo", "echo", LARGEST, "nan", "-inf")
    ran = shell(alice, *command)
    assert ran.answer["results"] == [int(LARGEST), None, None]
    assert [one["value"] for one in ran.answer["values"]] == [LARGEST, "NaN", "-Infinity"]
    told = subprocess.run(
        [*COMMAND, "--home", str(alice.home), *command],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == f"{LARGEST} NaN -Infinity\n"
    assert shell(alice, "run", "io.test.echo", "echo", str(1 << 64), "0", "0").code == 1
    assert shell(alice, "run", "io.test.echo", "echo", "9" * 500, "0", "0").code == 1
