"""What a gate signs by itself of those who come through one passage.

```
refusals in a row               at most REFUSALS_MAX: a passage that is closed costs no more, ever
answers in a day                at most DAY_ANSWERS_MAX: who comes beyond waits for the next day
answers in all                  at most PASSAGE_ANSWERS_MAX: another passage goes on
receipts of a universe          with LET_IN_MAX nobody is sent to it, for those who are to leave;
                                of who comes all the same, through one passage UNDER_WAY_MAX
```
Beyond, nothing is signed unless a person decides. Who is refused by nobody is not lost: it is in
transit. Of honest gates nobody gets there, since what a gate answered lies open: the one that sends
counts the same receipts, and who is under way with them, before it lets anybody go.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from registry.errors import CannotTravel
from universe import room
from universe.lines import Line, Lines
from universe.receipts import ARRIVAL, DEPARTURE, REFUSAL, RETURN, Checked, Receipt
from universe.room import Places
from universe.travel import answer_to

REFUSALS_MAX: Final = 128
"""In a row, through one passage."""
UNDER_WAY_MAX: Final = 96
"""So many, with those refused in a row: they all may be refused, by a passage that is closed before
anybody hears of it, or as they are called back. Beyond they go one at a time, so that an honest row
ends before its passage does: it is over once somebody is let in."""
DAY_ANSWERS_MAX: Final = 512
"""Of one passage: an owner has a week to see what a partner does, and to close it."""
DAY_US: Final = 86_400_000_000
PASSAGE_ANSWERS_MAX: Final = 4_000
"""Half of `universe.gate.SENT_MAX`; and autosaves have all their places beside it."""

LET_IN_MAX: Final = 7_000
"""The rest up to `universe.gate.SENT_MAX` is for those who leave."""

Rest: TypeAlias = Literal["day", "refused", "spent"]
"""`day`: until some answers are older; `refused`: until somebody is let in; `spent`: for good."""


@dataclass(slots=True)
class Share:
    """What was signed of who came through one passage."""

    answers: int = 0
    lately_us: list[int] = field(default_factory=list[int])
    """Of these, those within the day before now: when each was signed, in their order."""
    refused: int = 0
    """In a row, up to the last."""
    late: int = 0
    """After the receipts with which nobody is sent any more: whoever was under way then."""

    @property
    def is_spent(self) -> bool:
        """Whether nobody else is let in through it."""
        return self.answers >= PASSAGE_ANSWERS_MAX or self.late >= UNDER_WAY_MAX

    @property
    def waits(self) -> bool:
        """Whether more is answered as time goes by."""
        return not self.is_spent and len(self.lately_us) >= DAY_ANSWERS_MAX

    @property
    def free_us(self) -> int | None:
        """When the next may be answered, where that is a matter of time."""
        if not self.waits:
            return None
        return sorted(self.lately_us)[len(self.lately_us) - DAY_ANSWERS_MAX] + DAY_US

    def rest(self, *, is_open: bool) -> Rest | None:
        """Why nobody who comes through the passage is answered now; None where they are."""
        if self.is_spent:
            return "spent"
        if self.waits:
            return "day"
        return None if self.allows(accept=is_open) else "refused"

    def allows(self, *, accept: bool) -> bool:
        """Whether one more is let in, or refused."""
        is_free = not self.is_spent and not self.waits
        return is_free and (accept or self.refused < REFUSALS_MAX)

    def count(self, kind: str, at_us: int, *, is_lately: bool, is_late: bool) -> None:
        self.answers += 1
        self.late += is_late
        if is_lately:
            self.lately_us.append(at_us)
        self.refused = self.refused + 1 if kind == REFUSAL else 0


class Shares:
    """Of all passages that lead to one universe, by what its gate signed, up to `now_us`."""

    def __init__(self, receipts: Iterable[Checked], now_us: int) -> None:
        self._of: dict[str, Share] = {}
        self._now_us = now_us
        self._receipts = 0
        for one in receipts:
            self.count(one.receipt)

    def __getitem__(self, passage: str) -> Share:
        return self._of.get(passage) or Share()

    def put_off_until(self, coming: Iterable[Checked], answers: Iterable[Receipt]) -> int | None:
        """When the first of those of these departures that wait for the next day may be answered,
        after these answers, in µs since 1970; None where none does."""
        answered = set[bytes | None]()
        for one in answers:
            self.count(one)
            answered.add(one.answers)
        waiting = {one.receipt.passage for one in coming if one.id not in answered}
        free = [self[passage].free_us for passage in waiting]
        return min((one for one in free if one is not None), default=None)

    def count(self, receipt: Receipt) -> None:
        """One more receipt of that gate. What a clock dated after now is not of this day."""
        self._receipts += 1
        if receipt.kind in (ARRIVAL, REFUSAL):
            is_lately = 0 <= self._now_us - receipt.at_us < DAY_US
            share = self._of.setdefault(receipt.passage, Share())
            is_late = self._receipts > LET_IN_MAX
            share.count(receipt.kind, receipt.at_us, is_lately=is_lately, is_late=is_late)


def under_way(line: Line, target: str, lines: Lines) -> list[Checked]:
    """Departures of that line to `target` without an answer, as far as is held."""
    return [
        one
        for one in line.receipts
        if one.receipt.kind == DEPARTURE
        and one.receipt.other == target
        and answer_to(one, target, lines, (ARRIVAL, REFUSAL)) is None
    ]


def may_come_back(line: Line, target: str, lines: Lines) -> list[Checked]:
    """Departures of that line to `target` that nobody let in, and of whom no return was signed."""
    away = list[Checked]()
    for one in line.receipts:
        if one.receipt.kind == DEPARTURE and one.receipt.other == target:
            answer = answer_to(one, target, lines, (ARRIVAL, REFUSAL))
            if answer is None or (
                answer.receipt.kind == REFUSAL
                and answer_to(answer, line.universe, lines, (RETURN,)) is None
            ):
                away.append(one)
    return away


def places_of(left: int, away: Iterable[Checked]) -> Places:
    """With a place held for each of `away`: who left, wherever they went, and was not called back.

    Through one passage for `UNDER_WAY_MAX`: no more leave by it. A gate that is handed over may
    take back that it let somebody in, as many as ever left for it: these take what room is left.
    """
    through = Counter(one.receipt.passage for one in away)
    beyond = {name: count - UNDER_WAY_MAX for name, count in through.items()}
    beyond = {name: count for name, count in beyond.items() if count > 0}
    return Places(left, through.total() - sum(beyond.values()), beyond)


def returning(
    refused: Iterable[Checked], recalled: Collection[bytes], places: Places, most: int
) -> tuple[list[Checked], int]:
    """Of these refusals those that are answered now, `most` at most; and the room for others then.

    `recalled`: departures that were called back.
    """
    left, for_others, beyond = places.left, places.for_others, dict(places.beyond)
    back = list[Checked]()
    for one in refused:
        if len(back) == most:
            break
        passage = one.receipt.passage
        if one.receipt.answers not in recalled:  # else it takes the place of that call
            is_beyond = beyond.get(passage, 0) > 0
            if left < 1 or (is_beyond and for_others < 1):
                continue
            left -= 1
            if is_beyond:
                beyond[passage] -= 1
                for_others -= 1
        back.append(one)
    return back, for_others


def check_can_come_back(universe: str, passage: str, away: Collection[Checked]) -> None:
    """Before one more leaves through that passage: a place is held for each who may come back.

    `away`: as of `places_of`. Those of one passage leave half of what is free to the others, so a
    partner that answers nobody holds up nobody else for long. Raises `CannotTravel`
    (`passage-busy`).
    """
    through = sum(one.receipt.passage == passage for one in away)
    others = places_of(0, (one for one in away if one.receipt.passage != passage)).held
    free = room.FOR_ANSWERS - room.FOR_OTHERS - others
    if through < UNDER_WAY_MAX and 2 * through < free:
        return
    detail = (
        f"{len(away)} are under way from {universe}, {through} of them through {passage}, and each"
        " may come back: others can go once these were answered, or are called back with"
        " `panspermia passage recall`"
    )
    raise CannotTravel(detail, "passage-busy")


def check_will_be_answered(line: Line, passage: str, target: str, lines: Lines) -> None:
    """Before anybody leaves: the gate of `target` answers one more through that passage.

    Raises `CannotTravel` (`passage-busy`, `passage-full`, `gate-full`).
    """
    if len(lines[target].receipts) >= LET_IN_MAX:
        detail = (
            f"{target} has {len(lines[target].receipts):,} receipts: nobody is sent to it any more,"
            " so that 1,000 of those who are in it can still leave"
        )
        raise CannotTravel(detail, "gate-full")
    share = Shares(lines[target].receipts, 0)[passage]
    going = sum(one.receipt.passage == passage for one in under_way(line, target, lines))
    if share.answers + going >= PASSAGE_ANSWERS_MAX:
        detail = (
            f"{PASSAGE_ANSWERS_MAX:,} travellers went to {target} through {passage}, and more it"
            " takes nobody there: another passage between the two goes on"
        )
        raise CannotTravel(detail, "passage-full")
    if share.refused >= REFUSALS_MAX:
        detail = (
            f"{target} refused the last {share.refused} that came through {passage}: nobody else is"
            " sent. Another passage between the two goes on"
        )
        raise CannotTravel(detail, "passage-full")
    if going and share.refused + going >= UNDER_WAY_MAX:
        refused = f", and the last {share.refused} were refused" if share.refused else ""
        detail = (
            f"{going} are under way to {target} through {passage}{refused}: others can go once its"
            " gate has answered these"
        )
        raise CannotTravel(detail, "passage-busy")
