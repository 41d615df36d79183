"""What a gate here has to sign, of all that one look at it found.

    who comes, judged ─▸ into the blobs of those who can be answered it looks
                      ─▸ what is to be signed: who is let in by a blob that is whole in this look

What is not whole any more is as if it had never come: its traveller waits.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from node.services.gatebooks import Books
from node.services.passages import Ferry, own_halves, passage_named
from node.services.verdicts import judge_of, look_at
from registry.errors import CannotTravel
from universe.gate import ANSWERS_MAX, Found, Judge, Now, Verdict, due
from universe.lines import Lines
from universe.passage import Passage
from universe.receipts import ARRIVAL, Checked, Receipt
from universe.room import Places


@dataclass(frozen=True, slots=True)
class Gate:
    """Whose turn it is to sign, and when."""

    universe: str
    key: bytes
    now: Now


@dataclass(frozen=True, slots=True)
class Came:
    """What it may have to answer."""

    coming: Sequence[tuple[Checked, bool]]
    """Departures that are on their way, and whether the gate that sent each is suspect."""
    refused: Sequence[Checked]
    recalled: Collection[bytes]
    passages: Mapping[str, Passage | None]
    is_gone: bool
    """Whether the universe was deleted."""


@dataclass(slots=True)
class Look:
    """It forgets nothing that it looked into until it is over."""

    books: Books
    gate: Gate
    came: Came
    by_blob: Callable[[Checked], Awaitable[Verdict]]
    """Of a departure; of what was read before this look by what is remembered."""
    by_whole_blob: Callable[[Checked], Awaitable[Verdict]]
    """The same; all of it was read in this look."""
    large: dict[bytes, Verdict] = field(default_factory=dict[bytes, Verdict])
    unseen: list[Checked] = field(default_factory=list[Checked])
    queued: Counter[str] = field(default_factory=Counter[str])

    async def due(self, places: Places) -> list[Receipt]:
        """What is signed now: of each blob by which somebody is let in all bytes are here."""
        while True:
            said = await self.wanted(places)
            if not await self._lost(said):
                return said

    async def wanted(self, places: Places) -> list[Receipt]:
        """What is signed with these places, by what is remembered of blobs."""
        judge = self._judge()
        said = await self.books.ask(lambda lines: self._asked(lines, judge, places))
        most = ANSWERS_MAX - len(said)
        while await look_at(self.unseen, self.large, self.queued, most, self.by_blob):
            said = await self.books.ask(lambda lines: self._asked(lines, judge, places))
            # Where shares leave what was found unanswered, more is looked at each time.
            most = 0 if len(said) == ANSWERS_MAX else 2 * most
        return said

    async def could(self, places: Places) -> set[bytes]:
        """What can be answered with these places by what was looked into, however much is before
        it."""
        judge, most = self._judge(), len(self.came.coming) + len(self.came.refused)
        said = await self.books.ask(lambda lines: self._asked(lines, judge, places, most))
        return {one.answers or b"" for one in said}

    def _judge(self) -> Judge:
        suspect = {one.id for one, is_suspect in self.came.coming if is_suspect}
        return judge_of(
            self.came.passages, suspect, self.large, self.unseen, is_gone=self.came.is_gone
        )

    def _asked(
        self, lines: Lines, judge: Judge, places: Places, most: int = ANSWERS_MAX
    ) -> list[Receipt]:
        self.unseen.clear()
        gate, came = self.gate, self.came
        found = Found([one for one, _ in came.coming], came.refused)
        try:
            return due(
                gate.universe, gate.key, lines, gate.now,
                judge=judge, recalled=came.recalled, found=found, places=places,
                most=most,
            )  # fmt: skip
        except CannotTravel:
            return []

    async def _lost(self, said: Iterable[Receipt]) -> bool:
        """Whether somebody of these is not let in by what their blob is now."""
        answered = {one.answers for one in said if one.kind == ARRIVAL}
        large = [one for one, _ in self.came.coming if one.id in answered & self.large.keys()]
        is_lost = False
        for one in large:
            self.large[one.id] = await self.by_whole_blob(one)
            is_lost = is_lost or self.large[one.id].word != "accept"
        return is_lost


async def passages_through(by: Ferry, departures: Iterable[Checked]) -> dict[str, Passage | None]:
    """Those that these name, of this author's: of what strangers name nothing is looked up."""
    own = {one.proposal or one.full_name for one in await own_halves(by)}
    names = dict.fromkeys(one.receipt.passage for one in departures)
    return {name: await passage_named(by, name) if name in own else None for name in names}
