"""`events`: what happens in the node, as it happens."""

from __future__ import annotations

import json

import click

from node.commands.console import node, print_event, say, wants_json
from node.failure import Failure, Json
from node.text import printable

# The node sends a comment each 15 s; three of them missing, and it has gone.
SILENCE_S = 45.0

# Without --follow: what the node still remembers comes at once, then there is silence.
PAST_S = 1.0


@click.command("events")
@click.option("--follow", "-f", is_flag=True, help="Go on until Ctrl-C.")
@click.option("--type", "types", multiple=True, help="Only this type; may be repeated.")
def events_command(follow: bool, types: tuple[str, ...]) -> None:
    """Print what happens in the node, one event a line."""
    query = {"types": ",".join(types) or None}
    after, timeout_s = (None, SILENCE_S) if follow else ("0", PAST_S)
    try:
        for event in node().events(query, after=after, timeout_s=timeout_s):
            print_one(event)
    except Failure as ended:
        if follow or ended.problem.get("code") != "timeout":
            raise


def print_one(event: Json) -> None:
    if wants_json():
        return print_event(event["event"], {"number": event["id"], **event["data"]})
    data = json.dumps(event["data"], ensure_ascii=False)
    say(f"{event['event']:<12} {printable(data)}")
