"""`search` and `info`: what there is."""

from __future__ import annotations

from collections.abc import Sequence

import click

from node.client import module_path
from node.commands.console import IN_NAMESPACE, node, print_json, print_table, say, wants_json
from node.commands.life import WORDS, find_life, is_life, print_life
from node.commands.petnames import Petnames, petnames
from node.commands.rights_in_words import state_words
from node.failure import Json
from node.text import printable, size_text

COMMONS = "commons"
KINDS = ["module", "genome", "seed", "lineage", "universe"]
SORTS = ["relevance", "downloads", "rating", "recent", "fitness"]


@click.command("search")
@click.argument("query", required=False, default="")
@click.option("--kind", type=click.Choice(KINDS), help="Only this kind.")
@click.option("--tag", "tags", multiple=True, help="Only with this tag; may be repeated.")
@click.option("--author", metavar="DID|NAME", help="Only of this author.")
@IN_NAMESPACE
@click.option("--sort", type=click.Choice(SORTS), default="relevance", show_default=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--cursor", help="Go on where the last page ended.")
def search_command(
    query: str,
    kind: str | None,
    tags: tuple[str, ...],
    author: str | None,
    namespace: str | None,
    sort: str,
    limit: int,
    cursor: str | None,
) -> None:
    """Search what this node knows."""
    wanted: dict[str, str | int | tuple[str, ...] | None]
    wanted = {"q": query or None, "kind": kind, "tag": tags, "author": author}
    wanted |= {"namespace": namespace, "sort": sort, "limit": limit, "cursor": cursor}
    page = node().get("/api/search", wanted)
    if wants_json():
        return print_json("search", page)
    names, places = petnames(), namespace_names(page["results"])
    for result in page["results"]:
        print_result(result, names, places.get(result["namespace"], ""))
    if not page["results"]:
        say("Nothing found. What a peer publishes arrives by itself: panspermia peers")
    elif page.get("next"):
        say(f"{page['total']:,} in all. More: --cursor {printable(page['next'])}", dim=True)


def namespace_names(results: Sequence[Json]) -> dict[str, str]:
    """did:key → what a joined one is called here; commons goes without saying."""
    if all(result["namespace"] == COMMONS for result in results):
        return {}
    page = node().get("/api/namespaces")
    return {one["did"]: one["name"] for one in page["namespaces"]}


def print_result(result: Json, names: Petnames, place: str) -> None:
    version = printable(str(result.get("version") or ""))
    say(f"{printable(result['id'].rpartition('/')[2])} {version}".rstrip(), bold=True, nl=False)
    where = f" in {printable(place)}" if place else ""
    say(f"  {result['kind']} by {printable(names.author(result['author']))}{where}")
    if result.get("description"):
        say(f"    {printable(result['description'])}")
    if result.get("tags"):
        say(f"    {printable(', '.join(result['tags']))}", dim=True)


@click.command("info")
@click.argument("name")
@click.option("--kind", type=click.Choice(["module", *WORDS]), help="What it is.")
@IN_NAMESPACE
def info_command(name: str, kind: str | None, namespace: str | None) -> None:
    """Show one module, genome, seed or lineage: what it says, and what others say."""
    if kind in WORDS or (kind is None and is_life(name)):
        kind, one = find_life(name, kind, namespace)
        return print_json("info", {"kind": kind, **one}) if wants_json() else print_life(kind, one)
    client = node()
    module = client.get(module_path(name, namespace=namespace))
    full = f"{module['author_did']}/{module['id']}"
    others = client.get(module_path(full, "publishers", namespace=namespace))["publishers"]
    if wants_json():
        return print_json("info", {**module, "publishers": others})
    say(f"{printable(module['id'])} {printable(module['latest_version'] or '')}", bold=True)
    say(printable(module["description"]))
    names = petnames()
    called = ", ".join(names.of(module["author_did"]))
    say(f"author        {printable(module['author_did'])}{f' ({called})' if called else ''}")
    say(f"licence       {printable(module['license'])}")
    if module["tags"]:
        say(f"tags          {printable(', '.join(module['tags']))}")
    for needed in module["dependencies"]:
        optional = ", optional" if needed["optional"] else ""
        wanted = f"{names.module(needed['module_id'])} {needed['version_requirement']}"
        say(f"needs         {printable(wanted)}{optional}")
    rating: Json | None = module.get("rating")
    if rating and rating["count"]:
        say(f"rating        {rating['average']:.1f} of 5 ({rating['count']:,})")
    say(f"downloads     {module['download_count']:,}")
    for other in others:
        who = f"{names.author(other['receiver'])}, {state_words(other)}"
        say(f"publisher     {printable(who)}")
    print_table(("VERSION", "PUBLISHED", "SIZE", "STATE"), map(version_row, module["versions"]))


def version_row(version: Json) -> tuple[str, ...]:
    marks = (("yanked", "yank_reason"), ("deprecated", "deprecation"))
    states = [": ".join(filter(None, (mark, version[why]))) for mark, why in marks if version[mark]]
    size = size_text(version["wasm_size"])
    return version["version"], version["published_at"], size, ", ".join(states) or "ok"
