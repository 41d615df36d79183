"""An import on its way: what it is of, what it has done so far, and what was refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from node.commands.universe_forking import ENDS_ALL, Forking
from node.commands.universe_import_told import problem_json
from node.commands.universe_sending import TICKS_LEFT
from node.failure import Failure, Json

if TYPE_CHECKING:
    from node.commands.world_files import WorldFiles
    from universe.formats import ImportedSnapshot, ImportedUniverse, Plan


@dataclass(slots=True)
class Underway:
    """Shared by all that take part in one import."""

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

    def wanted(self, one: ImportedUniverse) -> str:
        if self.visibility != "as-said":
            return self.visibility
        return "public" if one.is_public else "private"

    def tell_left(self, one: ImportedSnapshot, ticks: int | None) -> None:
        from universe.formats import About

        if ticks is not None:
            self.plan.report.tell(About.LEFT, one.source.path, TICKS_LEFT.format(ticks))

    def refuse(self, wrong: Exception, universe: str, what: str) -> None:
        """Raises `wrong` where nothing more would go either."""
        if isinstance(wrong, Failure):
            if wrong.exit in ENDS_ALL:
                raise wrong
            said = str(wrong.problem.get("detail", ""))
            code = str(wrong.problem.get("code", ""))
        else:
            code, said = "invalid-file", str(wrong)
        self.refused.append({"universe": universe, "what": what, "code": code, "detail": said})

    def report(self) -> Json:
        """As it is printed."""
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
