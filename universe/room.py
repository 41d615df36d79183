"""How much a universe's document may hold, so that it can go on in a new epoch.

```
snapshots, events, all that its gate keeps     at most VALUES_MAX together, and then autosaves go
  of these events and the gate                 leave SNAPSHOTS_LEAST: no world ends to be saved
  answers of the gate                          have FOR_ANSWERS more than what people begin
    to who comes from elsewhere                what of these is not held for who may come back
```
Whoever left and was not let in elsewhere comes back by one value more, so a gate holds one for
each. To call somebody back takes that value before, and their return then takes its place.

A document of more than `crdt.rollover.PLACES_MAX` values cannot go on. So what comes is refused
before, while there is room for letting go.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from crdt.document import Editor
from crdt.rollover import PLACES_MAX
from registry.errors import UniverseFull
from registry.fields import Plain
from registry.plain import as_map

VALUES_MAX: Final = PLACES_MAX - 600
"""What is told of the universe itself takes a hundred, answers of its gate 300 more, and what
begins its epochs 200: see `BEGUN_MAX`."""
SNAPSHOTS_LEAST: Final = 200
FOR_ANSWERS: Final = 300
FOR_OTHERS: Final = 96
"""Of these, however many left. So many are under way to here through one passage: see
`universe.shares`."""
BEGUN_MAX: Final = 200
"""Hand-overs of its gate, and places given up with them, that take no place of anything else: a
device that is lost keeps nobody out of where they may come back to."""
GO_ON: Final = (
    "save without an event, or go on in a fork, which begins with none: `panspermia universe fork"
    " UNIVERSE --name NAME`"
)
ROOTS: Final = ("snapshots", "events", "gate")
EPOCH: Final = "e"
LOST: Final = "lost-"
BEGINS: Final = (EPOCH, LOST)
"""Keys of a gate, as in `universe.gatebook`: of hand-overs, and of what is given up with them."""
LET_GO: Final = "let old snapshots go first: `panspermia universe prune --rule RULE`"
ELSEWHERE: Final = "nothing in it makes room: who is to travel goes on from another universe"
"""To whoever is to come to it."""
STAYS: Final = "nothing in it makes room: nobody leaves it any more"
"""To whoever is to leave it."""


@dataclass(slots=True)
class Held:
    """What a document holds, and what is put meanwhile: to list thousands of keys takes long."""

    snapshots: int
    events: int
    of_gate: int
    """Without what begins its epochs, up to `BEGUN_MAX`."""

    @classmethod
    def of(cls, editor: Editor) -> "Held":
        """As `editor` has it now."""
        snapshots, events, gate = (editor.keys((root,)) for root in ROOTS)
        return cls(len(snapshots), len(events), _counted(gate))

    @classmethod
    def in_value(cls, value: Plain) -> "Held":
        """As a document says."""
        snapshots, events, gate = (as_map(value.get(root)) or {} for root in ROOTS)
        return cls(len(snapshots), len(events), _counted(gate))

    @property
    def beside(self) -> int:
        return self.events + self.of_gate

    @property
    def for_events(self) -> int:
        """How many more, or departures of its gate; 0 or less where it is full."""
        least = SNAPSHOTS_LEAST + FOR_ANSWERS
        return VALUES_MAX - max(self.snapshots, least) - self.beside

    @property
    def for_answers(self) -> int:
        """How many more that others wait for; 0 or less where there is no room for any."""
        return self.for_events + FOR_ANSWERS

    def advice(self, otherwise: str) -> str:
        """What makes room beside the snapshots: of the least of these none would help."""
        return LET_GO if self.snapshots > SNAPSHOTS_LEAST + FOR_ANSWERS else otherwise

    def check_for_snapshot(self) -> None:
        """Before one is put. Raises `UniverseFull`."""
        if self.snapshots + self.beside + 1 > VALUES_MAX:
            raise self._full(LET_GO)

    def check_for_events(self, coming: int) -> None:
        """Before so many are put. Raises `UniverseFull`."""
        if self.for_events < coming:
            raise self._full(self.advice(GO_ON))

    def check_for_departures(self, coming: int) -> None:
        """Before so many receipts are put that answer nothing. Raises `UniverseFull`."""
        if self.for_events < coming:
            raise self._full(self.advice(STAYS))

    def check_for_answers(self, coming: int) -> None:
        """Before the gate writes down so many that others wait for. Raises `UniverseFull`."""
        if self.for_answers < coming:
            raise self._full(self.advice(ELSEWHERE))

    def _full(self, advice: str) -> UniverseFull:
        return UniverseFull(
            f"the universe is full: {self.snapshots:,} snapshots, {self.beside:,} events and"
            f" receipts, of {VALUES_MAX:,} together; {advice}"
        )


def _counted(gate: Collection[str]) -> int:
    begun = sum(key.startswith(BEGINS) for key in gate)
    return len(gate) - min(begun, BEGUN_MAX)


@dataclass(frozen=True, slots=True)
class Places:
    """What a gate may still write down."""

    left: int
    """As `Held.for_answers`."""
    held: int
    """Of these, for who left and may come back, and was not called back yet."""
    beyond: Mapping[str, int] = field(default_factory=dict[str, int])
    """Passage → how many who left by it may come back and have no place held: their returns take
    the room of others."""

    @property
    def for_others(self) -> int:
        """Answers to who comes."""
        return self.left - self.held


ENDLESS: Final = Places(VALUES_MAX, 0)
