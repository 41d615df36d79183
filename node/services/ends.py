"""What the other ends of passages say to a universe of one's own, as far as is held.

departures to it, refusals of who left it     ─▸ to be answered
answers to receipts of it that are not here   ─▸ its gate is behind
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from node.services.gatebooks import Books
from node.services.passages import Ferry, own_halves, passage_named
from storage.errors import Corrupt
from universe.behind import believed, missing_of
from universe.gate import is_coming, is_refused, unanswered, unreturned, were_back
from universe.lines import Line, Lines
from universe.receipts import DEPARTURE, Checked
from universe.shares import may_come_back


@dataclass(frozen=True, slots=True)
class Open:
    """What a gate may have to answer, and departures that are wanted back."""

    coming: list[Checked]
    refused: list[Checked]
    away: list[Checked]
    """As `away_from`."""
    recalled: set[bytes]
    """By who sent them, or they `were_back`."""
    damage: str = ""
    """Of an end of which nothing is said here, as it cannot be read; '' where all were read."""


async def other_ends(by: Ferry, universe: str) -> set[str]:
    """Universes that this author ever joined with it: travellers may be on their way."""
    halves = [one.ends[:2] for one in await own_halves(by)]
    return {end for ends in halves if universe in ends for end in ends}


async def open_at(by: Ferry, books: Books, universe: str) -> Open:
    """What the other ends say that its gate has not answered.

    One that is damaged here keeps those of no other one waiting.
    """
    ends = sorted(await other_ends(by, universe))
    recalled: set[bytes] = set()

    def question(ends: Sequence[str], books: Books, lines: Lines) -> list[tuple[str, Checked]]:
        found = [("coming", one) for end in ends for one in unanswered(universe, end, lines)]
        found += [("refused", one) for end in ends for one in unreturned(universe, end, lines)]
        found += [("back", one) for end in ends for one in were_back(universe, end, lines)]
        recalled.update(books.recalled)
        return found

    damaged = list[tuple[str, Corrupt]]()
    found = await books.ask_each(ends, question, damaged)
    coming = [one for word, one in found if word == "coming"]
    refused = [one for word, one in found if word == "refused"]
    recalled |= {one.id for word, one in found if word == "back"}
    away = await away_from(books, universe)
    damage = str(damaged[0][1]) if damaged else ""
    return Open(coming, refused, away, recalled, damage)


async def departure_to(by: Ferry, books: Books, universe: str, id: bytes) -> Checked | None:
    """Of that id to here, counted or not, answered or not. Raises `Corrupt` where it is not found,
    and an end is damaged here."""

    def question(ends: Sequence[str], _: Books, lines: Lines) -> list[Checked]:
        said = [one for end in ends for one in (*lines[end].receipts, *lines[end].apart)]
        return [one for one in said if one.id == id and one.receipt.other == universe]

    ends = sorted(await other_ends(by, universe))
    damaged = list[tuple[str, Corrupt]]()
    found = await books.ask_each(ends, question, damaged)
    if damaged and not found:
        raise damaged[0][1]
    return next(iter(found), None)


async def away_from(books: Books, universe: str) -> list[Checked]:
    """Who left it, which was read, and may still come back, wherever they went.

    So may all who ever left for where what is held is damaged, or where too much depends on what
    others answered: how they were answered there is not known.
    """
    line = await books.ask(lambda lines: lines[universe])
    departures = [one for one in line.receipts if one.receipt.kind == DEPARTURE]
    targets = {one.receipt.other for one in departures}

    def question(ends: Sequence[str], _: Books, lines: Lines) -> list[Checked]:
        return [one for end in ends for one in may_come_back(lines[universe], end, lines)]

    damaged, too_long = list[tuple[str, Corrupt]](), list[str]()
    away = await books.ask_each(sorted(targets), question, damaged, too_long)
    unread = {end for end, _ in damaged} | {*too_long}
    return away + [one for one in departures if one.receipt.other in unread]


async def open_between(
    books: Books, universe: str, ends: Sequence[str]
) -> tuple[list[Checked], list[str]]:
    """Departures of these to it that it has not answered; and those that are damaged here, or on
    which too much depends."""

    def question(ends: Sequence[str], _: Books, lines: Lines) -> list[Checked]:
        return [one for end in ends for one in unanswered(universe, end, lines)]

    damaged, too_long = list[tuple[str, Corrupt]](), list[str]()
    departures = await books.ask_each(ends, question, damaged, too_long)
    return departures, [*(end for end, _ in damaged), *too_long]


@dataclass(frozen=True, slots=True)
class Missing:
    """What a gate lacks, as others say."""

    answers: list[Checked]
    """To receipts that are not here."""
    passages: list[str]
    """By which those who signed them are believed."""


async def missing_at(by: Ferry, books: Books, universe: str, *others: str) -> Missing:
    """What ends say that are `believed`, and these `others`: answers to what is not here.

    Nobody ever left for where a passage was only proposed: what is signed there proves nothing.
    Raises `Corrupt` where one of them is damaged here: what it answered is not known.
    """
    line = await books.ask(lambda lines: lines[universe])
    told = await _believed(by, universe, epoch_of(line))
    ends = sorted({*told, *others} - {universe})

    def question(ends: Sequence[str], books: Books, lines: Lines) -> list[Checked]:
        return [one for end in ends for one in missing_between(universe, end, books, lines)]

    too_long = list[str]()
    answers = await books.ask_each(ends, question, too_long=too_long)
    for end in too_long:  # what was signed there counts whether it stands or not: no vote is needed
        alone = await asyncio.to_thread(books.copied)
        await alone.load([end])
        said, _ = await alone.ask_read(partial(question, [end], alone), 0, lambda _: False)
        answers += said
    signers = {one.receipt.universe for one in answers}
    return Missing(answers, sorted({name for end in signers for name in told.get(end, ())}))


def missing_between(universe: str, end: str, books: Books, lines: Lines) -> list[Checked]:
    """What `end` answered to receipts of `universe`, which was read, that are not here."""
    own = books.read[universe]
    known = {one.id for one in own.receipts}
    return missing_of(universe, end, lines, known=known, given_up=own.given_up)


def epoch_of(line: Line) -> int:
    """Of its gate; 0 where it has none."""
    return 0 if line.gate is None else line.gate.hand_over.epoch


async def _believed(by: Ferry, universe: str, epoch: int) -> dict[str, tuple[str, ...]]:
    halves = [one for one in await own_halves(by) if universe in one.ends[:2]]
    names = sorted({one.proposal or one.full_name for one in halves})
    passages = [await passage_named(by, name) for name in names]
    return believed(universe, (one for one in passages if one is not None), epoch=epoch)


def on_their_way(
    departures: Sequence[Checked], _: Books, lines: Lines
) -> list[tuple[Checked, bool]]:
    """Those that are, and whether the gate that sent each is suspect."""
    return [
        (one, lines[one.receipt.universe].is_suspect) for one in departures if is_coming(one, lines)
    ]


def to_come_back(refusals: Sequence[Checked], _: Books, lines: Lines) -> list[Checked]:
    """Those whose traveller is to return by them."""
    return [one for one in refusals if is_refused(one, lines)]
