"""What gates of others answered to an author's travellers, read as far as it costs little.

    passages that those who count have with the author ─▸ both their ends
    passages that others have with them, or had        ─▸ the author's end ┐
    the author's other universes that have a gate ─────────────────────────┴▸ where they went

An author makes as many universes as they like, with a gate or without, so none of these may keep
out what somebody else signed: what those who count agreed to with a passage is read before. What
has no gate has no receipts, and is not read at all.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from node.services.gatebooks import UNIVERSES_MAX, Books
from node.services.passages import Ferry
from storage.listings import PAGE_MAX
from universe.journeys import journey_facts, left_for
from universe.lines import Lines
from universe.names import parse_full_name
from universe.passage import WORD as PASSAGE
from universe.passage import listed_half
from universe.record import WORD as UNIVERSE
from universe.reputation import Fact

T = TypeVar("T")
LEFT_MAX: Final = 32
"""Universes of an author whose gates' receipts are read."""
ANSWERING_MAX: Final = 64
"""Of others, to which travellers went from there."""
VOTING_MAX: Final = 256
"""Of others whose word decides which of two receipts stands, as a gate names as many as it likes:
those of who counts are looked into first."""
FAR_RECEIPTS_MAX: Final = 20_000
"""With so many read, of 70 µs each, nothing more is begun in which nobody who counts has a part."""
FAR_BYTES_MAX: Final = 64 << 20
"""The same of the bytes of travellers in them."""
PAGES_MAX: Final = 10
"""Of an author's universes that are looked through for those with a gate."""


class _Gate(msgspec.Struct, frozen=True):
    """Of a listed universe what is asked for here."""

    gate: str = ""
    receiptCount: int | None = None

    @property
    def is_there(self) -> bool:
        """Who names no gate may have one all the same: then something of it is kept."""
        return bool(self.gate or self.receiptCount)


class _Joined(msgspec.Struct, frozen=True, order=True):
    """Two universes of two authors, by what one of them says of a passage."""

    before_us: int
    """Of two the one said last is the lesser."""
    ends: tuple[str, str]


_GATE: Final = msgspec.json.Decoder(_Gate)


@dataclass(slots=True)
class _Reading:
    """What was read so far."""

    by: Ferry
    books: Books
    left: list[str] = field(default_factory=list[str])
    """The author's universes with receipts, in the order in which they were read."""
    answering: list[str] = field(default_factory=list[str])
    receipts: int = 0
    bytes_inline: int = 0
    is_whole: bool = True

    async def read_left(self, names: Iterable[str], *, is_far: bool) -> None:
        await self._read(names, self.left, LEFT_MAX, is_far=is_far)

    async def read_answering(self, names: Iterable[str], *, is_far: bool) -> None:
        await self._read(names, self.answering, ANSWERING_MAX, is_far=is_far)

    async def _read(
        self, names: Iterable[str], into: list[str], most: int, *, is_far: bool
    ) -> None:
        """Of these in their order what has receipts, up to `most`; one without costs no place."""
        for name in names:
            if name in self.books.read:
                continue
            is_full = len(into) == most or len(self.books.read) == UNIVERSES_MAX
            if is_full or (is_far and self._is_much):
                self.is_whole = False
                return
            await self.books.load([name])
            receipts = self.books.read[name].receipts
            self.receipts += len(receipts)
            self.bytes_inline += sum(len(one.receipt.traveller.inline or b"") for one in receipts)
            if receipts:
                into.append(name)

    @property
    def _is_much(self) -> bool:
        return self.receipts >= FAR_RECEIPTS_MAX or self.bytes_inline >= FAR_BYTES_MAX


async def journeys_of(by: Ferry, author: str, counting: Collection[str]) -> tuple[list[Fact], bool]:
    """What gates answered to travellers of `author`'s, and whether all that is held was looked at.

    `counting`: did:keys of oneself and of whom one follows.
    """
    reading = _Reading(by, Books(by))
    for end in await _near(by, author, counting, reading):
        read = reading.read_left if _owner(end) == author else reading.read_answering
        await read([end], is_far=False)
    far = sorted(await _joined(by, author, None, reading))
    joined = (end for one in far for end in one.ends if _owner(end) == author)
    await reading.read_left([*joined, *await _gated(by, author, reading)], is_far=True)

    def is_counted(name: str) -> bool:
        return _owner(name) in counting

    async def ask(question: Callable[[Lines], T]) -> T:
        told, is_whole = await reading.books.ask_read(question, VOTING_MAX, is_counted)
        reading.is_whole = reading.is_whole and is_whole
        return told

    went = await ask(lambda lines: left_for(reading.left, lines))

    def place(name: str) -> tuple[bool, str]:
        return not is_counted(name), name

    others = sorted((one for one in went if _owner(one) != author), key=place)
    await reading.read_answering(others, is_far=True)

    facts = await ask(lambda lines: list(journey_facts(reading.left, lines)))
    # Of who only has a vote not all was read that may say otherwise.
    return [one for one in facts if one.of in reading.books.read], reading.is_whole


async def _near(by: Ferry, author: str, counting: Collection[str], reading: _Reading) -> list[str]:
    """Both ends of the passages that those who count have with the author, the newest word first.

    The author can make none of these alone, and closing or deleting a universe hides none.
    """
    said: list[_Joined] = []
    for one in sorted({*counting} - {author}):
        said += await _joined(by, author, one, reading)
    return list(dict.fromkeys(end for one in sorted(said) for end in one.ends))


async def _joined(by: Ferry, author: str, signer: str | None, reading: _Reading) -> list[_Joined]:
    """What `signer`, or whoever spoke last, says of passages with the author."""
    page = await by.store.listings(
        PASSAGE, author=signer, limit=PAGE_MAX, namespaces=[by.namespace]
    )
    reading.is_whole = reading.is_whole and page.next is None
    halves = [(row.listing.updated_us, listed_half(row.listing.fields)) for row in page.rows]
    return [
        _Joined(-updated_us, (half.source, half.target))
        for updated_us, half in halves
        if half.author != author and {author, half.author} == set(map(_owner, half.ends[:2]))
    ]


async def _gated(by: Ferry, author: str, reading: _Reading) -> list[str]:
    """The author's universes with a gate: those that changed last are first."""
    found: list[str] = []
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = await by.store.listings(
            UNIVERSE, author=author, limit=PAGE_MAX, cursor=cursor, namespaces=[by.namespace]
        )
        rows = [row.listing for row in page.rows]
        found += [one.target for one in rows if _GATE.decode(one.fields).is_there]
        cursor = page.next
        if cursor is None:
            return found
    reading.is_whole = False
    return found


def _owner(name: str) -> str:
    return parse_full_name(name)[0]
