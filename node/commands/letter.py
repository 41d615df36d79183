"""`letter`: sealed letters to people, through a relay, also while they are away."""

from __future__ import annotations

import sys

import click

from node.commands.console import node, print_json, print_table, say, wants_json
from node.failure import Json
from node.text import printable, short_did

TEXT_CHARACTERS_MAX = 48 << 10
FIRST_WORDS = 60
SEND_TIMEOUT_S = 120.0  # several relays, one after the other


@click.group("letter")
def letter_command() -> None:
    """Write to people through a relay, and read what they wrote."""


@letter_command.command("send")
@click.argument("who", metavar="DID|NAME")
@click.argument("text", metavar="[TEXT|-]", default="-")
@click.option("--relay", metavar="URL", help="Only through this one.")
def send(who: str, text: str, relay: str | None) -> None:
    """Send a letter. Only their devices can read it, and they see who wrote it.

    With -, or without a text, it is read from the standard input.
    """
    words = sys.stdin.read(TEXT_CHARACTERS_MAX + 1) if text == "-" else text
    if not words.strip():
        raise click.UsageError("the letter has no words")
    sent = send_letter(who, words, "text", relay)
    if wants_json():
        return print_json("letter", sent)
    print_sent(who, sent)


def send_letter(who: str, words: str, kind: str, relay: str | None) -> Json:
    """What the node answers. Raises `Failure`."""
    body: dict[str, object] = {"to": who, "text": words, "kind": kind}
    if relay is not None:
        body["relay"] = relay
    return node().post("/api/letters", body, timeout_s=SEND_TIMEOUT_S)


def print_sent(who: str, sent: Json) -> None:
    for one in sent["sent"]:
        device = short_did(one["device"])
        say(f"{printable(who)} will get it on {device}; it waits at {printable(one['relay'])}")


@letter_command.command("list")
def list_() -> None:
    """List the letters that came, those of strangers apart."""
    found = node().get("/api/letters")
    if wants_json():
        return print_json("letter", found)
    if not found["letters"] and not found["strangers"]:
        return say("No letters.")
    head = ("NUMBER", "FROM", "AT", "", "SAYS")
    if found["letters"]:
        print_table(head, map(row, found["letters"]))
    if found["strangers"]:
        say("From people without a name here (to name one: panspermia name):")
        print_table(head, map(row, found["strangers"]))


def row(one: Json) -> tuple[object, ...]:
    words = "a code, for: panspermia accept" if one["kind"] == "code" else one["text"]
    first = " ".join(words.split())[:FIRST_WORDS]
    who = one["name"] or short_did(one["did"])
    return one["number"], who, one["received_at"], "" if one["is_read"] else "new", printable(first)


@letter_command.command("show")
@click.argument("number", type=click.IntRange(min=1))
def show(number: int) -> None:
    """Show one letter, whole."""
    one = node().post(f"/api/letters/{number}/read", {})
    if wants_json():
        return print_json("letter", one)
    say(f"from   {one['name'] or 'a stranger'} ({one['did']})", err=True)
    say(f"sent   {one['sent_at']}, as they say; here since {one['received_at']}", err=True)
    if one["kind"] == "code":
        say("It is a code. What it gives, and to take it: panspermia accept CODE", err=True)
    for line in one["text"].splitlines():
        say(printable(line))


@letter_command.command("remove")
@click.argument("number", type=click.IntRange(min=1))
def remove(number: int) -> None:
    """Remove a letter."""
    node().delete(f"/api/letters/{number}")
    if wants_json():
        return print_json("letter", {"number": number, "removed": True})
    say(f"letter {number} is gone")
