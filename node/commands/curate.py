"""`yank`, `deprecate`, `rate`: saying what is good and what is not."""

from __future__ import annotations

import click

from node.client import module_path
from node.commands.console import DRY_RUN, IN_NAMESPACE, node, print_json, say, wants_json
from node.commands.life import WORDS, find_life, is_life, is_lineage, life_path
from node.failure import Json
from node.text import printable


def name_at_version(wanted: str) -> tuple[str, str]:
    """`NAME@VERSION` in its two parts. Raises `UsageError`."""
    name, at, version = wanted.rpartition("@")
    if not (name and at and version):
        raise click.UsageError(f"{wanted!r} names no version; give NAME@VERSION, as in io.x@1.2.0")
    return name, version


@click.command("yank")
@click.argument("wanted", metavar="NAME@VERSION")
@click.option("--reason", default="", help="Why; shown to everybody who asks for it.")
@click.option("--undo", is_flag=True, help="Take the yank back.")
@DRY_RUN
@IN_NAMESPACE
def yank_command(
    wanted: str, reason: str, undo: bool, dry_run: bool, namespace: str | None
) -> None:
    """Withdraw a version of your own module from new installations."""
    body = {"reason": reason, "undo": undo, "dry_run": dry_run}
    mark("yank", "yanked", wanted, body, namespace)


@click.command("deprecate")
@click.argument("wanted", metavar="NAME@VERSION")
@click.option("--reason", default="", help="Why, and what to use in its place.")
@click.option("--undo", is_flag=True, help="Take the deprecation back.")
@DRY_RUN
@IN_NAMESPACE
def deprecate_command(
    wanted: str, reason: str, undo: bool, dry_run: bool, namespace: str | None
) -> None:
    """Discourage a version of your own module."""
    body = {"reason": reason, "undo": undo, "dry_run": dry_run}
    mark("deprecate", "deprecated", wanted, body, namespace)


def mark(action: str, done: str, wanted: str, body: Json, namespace: str | None) -> None:
    name, version = name_at_version(wanted)
    path = module_path(name, "versions", version, action, namespace=namespace)
    answer = node().post(path, body)
    if wants_json():
        return print_json(action, answer)
    be = "would be" if answer["dry_run"] else "is"
    no_longer = " no longer" if body["undo"] else ""
    say(f"{printable(name)} {printable(version)} {be}{no_longer} {done}")


@click.command("rate")
@click.argument("name")
@click.argument("stars", type=click.IntRange(1, 5), required=False)
@click.option("--review", default="", help="A few words beside the stars.")
@click.option("--clear", is_flag=True, help="Take your rating back.")
@click.option("--kind", type=click.Choice(["module", *WORDS]), help="What it is.")
@IN_NAMESPACE
def rate_command(
    name: str,
    stars: int | None,
    review: str,
    clear: bool,
    kind: str | None,
    namespace: str | None,
) -> None:
    """Rate a module, a genome, a seed or a lineage from 1 to 5 stars.

    A lineage whose id is no UUID is taken for one where --kind lineage says so.
    """
    if clear and (stars is not None or review):
        raise click.UsageError("give stars, or --clear to take them back")
    path = module_path(name, "ratings", namespace=namespace)
    if kind is None and is_lineage(name):
        kind = "lineage"
    if kind in WORDS or (kind is None and is_life(name)):
        kind, _ = find_life(name, kind, namespace)
        path = life_path(kind, name, "ratings", namespace=namespace)
    if clear:
        node().delete(path)
        if wants_json():
            return print_json("rate", {"module": name, "cleared": True})
        return say(f"took back the rating of {printable(name)}")
    if stars is None:
        raise click.UsageError("Missing argument 'STARS': 1 to 5, or --clear to take them back")
    answer = node().post(path, {"stars": stars, "review": review})
    if wants_json():
        return print_json("rate", answer)
    say(f"rated {printable(name)} {stars} of 5")
