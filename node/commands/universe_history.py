"""`universe timeline`, `event`, `fork`, `forks`, `prune`: what happened, and what goes on."""

from __future__ import annotations

from typing import Any

import click

from node.client import path_of, with_query
from node.commands.console import (
    DRY_RUN,
    IN_NAMESPACE,
    node,
    print_json,
    print_table,
    say,
    wants_json,
)
from node.commands.petnames import own_did, petnames
from node.commands.universe_line import draw_timeline
from node.commands.universe_made import LISTED_MAX, config_of
from node.commands.universe_named import PATH, TICK, UNIVERSE, meant
from node.commands.universe_states import state_meant
from node.commands.universe_told import told_before
from node.failure import Json
from node.text import printable, size_text


@click.command("timeline")
@UNIVERSE
@click.option("--canonical", is_flag=True, help="Only events, and what was taken for them.")
@click.option("--from", "since", type=TICK, help="From this tick on.")
@click.option("--to", "until", type=TICK, help="Up to this tick.")
@click.option("--all", "all_", is_flag=True, help="Every autosave; else rows of them are one line.")
@IN_NAMESPACE
def timeline(
    universe: str | None,
    canonical: bool,
    since: int | None,
    until: int | None,
    all_: bool,
    namespace: str | None,
) -> None:
    """Draw what happened in a universe, by tick, and what can be opened and forked."""
    query: dict[str, Any] = {
        "canonicalOnly": "true" if canonical else None, "from": since, "to": until,
        "namespace": namespace,
    }  # fmt: skip
    found = node().get(path_of(PATH, meant(universe), "timeline"), query)
    if wants_json():
        return print_json("universe", found)
    if not found["entries"] and (canonical or since is not None or until is not None):
        return say("Nothing of it there: without --canonical, --from and --to all is shown")
    if not found["entries"]:
        return say("Nothing yet. Keep a state: panspermia universe snapshot UNIVERSE FILE --tick N")
    for line, style in draw_timeline(found["entries"], petnames(own_did()), is_whole=all_):
        say(line, **style)
    if not found.get("whole", True):
        text = (
            "Its gate signed two receipts with one number, and not all were asked which one counts."
        )
        say(text, fg="yellow")
    return None


@click.command("event")
@click.argument("universe")
@click.argument("type")
@click.argument("title", required=False)
@click.option("--tick", type=TICK, required=True)
@click.option("--description", default="")
@click.option("--day", type=click.IntRange(0))
@click.option("--importance", type=click.IntRange(0, 1000), default=0)
@click.option("--entity", "entities", multiple=True, help="Whom it happened to; may be repeated.")
@click.option("--soul", "souls", multiple=True, help="May be repeated.")
@click.option("--parent", "parents", multiple=True, help="Of a birth; may be repeated.")
@click.option("--snapshot", metavar="ID", help="What was taken for it; 8 digits may do.")
@click.option("--again", is_flag=True, help="Once more, though the same was told before.")
@IN_NAMESPACE
def event(universe: str, namespace: str | None, *, again: bool, **said: Any) -> None:  # noqa: ANN401 - click gives them
    """Tell what happened: TYPE is birth, death, union, founded, … or a word of your own.

    Events are for good. What was told before, of the same tick, type, title and names, is told once
    more only with --again.
    """
    if not said["type"]:
        raise click.UsageError(
            "TYPE is empty: say what happened, as birth, union, or your own word"
        )
    place = path_of(PATH, universe)
    said["snapshot"] = state_meant(place, namespace, said["snapshot"])
    before = None if again else told_before(node(), universe, said, namespace=namespace)
    done: Json
    if before is None:
        path = with_query(path_of(place, "timeline"), {"namespace": namespace})
        body = {key: one for key, one in said.items() if one not in (None, "", ())}
        done = {**node().post(path, body), "known": False}
    else:
        done = {"success": True, "id": before["event"], "entry": before, "known": True}
    if wants_json():
        return print_json("universe", done)
    line = f"tick {done['entry']['tick']:,}: {printable(done['entry']['title'])}"
    if before is None:
        return say(line, fg="green")
    say(f"{line} was told before: nothing new was told", fg="yellow")
    return say("To tell it once more: --again", dim=True)


@click.command("fork")
@UNIVERSE
@click.option("--name", required=True, help="What the fork is called.")
@click.option("--tick", type=TICK, help="At the last snapshot at or before it.")
@click.option("--snapshot", metavar="ID", help="At this very one; 8 digits may do.")
@click.option("--id", help="As programs call it; else one is made up.")
@click.option("--owner", help="The player whose it is, in free text.")
@click.option("--private", is_flag=True, help="For nobody else; else it is as its parent.")
@click.option("--in", "place", metavar="NAMESPACE", help="Shared with its members.")
@IN_NAMESPACE
def fork(
    universe: str | None,
    name: str,
    tick: int | None,
    snapshot: str | None,
    id: str | None,
    owner: str | None,
    private: bool,
    place: str | None,
    namespace: str | None,
) -> None:
    """Make a universe of yours that goes on from a snapshot of any that you may read.

    Nothing is copied, and it stays whole when its parent is deleted.
    """
    start = path_of(PATH, meant(universe))
    path = with_query(path_of(start, "fork"), {"namespace": namespace})
    state = state_meant(start, namespace, snapshot)
    body: Json = {
        "name": name, "snapshotTick": tick, "snapshot": state, "id": id, "ownerId": owner,
        "visibility": "private" if private else None, "namespace": place,
    }  # fmt: skip
    done = node().post(path, {key: one for key, one in body.items() if one is not None})
    if wants_json():
        return print_json("universe", done)
    begun = done["forkedFrom"]
    say(printable(done["universe"]["id"]), fg="green")
    say(f"forked from {printable(begun['fullName'])} at tick {begun['snapshotTick']:,}", dim=True)
    if done["warning"]:
        say(printable(done["warning"]), fg="yellow")


@click.command("forks")
@UNIVERSE
@IN_NAMESPACE
def forks(universe: str | None, namespace: str | None) -> None:
    """Draw the tree of forks that a universe stands in."""
    query, path = {"tree": "true", "namespace": namespace}, path_of(PATH, meant(universe), "forks")
    found = node().get(path, query)
    if wants_json():
        pages = [found]
        while pages[-1]["next"] is not None:
            more = {"namespace": namespace, "limit": LISTED_MAX, "cursor": pages[-1]["next"]}
            pages.append(node().get(path, more))
        every = [one for page in pages for one in page["forks"]]
        return print_json("universe", {**found, "forks": every, "next": None})
    called = petnames(own_did())
    names = sorted({one["universe"] for one in found["tree"]}, key=len, reverse=True)
    for line in found["lines"]:
        for name in names:  # the longest first: one may begin as another one is called
            line = line.replace(name, called.universe(name))
        say(printable(line), bold=line.endswith("◂ here"))


@click.command("prune")
@UNIVERSE
@click.option(
    "--rule",
    metavar="JSON",
    help='From now on: {"auto": {"thin": true}, "manual": {"newest": 500}}.',
)
@click.option(
    "--keep-all", is_flag=True, help="From now on only what has a decay of its own is dropped."
)
@click.option(
    "--decayed", is_flag=True, help="Also what stayed as long as its game wrote into each save."
)
@DRY_RUN
@IN_NAMESPACE
def prune(
    universe: str | None,
    rule: str | None,
    keep_all: bool,
    decayed: bool,
    dry_run: bool,
    namespace: str | None,
) -> None:
    """Drop the snapshots that your universe's rule does not keep.

    So does each upload, and says it. Without a rule of its own a universe keeps up to 2,000
    autosaves; of more the oldest are thinned to the last of each hour, day and week, as many as are
    too many. Canonical ones, the newest, and what forks and events need always stay. One that was
    kept with a decay of its own goes by that, whatever the rule says; what a game writes of each
    save is no such decay, and obeyed with --decayed alone.
    """
    if rule is not None and keep_all:
        raise click.UsageError("--rule and --keep-all: say one")
    everything: Json = {"auto": {}}
    said = config_of(rule, "the rule") if rule is not None else everything if keep_all else None
    query = {"dryRun": "true" if dry_run else None, "namespace": namespace}
    path = with_query(path_of(PATH, meant(universe), "prune"), query)
    asked: Json = {"decayed": decayed} | ({} if said is None else {"retention": said})
    done = node().post(path, asked)
    if wants_json():
        return print_json("universe", done)
    for line in done["rule"]:
        say(line, dim=True)
    rows = ((f"{one['tick']:,}", one["type"], size_text(one["fileSize"]), one["why"], one["blob"])
            for one in done["dropped"])  # fmt: skip
    print_table(("TICK", "TYPE", "SIZE", "WHY", "BLOB"), rows)
    word = "would go" if dry_run else "dropped"
    say(f"{len(done['dropped']):,} {word}, {done['kept']:,} kept")
    if done["dropped"] and not dry_run:
        say(
            "panspermia gc gives their room back, an hour after they came at the earliest; until"
            " then panspermia fetch BLOB -o FILE has each",
            dim=True,
        )
