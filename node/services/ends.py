"""What the other ends of passages say to a universe of one's own, as far as is held.

departures to it, refusals of who left it     ─▸ to be answered
answers to receipts of it that are not here   ─▸ its gate is behind
"""

from collections.abc import Sequence
from dataclasses import dataclass

from node.services.gatebooks import Books
from node.services.passages import Ferry, own_halves, passage_named
from universe.behind import missing_of
from universe.gate import is_coming, is_refused, unanswered, unreturned
from universe.lines import Lines
from universe.receipts import Checked


@dataclass(frozen=True, slots=True)
class Open:
    """What a gate may have to answer, and departures that are wanted back."""

    coming: list[Checked]
    refused: list[Checked]
    recalled: set[bytes]


async def other_ends(by: Ferry, universe: str) -> set[str]:
    """Universes that this author ever joined with it: travellers may be on their way."""
    halves = [one.ends[:2] for one in await own_halves(by)]
    return {end for ends in halves if universe in ends for end in ends}


async def open_at(by: Ferry, books: Books, universe: str) -> Open:
    """What the other ends say that its gate has not answered."""
    ends = sorted(await other_ends(by, universe))
    recalled: set[bytes] = set()

    def question(ends: Sequence[str], books: Books, lines: Lines) -> list[tuple[bool, Checked]]:
        found = [(True, one) for end in ends for one in unanswered(universe, end, lines)]
        found += [(False, one) for end in ends for one in unreturned(universe, end, lines)]
        recalled.update(books.recalled)
        return found

    found = await books.ask_each(ends, question)
    coming = [one for is_coming, one in found if is_coming]
    return Open(coming, [one for is_coming, one in found if not is_coming], recalled)


async def departure_to(by: Ferry, books: Books, universe: str, id: bytes) -> Checked | None:
    """Of that id to here, counted or not, answered or not."""

    def question(ends: Sequence[str], _: Books, lines: Lines) -> list[Checked]:
        said = [one for end in ends for one in (*lines[end].receipts, *lines[end].apart)]
        return [one for one in said if one.id == id and one.receipt.other == universe]

    ends = sorted(await other_ends(by, universe))
    return next(iter(await books.ask_each(ends, question)), None)


async def missing_at(by: Ferry, books: Books, universe: str, *others: str) -> list[Checked]:
    """Answers to receipts of it that are not here: of ends that agreed, and of these `others`.

    Nobody ever left for where a passage was only proposed: what is signed there proves nothing.
    """
    ends = sorted({*await _agreed_ends(by, universe), *others} - {universe})

    def question(ends: Sequence[str], books: Books, lines: Lines) -> list[Checked]:
        own = books.read[universe]
        known = {one.id for one in own.receipts}
        return [
            one
            for end in ends
            for one in missing_of(universe, end, lines, known=known, given_up=own.given_up)
        ]

    return await books.ask_each(ends, question)


async def _agreed_ends(by: Ferry, universe: str) -> set[str]:
    """Those of `other_ends` to which both owners said yes, whether it is open now or not."""
    ends: set[str] = set()
    for half in await own_halves(by):
        if universe not in half.ends[:2]:
            continue
        passage = await passage_named(by, half.proposal or half.full_name)
        if passage is not None and passage.accepted is not None:
            ends |= {*passage.proposed.ends[:2]}
    return ends


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
