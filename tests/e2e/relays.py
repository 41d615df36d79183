"""Nodes that know of one another only through a relay, and who listens on the way to it."""

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from node.commands.nodes import LocalNode, clean_environment, start_node, wait_for
from node.failure import Json

# On loopback a data channel always finds a way: what is to be seen of the relay would leave it.
HIDDEN = {"PANSPERMIA_P2P_HIDDEN": "true", "PANSPERMIA_P2P_WEBRTC": "false"}
READ_BYTES = 64 << 10
CIRCUIT = (b"J", b"\x01")  # with what either direction of one begins
BACKOFF_S = 120.0  # a relay that comes back is met again within a minute, and a round of looking


def start_relay(folder: Path, *flags: str, listen: str = "", name: str = "relay") -> LocalNode:
    """`panspermia relay` on a free port, or on that of one before."""
    more = ("--listen", listen) if listen else ()
    return start_node(name, folder, *more, *flags, role="relay")


def start_hidden(name: str, folder: Path, *urls: str, **settings: str) -> LocalNode:
    """`panspermia up` of somebody whose address nobody is told."""
    relays = [part for url in urls for part in ("--relay", url)]
    environment = clean_environment() | HIDDEN | settings
    return start_node(name, folder, "--no-mdns", *relays, environment=environment)


def know_each_other(*nodes: LocalNode) -> None:
    """Each calls the others by their names, and so follows them."""
    for one in nodes:
        for other in nodes:
            if other is not one:
                one.client.put(f"/api/names/{other.name}", {"author": other.did})


def connected(node: LocalNode) -> Callable[[], Json | None]:
    """For `wait_for`: the one peer of this node."""

    def look() -> Json | None:
        peers = node.client.get("/api/peers")["peers"]
        return peers[0] if peers and peers[0]["state"] == "connected" else None

    return look


def wait_for_peer(node: LocalNode, timeout_s: float = BACKOFF_S) -> Json:
    return wait_for(f"{node.name} to have a peer", timeout_s, connected(node))


def wait_for_relay(node: LocalNode, timeout_s: float = BACKOFF_S) -> Json:
    """Until it is registered at its first relay."""

    def look() -> Json | None:
        first: Json = node.client.get("/api/peers")["relays"][0]
        return first if first["state"] == "registered" else None

    return wait_for(f"{node.name} to be registered", timeout_s, look)


Change = Callable[[bytes], bytes]


@dataclass
class Wire:
    """Everything that went through a proxy, each connection and direction by itself."""

    address: str
    seen: list[bytearray] = field(default_factory=list[bytearray])
    change: Change | None = None
    """What becomes of the bytes of circuits, once they are joined."""

    @property
    def circuits(self) -> bytes:
        """What circuits carried, both ways."""
        return b"".join(bytes(one) for one in self.seen if bytes(one[:1]) in CIRCUIT)

    @property
    def everything(self) -> bytes:
        return b"".join(map(bytes, self.seen))


@contextmanager
def listening_in(relay: LocalNode, head: Change | None = None) -> Generator[Wire]:
    """A proxy in front of the relay, with threads of its own: nodes are given its address.

    `head`: what becomes of the first bytes that a client sends.
    """
    host, port = str(relay.ready["p2p"]).rsplit(":", 1)
    server = socket.create_server(("127.0.0.1", 0))
    wire = Wire(f"127.0.0.1:{server.getsockname()[1]}")
    sockets: list[socket.socket] = []

    def pump(
        source: socket.socket, target: socket.socket, seen: bytearray, first: Change | None
    ) -> None:
        with suppress(OSError):
            while data := source.recv(READ_BYTES):
                if first is not None:
                    data, first = first(data), None
                is_circuit = len(seen) > 0 and bytes(seen[:1]) in CIRCUIT
                seen += data
                target.sendall(wire.change(data) if wire.change and is_circuit else data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                caller, _ = server.accept()
                called = socket.create_connection((host, int(port)))
                sockets.extend((caller, called))
                for source, target, first in ((caller, called, head), (called, caller, None)):
                    wire.seen.append(bytearray())
                    args = (source, target, wire.seen[-1], first)
                    threading.Thread(target=pump, args=args, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield wire
    finally:
        for one in (server, *sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
