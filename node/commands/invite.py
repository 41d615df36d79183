"""`invite`, `accept`: rights for other people, handed over as a code."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from node.commands.console import may_ask, node, print_json, say, wants_json
from node.commands.secrets import PASSPHRASE_FILE, with_passphrase
from node.exit_codes import NETWORK, NOT_RUNNING
from node.failure import Failure, Json, failed
from node.text import printable

# Of a code, with the line breaks that a mail may put into it.
CODE_CHARACTERS_MAX = 1 << 20

# A node that starts again in its process answers within a second or two.
AGAIN_S = 30.0
POLL_S = 0.1

# Every address of a code is called, one after the other.
ACCEPT_TIMEOUT_S = 180.0


@click.command("invite")
@click.option("--for", "receiver", metavar="DID|NAME", required=True, help="The author to let in.")
@click.option("--namespace", default="commons", show_default=True, help="Where.")
@click.option("--cap", "areas", metavar="AREA", multiple=True, help="Only this area; see below.")
@click.option("--read", "level", flag_value="read", default="read", help="To read [default].")
@click.option("--write", "level", flag_value="write", help="To read, and write what is theirs.")
@click.option("--admin", "level", flag_value="admin", help="To do everything, and let others in.")
@click.option("--until", metavar="DATE", help="The right ends then: 2027-01-01, in UTC.")
@click.option("--note", default="", help="A few words for them.")
@click.option("--address", "addresses", metavar="HOST:PORT", multiple=True, help="Of this node.")
@PASSPHRASE_FILE
def invite_command(
    receiver: str,
    namespace: str,
    areas: tuple[str, ...],
    level: str,
    until: str | None,
    note: str,
    addresses: tuple[str, ...],
    passphrase_file: Path | None,
) -> None:
    """Make a code that lets somebody in.

    Send it by any channel: only the author it is for can use it, so --for is needed, for now.
    `panspermia id` shows them their did:key. They say: panspermia accept CODE

    An AREA is WHOSE/class/kind/record@FROM..UNTIL, each part as far as it is wanted; WHOSE is a
    did:key, a name, `me`, or * for everyone: me/pub/mod/org.example.clock@..2027-01-01
    """
    body: dict[str, object] = {
        "receiver": receiver,
        "namespace": namespace,
        "areas": areas,
        "level": level,
        "until": until,
        "note": note,
    }
    if addresses:
        body["addresses"] = addresses
    made = node().post("/api/invites", with_passphrase(body, passphrase_file))
    print_code("invite", made)


def print_code(command: str, made: Json) -> None:
    """The code alone on stdout, so that it can be piped; what it says beside it."""
    if wants_json():
        return print_json(command, made)
    for line in made["words"]:
        say(printable(line), err=True)
    say("They say: panspermia accept CODE, with this code:", err=True, dim=True)
    say(made["code"])


@click.command("accept")
@click.argument("code", metavar="CODE|-")
@click.option("--name", help="What to call its namespace here.")
@click.option("--replace", is_flag=True, help="Become somebody's device; keep the old key aside.")
@click.option("--dry-run", is_flag=True, help="Only say what it would do.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@PASSPHRASE_FILE
def accept_command(
    code: str,
    name: str | None,
    replace: bool,
    dry_run: bool,
    yes: bool,
    passphrase_file: Path | None,
) -> None:
    """Show in words what a code gives, and take it.

    With - the code is read from the standard input. A code of `device add` makes this home a
    device of that author; the node starts again for it.
    """
    text = sys.stdin.read(CODE_CHARACTERS_MAX) if code == "-" else code
    body: dict[str, object] = {"code": text, "replace": replace}
    if name is not None:
        body["name"] = name
    shown = node().post("/api/invites/accept", {**body, "dry_run": True})
    if dry_run:
        return print_accepted(shown)
    if not wants_json():
        for line in shown["words"]:
            say(printable(line))
    if not yes:
        if not may_ask():
            raise click.UsageError("nobody can be asked here: see --dry-run, then say --yes")
        click.confirm("Take it?", abort=True)
    body = with_passphrase(body, passphrase_file)
    answer = node().post("/api/invites/accept", body, timeout_s=ACCEPT_TIMEOUT_S)
    if answer["starts_again"]:
        wait_for_author(answer["giver"])
    print_accepted(answer)


def wait_for_author(did: str) -> None:
    """Until the node answers again, as somebody else's device. Raises `Failure`."""
    deadline = time.monotonic() + AGAIN_S
    while time.monotonic() < deadline:
        try:
            if node().get("/api/identity")["did"] == did:
                return
        except Failure as gone:
            if gone.exit not in (NOT_RUNNING, NETWORK):
                raise
        time.sleep(POLL_S)
    raise failed("timeout", "The node did not start again in time", "See: panspermia status")


def print_accepted(answer: Json) -> None:
    if wants_json():
        return print_json("accept", answer)
    if answer["dry_run"]:
        for line in answer["words"]:
            say(printable(line))
        return
    if aside := answer["set_aside"]:
        say(f"The key of this home's former author lies in {printable(aside)}", fg="yellow")
    if answer["starts_again"]:
        say("This node is one of their devices now; see: panspermia id", fg="green")
        return
    places = f"; you take part in {', '.join(answer['namespaces'])}" if answer["namespaces"] else ""
    say(f"{answer['kept']} capabilities are kept{printable(places)}", fg="green")
    for one in answer["addresses"]:
        found = "connected" if one["connected"] else f"not reached: {one['detail']}"
        say(f"{printable(one['address'])}: {printable(found)}", dim=one["connected"])
