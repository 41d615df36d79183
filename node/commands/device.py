"""`device`: the nodes that write in your name, each with a key of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from node.commands.console import may_ask, node, print_json, print_table, say, wants_json
from node.commands.invite import print_code
from node.commands.secrets import PASSPHRASE_FILE, with_passphrase
from node.failure import Json
from node.text import printable

# Argon2id, a frontier over all that the device wrote, and what is judged again.
REMOVE_TIMEOUT_S = 300.0

GONE_SHOWN = 20


@click.group("device", invoke_without_command=True)
@click.pass_context
def device_command(ctx: click.Context) -> None:
    """Add, list and remove the devices of your author."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@device_command.command("list")
def list_() -> None:
    """List your devices, as far as this node knows of them."""
    page = node().get("/api/devices")
    if wants_json():
        return print_json("device", page)
    head, names = ("NAME", "DEVICE", "CHANGES", "LAST SIGNED", "STATE"), namespaces()
    print_table(head, (row(one, names) for one in page["devices"]))


def namespaces() -> dict[str, str]:
    """What this person calls those that were joined."""
    joined = node().get("/api/namespaces")["namespaces"]
    return {one["did"]: one["name"] for one in joined}


def listed(places: Sequence[str], names: Mapping[str, str]) -> str:
    return ", ".join(names.get(place, place) for place in places)


def row(one: Json, names: Mapping[str, str]) -> tuple[object, ...]:
    revoked = listed(one["revoked"], names)
    states = ["this node"] if one["is_this_node"] else []
    states += [f"removed in {revoked}"] if revoked else []
    name, last = one["name"] or "", one["last_signed_at"] or "never seen"
    return name, one["did"], one["entries"], last, "; ".join(states)


@device_command.command("add")
@click.argument("device", metavar="DID")
@click.option("--name", help="What to call it on this node.")
@click.option("--address", "addresses", metavar="HOST:PORT", multiple=True, help="Of this node.")
@PASSPHRASE_FILE
def add(
    device: str, name: str | None, addresses: tuple[str, ...], passphrase_file: Path | None
) -> None:
    """Make a code that makes the node of this device key one of yours.

    Start that node once, and see `panspermia id` there: DID is its device. Then give it the code:
    panspermia accept CODE

    Again for the same device, it brings what you took part in since.
    """
    body: dict[str, object] = {"device": device}
    if name is not None:
        body["name"] = name
    if addresses:
        body["addresses"] = addresses
    print_code("device", node().post("/api/devices", with_passphrase(body, passphrase_file)))


@device_command.command("remove")
@click.argument("device", metavar="DID|NAME")
@click.option("--since", metavar="DATE", help="Nothing that it signed from then on counts, either.")
@click.option("--reason", default="", help="Why, for all who see it.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@PASSPHRASE_FILE
def remove(
    device: str,
    since: str | None,
    reason: str,
    dry_run: bool,
    yes: bool,
    passphrase_file: Path | None,
) -> None:
    """Take back all that a lost device may do, in every namespace.

    What it published stays, as far as it is here; what it writes from now on counts nowhere. Its
    key stays out for ever: a device that is found again starts with a new home.
    """
    body: dict[str, object] = {"device": device, "since": since, "reason": reason}
    client = node()
    shown = client.post(
        "/api/devices/revoke", {**body, "dry_run": True}, timeout_s=REMOVE_TIMEOUT_S
    )
    if dry_run:
        return print_removed(shown)
    if not wants_json():
        print_removed(shown)
    if not yes:
        if not may_ask():
            raise click.UsageError("nobody can be asked here: see --dry-run, then say --yes")
        click.confirm("Remove it?", abort=True)
    body = with_passphrase(body, passphrase_file)
    print_removed(client.post("/api/devices/revoke", body, timeout_s=REMOVE_TIMEOUT_S))


def print_removed(answer: Json) -> None:
    if wants_json():
        return print_json("device", answer)
    would, names = "would end" if answer["dry_run"] else "end", namespaces()
    where = listed(answer["namespaces"], names) or "none"
    say(f"The rights of {answer['device']} {would} in {where}")
    if answer["silent"]:
        where = listed(answer["silent"], names)
        say(f"Not in {where}, where you may not say so. Whoever let you in there can:", fg="yellow")
        say(f"panspermia cap revoke {answer['device']} --namespace NAME", fg="yellow")
    count = answer["gone_count"]
    if not count:
        return say(
            "Nothing that is here goes." if answer["dry_run"] else "Nothing that is here went."
        )
    say(
        f"{count:,} changes {'would count' if answer['dry_run'] else 'count'} no more:", fg="yellow"
    )
    for one in answer["gone"][:GONE_SHOWN]:
        line = f"  {one['signed_at']}  {one['path']} in {one['namespace']} by {one['device']}"
        say(f"{printable(line)}  [{one['code']}]")
    if count > GONE_SHOWN:
        say(f"  and {count - GONE_SHOWN:,} more; --json shows up to 1,000")
