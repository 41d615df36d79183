"""Peers: who is there, connecting, comparing, and what was refused."""

from collections.abc import Sequence

from msgspec.structs import replace
from starlette.responses import Response

from crdt.did import encode_did_key
from node.api.endpoint import Call, deletes, reads, writes
from node.api.models import NoQuery, PageQuery
from node.api.peer_models import Discovered, NewPeer, Peer, Peers, SyncReports, SyncWanted
from node.api.relay_models import FoundRelay
from node.errors import NotFound
from node.ports import Network, RelayBook
from node.refusals import RefusedNote, RefusedPage, refused_page, take_in
from node.relay_role import role_of
from node.services.names import all_petnames
from node.services.waits import Waiting
from node.shown_peers import one_source_words, state_of_all
from node.wiring import Node
from storage.store import Store


async def list_peers(node: Node, call: Call[NoQuery, None]) -> Peers:
    """How it stands with the peers; who is connected, found or named, and refused for now."""
    network = node.network
    waiting = await node.waiting.at(await node.store.counts())
    peers = await named_peers(node.store, network, waiting)
    found = await _with_names(node.store, network.discovered())
    unused = await named_relays(node.store, node.relays)
    transfers, source = tuple(network.transfers()), network.one_source()
    relay = await role_of(node.relay, node.store, node.keeping.budget)
    return Peers(
        sync=state_of_all(peers, found, transfers, relay, tuple(node.relays.shown())),
        peers=peers,
        discovered=found,
        refused=tuple(network.refused()),
        relays=tuple(node.relays.shown()),
        found_relays=unused,
        one_source=source,
        one_source_words=one_source_words(source, len(peers)) if source else "",
        transfers=transfers,
        relay=relay,
    )


async def named_peers(store: Store, network: Network, waiting: Waiting) -> tuple[Peer, ...]:
    """The connected peers, with this person's own names for them, and what of theirs waits."""
    names = {did: name for name, did in sorted((await all_petnames(store)).items(), reverse=True)}
    return tuple(
        replace(one, name=names.get(one.did, ""), waits=waiting.of_device.get(one.device, ()))
        for one in network.peers()
    )


async def named_relays(store: Store, relays: RelayBook) -> tuple[FoundRelay, ...]:
    """Those that nobody chose yet, with this person's own names for whose they are."""
    names = {did: name for name, did in (await all_petnames(store)).items()}
    return tuple(replace(one, name=names.get(one.did)) for one in relays.unused())


async def _with_names(store: Store, found: Sequence[Discovered]) -> tuple[Discovered, ...]:
    """Whose device a card says it is, and what this person calls them."""
    names = {did: name for name, did in (await all_petnames(store)).items()}
    owners = {encode_did_key(one.device): one.author for one in await store.cards()}
    shown: list[Discovered] = []
    for one in found:
        owner = owners.get(one.device or "")
        did = one.did or (encode_did_key(owner) if owner else None)
        shown.append(replace(one, did=did, name=names.get(did or "")))
    return tuple(shown)


async def connect_peer(node: Node, call: Call[NoQuery, NewPeer]) -> Peer:
    """Connect to a node at `host:port` or `wss://…`, and again when the connection is lost."""
    return await node.network.connect(call.body.address)


async def disconnect_peer(node: Node, call: Call[NoQuery, None]) -> Response:
    """End the session with a device, and forget its addresses."""
    if not await node.network.disconnect(call.path["device"]):
        raise NotFound(f"no connection to {call.path['device']}", code="unknown-peer")
    return Response(status_code=204)


async def sync_now(node: Node, call: Call[NoQuery, SyncWanted]) -> SyncReports:
    """Compare with every connected peer now, and fetch what is missing; then searches find it."""
    reports = await node.network.sync(call.body.timeout_s)
    await node.index.show_all()
    names = {did: name for name, did in sorted((await all_petnames(node.store)).items())[::-1]}
    return SyncReports(tuple(replace(one, name=names.get(one.did, "")) for one in reports))


async def list_refused(node: Node, call: Call[PageQuery, None]) -> RefusedPage:
    """What was refused or does not count, from whom and why; the newest first."""
    after = node.cursors.open("refused", call.query.cursor)
    await take_in(node.store, str(node.home.path))
    items, last = await refused_page(node.store, call.query.limit, after)
    return RefusedPage(tuple(items), node.cursors.seal("refused", last))


async def note_refused(node: Node, call: Call[NoQuery, RefusedNote]) -> RefusedNote:
    """Have it listed what a client of this node refused before sending it."""
    note = call.body
    await node.store.refuse(note.source, note.where, note.code, note.detail, note.detail.encode())
    return note


ENDPOINTS = (
    reads("/api/peers", list_peers, Peers),
    writes(
        "/api/peers", connect_peer, Peer, body=NewPeer, status=201, problems=(504,),
        is_replayable=False,
    ),
    deletes("/api/peers/{device}", disconnect_peer),
    writes(
        "/api/sync", sync_now, SyncReports, body=SyncWanted, problems=(504,), is_replayable=False
    ),
    reads("/api/refused", list_refused, RefusedPage, query=PageQuery, problems=(404,)),
    writes("/api/refused", note_refused, RefusedNote, body=RefusedNote, status=201),
)  # fmt: skip
