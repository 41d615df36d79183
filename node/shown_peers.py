"""Peers as people are shown them: how it stands with each, and why something did not sync.

The words come first everywhere: in `panspermia peers`, in `status`, on the page. Each has a code
beside it for programs. A code says the first of these that holds:

    reconnecting  nothing carries the session just now, and it waits for another carrier
    introducing   the session stands, and who is there is not known yet
    behind        the peer holds entries that are not here
    apart         the peer takes part in nothing that this node does, as a plain relay
    comparing     what both hold is being compared, so nobody can tell yet
    ahead         the peer lacks entries that are here
    refused       all the same but for entries that were refused
    different     the last comparison ended unequal; another one follows
    in-sync       both hold the same, but for what there is no room for
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from crdt.did import encode_did_key
from node.api.peer_models import Discovered, Peer, SyncReport
from node.api.peer_states import PeerRefusal, PeerStanding, StateOfAll, SyncState
from node.api.relay_models import RelayRole, RelayShown
from node.api.transfer import Transfer
from node.meanings import MEANINGS
from node.text import printable, short_did, size_text
from p2p.protocol.config import Role
from p2p.protocol.difference import Difference
from p2p.protocol.errors import SyncError
from p2p.protocol.report import SessionReport
from p2p.protocol.states import State
from p2p.transport.connection import Connection

NOT_TOLD = "There is more on it in: panspermia refused"
NAMED_MAX = 3  # peers that a sentence names


class Standing(Struct, frozen=True):
    """How it stands with one peer."""

    code: PeerStanding
    words: str


def did_of(connection: Connection) -> str:
    """The author that the peer proved to speak for; empty until it greeted."""
    author = connection.session.author
    return encode_did_key(author) if author is not None else ""


def state_of(connection: Connection) -> Literal["connected", "greeting", "reconnecting"]:
    """Its channel, in a word."""
    if connection.link.is_adrift:
        return "reconnecting"
    return "connected" if connection.session.state is State.OPEN else "greeting"


def show_peer(
    connection: Connection,
    now_s: float,
    *,
    last_error: str = "",
    source: str = "",
    sources: tuple[str, ...] = (),
    check_digits: str = "",
) -> Peer:
    """One row of `panspermia peers`; `last_error` is of a connection before this one."""
    session, report = connection.session, connection.session.report
    is_open, difference = session.state is State.OPEN, session.difference
    standing = standing_of(
        difference,
        report,
        is_open=is_open,
        is_apart=not session.shared,
        lost=connection.link.why_lost if connection.link.is_adrift else None,
    )
    compared_s = difference.compared_s
    return Peer(
        did=did_of(connection),
        device=encode_did_key(connection.device),
        standing=standing.code,
        words=standing.words,
        behind=difference.behind,
        ahead=difference.ahead,
        address=connection.address,
        transport=connection.carrier,
        direction="out" if connection.role is Role.INITIATOR else "in",
        state=state_of(connection),
        connected_s=now_s - connection.since_s,
        compared_s=None if compared_s is None else now_s - compared_s,
        rtt_ms=None if session.rtt_s is None else 1_000 * session.rtt_s,
        rounds=report.rounds,
        bytes_in=report.received_bytes,
        bytes_out=report.sent_bytes,
        blob_bytes_out=report.blob_bytes_sent,
        entries_in=report.entries_received,
        entries_out=report.entries_sent,
        moves=report.moves,
        entries_twice=report.entries_known,
        refused=sum(report.refused.values()),
        refusals=show_refusals(report.refused),
        kept_out=report.entries_kept_out,
        missing=report.entries_missing,
        source=source,
        sources=sources,
        check_digits=check_digits,
        last_error=last_error,
    )


def show_refusals(codes: Mapping[str, int]) -> tuple[PeerRefusal, ...]:
    """What was refused of a peer, the most frequent first, with what each code means."""
    ordered = sorted(codes.items(), key=lambda one: (-one[1], one[0]))
    return tuple(
        PeerRefusal(code, count, MEANINGS[code].means if code in MEANINGS else NOT_TOLD)
        for code, count in ordered
    )


def standing_of(
    difference: Difference,
    report: SessionReport,
    *,
    is_open: bool,
    is_apart: bool = False,
    lost: SyncError | None = None,
) -> Standing:
    """The first that holds of the list above; `lost`: why nothing carries the session."""
    if lost is not None:
        so_far = f", {entries(difference.behind)} behind" if difference.behind else ""
        so_far += f", it lacks {entries(difference.ahead)}" if difference.ahead else ""
        why = printable(lost.sentence.rstrip("."))
        return Standing("reconnecting", f"reconnecting{so_far}: {why}")
    refused, kept_out = sum(report.refused.values()), report.entries_kept_out
    if not is_open:
        return Standing("introducing", "introducing itself")
    if difference.behind:
        also = f", and it lacks {difference.ahead:,}" if difference.ahead else ""
        return Standing("behind", f"{entries(difference.behind)} behind{also}")
    if is_apart:
        return Standing("apart", "takes part in nothing that you do")
    if difference.is_comparing or difference.compared_s is None:
        return Standing("comparing", "comparing what both hold")
    if difference.ahead:
        return Standing("ahead", f"it lacks {entries(difference.ahead)}")
    if refused:
        codes = ", ".join(one.code for one in show_refusals(report.refused)[:NAMED_MAX])
        return Standing("refused", f"in sync but for {entries(refused)} refused here: {codes}")
    if not difference.is_equal:
        return Standing("different", "not the same yet; compared again soon")
    if kept_out:
        return Standing("in-sync", f"in sync but for {entries(kept_out)} without room here")
    return Standing("in-sync", "in sync")


def state_of_all(
    peers: Sequence[Peer],
    discovered: Sequence[Discovered],
    transfers: Sequence[Transfer] = (),
    relay: RelayRole | None = None,
    relays: Sequence[RelayShown] = (),
) -> SyncState:
    """The one sentence that comes first; of a relay with what it does for others.

    `relays`: at which this node is registered, or tries to be.
    """
    devices = {peer.device for peer in peers} | {peer.address for peer in peers}
    missed = [one for one in discovered if not {one.device, one.address} & devices]
    behind = max((peer.behind for peer in peers), default=0)
    lost = [peer for peer in peers if peer.standing == "reconnecting"]
    peers = [peer for peer in peers if peer.standing != "reconnecting"]
    apart = sum(peer.standing == "apart" for peer in peers)
    in_sync = sum(peer.standing == "in-sync" for peer in peers)
    code, words = _said(peers, missed, in_sync, apart, lost, relays)
    if relay is not None:
        is_all = code == "alone"
        code, words = ("relaying", relay.words) if is_all else (code, f"{relay.words}; {words}")
    if peers and lost:
        words += f"; reconnecting to {_named(lost)}"
    if peers and missed:
        words += f"; calling {_counted(len(missed), 'other')}"
    blobs = [one for one in transfers if one.state in ("asking", "fetching")]
    to_come = sum(one.total - one.size for one in blobs)
    if blobs:
        size = f", {size_text(to_come)} to come" if to_come else ""
        words += f"; fetching {_counted(len(blobs), 'blob')}{size}"
    return SyncState(
        code,
        words,
        behind,
        len(peers),
        in_sync,
        len(missed) + len(lost),
        apart,
        len(blobs),
        to_come,
    )


def _said(
    peers: Sequence[Peer],
    missed: Sequence[Discovered],
    in_sync: int,
    apart: int,
    lost: Sequence[Peer],
    relays: Sequence[RelayShown],
) -> tuple[StateOfAll, str]:
    if not peers and lost:
        return "reconnecting", f"connection lost, reconnecting to {_named(lost)}"
    if not peers:
        return _alone(missed, relays)
    givers = [peer for peer in peers if peer.behind]
    if givers:
        return "behind", f"{entries(max(one.behind for one in givers))} behind {_named(givers)}"
    if apart == len(peers):
        who = f"{_counted(apart, 'peer')} connected"
        return "apart", f"{who}, who take{'s' * (apart == 1)} part in nothing that you do"
    if in_sync + apart == len(peers):
        return "in-sync", f"in sync with {_counted(in_sync, 'peer')}"
    return _uneven([one for one in peers if one.standing != "apart"], in_sync)


def _uneven(peers: Sequence[Peer], in_sync: int) -> tuple[StateOfAll, str]:
    """Of those that are not in sync the state that matters most, and whose it is."""
    order: tuple[PeerStanding, ...] = (
        "comparing",
        "introducing",
        "reconnecting",
        "ahead",
        "refused",
        "different",
    )
    standings = {one.standing for one in peers}
    code: PeerStanding = next(each for each in order if each in standings)
    those = [one for one in peers if one.standing == code]
    words = f"{_named(those)}: {those[0].words}"
    if len(those) > 1:
        words = {
            "comparing": f"comparing what is held with {_counted(len(those), 'peer')}",
            "introducing": f"{_counted(len(those), 'peer')} introducing themselves",
            "reconnecting": f"reconnecting to {_counted(len(those), 'peer')}",
            "ahead": f"{_counted(len(those), 'peer')} taking what they lack",
            "refused": f"in sync but for what was refused of {_counted(len(those), 'peer')}",
        }.get(code, f"not the same yet as {_counted(len(those), 'peer')}")
    return code, words + (f"; in sync with {in_sync:,}" if in_sync else "")


def _alone(missed: Sequence[Discovered], relays: Sequence[RelayShown]) -> tuple[StateOfAll, str]:
    failing = [one for one in relays if one.state != "registered" and one.last_error]
    if not missed and failing and len(failing) == len(relays):
        why = printable(failing[0].last_error.rstrip("."))
        return "alone", f"no peer is known; no relay takes this node: {why}"
    if not missed:
        return "alone", "no peer is known; on another machine of this network: panspermia up"
    why = next((one.last_error.rstrip(".") for one in missed if one.last_error), "")
    known = f"calling {_counted(len(missed), 'peer')}, none is connected"
    return "reconnecting", f"{known}{f': {printable(why)}' if why else ''}"


def _named(peers: Sequence[Peer]) -> str:
    names = [peer.name or short_did(peer.did) or peer.address for peer in peers]
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(map(printable, names[:NAMED_MAX])) + more


def entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count:,} entries"


def _counted(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"


def show_sync(
    connection: Connection, before: SessionReport, duration_s: float, *, is_done: bool
) -> SyncReport:
    """What one comparison did: the session's counts now, less those `before`."""
    after = connection.session.report
    is_equal = is_done and after.areas_different == before.areas_different
    return SyncReport(
        did=did_of(connection),
        address=connection.address,
        rounds=after.rounds - before.rounds,
        bytes_in=after.received_bytes - before.received_bytes,
        bytes_out=after.sent_bytes - before.sent_bytes,
        entries_in=after.entries_received - before.entries_received,
        entries_out=after.entries_sent - before.entries_sent,
        refused=sum(after.refused.values()) - sum(before.refused.values()),
        kept_out=after.entries_kept_out,
        duration_s=duration_s,
        in_sync=is_equal,
    )


def one_source_words(source: str, connected: int) -> str:
    """What it means that nobody else told of any connected peer."""
    kind, _, who = source.partition(":")
    match kind:
        case "peer":
            told = f"the peer {encode_did_key(bytes.fromhex(who))}"
        case "relay":
            told = f"the relay {who}"
        case _:
            told = "the public table"
    return (
        f"all {connected} connected peers are known from one side only, {told}, which could hide"
        " others from this node: panspermia connect to somebody whose address you know"
    )
