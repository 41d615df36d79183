"""Sending travellers through passages, and answering those that come: what the gate here signs.

    read the books of the universes that matter ─▸ `universe.gate` says what to sign ─▸ one change

Each act reads anew what is held, and is one durable change of the universe's document before
anybody sees it. So a crash at any moment leaves it done or not begun, and doing it again does
nothing twice. One lock keeps two acts of this node from going on from the same place.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from crdt.blob import BlobId
from node.errors import Conflict, NotFound, Rejected
from node.services.coming import StoryTurns
from node.services.deleting import refuse_deleted, was_deleted
from node.services.ends import departure_to, missing_at, open_at
from node.services.gatebooks import KIND, Books
from node.services.looking import Came, Gate, Look, passages_through
from node.services.passages import Ferry, check_carries, document_of, other_end, read_value
from node.services.passengers import MIGRATION_FORMAT, Passenger, who_goes
from node.services.room import check_may_decide, check_room, full, places_at
from node.services.verdicts import Wanted, by_its_blob, has_share, is_agreed
from registry.edits import Edit
from registry.errors import CannotTravel
from universe.behind import check_may_give_up, check_none_missing, given_up_with
from universe.gate import ANSWERS_MAX, Now, Verdict, Wish, decide, gate_of, hand_over, is_gate, send
from universe.gatebook import put_hand_over, put_recall, put_receipts
from universe.gates import sign_hand_over
from universe.names import parse_full_name
from universe.passage import Passage
from universe.receipts import (
    INLINE_BYTES_MAX,
    TRAVELLER_BYTES_MAX,
    Checked,
    Receipt,
    Traveller,
    Who,
    check_receipt,
    sign_receipt,
)
from universe.record import WORD
from universe.room import ENDLESS
from universe.shares import Shares
from universe.travel import Story, migration_of, story_of


@dataclass(frozen=True, slots=True)
class Sent:
    """A departure that is signed and durable."""

    departure: Checked
    story: Story
    is_new: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """How a gate answered: now, or before, whatever is wanted now."""

    answer: Checked
    is_new: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of taking a gate."""

    is_changed: bool
    given_up: tuple[Checked, ...] = ()
    """Answers of others to receipts that are lost."""


@dataclass(slots=True)
class Gatekeeper:
    """The gates that this device is."""

    by: Ferry
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: dict[BlobId, Wanted] = field(default_factory=dict[BlobId, Wanted])
    """Blobs of travellers that wait for their bytes."""
    hashes: dict[BlobId, bytes] = field(default_factory=dict[BlobId, bytes])
    """Of the bytes in blobs of travellers, where they were read."""
    whole: set[BlobId] = field(default_factory=set[BlobId])
    """Blobs of these that were read since this look began: a keeper is made for each."""
    stories: StoryTurns = field(default_factory=StoryTurns)
    put_off_until_us: int | None = None
    """When there is a next look though nothing changes, as the first who waits for the next day may
    be answered, or not all stories were read, or some are left out for an hour; None: nobody waits
    so."""
    damage: str = ""
    """Of an end of which the last look could not read what it says; '' where it could."""

    @property
    def key(self) -> bytes:
        return self.by.identity.device.public

    async def check_first(self, universe: str, other: str) -> None:
        """Before a passage to `other` makes this device the first gate: nothing of it is missing.

        Raises as `take_gate`.
        """
        books = await self._books(universe)
        if (await books.ask(lambda lines: lines[universe])).gate is None:
            await self._check_none_missing(books, universe, other)

    async def take_gate(
        self, universe: str, *, only_first: bool = False, anyway: bool = False
    ) -> Taken:
        """Make this device the gate of one's own universe.

        `only_first`: only where it has no gate yet. `anyway`: also where others answered what is
        not here; it is given up, and the gate is handed over even to the device that has it. That
        is so too where that device signed two receipts with one number.
        Raises `NotFound`, `CannotTravel` (`gate-behind`, `too-many-gates`).
        """
        async with self.lock:
            books = await self._books(universe)
            line = await books.ask(lambda lines: lines[universe])
            if line.gate is not None and only_first:
                return Taken(is_changed=False)
            told = await missing_at(self.by, books, universe)
            missing = told.answers
            if not anyway:
                check_none_missing(universe, missing)
            is_ours = line.gate is not None and line.gate.hand_over.gate == self.key
            is_stopped = line.is_suspect or (anyway and (missing or line.has_gap))
            if is_ours and not is_stopped:
                return Taken(is_changed=False)
            if line.gate is not None:
                check_may_give_up(universe, line.gate.hand_over.epoch, missing, told.passages)
            now_us = self.by.clock_us()
            said = await books.ask(
                lambda lines: hand_over(universe, self.key, self.key, lines, now_us, anyway=anyway)
            )
            signed = sign_hand_over(said, self.by.identity.device)
            given_up = given_up_with(missing, books.read[universe].given_up)
            await self._write(universe, put_hand_over(signed, now_us=now_us, given_up=given_up))
            return Taken(is_changed=True, given_up=tuple(missing))

    async def send(
        self, passage: Passage, source: str, migration: bytes, who: Passenger, tick: int | None
    ) -> Sent:
        """Sign a departure; of a migration that was signed before, that one.

        Raises `Conflict` (`passage-closed`, `passage-unstable`) where nobody travels through it,
        `Rejected` for what is no traveller, `CannotTravel`, `NotFound`.
        """
        target = other_end(passage, source)
        is_message = who.format == MIGRATION_FORMAT
        most = INLINE_BYTES_MAX if is_message else TRAVELLER_BYTES_MAX
        if len(who.data) > most:
            detail = f"a {who.format} traveller of {len(who.data)} bytes, at most {most}"
            raise Rejected(detail, code="traveller-too-large")
        async with self.lock:
            books = await self._books(source)
            before = await books.ask(lambda lines: migration_of(migration, source, lines))
            if before is None:
                check_carries(passage, self.by.clock_us())
                await self._check_there(target)
                await self._check_known(books, source)
            beside = await asyncio.to_thread(books.copied)  # a story may fill what it is read into
            named = await who_goes(books, source, who, before)
            traveller = await self._traveller(named, who)
            wish = Wish(migration, passage.name, target, traveller)
            now = await self._now(books, source, tick)
            said = await books.ask(lambda lines: send(source, self.key, wish, lines, now))
            if isinstance(said, Receipt):
                await check_room(self.by, beside, source, passage, target)
                (said,) = await self._sign(books, source, [said])
            departure = said
            story = await books.ask(lambda lines: story_of(traveller.who, lines))
            _check_told(story, source)
            return Sent(departure, story, departure is not before)

    async def _traveller(self, named: Who, who: Passenger) -> Traveller:
        """With its bytes, or as a blob of this node; the same bytes are the same blob."""
        if len(who.data) <= INLINE_BYTES_MAX:
            return Traveller.of(named, who.data, who.format)
        blob = await self.by.store.put_blob(who.data)
        return Traveller.in_blob(named, who.data, who.format, blob)

    async def answer(self, universe: str, tick: int | None = None) -> list[Checked]:
        """Sign what is due at this gate: arrivals, refusals and returns.

        Nothing where this device is not the gate. Into a universe that was deleted nobody is let.
        Raises `NotFound`, `Rejected`; `CannotTravel` (`gate-behind`) where there is something to
        sign, and others answered what is not here; `Corrupt` the same, where what others answered
        cannot be read.
        """
        self.damage = ""
        async with self.lock:
            books = await self._books(universe, even_deleted=True)
            if not await books.ask(lambda lines: is_gate(universe, self.key, lines)):
                return []
            open_ = await open_at(self.by, books, universe)
            self.damage = open_.damage
            passages = await passages_through(self.by, open_.coming)
            # What came through none of one's own waits, and its story is not even read.
            own = [
                one
                for one in open_.coming
                if is_agreed(passages[one.receipt.passage], universe, one.receipt.universe)
            ]
            now_us = self.by.clock_us()
            shares = await books.ask(lambda lines: Shares(lines[universe].receipts, now_us))
            free = [one for one in own if has_share(passages[one.receipt.passage], shares)]
            coming, coming_us = await self.stories.coming(books, universe, free)
            refused, refused_us = await self.stories.refused(books, universe, open_.refused)
            now = await self._now(books, universe, tick)
            is_gone = await self._is_deleted(universe)
            came = Came(coming, refused, open_.recalled, passages, is_gone)
            gate = Gate(universe, self.key, now)
            look = Look(books, gate, came, self._by_blob, self._by_whole_blob)
            places = places_at(books, universe, open_.away)
            said = await look.due(places)
            could = await look.could(places) if len(said) == ANSWERS_MAX else ()
            # Also where nothing can be signed now: else nobody would look at these again.
            self._look_again(coming_us, refused_us, shares.put_off_until(own, said))
            if said:
                await self._check_none_missing(books, universe)
            elif places.for_others < 1 and (waiting := await look.wanted(ENDLESS)):
                raise full(books, universe, places, len(waiting))
            signed = await self._sign(books, universe, said, _returned(said, refused))
            self.stories.answered(universe, said, could)
            return signed

    def _look_again(self, *times_us: int | None) -> None:
        times = [one for one in (*times_us, self.put_off_until_us) if one is not None]
        self.put_off_until_us = min(times, default=None)

    async def decide(
        self, universe: str, departure: bytes, verdict: Verdict, tick: int | None
    ) -> Decided:
        """What a person decided of a traveller that is on its way to `universe`.

        Raises `NotFound` (`unknown-migration`), `CannotTravel`.
        """
        async with self.lock:
            books = await self._books(universe)
            one = await departure_to(self.by, books, universe, departure)
            if one is None:
                detail = "nothing of that name is on its way to here"
                raise NotFound(detail, code="unknown-migration")
            await self._check_known(books, universe)
            blob = one.receipt.traveller.blob
            if verdict.word == "accept" and blob is not None:
                self.whole.discard(blob)
                by_blob = await self._by_whole_blob(one)
                if by_blob.word != "accept":
                    raise CannotTravel(f"it is not let in: {by_blob.reason}", "bytes-missing")
            now = await self._now(books, universe, tick)
            beside = await asyncio.to_thread(books.copied)  # a story may fill what it is read into
            said = await books.ask(
                lambda lines: decide(universe, self.key, one, verdict, lines, now)
            )
            if isinstance(said, Checked):
                return Decided(said, is_new=False)
            await check_may_decide(beside, universe)
            (signed,) = await self._sign(books, universe, [said])
            return Decided(signed, is_new=True)

    async def _by_whole_blob(self, departure: Checked) -> Verdict:
        """As `_by_blob`, by what lies there in this look: what was read before may have rotted."""
        blob = departure.receipt.traveller.blob
        if blob is not None and blob not in self.whole:
            self.hashes.pop(blob, None)
        return await self._by_blob(departure)

    async def _by_blob(self, departure: Checked) -> Verdict:
        """And wants the blob where it is not here."""
        one = departure.receipt.traveller
        if one.blob is None:
            return Verdict("accept")
        is_known = one.blob in self.hashes
        verdict = await by_its_blob(self.by.store, departure, self.hashes)
        if one.blob in self.hashes and not is_known:
            self.whole.add(one.blob)
        if verdict.word == "wait":
            before = self.wanted.get(one.blob, Wanted(0, frozenset()))
            self.wanted[one.blob] = before.with_(one.size, departure.receipt.passage)
        return verdict

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

    async def _check_known(self, books: Books, universe: str) -> None:
        """Raises `CannotTravel` where this device is not the gate, or is behind; `Corrupt`."""
        await books.ask(lambda lines: gate_of(universe, self.key, lines))
        await self._check_none_missing(books, universe)

    async def _check_none_missing(self, books: Books, universe: str, *others: str) -> None:
        missing = await missing_at(self.by, books, universe, *others)
        check_none_missing(universe, missing.answers)

    async def _check_there(self, universe: str) -> None:
        """Raises `Conflict` where its owner deleted it; one that is not here may be there."""
        if await was_deleted(self.by.store, document_of(universe, KIND, self.by.namespace)):
            detail = f"{universe} was deleted by its owner: nobody is let in there"
            raise Conflict(detail, code="passage-closed")

    async def _is_deleted(self, universe: str) -> bool:
        document = document_of(universe, KIND, self.by.namespace)
        return await read_value(self.by, document) is None

    async def _books(self, universe: str, *, even_deleted: bool = False) -> Books:
        """With that of one's own universe.

        Raises `NotFound` (`unknown-universe`), `Conflict` (`deleted`).
        """
        document = document_of(universe, KIND, self.by.namespace)
        is_held = even_deleted and await self.by.store.read(document) is not None
        if not is_held and await self._is_deleted(universe):
            await refuse_deleted(self.by.store, document)
            raise NotFound(f"no universe {universe} is here", code="unknown-universe")
        books = Books(self.by, universe)
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
        self,
        books: Books,
        universe: str,
        receipts: Sequence[Receipt],
        returned: Collection[bytes] = (),
    ) -> list[Checked]:
        if not receipts:
            return []
        signed = [sign_receipt(one, self.by.identity.device) for one in receipts]
        gate = (await books.ask(lambda lines: lines[universe])).gate
        by = None if gate is None else gate.id
        edit = put_receipts(signed, now_us=self.by.clock_us(), returned=returned, hand_over=by)
        await self._write(universe, edit)
        checked = [check_receipt(one) for one in signed]
        books.add(universe, checked)
        return checked

    async def _write(self, universe: str, edit: Edit) -> None:
        document = document_of(universe, KIND, self.by.namespace)
        signer = await self.by.signers.for_document(document)
        await self.by.store.commit(document, edit, signer)


def _returned(said: Sequence[Receipt], refused: Sequence[Checked]) -> set[bytes]:
    """Departures of those who are back by what is said."""
    answered = {one.answers for one in said}
    return {one.receipt.answers or b"" for one in refused if one.id in answered}


def _check_told(story: Story, source: str) -> None:
    """Of who left `source`. Raises `CannotTravel` where how it came there is not held."""
    if not story.receipts:
        detail = f"how {story.who.soul} came to {source} is not held here"
        raise CannotTravel(detail, "gate-behind")
