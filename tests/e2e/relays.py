"""Nodes that know of one another only through a relay, and who listens on the way to it."""

import socket
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from node.commands.nodes import COMMAND, LocalNode, clean_environment, start_node, wait_for
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


def start_hidden(
    name: str, folder: Path, *urls: str, program: Sequence[str] = COMMAND, **settings: str
) -> LocalNode:
    """`panspermia up` of somebody whose address nobody is told."""
    relays = [part for url in urls for part in ("--relay", url)]
    environment = clean_environment() | HIDDEN | settings
    return start_node(name, folder, "--no-mdns", *relays, environment=environment, program=program)


def start_islands(
    folder: Path, running: list[LocalNode], *urls: str, **settings: str
) -> tuple[LocalNode, LocalNode]:
    """Alice and bob, who can be reached through those relays alone."""
    alice = start_hidden("alice", folder, *urls, **settings)
    running.append(alice)
    bob = start_hidden("bob", folder, *urls, **settings)
    running.append(bob)
    return alice, bob


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
    held: threading.Event = field(default_factory=threading.Event)
    """The circuits stand still: what comes is kept, and nobody hears of it."""
    _most: int | None = None
    _passed: int = 0
    _goes_on: threading.Event = field(default_factory=threading.Event)

    def hold_after(self, size: int) -> None:
        """Circuits stand still once they have carried so many bytes more, on either side of the
        relay and both ways."""
        self._goes_on.clear()
        self.held.clear()
        self._passed, self._most = 0, size

    def let_go(self) -> None:
        """They carry bytes again, or find that an end is gone."""
        self._most = None
        self._goes_on.set()

    def carries(self, size: int) -> None:
        """Returns when so much may be passed on."""
        self._passed += size
        if self._most is not None and self._passed >= self._most:
            self.held.set()
            self._goes_on.wait()

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
                if is_circuit:
                    wire.carries(len(data))
                target.sendall(wire.change(data) if wire.change and is_circuit else data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                caller, _ = server.accept()
                sockets.append(caller)
                try:
                    called = socket.create_connection((host, int(port)))
                except OSError:  # the relay is gone
                    caller.close()
                    continue
                sockets.append(called)
                for source, target, first in ((caller, called, head), (called, caller, None)):
                    wire.seen.append(bytearray())
                    args = (source, target, wire.seen[-1], first)
                    threading.Thread(target=pump, args=args, daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield wire
    finally:
        wire.let_go()
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        accepting.join()
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
