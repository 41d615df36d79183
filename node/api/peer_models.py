"""Peers as they cross the API: those connected, those found, and how far it is with each."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from node.api.models import Request
from node.api.peer_states import PeerRefusal, PeerStanding, SyncState, Waits
from node.api.relay_models import FoundRelay, RelayRole, RelayShown
from node.api.transfer import Transfer
from node.config import PeerPlace
from node.offenders import RefusedPeer


class Peer(Struct, frozen=True):
    did: str
    device: str
    address: str
    transport: str
    """What carries the session now: tcp, websocket, relay, webrtc."""
    direction: Literal["in", "out"]
    state: str
    connected_s: float
    rtt_ms: float | None
    rounds: int
    bytes_in: int
    bytes_out: int
    entries_in: int
    entries_out: int
    refused: int
    kept_out: int
    """Entries that this node has no room for, as of the last comparison."""
    last_error: str
    name: str = ""
    """The petname of its author; empty where it has none here."""
    standing: PeerStanding = "comparing"
    words: str = ""
    """How it stands with this peer, for people."""
    behind: int = 0
    """Entries that the peer is known to hold and this node is getting."""
    ahead: int = 0
    """Entries announced to the peer that it has not taken yet, about."""
    compared_s: float | None = None
    """Seconds since an area was compared to the end."""
    entries_twice: int = 0
    """Entries that came although another peer had brought them already."""
    refusals: tuple[PeerRefusal, ...] = ()
    source: str = ""
    """How this node knew of it: mdns, static, …; `called` where the peer called first."""
    sources: tuple[str, ...] = ()
    """Who told of this device, the first one first; none where it called and nobody had."""
    check_digits: str = ""
    """Both people see the same ones, unless somebody is between them."""
    missing: int = 0
    """Entries that it announced and then did not give."""
    waits: tuple[Waits, ...] = ()
    """Entries that it brought, which are held and count once what they need is here."""
    moves: int = 0
    """From one carrier to another."""
    blob_bytes_out: int = 0


class Discovered(Struct, frozen=True):
    did: str | None
    """The author, once a channel or a signed card has proved it; an announcement proves nothing."""
    device: str | None
    """As announced."""
    address: str
    source: str
    seen_s: float
    """Seconds since."""
    last_error: str = ""
    """Why the last attempt to connect, or the last session, ended."""
    check_digits: str = ""
    """With the device that is claimed; empty where none is."""
    name: str | None = None
    """This person's own word for the author, where a card tells whose device it is."""


class Peers(Struct, frozen=True):
    sync: SyncState
    peers: tuple[Peer, ...]
    discovered: tuple[Discovered, ...]
    refused: tuple[RefusedPeer, ...] = ()
    """Those that are not talked to for now, because of what they did."""
    relays: tuple[RelayShown, ...] = ()
    found_relays: tuple[FoundRelay, ...] = ()
    one_source: str | None = None
    """The one relay, peer or table that told of all who are connected: it could hide the others."""
    one_source_words: str = ""
    """The same for people, and what to do about it."""
    transfers: tuple[Transfer, ...] = ()
    relay: RelayRole | None = None
    """What this node does as a relay, where it is one."""


class NewPeer(Request, frozen=True):
    address: PeerPlace


class SyncWanted(Request, frozen=True):
    timeout_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0


class SyncReport(Struct, frozen=True):
    did: str
    address: str
    rounds: int
    bytes_in: int
    bytes_out: int
    entries_in: int
    entries_out: int
    refused: int
    kept_out: int
    """Entries that this node has no room for; they make no difference to `in_sync`."""
    duration_s: float
    in_sync: bool
    name: str = ""
    """This person's own word for the author."""


class SyncReports(Struct, frozen=True):
    peers: tuple[SyncReport, ...]
