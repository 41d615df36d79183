"""`name`: one's own words for authors. `alice/io.x` is then the io.x of whoever alice means."""

from __future__ import annotations

import click

from node.client import path_of
from node.commands.console import node, print_json, print_table, say, wants_json
from node.commands.petnames import NAMES_MAX
from node.text import printable, short_did


@click.group("name", invoke_without_command=True)
@click.pass_context
def name_command(ctx: click.Context) -> None:
    """Call authors by names of your own.

    Whoever has a name is followed: all that they published is kept here, whatever strangers bring.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@name_command.command("list")
def list_() -> None:
    """List the names and whom they mean."""
    page = node().get("/api/names", {"limit": NAMES_MAX})
    if wants_json():
        return print_json("name", page)
    if not page["names"]:
        return say("You call nobody by a name yet: panspermia name set NAME DID")
    rows = ((one["name"], one["author"], one["noted_at"]) for one in page["names"])
    print_table(("NAME", "AUTHOR", "SINCE"), rows)


@name_command.command("set")
@click.argument("name")
@click.argument("author", metavar="DID")
@click.option("--replace", is_flag=True, help="Also where NAME means somebody else so far.")
def set_(name: str, author: str, replace: bool) -> None:
    """Call the author DID by NAME, in this node only, and follow them: their records are kept."""
    body = {"author": author, "replace": replace}
    answer = node().put(path_of("/api/names", name), body)
    if wants_json():
        return print_json("name", answer)
    say(f"{printable(answer['name'])} means {printable(answer['author'])}", nl=False)
    before = answer["before"]
    moved = before and before != answer["author"]
    say(f", and no longer {printable(short_did(before))}" if moved else "")


@name_command.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Forget NAME, and follow its author no more. What was published or installed by it stays."""
    node().delete(path_of("/api/names", name))
    if wants_json():
        return print_json("name", {"name": name, "removed": True})
    say(f"{printable(name)} means nobody any more")
