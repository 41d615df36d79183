"""Who goes through a passage, and where each of them is.

    the lines of its two ends ─▸ who ever left through it, who is under way before the others
    a page of these           ─▸ the story of each, through whatever universes it went

A partner's gate may name as many travellers as it likes, from universes that it makes up. So no
answer asks for all stories at once, and what is decided of one asks for the story of that one.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from shlex import quote
from typing import Final

from node.errors import Conflict, NotFound, Rejected
from node.services.coming import may_be_coming, read_in_turn
from node.services.ends import epoch_of, missing_between
from node.services.gatebooks import TOO_LONG, Books
from node.services.passages import Ferry
from node.services.passengers import say_which_origin, say_which_soul
from storage.errors import Corrupt
from universe.behind import believed
from universe.lines import Lines
from universe.names import parse_full_name
from universe.passage import Passage
from universe.receipts import ARRIVAL, DEPARTURE, REFUSAL, RETURN, Checked, Receipt, Who
from universe.shares import Rest, Shares
from universe.travel import Story, answer_to, story_of

PAGE_MAX: Final = 1_000
RECEIPTS_MAX: Final = 10_000
"""Of the stories of a page: with that many it ends, at some 2 MB of JSON."""
SHOWN_MAX: Final = 1_000
"""Receipts of one story that are shown: the last ones."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Of a traveller in the list of a passage: who is under way by its two ends is first."""

    is_done: bool
    who: Who

    @property
    def text(self) -> str:
        """For a cursor. A line for each: an id and a soul may have spaces, and no line breaks."""
        return f"{int(self.is_done)}\n{self.who.origin}\n{self.who.soul}"

    @classmethod
    def of(cls, text: str) -> "Place":
        done, origin, soul = text.split("\n", 2)
        return cls(done == "1", Who(origin, soul))


@dataclass(frozen=True, slots=True)
class Page:
    """Some of those who ever left through a passage."""

    stories: list[Story]
    doubtful: list[str]
    """Ends whose gate signed two receipts with one number."""
    behind: list[str]
    """Ends of this author's of which the other end answered what is not here, and is believed."""
    is_whole: bool = True
    """Whether each story was told: one that is too much to read, or damaged, is left out."""
    next: str | None = None
    """Where the next page begins; None where this is the last one."""
    untold: Sequence[Who] = ()
    """Who was asked for and not told of: what they went through is too much to read, or damaged."""
    rests: Mapping[str, Rest] = field(default_factory=dict[str, Rest])
    """End → why its gate answers nobody who comes through the passage now."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Of several under one migration the one that is meant."""

    soul: str | None = None
    origin: str | None = None
    """Full name of a universe, or its id of anybody."""

    def is_meant(self, receipt: Receipt) -> bool:
        who = receipt.traveller.who
        origins = (None, who.origin, parse_full_name(who.origin)[1])
        return self.soul in (None, who.soul) and self.origin in origins


@dataclass(frozen=True, slots=True)
class _End:
    """What the line of one end says of a passage."""

    departures: list[tuple[Checked, bool]]
    """And whether each was answered for good, as far as the two ends say."""
    doubtful: list[str]
    behind: list[str]
    rests: dict[str, Rest]


async def travellers_through(
    by: Ferry, passage: Passage, *, after: str | None = None, limit: int = PAGE_MAX
) -> Page:
    """A page of those who ever left through it, as far as is held; `after`: `next` of another."""
    books, ends = await _at_ends(by, passage)
    places = await asyncio.to_thread(_places, ends, after)
    page = places[: min(limit, PAGE_MAX)]
    stories, read = await _read(books, [one.who for one in page])
    page, told = page[:read], {one.who: one for one in stories}
    shown, count, receipts = list[Story](), 0, 0
    for place in page:
        if receipts >= RECEIPTS_MAX:
            break
        count += 1
        story = told.get(place.who)
        if story is not None and _goes(story, passage):
            shown.append(story)
            receipts += min(len(story.receipts), SHOWN_MAX)
    is_whole = len(ends) == 2 and all(one.who in told for one in page[:count])
    more = page[count - 1].text if count < len(places) else None
    return _page(shown, ends, is_whole=is_whole, more=more)


async def travellers_under(
    by: Ferry, passage: Passage, migration: bytes, who: Asked
) -> tuple[Page, list[Checked]]:
    """Those who left through it under a migration, and the last such departure of each."""
    books, ends = await _at_ends(by, passage)
    whom = await asyncio.to_thread(_under, ends, migration, who)
    told, _ = await _read(books, whom[:PAGE_MAX])
    stories, departures = list[Story](), list[Checked]()
    for story in told:
        under = [one for one in story.receipts if _left_under(one, passage, migration)]
        if under:
            stories.append(story)
            departures.append(under[-1])
    read = {story.who for story in told}
    untold = [one for one in whom if one not in read]
    page = _page(stories, ends, is_whole=len(ends) == 2 and not untold)
    return replace(page, untold=untold), departures


async def who_waits(
    by: Ferry, passage: Passage, migration: bytes, who: Asked
) -> tuple[Checked, Checked | None]:
    """The departure under it to a gate of this author's, and how that gate answered it.

    Raises `NotFound` (`unknown-migration`), `Conflict` (`ambiguous-migration`) where `who` does not
    tell several apart or (`passage-closed`) their owner never agreed to the passage.
    """
    books = Books(by)
    ends = passage.proposed.ends[:2]
    await books.load(ends)

    def question(lines: Lines) -> list[tuple[Checked, Checked | None]]:
        return [
            (one, answer_to(one, end, lines, (ARRIVAL, REFUSAL)))
            for end, other in (ends, ends[::-1])
            if parse_full_name(end)[0] == by.did
            for one in (*lines[other].receipts, *lines[other].apart)
            if _is_departure(one, passage, migration)
            and one.receipt.other == end
            and who.is_meant(one.receipt)
        ]

    found = await books.ask(question)
    if len(found) > 1:  # a gate may say anything of who never was there
        there = await may_be_coming(books, [one for one, said in found if said is None])
        found = [each for each in found if each[1] is not None or each[0].id in there]
    if not found:
        detail = f"nobody waits under {migration.hex()} at a gate of this author's"
        raise NotFound(detail, code="unknown-migration")
    whos = {one.receipt.traveller.who for one, _ in found}
    if len(whos) > 1:
        raise ambiguous(migration, whos)
    waiting = next((each for each in found if each[1] is None), None)
    if waiting is not None and passage.half_of(by.did) is None:
        detail = (
            f"{passage.name} is only proposed: of who comes by it is decided once you accepted it,"
            f" with `panspermia passage accept {quote(passage.name)}`"
        )
        raise Conflict(detail, code="passage-closed")
    return waiting or found[-1]


async def _read(books: Books, whom: Sequence[Who]) -> tuple[list[Story], int]:
    """Stories of these, together or as far as one answer reads; and of how many it was looked for.

    One that is too long is left out.
    """
    own = await asyncio.to_thread(books.copied)
    try:
        return await own.ask(lambda lines: _stories(whom, lines)), len(whom)
    except Rejected as error:
        if error.reason != TOO_LONG:
            raise
    except Corrupt:
        pass  # of one of them: the others are told
    each = [[one] for one in whom]
    read = await read_in_turn(books, each, lambda one, _, lines: _stories(one, lines))
    return read.found, read.count


async def story_held(by: Ferry, who: Who) -> Story:
    """Of one traveller. Raises `Rejected` (`story-too-long`)."""
    return await Books(by).ask(lambda lines: story_of(who, lines))


def ambiguous(migration: bytes, whos: Set[Who]) -> Conflict:
    """Several left under it: by what one of them is named, in a request and in the shell."""
    souls, origins = sorted({one.soul for one in whos}), sorted({one.origin for one in whos})
    which = say_which_soul(souls) if len(souls) > 1 else say_which_origin(origins)
    detail = f"{len(whos)} travellers left under {migration.hex()}: {which}"
    candidates = tuple((souls if len(souls) > 1 else origins)[:PAGE_MAX])
    return Conflict(detail, code="ambiguous-migration", candidates=candidates)


async def _at_ends(by: Ferry, passage: Passage) -> tuple[Books, list[_End]]:
    """What the lines of both ends say: of one that too much depends on, nothing."""
    books = Books(by)
    ends, now_us = passage.proposed.ends[:2], by.clock_us()
    await books.load(ends)

    def question(names: Sequence[str], books: Books, lines: Lines) -> list[_End]:
        own = (name for name in names if parse_full_name(name)[0] == by.did)
        behind = [
            name
            for name in own
            for other in believed(name, [passage], epoch=epoch_of(lines[name]))
            if missing_between(name, other, books, lines)
        ]
        return [_end(name, passage, lines, behind, now_us) for name in names]

    return books, await books.ask_each(ends, question)


def _places(ends: Sequence[_End], after: str | None) -> list[Place]:
    """Of all who left, in order; those after that one."""
    is_done: dict[Who, bool] = {}
    for end in ends:
        for one, done in end.departures:
            who = one.receipt.traveller.who
            is_done[who] = is_done.get(who, True) and done
    places = sorted(Place(done, who) for who, done in is_done.items())
    return places if after is None else places[bisect_right(places, Place.of(after)) :]


def _under(ends: Sequence[_End], migration: bytes, who: Asked) -> list[Who]:
    """Those who left under it."""
    receipts = (one.receipt for end in ends for one, _ in end.departures)
    return sorted(
        {one.traveller.who for one in receipts if one.migration == migration and who.is_meant(one)}
    )


def _page(
    stories: list[Story], ends: list[_End], *, is_whole: bool, more: str | None = None
) -> Page:
    doubtful = {name for end in ends for name in end.doubtful}
    behind = {name for end in ends for name in end.behind}
    rests: dict[str, Rest] = {name: rest for end in ends for name, rest in end.rests.items()}
    return Page(stories, sorted(doubtful), sorted(behind), is_whole, more, rests=rests)


def _end(name: str, passage: Passage, lines: Lines, behind: list[str], now_us: int) -> _End:
    ends, line = passage.proposed.ends[:2], lines[name]
    departures = [
        (one, one.receipt.other in ends and _is_done(one, lines))
        for one in line.receipts
        if one.receipt.kind == DEPARTURE and one.receipt.passage == passage.name
    ]
    rest = Shares(line.receipts, now_us)[passage.name].rest(is_open=passage.is_open)
    rests: dict[str, Rest] = {} if rest is None else {name: rest}
    return _End(departures, [name] if line.equivocations else [], behind, rests)


def _is_done(departure: Checked, lines: Lines) -> bool:
    answer = answer_to(departure, departure.receipt.other, lines, (ARRIVAL, REFUSAL))
    if answer is None or answer.receipt.kind == ARRIVAL:
        return answer is not None
    return answer_to(answer, departure.receipt.universe, lines, (RETURN,)) is not None


def _stories(names: Sequence[Who], lines: Lines) -> list[Story]:
    return [story_of(who, lines) for who in names]


def _goes(story: Story, passage: Passage) -> bool:
    """Whether it goes through it. A gate may say anything of who never left."""
    return any(one.receipt.passage == passage.name for one in story.receipts)


def _left_under(one: Checked, passage: Passage, migration: bytes) -> bool:
    """Whether it left so between the two ends: any universe on its way may name this passage."""
    ends, said = passage.proposed.ends[:2], one.receipt
    return _is_departure(one, passage, migration) and {said.universe, said.other} == {*ends}


def _is_departure(one: Checked, passage: Passage, migration: bytes) -> bool:
    said = one.receipt
    named = (said.kind, said.passage, said.migration)
    return named == (DEPARTURE, passage.name, migration)
