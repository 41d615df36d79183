"""Sending travellers through passages, and answering those that come: what the gate here signs.

    read the books of the universes that matter ─▸ `universe.gate` says what to sign ─▸ one change

Each act reads anew what is held, and is one durable change of the universe's document before
anybody sees it. So a crash at any moment leaves it done or not begun, and doing it again does
nothing twice. One lock keeps two acts of this node from going on from the same place.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
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
    Found,
    Judge,
    Now,
    Verdict,
    Wish,
    decide,
    due,
    hand_over,
    is_coming,
    is_refused,
    send,
    unanswered,
    unreturned,
)
from universe.gatebook import GateBook, put_hand_over, put_recall, put_receipts
from universe.gates import sign_hand_over
from universe.lines import Lines
from universe.names import parse_full_name
from universe.passage import Half, Passage, judge_arrival
from universe.receipts import (
    INLINE_BYTES_MAX,
    Checked,
    Receipt,
    Traveller,
    check_receipt,
    sign_receipt,
)
from universe.record import WORD
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
        self, passage: Passage, source: str, migration: bytes, who: Passenger, tick: int | None
    ) -> Sent:
        """Sign a departure; of a migration that was signed before, that one.

        Raises `Conflict` (`passage-closed`) where it is not open, `Rejected` for what is no
        traveller, `CannotTravel`, `NotFound`.
        """
        target = _other_end(passage, source)
        if len(who.data) > INLINE_BYTES_MAX:
            detail = f"a traveller of {len(who.data)} bytes, at most {INLINE_BYTES_MAX}"
            raise Rejected(detail, code="traveller-too-large")
        async with self.lock:
            books = await self._books(source)
            before = await books.ask(lambda lines: migration_of(migration, source, lines))
            if before is None and not passage.is_open:
                detail = f"{passage.name} is {passage.state}, not open"
                raise Conflict(detail, code="passage-closed")
            named = await books.ask(lambda lines: who_goes(source, who, before, lines))
            traveller = Traveller.of(named, who.data, who.format)
            wish = Wish(migration, passage.name, target, traveller)
            now = await self._now(books, source, tick)
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
            open_ = await self._open(books, universe)
            passages: dict[str, Passage | None] = {}
            for one in open_.coming:
                name = one.receipt.passage
                if name not in passages:
                    passages[name] = await passage_named(self.by, name)
            # What came through none of one's own waits, and its story is not even read.
            own = [one for one in open_.coming if _half(passages[one.receipt.passage], universe)]
            coming = await books.ask_each(own, _coming)
            refused = await books.ask_each(open_.refused, _refused)
            now = await self._now(books, universe, tick)
            found = Found([one for one, _ in coming], refused)
            suspect = {one.id for one, is_suspect in coming if is_suspect}
            is_gone = await self._is_deleted(universe)
            judge = _judge(passages, suspect, is_gone=is_gone)

            def question(lines: Lines) -> list[Receipt]:
                try:
                    return due(
                        universe, self.key, lines, now,
                        judge=judge, recalled=open_.recalled, found=found,
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
            one = await self._departure(books, universe, departure)
            if one is None:
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
        open_ = await self._open(books, universe)
        return [one for one, _ in await books.ask_each(open_.coming, _coming)]

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

    async def _open(self, books: Books, universe: str) -> "_Open":
        """What the other ends say that this gate has not answered."""
        ends = sorted(await self._other_ends(universe))
        recalled: set[bytes] = set()

        def question(ends: Sequence[str], books: Books, lines: Lines) -> list[tuple[bool, Checked]]:
            found = [(True, one) for end in ends for one in unanswered(universe, end, lines)]
            found += [(False, one) for end in ends for one in unreturned(universe, end, lines)]
            recalled.update(books.recalled)
            return found

        found = await books.ask_each(ends, question)
        coming = [one for is_coming, one in found if is_coming]
        return _Open(coming, [one for is_coming, one in found if not is_coming], recalled)

    async def _departure(self, books: Books, universe: str, id: bytes) -> Checked | None:
        """Of that id to here, counted or not, answered or not."""

        def question(ends: Sequence[str], _: Books, lines: Lines) -> list[Checked]:
            said = [one for end in ends for one in (*lines[end].receipts, *lines[end].apart)]
            return [one for one in said if one.id == id and one.receipt.other == universe]

        ends = sorted(await self._other_ends(universe))
        return next(iter(await books.ask_each(ends, question)), None)

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
        """Where nobody says the tick: the highest of its snapshots and events, or of the last
        receipt, so that who comes now did not come before them."""
        if tick is None:
            receipts = (await books.ask(lambda lines: lines[universe])).receipts
            last = receipts[-1].receipt.tick if receipts else 0
            tick = max(last, await self._told_tick(universe))
        return Now(tick, self.by.clock_us())

    async def _told_tick(self, universe: str) -> int:
        author, id = parse_full_name(universe)
        row = await self.by.store.listing(WORD, author, id, self.by.namespace)
        return 0 if row is None else await self.by.store.last_tick(row.number)

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


@dataclass(frozen=True, slots=True)
class _Open:
    """What a gate may have to answer, and departures that are wanted back."""

    coming: list[Checked]
    refused: list[Checked]
    recalled: set[bytes]


def _coming(departures: Sequence[Checked], _: Books, lines: Lines) -> list[tuple[Checked, bool]]:
    """Those on their way, and whether the gate that sent each is suspect."""
    return [
        (one, lines[one.receipt.universe].is_suspect) for one in departures if is_coming(one, lines)
    ]


def _refused(refusals: Sequence[Checked], _: Books, lines: Lines) -> list[Checked]:
    return [one for one in refusals if is_refused(one, lines)]


def _half(passage: Passage | None, universe: str) -> Half | None:
    """That of the owner of `universe`."""
    return None if passage is None else passage.half_of(parse_full_name(universe)[0])


def _judge(
    passages: Mapping[str, Passage | None], suspect: Collection[bytes], *, is_gone: bool
) -> Judge:
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
        is_suspect = departure.id in suspect
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
