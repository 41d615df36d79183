"""`advisory` and `audit`: what is said against modules, and what of it is about this node."""

from __future__ import annotations

from pathlib import Path

import click

from node.client import path_of, with_query
from node.commands.console import DRY_RUN, IN_NAMESPACE, node, print_json, say, wants_json
from node.commands.petnames import Petnames, petnames
from node.failure import Json, failed
from node.text import printable

KINDS = ["vulnerable", "malicious", "superseded"]
COLORS = {"malicious": "red", "vulnerable": "yellow", "superseded": None}
TEXT_BYTES_MAX = 16 * 1024  # `registry.advisory` refuses more


@click.group("advisory")
def advisory_command() -> None:
    """Warn of versions of a module, and list what others warn of.

    An advisory counts where the module's own author says it, you, or an author whom you follow.
    """


@advisory_command.command("publish")
@click.argument("wanted", metavar="NAME[@RANGE]")
@click.option("--kind", type=click.Choice(KINDS), default="vulnerable", show_default=True)
@click.option("--title", required=True, help="One line: what is wrong.")
@click.option("--text", default="", help="More of it, in Markdown.")
@click.option(
    "--text-file", type=click.Path(dir_okay=False, path_type=Path), help="The same from a file."
)
@click.option("--fixed", default="", metavar="VERSION", help="The first version that is better.")
@click.option("--replacement", default="", metavar="NAME", help="A module to use instead.")
@DRY_RUN
@IN_NAMESPACE
def publish(
    wanted: str,
    kind: str,
    title: str,
    text: str,
    text_file: Path | None,
    fixed: str,
    replacement: str,
    dry_run: bool,
    namespace: str | None,
) -> None:
    """Warn of NAME's versions within RANGE, or of all of them. Said again, it is changed."""
    name, _, range = wanted.partition("@")
    if text_file is not None:
        text = text_of(text_file)
    body = {"module": name, "range": range or "*", "kind": kind, "title": title, "text": text}
    body |= {"fixed": fixed, "replacement": replacement, "namespace": namespace or "commons"}
    said = node().post("/api/advisories", {**body, "dry_run": dry_run})
    if wants_json():
        return print_json("advisory", said)
    what = f"{printable(said['module'])} {printable(said['range'])} is {kind}"
    say(f"{said['id']} {'would say' if dry_run else 'says'}: {what}")


def text_of(file: Path) -> str:
    """Raises `Failure`."""
    try:
        with file.open("rb") as opened:
            return opened.read(TEXT_BYTES_MAX + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise failed("cannot-read", "The text cannot be read", f"{file}: {error}") from error


@advisory_command.command("list")
@click.argument("name", required=False)
@click.option("--author", metavar="DID|NAME", help="Only what this author says.")
@click.option("--kind", type=click.Choice(KINDS), help="Only of this kind.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--cursor", help="Go on where the last page ended.")
@IN_NAMESPACE
def list_(
    name: str | None,
    author: str | None,
    kind: str | None,
    limit: int,
    cursor: str | None,
    namespace: str | None,
) -> None:
    """List advisories: those on the module NAME, or the latest of all."""
    query: dict[str, str | int | tuple[str, ...] | None]
    query = {"module": name, "author": author, "kind": kind, "limit": limit, "cursor": cursor}
    page = node().get("/api/advisories", query | {"namespace": namespace})
    if wants_json():
        return print_json("advisory", page)
    if not page["advisories"]:
        return say("Nothing is said against any module that this is about.")
    called = petnames()
    for one in page["advisories"]:
        print_advisory(one, called)
    if page["next"]:
        say(f"More: --cursor {printable(page['next'])}", dim=True)


@advisory_command.command("withdraw")
@click.argument("id", metavar="ADVISORY")
@click.option("--reason", default="", help="Why it holds no more.")
@DRY_RUN
@IN_NAMESPACE
def withdraw(id: str, reason: str, dry_run: bool, namespace: str | None) -> None:
    """Take an advisory of yours back; that it was said stays in its history."""
    path = with_query(path_of("/api/advisories", id, "withdraw"), {"namespace": namespace})
    said = node().post(path, {"reason": reason, "dry_run": dry_run})
    if wants_json():
        return print_json("advisory", said)
    say(f"{said['id']} {'would hold' if dry_run else 'holds'} no more")


@click.command("audit")
@click.pass_context
def audit_command(ctx: click.Context) -> None:
    """Check what is installed against the advisories held here.

    Exit 1 where the module's author, you, or an author whom you follow calls an installed version
    vulnerable or malicious. What others say is shown as theirs.
    """
    found = node().get("/api/audit")
    if wants_json():
        print_json("audit", found)
    else:
        print_audit(found)
    if not found["ok"]:
        ctx.exit(1)


def print_audit(found: Json) -> None:
    modules = "1 module" if found["checked"] == 1 else f"{found['checked']:,} modules"
    counting = [one for one in found["findings"] if one["counts"]]
    others = [one for one in found["findings"] if not one["counts"]]
    for one in counting:
        say(printable(one["words"]), fg=COLORS[one["advisory"]["kind"]])
    if others:
        say("Said by authors whom you do not follow (it counts once they have a name here):")
    for one in others:
        say(f"  {printable(one['words'])}", dim=True)
    if found["ok"]:
        return say(f"{modules} checked: nobody who counts calls any of it unsafe.")
    say(f"{modules} checked. What is fixed comes by: panspermia update")


def print_advisory(one: Json, called: Petnames) -> None:
    color = None if one["withdrawn"] else COLORS[one["kind"]]
    module = f"{called.module(one['module'])} {one['range']}"
    say(f"{one['id']}  {one['kind']}  {printable(module)}", fg=color)
    say(f"    {printable(one['title'])}")
    fixed = f"fixed in {one['fixed']}" if one["fixed"] else ""
    instead = f"use {called.module(one['replacement'])}" if one["replacement"] else ""
    why = f": {one['withdrawal']}" if one["withdrawal"] else ""
    withdrawn = f"withdrawn{why}" if one["withdrawn"] else ""
    by = f"by {called.author(one['author'])}, {one['updated_at']}"
    say(f"    {printable('; '.join(filter(None, (withdrawn, fixed, instead, by))))}", dim=True)
