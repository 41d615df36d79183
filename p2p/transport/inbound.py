"""Who called this node and is still on the line: how many may be, and who makes room."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from p2p.protocol.offences import host_of
from p2p.transport.address import Address
from p2p.transport.carrier import Carrier
from p2p.transport.connection import Connection
from p2p.transport.place import Place
from p2p.transport.stream import FrameStream

# Connections accepted at once, handshakes included; a stranger's buffers hold 200 KB. Where there
# is no room, those who have not said who they are make it, the oldest first, so that whoever opens
# connections and says nothing keeps nobody out.
INBOUND_MAX = 128
INBOUND_OF_HOST_MAX = 64  # half: one host cannot shut out all the others


@dataclass(eq=False, slots=True)
class Caller:
    """A carrier that somebody opened to us."""

    source: Place
    carrier: Carrier
    connection: Connection | None = None  # once the channel stands, and belongs to a session
    is_trusted: bool = False  # whoever took the channel over answers for it
    is_proxied: bool = False  # a proxy of ours called, and did not say yet for whom

    @property
    def host(self) -> str:
        """From where it called; empty where it came through a relay, whose address is nobody's, or
        through a proxy that did not say yet for whom."""
        if self.is_proxied or not isinstance(self.source, Address):
            return ""
        return self.source.host

    @property
    def is_known(self) -> bool:
        greeted = self.connection is not None and self.connection.is_greeted
        return greeted or self.is_trusted


@dataclass(frozen=True, slots=True)
class Arrival:
    """A channel that somebody opened to us; the first frame on it says what it is for."""

    stream: FrameStream
    first: bytes
    caller: Caller


ArrivalHandler: TypeAlias = Callable[[Arrival], Awaitable[None]]
"""Serves one channel to the end; raises `SyncError`. Nobody who is refused comes so far."""


class Inbound:
    """The callers, the oldest first."""

    def __init__(self) -> None:
        self._callers: list[Caller] = []

    def make_room(self, host: str, *, is_proxy: bool = False) -> bool:
        """Whether one more of `host` may come; a stranger that says nothing may have to go.

        `is_proxy`: others call from there, and each of them is counted once it is known who.
        """
        rivals = () if is_proxy else self.of(host_of(host))
        if len(rivals) < INBOUND_OF_HOST_MAX:
            rivals = tuple(self._callers)
            if len(rivals) < INBOUND_MAX:
                return True
        silent = next((one for one in rivals if not one.is_known), None)
        if silent is not None:
            self._callers.remove(silent)
            silent.carrier.abort()
        return silent is not None

    def enter(self, caller: Caller) -> None:
        self._callers.append(caller)

    def leave(self, caller: Caller) -> None:
        if caller in self._callers:
            self._callers.remove(caller)

    def of(self, host: str) -> Sequence[Caller]:
        """Those that `offences.host_of` counts as `host`."""
        return [one for one in self._callers if host_of(one.host) == host]
