"""A plan carried out universe by universe, then players and passages between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from node.commands.console import node, print_result, wants_json
from node.commands.progress import Progress
from node.commands.universe_beside import Beside, passage_told, player_told
from node.commands.universe_foreseeing import Foreseeing
from node.commands.universe_forking import Forking
from node.commands.universe_import_told import count, planned, print_report
from node.commands.universe_making import Making
from node.commands.universe_underway import Underway
from node.exit_codes import NOT_RUNNING
from node.failure import Failure, failed

if TYPE_CHECKING:
    from universe.formats import ImportedSnapshot, ImportedUniverse

TAKEN: Final = frozenset({"universe-elsewhere", "universe-exists", "deleted"})
"""What another id helps against."""


@dataclass(slots=True)
class Importing:
    """One import, from its plan to its report."""

    by: Underway
    total: int = 0
    """Bytes of all that goes to the node."""

    def go(self) -> None:
        """Raises `Failure` where nothing more would go either."""
        by, done = self.by, 0
        self.total = sum(one.size for one in by.plan.universes)
        by.did = self._author()
        by.forking = Forking(by.did)
        work = Foreseeing(by) if by.is_dry else Making(by)
        with Progress() as bars:
            for one in by.plan.universes:
                told = planned(one, by.wanted(one))
                by.universes.append(told)
                try:
                    work.begin(one, told)
                except Failure as wrong:
                    self._leave(wrong, told)
                    done += one.size
                    continue
                own = self._own(one, told)
                size = sum(each.content.size for each in own)
                self.total += size - one.size
                work.take(one, own, told, bars, partial(self._show, bars, one.id, done))
                done += size
        self._go_beside()

    def _show(self, bars: Progress, id: str, done: int, of_this: int) -> None:
        stage = "check" if self.by.is_dry else "send"
        bars.show({"stage": stage, "id": id, "total": self.total, "done": done + of_this})

    def _go_beside(self) -> None:
        """Players and passages, once the universes are there."""
        beside = Beside(self.by.did, self.by.plan, self.by.places, is_dry=self.by.is_dry)
        for who in self.by.plan.players:
            try:
                self.by.players.append(beside.player(who))
            except Failure as wrong:
                self.by.refuse(wrong, "", who.id)
                self.by.players.append({**player_told(who), "state": "refused"})
        for passage in self.by.plan.passages:
            try:
                self.by.passages.append(beside.passage(passage))
            except Failure as wrong:
                self.by.refuse(wrong, "", passage.id)
                self.by.passages.append({**passage_told(passage), "state": "refused"})

    def _author(self) -> str:
        """The node's; "" where a plan is made without one."""
        try:
            return str(node().get("/api/identity")["did"])
        except Failure as wrong:
            if self.by.is_dry and wrong.exit == NOT_RUNNING:
                return ""
            raise

    def _leave(self, wrong: Failure, told: dict[str, Any]) -> None:
        """This universe is not taken. Raises `wrong` where no other would be either."""
        self.by.refuse(wrong, told["id"], "")
        said = self.by.refused[-1]
        if said["code"] in TAKEN:
            how = self.by.for_it_alone("--id NEW")
            said["detail"] += f"; to import it under another id: {how}"
        told["state"], told["why"] = "left", said["detail"]

    def _own(self, one: ImportedUniverse, told: dict[str, Any]) -> tuple[ImportedSnapshot, ...]:
        """What it is to have itself: also what it began with, where it is no fork here."""
        if one.copy is None or told["is_fork"]:
            return one.snapshots
        own = (one.copy, *one.snapshots)
        count(told, own)
        return own

    def tell(self) -> None:
        """Prints it. Raises `Failure`, with the report, where something was left out."""
        report = self.by.report()
        lost = len(self.by.refused) + self.by.plan.report.refused
        if not wants_json():
            print_report(report, sum(self.by.plan.report.counts.values()))
        if lost:
            some = "thing that is" if lost == 1 else "things that are"
            detail = f"{lost:,} {some} there could not be imported"
            if not self.by.is_dry:
                detail = f"{detail}; the rest is done"
            raise failed("partly-imported", "Not all of it", detail, **report)
        if wants_json():
            print_result("universe", report)
