"""Sending travellers through passages, and answering those that come: what the gate here signs.

    read the books of the universes that matter ─▸ `universe.gate` says what to sign ─▸ one change

Each act reads anew what is held, and is one durable change of the universe's document before
anybody sees it. So a crash at any moment leaves it done or not begun, and doing it again does
nothing twice. One lock keeps two acts of this node from going on from the same place.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from node.errors import Conflict, NotFound, Rejected
from node.services.gatebooks import KIND, Books
from node.services.passages import (
    Ferry,
    document_of,
    own_halves,
    passage_named,
    read_value,
)
from node.services.passengers import MIGRATION_FORMAT, Passenger, who_goes
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
from universe.gatebook import GateBook, put_hand_over, put_recall, put_receipts
from universe.gates import sign_hand_over
from universe.lines import Lines
from universe.passage import Passage, judge_arrival
from universe.receipts import (
    INLINE_BYTES_MAX,
    Checked,
    Receipt,
    Traveller,
    check_receipt,
    sign_receipt,
)
from universe.travel import Story, migration_of, story_of


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
            named = await books.ask(lambda lines: who_goes(source, who, before, lines))
            traveller = Traveller.of(named, who.data, who.format)
            wish = Wish(migration, passage.name, target, traveller)
            now = Now(tick, self.by.clock_us())
            said = await books.ask(lambda lines: send(source, self.key, wish, lines, now))
            if isinstance(said, Receipt):
                (said,) = await self._sign(books, source, [said])
            departure = said
            story = await books.ask(lambda lines: story_of(traveller.who, lines))
            _check_told(story, source)
            return Sent(departure, story, departure is not before)

    async def answer(self, universe: str, tick: int | None = None) -> list[Checked]:
        """Sign what is due at this gate: arrivals, refusals and returns.

        Nothing where this device is not the gate. Into a universe that was deleted nobody is let.
        Raises `NotFound`, `Rejected`.
        """
        async with self.lock:
            books = await self._books(universe, even_deleted=True)
            is_gone = await self._is_deleted(universe)
            await books.load(await self._other_ends(universe))
            found: dict[str, Passage] = {}
            for one in await books.ask(lambda lines: list(coming(universe, lines))):
                name = one.receipt.passage
                if name not in found and (passage := await passage_named(self.by, name)):
                    found[name] = passage
            now = await self._now(books, universe, tick)

            def question(lines: Lines) -> list[Receipt]:
                try:
                    return due(
                        universe, self.key, lines, now,
                        judge=_judge(found, lines, is_gone=is_gone), recalled=books.recalled,
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
            await books.load(await self._other_ends(universe))
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
            books = await self._books(source, even_deleted=True)
            one = await books.ask(lambda lines: migration_of(migration, source, lines))
            if one is None:
                detail = f"no migration {migration.hex()} left {source}"
                raise NotFound(detail, code="unknown-migration")
            who = one.receipt.traveller.who
            story = await books.ask(lambda lines: story_of(who, lines))
            _check_told(story, source)
            if getattr(story.place, "departure", None) == one.id:
                await self._write(source, put_recall(one.id, now_us=self.by.clock_us()))
            return story

    async def waiting(self, universe: str) -> list[Checked]:
        """Departures to one's own universe that nobody has answered."""
        books = await self._books(universe, even_deleted=True)
        await books.load(await self._other_ends(universe))
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
            told = [story_of(who, lines) for who in sorted(names)]
            # A gate may say anything of who never left: that is in nobody's story.
            return [one for one in told if one.receipts]

        return await books.ask(question), books.lines

    async def _other_ends(self, universe: str) -> set[str]:
        """Universes that this author ever joined with it: travellers may be on their way."""
        halves = [one.ends[:2] for one in await own_halves(self.by)]
        return {end for ends in halves if universe in ends for end in ends}

    async def _is_deleted(self, universe: str) -> bool:
        document = document_of(universe, KIND, self.by.namespace)
        return await read_value(self.by, document) is None

    async def _books(self, universe: str, *, even_deleted: bool = False) -> Books:
        """With that of one's own universe. Raises `NotFound` (`unknown-universe`)."""
        document = document_of(universe, KIND, self.by.namespace)
        is_held = even_deleted and await self.by.store.read(document) is not None
        if not is_held and await self._is_deleted(universe):
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


def _judge(passages: dict[str, Passage], lines: Lines, *, is_gone: bool) -> Judge:
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
        verdict = judge_arrival(departure, passages.get(said.passage), is_suspect=is_suspect)
        if is_gone and verdict.word != "wait":
            return Verdict("refuse", "the universe was deleted")
        return verdict

    return judge


def _check_told(story: Story, source: str) -> None:
    """Of who left `source`. Raises `CannotTravel` where how it came there is not held."""
    if not story.receipts:
        detail = f"how {story.who.soul} came to {source} is not held here"
        raise CannotTravel(detail, "gate-behind")


def _other_end(passage: Passage, source: str) -> str:
    ends = passage.proposed.ends[:2]
    if source not in ends:
        raise Rejected(f"{passage.name} does not lead from {source}", code="not-an-end")
    return ends[1] if source == ends[0] else ends[0]
