"""Places of the whole node: who makes many tries keeps nobody from one."""

import asyncio

import pytest

from node.services.seats import Seat, Seats


class Crowd:
    """Seats, and what was asked of those who hold them."""

    def __init__(self, most: int) -> None:
        self.seats = Seats(most, try_s=20.0)
        self.told: list[Seat] = []

    def ask(self, who: str) -> Seat:
        seat = Seat(who, lambda: self.told.append(seat))
        self.seats.ask(seat)
        return seat


def test_a_place_is_for_whoever_has_the_fewest() -> None:
    crowd = Crowd(3)
    many = [crowd.ask("many") for _ in range(8)]
    one = crowd.ask("one")
    crowd.seats.turn(0.0)
    assert [seat.given.is_set() for seat in many] == [True, True] + [False] * 6
    assert one.given.is_set()
    crowd.seats.leave(many[0])
    crowd.seats.turn(1.0)
    assert many[2].given.is_set(), "first come, first given"


def test_whoever_has_the_most_makes_room_and_not_before_its_time() -> None:
    crowd = Crowd(3)
    one = crowd.ask("one")
    crowd.seats.turn(0.0)
    first, second = crowd.ask("many"), crowd.ask("many")
    crowd.seats.turn(1.0)
    late = crowd.ask("late")
    assert crowd.seats.turn(5.0) == 16.0, "until the first of many has had its time"
    assert crowd.told == []
    crowd.seats.turn(21.0)
    crowd.seats.turn(22.0)
    assert crowd.told == [first], "once, and as many as wait"
    assert not late.given.is_set()
    crowd.seats.leave(first)
    crowd.seats.turn(22.0)
    assert late.given.is_set()
    assert not one.is_leaving
    assert not second.is_leaving


def test_nobody_makes_room_while_nobody_waits() -> None:
    crowd = Crowd(2)
    seats = [crowd.ask("a"), crowd.ask("a")]
    for now_s in (0.0, 1e6):
        crowd.seats.turn(now_s)
    assert crowd.told == []
    crowd.ask("b")
    gone = crowd.ask("c")
    crowd.seats.leave(gone)  # it was given up while it waited
    crowd.seats.turn(2e6)
    assert crowd.told == seats[:1]


async def test_a_place_is_free_again_however_its_block_ends() -> None:
    seats = Seats(1, try_s=0.001)
    left = asyncio.Event()
    async with asyncio.timeout(60):
        with pytest.raises(ZeroDivisionError):
            async with seats.one("a", left.set):
                raise ZeroDivisionError
        async with asyncio.TaskGroup() as tasks, seats.one("a", left.set):
            tasks.create_task(sit(seats))
            await left.wait()


async def sit(seats: Seats) -> None:
    async with seats.one("b", lambda: None):
        pass


def test_who_asks_again_and_again_is_one_reader() -> None:
    crowd = Crowd(2)
    first, second = (crowd.ask("-".join(("genome", "a"))) for _ in range(2))  # equal texts
    crowd.seats.turn(0.0)
    again, other = crowd.ask("genome-a"), crowd.ask("genome-b")
    crowd.seats.leave(first)
    crowd.seats.turn(1.0)
    assert other.given.is_set(), "it holds none, and comes before the third try of the other"
    assert not again.given.is_set()
    assert second.given.is_set()
