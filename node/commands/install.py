"""`install`, `uninstall`, `list`, `outdated`, `update`: what is installed, and the lock file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path

import click

from node.commands.console import (
    DRY_RUN,
    IN_NAMESPACE,
    node,
    print_json,
    print_table,
    say,
    wants_json,
)
from node.commands.installing import carry_out
from node.commands.life import WORDS, print_list
from node.commands.lock import means, print_sbom, read_lock, requirements_of, write_lock
from node.commands.petnames import Petnames, petnames, spelled_out
from node.exit_codes import NOT_FOUND
from node.failure import Json, failure
from node.text import printable, size_text

ADVISORY_ID = re.compile("(adv-)?[0-9a-f]{4,16}", re.ASCII)

LOCK_OPTION = click.option(
    "--lock",
    "lock_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default="panspermia.lock",
    show_default=True,
    help="The lock file.",
)


def ids_of_advisories(
    ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    """Raises `BadParameter`."""
    for value in values:
        if not ADVISORY_ID.fullmatch(value):
            detail = "is no advisory; name it as in adv-0123456789abcdef, or by 4 digits or more"
            raise click.BadParameter(f"{printable(value)} {detail}")
    return values


RISK_OPTION = click.option(
    "--accept-risk",
    metavar="ADVISORY",
    multiple=True,
    callback=ids_of_advisories,
    help="Even what this one warns of: its id.",
)
WITH_OPTION = click.option(
    "--with", "with_", metavar="NAME", multiple=True, help="An optional dependency too."
)
WITHOUT_OPTION = click.option("--without", metavar="NAME", multiple=True, help="Without it again.")
YES_OPTION = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


@click.command("install")
@click.argument("wanted", metavar="[NAME[@RANGE]]...", nargs=-1)
@click.option("--frozen", is_flag=True, help="Exactly what the lock file says, else fail.")
@click.option("--dry-run", is_flag=True, help="Show the plan only.")
@click.option("--namespace", metavar="NAME|DID", help="Look there before commons.")
@WITH_OPTION
@WITHOUT_OPTION
@RISK_OPTION
@YES_OPTION
@LOCK_OPTION
def install_command(
    wanted: tuple[str, ...],
    frozen: bool,
    dry_run: bool,
    namespace: str | None,
    with_: tuple[str, ...],
    without: tuple[str, ...],
    accept_risk: tuple[str, ...],
    yes: bool,
    lock_path: Path,
) -> None:
    """Install modules with their dependencies."""
    lock = read_lock(lock_path)
    if frozen and lock is None:
        detail = f"{lock_path} is not there; run `panspermia install` without --frozen once."
        raise failure("no-lock", "There is no lock file", detail, NOT_FOUND)
    if not wanted and lock is None:
        raise click.UsageError("say what to install: panspermia install NAME[@RANGE]")
    requirements = [spelled_out(one) for one in wanted]
    carry_out(
        requirements,
        lock,
        lock_path,
        frozen=frozen,
        dry_run=dry_run,
        yes=yes,
        namespace=namespace,
        accept_risk=accept_risk,
        options={"optional": list(with_), "without": list(without)},
    )


@click.command("update")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Show the plan only.")
@WITH_OPTION
@WITHOUT_OPTION
@RISK_OPTION
@YES_OPTION
@LOCK_OPTION
def update_command(
    names: tuple[str, ...],
    dry_run: bool,
    with_: tuple[str, ...],
    without: tuple[str, ...],
    accept_risk: tuple[str, ...],
    yes: bool,
    lock_path: Path,
) -> None:
    """Bring installed modules to the newest versions their ranges allow."""
    lock = read_lock(lock_path)
    names = tuple(map(spelled_out, names))
    requirements = requirements_of(lock) or installed_requirements()
    if not requirements:
        raise failure("nothing-installed", "Nothing is installed", "", NOT_FOUND)
    if unknown := [name for name in names if not any(means(name, m) for m in requirements)]:
        asked = ", ".join(sorted(requirements))
        detail = f"{', '.join(unknown)}: asked for was {asked}; what those need moves with them"
        raise failure("not-installed", "That was not asked for", detail, NOT_FOUND)
    moving = {m: r for m, r in requirements.items() if not names or is_meant(m, names)}
    held = staying(lock, moving) if lock and names else None
    wanted = [f"{module}@{range}" for module, range in moving.items()]
    carry_out(
        wanted,
        held,
        lock_path,
        frozen=False,
        dry_run=dry_run,
        yes=yes,
        accept_risk=accept_risk,
        options={"optional": list(with_), "without": list(without)},
    )


def installed_requirements() -> dict[str, str]:
    """What was asked for, by the node's own account, where there is no lock file."""
    installed = node().get("/api/installed")["installed"]
    return {row["id"]: row["range"] or "*" for row in installed if row["requested"]}


def is_meant(module: str, names: Iterable[str]) -> bool:
    return any(means(name, module) for name in names)


def staying(lock: Json, moving: Collection[str]) -> Json:
    """The part of the lock that `moving` leaves alone: the other requirements, and their needs."""
    packages = {package["id"]: package for package in lock["packages"]}
    asked = {id: range for id, range in requirements_of(lock).items() if id not in moving}
    needed: dict[str, Json] = {}
    pending = list(asked)
    while pending:
        id = pending.pop()
        if id not in needed:
            needed[id] = packages[id]
            pending += packages[id]["dependencies"]
    return {**lock, "requirements": asked, "packages": list(needed.values())}


@click.command("uninstall")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@DRY_RUN
@LOCK_OPTION
def uninstall_command(names: tuple[str, ...], dry_run: bool, lock_path: Path) -> None:
    """Remove installed modules."""
    lock = read_lock(lock_path)
    answer = node().post("/api/uninstall", {"ids": list(names), "dry_run": dry_run})
    gone = [module["id"] for module in answer["removed"]]
    if lock and not dry_run and set(requirements_of(lock)) & set(gone):
        write_lock(lock_path, staying(lock, gone))
    if wants_json():
        return print_json("uninstall", answer)
    called = petnames()
    done = "would remove" if dry_run else "removed"
    for module in gone:
        say(f"{done} {printable(called.module(module))}")


@click.command("list")
@click.option("--kind", type=click.Choice(["module", *WORDS]), default="module", show_default=True)
@click.option(
    "--sort",
    help="Of genomes: fitness, attested, tick; of seeds: pop; downloads, rating, recent.",
)
@click.option("--author", metavar="DID|NAME", help="Only of this author.")
@click.option("--tag", "tags", multiple=True, help="Only with this tag; may be repeated.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--cursor", help="Go on where the last page ended.")
@click.option("--sbom", is_flag=True, help="Of the lock file: a CycloneDX bill of materials.")
@LOCK_OPTION
@IN_NAMESPACE
def list_command(
    kind: str,
    sort: str | None,
    author: str | None,
    tags: tuple[str, ...],
    limit: int,
    cursor: str | None,
    sbom: bool,
    lock_path: Path,
    namespace: str | None,
) -> None:
    """List the installed modules, or the genomes, seeds or lineages known."""
    if kind in WORDS:
        wanted = {
            "sort_by": sort, "author": author, "tag": tags, "limit": limit, "cursor": cursor,
            "namespace": namespace,
        }  # fmt: skip
        page = node().get(f"/api/registry/{kind}s", wanted)
        return print_json("list", page) if wants_json() else print_list(kind, page)
    if sort or author or tags or cursor:
        raise click.UsageError(
            "--sort, --author, --tag and --cursor go with --kind genome and such"
        )
    if sbom:
        return print_sbom(lock_path)
    answer = node().get("/api/installed")
    if wants_json():
        return print_json("list", answer)
    if not answer["installed"]:
        return say("Nothing is installed. Find something: panspermia search")
    called = petnames()
    rows = (installed_row(row, called) for row in answer["installed"])
    print_table(("MODULE", "VERSION", "SIZE", "WANTED"), rows)


def installed_row(row: Json, called: Petnames) -> tuple[str, ...]:
    wanted = row.get("range") or "*" if row["requested"] else "by others"
    return called.module(row["id"]), row["version"], size_text(row["size"]), wanted


@click.command("outdated")
@click.option("--exit-code", is_flag=True, help="Exit 1 if something is outdated.")
@click.pass_context
def outdated_command(ctx: click.Context, exit_code: bool) -> None:
    """List installed modules that have newer versions."""
    answer = node().get("/api/outdated")
    if wants_json():
        print_json("outdated", answer)
    elif answer["outdated"]:
        called = petnames()
        rows = (
            (called.module(r["id"]), r["current"], r["wanted"], r["latest"])
            for r in answer["outdated"]
        )
        print_table(("MODULE", "CURRENT", "WANTED", "LATEST"), rows)
        if any(r["current"] != r["wanted"] for r in answer["outdated"]):
            say("Within their ranges: panspermia update")
        else:
            say("None may move within its range; beyond: panspermia install NAME@RANGE")
    else:
        say("Everything is up to date.")
    if exit_code and answer["outdated"]:
        ctx.exit(1)
