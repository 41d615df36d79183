"""`block`: authors and devices that this person never wants to hear from."""

from __future__ import annotations

import click

from node.client import path_of
from node.commands.console import node, print_json, print_table, say, wants_json
from node.text import printable


@click.command("block")
@click.argument("who", metavar="[DID|NAME]", required=False)
@click.option("--reason", default="", help="Your own words; nobody else sees them.")
@click.option("--list", "lists", is_flag=True, help="List who is blocked.")
@click.option("--remove", is_flag=True, help="Hear from it again.")
def block_command(who: str | None, reason: str, lists: bool, remove: bool) -> None:
    """Never hear from an author or a device again."""
    if who is None or lists:
        if who is not None or remove or reason:
            raise click.UsageError("--list goes alone; to block somebody, give a DID or a NAME")
        return list_blocked()
    path = path_of("/api/blocked", who)
    if remove:
        if reason:
            raise click.UsageError("--reason goes with blocking, not with --remove")
        node().delete(path)
        if wants_json():
            return print_json("block", {"who": who, "removed": True})
        return say(f"{printable(who)} is not blocked any more. What it wrote: panspermia sync")
    one = node().put(path, {"reason": reason})
    if wants_json():
        return print_json("block", one)
    say(f"{printable(one['did'])} is blocked: nothing more comes from it, what is here stays")


def list_blocked() -> None:
    answer = node().get("/api/blocked")
    if wants_json():
        return print_json("block", answer)
    if not answer["blocked"]:
        return say("Nobody is blocked.")
    rows = ((one["did"], one["blocked_at"], one["reason"]) for one in answer["blocked"])
    print_table(("WHO", "SINCE", "WHY"), rows)
