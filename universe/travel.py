"""Where a traveller is: in exactly one universe or in transit, by the receipts held.

```
        ┌──────── return ────────┐
        ▼                        │
  in(origin) ── departure ─▸ in transit ── refusal ─▸ refused
        ▲                        │
        └── in(target) ◂─ arrival ┘          (and on from there by the next departure)
```
It is where its story ends. The story begins in the universe that the traveller comes from, and goes
on by what counts there and is about it: the first departure since it came, then the first answer of
the other end. What any gate says out of turn is no part of it. Every set of receipts so gives one
place and no more; with more receipts of honest gates the same story goes on.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from universe.lines import Lines
from universe.receipts import ARRIVAL, DEPARTURE, REFUSAL, RETURN, Checked, Receipt, Who
from universe.timeline import Entry


@dataclass(frozen=True, slots=True)
class In:
    """The traveller is in this universe."""

    universe: str


@dataclass(frozen=True, slots=True)
class InTransit:
    """It left `source` and nothing of `target` has answered."""

    source: str
    target: str
    departure: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """`target` refused it, and it is on its way back to `source`."""

    source: str
    target: str
    departure: bytes
    refusal: bytes
    reason: str


Place: TypeAlias = In | InTransit | Refused


@dataclass(frozen=True, slots=True)
class Story:
    """All that counts of one traveller, and where that leaves it."""

    who: Who
    place: Place
    receipts: tuple[Checked, ...]

    @property
    def departure(self) -> Checked | None:
        """The one it is under way by; None while it is in a universe."""
        return None if isinstance(self.place, In) else self._last(DEPARTURE)

    def _last(self, kind: str) -> Checked | None:
        found = (one for one in reversed(self.receipts) if one.receipt.kind == kind)
        return next(found, None)


def story_of(who: Who, lines: Lines) -> Story:
    """Pure: the same receipts held give the same story. Worked out once, as long as it holds:
    a gate may sign thousands of receipts about one traveller."""
    return lines.once(("story", who), lambda: _story_of(who, lines))


def _story_of(who: Who, lines: Lines) -> Story:
    at, since = who.origin, 0
    told: list[Checked] = []
    while True:  # each step is a receipt that holds the id of one before it: there is no circle
        departure = _departure(who, at, since, lines)
        if departure is None:
            return Story(who, In(at), tuple(told))
        told.append(departure)
        target = departure.receipt.other
        answer = answer_to(departure, target, lines, (ARRIVAL, REFUSAL))
        if answer is None:
            return Story(who, InTransit(at, target, departure.id), tuple(told))
        told.append(answer)
        if answer.receipt.kind == ARRIVAL:
            at, since = target, answer.receipt.seq
            continue
        back = answer_to(answer, at, lines, (RETURN,))
        if back is None:
            refused = Refused(at, target, departure.id, answer.id, answer.receipt.reason)
            return Story(who, refused, tuple(told))
        told.append(back)
        since = back.receipt.seq


def place_of(who: Who, lines: Lines) -> Place:
    """Where it is; in its own universe if nothing else is known of it."""
    return story_of(who, lines).place


def travellers(lines: Lines) -> list[Who]:
    """Everybody who ever left their own universe, sorted."""
    return sorted(
        {
            one.receipt.traveller.who
            for name in lines.universes()
            for one in lines[name].receipts
            if one.receipt.traveller.who.origin == name
        }
    )


def migration_of(migration: bytes, source: str, lines: Lines) -> Checked | None:
    """The first departure from `source` under this id that counts there."""
    for one in lines[source].receipts:
        if one.receipt.kind == DEPARTURE and one.receipt.migration == migration:
            return one
    return None


def out_of_turn(universe: str, lines: Lines) -> list[Checked]:
    """What counts in its line and is no part of any story, as far as is held.

    Of an honest gate only while receipts of others are still to come.
    """
    line = lines[universe]
    told = {
        one.id
        for who in {one.receipt.traveller.who for one in line.receipts}
        for one in story_of(who, lines).receipts
    }
    return [one for one in line.receipts if one.id not in told]


_TITLES: Final = {
    DEPARTURE: "{soul} left for {other}",
    ARRIVAL: "{soul} arrived from {other}",
    REFUSAL: "{soul} from {other} was refused",
    RETURN: "{soul} came back, refused by {other}",
}


def timeline_entries(receipts: Iterable[Checked]) -> list[Entry]:
    """One for each receipt, in the order given: those of a line, for its universe's timeline.

    Its type is `passage:` and the receipt's kind.
    """
    return [
        Entry(
            tick=one.receipt.tick,
            at_us=one.receipt.at_us,
            day=None,
            type=f"passage:{one.receipt.kind}",
            title=_TITLES[one.receipt.kind].format(
                soul=one.receipt.traveller.who.soul,
                other=one.receipt.other.partition("/")[2],
            ),
            description=one.receipt.reason,
            snapshot=None,
            event=None,
            can_fork=False,
            souls=(one.receipt.traveller.who.soul,),
            receipt=one.id,
            other=one.receipt.other,
            migration=one.receipt.migration,
        )
        for one in receipts
    ]


def _departure(who: Who, at: str, since: int, lines: Lines) -> Checked | None:
    """The first after number `since` in the line of `at`."""
    departures = lines[at].departures.get(who, ())
    place = bisect_right(departures, since, key=lambda one: one.receipt.seq)
    return departures[place] if place < len(departures) else None


def answer_to(to: Checked, of: str, lines: Lines, kinds: tuple[str, ...]) -> Checked | None:
    """The first in the line of `of` that answers it, one of these kinds."""
    answers = lines[of].answers.get(to.id, ())
    return next((one for one in answers if _answers(one.receipt, to.receipt, kinds)), None)


def _answers(one: Receipt, to: Receipt, kinds: tuple[str, ...]) -> bool:
    """Whether it is the other end's answer, about the same traveller on the same way."""
    return (
        one.kind in kinds
        and one.other == to.universe
        and (one.migration, one.passage) == (to.migration, to.passage)
        and one.traveller == to.traveller.told
    )
