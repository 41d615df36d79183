"""`challenge`: call for one, enter genomes in it, and see where everybody stands."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from node.client import path_of, with_query
from node.commands.attest import ATTEST_TIMEOUT_S, answer_text
from node.commands.console import (
    IN_NAMESPACE,
    node,
    print_event,
    print_json,
    print_table,
    say,
    shows_progress,
    wants_json,
)
from node.commands.petnames import Petnames, petnames
from node.failure import Json, failed
from node.text import duration_text, printable

PATH = "/api/challenges"
RULES_BYTES_MAX = 20 * 1024  # `registry.head` refuses more
SEEDS_MAX = 64  # and `registry.challenge` more than these
SORTS = ["deadline", "recent", "rating", "name"]
ID_SHOWN = 12
COLORS = {"open": "green", "not-open": "yellow", "over": None}

_AHEAD = re.compile(r"\+(\d{1,6})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_RANGE = re.compile(r"(-?\d{1,19})(?:\.\.(-?\d{1,19}))?", re.ASCII)

AUTHOR = click.option(
    "--author", metavar="DID|NAME", help="Of this author, where several call for it."
)


@click.group("challenge")
def challenge_command() -> None:
    """Call for challenges, enter genomes, and see who stands where.

    A challenge names an evaluator, seeds, ticks and a deadline. The standing is reckoned here, from
    what you and whom you follow ran; the first 8 digits of an ID are enough while those are clear.
    """


@challenge_command.command("create")
@click.argument("name")
@click.option("--with", "evaluator", required=True, metavar="NAME[@VERSION]", help="What judges.")
@click.option(
    "--deadline", required=True, metavar="WHEN", help="2027-01-01, 2027-01-01T12:00Z, or +7d."
)
@click.option("--opens", metavar="WHEN", help="Since when one may enter; else since now.")
@click.option("--seeds", default="0", show_default=True, metavar="N,M,FROM..TO", help="All count.")
@click.option("--ticks", type=click.IntRange(1), default=1_000, show_default=True)
@click.option("--description", default="", help="One line.")
@click.option("--rules", default="", help="For people, in Markdown.")
@click.option(
    "--rules-file", type=click.Path(dir_okay=False, path_type=Path), help="The same from a file."
)
@click.option("--tag", "tags", multiple=True, help="May be repeated.")
@click.option("--dry-run", is_flag=True, help="Only say what it would be called.")
@IN_NAMESPACE
def create(
    name: str,
    evaluator: str,
    deadline: str,
    opens: str | None,
    seeds: str,
    ticks: int,
    description: str,
    rules: str,
    rules_file: Path | None,
    tags: tuple[str, ...],
    dry_run: bool,
    namespace: str | None,
) -> None:
    """Call for a challenge. Its terms never change; said again, its words do."""
    if rules_file is not None:
        rules = rules_of(rules_file)
    body = {
        "name": name, "with": evaluator, "deadline": moment_of(deadline),
        "opens": moment_of(opens) if opens else None, "seeds": seeds_of(seeds), "ticks": ticks,
        "description": description, "rules": rules, "tags": list(tags), "dry_run": dry_run,
        "namespace": namespace or "commons",
    }  # fmt: skip
    done = node().post(PATH, body, timeout_s=ATTEST_TIMEOUT_S)
    if wants_json():
        return print_json("challenge", done)
    if dry_run:
        return say(f"it would be called {done['id']}; nothing was signed (dry run)")
    say(f"{done['id']}: {'said' if done['entry'] else 'nothing new'}", fg="green")
    say(f"To enter: panspermia challenge enter {done['id']} GENOME", dim=True)


@challenge_command.command("list")
@click.option("--open", "open_", is_flag=True, help="Only those that are not over.")
@click.option("--author", metavar="DID|NAME", help="Only those of this author.")
@click.option("--tag", "tags", multiple=True, help="Only with this tag; may be repeated.")
@click.option("--sort", type=click.Choice(SORTS), default="deadline", show_default=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--cursor", help="Go on where the last page ended.")
@IN_NAMESPACE
def list_(
    open_: bool,
    author: str | None,
    tags: tuple[str, ...],
    sort: str,
    limit: int,
    cursor: str | None,
    namespace: str | None,
) -> None:
    """List challenges; what ends first is first."""
    if open_ and sort != "deadline":
        raise click.UsageError("--open goes with --sort deadline")
    query: dict[str, str | int | tuple[str, ...] | None] = {
        "open": "true" if open_ else None, "author": author, "tag": tags, "sort_by": sort,
        "limit": limit, "cursor": cursor, "namespace": namespace,
    }  # fmt: skip
    page = node().get(PATH, query)
    if wants_json():
        return print_json("challenge", page)
    if not page["challenges"]:
        return say("No challenge is known here. What a peer calls for arrives by itself.")
    called = petnames()
    print_table(("ID", "NAME", "STATE", "EVALUATOR", "SEEDS", "BY"), (
        (one["id"], one["name"], left_text(one), called.module(one["module"]), len(one["seeds"]),
         called.author(one["author"]))
        for one in page["challenges"]
    ))  # fmt: skip
    if page["next"]:
        say(f"More: --cursor {printable(page['next'])}", dim=True)


@challenge_command.command("show")
@click.argument("id")
@AUTHOR
@IN_NAMESPACE
def show(id: str, author: str | None, namespace: str | None) -> None:
    """Show a challenge: its terms and rules, who stands where, and who verified what."""
    one = challenge_of(id, author=author, namespace=namespace)
    return print_json("challenge", one) if wants_json() else print_challenge(one)


def challenge_of(id: str, *, author: str | None = None, namespace: str | None = None) -> Json:
    """With who stands where in it. Raises `Failure`."""
    one = node().get(path_of(PATH, id), {"author": author, "namespace": namespace})
    standing = node().get(path_of(PATH, one["id"], "standing"), {"namespace": namespace})
    return {**one, "standing": standing}


def print_challenge(one: Json) -> None:
    called = petnames()
    say(printable(one["name"]), bold=True, nl=False)
    say(f"  {left_text(one)}", fg=COLORS[one["state"]])
    if one["description"]:
        say(printable(one["description"]))
    seeds = ", ".join(map(str, one["seeds"]))
    module = f"{called.module(one['module'])} {one['version']}"
    for label, value in (
        ("id", one["id"]), ("evaluator", module), ("seeds", seeds), ("ticks", f"{one['ticks']:,}"),
        ("opens", one["opens_at"]), ("deadline", one["deadline_at"]),
        ("called by", called.author(one["author"])),
        *(("also by", called.author(other)) for other in one["also_by"]),
    ):  # fmt: skip
        say(f"{label:<14}{printable(value)}")
    if one["reworded"]:
        say(f"Its words changed after it had opened: {one['updated_at']}", fg="yellow")
    for line in one["rules"].splitlines():
        say(f"  {printable(line)}")
    say()
    print_standing(one["standing"], called, with_seeds=True)


@challenge_command.command("standing")
@click.argument("id")
@click.option("--seeds", is_flag=True, help="Every seed of each, and who verified it.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--cursor", help="Go on where the last page ended.")
@IN_NAMESPACE
def standing(id: str, seeds: bool, limit: int, cursor: str | None, namespace: str | None) -> None:
    """Show who stands where, as you and whom you follow found."""
    query = {"limit": limit, "cursor": cursor, "namespace": namespace}
    found = node().get(path_of(PATH, id, "standing"), query)
    if wants_json():
        return print_json("challenge", found)
    print_standing(found, petnames(), with_seeds=seeds)


@challenge_command.command("enter")
@click.argument("id")
@click.argument("genome")
@click.option("--dry-run", is_flag=True, help="Run every seed, and sign nothing.")
@click.option("--undo", is_flag=True, help="Take your entry back; what was run stays attested.")
@IN_NAMESPACE
@click.pass_context
def enter(
    ctx: click.Context, id: str, genome: str, dry_run: bool, undo: bool, namespace: str | None
) -> None:
    """Run a genome from every seed of a challenge, and sign the results as your entry.

    Each seed is signed once it is run: who is interrupted enters again, and goes on.
    """
    if undo and dry_run:
        raise click.UsageError("--undo and --dry-run are two different things")
    client = node()
    one = client.get(path_of(PATH, id), {"namespace": namespace})
    if undo:
        path = path_of(PATH, one["id"], "entries", genome)
        client.delete(with_query(path, {"namespace": namespace}))
        if wants_json():
            return print_json("challenge", {"challenge": one["id"], "undone": True})
        return say("your entry is taken back; what was run stays attested")
    path = with_query(path_of(PATH, one["id"], "entries"), {"namespace": namespace})
    seeds: list[Json] = []
    done: Json = {}
    with click.progressbar(
        one["seeds"], label="seeds", file=sys.stderr, hidden=not shows_progress()
    ) as bar:
        for seed in bar:
            body = {"genome": genome, "seeds": [seed], "dry_run": dry_run}
            done = client.post(path, body, timeout_s=ATTEST_TIMEOUT_S)
            seeds += done["seeds"]
            if wants_json():
                count = {"done": len(seeds), "total": len(one["seeds"])}
                print_event("progress", {"stage": "seed", **count, **done["seeds"][0]})
    total = sum(each["result"] for each in seeds)
    result = {**done, "seeds": seeds, "total": total}
    if wants_json():
        print_event("result", {"schema": "panspermia.challenge/1", **result})
    else:
        say_entered(result, one)
    if any(each["disputed"] for each in seeds):
        ctx.exit(7)  # runs that count differ: verification failed
    return None


@challenge_command.command("delete")
@click.argument("id")
@IN_NAMESPACE
def delete(id: str, namespace: str | None) -> None:
    """Show a challenge of yours to nobody any more; create it again to bring it back."""
    one = node().get(path_of(PATH, id), {"namespace": namespace})
    node().delete(with_query(path_of(PATH, one["id"]), {"namespace": namespace}))
    if wants_json():
        return print_json("challenge", {"id": one["id"], "deleted": True})
    return say(f"deleted {one['id']}; those who entered keep what they attested")


def print_standing(found: Json, called: Petnames, *, with_seeds: bool) -> None:
    if not found["entrants"]:
        say("Nobody entered yet.")
    else:
        head = ("PLACE", "TOTAL", "VERIFIED", "GENOME", "NAME", "ENTERED BY", "VERIFIED BY")
        print_table(head, (standing_row(one, found["seeds"], called) for one in found["entrants"]))
    for one in found["entrants"]:
        for line in notes_of(one, called):
            say(line, fg="yellow")
        if with_seeds:
            for seed in one["seeds"]:
                say(seed_line(one, seed, called), dim=True)
    if not found["whole"]:
        say("More entered than are looked at; whom you follow comes first.", fg="yellow")
    if found["next"]:
        say(f"{found['total']:,} entered. More: --cursor {printable(found['next'])}", dim=True)


def standing_row(one: Json, seeds: int, called: Petnames) -> tuple[object, ...]:
    attestors = sorted({did for seed in one["seeds"] for did in seed["attestors"]})
    return (
        one["place"] or "-",
        "-" if one["total"] is None else f"{one['total']:,}",
        f"{one['verified']} of {seeds}",
        one["genome"][:ID_SHOWN],
        one["name"] or "-",
        names_text(one["entered_by"], called),
        names_text(attestors, called) or "-",
    )


def notes_of(one: Json, called: Petnames) -> Iterator[str]:
    """What somebody should know before they believe it."""
    genome = one["genome"][:ID_SHOWN]
    if not one["witnesses"]:
        yield f"{genome}: in time by the word of who entered it; nobody you follow saw it by then"
    others = {did for seed in one["seeds"] for did in seed["contradicted_by"]}
    if others:
        yield (
            f"{genome}: CONTRADICTION on {one['contradictions']} of its seeds, by"
            f" {names_text(sorted(others), called)}"
        )


def seed_line(one: Json, seed: Json, called: Petnames) -> str:
    found = f" {answer_text(seed)}" if seed["ending"] else ""
    by = f" by {names_text(seed['attestors'], called)}" if seed["attestors"] else ""
    return f"  {one['genome'][:ID_SHOWN]} seed {seed['seed']}: {seed['state']}{found}{by}"


def names_text(dids: Sequence[str], called: Petnames) -> str:
    """The first few, and how many more."""
    told = [printable(called.author(did)) for did in dids[:3]]
    return ", ".join(told) + (f" and {len(dids) - 3:,} more" if len(dids) > 3 else "")


def left_text(one: Json) -> str:
    """How long one may enter still, by this machine's clock."""
    now = datetime.now(UTC)
    opens, deadline = (datetime.fromisoformat(one[key]) for key in ("opens_at", "deadline_at"))
    if now < opens:
        return f"opens in {duration_text((opens - now).total_seconds())}"
    if now <= deadline:
        return f"open, {duration_text((deadline - now).total_seconds())} left"
    return f"over since {duration_text((now - deadline).total_seconds())}"


def say_entered(result: Json, one: Json) -> None:
    for seed in result["seeds"]:
        again = "" if seed["ran"] else " (run before)"
        say(f"seed {seed['seed']}: {seed['result']:,}{again}")
        if seed["contradicted_by"]:
            others = ", ".join(map(printable, seed["contradicted_by"]))
            say(f"  CONTRADICTION: not so say {others}", fg="red" if seed["disputed"] else None)
    did = "would be entered (dry run)" if result["dry_run"] else "entered"
    say(f"{did} with {result['total']:,}", fg="green")
    say(f"See: panspermia challenge standing {one['id']}", dim=True)


def moment_of(text: str) -> str:
    """`+7d` as a moment of this machine's clock; anything else is the node's to read."""
    ahead = _AHEAD.fullmatch(text)
    if ahead is None:
        return text
    try:
        moment = datetime.now(UTC) + timedelta(**{_UNITS[ahead[2]]: int(ahead[1])})
    except OverflowError as error:
        raise click.UsageError(f"{text} is after the year 9999") from error
    return moment.isoformat(timespec="seconds")


def seeds_of(text: str) -> list[int]:
    """`1,2,8..10` as numbers."""
    found: set[int] = set()
    for part in text.split(","):
        asked = _RANGE.fullmatch(part.strip())
        if asked is None:
            raise click.UsageError(f"--seeds {text[:40]!r}: write them as 1,2,8..10")
        first, last = int(asked[1]), int(asked[2] or asked[1])
        if last < first:
            raise click.UsageError(f"--seeds {part.strip()}: it ends before it begins")
        if last - first >= SEEDS_MAX or len(found | set(range(first, last + 1))) > SEEDS_MAX:
            raise click.UsageError(f"--seeds: at most {SEEDS_MAX} seeds")
        found |= set(range(first, last + 1))
    return sorted(found)


def rules_of(file: Path) -> str:
    """Raises `Failure`."""
    try:
        with file.open("rb") as opened:
            data = opened.read(RULES_BYTES_MAX + 1)
        if len(data) > RULES_BYTES_MAX:
            detail = f"{file}: over {RULES_BYTES_MAX:,} bytes, the most that rules have"
            raise failed("cannot-read", "The rules cannot be read", detail)
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise failed("cannot-read", "The rules cannot be read", f"{file}: {error}") from error
