"""What receipts say to those who follow souls from universe to universe."""

from collections.abc import Iterator

from universe.histories import Crossing
from universe.receipts import ARRIVAL, DEPARTURE, RETURN, Checked
from universe.travel import Story


def crossings_of(story: Story) -> Iterator[Crossing]:
    """One for each departure that counts, in their order; the last may be under way."""
    departure: Checked | None = None
    end: Checked | None = None
    for one in story.receipts:
        if one.receipt.kind == DEPARTURE:
            if departure is not None:
                yield _crossing(departure, end)
            departure, end = one, None
        else:
            end = one
    if departure is not None:
        yield _crossing(departure, end)


def _crossing(departure: Checked, end: Checked | None) -> Crossing:
    said, kind = departure.receipt, end.receipt.kind if end else None
    is_over = end is not None and kind in (ARRIVAL, RETURN)
    return Crossing(
        migration=said.migration,
        source=said.universe,
        target=said.other,
        left_tick=said.tick,
        entity=said.traveller.who.soul,
        arrived_tick=end.receipt.tick if end is not None and kind == ARRIVAL else None,
        soul=said.traveller.who.soul,
        is_returned=kind == RETURN,
        left_seq=said.seq,
        ended_seq=end.receipt.seq if end is not None and is_over else 0,
        left_us=said.at_us,
        ended_us=end.receipt.at_us if end is not None and is_over else 0,
    )
