"""Two machines paired by a short code or a link, from the first command until each has what the
other wrote: on one network, by a relay alone, and by the link of a QR.

Each is a fresh pair of daemons that know nothing of each other. The clock runs over both commands,
`invite` and `accept --yes`, as people give them, the passing on of the code apart.
"""

import json
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from node.commands.nodes import (
    COMMAND,
    LocalNode,
    clean_environment,
    start_node,
    stop_all,
    wait_for,
)

PAIRED_S_MAX: Final = 60.0
NAMESPACE: Final = "guild"
READY_S: Final = 30.0
ROUNDS: Final = 3


def main() -> dict[str, Any]:
    """Seconds of each way, and of its two commands; the slowest of three rounds counts."""
    ways: dict[str, Callable[[Path], dict[str, float]]] = {
        "network": on_one_network,
        "relay": by_relay,
        "link": by_link,
    }
    slowest: dict[str, dict[str, float]] = {}
    for name, pair in ways.items():
        rounds: list[dict[str, float]] = []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                rounds.append(pair(Path(folder)))
        slowest[name] = max(rounds, key=lambda one: one["paired_s"])
    held = all(one["paired_s"] < PAIRED_S_MAX for one in slowest.values())
    return {"ways": slowest, "paired_s_max": PAIRED_S_MAX, "held": held}


def on_one_network(folder: Path) -> dict[str, float]:
    """They hear of each other by mDNS."""
    environment = {
        **clean_environment(),
        "PANSPERMIA_P2P_MDNS_GROUP": f"bench-{secrets.token_hex(6)}",
    }
    nodes: list[LocalNode] = []
    try:
        nodes += both(folder, environment=environment)
        return paired(*nodes, said="code")
    finally:
        stop_all(nodes)


def by_relay(folder: Path) -> dict[str, float]:
    """They have a relay in common, and tell nobody their addresses."""
    nodes: list[LocalNode] = [start_node("relay", folder, role="relay")]
    url = str(nodes[0].ready["relay"])
    environment = {**clean_environment(), "PANSPERMIA_P2P_HIDDEN": "true"}
    try:
        nodes += both(folder, "--no-mdns", "--relay", url, environment=environment)
        for one in nodes[1:]:
            wait_for("the relay", READY_S, partial(is_registered, one))
        return paired(*nodes[1:], said="code")
    finally:
        stop_all(nodes)


def by_link(folder: Path) -> dict[str, float]:
    """The link holds alice's address."""
    nodes: list[LocalNode] = []
    try:
        nodes += both(folder, "--no-mdns")
        return paired(*nodes, said="link")
    finally:
        stop_all(nodes)


def both(
    folder: Path, *flags: str, environment: Mapping[str, str] | None = None
) -> Iterator[LocalNode]:
    for name in ("alice", "bob"):
        yield start_node(name, folder, *flags, environment=dict(environment or clean_environment()))


def is_registered(node: LocalNode) -> bool | None:
    shown = node.client.get("/api/peers")["relays"]
    return any(one["state"] == "registered" for one in shown) or None


def paired(alice: LocalNode, bob: LocalNode, *, said: str) -> dict[str, float]:
    """Until both are in step, so that what is written from now on is at both."""
    asked(alice, "namespace", "create", NAMESPACE)
    started_s = time.perf_counter()
    invite = asked(alice, "invite", "--write", "--namespace", NAMESPACE)
    invited_s = time.perf_counter()
    asked(bob, "accept", invite[said], "--yes")
    accepted_s = time.perf_counter()
    for one in (alice, bob):
        wait_for("both to be in step", READY_S, partial(is_in_step, one))
    return {
        "paired_s": round(time.perf_counter() - started_s, 2),
        "invite_s": round(invited_s - started_s, 2),
        "accept_s": round(accepted_s - invited_s, 2),
    }


def is_in_step(node: LocalNode) -> bool | None:
    return node.client.get("/api/peers")["sync"]["state"] == "in-sync" or None


def asked(node: LocalNode, *arguments: str) -> dict[str, Any]:
    """What a command answers. Raises `CalledProcessError`."""
    done = subprocess.run(
        [*COMMAND, "--home", str(node.home), "--json", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
