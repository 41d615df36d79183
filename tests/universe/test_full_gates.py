"""Universes that fill up while travellers are between them: whoever left can come back."""

import pytest
from hypothesis import settings
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from registry.errors import CannotTravel
from tests.universe.homes import EVERYWHERE, HONEST, TRAVELLERS
from tests.universe.passengers import VOID
from tests.universe.test_exactly_once import universes
from tests.universe.test_shares import IN_A_DAY, IN_ALL, Crowded
from universe import room, shares
from universe.receipts import DEPARTURE, REFUSAL, Checked, Receipt
from universe.room import Held, Places
from universe.shares import check_can_come_back, may_come_back, places_of
from universe.travel import In, InTransit


class Full(Crowded):
    """Each home tells of so many events as have room, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.events = dict.fromkeys(HONEST, 0)

    def held(self, universe: str) -> Held:
        """Its hand-overs are beside that, as what begins an epoch takes no place of answers."""
        receipts = self.nodes[universe].receipts
        line = self.nodes[universe].lines[universe]
        own = (*line.receipts, *line.apart)  # what mallory signs of it is in no document of it
        refusals = (receipts.get(one.receipt.answers or b"") for one in own)
        back = {one.receipt.answers for one in refusals if one and one.receipt.kind == REFUSAL}
        gone = {one.id for one in own if one.receipt.kind == DEPARTURE}
        calls = (self.nodes[universe].recalled & gone) - back
        return Held(0, self.events[universe], len(own) + len(calls))

    def away(self, universe: str) -> list[Checked]:
        lines, recalled = self.nodes[universe].lines, self.nodes[universe].recalled
        found = [one for to in EVERYWHERE for one in may_come_back(lines[universe], to, lines)]
        return [one for one in found if one.id not in recalled]

    def places(self, universe: str) -> Places:
        return places_of(self.held(universe).for_answers, self.away(universe))

    def check_room(self, departure: Receipt) -> None:
        if self.held(departure.universe).for_events < 1:
            raise CannotTravel("it is full", "gate-full")
        check_can_come_back(departure.universe, departure.passage, self.away(departure.universe))

    @rule(universe=universes)
    def fills_up(self, universe: str) -> None:
        self.events[universe] += max(self.held(universe).for_events, 0)

    @rule(universe=universes, to=universes)
    def recall(self, universe: str, to: str) -> None:
        """The wish lies in its document, and `to` hears of it."""
        node = self.nodes[universe]
        for one in self.away(universe):
            if self.places(universe).left > 0:
                node.recalled.add(one.id)
        self.nodes[to].recalled |= node.recalled

    @invariant()
    def whoever_left_has_a_place_to_come_back_to(self) -> None:
        """Until a gate takes back, by a second receipt of one number, that it let them in."""
        if self.union()[VOID].equivocations:
            return
        for name in {*HONEST} - self.went_back:
            places = self.places(name)
            assert places.left >= places.held

    def check_end(self) -> None:
        """Nobody is on the way back, and only where others have no room does anybody wait."""
        for one in TRAVELLERS:
            if one.who not in self.tainted:
                place = self.truth[one.who]
                assert isinstance(place, In | InTransit)
                if isinstance(place, InTransit):
                    assert self.places(place.target).for_others == 0


def test_whoever_leaves_can_come_back_however_full_it_gets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shares, "REFUSALS_MAX", 4)
    monkeypatch.setattr(shares, "UNDER_WAY_MAX", 2)
    monkeypatch.setattr(shares, "DAY_ANSWERS_MAX", IN_A_DAY)
    monkeypatch.setattr(shares, "PASSAGE_ANSWERS_MAX", IN_ALL)
    monkeypatch.setattr(room, "VALUES_MAX", 14)
    monkeypatch.setattr(room, "SNAPSHOTS_LEAST", 0)
    monkeypatch.setattr(room, "FOR_ANSWERS", 3)
    monkeypatch.setattr(room, "FOR_OTHERS", 1)
    run_state_machine_as_test(
        Full, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )
