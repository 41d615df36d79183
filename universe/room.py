"""How much a universe's document may hold, so that it can go on in a new epoch.

```
snapshots, events, all that its gate keeps     at most VALUES_MAX together, and then autosaves go
  of these events and the gate                 leave SNAPSHOTS_LEAST: no world ends to be saved
  answers of the gate                          have FOR_ANSWERS more than what people begin
```
A document of more than `crdt.rollover.PLACES_MAX` values cannot go on. So what comes is refused
before, while there is room for letting go.
"""

from dataclasses import dataclass
from typing import Final

from crdt.document import Editor
from crdt.rollover import PLACES_MAX
from registry.errors import UniverseFull
from registry.fields import Plain
from registry.plain import as_map

VALUES_MAX: Final = PLACES_MAX - 600
"""What is told of the universe itself takes a hundred, and answers of its gate 300 more."""
SNAPSHOTS_LEAST: Final = 200
FOR_ANSWERS: Final = 300
GO_ON: Final = (
    "save without an event, or go on in a fork, which begins with none: `panspermia universe fork"
    " UNIVERSE --name NAME`"
)
ROOTS: Final = ("snapshots", "events", "gate")
LET_GO: Final = "let old snapshots go first: `panspermia universe prune --rule RULE`"


@dataclass(slots=True)
class Held:
    """What a document holds, and what is put meanwhile: to list thousands of keys takes long."""

    snapshots: int
    events: int
    of_gate: int

    @classmethod
    def of(cls, editor: Editor) -> "Held":
        """As `editor` has it now."""
        return cls(*(len(editor.keys((root,))) for root in ROOTS))

    @property
    def beside(self) -> int:
        return self.events + self.of_gate

    def check_for_snapshot(self) -> None:
        """Before one is put. Raises `UniverseFull`."""
        self._check(self.snapshots, 1)

    def check_for_events(self, coming: int) -> None:
        """Before so many are put, or receipts that answer nothing. Raises `UniverseFull`."""
        self._check(max(self.snapshots, SNAPSHOTS_LEAST + FOR_ANSWERS), coming)

    def check_for_answers(self, coming: int) -> None:
        """Before the gate writes down so many that others wait for. Raises `UniverseFull`."""
        self._check(max(self.snapshots - FOR_ANSWERS, SNAPSHOTS_LEAST), coming)

    def _check(self, counted: int, coming: int) -> None:
        """`counted`: places that snapshots have."""
        if counted + self.beside + coming > VALUES_MAX:
            raise UniverseFull(
                f"the universe is full: {self.snapshots:,} snapshots, {self.beside:,} events and"
                f" receipts, of {VALUES_MAX:,} together; {LET_GO}"
            )


def places_left(value: Plain) -> int:
    """How many events, or departures of its gate, a universe's document has room for; 0 or less
    where it is full. As many answers as `FOR_ANSWERS` it takes beyond."""
    snapshots, *beside = (len(as_map(value.get(root)) or {}) for root in ROOTS)
    return VALUES_MAX - max(snapshots, SNAPSHOTS_LEAST + FOR_ANSWERS) - sum(beside)
