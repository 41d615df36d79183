"""The books of gates, read from the store as far as a question depends on them."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from node.errors import Rejected
from node.services.passages import Ferry, document_of
from registry.errors import CannotTravel
from universe.gatebook import GateBook, gatebook_of
from universe.lines import Lines

T = TypeVar("T")
Q = TypeVar("Q")
TOO_LONG: Final = "story-too-long"
UNIVERSES_MAX: Final = 256
"""Read for one act: those whose gates a traveller passed, and those they speak of."""
KIND: Final = "uni"


@dataclass(slots=True)
class Books:
    """The gates' books that were read, and what follows from them."""

    by: Ferry
    read: dict[str, GateBook] = field(default_factory=dict[str, GateBook])

    @property
    def lines(self) -> Lines:
        held = self.read.values()
        return Lines(
            (one for book in held for one in book.receipts),
            (one for book in held for one in book.hand_overs),
        )

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
        """Raises `Rejected` where it would be too many."""
        for name in sorted(set(names) - self.read.keys()):
            if len(self.read) == UNIVERSES_MAX:
                detail = f"its story goes through more than {UNIVERSES_MAX} universes"
                raise Rejected(detail, code=TOO_LONG)
            document = document_of(name, KIND, self.by.namespace)
            # Of a deleted one too: whoever passed through it went on from there.
            state = await self.by.store.read(document)
            book = GateBook()
            if state is not None:
                book = await asyncio.to_thread(gatebook_of, document, state.value)
            self.read[name] = book

    async def ask(self, question: Callable[[Lines], T]) -> T:
        """The answer, once every universe that it depends on was read."""
        while True:
            answer, refused = None, None
            lines = await asyncio.to_thread(lambda: self.lines)
            try:
                answer = await asyncio.to_thread(question, lines)
            except (CannotTravel, Rejected) as error:  # perhaps for want of what is missing
                refused = error
            missing = lines.asked - self.read.keys()
            if not missing:
                if refused is not None:
                    raise refused
                return answer  # type: ignore[return-value]  # it answered, as it refused nothing
            await self.load(missing)

    async def ask_each(
        self, items: Sequence[Q], question: Callable[[Sequence[Q], "Books", Lines], list[T]]
    ) -> list[T]:
        """What it says of all of these, of as many at once as can be read for.

        One that depends on more universes than that is left out, and keeps no other one from being
        answered. What is read for it is forgotten after.
        """
        if not items:
            return []
        books = Books(self.by, dict(self.read))
        try:
            return await books.ask(lambda lines: question(items, books, lines))
        except Rejected as error:
            if error.reason != TOO_LONG:
                raise
        if len(items) == 1:
            return []
        half = len(items) // 2
        first = await self.ask_each(items[:half], question)
        return first + await self.ask_each(items[half:], question)
