"""Sources that never give anything, and how long they keep others waiting."""

from node.services.fetch import FETCH_S
from node.services.tries import PACE, Pace, Tries, Turn
from storage.namesakes import NAMESAKES_MAX


def begun_after_s(tries: Tries[int], source: int) -> float:
    """When it is tried first, where none of the others ever ends."""
    now_s, running = 0.0, set[int]()
    while True:
        turn = tries.turn(now_s)  # a place is there for each at once
        running = (running - {*turn.leave}) | {*turn.begin}
        assert len(running) <= PACE.at_once
        for one in turn.begin:
            tries.started(one, now_s)
        if source in turn.begin:
            return now_s
        assert turn.wait_s is not None
        assert turn.wait_s > 0
        now_s += turn.wait_s


def test_ten_that_stand_still_cost_seconds() -> None:
    assert begun_after_s(Tries(range(11)), 10) <= PACE.try_s + 3 * PACE.next_s


def test_as_many_as_are_read_leave_time_for_the_last() -> None:
    began_s = begun_after_s(Tries(range(NAMESAKES_MAX)), NAMESAKES_MAX - 1)
    assert began_s + PACE.try_s <= FETCH_S


def test_what_fails_makes_room_at_once() -> None:
    tries = Tries(range(3))
    for source in range(3):
        turn = tries.turn(7.0)
        assert turn.begin == (source,)
        tries.ended(source)
    assert tries.are_over
    assert tries.turn(7.0).begin == ()


def test_one_alone_is_never_left() -> None:
    tries = Tries(["only"])
    assert tries.turn(0.0).wait_s is None
    assert tries.turn(1e9).leave == ()


def test_who_made_room_comes_again_after_the_others() -> None:
    tries = Tries("abc", Pace(at_once=1, next_s=1.0, try_s=5.0))
    begun: list[tuple[str, ...]] = []
    for now_s in (0.0, 1.0, 5.0, 10.0, 15.0):
        begun.append(tries.turn(now_s).begin)
        for source in begun[-1]:
            tries.started(source, now_s)
    assert begun == [("a",), (), ("b",), ("c",), ("a",)]
    tries.ended("b")  # it waits again, and ended when it was left
    assert tries.turn(20.0).begin == ("c",)


def test_who_waits_for_a_place_keeps_its_turn() -> None:
    tries = Tries("abc", Pace(at_once=2, next_s=1.0, try_s=5.0))
    assert [tries.turn(now_s).begin for now_s in (0.0, 1.0)] == [("a",), ("b",)]
    assert tries.turn(100.0) == Turn((), (), None), "nobody was tried yet"
    tries.started("b", 100.0)
    assert tries.turn(104.0).wait_s == 1.0
    tries.started("a", 104.5)
    assert tries.turn(105.0) == Turn(("b",), ("c",), 1.0), "whose time began with its place"


def test_who_is_asked_for_its_place_comes_again() -> None:
    tries = Tries("ab", Pace(at_once=2, next_s=1.0, try_s=5.0))
    assert [tries.turn(now_s).begin for now_s in (0.0, 1.0)] == [("a",), ("b",)]
    tries.started("a", 1.0)
    tries.make_room("a")
    tries.make_room("a")
    assert not tries.are_over
    assert tries.turn(1.5) == Turn(("a",), (), 0.5)
    assert tries.turn(2.0) == Turn((), ("a",), None)


def test_a_source_that_is_named_twice_is_one() -> None:
    assert Tries(["a", "a"]).turn(0.0).wait_s is None
