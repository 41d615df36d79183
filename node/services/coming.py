"""Who is on the way to a gate here, by their stories: so many of them as one look reads.

    departures through one passage ─▸ by traveller, from where the last look ended
                                   ─▸ read one after the other, until so much was looked into
                                   ─▸ those for whom nothing else is to be read, as they come
                                   ─▸ the others have the next look

A partner's gate makes up travellers at no cost, each with a story as long as it likes. So each
passage has a share of its own in a look, and within it all travellers have their turn.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Generic, TypeVar

from node.errors import Rejected
from node.services.ends import on_their_way, to_come_back
from node.services.gatebooks import TOO_LONG, Books
from storage.errors import Corrupt
from universe.gate import ANSWERS_MAX
from universe.lines import Lines
from universe.receipts import Checked, Receipt, Who

log = logging.getLogger(__name__)

Q = TypeVar("Q")
T = TypeVar("T")
READ_MAX: Final = 2_048
"""Stories, and documents looked for because of them, of one passage in one look or for one answer:
with so many no other story is begun, whatever it needs. These are eight that are too long; all that
an honest gate has under way, each through some twenty universes; or a thousand of whom nothing else
is known."""

RECEIPTS_MAX: Final = 20_000
"""The same of the receipts that were read because of them, 70 µs each: until a story needs what was
not read for others. Whoever came the same way as they did costs next to nothing."""
BYTES_MAX: Final = 64 << 20
"""The same of the bytes of travellers in these."""

LOOK_AGAIN_US: Final = 30_000_000
"""After a look that did not read all stories: as after bytes of a traveller that nobody gave."""
AGAIN_US: Final = 3_600_000_000
"""Who was left out, as too much depends on it, is read of again after an hour: a story grows, and
is shorter only where other receipts come to count."""
LEFT_OUT_MAX: Final = 4_096
"""Of these as many are remembered, by all gates: eight days' answers of a passage."""


@dataclass(frozen=True, slots=True)
class Read(Generic[Q, T]):
    """What came of asking one question after the other."""

    found: list[T]
    count: int
    """Of how many it was looked for: of one at least."""
    left_out: list[Sequence[Q]]
    """Of these, those of whom nothing is said: it is too long, or damaged here."""
    damage: str = ""
    """The last of it."""


@dataclass(slots=True)
class _Turn:
    """Of one passage where not all stories are read in one look."""

    last: int = 0
    """Number of the receipt of who was read last."""
    found: list[tuple[bytes, int]] = field(default_factory=list[tuple[bytes, int]])
    """Receipts by which somebody has come, of the last look; and the number that is their place.
    Of these, those hold it that could be answered."""
    read: int = 0
    """How many were, since something changed."""
    news: int = 0


@dataclass(slots=True)
class StoryTurns:
    """Whose stories the next look reads. It begins anew with each start of the node."""

    news: int = 0
    """How often something changed by which somebody may have come who had not."""
    _turns: dict[tuple[str, str, str], _Turn] = field(
        default_factory=dict[tuple[str, str, str], _Turn]
    )
    """(universe, passage that its owner agreed to, kind of receipt)."""
    _left_out: dict[tuple[str, Who], int] = field(default_factory=dict[tuple[str, Who], int])
    """(universe, who was left out there, and was not read of since) → when."""
    _warned: set[str] = field(default_factory=set[str])

    async def coming(
        self, books: Books, universe: str, departures: Sequence[Checked]
    ) -> tuple[list[tuple[Checked, bool]], int | None]:
        """Those of these departures to there that are on their way, in the same order, with whether
        the gate that sent each is suspect; and when to look again though nothing changes, in µs
        since 1970."""
        suspect, again_us = await self._read(books, universe, departures, _come)
        return [(one, suspect[one.id]) for one in departures if one.id in suspect], again_us

    async def refused(
        self, books: Books, universe: str, refusals: Sequence[Checked]
    ) -> tuple[list[Checked], int | None]:
        """Those of these refusals by which somebody is to come back, and the same."""
        back, again_us = await self._read(books, universe, refusals, _to_come_back)
        return [one for one in refusals if one.id in back], again_us

    def answered(
        self, universe: str, said: Sequence[Receipt], could: Collection[bytes] = ()
    ) -> None:
        """Whoever was found and left, as no more are answered at once, is the first to be read.

        `could`: what else could be answered, where as many were. Who waits for bytes, or a person,
        holds the place of nobody.
        """
        self.news += bool(said)
        answers = {one.answers for one in said}
        if len(said) < ANSWERS_MAX:
            return
        for (where, _, _), turn in self._turns.items():
            left = [place for id, place in turn.found if id in could and id not in answers]
            if where == universe and left:
                turn.last = left[0] - 1

    async def _read(
        self,
        books: Books,
        universe: str,
        receipts: Sequence[Checked],
        question: Callable[[Sequence[Checked], Books, Lines], list[tuple[bytes, bool]]],
    ) -> tuple[dict[bytes, bool], int | None]:
        """What it says of each of these in turn; and when to go on though nothing changes: soon,
        until all were read since something did, or for the first of those who are left out."""
        through = defaultdict[tuple[str, str, str], list[Checked]](list)
        for one in receipts:
            through[universe, one.receipt.passage, one.receipt.kind].append(one)
        found, again_us, now_us = dict[bytes, bool](), list[int](), books.by.clock_us()
        for key, each in through.items():
            turn, news = self._turns.get(key, _Turn()), self.news
            all_ = _in_turn(each, turn.last)
            groups = [one for one in all_ if not self._is_out(universe, one, now_us)]
            read = await read_in_turn(books, groups, question)
            found |= dict(read.found)
            self._warn(universe, read.damage)
            self._leave_out(universe, groups[: read.count], read.left_out, now_us)
            soon_us = books.by.clock_us() + LOOK_AGAIN_US
            again_us += self._due_us(universe, all_, now_us, soon_us)
            if read.count == len(groups):
                self._turns.pop(key, None)
                continue
            places = {one.id: whose[0].receipt.seq for whose in groups for one in whose}
            out = len(read.left_out)  # they are none of the next look
            count = read.count - out + (turn.read if turn.news == news else 0)
            last = groups[read.count - 1][0].receipt.seq
            come = [(id, places[id]) for id, _ in read.found]
            self._turns[key] = _Turn(last, come, count, news)
            if count < len(groups) - out or self.news != news:
                again_us.append(soon_us)
        return found, min(again_us, default=None)

    def _is_out(self, universe: str, whose: Sequence[Checked], now_us: int) -> bool:
        at_us = self._left_out.get((universe, _who(whose)))
        return at_us is not None and 0 <= now_us - at_us < AGAIN_US

    def _due_us(
        self, universe: str, groups: Iterable[Sequence[Checked]], now_us: int, soon_us: int
    ) -> list[int]:
        """When those of these who are left out are read of again: soon, where their hour is over
        and others had their turn before them."""
        return [
            at_us + AGAIN_US if self._is_out(universe, one, now_us) else soon_us
            for one in groups
            if (at_us := self._left_out.get((universe, _who(one)))) is not None
        ]

    def _leave_out(
        self,
        universe: str,
        read: Iterable[Sequence[Checked]],
        left_out: Iterable[Sequence[Checked]],
        now_us: int,
    ) -> None:
        """Of these that were read now."""
        for one in read:
            self._left_out.pop((universe, _who(one)), None)
        self._left_out.update(((universe, _who(one)), now_us) for one in left_out)
        while len(self._left_out) > LEFT_OUT_MAX:
            del self._left_out[next(iter(self._left_out))]

    def _warn(self, universe: str, damage: str) -> None:
        """Once, however often it is looked at."""
        if damage and damage not in self._warned:
            self._warned.add(damage)
            log.warning("the gate of %s: who passed there waits: %s", universe, damage)


def _who(whose: Sequence[Checked]) -> Who:
    return whose[0].receipt.traveller.who


def _come(departures: Sequence[Checked], books: Books, lines: Lines) -> list[tuple[bytes, bool]]:
    return [(one.id, is_suspect) for one, is_suspect in on_their_way(departures, books, lines)]


def _to_come_back(
    refusals: Sequence[Checked], books: Books, lines: Lines
) -> list[tuple[bytes, bool]]:
    return [(one.id, True) for one in to_come_back(refusals, books, lines)]


async def may_be_coming(books: Books, departures: Sequence[Checked]) -> set[bytes]:
    """Of these departures those that are on their way, and those of whom that is not known: it was
    not read, as what was before them costs too much, or that is too long, or damaged here."""
    groups = _in_turn(departures, 0)
    read = await read_in_turn(books, groups, on_their_way)
    unknown = [*read.left_out, *groups[read.count :]]
    return {one.id for one, _ in read.found} | {one.id for each in unknown for one in each}


def _in_turn(departures: Sequence[Checked], last: int) -> list[list[Checked]]:
    """Those of each traveller together: by the first of these, from after number `last` on."""
    by_who = defaultdict[Who, list[Checked]](list)
    for one in sorted(departures, key=lambda one: one.receipt.seq):
        by_who[one.receipt.traveller.who].append(one)

    def place(whose: list[Checked]) -> tuple[bool, int]:
        return whose[0].receipt.seq <= last, whose[0].receipt.seq

    return sorted(by_who.values(), key=place)


async def read_in_turn(
    books: Books,
    groups: Sequence[Sequence[Q]],
    question: Callable[[Sequence[Q], Books, Lines], list[T]],
) -> Read[Q, T]:
    """As `Reading.in_turn`, of what was read for nothing else."""
    return await Reading(books).in_turn(groups, question)


@dataclass(slots=True)
class Reading:
    """One after the other: what is read for one is there for the next."""

    books: Books
    """Of the look: what is read for a story is forgotten after."""
    own: Books | None = None
    """With what was read for those before."""
    cost: int = 0
    receipts: int = 0
    bytes_inline: int = 0
    damage: str = ""

    async def in_turn(
        self,
        groups: Sequence[Sequence[Q]],
        question: Callable[[Sequence[Q], Books, Lines], list[T]],
    ) -> Read[Q, T]:
        """What is to be said of each of these: each is one question, in this order. Once much was
        read it ends with the first for which something else would have to be."""
        found, left_out = list[T](), list[Sequence[Q]]()
        for count, one in enumerate(groups):
            if self.is_over:
                return Read(found, count, left_out, self.damage)
            if self.is_much:
                told = await self.ask_no_more(partial(question, one))
                if told is None:
                    return Read(found, count, left_out, self.damage)
                found += told
                continue
            said = await self.ask(partial(question, one))
            if said is None:
                left_out.append(one)
            found += said or []
        return Read(found, len(groups), left_out, self.damage)

    @property
    def is_over(self) -> bool:
        """Whether no other story is begun."""
        return self.cost >= READ_MAX

    @property
    def is_much(self) -> bool:
        """Whether nothing else is read for another one."""
        return self.receipts >= RECEIPTS_MAX or self.bytes_inline >= BYTES_MAX

    async def ask_no_more(self, question: Callable[[Books, Lines], list[T]]) -> list[T] | None:
        """What it answers by what was read for those before; None where that is not all."""
        own = self.own
        if own is None:
            return None
        self.cost += 1
        told = await own.ask_no_more(lambda lines: question(own, lines))
        return None if told is None else told[0]

    async def ask(self, question: Callable[[Books, Lines], list[T]]) -> list[T] | None:
        """What it answers; None where that is too long, or what it says is damaged."""
        self.cost += 1
        found = None if self.own is None else await self._asked(self.own, question)
        if found is None:  # with all the room that there is
            self.own = await asyncio.to_thread(self.books.copied)
            found = await self._asked(self.own, question)
        if found is None:
            self.own = None
        return found

    async def _asked(
        self, own: Books, question: Callable[[Books, Lines], list[T]]
    ) -> list[T] | None:
        """None where more depends on it than there is room for, or than can be read."""
        before, receipts, bytes_inline = own.looked_for, own.receipts, own.bytes_inline
        try:
            return await own.ask(lambda lines: question(own, lines))
        except Corrupt as error:
            self.damage = str(error)
            return None
        except Rejected as error:
            if error.reason != TOO_LONG:
                raise
            return None
        finally:
            self.cost += own.looked_for - before
            self.receipts += own.receipts - receipts
            self.bytes_inline += own.bytes_inline - bytes_inline
