"""What gates of other universes answered to those who left an author's: facts of a reputation."""

from collections.abc import Iterable, Iterator
from typing import Final

from universe.lines import Lines
from universe.names import parse_full_name
from universe.receipts import ARRIVAL, REFUSAL, Checked
from universe.reputation import About, Fact
from universe.travel import answer_to

_KINDS: Final[dict[str, About]] = {ARRIVAL: "arrived", REFUSAL: "turned-back"}


def left_for(universes: Iterable[str], lines: Lines) -> frozenset[str]:
    """Where travellers out of these universes (full names) went."""
    return frozenset(one.receipt.other for one in _departures(universes, lines))


def journey_facts(universes: Iterable[str], lines: Lines) -> Iterator[Fact]:
    """Each by the author of the universe whose gate answered; what is on its way says nothing."""
    for departure in _departures(universes, lines):
        other = departure.receipt.other
        answer = answer_to(departure, other, lines, (ARRIVAL, REFUSAL))
        if answer is not None:
            said = answer.receipt
            yield Fact(
                at_us=said.at_us,
                kind=_KINDS[said.kind],
                by=parse_full_name(other)[0],
                on="universe",
                of=other,
                part=departure.id.hex(),
                said=said.reason,
            )


def _departures(universes: Iterable[str], lines: Lines) -> Iterator[Checked]:
    for universe in universes:
        for departures in lines[universe].departures.values():
            yield from departures
