"""`namespace`: groups of one's own, apart from what is public."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from node.client import path_of
from node.commands.console import node, print_json, print_table, say, wants_json
from node.commands.secrets import PASSPHRASE_FILE, opened_where_sealed
from node.failure import Json
from node.text import duration_text, printable

# At the end of a did:key; enough to tell a person's namespaces apart.
NAME_CHARACTERS = 8


@click.group("namespace", invoke_without_command=True)
@click.pass_context
def namespace_command(ctx: click.Context) -> None:
    """Make, join and list namespaces."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@namespace_command.command("list")
def list_() -> None:
    """List the namespaces this node takes part in, and what it may do there."""
    page = node().get("/api/namespaces")
    if wants_json():
        return print_json("namespace", page)
    head = ("NAME", "KIND", "RIGHTS", "RECORDS", "PEERS", "OWNER SAID", "COMPARED", "DID")
    print_table(head, map(row, page["namespaces"]))


def row(one: Json) -> tuple[object, ...]:
    ages = (ago(one["authority_age_s"]), ago(one["authority_compared_s"]))
    return one["name"], one["kind"], one["rights"], one["records"], one["peers"], *ages, one["did"]


def ago(seconds: float | None) -> str:
    """How old what is known of rights is; a dash where nothing was ever said, or compared."""
    return "-" if seconds is None else f"{duration_text(seconds)} ago"


@namespace_command.command("create")
@click.argument("name")
@PASSPHRASE_FILE
def create(name: str, passphrase_file: Path | None) -> None:
    """Make a namespace of your own, called NAME on this node."""
    add({"name": name}, passphrase_file, "made")


@namespace_command.command("join")
@click.argument("did")
@click.option("--name", help="What to call it on this node.")
@PASSPHRASE_FILE
def join(did: str, name: str | None, passphrase_file: Path | None) -> None:
    """Take part in the namespace of this did:key.

    Everybody may join a communal one. The owner of any other has to give you a capability first.
    """
    called = name or f"ns-{did[-NAME_CHARACTERS:].lower()}"
    add({"name": called, "did": did}, passphrase_file, "joined")


@namespace_command.command("leave")
@click.argument("name")
def leave(name: str) -> None:
    """Take part no longer. What is here of it stays."""
    node().delete(path_of("/api/namespaces", name))
    if wants_json():
        return print_json("namespace", {"name": name, "left": True})
    say(f"left {printable(name)}; what is here of it stays")


def add(body: dict[str, object], passphrase_file: Path | None, done: str) -> None:
    answer = opened_where_sealed(partial(node().post, "/api/namespaces"), body, passphrase_file)
    if wants_json():
        return print_json("namespace", answer)
    say(f"{done} {printable(answer['name'])}: {answer['did']}")
    say(f"You may {printable(answer['rights'])} there.", dim=True)
