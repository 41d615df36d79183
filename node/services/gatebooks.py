"""The books of gates, read from the store as far as a question depends on them."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeAlias, TypeVar

from crdt.keys import NamespaceKey
from node.errors import Rejected
from node.services.passages import Ferry, document_of
from registry.errors import CannotTravel
from registry.fields import Plain
from storage.errors import Corrupt
from universe.gatebook import GateBook, gatebook_of, votes_of
from universe.lines import Lines
from universe.receipts import Checked

T = TypeVar("T")
Q = TypeVar("Q")
About: TypeAlias = Mapping[str, Collection[bytes]]
"""Of one universe: other one → ids of its receipts to that."""
Vote: TypeAlias = tuple[GateBook, int]
"""As of `votes_of`."""
TOO_LONG: Final = "story-too-long"
UNIVERSES_MAX: Final = 256
"""Read whole for one act: those whose gates a traveller passed, and those they speak of."""
RECEIPTS_MAX: Final = 131_072
"""With so many read, and hand-overs, no other universe is, nor who has a vote looked into, for one
act: sixteen whose gates sent as many as they can. To verify them takes nine seconds, and most for
one story. Of who has a vote all count that stand in their documents: each is looked into. Not so
where the vote is on the universe whose gate acts: else what partners wrote stopped it for good."""
BYTES_MAX: Final = 256 << 20
"""The same of the bytes of travellers in them: eight universes whose gates sent as many as they
can. All of it is in memory."""
ASKED_MAX: Final = 18_800
"""Who has a vote, for one act: as many as two documents name, of gates that are proven cheats. What
they signed counts for `RECEIPTS_MAX`."""
VOTES_MAX: Final = 16_384
"""Of who has a vote, and of what they answered, as much is remembered from one story to the next of
a look: some 40 MB."""
KIND: Final = "uni"


@dataclass(frozen=True, slots=True)
class _Answer(Generic[T]):
    """Of a question that refused nothing."""

    value: T


def _given(answer: _Answer[T] | Exception) -> T:
    """Raises what the question refused."""
    if isinstance(answer, Exception):
        raise answer
    return answer.value


@dataclass(slots=True)
class _Votes:
    """What others answered to a universe, for all questions of one look."""

    _about: dict[str, About] = field(default_factory=dict[str, About])
    """Universe → its receipts when that was read first: of others nothing is remembered."""
    _said: dict[tuple[str, str], Vote] = field(default_factory=dict[tuple[str, str], Vote])
    """(other, universe) → that, with nothing in it where the other one is not here."""
    _room: int = field(default_factory=lambda: VOTES_MAX)

    def about(self, universe: str, receipts: Iterable[Checked]) -> About:
        """Of these, to each other one; each time the same object where they are the same."""
        to = defaultdict[str, set[bytes]](set)
        for one in receipts:
            to[one.receipt.other].add(one.id)
        first = self._about.setdefault(universe, to)
        return first if first == to else to

    def of(self, vote: tuple[str, str], about: About) -> Vote | None:
        return self._said.get(vote) if self._about.get(vote[1]) is about else None

    def keep(self, vote: tuple[str, str], about: About, said: Vote) -> None:
        size = 1 + len(said[0].receipts) + len(said[0].hand_overs)
        if size <= self._room and self._about.get(vote[1]) is about:
            self._room -= size
            self._said[vote] = said


@dataclass(slots=True)
class Books:
    """The gates' books that were read, and what follows from them."""

    by: Ferry
    acting: str = ""
    """Universe whose gate acts by these: '' where none does."""
    read: dict[str, GateBook] = field(default_factory=dict[str, GateBook])
    held: int = 0
    """Of these, those of a universe whose document is here: any name may stand in a receipt."""
    looked_for: int = 0
    """Documents that were, here or not."""
    receipts: int = 0
    """And hand-overs: in these, and all that stand in the documents of who has a vote, unless that
    is on the one that acts."""
    bytes_inline: int = 0
    """Of travellers, in what was kept of these."""
    _voted: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """(other, universe): of whom was read what they answered to that universe."""
    _lines: Lines = field(default_factory=Lines)
    _fresh: list[GateBook] = field(default_factory=list[GateBook])
    """What was read since `_lines` were worked out."""
    _votes: _Votes = field(default_factory=_Votes)
    """Of this and of all that were `copied` of it."""

    @property
    def lines(self) -> Lines:
        """By all that was read."""
        fresh, self._fresh = self._fresh, []
        if fresh:
            self._lines.add(
                (one for book in fresh for one in book.receipts),
                (one for book in fresh for one in book.hand_overs),
            )
        return self._lines

    @property
    def recalled(self) -> frozenset[bytes]:
        """Departures that their own universes want back."""
        return frozenset(
            one.id
            for book in self.read.values()
            for one in book.receipts
            if one.id in book.recalled
        )

    async def load(self, names: Iterable[str]) -> None:
        """Raises `Rejected` where it would be too many. What is not here costs no place."""
        for name in sorted(set(names) - self.read.keys()):
            state = await self._state_of(name)
            book = GateBook()
            if state is not None:
                if self.held == UNIVERSES_MAX:
                    detail = f"its story goes through more than {UNIVERSES_MAX} universes"
                    raise Rejected(detail, code=TOO_LONG)
                self.held += 1
                book = await asyncio.to_thread(gatebook_of, document_of(*self._at(name)), state)
                self._count(book, len(book.receipts) + len(book.hand_overs))
            self.read[name] = book
            self._fresh.append(book)

    def _count(self, book: GateBook, statements: int) -> None:
        inline = (one.receipt.traveller.inline or b"" for one in book.receipts)
        self.receipts += statements
        self.bytes_inline += sum(map(len, inline))

    def add(self, universe: str, receipts: Sequence[Checked]) -> None:
        """Written down just now."""
        book = self.read[universe]
        self.read[universe] = replace(book, receipts=(*book.receipts, *receipts))
        self._fresh.append(GateBook(tuple(receipts)))

    async def ask(self, question: Callable[[Lines], T]) -> T:
        """The answer, once every universe that it depends on was read.

        Raises `Rejected` where that is too much.
        """
        while True:
            answer, asked, votes = await asyncio.to_thread(self._asked, question)
            missing, votes = asked - self.read.keys(), votes - self._voted
            if not missing and not votes:
                return _given(answer)
            for name in sorted(missing):
                self._check_room()
                await self.load([name])
            if len(self._voted) + len(votes) > ASKED_MAX:
                detail = f"where it is depends on what more than {ASKED_MAX:,} universes answered"
                raise Rejected(detail, code=TOO_LONG)
            await self._load_votes(sorted(votes))

    def _check_room(self) -> None:
        """For one more universe, or for who has a vote. Raises `Rejected`."""
        if self.receipts >= RECEIPTS_MAX or self.bytes_inline >= BYTES_MAX:
            detail = (
                f"the universes on which its story depends have {self.receipts:,} receipts with"
                f" {self.bytes_inline:,} bytes of travellers: more are not read for it"
            )
            raise Rejected(detail, code=TOO_LONG)

    async def ask_no_more(self, question: Callable[[Lines], T]) -> tuple[T] | None:
        """The answer; None where something else would be read for it. Raises as the question."""
        answer, asked, votes = await asyncio.to_thread(self._asked, question)
        if asked - self.read.keys() or votes - self._voted:
            return None
        return (_given(answer),)

    async def ask_read(
        self, question: Callable[[Lines], T], most: int, first: Callable[[str], bool]
    ) -> tuple[T, bool]:
        """The answer by the universes that were read, and who has a vote in these; whether that is
        all who have one.

        `most`: so many others are looked into for their votes, or as many as there is room for;
        those who are `first` before others.
        """

        def place(vote: tuple[str, str]) -> tuple[bool, str, str]:
            return not first(vote[0]), *vote

        while True:
            answer, _, votes = await asyncio.to_thread(self._asked, question)
            left = [one for one in votes - self._voted if one[1] in self.read]
            if not left or most == 0:
                return _given(answer), not left
            looked_into = sorted(left, key=place)[:most]
            try:
                await self._load_votes(looked_into)
            except Rejected:  # it goes on with those who were
                most = 0
            else:
                most -= len(looked_into)

    def _asked(
        self, question: Callable[[Lines], T]
    ) -> tuple[_Answer[T] | Exception, set[str], frozenset[tuple[str, str]]]:
        """What it answers by now, or refuses; on which universes that depends, and which votes."""
        lines = self.lines
        lines.asked = set()
        answer: _Answer[T] | Exception
        try:
            answer = _Answer(question(lines))
        except (CannotTravel, Rejected) as error:  # perhaps for want of what is missing
            answer = error
        return answer, lines.asked, lines.votes_asked

    async def ask_each(
        self,
        items: Sequence[Q],
        question: Callable[[Sequence[Q], "Books", Lines], list[T]],
        damaged: list[tuple[Q, Corrupt]] | None = None,
        too_long: list[Q] | None = None,
    ) -> list[T]:
        """What it says of all of these, of as many at once as can be read for.

        One that depends on more universes than that is left out, and keeps no other one from being
        answered: it comes to stand in `too_long`. What is read for it is forgotten after. So it is
        with one that depends on what is damaged here, where `damaged` is given: it comes to stand
        there. Else raises `Corrupt`.
        """
        if not items:
            return []
        books = await asyncio.to_thread(self.copied)
        try:
            return await books.ask(lambda lines: question(items, books, lines))
        except Rejected as error:
            if error.reason != TOO_LONG:
                raise
            if len(items) == 1 and too_long is not None:
                too_long.append(items[0])
        except Corrupt as error:
            if damaged is None:
                raise
            if len(items) == 1:
                damaged.append((items[0], error))
        if len(items) == 1:
            return []
        half = len(items) // 2
        first = await self.ask_each(items[:half], question, damaged, too_long)
        return first + await self.ask_each(items[half:], question, damaged, too_long)

    async def _load_votes(self, votes: Iterable[tuple[str, str]]) -> None:
        """What others answered to a universe that was read, and no more of theirs.

        A gate that signed two receipts with one number names whom it likes, and as many: one after
        the other is looked into, so that it is nobody's story that waits however many they are, as
        long as what stands in their documents is not too much: of votes on the one that acts it
        never is. Raises `Rejected`.
        """
        about = dict[str, About]()
        for other, universe in votes:
            if universe not in about:
                about[universe] = self._votes.about(universe, self.read[universe].receipts)
            if other not in self.read:
                is_counted = universe != self.acting
                if is_counted:
                    self._check_room()
                book, statements = await self._vote(other, universe, about[universe])
                if is_counted:
                    self._count(book, statements)
                self._fresh.append(book)
            self._voted.add((other, universe))

    async def _vote(self, other: str, universe: str, about: About) -> Vote:
        """What that one answered to these receipts: read once for all questions of a look."""
        said = self._votes.of((other, universe), about)
        if said is None:
            said, state = (GateBook(), 0), await self._state_of(other)
            if state is not None:
                document = document_of(*self._at(other))
                said = await asyncio.to_thread(votes_of, document, state, about.get(other, ()))
            self._votes.keep((other, universe), about, said)
        return said

    async def _state_of(self, name: str) -> Plain | None:
        # Of a deleted one too: whoever passed through it went on from there.
        self.looked_for += 1
        state = await self.by.store.read(document_of(*self._at(name)))
        return None if state is None else state.value

    def _at(self, name: str) -> tuple[str, str, NamespaceKey]:
        return name, KIND, self.by.namespace

    def copied(self) -> "Books":
        """To go on from here; what is read for it is not in this one."""
        lines = self.lines.copied()
        return Books(
            self.by, self.acting, dict(self.read), self.held,
            receipts=self.receipts, bytes_inline=self.bytes_inline,
            _voted=set(self._voted), _lines=lines, _votes=self._votes,
        )  # fmt: skip
