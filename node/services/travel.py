"""Sending travellers through passages, and answering those that come: what the gate here signs.

    read the books of the universes that matter ─▸ `universe.gate` says what to sign ─▸ one change

Each act reads anew what is held, and is one durable change of the universe's document before
anybody sees it. So a crash at any moment leaves it done or not begun, and doing it again does
nothing twice. One lock keeps two acts of this node from going on from the same place.
"""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from node.errors import Conflict, NotFound, Rejected
from node.services.passages import (
    Ferry,
    document_of,
    passage_named,
    passages_held,
    read_value,
)
from registry.edits import Edit
from registry.errors import CannotTravel, RegistryError
from registry.formats.errors import FormatError
from registry.formats.primordium_migration import read_migration
from universe.gate import (
    Judge,
    Now,
    Verdict,
    Wish,
    coming,
    decide,
    due,
    hand_over,
    send,
)
from universe.gatebook import GateBook, gatebook_of, put_hand_over, put_recall, put_receipts
from universe.gates import sign_hand_over
from universe.lines import Lines
from universe.passage import Passage, judge_arrival
from universe.receipts import (
    INLINE_BYTES_MAX,
    Checked,
    Receipt,
    Traveller,
    Who,
    check_receipt,
    sign_receipt,
)
from universe.travel import In, Story, migration_of, place_of, story_of

T = TypeVar("T")
UNIVERSES_MAX: Final = 256
"""Read for one act: those whose gates a traveller passed, and those they speak of."""
KIND: Final = "uni"
MIGRATION_FORMAT: Final = "primordium-migration"


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
                raise Rejected(detail, code="story-too-long")
            document = document_of(name, KIND, self.by.namespace)
            value = await read_value(self.by, document)
            book = GateBook()
            if value is not None:
                book = await asyncio.to_thread(gatebook_of, document, value)
            self.read[name] = book

    async def ask(self, question: Callable[[Lines], T]) -> T:
        """The answer, once every universe that it depends on was read."""
        while True:
            lines, answer, refused = self.lines, None, None
            try:
                answer = await asyncio.to_thread(question, lines)
            except CannotTravel as error:
                refused = error
            missing = lines.asked - self.read.keys()
            if not missing:
                if refused is not None:
                    raise refused
                return answer  # type: ignore[return-value]  # it answered, as it refused nothing
            await self.load(missing)


@dataclass(frozen=True, slots=True)
class Passenger:
    """Who is to go, as a game tells it."""

    data: bytes
    soul: str
    format: str = "json"
    origin: str | None = None
    """Full name of the universe it comes from; None for whoever of that soul is here."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A departure that is signed and durable."""

    departure: Checked
    story: Story
    is_new: bool


@dataclass(slots=True)
class Gatekeeper:
    """The gates that this device is."""

    by: Ferry
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def key(self) -> bytes:
        return self.by.identity.device.public

    async def take_gate(self, universe: str, *, only_first: bool = False) -> bool:
        """Make this device the gate of one's own universe; whether anything changed.

        `only_first`: only where it has no gate yet. Raises `NotFound`, `CannotTravel`.
        """
        async with self.lock:
            books = await self._books(universe)
            gate = (await books.ask(lambda lines: lines[universe])).gate
            if gate is not None and (only_first or gate.hand_over.gate == self.key):
                return False
            now_us = self.by.clock_us()
            said = await books.ask(
                lambda lines: hand_over(universe, self.key, self.key, lines, now_us)
            )
            signed = sign_hand_over(said, self.by.identity.device)
            await self._write(universe, put_hand_over(signed, now_us=now_us))
            return True

    async def send(
        self, passage: Passage, source: str, migration: bytes, who: Passenger, tick: int
    ) -> Sent:
        """Sign a departure; of a migration that was signed before, that one.

        Raises `Conflict` (`passage-closed`) where it is not open, `Rejected` for what is no
        traveller, `CannotTravel`, `NotFound`.
        """
        target = _other_end(passage, source)
        if len(who.data) > INLINE_BYTES_MAX:
            detail = f"a traveller of {len(who.data)} bytes, at most {INLINE_BYTES_MAX}"
            raise Rejected(detail, code="traveller-too-large")
        await self.take_gate(source, only_first=True)
        async with self.lock:
            books = await self._books(source)
            before = await books.ask(lambda lines: migration_of(migration, source, lines))
            if before is None and not passage.is_open:
                detail = f"{passage.name} is {passage.state}, not open"
                raise Conflict(detail, code="passage-closed")
            if who.origin is not None:
                name = who.origin
            elif before is not None:
                name = before.receipt.traveller.who.origin
            else:
                name = await books.ask(lambda lines: _origin(source, who.soul, lines))
            traveller = Traveller.of(Who(name, who.soul), who.data, who.format)
            wish = Wish(migration, passage.name, target, traveller)
            now = Now(tick, self.by.clock_us())
            said = await books.ask(lambda lines: send(source, self.key, wish, lines, now))
            if isinstance(said, Receipt):
                (said,) = await self._sign(books, source, [said])
            departure = said
            story = await books.ask(lambda lines: story_of(traveller.who, lines))
            return Sent(departure, story, departure is not before)

    async def answer(self, universe: str, tick: int | None = None) -> list[Checked]:
        """Sign what is due at this gate: arrivals, refusals and returns.

        Nothing where this device is not the gate. Raises `NotFound`, `Rejected`.
        """
        async with self.lock:
            books = await self._books(universe)
            passages = await passages_held(self.by, universe)
            await books.load(end for one in passages for end in one.proposed.ends[:2])
            found = {one.name: one for one in passages}
            # Also by those that were closed or never there: somebody waits for an answer.
            for one in await books.ask(lambda lines: list(coming(universe, lines))):
                name = one.receipt.passage
                if name not in found and (passage := await passage_named(self.by, name)):
                    found[name] = passage
            now = await self._now(books, universe, tick)

            def question(lines: Lines) -> list[Receipt]:
                try:
                    return due(
                        universe, self.key, lines, now,
                        judge=_judge(found, lines), recalled=books.recalled,
                    )  # fmt: skip
                except CannotTravel:
                    return []

            return await self._sign(books, universe, await books.ask(question))

    async def decide(
        self, universe: str, departure: bytes, verdict: Verdict, tick: int | None
    ) -> Checked:
        """What a person decided of a traveller that is on its way to `universe`.

        Raises `NotFound` (`unknown-migration`), `CannotTravel`.
        """
        async with self.lock:
            books = await self._books(universe)
            passages = await passages_held(self.by, universe)
            await books.load(end for one in passages for end in one.proposed.ends[:2])
            one = (await books.ask(lambda lines: lines)).held.get(departure)
            if one is None or one.receipt.other != universe:
                detail = "nothing of that name is on its way to here"
                raise NotFound(detail, code="unknown-migration")
            now = await self._now(books, universe, tick)
            said = await books.ask(
                lambda lines: decide(universe, self.key, one, verdict, lines, now)
            )
            if isinstance(said, Receipt):
                (said,) = await self._sign(books, universe, [said])
            return said

    async def recall(self, source: str, migration: bytes) -> Story:
        """Ask for a traveller back: it comes if the other gate has not let it in before it hears.

        Raises `NotFound` (`unknown-migration`).
        """
        async with self.lock:
            books = await self._books(source)
            one = await books.ask(lambda lines: migration_of(migration, source, lines))
            if one is None:
                detail = f"no migration {migration.hex()} left {source}"
                raise NotFound(detail, code="unknown-migration")
            who = one.receipt.traveller.who
            story = await books.ask(lambda lines: story_of(who, lines))
            if getattr(story.place, "departure", None) == one.id:
                await self._write(source, put_recall(one.id, now_us=self.by.clock_us()))
            return story

    async def waiting(self, universe: str) -> list[Checked]:
        """Departures to one's own universe that nobody has answered."""
        books = await self._books(universe)
        passages = await passages_held(self.by, universe)
        await books.load(end for one in passages for end in one.proposed.ends[:2])
        return await books.ask(lambda lines: list(coming(universe, lines)))

    async def stories(self, passage: Passage) -> tuple[list[Story], Lines]:
        """All who ever were to travel through it, as far as is held."""
        books = Books(self.by)
        await books.load(passage.proposed.ends[:2])

        def question(lines: Lines) -> list[Story]:
            names = {
                one.receipt.traveller.who
                for end in passage.proposed.ends[:2]
                for one in lines[end].receipts
                if one.receipt.passage == passage.name
            }
            return [story_of(who, lines) for who in sorted(names)]

        return await books.ask(question), books.lines

    async def _books(self, universe: str) -> Books:
        """With that of one's own universe. Raises `NotFound` (`unknown-universe`)."""
        document = document_of(universe, KIND, self.by.namespace)
        if await read_value(self.by, document) is None:
            raise NotFound(f"no universe {universe} is here", code="unknown-universe")
        books = Books(self.by)
        await books.load([universe])
        return books

    async def _now(self, books: Books, universe: str, tick: int | None) -> Now:
        """Where nobody says the tick: that of the last receipt."""
        receipts = (await books.ask(lambda lines: lines[universe])).receipts
        last = receipts[-1].receipt.tick if receipts else 0
        return Now(last if tick is None else tick, self.by.clock_us())

    async def _sign(
        self, books: Books, universe: str, receipts: Sequence[Receipt]
    ) -> list[Checked]:
        if not receipts:
            return []
        signed = [sign_receipt(one, self.by.identity.device) for one in receipts]
        await self._write(universe, put_receipts(signed, now_us=self.by.clock_us()))
        checked = [check_receipt(one) for one in signed]
        book = books.read[universe]
        books.read[universe] = GateBook((*book.receipts, *checked), book.hand_overs, book.recalled)
        return checked

    async def _write(self, universe: str, edit: Edit) -> None:
        document = document_of(universe, KIND, self.by.namespace)
        signer = await self.by.signers.for_document(document)
        await self.by.store.commit(document, edit, signer)


def migration_passenger(data: bytes, soul: str | None) -> tuple[bytes, Passenger]:
    """(migration id, who) of a MigrateEntity message, kept as it is. Raises `InvalidFile`."""
    (found,) = read_migration(data, "traveller")
    id = str(found.fields["migration_id"])
    return uuid.UUID(id).bytes, Passenger(data, soul or id, MIGRATION_FORMAT)


def _judge(passages: dict[str, Passage], lines: Lines) -> Judge:
    def judge(departure: Checked) -> Verdict:
        said = departure.receipt
        data = said.traveller.inline
        if data is None:
            return Verdict("refuse", "its bytes are not told in its departure")
        if said.traveller.format == MIGRATION_FORMAT:
            try:
                read_migration(data, "traveller")
            except (FormatError, RegistryError):
                return Verdict("refuse", "it is no MigrateEntity whose checksum holds")
        is_suspect = lines[said.universe].is_suspect
        return judge_arrival(departure, passages.get(said.passage), is_suspect=is_suspect)

    return judge


def _origin(source: str, soul: str, lines: Lines) -> str:
    """Where whoever of that soul is here comes from; `source` itself for who never travelled."""
    came = [
        one.receipt.traveller.who
        for one in lines[source].receipts
        if one.receipt.traveller.who.soul == soul
    ]
    here = {who.origin for who in came if place_of(who, lines) == In(source)} - {source}
    if len(here) == 1:
        return here.pop()
    if here:
        listed = ", ".join(sorted(here))
        raise CannotTravel(f"several of that soul are here: say the origin, {listed}", "ambiguous")
    return source


def _other_end(passage: Passage, source: str) -> str:
    ends = passage.proposed.ends[:2]
    if source not in ends:
        raise Rejected(f"{passage.name} does not lead from {source}", code="not-an-end")
    return ends[1] if source == ends[0] else ends[0]
