"""Is it alive, is it ready, how does it do."""

from collections.abc import Sequence

from crdt.did import encode_did_key
from crdt.keys import COMMONS
from node._version import __version__
from node.api.endpoint import Call, reads
from node.api.models import Health, NoQuery
from node.api.problems import ProblemError
from node.api.routes.peers import named_peers, named_relays
from node.api.status_models import (
    AuthorityAge,
    BlobCounts,
    IndexState,
    LetterCounts,
    PeerCounts,
    Status,
)
from node.keeping.shown import keep_state
from node.quotas import room_state
from node.refusals import OURS
from node.relay_role import narrow_words, role_of
from node.services.ages import Age, age_warning
from node.services.forks import fork_warning
from node.services.places import place_text
from node.services.signers import REMOVED
from node.services.standing import Standing
from node.services.waits import Waiting
from node.shown_peers import one_source_words, state_of_all
from node.wiring import Node
from registry.listed import rfc3339
from storage.namespaces import Joined
from storage.store import Counts

NAMED_MAX = 3
"""Ids in a warning."""
ALARMS_MAX = 5
"""Keys in two places that are told in the status; one is enough to ask what happened."""


async def get_health(node: Node, call: Call[NoQuery, None]) -> Health:
    """The process answers; says nothing more."""
    return Health("ok")


async def get_readiness(node: Node, call: Call[NoQuery, None]) -> Health:
    """The store is open and the node is not stopping."""
    if node.stop.is_set():
        raise ProblemError(503, "stopping", "the node is stopping", headers={"retry-after": "5"})
    await node.store.changed_since(0, 1)
    return Health("ready")


async def get_status(node: Node, call: Call[NoQuery, None]) -> Status:
    """What this node is, holds, and is connected to."""
    counts = await node.store.counts()
    waiting = await node.waiting.at(counts)
    peers = await named_peers(node.store, node.network, waiting)
    transfers = tuple(node.network.transfers())
    relay = await role_of(node.relay, node.store, node.keeping.budget)
    sync = state_of_all(
        peers, node.network.discovered(), transfers, relay, tuple(node.relays.shown())
    )
    damaged = tuple(blob.hex() for blob in await node.store.damaged_blobs())
    standing = await node.standings.at(counts.standing)
    ages = standing.ages(node.network, node.clock_us())
    return Status(
        version=__version__,
        did=node.identity.did,
        device=node.identity.device_did,
        home=str(node.home.path),
        api=node.api,
        p2p=node.network.address,
        started_at=rfc3339(int(node.started_s * 1_000_000)),
        uptime_s=round(node.clock_s() - node.started_s, 3),
        state="stopping" if node.stop.is_set() else "ready",
        sync=sync,
        peers=PeerCounts(sync.connected, sync.connected + sync.missed),
        records=counts.records,
        entries=counts.entries,
        blobs=BlobCounts(counts.blobs, counts.blob_bytes, damaged),
        index=IndexState(node.index.behind_of(counts.changed)),
        refused=counts.refused,
        slips=await node.store.refused_of(OURS),
        left_out=counts.left_out,
        waits=waiting.of_all,
        letters=LetterCounts(await node.store.unread_letters()),
        quota=room_state(counts.room, node.store.quota),
        keep=await keep_state(node.keeping),
        authority=tuple(
            AuthorityAge(place_text(one.namespace), age.said_s, age.compared_s) for one, age in ages
        ),
        relays=tuple(node.relays.shown()),
        found_relays=await named_relays(node.store, node.relays),
        transfers=transfers,
        attest=node.attesting.state,
        last_end=node.left_over.shown,
        warnings=(
            *_alarms(standing, ages),
            *_warnings(node, counts, waiting, len(peers)),
            *_ended(standing),
            *_damaged(damaged),
        ),
        relay=relay,
    )


def _alarms(standing: Standing, ages: Sequence[tuple[Joined, Age]]) -> list[str]:
    """Of keys in two places, and of namespaces whose owner has been silent for long."""
    old = [age_warning(one, age) for one, age in ages]
    told = map(fork_warning, standing.forks[:ALARMS_MAX])
    return [*told, *(one for one in old if one is not None)]


def _warnings(node: Node, counts: Counts, waiting: Waiting, connected: int) -> list[str]:
    warnings: list[str] = []
    p2p = node.config.p2p
    is_alone = not (p2p.mdns or p2p.peers or p2p.relays or node.config.relay.enabled)
    if not connected and is_alone:
        warnings.append("no peers: mDNS is off and no peer is named; try `panspermia connect`")
    if not node.config.api.is_loopback:
        warnings.append(f"the API answers on {node.config.api.host} without TLS")
    if source := node.network.one_source():
        warnings.append(one_source_words(source, connected))
    if lost := counts.left_out - sum(one.count for one in waiting.of_all):
        what = "change is held but does" if lost == 1 else "changes are held but do"
        warnings.append(f"{lost:,} {what} not count; see `panspermia refused`")
    for one in waiting.of_all:
        what = "change is held and waits" if one.count == 1 else "changes are held and wait"
        warnings.append(f"{one.count:,} {what}: {one.why}; see `panspermia peers`")
    if narrow := narrow_words(node.config.relay):
        warnings.append(narrow)
    return warnings


def _damaged(blobs: Sequence[str]) -> list[str]:
    """Bytes that the disk lost are fetched, or added, once more: nobody else hears of it."""
    if not blobs:
        return []
    named = ", ".join(f"{one[:16]}…" for one in blobs[:NAMED_MAX])
    more = f" and {len(blobs) - NAMED_MAX} more" if len(blobs) > NAMED_MAX else ""
    what = "a blob is" if len(blobs) == 1 else f"{len(blobs)} blobs are"
    return [
        f"{what} damaged on the disk, and not whole: {named}{more}; panspermia fetch ID asks peers"
        " for what is missing, and adding the same file again mends it too; look at the disk"
    ]


def _ended(standing: Standing) -> list[str]:
    if COMMONS in standing.ended:
        return [REMOVED]
    names = [standing.name_of(one) or encode_did_key(one) for one in standing.ended]
    return [
        f"what this device was given in the namespace {one} was taken back; who did so, and why:"
        f" panspermia cap list --held --namespace {one}"
        for one in names
    ]


ENDPOINTS = (
    reads("/healthz", get_health, Health, access="public"),
    reads("/readyz", get_readiness, Health, access="public", problems=(503,)),
    reads("/api/status", get_status, Status),
)
