"""`status`: the state first, then what needs attention. Imports as little as it can."""

from __future__ import annotations

import click

from node.commands.console import is_verbose, node, print_json, say, wants_json
from node.commands.quota import room_text
from node.failure import Json
from node.text import duration_text, printable, size_text

SLIPS = "requests and command lines of yours were refused"
QUIET_S = 5.0  # after which the node gives no rate; docs/protocol/blobs.md, RUN_PATIENCE_S


@click.command("status")
@click.option("--exit-code", is_flag=True, help="Exit 1 if there are warnings.")
@click.pass_context
def status_command(ctx: click.Context, exit_code: bool) -> None:
    """Show whether the node runs, and how it does."""
    status = node().get_quick("/api/status")
    if wants_json():
        print_json("status", status)
    else:
        print_status(status)
    if exit_code and status.get("warnings"):
        ctx.exit(1)


def plural(kind: str) -> str:
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


def print_status(status: Json) -> None:
    peers, records, blobs = status["peers"], status["records"], status["blobs"]
    up = duration_text(status.get("uptime_s", 0))
    said = f"{status['state']}, up {up}: {printable(status['sync']['words'])}"
    say(said, fg="green" if status["state"] == "ready" else "yellow")
    say(f"author   {printable(status['did'])}")
    say(f"home     {printable(status['home'])}")
    say(f"page     {printable(status['api'])}")
    say(f"peers    {peers['connected']} connected, {peers['known']} known, at {status['p2p']}")
    if (relay := status.get("relay")) is not None:
        say(f"passed   {size_text(relay['passed_bytes'])} through circuits, as a relay")
    for one in status.get("relays", ()):
        say(f"relay    {relay_text(one)}")
    held = ", ".join(
        f"{count:,} {kind if count == 1 else plural(kind)}"
        for kind, count in sorted(records.items())
        if count
    )
    say(f"records  {printable(held) or 'none yet'}")
    say(f"blobs    {blobs['count']:,}, {size_text(blobs['bytes'])}")
    if keep := kept_text(status.get("keep")):
        say(f"kept     {keep}")
    for one in status.get("transfers", ()):
        say(transfer_text(one), fg="yellow" if one.get("state") == "failed" else None)
    if unread := status.get("letters", {}).get("unread"):
        say(f"letters  {unread:,} unread; see: panspermia letter list")
    say(f"strangers  {room_text(status['quota'])}")
    if behind := status["index"]["behind"]:
        say(f"index    {behind:,} changes behind")
    of_others, slips = refused_counts(status)
    if of_others:
        say(f"refused  {of_others:,} of others; see: panspermia refused", fg="yellow")
    if slips:
        say(f"slips    {slips:,} {SLIPS}; see: panspermia refused")
    if (attest := status.get("attest", {})).get("enabled"):
        say(f"attests  {attest_text(attest)}", fg="yellow" if attest["failed"] else None)
    if ended := status.get("last_end", {}).get("words"):
        say(f"start    {printable(ended)}")
    for warning in status.get("warnings", ()):
        say(f"warning: {printable(warning)}", fg="yellow")
    if is_verbose():
        say(f"device   {printable(status['device'])}")
        say(f"version  {printable(status['version'])}")


def refused_counts(status: Json) -> tuple[int, int]:
    """What others sent, and requests and command lines of one's own."""
    slips = int(status.get("slips", 0))  # of an older node they are among the others
    return int(status.get("refused", 0)) - slips, slips


def transfer_text(one: Json) -> str:
    """A blob that is being fetched, or was until a moment ago, in a line."""
    name = printable(one["blob"])[:16]
    if one.get("state") == "failed":
        reason = printable(one["reason"]).rstrip(".")
        again = "" if reason.endswith("try again") else "; to try again"
        return f"failed   {name}: {reason}{again}: panspermia fetch ID"
    if one.get("state") == "fetched":
        return f"fetched  {name}, {size_text(one['total'])}"
    if not one["total"]:
        return f"fetching {name}, asking for it"
    share = f"{100 * one['size'] // one['total']}% of {size_text(one['total'])}"
    givers = "1 peer" if one["peers"] == 1 else f"{one['peers']} peers"
    if why := one.get("reason"):
        return f"fetching {name}, {share}, {printable(why)}: it waits for one that has it"
    if not one["bytes_per_s"] and one.get("quiet_s", 0) >= QUIET_S:
        return f"fetching {name}, {share}, {givers}, nothing came for {one['quiet_s']:.0f} s"
    said = f"fetching {name}, {share}, {size_text(one['bytes_per_s'])}/s, {givers}"
    if rate := one["bytes_per_s"]:
        said += f", {duration_text((one['total'] - one['size']) / rate)} to go"
    return said + (", as fast as p2p.download allows" if one.get("limited") else "")


def kept_text(keep: Json | None) -> str:
    """Of these blobs, those that are here only because records name them; empty where none are."""
    if not keep or not (keep["blobs"] or keep["waits"] or keep["fetching"]):
        return ""
    said = f"{keep['blobs']:,} of them for others' records, {size_text(keep['bytes'])}"
    said += f" of {size_text(keep['budget_bytes'])}"
    if keep["fetching"]:
        said += f", {keep['fetching']} being fetched"
    waits = [f"{one['count']:,} wait: {printable(one['why'])}" for one in keep["waits"]]
    return "; ".join((said, *waits))


def attest_text(one: Json) -> str:
    """What the node runs by itself of what followed authors say."""
    now = f"{one['running'][:16]} now, " if one["running"] else ""
    said = f"{now}{one['done']:,} signed"
    return f"{said}, {one['failed']:,} without an answer here" if one["failed"] else said


def relay_text(one: Json) -> str:
    """State first, then since when, how far, and what went wrong last."""
    far = f", {one['rtt_ms']:.0f} ms away" if one["rtt_ms"] is not None else ""
    why = f"; last: {printable(one['last_error'])}" if one["last_error"] else ""
    since = duration_text(one["since_s"])
    return f"{printable(one['url'])}: {one['state']} for {since}{far}{why}"
