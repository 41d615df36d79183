"""`status`: the state first, then what needs attention. Imports as little as it can."""

from __future__ import annotations

import click

from node.commands.console import is_verbose, node, print_json, say, wants_json
from node.commands.quota import room_text
from node.failure import Json
from node.text import duration_text, printable, size_text


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


def print_status(status: Json) -> None:
    peers, records, blobs = status["peers"], status["records"], status["blobs"]
    up = duration_text(status.get("uptime_s", 0))
    said = f"{status['state']}, up {up}: {printable(status['sync']['words'])}"
    say(said, fg="green" if status["state"] == "ready" else "yellow")
    say(f"author   {printable(status['did'])}")
    say(f"home     {printable(status['home'])}")
    say(f"page     {printable(status['api'])}")
    say(f"peers    {peers['connected']} connected, {peers['known']} known, at {status['p2p']}")
    held = ", ".join(f"{count:,} {kind}" for kind, count in sorted(records.items()) if count)
    say(f"records  {printable(held) or 'none yet'}")
    say(f"blobs    {blobs['count']:,}, {size_text(blobs['bytes'])}")
    for one in status.get("transfers", ()):
        say(f"fetching {transfer_text(one)}")
    say(f"strangers  {room_text(status['quota'])}")
    if behind := status["index"]["behind"]:
        say(f"index    {behind:,} changes behind")
    if status.get("refused"):
        say(f"refused  {status['refused']:,}; see: panspermia refused", fg="yellow")
    for warning in status.get("warnings", ()):
        say(f"warning: {printable(warning)}", fg="yellow")
    if is_verbose():
        say(f"device   {printable(status['device'])}")
        say(f"version  {printable(status['version'])}")


def transfer_text(one: Json) -> str:
    """A blob that is being fetched, in a line."""
    name = printable(one["blob"])[:16]
    if not one["total"]:
        return f"{name}, asking for it"
    share = f"{100 * one['size'] // one['total']}% of {size_text(one['total'])}"
    givers = "1 peer" if one["peers"] == 1 else f"{one['peers']} peers"
    return f"{name}, {share}, {size_text(one['bytes_per_s'])}/s, {givers}"
