"""What the network tells of sessions, for whoever keeps what records name."""

from collections.abc import Iterable
from functools import partial

from crdt.keys import COMMONS
from node.keeping.keeping import Keeping
from p2p.protocol.effects import Synced
from p2p.transport.connection import Connection
from p2p.transport.network import NetworkEvent, PeerCame, PeerSaid, PeerWent


def note_sessions(keeping: Keeping, event: NetworkEvent) -> None:
    """A listener of the network."""
    match event:
        case PeerCame(connection, _):
            keeping.came(connection, lambda: _is_private(connection))
        case PeerSaid(connection, Synced()):
            keeping.synced(connection)
        case PeerWent(_, Connection() as connection, _):
            keeping.went(connection)
        case _:
            return


def note_present(keeping: Keeping, connections: Iterable[Connection]) -> None:
    """Peers that came before anybody listened."""
    for connection in connections:
        keeping.came(connection, partial(_is_private, connection))


def _is_private(connection: Connection) -> bool:
    return any(namespace != COMMONS for namespace in connection.session.shared)
