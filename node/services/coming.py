"""Who is on the way to a gate here, by their stories: so many of them as one look reads.

    departures through one passage ─▸ by traveller, from where the last look ended
                                   ─▸ read one after the other, until so much was looked into
                                   ─▸ the others have the next look

A partner's gate makes up travellers at no cost, each with a story as long as it likes. So each
passage has a share of its own in a look, and within it all travellers have their turn.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from node.errors import Rejected
from node.services.ends import on_their_way
from node.services.gatebooks import TOO_LONG, Books
from universe.lines import Lines
from universe.receipts import Checked, Who

Q = TypeVar("Q")
T = TypeVar("T")
READ_MAX: Final = 2_048
"""Stories, and documents looked for because of them, of one passage in one look or for one answer:
with so many no other story is begun. These are eight that are too long; all that an honest gate has
under way, each through some twenty universes; or a thousand of whom nothing else is known."""


@dataclass(slots=True)
class StoryTurns:
    """Whose stories the next look reads. It begins anew with each start of the node."""

    _last: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """(universe, passage) that one's own agreed to → number of the departure of who was read last,
    where others were left."""

    async def read(
        self, books: Books, universe: str, departures: Sequence[Checked]
    ) -> tuple[list[tuple[Checked, bool]], bool]:
        """Those of these departures to there that are on their way, in the same order, with whether
        the gate that sent each is suspect; and whether all were read."""
        through = defaultdict[str, list[Checked]](list)
        for one in departures:
            through[one.receipt.passage].append(one)
        found, is_all = dict[bytes, tuple[Checked, bool]](), True
        for passage, each in through.items():
            key = universe, passage
            groups = _in_turn(each, self._last.pop(key, 0))
            coming, count = await read_in_turn(books, groups, on_their_way)
            found |= {one.id: (one, is_suspect) for one, is_suspect in coming}
            if count < len(groups):
                self._last[key] = groups[count - 1][0].receipt.seq
                is_all = False
        return [found[one.id] for one in departures if one.id in found], is_all


async def may_be_coming(books: Books, departures: Sequence[Checked]) -> set[bytes]:
    """Of these departures those that are on their way, and those of whom it was not read, as what
    was before them costs too much."""
    groups = _in_turn(departures, 0)
    found, count = await read_in_turn(books, groups, on_their_way)
    return {one.id for one, _ in found} | {one.id for each in groups[count:] for one in each}


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
) -> tuple[list[T], int]:
    """What is to be said of each of these, and of how many it was looked for: of one at least.

    Each is one question, in this order. Nothing is said of one that is too long.
    """
    found, reading = list[T](), _Reading(books)
    for count, one in enumerate(groups):
        if reading.cost >= READ_MAX:
            return found, count
        found += await reading.ask(partial(question, one))
    return found, len(groups)


@dataclass(slots=True)
class _Reading:
    """One after the other: what is read for one is there for the next."""

    books: Books
    """Of the look: what is read for a story is forgotten after."""
    own: Books | None = None
    """With what was read for those before."""
    cost: int = 0

    async def ask(self, question: Callable[[Books, Lines], list[T]]) -> list[T]:
        """What it answers; nothing where that is too long."""
        self.cost += 1
        found = None if self.own is None else await self._asked(self.own, question)
        if found is None:  # with all the room that there is
            self.own = await asyncio.to_thread(self.books.copied)
            found = await self._asked(self.own, question)
        if found is None:
            self.own = None
        return found or []

    async def _asked(
        self, own: Books, question: Callable[[Books, Lines], list[T]]
    ) -> list[T] | None:
        """None where more depends on it than there is room for."""
        before = own.looked_for
        try:
            return await own.ask(lambda lines: question(own, lines))
        except Rejected as error:
            if error.reason != TOO_LONG:
                raise
            return None
        finally:
            self.cost += own.looked_for - before
