"""`universe import`: worlds of other programs, planned first, then told to the node one by one.

The files are read here, by whoever named them; the node gets bytes and what is said of them. What
is there already stays as it is, so the same command goes on where it was stopped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from node.client import path_of
from node.commands.console import DRY_RUN, node, print_json, print_table, say, wants_json
from node.commands.going_on import goes_on
from node.commands.progress import Progress
from node.commands.universe_sending import event_body, send
from node.exit_codes import INTERRUPTED, NETWORK, NOT_ALLOWED, NOT_RUNNING
from node.failure import Failure, Json, failed
from node.text import printable, size_text

if TYPE_CHECKING:
    from node.commands.world_files import WorldFiles
    from universe.formats import ImportedSnapshot, ImportedUniverse, Plan, Problem

FORMATS: Final = ("ai-village", "savefile", "primordium", "raw")
TOLD_MAX: Final = 50
"""Of what is wrong, on a screen; in the JSON stand more."""
ENDS_ALL: Final = frozenset({INTERRUPTED, NETWORK, NOT_ALLOWED, NOT_RUNNING})
AGAIN: Final = "What came is kept: the same command goes on, and sends nothing twice."


@click.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--format", "format", type=click.Choice(FORMATS), help="Else by what is there.")
@click.option("--id", "id", metavar="ID", help="What it is to be called, where it is only one.")
@click.option(
    "--visibility",
    type=click.Choice(["public", "private", "as-said"]),
    default="private",
    show_default=True,
    help="Who may read it; `as-said` as the files have it.",
)
@DRY_RUN
def import_command(
    path: Path, format: str | None, id: str | None, visibility: str, dry_run: bool
) -> None:
    """Take universes out of PATH: an ai_village server's folder, SaveFiles, a Primordium world.

    Duplicates, missing files and checksums that prove nothing are told, and end nothing. What is
    in a .gz is kept unpacked, for states share what is the same. PATH stays as it is.
    """
    from node.commands.world_files import world_files
    from registry.formats.errors import InvalidFile
    from universe.formats import WorldFormat, plan

    try:
        files = world_files(path)
        found = plan(files, None if format is None else WorldFormat(format))
    except InvalidFile as wrong:
        raise refused_all(wrong) from wrong
    if id is not None:
        found = named(found, id)
    importing = Importing(files, found, visibility, dry_run)
    with goes_on(AGAIN):
        importing.go()
    importing.tell()


def refused_all(wrong: Exception) -> Failure:
    return failed("not-a-world", "Nothing there can be imported", printable(str(wrong)))


def named(found: Plan, id: str) -> Plan:
    """The one universe under another id. Raises `Failure`."""
    from registry.errors import InvalidName
    from universe.names import parse_universe_id

    if len(found.universes) != 1:
        detail = f"{len(found.universes)} universes are there: --id is for one"
        raise failed("not-one-universe", "Which is to be called so?", detail)
    try:
        parse_universe_id(id)
    except InvalidName as wrong:
        raise failed("invalid-name", "Invalid name", wrong.detail) from wrong
    return replace(found, universes=(replace(found.universes[0], id=id),))


@dataclass(slots=True)
class Importing:
    """One import: what it has done so far, and what the node refused."""

    files: WorldFiles
    plan: Plan
    visibility: str
    is_dry: bool
    universes: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    refused: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def go(self) -> None:
        """Raises `Failure` where nothing more would go either."""
        done, total = 0, sum(len(one.snapshots) for one in self.plan.universes)
        with Progress() as bars:
            for one in self.plan.universes:
                told = shown(one)
                self.universes.append(told)
                if self.is_dry:
                    continue
                try:
                    self._make(one, told)
                except Failure as wrong:
                    self._refuse(wrong, one.id, "")
                    done += len(one.snapshots)
                    continue
                for snapshot in one.snapshots:
                    self._send(one.id, snapshot, told)
                    done += 1
                    bars.show({"id": one.id, "done": done, "total": total})
                self._tell_events(one, told)

    def _make(self, one: ImportedUniverse, told: dict[str, Any]) -> None:
        wanted = self.visibility
        if wanted == "as-said":
            wanted = "public" if one.is_public else "private"
        # Its autosaves are history: of a world that goes on, none of them is to be thinned.
        keep: Json = {"auto": {}}
        body: dict[str, Any] = {
            "id": one.id, "name": one.name, "visibility": wanted, "retention": keep,
        }  # fmt: skip
        if one.owner:
            body["ownerId"] = one.owner
        if not self._fork(one, body, told):
            if one.config:
                body["config"] = json.loads(one.config)
            told["state"] = node().post("/api/universe", body)["state"]

    def _fork(self, one: ImportedUniverse, body: dict[str, Any], told: dict[str, Any]) -> bool:
        """Whether it is a fork of one that came before it, now or in an earlier run."""
        fork = one.fork_of
        if fork is None or all(other["id"] != fork.universe for other in self.universes[:-1]):
            return False
        asked = {**body, "snapshotTick": fork.tick}
        try:
            node().post(path_of("/api/universe", fork.universe, "fork"), asked)
        except Failure as wrong:
            if wrong.exit in ENDS_ALL:
                raise
            if wrong.problem.get("code") == "universe-exists":
                told["state"] = "unchanged"
                return True
            told["no_fork"] = str(wrong.problem.get("detail", ""))
            return False
        told["state"] = "created"
        return True

    def _send(self, id: str, snapshot: ImportedSnapshot, told: dict[str, Any]) -> None:
        from registry.formats.errors import InvalidFile

        try:
            answer = send(self.files, id, snapshot)
        except (Failure, InvalidFile) as wrong:
            self._refuse(wrong, id, snapshot.source.path)
            return
        told["known" if answer["known"] else "new"] += 1

    def _tell_events(self, one: ImportedUniverse, told: dict[str, Any]) -> None:
        """Those that no snapshot was taken for."""
        taken = {snapshot.event for snapshot in one.snapshots}
        for event in one.events:
            if event not in taken:
                try:
                    node().post(path_of("/api/universe", one.id, "timeline"), event_body(event))
                except Failure as wrong:
                    self._refuse(wrong, one.id, event.title)
                    return

    def _refuse(self, wrong: Exception, universe: str, what: str) -> None:
        if isinstance(wrong, Failure):
            if wrong.exit in ENDS_ALL:
                raise wrong
            said = str(wrong.problem.get("detail", ""))
            code = str(wrong.problem.get("code", ""))
        else:
            code, said = "invalid-file", str(wrong)
        self.refused.append({"universe": universe, "what": what, "code": code, "detail": said})

    def report(self) -> Json:
        report = self.plan.report
        return {
            "format": self.plan.format.value,
            "dry_run": self.is_dry,
            "universes": self.universes,
            "passages": [
                {"id": one.id, "source": one.source, "target": one.target, "type": one.type}
                for one in self.plan.passages
            ],
            "players": [
                {"id": one.id, "name": one.name, "universes": [*one.universes]}
                for one in self.plan.players
            ],
            "problems": [problem_json(one) for one in report.problems],
            "counts": {about.value: count for about, count in report.counts.items()},
            "refused": self.refused,
        }

    def tell(self) -> None:
        """Prints it. Raises `Failure`, with the report, where something was left out."""
        report = self.report()
        lost = len(self.refused) + self.plan.report.refused
        if not wants_json():
            print_report(report, sum(self.plan.report.counts.values()))
        if lost:
            detail = f"{lost:,} things that are there could not be imported"
            if not self.is_dry:
                detail = f"{detail}; the rest is done"
            raise failed("partly-imported", "Not all of it", detail, **report)
        if wants_json():
            print_json("universe", report)


def shown(one: ImportedUniverse) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "owner": one.owner,
        "state": "planned",
        "snapshots": len(one.snapshots),
        "canonical": sum(each.kind == "canonical" for each in one.snapshots),
        "events": len(one.events),
        "bytes": one.size,
        "new": 0,
        "known": 0,
        "fork_of": one.fork_of and {"universe": one.fork_of.universe, "tick": one.fork_of.tick},
    }


def problem_json(one: Problem) -> Json:
    from universe.formats import REFUSED

    return {
        "about": one.about.value,
        "left_out": one.about in REFUSED,
        "file": one.file,
        "place": str(one.place),
        "reason": one.reason,
    }


def print_report(report: Json, count: int) -> None:
    rows = (
        (
            one["id"],
            one["snapshots"],
            size_text(one["bytes"]),
            one["events"],
            one["state"] if report["dry_run"] else f"{one['state']}, {one['new']} new",
            one["name"],
        )
        for one in report["universes"]
    )
    print_table(("UNIVERSE", "SNAPSHOTS", "BYTES", "EVENTS", "STATE", "NAME"), rows)
    for one in report["universes"]:
        if "no_fork" in one:
            say(printable(f"{one['id']} is no fork here: {one['no_fork']}"), dim=True, err=True)
    for kind, names in (("passages", report["passages"]), ("players", report["players"])):
        if names:
            shown_names = ", ".join(printable(one["id"]) for one in names[:8])
            say(f"not imported are {kind}, {len(names)}: {shown_names}", dim=True)
    for one in sorted(report["problems"], key=lambda one: not one["left_out"])[:TOLD_MAX]:
        parts = [part for part in (one["file"], one["place"], one["reason"]) if part]
        say(printable(f"{one['about']}: {': '.join(parts)}"), dim=True, err=True)
    if count > TOLD_MAX:
        say(f"and {count - TOLD_MAX:,} more: --json has them", dim=True, err=True)
    for one in report["refused"]:
        parts = [part for part in (one["universe"], one["what"], one["detail"]) if part]
        say(printable(": ".join(parts)), fg="red", err=True)
    if report["dry_run"]:
        say("nothing was imported: this was a plan")
