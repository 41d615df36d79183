"""`peers`, `connect`, `sync`, `refused`: who is there, and what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import click

from node.client import path_of, without
from node.commands.console import (
    fits,
    home,
    is_terminal,
    node,
    print_event,
    print_json,
    print_table,
    say,
    wants_json,
)
from node.commands.quota import kept_out_text
from node.commands.status import relay_text, transfer_text
from node.exit_codes import NETWORK, NOT_RUNNING
from node.failure import Failure, Json, failure
from node.text import duration_text, printable, short_did, size_text

# The node may take this much longer than it was told, to answer at all.
GRACE_S = 15.0

SYNC_TIMEOUT_S = 30.0
WATCH_S = 1.0
HOW = {"static": "named by you", "invite": "of an invite"}
COLOURS = {"in-sync": "green", "relaying": "green"}  # what is not in sync is yellow


@click.command("peers")
@click.option("--forgive", metavar="DID|HOST", help="Let one that is refused come in again.")
@click.option("--watch", is_flag=True, help="Show it anew every second, until Ctrl-C.")
def peers_command(forgive: str | None, watch: bool) -> None:
    """Show how it stands with the peers: who, by what, how far behind, and why."""
    if forgive is not None:
        node().delete(path_of("/api/refused-peers", forgive))
        if wants_json():
            return print_json("peers", {"forgiven": forgive})
        return say(f"{printable(forgive)} may come in again, as soon as it calls")
    while True:
        known = node().get("/api/peers")
        if wants_json():
            print_event("peers", known) if watch else print_json("peers", known)
        else:
            if watch and is_terminal(sys.stdout):
                click.clear()
            show_known(known)
        if not watch:
            return
        time.sleep(WATCH_S)


def show_known(known: Json) -> None:
    """The state first; then the table; then why, for whom there is something to say."""
    say(printable(known["sync"]["words"]), fg=COLOURS.get(known["sync"]["state"], "yellow"))
    if not known["peers"] and not known["discovered"] and not known.get("relay"):
        say("Or by address: panspermia connect HOST:PORT")
    if known["peers"]:
        say()
        print_peers([peer_row(one) for one in known["peers"]])
    for line in reasons(known):
        say(line)


def print_peers(rows: list[tuple[str, ...]]) -> None:
    """A table; on a terminal that is too narrow for it, two lines each."""
    if fits(HEAD, rows):
        return print_table(HEAD, rows)
    for row in rows:
        who, state, behind, by, far, came, went, rounds, since, digits, told, at = row
        say(f"{who}  {state}", bold=True)
        say(f"  {printable(at)} by {by}, {far}, for {since}; {behind} behind, {rounds} rounds")
        say(f"  in {came}, out {went}; known by {told}; check digits {digits}")


def reasons(known: Json) -> Iterator[str]:
    """Why something did not sync: of those connected, those that are not, and those refused."""
    for peer in known["peers"]:
        for one in peer["refusals"]:
            times = f"{one['count']:,} refused, {one['code']}"
            yield f"{name_of(peer)}: {times}: {printable(one['why'])} See: panspermia refused"
        if missing := peer.get("missing"):
            yield f"{name_of(peer)}: {missing:,} of its entries were announced, and then not given"
        for one in peer.get("waits", ()):
            waits = "1 entry waits" if one["count"] == 1 else f"{one['count']:,} entries wait"
            yield f"{name_of(peer)}: {waits}, {one['code']}: {printable(one['why'])}"
        if peer["last_error"]:
            yield f"{name_of(peer)}: before this connection: {printable(peer['last_error'])}"
    if kept_out := sum(peer["kept_out"] for peer in known["peers"]):
        yield f"{kept_out_text(kept_out)}. See: panspermia quota"
    connected = {peer["address"] for peer in known["peers"]}
    connected |= {peer["device"] for peer in known["peers"]}
    for seen in known["discovered"]:
        if not {seen["address"], seen["device"]} & connected:
            who = seen["name"] or short_did(seen.get("did") or "somebody")
            how = HOW.get(seen["source"], f"seen by {seen['source']}")
            why = f"; last: {printable(seen['last_error'])}" if seen["last_error"] else ""
            digits = f" ({seen['check_digits']})" if seen["check_digits"] else ""
            where = f"{printable(who)}{digits} at {printable(seen['address'])}"
            yield f"calling {where}, {how}{why}"
    if words := known.get("one_source_words"):
        yield printable(words)
    yield from map(refused_line, known["refused"])
    yield from (f"relay {relay_text(one)}" for one in known["relays"])
    yield from map(found_relay_line, known["found_relays"])
    yield from map(transfer_text, known.get("transfers", ()))


def found_relay_line(one: Json) -> str:
    """Which, whose, and what to do to use it: nobody vouches for it."""
    whose = printable(one["name"] or short_did(one["did"]))
    return (
        f"relay {printable(one['url'])}: of {whose}, found in the public table, not used."
        " To use it, add it to the setting p2p.relays (panspermia config set p2p.relays URL,URL"
        " writes all of them), and start the node again"
    )


def refused_line(one: Json) -> str:
    """Who, why, how often, until when, and how to lift it."""
    who = one["device"] or one["host"]
    where = f" (called from {one['host']})" if one["device"] and one["host"] else ""
    what = "refused" if one["device"] else "nobody new is let in from there"
    return (
        f"{printable(who + where)}: {what} until {one['until']}, {one['code']}:"
        f" {printable(one['reason'].rstrip('.'))}. So far {one['times']:,} times."
        f" To forgive it: panspermia peers --forgive {printable(who)}"
    )


HEAD = (
    "PEER",
    "STATE",
    "BEHIND",
    "BY",
    "ROUND TRIP",
    "IN",
    "OUT",
    "ROUNDS",
    "SINCE",
    "CHECK",
    "KNOWN BY",
    "ADDRESS",
)


def name_of(peer: Json) -> str:
    """This person's own name for the author, else the key."""
    return printable(peer["name"] or short_did(peer["did"] or peer["device"]))


def sources_of(peer: Json) -> list[str]:
    """All sides that told of it; `called` where only its own call did."""
    told = [*peer["sources"], *([peer["source"]] if peer["source"] else [])]
    if any(one.startswith("relay:") for one in told):
        told = [one for one in told if one != "relay"]  # which one is said already
    return [one for one in told if one != "called"] or told


def source_text(source: str) -> str:
    """Of a peer the beginning of its device's key, of a relay its host; all else as it is."""
    kind, _, who = source.partition(":")
    if kind == "peer":
        return f"peer {printable(who[:8])}…"
    if kind == "relay":
        return f"relay {printable(who.rpartition('//')[2].rpartition('@')[2])}"
    return printable(source)


def peer_row(peer: Json) -> tuple[str, ...]:
    return (
        name_of(peer),
        peer["words"],
        f"{peer['behind']:,}",
        peer["transport"],
        "-" if peer["rtt_ms"] is None else f"{peer['rtt_ms']:.0f} ms",
        f"{peer['entries_in']:,} ({size_text(peer['bytes_in'])})",
        f"{peer['entries_out']:,} ({size_text(peer['bytes_out'])})",
        f"{peer['rounds']:,}",
        duration_text(peer["connected_s"]),
        peer["check_digits"],
        ", ".join(dict.fromkeys(map(source_text, sources_of(peer)))) or "-",
        peer["address"],
    )


@click.command("connect")
@click.argument("address", metavar="HOST:PORT")
def connect_command(address: str) -> None:
    """Connect to a peer at HOST:PORT.

    Or at another place: wss://HOST/PATH, circuit:DEVICE@RELAY, webrtc:DEVICE@RELAY.
    """
    host, colon, port = address.rpartition(":")
    is_tcp = host and colon and port.isdecimal() and 0 < int(port) < 65_536
    if not is_tcp and not address.startswith(("ws://", "wss://", "circuit:", "webrtc:")):
        raise click.UsageError(f"{address!r} is no address; give HOST:PORT, as in 192.0.2.7:4747")
    peer = node().post("/api/peers", {"address": address})
    if wants_json():
        return print_json("connect", peer)
    say(f"connected to {short_did(printable(peer['did']))} at {printable(peer['address'])}")


@click.command("sync")
@click.option("--wait", is_flag=True, help="Fail unless every peer ends in sync.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0.1), default=SYNC_TIMEOUT_S)
@click.pass_context
def sync_command(ctx: click.Context, wait: bool, timeout_s: float) -> None:
    """Exchange with the connected peers now."""
    answer = node().post("/api/sync", {"timeout_s": timeout_s}, timeout_s=timeout_s + GRACE_S)
    behind = [peer for peer in answer["peers"] if not peer["in_sync"]]
    if wait and (behind or not answer["peers"]):
        who = ", ".join(peer.get("name") or peer["address"] for peer in behind)
        who = printable(who) or "no peer is connected"
        detail = f"Not in sync after {timeout_s:g} s: {who}. See: panspermia peers"
        raise failure("not-in-sync", "Not everything arrived", detail, NETWORK, **answer)
    if wants_json():
        return print_json("sync", answer)
    for peer in answer["peers"]:
        state = "in sync" if peer["in_sync"] else "not yet in sync"
        moved = f"{peer['entries_in']:,} in, {peer['entries_out']:,} out"
        who = printable(peer.get("name") or short_did(peer["did"]))
        say(
            f"{who}: {state}, {moved}, {peer['rounds']} rounds, "
            f"{size_text(peer['bytes_in'] + peer['bytes_out'])} in {peer['duration_s']:.2f} s"
            + (f"; {kept_out_text(peer['kept_out'])}" if peer["kept_out"] else "")
        )
    if not answer["peers"]:
        say("No peer is connected. See: panspermia peers")


@click.command("refused")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--cursor", help="Go on where the last page ended.")
def refused_command(limit: int, cursor: str | None) -> None:
    """List what was refused, and why."""
    page = refused_page(limit, cursor)
    if wants_json():
        return print_json("refused", page)
    if not page["refused"]:
        return say("Nothing was refused.")
    head = ("AT", "FROM", "WHERE", "WHY", "TIMES")
    print_table(head, map(refused_row, page["refused"]))
    if page.get("next"):
        say(f"More: panspermia refused --cursor {printable(page['next'])}")


def refused_page(limit: int, cursor: str | None) -> Json:
    """The node's; where none runs, what waits for it. Raises `Failure`."""
    try:
        return node().get("/api/refused", {"limit": limit, "cursor": cursor})
    except Failure as failed:
        waiting = waiting_refusals() if failed.exit == NOT_RUNNING and not cursor else []
        if not waiting:
            raise
        say("No node runs here; it will list these with all others: panspermia up", err=True)
        return {"refused": waiting[:limit], "next": None}


def waiting_refusals() -> list[Json]:
    """What the command line put aside, as the node will list it, the newest first."""
    from dataclasses import asdict

    from node import spool
    from node.slips import SOURCE
    from registry.listed import rfc3339

    with suppress(OSError):
        waiting = [
            {
                "id": number,
                "source": SOURCE,
                "held": False,
                **asdict(one),
                "at": rfc3339(one.at_us),
            }
            for number, one in enumerate(spool.read(home()), start=1)
        ]
        return [without(one, "at_us") for one in reversed(waiting)]
    return []


def refused_row(refused: Json) -> tuple[object, ...]:
    why = f"{refused['code']}: {'; '.join(refused['detail'].splitlines())}"
    why += ", so it is held and does not count" if refused["held"] else ""
    return refused["at"], refused["source"], refused["where"], why, refused["count"]
