"""Bytes on stdout: a full disk behind it is told as such, and whoever left early as nothing."""

import asyncio
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from blake3 import blake3

from node.commands.nodes import COMMAND, clean_environment
from tests.node.parts import open_alice
from tests.node.served import shown

WORLD = blake3(b"a world").digest(length=3 << 20)
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")


@pytest_asyncio.fixture
async def opens(tmp_path: Path) -> AsyncGenerator[list[str]]:
    """What writes a state to stdout; a node has it."""
    async with open_alice(tmp_path / "alice") as alice, shown(alice) as home:
        body = {"id": "universe:main", "name": "Main", "ownerId": "player:a", "isPublic": True}
        assert (await alice.client.post("/api/universe", json=body)).is_success
        place = "/api/universe/universe:main/snapshot?tick=7"
        assert (await alice.client.post(place, content=WORLD)).is_success
        yield [*COMMAND, "--home", str(home), "universe", "open", "universe:main"]


def run_full(command: list[str]) -> subprocess.CompletedProcess[str]:
    with FULL.open("wb") as full:
        return subprocess.run(
            command,
            stdout=full,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            text=True,
            check=False,
        )


def told_full(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: The output cannot be written\nstdout: No space left")
    assert "Traceback" not in done.stderr
    assert "log" not in done.stderr, "it is no fault of the node"


@needs_full
async def test_a_full_disk_behind_stdout_is_told(opens: list[str]) -> None:
    told_full(await asyncio.to_thread(run_full, opens))


@needs_full
def test_so_it_is_of_what_comes_at_once() -> None:
    told_full(run_full([*COMMAND, "universe", "client", "python", "-o", "-"]))


async def test_who_reads_only_the_beginning_is_no_fault_of_the_node(opens: list[str]) -> None:
    def read_some() -> tuple[bytes, int, str]:
        running = subprocess.Popen(
            opens, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()
        )
        assert running.stdout is not None
        assert running.stderr is not None
        with running.stdout, running.stderr:
            begun = running.stdout.read(9)
            running.stdout.close()
            said = running.stderr.read().decode()
        return begun, running.wait(), said

    assert await asyncio.to_thread(read_some) == (WORLD[:9], 1, "")
