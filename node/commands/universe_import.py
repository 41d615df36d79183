"""`universe import`: worlds of other programs, planned first, then told to the node one by one.

The files are read here, by whoever named them; the node gets bytes and what is said of them. What
is there already stays as it is, so the same command goes on where it was stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from node.client import path_of
from node.commands.console import DRY_RUN, node, print_result, wants_json
from node.commands.going_on import goes_on
from node.commands.progress import Progress
from node.commands.universe_beside import (
    Beside,
    passage_told,
    planned_passage,
    player_told,
    there,
)
from node.commands.universe_forking import ENDS_ALL, Forking
from node.commands.universe_import_told import planned, print_report, problem_json
from node.commands.universe_sending import event_body, send
from node.commands.universe_together import sent_together
from node.exit_codes import NOT_RUNNING
from node.failure import Failure, Json, failed
from node.text import printable

if TYPE_CHECKING:
    from node.commands.world_files import WorldFiles
    from universe.formats import ImportedSnapshot, ImportedUniverse, Plan

FORMATS: Final = ("ai-village", "savefile", "primordium", "raw")
TAKEN: Final = frozenset({"universe-elsewhere", "universe-exists", "deleted"})
"""What another id helps against."""
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
@click.option("--keep-all", is_flag=True, help="Leave out how long states were to be kept.")
@DRY_RUN
def import_command(
    path: Path,
    format: str | None,
    id: str | None,
    visibility: str,
    keep_all: bool,
    dry_run: bool,
) -> None:
    """Take universes out of PATH: an ai_village server's folder, SaveFiles, a Primordium world.

    Duplicates, missing files and checksums that prove nothing are told, and end nothing. What is
    in a .gz is kept unpacked, for states share what is the same. Players are registered as yours,
    and passages between universes that come together are open. PATH stays as it is, and what is
    there already too.
    """
    from node.commands.world_files import world_files
    from registry.formats.errors import InvalidFile
    from universe.formats import WorldFormat, plan

    try:
        files = world_files(path)
        with Progress() as bars:
            files.heard = bars.bytes_of(files.listing.name, "read")
            found = plan(files, None if format is None else WorldFormat(format))
        files.heard = None
    except InvalidFile as wrong:
        raise refused_all(wrong) from wrong
    if id is not None:
        found = named(found, id)
    if keep_all:
        found = without_decay(found)
    importing = Importing(files, found, visibility, dry_run)
    with goes_on(AGAIN):
        importing.go()
    importing.tell()


def refused_all(wrong: Exception) -> Failure:
    return failed("not-a-world", "Nothing there can be imported", printable(str(wrong)))


def named(found: Plan, id: str) -> Plan:
    """The one universe under another id. Raises `Failure`."""
    from registry.errors import InvalidName
    from universe.names import parse_new_id

    if len(found.universes) != 1:
        detail = f"{len(found.universes)} universes are there: --id is for one"
        raise failed("not-one-universe", "Which is to be called so?", detail)
    try:
        parse_new_id(id)
    except InvalidName as wrong:
        raise failed("invalid-name", "Invalid name", wrong.detail) from wrong
    return replace(found, universes=(replace(found.universes[0], id=id),))


def without_decay(found: Plan) -> Plan:
    """The same, and no state goes by itself."""
    universes = tuple(
        replace(
            one,
            snapshots=tuple(replace(each, decay=None) for each in one.snapshots),
            copy=one.copy and replace(one.copy, decay=None),
        )
        for one in found.universes
    )
    return replace(found, universes=universes)


@dataclass(slots=True)
class Importing:
    """One import: what it has done so far, and what the node refused."""

    files: WorldFiles
    plan: Plan
    visibility: str
    is_dry: bool
    universes: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    passages: list[Json] = field(default_factory=list[Json])
    players: list[Json] = field(default_factory=list[Json])
    refused: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    did: str = ""
    """The author's, who signs for all of it."""
    forking: Forking = field(default_factory=lambda: Forking(""))
    places: dict[str, str] = field(default_factory=dict[str, str])
    """Of universes that are there now, by their ids: in which namespace."""

    def go(self) -> None:
        """Raises `Failure` where nothing more would go either."""
        done, total = 0, sum(one.size for one in self.plan.universes)
        self.did = self._author()
        self.forking = Forking(self.did)
        with Progress() as bars:
            for one in self.plan.universes:
                told = planned(one)
                self.universes.append(told)
                if self.is_dry:
                    self._foresee(one, told)
                    continue
                try:
                    self._make(one, told)
                except Failure as wrong:
                    self._leave(wrong, told)
                    done += one.size
                    continue

                def heard(sent: int, at: int = done, id: str = one.id) -> None:
                    bars.show({"stage": "send", "id": id, "done": at + sent, "total": total})

                own = self._own(one, told)
                self._send_all(one.id, own, told, heard)
                done += sum(each.content.size for each in own)
                self._tell_events(one, told)
        self._go_beside()

    def _go_beside(self) -> None:
        """Players and passages, once the universes are there."""
        if self.is_dry:
            self.players = [player_told(one) for one in self.plan.players]
            self.passages = [planned_passage(one, self.plan) for one in self.plan.passages]
            return
        beside = Beside(self.did, self.plan, self.places)
        for who in self.plan.players:
            try:
                self.players.append(beside.player(who))
            except Failure as wrong:
                self._refuse(wrong, "", who.id)
                self.players.append({**player_told(who), "state": "refused"})
        for passage in self.plan.passages:
            try:
                self.passages.append(beside.passage(passage))
            except Failure as wrong:
                self._refuse(wrong, "", passage.id)
                self.passages.append({**passage_told(passage), "state": "refused"})

    def _author(self) -> str:
        """The node's; "" where a plan is made without one."""
        try:
            return str(node().get("/api/identity")["did"])
        except Failure as wrong:
            if self.is_dry and wrong.exit == NOT_RUNNING:
                return ""
            raise

    def _wanted(self, one: ImportedUniverse) -> str:
        if self.visibility != "as-said":
            return self.visibility
        return "public" if one.is_public else "private"

    def _foresee(self, one: ImportedUniverse, told: dict[str, Any]) -> None:
        """What is there already, as far as a node says: without one nothing is known of it."""
        if not self.did:
            return
        found = there(path_of("/api/universe", f"{self.did}/{one.id}"))
        if found is None:
            return
        told["state"] = "unchanged"
        if found["universe"]["visibility"] != self._wanted(one):
            detail = f"{one.id} is there already for other readers, and they cannot be changed"
            self._leave(failed("universe-elsewhere", "It is there already", detail), told)

    def _leave(self, wrong: Failure, told: dict[str, Any]) -> None:
        """This universe is not taken. Raises `wrong` where no other would be either."""
        self._refuse(wrong, told["id"], "")
        said = self.refused[-1]
        if said["code"] in TAKEN:
            single = (
                "with --id NEW" if len(self.plan.universes) == 1 else "its folder alone, --id NEW"
            )
            said["detail"] += f"; to import it under another id: {single}"
        told["state"], told["why"] = "left", said["detail"]

    def _make(self, one: ImportedUniverse, told: dict[str, Any]) -> None:
        wanted = self._wanted(one)
        found = there(path_of("/api/universe", f"{self.did}/{one.id}"))
        if found is not None and found["universe"]["visibility"] == wanted:
            self.places[one.id] = found["universe"]["namespace"]
            told["state"] = "unchanged"
            told["is_fork"] = self.forking.has_begun(one, found["universe"])
            return
        body: dict[str, Any] = {"id": one.id, "name": one.name, "visibility": wanted}
        if one.owner:
            body["ownerId"] = one.owner
        if one.created_us:
            body["createdAt"] = one.created_us // 1_000
        if one.config:
            body["config"] = json.loads(one.config)
        answer = self.forking.made(one, body, told)
        told["is_fork"] = answer is not None
        self._made(answer or node().post("/api/universe", body), told)

    def _made(self, answer: Json, told: dict[str, Any]) -> None:
        told["state"] = answer.get("state", "created")
        self.places[told["id"]] = answer["universe"]["namespace"]

    def _own(self, one: ImportedUniverse, told: dict[str, Any]) -> tuple[ImportedSnapshot, ...]:
        """What it is to have itself: also what it began with, where it is no fork here."""
        if one.copy is None or told["is_fork"]:
            return one.snapshots
        return (one.copy, *one.snapshots)

    def _send_all(
        self,
        id: str,
        snapshots: Sequence[ImportedSnapshot],
        told: dict[str, Any],
        heard: Callable[[int], None],
    ) -> None:
        from registry.formats.errors import InvalidFile

        send_one = partial(send, node(), self.files, f"{self.did}/{id}")
        for snapshot, answer in sent_together(snapshots, send_one, heard):
            try:
                is_known = answer()["known"]
            except (Failure, InvalidFile) as wrong:
                self._refuse(wrong, id, snapshot.source.path)
            else:
                told["known" if is_known else "new"] += 1

    def _tell_events(self, one: ImportedUniverse, told: dict[str, Any]) -> None:
        """Those that no snapshot was taken for."""
        path = path_of("/api/universe", f"{self.did}/{one.id}", "timeline")
        taken = {snapshot.event for snapshot in one.snapshots}
        for event in one.events:
            if event not in taken:
                try:
                    node().post(path, event_body(event))
                except Failure as wrong:
                    self._refuse(wrong, one.id, event.title)

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
            "passages": self.passages,
            "players": self.players,
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
            some = "thing that is" if lost == 1 else "things that are"
            detail = f"{lost:,} {some} there could not be imported"
            if not self.is_dry:
                detail = f"{detail}; the rest is done"
            raise failed("partly-imported", "Not all of it", detail, **report)
        if wants_json():
            print_result("universe", report)
