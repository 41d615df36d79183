from tests.universe.passengers import FOX, MEADOW, NO_ROOM, NOW, REEF, answered, lines_of, sent
from universe.crossings import crossings_of
from universe.histories import Crossing
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
