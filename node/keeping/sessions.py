"""What the network tells of sessions, for whoever keeps what records name."""

from crdt.keys import COMMONS
from node.keeping.keeping import Keeping
from p2p.protocol.effects import Synced
from p2p.transport.connection import Connection
from p2p.transport.network import NetworkEvent, PeerCame, PeerSaid, PeerWent


def note_sessions(keeping: Keeping, event: NetworkEvent) -> None:
    """A listener of the network."""
    match event:
        case PeerCame(connection, _):
            keeping.came(connection, lambda: _is_private(connection), connection.device)
        case PeerSaid(connection, Synced()):
            keeping.synced(connection)
        case PeerWent(_, Connection() as connection, _):
            keeping.went(connection)
        case _:
            return


def _is_private(connection: Connection) -> bool:
    """Before both agreed what they share, it may be anything."""
    return connection.session.shared != {COMMONS}
