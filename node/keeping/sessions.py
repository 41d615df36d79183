"""What the network tells of sessions, for whoever keeps what records name."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from crdt.keys import COMMONS
from node.keeping.keeping import Keeping
from p2p.protocol.effects import Synced
from p2p.transport.connection import Connection
from p2p.transport.network import Network, NetworkEvent, PeerCame, PeerSaid, PeerWent

Listener: TypeAlias = Callable[[NetworkEvent], None]


def follow_sessions(keeping: Keeping, network: Network, listeners: list[Listener]) -> None:
    """From now on; who is here already came before anybody listened."""
    listeners.append(partial(note_sessions, keeping))
    for connection in network.connections:
        if connection.is_greeted:
            note_came(keeping, connection)


def note_came(keeping: Keeping, connection: Connection) -> None:
    keeping.came(connection, lambda: _is_private(connection), connection.device)


def note_sessions(keeping: Keeping, event: NetworkEvent) -> None:
    """A listener of the network."""
    match event:
        case PeerCame(connection, _):
            note_came(keeping, connection)
        case PeerSaid(connection, Synced()):
            keeping.synced(connection)
        case PeerWent(_, Connection() as connection, _):
            keeping.went(connection)
        case _:
            return


def _is_private(connection: Connection) -> bool:
    """Before both agreed what they share, it may be anything. What was compared before anybody
    listened is not waited for."""
    session = connection.session
    return not session.report.comparisons and session.shared != frozenset({COMMONS})
