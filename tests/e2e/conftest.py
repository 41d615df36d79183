"""Real daemons on loopback: `node("alice")` starts one, `shell(alice, …)` runs a command on it.

They are told of one another by --peer: mDNS would also find the nodes of whoever runs the tests.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node.commands.nodes import COMMAND, LocalNode, clean_environment, start_node, stop_all
from node.demo import folders
from tests.e2e.story import COMMAND_S, Ran, Shell, StartNode


@pytest.fixture
def node(tmp_path: Path) -> Iterator[StartNode]:
    started: list[LocalNode] = []

    def start(name: str, *flags: str, peers: tuple[LocalNode, ...] = ()) -> LocalNode:
        known = [flag for peer in peers for flag in ("--peer", str(peer.ready["p2p"]))]
        made = start_node(name, tmp_path, "--no-mdns", *known, *flags)
        started.append(made)
        return made

    yield start
    stop_all(started)


@pytest.fixture
def running() -> Iterator[list[LocalNode]]:
    """Whatever a test puts into it is ended after it."""
    started: list[LocalNode] = []
    yield started
    for one in started:  # without a grace for circuits: nobody waits here
        if one.process.poll() is None:
            one.kill()
    stop_all(started)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """`panspermia --json …` in a working folder of its own, so that lock files land there."""
    work = tmp_path / "work"
    work.mkdir()

    def run(at: LocalNode | Path, *args: str, input: str | None = None) -> Ran:
        home = at if isinstance(at, Path) else at.home
        done = subprocess.run(
            [*COMMAND, "--json", "--home", str(home), *args],
            cwd=work,
            env=clean_environment(),
            input=input if input is not None else "",
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, tuple(map(json.loads, done.stdout.splitlines())), done.stderr)

    return run


@pytest.fixture
def publish_demo(shell: Shell) -> Callable[[LocalNode], list[str]]:
    """Publishes the bundled modules from a node; their names."""

    def publish(at: LocalNode) -> list[str]:
        names: list[str] = []
        for folder in folders():
            ran = shell(at, "publish", str(folder))
            assert ran.code == 0, ran
            names.append(ran.answer["module"])
        return names

    return publish
