"""Carrying out a plan: all of it or nothing; then `panspermia.lock` is replaced in one step.

Who may say no sees the plan before anything happens. With `--yes` the node works while it is shown:
what only shows it, a Ctrl-C meanwhile too, keeps no lock file from being written. A later Ctrl-C
ends the installation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import ParamSpec

import click

from node.commands.console import may_ask, node, print_event, print_json, say, wants_json
from node.commands.lock import load_writer, means, write_lock
from node.commands.petnames import Petnames, petnames
from node.commands.progress import Progress
from node.exit_codes import CONFLICT
from node.failure import Json, failed, failure
from node.text import printable, short_name, size_text

# Silence from the node, not the whole: each fetched piece is a line of progress.
SILENCE_S = 300.0

P = ParamSpec("P")


def carry_out(
    requirements: list[str],
    lock: Json | None,
    lock_path: Path,
    *,
    frozen: bool,
    dry_run: bool,
    yes: bool,
    namespace: str | None = None,
    accept_risk: Sequence[str] = (),
    options: Json | None = None,
) -> None:
    """Plan, ask, install, write the lock file. `options`: what is optional and chosen."""
    client = node()
    body = {"requirements": requirements, "lock": lock, "namespace": namespace, **(options or {})}
    # Who goes on in any case asks once: the plan is then the beginning of the story.
    is_told = yes and not dry_run and not wants_json()
    wanted = {**body, "frozen": frozen, "accept_risk": list(accept_risk)}
    if is_told:  # a node from before an update, which still runs, knows no such word
        wanted["tell_plan"] = True
    lines = client.post_lines("/api/install", wanted, timeout_s=SILENCE_S)  # when it is read
    called = Petnames({}) if wants_json() else petnames()  # while nothing has begun
    resolved: Json = {}
    if is_told:
        resolved = plan_in(lines)
    elif dry_run or not yes:
        resolved = client.post("/api/resolve", body)
    if dry_run and wants_json():
        return print_json("install", resolved)
    showing = Showing()
    if is_told:  # and the node works meanwhile
        try:
            showing.show(print_plan, resolved, called)
            load_writer()
        except KeyboardInterrupt as error:
            showing.error = error
    elif not wants_json():
        print_plan(resolved, called)
    if dry_run:
        return None
    if not yes:
        go_on(resolved["plan"], requirements, frozen=frozen)
    progress = Progress(tells=False)
    with progress if showing.error is None else nullcontext():  # a terminal may be stopped
        result = last_of(lines, progress, showing)
        write_lock(lock_path, result["lock"])
    try:
        if wants_json():
            whole = {"schema": "panspermia.install/1", **without_event(result)}
            return print_event("result", whole)
        return print_result(result, called, resolved["warnings"])
    finally:
        showing.end()


class Showing:
    """What only shows ends nothing: its first error is kept, and raised at the end."""

    error: BaseException | None = None

    def show(self, work: Callable[P, object], *args: P.args, **more: P.kwargs) -> None:
        """Once something has failed nothing more is shown."""
        if self.error is None:
            try:
                work(*args, **more)
            except Exception as error:
                self.error = error

    def end(self) -> None:
        """Raises what was kept."""
        if self.error is not None:
            raise self.error


def go_on(plan: Json, requirements: Sequence[str], *, frozen: bool) -> None:
    """Raises `Abort` where the person says no, `Failure` for what nobody wants unasked."""
    if has_changes(plan) and may_ask():
        click.confirm("Go on?", default=not plan["downgrade"], abort=True)
    elif not frozen and (lowered := lowered_unasked(plan, requirements)):
        detail = (
            f"{', '.join(lowered)}. Nothing was changed; --dry-run shows the plan, --yes does it."
        )
        raise failure("would-downgrade", "Other modules would go back", detail, CONFLICT)


def print_result(result: Json, called: Petnames, warned: Collection[str]) -> None:
    """What was done; of the warnings those that do not stand above already."""
    for module in result["installed"]:
        say(f"installed {printable(called.module(module['id']))} {printable(module['version'])}")
    for module in result["removed"]:
        say(f"removed {printable(called.module(module['id']))}")
    for warning in result["warnings"]:
        if warning not in warned:
            say(f"warning: {printable(warning)}", fg="yellow", err=True)
    if not result["installed"] and not result["removed"]:
        say("Everything was in place.")


def plan_in(lines: Iterable[Json]) -> Json:
    """The beginning of the story, to the plan. Raises `Failure` without one."""
    for line in lines:
        if line.get("event") == "plan":
            return without_event(line)
        say_wait(line)
    raise failed("no-result", "The node stopped in the middle", "See: panspermia list")


def last_of(lines: Iterable[Json], progress: Progress, showing: Showing) -> Json:
    """Show the story as it comes; its last line is the result. Raises `Failure` without one."""
    for line in lines:
        if line.get("event") == "result":
            return line
        if wants_json():
            showing.show(print_event, line.get("event", "progress"), without_event(line))
        else:
            showing.show(say_wait, line)
        showing.show(progress.show, line)
    raise failed("no-result", "The node stopped in the middle", "See: panspermia list")


def say_wait(line: Json) -> None:
    """What is to end before there is a plan; what a fetch waits for stands in its bar."""
    if line.get("stage") == "resolve" and (why := line.get("waits")):
        say(f"waits for {printable(why)}", dim=True, err=True)


def without_event(line: Json) -> Json:
    return {name: value for name, value in line.items() if name != "event"}


def lowered_unasked(plan: Json, requirements: Iterable[str]) -> list[str]:
    """What nobody named and would get an older version: not done where nobody can be asked."""
    named = [wanted.partition("@")[0] for wanted in requirements]
    return [
        f"{short_name(module['id'])} {module['from']} → {module['to']}"
        for module in plan["downgrade"]
        if not any(means(name, module["id"]) for name in named)
    ]


def has_changes(plan: Json) -> bool:
    return any(plan[part] for part in ("add", "upgrade", "downgrade", "remove"))


def print_plan(resolved: Json, called: Petnames) -> None:
    """What would happen, and what the new modules may call that nothing installed calls yet."""
    plan, packages = resolved["plan"], {row["id"]: row for row in resolved["packages"]}
    for module in plan["add"]:
        package = packages.get(module["id"], {})
        cached = ", here already" if package.get("cached") else ""
        size = f"  {size_text(package['size'])}{cached}" if package else ""
        say(f"+ {printable(called.module(module['id']))} {printable(module['version'])}{size}")
        if package.get("optional"):
            names = ", ".join(printable(called.module(one)) for one in package["optional"])
            say(f"  works better with {names}: --with NAME", dim=True)
    for sign, part, color in (("↑", "upgrade", None), ("↓", "downgrade", "yellow")):
        for module in plan[part]:
            move = f"{printable(module['from'])} → {printable(module['to'])}"
            say(f"{sign} {printable(called.module(module['id']))} {move}", fg=color)
    for module in plan["remove"]:
        say(f"- {printable(called.module(module['id']))}")
    print_changes(packages.values(), called)
    for package in packages.values():
        if package.get("imports_new") and not package.get("changes"):
            imports = ", ".join(map(printable, package["imports_new"]))
            say(f"  {printable(called.module(package['id']))} may call {imports}", dim=True)
    for warning in resolved.get("warnings", ()):
        say(f"warning: {printable(warning)}", fg="yellow", err=True)


def print_changes(packages: Iterable[Json], called: Petnames) -> None:
    """Of what moves: what it asks for and offers now. What breaks callers stands out."""
    for package in packages:
        changes = package.get("changes")
        if not changes:
            continue
        name = printable(called.module(package["id"]))
        color = "yellow" if changes["imports_new"] or changes["exports_gone"] else None
        for line in package["changes_words"]:
            say(f"  {name} {printable(line)}", fg=color, dim=color is None)
        if not changes["has_all_exports"]:
            say(f"  {name} exports more than is listed; some of it may be gone", dim=True)
