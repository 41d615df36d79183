"""`universe import`: worlds of other programs, planned first, then told to the node one by one.

The files are read here, by whoever named them; the node gets bytes and what is said of them. What
is there already stays as it is, so the same command goes on where it was stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from node.client import path_of
from node.commands.console import DRY_RUN, node, print_result, wants_json
from node.commands.going_on import goes_on
from node.commands.progress import Progress
from node.commands.universe_beside import (
    COMMONS,
    Beside,
    passage_told,
    player_told,
    there,
    told_gone,
)
from node.commands.universe_foreseen import Foreseen
from node.commands.universe_forking import ENDS_ALL, Forking
from node.commands.universe_import_told import count, planned, print_report, problem_json
from node.commands.universe_once import Once
from node.commands.universe_sending import EVENT_LEFT, TICKS_LEFT, as_it_goes, behind
from node.commands.universe_telling import bodies_of, tell_all, untold
from node.commands.universe_together import sent_together
from node.exit_codes import NOT_RUNNING
from node.failure import Failure, Json, failed
from node.text import printable

if TYPE_CHECKING:
    from node.commands.world_files import WorldFiles
    from universe.formats import ImportedSnapshot, ImportedUniverse, Plan, Source

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
@click.option("--keep-all", is_flag=True, help="Leave out how long states are kept, and the rule.")
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
            said=replace(one.said, retention=""),
            snapshots=tuple(replace(each, decay=None) for each in one.snapshots),
            copy=one.copy and replace(one.copy, decay=None),
        )
        for one in found.universes
    )
    return replace(found, universes=universes)


def universe_body(one: ImportedUniverse, visibility: str) -> dict[str, Any]:
    """As the node makes it."""
    said = one.said
    body: dict[str, Any] = {
        "id": one.id,
        "name": one.name,
        "visibility": visibility,
        "ownerId": one.owner,
        "createdAt": one.created_us // 1_000,
        "description": said.description,
        "tags": [*said.tags],
        "license": said.license,
        "card": said.card,
    }
    for key, text in (("config", one.config), ("retention", said.retention)):
        body[key] = json.loads(text) if text else None
    return {key: value for key, value in body.items() if value}


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
    foreseen: Foreseen = field(default_factory=Foreseen)
    """Where it is only a plan: what would be there."""
    places: dict[str, str] = field(default_factory=dict[str, str])
    """Of universes that are there now, by their ids: in which namespace."""
    total: int = 0
    """Bytes of all that goes to the node."""

    def go(self) -> None:
        """Raises `Failure` where nothing more would go either."""
        done, self.total = 0, sum(one.size for one in self.plan.universes)
        self.did = self._author()
        self.forking = Forking(self.did)
        if self.is_dry:
            self.forking.states = self.foreseen.rows
        with Progress() as bars:
            for one in self.plan.universes:
                told = planned(one)
                self.universes.append(told)
                try:
                    self._foresee(one, told) if self.is_dry else self._make(one, told)
                except Failure as wrong:
                    self._leave(wrong, told)
                    done += one.size
                    continue
                own = self._own(one, told)
                size = sum(each.content.size for each in own)
                self.total += size - one.size

                def heard(sent: int, at: int = done, id: str = one.id) -> None:
                    stage = "check" if self.is_dry else "send"
                    line: Json = {"stage": stage, "id": id, "total": self.total}
                    bars.show({**line, "done": at + sent})

                if self.is_dry:
                    self._foresee_all(one.id, own, told, heard)
                else:
                    ids = self._send_all(one.id, own, told, heard)
                    self._tell_events(one, ids, bars)
                done += size
        self._go_beside()

    def _go_beside(self) -> None:
        """Players and passages, once the universes are there."""
        beside = Beside(self.did, self.plan, self.places, is_dry=self.is_dry)
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
        """As `_make`, as far as a node says: without one nothing is known of what is there."""
        wanted, path = self._wanted(one), path_of("/api/universe", f"{self.did}/{one.id}")
        found = there(path) if self.did else None
        if found is None and self.did and (gone := told_gone(path, one.id)):
            raise failed("deleted", "It was deleted", gone)
        if found is None:
            begins = self.forking.begins(one, told)
            told["is_fork"] = begins is not None
            self.foreseen.begin(one.id, [] if begins is None else [{**begins, "inherited": True}])
            self.places[one.id] = COMMONS if wanted == "public" else wanted
            return
        universe = found["universe"]
        if universe["visibility"] != wanted:
            detail = f"{one.id} is there already for other readers, and they cannot be changed"
            raise failed("universe-elsewhere", "It is there already", detail)
        told["state"] = "unchanged"
        told["is_fork"] = self.forking.has_begun(one, universe)
        self.foreseen.begin(one.id, self.forking.told(one.id))
        self.places[one.id] = COMMONS if wanted == "public" else wanted

    def _foresee_all(
        self,
        id: str,
        snapshots: Sequence[ImportedSnapshot],
        told: dict[str, Any],
        heard: Callable[[int], None],
    ) -> None:
        """As `_send_all`."""
        from registry.formats.errors import InvalidFile

        done = 0
        for one in snapshots:
            try:
                ticks_left = None
                if one.decay is not None and one.decay.goes:
                    one, ticks_left = as_it_goes(self.files, one, behind(done, heard))
            except InvalidFile as wrong:
                self._refuse(wrong, id, one.source.path)
            else:
                told["known" if self.foreseen.send(id, one) else "new"] += 1
                self._tell_left(one, ticks_left)
            done += one.content.size
            heard(done)

    def _tell_left(self, one: ImportedSnapshot, ticks: int | None) -> None:
        from universe.formats import About

        if ticks is not None:
            self.plan.report.tell(About.LEFT, one.source.path, TICKS_LEFT.format(ticks))

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
        body = universe_body(one, wanted)
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
        own = (one.copy, *one.snapshots)
        count(told, own)
        return own

    def _send_all(
        self,
        id: str,
        snapshots: Sequence[ImportedSnapshot],
        told: dict[str, Any],
        heard: Callable[[int], None],
    ) -> dict[Source, str]:
        """Ids of those that are there now, by where they lie."""
        from registry.formats.errors import InvalidFile

        ids: dict[Source, str] = {}
        once = Once(node(), self.files, f"{self.did}/{id}", snapshots)
        for snapshot, answer in sent_together(snapshots, once.send, heard):
            try:
                sent = answer()
            except (Failure, InvalidFile) as wrong:
                self._refuse(wrong, id, snapshot.source.path)
            else:
                told["known" if sent.answer["known"] else "new"] += 1
                ids[snapshot.source] = str(sent.answer["id"])
                self._tell_left(snapshot, sent.ticks_left)
                if sent.event_left is not None and snapshot.event is not None:
                    self._refuse(sent.event_left, id, f"{snapshot.event.title}: {EVENT_LEFT}")
        return ids

    def _tell_events(self, one: ImportedUniverse, ids: dict[Source, str], bars: Progress) -> None:
        """Those that no snapshot was taken for. `ids`: of its own snapshots that are there now."""
        bodies = bodies_of(one, lambda source: ids.get(source) or self._begun(one, source))
        name = f"{self.did}/{one.id}"
        for body, wrong in tell_all(node(), name, one.id, untold(node(), name, bodies), bars):
            self._refuse(wrong, one.id, body["title"])

    def _begun(self, one: ImportedUniverse, source: Source) -> str | None:
        """Id of what it began with, where that is what lies there."""
        if one.copy is None or one.copy.source != source:
            return None
        begun = self.forking.begun(one.id)
        return None if begun is None else str(begun["id"])

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
