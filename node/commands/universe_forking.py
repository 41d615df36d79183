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
        if one.fork_of is None or one.origin is None:
            return None
        parent = one.fork_of.universe
        try:
            state = self._state(parent, one.origin)
            if state is None:
                told["no_fork"] = f"{parent} has not the state here that it began with"
                return None
            asked = {**body, "snapshotTick": one.origin.tick, "snapshot": state}
            path = path_of("/api/universe", f"{self.did}/{parent}", "fork")
            return node().post(path, asked)
        except Failure as wrong:
            if wrong.exit in ENDS_ALL or wrong.problem.get("code") == "universe-exists":
                raise
            told["no_fork"] = str(wrong.problem.get("detail", ""))
            return None

    def has_begun(self, one: ImportedUniverse, there: Json) -> bool:
        """Whether the universe that is `there` already began with what this one began with."""
        if one.origin is None or not there.get("forkOf"):
            return False
        checksum = one.origin.content.checksum.hex()
        return any(
            state.get("inherited") and state["checksum"] == checksum for state in self._told(one.id)
        )

    def _state(self, parent: str, origin: ImportedSnapshot) -> str | None:
        """Its id as a snapshot of the parent's here."""
        checksum, tick = origin.content.checksum.hex(), origin.tick
        alike = [
            state
            for state in self._listed(parent)
            if (state["checksum"], state["tick"]) == (checksum, tick)
        ]
        alike.sort(key=lambda state: state["type"] != origin.kind)
        return str(alike[0]["id"]) if alike else None

    def _listed(self, parent: str) -> list[Json]:
        if parent not in self.states:
            self.states[parent] = self._told(parent)
        return self.states[parent]

    def _told(self, id: str) -> list[Json]:
        path = path_of("/api/universe", f"{self.did}/{id}", "snapshots")
        return list(node().get(path, {"limit": LISTED_MAX})["snapshots"])
