"""What people and programs that watch the node hear of its peers; what peers did wrong."""

from msgspec import Struct

from crdt.did import encode_did_key
from node.events import Events
from node.refusals import Refusals
from node.shown_peers import did_of
from p2p.protocol import effects
from p2p.protocol.errors import RemoteProtocolError, SyncError
from p2p.transport.connection import Connection
from p2p.transport.network import NetworkEvent, PeerCame, PeerSaid, PeerWent


class PeerNews(Struct, frozen=True):
    """The `peer` event."""

    did: str
    device: str
    address: str
    state: str
    reason: str = ""


class SyncNews(Struct, frozen=True):
    """The `sync` event: one comparison ended."""

    did: str
    address: str
    rounds: int
    entries_in: int
    entries_out: int


class RefusedNews(Struct, frozen=True):
    """The `refused` event: entries of a peer that were not taken, by reason."""

    did: str
    address: str
    codes: dict[str, int]


def tell(events: Events, refusals: Refusals, event: NetworkEvent) -> None:
    """What people and programs that watch the node hear of its peers; what peers did wrong."""
    match event:
        case PeerWent(address, connection, RemoteProtocolError() as error):
            refusals.note(offender(address, connection), "what it sent", error)
        case _:
            pass
    match event:
        case PeerCame(connection, _):
            events.publish("peer", peer_news(connection, "connected"))
        case PeerWent(_, Connection() as connection, reason) if connection.is_greeted:
            events.publish("peer", peer_news(connection, "gone", reason))
        case PeerSaid(connection, effects.ChannelLost()):
            events.publish("peer", peer_news(connection, "reconnecting", connection.link.why_lost))
        case PeerSaid(connection, effects.ChannelChanged()):
            events.publish("peer", peer_news(connection, "moved"))
        case PeerSaid(connection, effects.Synced(report)):
            events.publish(
                "sync",
                SyncNews(
                    did_of(connection),
                    connection.address,
                    report.rounds,
                    report.entries_received,
                    report.entries_sent,
                ),
            )
        case PeerSaid(connection, effects.EntriesRefused(codes)):
            news = RefusedNews(did_of(connection), connection.address, dict(codes))
            events.publish("refused", news)
        case _:
            return


def offender(address: str, connection: Connection | None) -> str:
    """The device, once the channel proved it; else the host: each try comes from another port."""
    return encode_did_key(connection.device) if connection else address.rpartition(":")[0]


def peer_news(connection: Connection, state: str, reason: SyncError | None = None) -> PeerNews:
    return PeerNews(
        did_of(connection),
        encode_did_key(connection.device),
        connection.address,
        state,
        reason.sentence if reason else "",
    )
