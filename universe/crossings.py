"""What receipts say to those who follow souls from universe to universe."""

from collections.abc import Iterator

from universe.histories import Crossing, Histories, Moment
from universe.receipts import ARRIVAL, DEPARTURE, RETURN, SEQ_MAX, Checked
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
        returned_tick=end.receipt.tick if end is not None and kind == RETURN else None,
        left_seq=said.seq,
        ended_seq=end.receipt.seq if end is not None and is_over else 0,
        left_us=said.at_us,
        ended_us=end.receipt.at_us if end is not None and is_over else 0,
        origin=said.traveller.who.origin,
    )


def in_turn(histories: Histories) -> list[tuple[Moment, Crossing]]:
    """All that arrived, and when: who came to a universe before somebody left it, or before it was
    forked to one that somebody left, is before that one. A circle, which is a lie, is cut."""
    arrived = [(one.arrived, one) for one in histories.crossings if one.arrived is not None]
    to_come: dict[str, list[tuple[Moment, Crossing]]] = {}
    for one in sorted(arrived, key=lambda one: one[0], reverse=True):
        to_come.setdefault(one[1].target, []).append(one)
    begun, ordered = set[Crossing](), list[tuple[Moment, Crossing]]()
    forked = set[str]()
    """Of whose pasts all are begun with."""

    def next_before(way: Crossing) -> tuple[Moment, Crossing] | None:
        universe, until = way.source, way.left
        while True:
            coming = to_come.get(universe, [])
            while coming and coming[-1][0] <= until:
                if (one := coming.pop())[1] not in begun:
                    return one
            above = None if universe in forked else histories.begins(universe)
            if above is None:
                forked.add(way.source)
                return None
            universe, until = above[0], (above[1], SEQ_MAX)

    for each in arrived:
        stack = [] if each[1] in begun else [each]
        while stack:
            begun.add(stack[-1][1])
            if (before := next_before(stack[-1][1])) is not None:
                stack.append(before)
            else:
                ordered.append(stack.pop())
    return ordered
