"""Real nodes on the hosts of a bed: their sockets and their API are in there."""

import subprocess
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from node.commands.nodes import (
    COMMAND,
    LocalNode,
    clean_environment,
    start_node,
    stop_all,
    wait_for,
)
from node.failure import Json
from tests.netns.bed import Bed, Host

T = TypeVar("T")
WAIT_S = 120.0
PORT = 4_747


@dataclass(frozen=True, slots=True)
class Daemon:
    """A node on a host."""

    bed: Bed
    host: Host
    node: LocalNode

    def get(self, path: str) -> Json:
        with self.bed.inside(self.host):
            return self.node.client.get(path)

    def post(self, path: str, body: Json) -> Json:
        with self.bed.inside(self.host):
            return self.node.client.post(path, body, timeout_s=60)

    def put(self, path: str, body: Json) -> Json:
        with self.bed.inside(self.host):
            return self.node.client.put(path, body)

    def peer(self) -> Json | None:
        """The one that is connected."""
        peers = self.get("/api/peers")["peers"]
        return peers[0] if peers and peers[0]["state"] == "connected" else None

    def run(self, *args: str) -> None:
        """`panspermia …` on that host. Raises where it fails."""
        command = [*COMMAND, "--json", "--home", str(self.node.home), *args]
        with self.bed.inside(self.host):
            subprocess.run(
                command, env=clean_environment(), stdin=subprocess.DEVNULL, capture_output=True,
                timeout=WAIT_S, check=True,
            )  # fmt: skip

    def wait_for(self, what: str, look: Callable[[], T | None]) -> T:
        return wait_for(f"{self.node.name}: {what}", WAIT_S, look)


@contextmanager
def daemons(bed: Bed, folder: Path) -> Generator[Callable[..., Daemon]]:
    """`start(host, *flags, role=…)`; all of them end with it, in order where they answer."""
    with ExitStack() as ending:

        def start(host: Host, *flags: str, role: str = "up", **settings: str) -> Daemon:
            environment = clean_environment() | settings
            with bed.inside(host):
                node = start_node(
                    host.name, folder, "--listen", f"0.0.0.0:{PORT}", *flags,
                    environment=environment, role=role,
                )  # fmt: skip
            ending.callback(_stop, bed, host, node)
            return Daemon(bed, host, node)

        yield start


def _stop(bed: Bed, host: Host, node: LocalNode) -> None:
    with bed.inside(host):
        stop_all([node])
