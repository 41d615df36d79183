from dataclasses import replace

import pytest

from tests.universe.families import FORK, ISLE, MAIN, crossing, history
from tests.universe.passengers import (
    EEL,
    FOX,
    MEADOW,
    NO_ROOM,
    NOW,
    REEF,
    VOID,
    answered,
    lines_of,
    sent,
    signed,
)
from universe.crossings import crossings_of, in_turn
from universe.histories import Crossing, Histories
from universe.travel import story_of

ONE, TWO = bytes([1]) * 16, bytes([2]) * 16


def test_each_departure_is_a_crossing_as_far_as_it_came() -> None:
    left = sent(FOX, MEADOW, REEF)
    under_way = Crossing(
        ONE, MEADOW, REEF, NOW.tick, "fox",
        soul="fox", left_seq=1, left_us=NOW.at_us, origin=MEADOW,
    )  # fmt: skip
    assert [*crossings_of(story_of(FOX.who, lines_of(left)))] == [under_way]
    (refused,) = answered(REEF, left, verdict=NO_ROOM)
    assert [*crossings_of(story_of(FOX.who, lines_of(left, refused)))] == [under_way]
    (back,) = answered(MEADOW, left, refused)
    again = sent(FOX, MEADOW, REEF, left, refused, back, migration=2)
    (arrived,) = answered(REEF, left, refused, back, again)
    lines = lines_of(left, refused, back, again, arrived)
    first, second = crossings_of(story_of(FOX.who, lines))
    assert (first.migration, first.is_returned, first.arrived_tick) == (ONE, True, None)
    assert (second.migration, second.is_returned, second.arrived_tick) == (TWO, False, NOW.tick)
    assert [(one.left_seq, one.ended_seq) for one in (first, second)] == [(1, 2), (3, 2)]
    assert [(one.left_us, one.ended_us) for one in (first, second)] == [(NOW.at_us, NOW.at_us)] * 2


def test_who_never_left_crossed_nothing() -> None:
    assert [*crossings_of(story_of(FOX.who, lines_of()))] == []


def test_two_that_leave_by_one_migration_are_two() -> None:
    """A gate signs what it likes: none of these is taken for the other, whichever is given last."""
    left = sent(FOX, MEADOW, REEF)
    (came,) = answered(REEF, left)
    home = sent(FOX, REEF, MEADOW, left, came, migration=2)
    own = sent(EEL, REEF, VOID, left, came, home, migration=3)
    eel = signed(replace(own.receipt, migration=home.receipt.migration))
    (back,) = answered(MEADOW, left, came, home, eel)
    lines = lines_of(left, came, home, eel, back)
    ways = [way for who in (FOX.who, EEL.who) for way in crossings_of(story_of(who, lines))]
    for given in (ways, ways[::-1]):
        found = Histories([], given).crossings
        assert {(one.soul, one.source, one.target) for one in found} == {
            ("fox", MEADOW, REEF), ("fox", REEF, MEADOW), ("eel", REEF, VOID),
        }  # fmt: skip
        assert found == Histories([], ways).crossings
    others = [replace(ways[2], soul="ell"), replace(ways[2], left_seq=9)]
    assert len(Histories([], [*ways, *others]).crossings) == 5
    under_way = replace(ways[1], arrived_tick=None)
    assert Histories([], [under_way, *ways]).crossings == Histories([], ways).crossings


@pytest.mark.parametrize("by_way_of", ["a passage", "a fork"])
def test_who_came_at_the_tick_of_a_departure_or_of_a_fork_is_before_that(by_way_of: str) -> None:
    """By the clocks of where they began the second was long before the first."""
    on = ISLE if by_way_of == "a passage" else FORK
    came = replace(crossing(MAIN, ISLE, 500, 20), left_seq=7)
    if by_way_of == "a fork":
        came = replace(came, ended_seq=3)
    went = crossing(on, "eve/far", 20, 5)
    lands = [history(MAIN, []), history(ISLE, []), history(FORK, [], ISLE, 20)]
    assert [way for _, way in in_turn(Histories(lands, [went, came]))] == [came, went]
