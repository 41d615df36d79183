"""`reindex` and `gc`: what can be made anew, and what nobody needs."""

from __future__ import annotations

import click

from node.commands.console import node, print_json, say, wants_json
from node.text import size_text

# 100,000 records took seconds; a slow disk may take minutes.
REINDEX_TIMEOUT_S = 1800.0


@click.command("reindex")
def reindex_command() -> None:
    """Rebuild the search index from the store."""
    answer = node().post("/api/reindex", timeout_s=REINDEX_TIMEOUT_S)
    if wants_json():
        return print_json("reindex", answer)
    say(f"indexed {answer['records']:,} records")


@click.command("gc")
def gc_command() -> None:
    """Collect blobs that nothing refers to."""
    answer = node().post("/api/gc", timeout_s=REINDEX_TIMEOUT_S)
    if wants_json():
        return print_json("gc", answer)
    say(f"collected {answer['blobs']:,} blobs, {size_text(answer['bytes'])}")
