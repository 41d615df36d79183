"""An import on its way: what it is of, what it has done so far, and what was refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from node.commands.universe_forking import ENDS_ALL, Forking
from node.commands.universe_import_told import problem_json
from node.commands.universe_sending import TICKS_LEFT
from node.failure import Failure, Json, failed

if TYPE_CHECKING:
    from node.commands.world_files import WorldFiles
    from universe.formats import ImportedSnapshot, ImportedUniverse, Plan

READERS: Final = {
    "public": "everybody", "private": "you alone", "shared": "members of a namespace",
}  # fmt: skip
"""By the visibility of what is there. An import makes nothing for a namespace."""


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
        return as_said(one)

    def refuse_other_readers(self, one: ImportedUniverse, there: Json) -> None:
        """Raises `Failure`, with what helps, where what is `there` is for others than asked for."""
        here = there["visibility"]
        if here == self.wanted(one):
            return
        who = READERS[here]
        detail = f"{one.id} is there already for other readers ({who}), and they cannot be changed"
        if option := self._option_for(one, here):
            detail = f"{detail}. To bring into it what is new: {option}"
        raise failed("universe-elsewhere", "It is there already", detail)

    def _option_for(self, one: ImportedUniverse, visibility: str) -> str:
        """With which it goes to such readers, and no other does that is not theirs; "" for none."""
        if visibility == as_said(one):
            return "--visibility as-said"
        if visibility == "shared":
            return ""
        return self.for_it_alone(f"--visibility {visibility}")

    def for_it_alone(self, option: str) -> str:
        """What is said for one universe, where others lie beside it."""
        return option if len(self.plan.universes) == 1 else f"its folder alone, {option}"

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


def as_said(one: ImportedUniverse) -> str:
    """Its visibility, as the files have it."""
    return "public" if one.is_public else "private"
