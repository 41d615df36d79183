"""How long the event loops of two daemons stand still while one gets 10,000 modules of the other.

Both are real daemons with a timer of 5 ms beside them (`_watched.py`); what counts is how late it
rings, so a wait for the interpreter's lock counts as well. A wait for a core does not.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from node.commands.nodes import (
    START_S,
    LocalNode,
    clean_environment,
    first_line,
    stop_all,
    wait_for,
)
from scripts.benchmarks._population import make_home
from scripts.benchmarks.sync import MODULES, watch

BLOCKED_MS_MAX: Final = 50.0


def main() -> dict[str, Any]:
    """Of sender and receiver: the 99th percentile and the longest, in all and by its own doing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_home(folder / "alice", MODULES)
        started: list[LocalNode] = []
        try:
            alice = start_watched("alice", folder)
            started.append(alice)
            bob = start_watched("bob", folder)
            started.append(bob)
            bob.client.post("/api/peers", {"address": str(alice.ready["p2p"])})
            watch(bob)
        finally:
            stop_all(started)
        sender, receiver = (told(folder / f"{node.name}.out") for node in started)
    return {
        "modules": MODULES,
        "sender": sender,
        "receiver": receiver,
        "blocked_ms_max": BLOCKED_MS_MAX,
        "held": max(sender["longest_own_ms"], receiver["longest_own_ms"]) <= BLOCKED_MS_MAX,
    }


def start_watched(name: str, folder: Path) -> LocalNode:
    """As `start_node`, with the timer."""
    home = folder / name
    home.mkdir(exist_ok=True)
    out, log = folder / f"{name}.out", folder / f"{name}.log"
    command = [sys.executable, "-m", "scripts.benchmarks._watched", str(home)]
    with out.open("wb") as stdout, log.open("wb") as stderr:
        process = subprocess.Popen(
            command, stdout=stdout, stderr=stderr, env=clean_environment(), start_new_session=True
        )
    ready = wait_for(f"{name} to be ready", START_S, lambda: first_line(out, log, process, name))
    return LocalNode(name, home, process, ready)


def told(out: Path) -> dict[str, float]:
    """The last line that it printed."""
    figures: dict[str, float] = json.loads(out.read_text().splitlines()[-1])
    return figures
