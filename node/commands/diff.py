"""`diff`: what differs between two genomes or two seeds. Needs no running node."""

from __future__ import annotations

import click

from node.commands.console import print_json, say, wants_json
from node.commands.reading import read_one, shown_errors
from node.text import printable

SHOWN_MAX = 100
COLOURS = {"added": "green", "removed": "red", "changed": "yellow"}


@click.command("diff")
@click.argument("a", metavar="A", type=click.Path(allow_dash=True))
@click.argument("b", metavar="B", type=click.Path(allow_dash=True))
@click.option("--item-a", type=click.IntRange(min=1), help="Which of the items that A holds.")
@click.option("--item-b", type=click.IntRange(min=1), help="Which of the items that B holds.")
@click.option("--all", "is_whole", is_flag=True, help=f"Show more than {SHOWN_MAX} differences.")
def diff_command(a: str, b: str, item_a: int | None, item_b: int | None, is_whole: bool) -> None:
    """Compare two genomes or two seeds.

    Nodes, connections, traits, settings and cells are compared. How they are written does not
    count: a genotype as hex and one as JSON may be the same.
    """
    with shown_errors():
        from registry.formats import compare

        first, second = read_one(a, None, item_a), read_one(b, None, item_b)
        found = compare((first.format, first.data), (second.format, second.data), (a, b))
    if wants_json():
        changes = [
            {"how": each.how, "what": each.what, "where": each.where, "before": each.before,
             "after": each.after}
            for each in found.changes
        ]  # fmt: skip
        told = {"same_bytes": found.same_bytes, "same": not found.count, "count": found.count}
        return print_json("diff", {**told, "summary": found.summary, "changes": changes})
    shown = found.changes if is_whole else found.changes[:SHOWN_MAX]
    for each in shown:
        say(printable(str(each)), fg=COLOURS[each.how])
    if found.count > len(shown):
        say(f"… and {found.count - len(shown):,} more: --all, or --json", dim=True)
    say(printable(found.summary), bold=True)
