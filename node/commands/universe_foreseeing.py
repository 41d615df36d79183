"""What an import would do, by what the node says is there: no universe is made, no state sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from node.client import path_of
from node.commands.progress import Progress
from node.commands.universe_beside import COMMONS, there, told_gone
from node.commands.universe_foreseen import Foreseen
from node.commands.universe_once import Alike, alike
from node.commands.universe_sending import Heard, as_it_goes, as_plain, behind
from node.commands.universe_underway import Underway
from node.failure import failed

if TYPE_CHECKING:
    from universe.formats import ImportedSnapshot, ImportedUniverse


@dataclass(frozen=True, slots=True)
class Foreseeing:
    """`by`: the import that it is said for; see `Making`, which does it."""

    by: Underway
    foreseen: Foreseen = field(default_factory=Foreseen)
    """What would be there."""
    _plain: dict[Alike, bool] = field(default_factory=dict[Alike, bool])
    """Whether such bytes would go as they are: each is looked through once."""

    def __post_init__(self) -> None:
        self.by.forking.states = self.foreseen.rows

    def begin(self, one: ImportedUniverse, told: dict[str, Any]) -> None:
        """As `Making.begin`, as far as a node says: without one nothing is known to be there."""
        wanted, path = self.by.wanted(one), path_of("/api/universe", f"{self.by.did}/{one.id}")
        found = there(path) if self.by.did else None
        if found is None and self.by.did and (gone := told_gone(path, one.id)):
            raise failed("deleted", "It was deleted", gone)
        if found is None:
            begins = self.by.forking.begins(one, told)
            told["is_fork"] = begins is not None
            self.foreseen.begin(one.id, [] if begins is None else [{**begins, "inherited": True}])
            self.by.places[one.id] = COMMONS if wanted == "public" else wanted
            return
        universe = found["universe"]
        self.by.refuse_other_readers(one, universe)
        told["state"] = "unchanged"
        told["is_fork"] = self.by.forking.has_begun(one, universe)
        self.foreseen.begin(one.id, self.by.forking.told(one.id))
        self.by.places[one.id] = COMMONS if wanted == "public" else wanted

    def take(
        self,
        one: ImportedUniverse,
        snapshots: Sequence[ImportedSnapshot],
        told: dict[str, Any],
        bars: Progress,
        heard: Callable[[int], None],
    ) -> None:
        """As `Making.take`; `bars` show nothing but what is heard."""
        from registry.formats.errors import InvalidFile

        done = 0
        for state in snapshots:
            goes, ticks_left = state, None
            try:
                if state.decay is not None and state.decay.goes:
                    goes, ticks_left = self._as_it_goes(state, behind(done, heard))
            except InvalidFile as wrong:
                self.by.refuse(wrong, one.id, state.source.path)
            else:
                told["known" if self.foreseen.send(one.id, goes) else "new"] += 1
                self.by.tell_left(goes, ticks_left)
            done += state.content.size
            heard(done)

    def _as_it_goes(
        self, state: ImportedSnapshot, heard: Heard
    ) -> tuple[ImportedSnapshot, int | None]:
        """See the one without a `_`."""
        key = alike(state)
        if key not in self._plain:
            goes, ticks_left = as_it_goes(self.by.files, state, heard)
            self._plain[key] = state.is_wrapped and not goes.is_wrapped
            return goes, ticks_left
        return as_plain(state) if self._plain[key] else (state, None)
