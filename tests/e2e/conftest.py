"""Real daemons on loopback: `node("alice")` starts one, `shell(alice, …)` runs a command on it.

They are told of one another by --peer: mDNS would also find the nodes of whoever runs the tests.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

from node.commands import nodes
from node.commands.nodes import (
    COMMAND,
    LocalNode,
    Process,
    begin,
    clean_environment,
    start_node,
    stop_all,
)
from node.demo import folders
from node.failure import Failure
from tests.e2e.forks import Forks, open_forks
from tests.e2e.story import COMMAND_S, Ran, Shell, StartNode

IS_LINUX = sys.platform.startswith("linux")


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """On Linux: elsewhere libraries of the system may not go on in a fork."""
    if not IS_LINUX:
        pytest.skip("forks are for Linux")
    with open_forks() as forks:
        yield forks


@pytest.fixture
def quick(request: pytest.FixtureRequest) -> Forks | None:
    """Who starts commands and nodes. A module about their start has a `quick` that gives None."""
    return request.getfixturevalue("forks") if IS_LINUX else None


@pytest.fixture(autouse=True)
def quick_nodes(quick: Forks | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of `start_node` in a test; what a whole module shares starts by itself."""

    def begin_quickly(
        command: Sequence[str], environment: dict[str, str], stdout: BinaryIO, stderr: BinaryIO
    ) -> Process:
        if quick is None or tuple(command[:2]) != COMMAND:
            return begin(command, environment, stdout, stderr)
        with open(os.devnull, "rb") as nothing:
            return quick.start(
                command[2:],
                [nothing.fileno(), stdout.fileno(), stderr.fileno()],
                environment=environment,
                folder=Path.cwd(),
                session=True,
            )

    monkeypatch.setattr(nodes, "begin", begin_quickly)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[StartNode]:
    started: list[LocalNode] = []

    def start(name: str, *flags: str, peers: tuple[LocalNode, ...] = ()) -> LocalNode:
        known = [flag for peer in peers for flag in ("--peer", str(peer.ready["p2p"]))]
        try:
            made = start_node(name, tmp_path, "--no-mdns", *known, *flags)
        except Failure as error:
            error.add_note(str(error.problem["detail"]))  # its log: only that says why
            raise
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
def shell(tmp_path: Path, quick: Forks | None) -> Shell:
    """`panspermia --json …` in a working folder of its own, so that lock files land there."""
    work = tmp_path / "work"
    work.mkdir()

    def run(at: LocalNode | Path, *args: str, input: str | None = None) -> Ran:
        home = at if isinstance(at, Path) else at.home
        line, environment = ["--json", "--home", str(home), *args], clean_environment()
        if quick is not None:
            done = quick.run(
                line,
                environment=environment,
                folder=work,
                input=input or "",
                timeout_s=COMMAND_S,
            )
        else:
            done = subprocess.run(
                [*COMMAND, *line],
                cwd=work,
                env=environment,
                input=input or "",
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
