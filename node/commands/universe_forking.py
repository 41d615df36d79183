"""Of worlds that come in, the forks: each is made with the very state that it began with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from node.client import path_of
from node.commands.console import node
from node.exit_codes import INTERRUPTED, NETWORK, NOT_ALLOWED, NOT_RUNNING
from node.failure import Failure, Json

if TYPE_CHECKING:
    from universe.formats import ImportedSnapshot, ImportedUniverse

ENDS_ALL: Final = frozenset({INTERRUPTED, NETWORK, NOT_ALLOWED, NOT_RUNNING})
LISTED_MAX: Final = 10_000


@dataclass(slots=True)
class Forking:
    """`did`: whose they are. Parents come before their forks, with all their snapshots."""

    did: str
    states: dict[str, list[Json]] = field(default_factory=dict[str, list[Json]])
    """What the node lists of each parent, by their ids."""

    def made(
        self, one: ImportedUniverse, body: dict[str, Any], told: dict[str, Any]
    ) -> Json | None:
        """The answer where it is a fork now; None, with the reason in `told`, where it cannot be.

        Raises `Failure` where it cannot be without being a fork either.
        """
        state = self.begins(one, told)
        if state is None or one.fork_of is None:
            return None
        asked = {**body, "snapshotTick": state["tick"], "snapshot": state["id"]}
        path = path_of("/api/universe", f"{self.did}/{one.fork_of.universe}", "fork")
        try:
            return node().post(path, asked)
        except Failure as wrong:
            if wrong.problem.get("code") == "universe-exists":
                raise
            self._is_none(wrong, told)
            return None

    def begins(self, one: ImportedUniverse, told: dict[str, Any]) -> Json | None:
        """The parent's state here that it begins with; None where there is none, as `made`."""
        if one.fork_of is None or one.origin is None:
            return None
        try:
            state = self._state(one.fork_of.universe, one.origin)
        except Failure as wrong:
            self._is_none(wrong, told)
            return None
        if state is None:
            told["no_fork"] = f"{one.fork_of.universe} has not the state here that it began with"
        return state

    def _is_none(self, wrong: Failure, told: dict[str, Any]) -> None:
        """Raises `wrong` where nothing else would go either."""
        if wrong.exit in ENDS_ALL:
            raise wrong
        told["no_fork"] = str(wrong.problem.get("detail", ""))

    def has_begun(self, one: ImportedUniverse, there: Json) -> bool:
        """Whether the universe that is `there` already began with what this one began with."""
        if one.origin is None or not there.get("forkOf"):
            return False
        checksum, begun = one.origin.content.checksum.hex(), self.begun(one.id)
        return begun is not None and begun["checksum"] == checksum

    def begun(self, id: str) -> Json | None:
        """What a fork that is there began with. Raises `Failure`."""
        return next((state for state in self.told(id) if state.get("inherited")), None)

    def _state(self, parent: str, origin: ImportedSnapshot) -> Json | None:
        """It as a snapshot of the parent's here."""
        checksum, tick = origin.content.checksum.hex(), origin.tick
        alike = [
            state
            for state in self._listed(parent)
            if (state["checksum"], state["tick"]) == (checksum, tick)
        ]
        alike.sort(key=lambda state: state["type"] != origin.kind)
        return alike[0] if alike else None

    def _listed(self, parent: str) -> list[Json]:
        if parent not in self.states:
            self.states[parent] = self.told(parent)
        return self.states[parent]

    def told(self, id: str) -> list[Json]:
        """What the node lists of a universe. Raises `Failure`."""
        path = path_of("/api/universe", f"{self.did}/{id}", "snapshots")
        return list(node().get(path, {"limit": LISTED_MAX})["snapshots"])
