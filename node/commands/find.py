"""`search` and `info`: what there is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from typing import Any

import click

from node.client import module_path
from node.commands.console import IN_NAMESPACE, node, print_json, print_table, say, wants_json
from node.commands.life import WORDS, find_life, is_life, is_lineage, life_path, verified_lines
from node.commands.petnames import Petnames, petnames
from node.commands.record import CARD_LINES, say_card, show_life
from node.commands.rights_in_words import state_words
from node.commands.trends import show_trends
from node.failure import Failure, Json
from node.text import printable, size_text

COMMONS = "commons"
CHALLENGE = "challenge"
KINDS = ["module", "genome", "seed", "lineage", "challenge", "advisory", "universe", "player"]
SORTS = ["relevance", "downloads", "rating", "recent", "fitness", "attested"]
FACETS = ["kind", "tag", "license", "format"]
QUERY_CHARACTERS_MAX = 512  # as the API takes it; a longer one is no request that it could answer
DESCRIPTION_SHOWN = 200  # of one of thousands; `info` shows all of it
FACET_ROWS = 10  # of each; all fifty are in --json
HEADINGS = {"license": "licence"}

# No module is called so: their ids have a point.
_CHALLENGE_ID = re.compile("chal-[0-9a-f]{8,16}", re.ASCII)
_MARKS = re.compile("</?b>")  # of a snippet, whose text is escaped
_FEW_DIGITS = re.compile("(?=.*[0-9])[0-9a-f]{4,7}", re.ASCII)
_SPACES = re.compile(r"\s+")
_ADVISORY_ID = re.compile("adv-[0-9a-f]{4,16}", re.ASCII)


@click.command("search")
@click.argument("query", required=False, default="")
@click.option("--kind", type=click.Choice(KINDS), help="Only this kind.")
@click.option("--tag", "tags", multiple=True, help="Only with this tag; may be repeated.")
@click.option("--author", metavar="DID|NAME", help="Only of this author.")
@click.option(
    "--exports",
    multiple=True,
    metavar="NAME[TYPE]",
    help="Only modules that export it: hash, or 'hash(i32, i32) -> i32', or 'memory *'.",
)
@click.option(
    "--imports",
    multiple=True,
    metavar="MODULE.NAME",
    help="Only modules that import it: env.memory, 'env.*'; - for those that import nothing.",
)
@click.option("--license", "licenses", multiple=True, help="Only under this licence, as MIT.")
@click.option("--format", "format_", metavar="WORD", help="Only genomes of this format, as rle.")
@IN_NAMESPACE
@click.option(
    "--sort",
    type=click.Choice(SORTS),
    default="relevance",
    show_default=True,
    help="fitness goes by what authors claim, attested by what you and whom you follow ran.",
)
@click.option("--facets", is_flag=True, help="Count kinds, tags, licences and formats.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--cursor", help="Go on where the last page ended.")
def search_command(query: str, **options: object) -> None:
    """Search what this node knows.

    Without QUERY: the newest. A word may be only begun, or have a slip.
    """
    if len(query) > QUERY_CHARACTERS_MAX:
        limit = f"at most {QUERY_CHARACTERS_MAX} characters, and this has {len(query):,}"
        raise click.UsageError(f"QUERY has {limit}")
    wanted = wanted_of(query, options)
    page = node().get("/api/search", wanted)
    if wants_json():
        return print_json("search", page)
    if page["matched"] == "slips":
        meant = f" {printable(page['meant'])!r}" if page.get("meant") else " words a letter away"
        say(f"Nothing has {printable(query)!r}. Did you mean{meant}?", dim=True)
    elif page["matched"] == "some":
        say("Nothing has all of these words; these have some.", dim=True)
    names, places = petnames(), namespace_names(page["results"])
    for result in page["results"]:
        print_result(result, names, places.get(result["namespace"], ""))
    if not page["results"]:
        say(nothing_found(wanted))
    elif page.get("next"):
        say(f"{page['total']:,} in all. More: --cursor {printable(page['next'])}", dim=True)
    if options["facets"]:
        print_facets(page["facets"])


def wanted_of(query: str, options: Mapping[str, object]) -> dict[str, Any]:
    """As the API takes it."""
    wanted: dict[str, Any] = {"q": query or None, "facets": FACETS if options["facets"] else ()}
    for name, option in (("tag", "tags"), ("license", "licenses"), ("format", "format_")):
        wanted[name] = options[option]
    for name in (
        "kind", "author", "exports", "imports", "namespace", "sort", "limit", "cursor",
    ):  # fmt: skip
        wanted[name] = options[name]
    return wanted


def nothing_found(wanted: Mapping[str, Any]) -> str:
    """Why that may be, and what to do about it."""
    if wanted["sort"] == "attested":
        return (
            "Nothing found that you, or somebody whom you follow, ran: panspermia attest GENOME."
            " Any other --sort shows what nobody ran, too."
        )
    narrowing = ("kind", "tag", "author", "exports", "imports", "license", "format")
    given = [name for name in narrowing if wanted[name]]
    if given:
        wider = {"q": wanted["q"], "namespace": wanted["namespace"], "limit": 1}
        total = node().get("/api/search", wider)["total"]
        if total:
            kept = ", ".join(f"--{name}" for name in given)
            return f"Nothing found. Without {kept} there would be {total:,}."
    return "Nothing found. What a peer publishes arrives by itself: panspermia peers"


def print_facets(facets: Json) -> None:
    """A table for each that has values."""
    for name, values in facets.items():
        if not values:
            continue
        say("")
        rows = [(printable(one["value"]), f"{one['count']:,}") for one in values[:FACET_ROWS]]
        print_table((HEADINGS.get(name, name).upper(), "COUNT"), rows)
        if len(values) > FACET_ROWS:
            say(f"and {len(values) - FACET_ROWS} more or further: --json shows them", dim=True)


def namespace_names(results: Sequence[Json]) -> dict[str, str]:
    """did:key → what a joined one is called here; commons goes without saying."""
    if all(result["namespace"] == COMMONS for result in results):
        return {}
    page = node().get("/api/namespaces")
    return {one["did"]: one["name"] for one in page["namespaces"]}


def print_result(result: Json, names: Petnames, place: str) -> None:
    id, version = (printable(str(result.get(key) or "")) for key in ("id", "version"))
    id = id.rpartition("/")[2]
    is_hash = is_life(id) or result["kind"] == "challenge"  # that nobody reads
    title = printable(result["name"]) if is_hash else f"{id} {version}".rstrip()
    say(title, bold=True, nl=False)
    where = f" in {printable(place)}" if place else ""
    say(f"  {result['kind']} by {printable(names.author(result['author']))}{where}")
    if is_hash:
        say(f"    {id}")
    for line in said_of(result, title):
        say(f"    {line}")
    if result.get("tags"):
        say(f"    {printable(', '.join(result['tags']))}", dim=True)
    if result.get("fitness"):
        say(f"    fitness {result['fitness']:g}, as its author claims", dim=True)
    for line in verified_lines(result.get("attested"), names):
        say(f"    {line}", dim=True)


def said_of(result: Json, title: str) -> Iterator[str]:
    """Its description, as far as a line goes, and where the words were found if that is elsewhere.

    What was found stands out. `title` is shown above.
    """
    description = result.get("description") or ""
    shown = description[:DESCRIPTION_SHOWN]
    if shown:
        yield printable(shown.rstrip() + "…" * (len(description) > len(shown)))
    snippet = _SPACES.sub(" ", result.get("snippet") or "").strip()
    pieces = [unescape(piece) for piece in _MARKS.split(snippet)]
    above = " ".join((title, shown, *result.get("tags", ()))).casefold()
    if not all(is_word_in(above, found.casefold()) for found in pieces[1::2]):
        yield "".join(
            click.style(printable(piece), bold=True) if number % 2 else printable(piece)
            for number, piece in enumerate(pieces)
        )


def is_word_in(text: str, word: str) -> bool:
    """As a word of its own, but for scripts without spaces between words."""
    if not word.isascii():
        return word in text
    return re.search(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", text) is not None


@click.command("info")
@click.argument("name")
@click.option("--kind", type=click.Choice(["module", *WORDS, CHALLENGE]), help="What it is.")
@click.option("--history", is_flag=True, help="Who did what to it: every signed entry.")
@click.option("--changes", metavar="VERSION", help="What changed with this version.")
@click.option("--dependants", is_flag=True, help="Which modules need it.")
@click.option("--readme", is_flag=True, help="All of its readme or card, and nothing else.")
@click.option("--trends", is_flag=True, help="How it does over time: signers, each once.")
@click.option("--step", type=click.Choice(["day", "week"]), help="Of --trends; else week.")
@IN_NAMESPACE
def info_command(
    name: str,
    kind: str | None,
    history: bool,
    changes: str | None,
    dependants: bool,
    readme: bool,
    trends: bool,
    step: str | None,
    namespace: str | None,
) -> None:
    """Show one module, genome, seed, lineage or challenge, and what others say of it."""
    of_modules = history + (changes is not None) + dependants
    if of_modules + readme + trends > 1:
        one_of = "--history, --changes, --dependants, --readme, --trends"
        raise click.UsageError(f"one of {one_of} at a time")
    if step and not trends:
        raise click.UsageError("--step is of --trends")
    if kind is None and is_lineage(name):
        kind = "lineage"
    if kind is None and _FEW_DIGITS.fullmatch(name):
        raise click.UsageError("of the id of a genome or a seed the first 8 digits are needed")
    of_trends = {"step": step, "namespace": namespace}
    if kind in WORDS or (kind is None and is_life(name)):
        if of_modules:
            raise click.UsageError("--history, --changes and --dependants are of modules")
        if trends:
            kind, one = find_life(name, kind, namespace)
            full = f"{one['author_did']}/{one['id']}"
            return show_trends(life_path(kind, full, "trends"), of_trends)
        return show_life(name, kind, namespace, only_card=readme)
    if kind == CHALLENGE or (kind is None and _CHALLENGE_ID.fullmatch(name)):
        if of_modules or trends:
            raise click.UsageError("of a challenge there is nothing but itself, and --readme")
        return show_challenge(name, namespace, only_rules=readme)
    if kind is None and _ADVISORY_ID.fullmatch(name):
        raise click.UsageError(f"{name} is an advisory: panspermia advisory list shows them")
    if trends:
        return show_trends(module_path(name, "trends"), of_trends)
    if dependants:
        return show_dependants(name, namespace)
    if history:
        return show_history(name, namespace)
    if changes is not None:
        return show_changes(name, changes, namespace)
    return show_module(name, namespace, only_readme=readme)


def show_module(name: str, namespace: str | None, *, only_readme: bool) -> None:
    client = node()
    try:
        module = client.get(module_path(name, namespace=namespace))
    except Failure as refused:
        if refused.problem.get("code") != "unknown-module" or not show_bundled(name, only_readme):
            raise
        return
    full = f"{module['author_did']}/{module['id']}"
    others = client.get(module_path(full, "publishers", namespace=namespace))["publishers"]
    if wants_json():
        return print_json("info", {**module, "publishers": others})
    if only_readme:
        return say_card(module["readme"], None)
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
    say_card(module["readme"], CARD_LINES)


def show_challenge(id: str, namespace: str | None, *, only_rules: bool) -> None:
    from node.commands.challenge import challenge_of, print_challenge

    one = challenge_of(id, namespace=namespace)
    if wants_json():
        return print_json("info", {"kind": CHALLENGE, **one})
    return say_card(one["rules"], None) if only_rules else print_challenge(one)


def show_bundled(name: str, only_readme: bool) -> bool:
    """An evaluator that comes with every node, and that nobody needs to publish; whether it is."""
    from node.demo import evaluators

    one = next((one for one in evaluators() if one.id == name), None)
    if one is None:
        return False
    told = {"id": one.id, "latest_version": one.version, "description": one.description}
    if wants_json():
        more = {"blake3": one.blake3.hex(), "readme": one.readme, "bundled": True}
        print_json("info", {"kind": "module", **told, **more})
    elif only_readme:
        say_card(one.readme, None)
    else:
        say(f"{one.id} {one.version}", bold=True)
        say(one.description)
        say("comes with every node: panspermia attest GENOME")
        say(f"blake3        {one.blake3.hex()}")
        say_card(one.readme, CARD_LINES)
    return True


def show_history(name: str, namespace: str | None) -> None:
    """Every signed entry, oldest first; what does not count with its reason, and any proof."""
    client = node()
    found = client.get(module_path(name, "history", namespace=namespace))
    rights = client.get(module_path(name, "publishers", namespace=namespace))["publishers"]
    if wants_json():
        return print_json("info", {**found, "publishers": rights})
    if not found["whole"]:
        say("The newest of many entries; what they did is not told.", fg="yellow")
    for one in found["events"]:
        color = None if one["counts"] else "yellow"
        say(f"{one['at'][:19]}Z  {printable(one['words'] or 'nothing that shows')}", fg=color)
        say(f"    {one['entry'][:16]} by {printable(one['who'])} ({one['device']})", dim=True)
        say(f"    right {one['capability'][:12]}, of {len(one['chain'])} keys", dim=True)
        if not one["counts"]:
            say(f"    does not count: {printable(one['why'])}", fg="yellow")
    for right in rights:
        say(f"publisher     {printable(right['words'])}: {printable(state_words(right))}")
    for fork in found["equivocations"]:
        ids = " and ".join(entry["entry"][:16] for entry in fork["entries"])
        say(f"PROOF: {printable(fork['who'])} signed number {fork['seq']} twice: {ids}", fg="red")
        say(f"    panspermia cap proof {fork['entries'][0]['entry'][:16]} -o FILE")


def show_dependants(name: str, namespace: str | None) -> None:
    found = node().get(module_path(name, "dependants", namespace=namespace))
    if wants_json():
        return print_json("info", found)
    if not found["dependants"]:
        return say("No module that is held here needs it.")
    names = petnames()
    rows = (
        (names.module(one["id"]), one["version"], one["range"], "optional" * one["optional"])
        for one in found["dependants"]
    )
    print_table(("MODULE", "VERSION", "NEEDS", ""), rows)


def show_changes(name: str, version: str, namespace: str | None) -> None:
    """Against the version before it."""
    path = module_path(name, "versions", version, "changes", namespace=namespace)
    found = node().get(path)
    if wants_json():
        return print_json("info", found)
    say(f"{printable(name)} {printable(found['before'])} → {printable(found['after'])}", bold=True)
    for line in found["words"]:
        say(f"  {printable(line)}")
    if not found["words"]:
        say("  nothing that it imports, exports or needs")


def version_row(version: Json) -> tuple[str, ...]:
    marks = (("yanked", "yank_reason"), ("deprecated", "deprecation"))
    states = [": ".join(filter(None, (mark, version[why]))) for mark, why in marks if version[mark]]
    size = size_text(version["wasm_size"])
    return version["version"], version["published_at"], size, ", ".join(states) or "ok"
