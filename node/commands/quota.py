"""`quota`: the room that others take here, and who takes most of it."""

from __future__ import annotations

import click

from node.commands.console import node, print_json, print_table, say, wants_json
from node.failure import Json
from node.text import printable, short_did, size_text


@click.command("quota")
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True)
def quota_command(limit: int) -> None:
    """Show how much room others take, and who takes most."""
    answer = node().get("/api/quota", {"limit": limit})
    if wants_json():
        return print_json("quota", answer)
    say(f"strangers  {room_text(answer['room'])}")
    say("Whom you name is followed: their records are kept. See: panspermia name set NAME DID")
    if answer["authors"]:
        say()
        print_table(
            ("AUTHOR", "TAKES", "ENTRIES", "NOT KEPT", ""), map(author_row, answer["authors"])
        )
    if answer["guests"]:
        say()
        print_table(("LET IN", "BY", "TAKES", "OF", "NOT KEPT"), map(guest_row, answer["guests"]))
    if answer["sources"]:
        say()
        print_table(("BROUGHT BY", "TAKES", "STRANGERS'"), map(source_row, answer["sources"]))
    if answer["namespaces"]:
        say()
        print_table(("NAMESPACE", "TAKES", "OF"), map(namespace_row, answer["namespaces"]))
    if answer["areas"]:
        say()
        print_table(("AREA", "TAKES", "OF"), map(area_row, answer["areas"]))


def room_text(room: Json) -> str:
    """`3.1 MiB of 1.0 GiB`, and what did not fit."""
    text = f"{size_text(room['strangers_bytes'])} of {size_text(room['strangers_bytes_max'])}"
    return f"{text}, {kept_out_text(room['kept_out'])}" if room["kept_out"] else text


def kept_out_text(count: int) -> str:
    entries = "entry" if count == 1 else "entries"
    return f"{count:,} {entries} not kept (over quota, blocked, or let go)"


def author_row(author: Json) -> tuple[object, ...]:
    return (
        author["author"],
        size_text(author["bytes"]),
        f"{author['entries']:,}",
        f"{author['kept_out']:,}",
        "followed" if author["followed"] else "",
    )


def guest_row(guest: Json) -> tuple[object, ...]:
    return (
        guest["guest"],
        short_did(printable(guest["author"])),
        size_text(guest["bytes"]),
        size_text(guest["bytes_max"]),
        f"{guest['kept_out']:,}",
    )


def source_row(source: Json) -> tuple[object, ...]:
    who = printable(source["source"])
    if source["author"]:
        who += f", for {short_did(printable(source['author']))}"
    return who, size_text(source["bytes"]), size_text(source["strangers_bytes"])


def namespace_row(one: Json) -> tuple[object, ...]:
    return (
        printable(one["name"] or one["namespace"]),
        size_text(one["bytes"]),
        size_text(one["bytes_max"]),
    )


def area_row(area: Json) -> tuple[object, ...]:
    return area["area"], size_text(area["bytes"]), size_text(area["bytes_max"])
