"""Two creatures under one name are two, wherever they meet: gates sign where each is from."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.universe.families import FORK, ISLE, MAIN, crossing, history, told
from tests.universe.passengers import FOX, MEADOW, REEF, answered, lines_of, sent
from tests.universe.test_bodies import DEATH, KIT, LANDS, Counted, ends
from tests.universe.test_souls import CROSSINGS, HISTORIES
from universe.crossings import crossings_of
from universe.event import Event
from universe.histories import Crossing, Histories, History
from universe.lineages import Lineages
from universe.lives import LIVES_MAX
from universe.souls import follow
from universe.travel import story_of
from universe.who import Creature

FAR = "eve/far"
REX = told(1, "birth", "rex", soul="soul:1")
ISLES = told(5, "birth", "kit", soul="soul:1")


def way(
    source: str, target: str, left: int, seqs: tuple[int, int], origin: str, soul: str = "soul:1"
) -> Crossing:
    """It arrives ten ticks after it left."""
    made = crossing(source, target, left, left + 10, soul, soul)
    return replace(made, left_seq=seqs[0], ended_seq=seqs[1], origin=origin)


VISIT = [way(FAR, ISLE, 10, (1, 1), FAR), way(ISLE, FAR, 30, (2, 2), FAR)]


def visited(*isle: Event, far: Event | None = None) -> Histories:
    """Rex, whose name is that of the isle's kit, is on the isle from tick 20 to 30."""
    there = [REX] if far is None else [REX, far]
    return Histories([history(ISLE, [ISLES, *isle]), history(FAR, there)], VISIT)


def test_a_stranger_of_the_same_name_comes_and_goes_beside_ones_own() -> None:
    found = follow("soul:1", visited())
    assert set(found.present) == {ISLE, FAR}
    own, *visits = [one for one in found.stays if one.universe == ISLE]
    assert (own.began, own.since, own.until) == ("born", 5, None)
    assert [(one.since, one.until, one.came_from) for one in visits] == [(20, 30, FAR)]
    assert follow("soul:1", visited(DEATH)).present == (FAR,)


def test_what_receipts_say_tells_them_apart() -> None:
    left = sent(FOX, MEADOW, REEF)
    (came,) = answered(REEF, left)
    on = sent(FOX, REEF, MEADOW, left, came, migration=2)
    (home,) = answered(MEADOW, left, came, on)
    own = history(REEF, [told(5, "birth", "vix", soul="fox")])
    for held, there in (([left, came], {REEF}), ([left, came, on, home], {REEF, MEADOW})):
        ways = crossings_of(story_of(FOX.who, lines_of(*held)))
        found = follow("fox", Histories([own, history(MEADOW, [])], ways))
        assert set(found.present) == there
        assert ends(found).count((REEF, None, None)) == (2 if there == {REEF} else 1)


@pytest.mark.parametrize(
    ("event", "is_visitors"),
    [
        (told(25, "death", "rex"), True),
        (told(25, "death", "kit"), False),
        (told(25, "death", "kit", soul="soul:1"), False),
        (told(25, "death", "rex", soul="soul:1"), True),
        (told(25, "death", "soul:1"), True),  # the last who came
        (told(35, "death", "soul:1"), False),
    ],
)
def test_who_is_meant_says_the_body_or_who_came_last(event: Event, *, is_visitors: bool) -> None:
    visit, own = (
        next(one for one in follow("soul:1", visited(event)).stays if one.since == since)
        for since in (20, 5)
    )
    assert [visit.ended, own.ended] == (["died", None] if is_visitors else ["left", "died"])
    assert (visit if is_visitors else own).events[-1].event == event


def test_who_is_told_of_while_a_stranger_is_there_keeps_its_body() -> None:
    zoe = told(26, "rebirth", "zoe", soul="soul:1")
    harvest = told(27, "harvest", "kit", soul="soul:1")
    isle = [told(25, "death", "rex"), zoe, harvest]
    found = follow("soul:1", visited(*isle, far=told(50, "death", "zoe")))
    assert ends(found)[-1] == (FAR, 50, "died")
    assert found.present == (ISLE,)


def test_whose_each_is_is_said_and_the_nearest_is_told_of_first() -> None:
    away = way(FAR, ISLE, 50, (3, 3), FAR)
    under_way = [
        replace(one, arrived_tick=None, migration=one.origin.encode())
        for one in (away, way(ISLE, FAR, 60, (4, 3), ISLE))
    ]
    told_of = Histories([history(ISLE, [ISLES]), history(FAR, [REX])], [*VISIT, *under_way])
    isles = [(ISLE, ISLE, 5)]
    fars = [(FAR, FAR, 1), (FAR, ISLE, 20), (FAR, FAR, 40)]
    for order, stays in (((ISLE, FAR), isles + fars), ((FAR, ISLE), fars + isles)):
        found = follow("soul:1", told_of, order.index)
        assert [(one.origin, one.universe, one.since) for one in found.stays] == stays
        assert [one.origin for one in found.in_transit] == [*order]


def test_who_is_in_a_fork_is_of_the_fork() -> None:
    fork = history(FORK, [], ISLE, 25)
    told_of = [history(ISLE, [ISLES]), history(FAR, [REX]), fork]
    found = follow("soul:1", Histories(told_of, VISIT))
    assert [one.origin for one in found.stays if one.universe == FORK] == [FORK, FORK]


@pytest.mark.parametrize("tick", [15, 20, 25, 30, 31])
def test_whose_child_is_born_there_says_who_is_there_then(tick: int) -> None:
    """What is told of the tick of a departure is told before it."""
    view = Lineages(visited(told(tick, "birth", "tom", parents="soul:1")))
    parent = Creature(FAR, "rex") if 20 <= tick <= 30 else Creature(ISLE, "kit")
    assert view.parents(Creature(ISLE, "tom")) == (parent,)


@pytest.mark.parametrize("end", ["died", "left"])
def test_after_a_guest_the_name_is_ones_own_again_wherever_that_goes(end: str) -> None:
    """Whether the guest went or died: what is told of the name, and where that goes on."""
    gone = [told(22, "death", "rex")] if end == "died" else []
    isle = [ISLES, *gone, told(24, "milestone", "zoe", soul="soul:1")]
    out = [told(50, "birth", "abel", parents="zoe"), told(51, "death", "zoe")]
    left = [] if gone else [way(ISLE, FAR, 22, (2, 2), FAR)]
    ways = [VISIT[0], *left, way(ISLE, MAIN, 30, (3, 1), ISLE)]
    lands = [history(ISLE, isle), history(FAR, [REX]), history(MAIN, out)]
    found = follow("soul:1", Histories(lands, ways))
    assert MAIN not in found.present
    view = Lineages(Histories(lands, ways))
    assert view.parents(Creature(MAIN, "abel")) == (Creature(ISLE, "zoe"),)


def test_a_body_that_the_past_knew_is_ones_own_beside_a_guest() -> None:
    out = [told(50, "birth", "abel", parents="rex")]
    lands = [
        history(MAIN, [told(5, "birth", "kit")]),
        history(ISLE, [told(25, "milestone", "kit", soul="soul:1")], MAIN, 10),
        history(FAR, [REX]),
        history(FORK, out),
    ]
    ways = [VISIT[0], way(ISLE, FORK, 30, (2, 1), FAR)]
    view = Lineages(Histories(lands, ways))
    assert view.parents(Creature(FORK, "abel")) == (Creature(FAR, "rex"),)


@pytest.mark.parametrize("died", [9, 15])
def test_who_was_dead_at_the_fork_and_is_born_again_has_the_body_that_is_told(died: int) -> None:
    """Also who died at that tick. And the guest beside it goes on in its own."""
    lands = [
        history(ISLE, [ISLES, told(died, "death", "kit")]),
        history(FORK, [told(25, "rebirth", "zoe", soul="soul:1")], ISLE, 15),
        history(FAR, [REX]),
        history(MAIN, [told(50, "birth", "abel", parents="rex"), told(51, "death", "rex")]),
    ]
    ways = [way(FAR, FORK, 10, (1, 1), FAR), way(FORK, MAIN, 30, (2, 1), FAR)]
    found = follow("soul:1", Histories(lands, ways))
    assert found.present == (FORK,)
    view = Lineages(Histories(lands, ways))
    assert view.parents(Creature(MAIN, "abel")) == (Creature(FAR, "rex"),)


def test_of_two_guests_of_one_name_each_keeps_its_body() -> None:
    """The one that came first is told of by its own name after the other one came."""
    other = "zed/out"
    lands = [
        history(ISLE, [told(25, "milestone", "rex", soul="soul:1")]),
        history(FAR, [REX]),
        history(other, [told(1, "birth", "fox", soul="soul:1")]),
        history(MAIN, [told(50, "birth", "abel", parents="fox")]),
    ]
    ways = [
        VISIT[0],
        way(other, ISLE, 12, (1, 2), other),
        way(ISLE, MAIN, 30, (3, 1), other),
    ]
    view = Lineages(Histories(lands, ways))
    assert view.parents(Creature(MAIN, "abel")) == (Creature(other, "fox"),)


@pytest.mark.parametrize("rebirth", [False, True])
def test_a_rebirth_beside_a_guest_is_of_the_dead_and_the_guest_goes_on_in_its_body(
    *, rebirth: bool
) -> None:
    again = [told(24, "rebirth", "zoe", soul="soul:1")] if rebirth else []
    out = [told(50, "birth", "abel", parents="rex"), told(51, "death", "rex")]
    lands = [
        history(ISLE, [ISLES, told(22, "death", "kit"), *again]),
        history(FAR, [REX]),
        history(MAIN, out),
    ]
    ways = [VISIT[0], way(ISLE, MAIN, 30, (2, 1), FAR)]
    found = follow("soul:1", Histories(lands, ways))
    assert found.present == ((ISLE,) if rebirth else ())
    view = Lineages(Histories(lands, ways))
    assert view.parents(Creature(MAIN, "abel")) == (Creature(FAR, "rex"),)
    assert [*view.people[Creature(FAR, "rex")].died] == [MAIN]


def test_a_birth_is_of_ones_own() -> None:
    late = [told(25, "birth", "kit", soul="soul:1"), DEATH]
    found = follow("soul:1", Histories([history(ISLE, late), history(FAR, [REX])], VISIT))
    assert (ISLE, 50, "died") in ends(found)
    assert found.present == (FAR,)


def test_of_a_soul_and_its_copy_in_a_fork_that_meet_each_goes_its_own_way() -> None:
    ways = [
        way(MAIN, ISLE, 10, (1, 1), MAIN, "sk"),
        way(FORK, ISLE, 20, (1, 2), FORK, "sk"),
        way(ISLE, MAIN, 40, (3, 2), MAIN, "sk"),
    ]
    lands = [history(MAIN, [KIT]), history(ISLE, []), history(FORK, [], MAIN, 9)]
    found = follow("sk", Histories(lands, ways))
    assert sorted(found.present) == [MAIN, ISLE]
    assert [(one.since, one.until) for one in found.stays if one.universe == ISLE] == [
        (20, 40), (30, None),
    ]  # fmt: skip
    assert (FORK, 20, "left") in ends(found)
    home = follow("sk", Histories(lands, [*ways, way(ISLE, FORK, 45, (4, 2), FORK, "sk")]))
    assert sorted(home.present) == [FORK, MAIN]


def test_both_are_in_a_fork_of_where_they_met() -> None:
    rex_dies = told(60, "death", "rex")
    lands = [
        history(ISLE, [ISLES]), history(FAR, [REX]), history(FORK, [rex_dies], ISLE, 25),
    ]  # fmt: skip
    found = follow("soul:1", Histories(lands, VISIT))
    assert [one.ended for one in found.stays if one.universe == FORK].count("died") == 1
    assert found.present.count(FORK) == 1
    # The gate of the fork signs it as one of the fork's own.
    leaves = Histories([*lands[:2], history(FORK, [], ISLE, 25)], [
        *VISIT, way(FORK, MAIN, 30, (1, 1), FORK), way(FORK, MAIN, 40, (2, 2), FORK),
    ])  # fmt: skip
    gone = follow("soul:1", leaves)
    assert [one.ended for one in gone.stays if one.universe == FORK] == ["left", "left"]


def test_after_a_stranger_has_left_the_name_is_ones_own_again() -> None:
    """In a fork that began since then, too."""
    leaves = [*VISIT, way(FORK, MAIN, 40, (1, 1), FORK)]
    named = told(45, "milestone", "soul:1")
    universes = [
        history(ISLE, [ISLES, named]), history(FAR, [REX]),
        history(FORK, [], ISLE, 35), history(MAIN, [told(60, "death", "kit")]),
    ]  # fmt: skip
    histories = Histories(universes, leaves)
    assert (MAIN, 60, "died") in ends(follow("soul:1", histories))
    people = Lineages(histories).people
    assert [who for who, one in people.items() if one.died] == [Creature(ISLE, "kit")]
    assert Lineages(histories).who(ISLE, "soul:1") == Creature(ISLE, "kit")


def test_what_is_told_of_a_guest_that_has_left_brings_nobody() -> None:
    mourned = told(35, "milestone", "soul:1")
    for ways, there in ((VISIT, FAR), (VISIT[:1], ISLE)):
        lands = [history(ISLE, [mourned]), history(FAR, [REX])]
        found = follow("soul:1", Histories(lands, ways))
        assert found.present == (there,)
        (visit,) = [one for one in found.stays if one.universe == ISLE]
        assert visit.events[0].event == mourned


@pytest.mark.parametrize("end", ["death", "departure"])
@pytest.mark.parametrize("body", ["soul:1", "rex"])
def test_what_is_told_in_a_fork_of_a_guest_that_was_gone_brings_nobody(body: str, end: str) -> None:
    """As where it was forked. A birth there is of one of the fork's own."""
    died = [told(22, "death", "rex")] if end == "death" else []
    ways = VISIT[:1] if died else VISIT
    lands = [history(ISLE, died), history(FAR, [REX])]
    later = told(41, "milestone", body, soul="soul:1")
    for begin in (None, told(45, "birth", "kit", soul="soul:1")):
        told_there = [later] if begin is None else [later, begin]
        found = follow("soul:1", Histories([*lands, history(FORK, told_there, ISLE, 40)], ways))
        there = [one for one in found.stays if one.universe == FORK]
        spans = [(one.since, one.until, one.began) for one in there]
        assert spans == [(41, 41, "told"), (45, None, "born")][: len(told_there)]


def test_what_is_told_in_a_fork_after_a_guest_of_it_left_is_told_of_that() -> None:
    home = way(FORK, FAR, 50, (1, 2), FORK)
    fork = history(FORK, [told(55, "milestone", "soul:1")], ISLE, 25)
    lands = [history(ISLE, []), history(FAR, [REX]), fork]
    found = follow("soul:1", Histories(lands, [VISIT[0], home]))
    (there,) = [one for one in found.stays if one.universe == FORK]
    assert (there.began, there.until, len(there.events)) == ("forked", 50, 1)


def test_who_was_dead_when_a_fork_began_is_born_again_there_beside_a_guest() -> None:
    isle = history(ISLE, [ISLES, told(9, "death", "kit")])
    again = [told(40, "rebirth", "tom", soul="soul:1"), told(50, "death", "rex")]
    for fork in (again, again[:1]):
        lands = [isle, history(FAR, [REX]), history(FORK, fork, ISLE, 25)]
        found = follow("soul:1", Histories(lands, VISIT))
        forked, reborn = [one for one in found.stays if one.universe == FORK]
        assert (forked.began, forked.ended) == ("forked", "died" if len(fork) > 1 else None)
        assert (reborn.since, reborn.began, reborn.until) == (40, "born", None)


@given(HISTORIES, CROSSINGS, st.lists(st.sampled_from(["", MAIN, ISLE]), min_size=4))
def test_whatever_gates_sign_stays_are_the_same_in_whatever_order_universes_come(
    universes: list[History], crossings: list[Crossing], origins: list[str]
) -> None:
    ways = [replace(one, origin=of) for one, of in zip(crossings, origins, strict=False)]
    for name in ("eve", "s"):
        found = follow(name, Histories(universes, ways))
        assert found == follow(name, Histories(universes[::-1], ways))
        assert all(one.until is None or one.since <= one.until for one in found.stays)
        in_transit = [one for one in ways if one.arrived_tick is None and not one.is_returned]
        assert len(found.in_transit) <= len(in_transit)


def test_more_strangers_than_anybody_has_are_few_lives() -> None:
    count = 10 * LIVES_MAX
    ways = [way(f"far/u{n}", ISLE, n, (1, n + 1), f"far/u{n}") for n in range(count)]
    found = follow("soul:1", Histories([history(ISLE, [ISLES])], ways))
    assert len([one for one in found.stays if one.universe == ISLE]) == LIVES_MAX


@pytest.mark.parametrize("is_at_once", [False, True])
def test_however_many_strangers_come_and_go_ones_own_stays(*, is_at_once: bool) -> None:
    count, ways = 3 * LIVES_MAX, list[Crossing]()
    for n in range(count):
        home, later = f"far/u{n}", 10 * count if is_at_once else 5
        seqs = (n + 1, n + 1 + count) if is_at_once else (2 * n + 1, 2 * n + 2)
        ways += [
            way(home, ISLE, 10 * n + 10, (1, seqs[0]), home),
            way(ISLE, home, 10 * n + 20 + later, (seqs[1], 2), home),
        ]
    found = follow("soul:1", Histories([history(ISLE, [ISLES])], ways))
    own, *visits = [one for one in found.stays if one.universe == ISLE]
    assert (own.origin, own.began, own.until) == (ISLE, "born", None)
    assert {(one.began, one.ended) for one in visits} == {("arrived", "left")}
    assert len(visits) == (LIVES_MAX - 1 if is_at_once else count)
    fork = history(FORK, [], ISLE, 10_000)
    forked = follow("soul:1", Histories([history(ISLE, [ISLES]), fork], ways))
    assert [one.since for one in forked.stays if one.universe == FORK] == [10_000]


def test_who_left_makes_room_before_who_died_and_may_be_born_again() -> None:
    """A fork has all who are there."""
    homes = [f"far/u{n:02d}" for n in range(LIVES_MAX - 1)]
    ways = [way(home, ISLE, n + 2, (1, n + 1), home) for n, home in enumerate([FAR, *homes])]
    left = replace(way(ISLE, homes[0], 14, (5, 2), homes[0]), left_tick=24)
    ways = [*ways[:3], left, *(replace(one, ended_seq=9 + n) for n, one in enumerate(ways[3:]))]
    isle = [ISLES, told(13, "death", "rex"), told(60, "rebirth", "tom", soul="soul:1")]
    lands = [history(ISLE, isle), history(FAR, [REX]), history(FORK, [], ISLE, 70)]
    found = follow("soul:1", Histories(lands, ways))
    its = [one for one in found.stays if one.universe == ISLE and one.origin == FAR]
    assert [(one.since, one.until) for one in its] == [(12, 13), (60, None)]
    forked = [one for one in found.stays if one.universe == FORK]
    assert [one.began for one in forked] == ["forked"] * LIVES_MAX


def test_of_two_who_come_at_one_tick_the_name_means_the_last_to_souls_and_to_families() -> None:
    far, main = (way(home, ISLE, 10, (1, n), home) for n, home in ((1, FAR), (2, MAIN)))
    zoe = history(MAIN, [told(1, "birth", "zoe", soul="soul:1")])
    events = [told(20, "harvest", "soul:1"), told(20, "birth", "tom", parents="soul:1")]
    for ways, body, origin in (
        ([far, main], Creature(MAIN, "zoe"), MAIN),
        ([replace(far, ended_seq=3), main], Creature(FAR, "rex"), FAR),
        # Who comes after somebody left at that tick is not there yet.
        ([replace(far, ended_seq=4), main, way(ISLE, MAIN, 20, (3, 2), MAIN)],
         Creature(MAIN, "zoe"), MAIN),
    ):  # fmt: skip
        lands = Histories([history(ISLE, [ISLES, *events]), history(FAR, [REX]), zoe], ways)
        stays = [one for one in follow("soul:1", lands).stays if one.universe == ISLE]
        assert [one.origin for one in stays if one.events and one.origin != ISLE] == [origin]
        assert Lineages(lands).parents(Creature(ISLE, "tom")) == (body,)


@pytest.mark.parametrize("goes_first", ["mine", "the last", "nobody who came"])
def test_of_whom_there_is_no_room_nothing_is_told_and_others_come_and_go(goes_first: str) -> None:
    """Mine is the last of as many guests as are told of. Its body stays its own, too."""
    many = LIVES_MAX - 2
    homes = [f"far/u{n:02d}" for n in range(many)]
    ways = [way(home, ISLE, n, (1, n + 1), home) for n, home in enumerate(homes)]
    mine, last = (way(FAR, ISLE, 40, (1, 40), FAR), way(MAIN, ISLE, 41, (1, 41), MAIN))
    home, gone = (way(ISLE, FAR, 60, (60, 2), FAR), way(ISLE, MAIN, 65, (61, 2), MAIN))
    if goes_first == "the last":
        gone = way(ISLE, MAIN, 55, (59, 2), MAIN)
    if goes_first == "nobody who came":
        gone = way(ISLE, "far/none", 55, (59, 2), "far/none")
    isle = [ISLES, told(53, "harvest", "rex")]
    lands = [history(ISLE, isle), history(FAR, [REX]), history(MAIN, [])]
    found = follow("soul:1", Histories(lands, [*ways, mine, last, home, gone]))
    its = [one for one in found.stays if one.origin == FAR]
    spans = [(one.universe, one.since, one.until, one.went_to, len(one.events)) for one in its]
    assert spans == [(FAR, 1, 40, ISLE, 1), (ISLE, 50, 60, FAR, 1), (FAR, 70, None, None, 0)]
    assert not [one for one in found.stays if one.universe == ISLE and one.origin == MAIN]
    # Who comes when there is room is told of again.
    ways += [mine, last, home, gone, way(MAIN, ISLE, 80, (3, 62), MAIN)]
    again = follow("soul:1", Histories(lands, [*ways, way(ISLE, MAIN, 99, (63, 4), MAIN)]))
    theirs = [one for one in again.stays if one.universe == ISLE and one.origin == MAIN]
    assert [(one.since, one.until, one.ended) for one in theirs] == [(90, 99, "left")]


def test_a_departure_of_whom_nobody_knows_takes_nobody_along() -> None:
    """Its arrival may be lost, or a lie of the gate."""
    left = [way(ISLE, FAR, 30, (2, 2), FAR)]
    found = follow("soul:1", Histories([history(ISLE, [ISLES]), history(FAR, [REX])], left))
    stays = [(one.origin, one.since, one.until) for one in found.stays if one.universe == ISLE]
    assert stays == [(ISLE, 5, None), (FAR, 30, 30)]


def test_a_fork_of_a_fork_that_was_set_back_has_who_was_there_then() -> None:
    """At a tick before the first of the two began: what was told later is not its past."""
    fork, of_it = (FORK, MAIN, 100), ("x/deep", FORK, 50)
    lands = [
        history(MAIN, [told(5, "birth", "kit", soul="sk"), told(70, "birth", "tom")]),
        history(fork[0], [told(110, "harvest", "tom")], *fork[1:]),
        history(of_it[0], [told(60, "death", "kit"), told(90, "harvest", "tom")], *of_it[1:]),
    ]
    found = follow("sk", Histories(lands))
    assert [(one.universe, one.since, one.until, one.came_from) for one in found.stays] == [
        (MAIN, 5, None, None),
        (FORK, 100, None, MAIN),
        ("x/deep", 50, 60, FORK),
    ]
    people = Lineages(Histories(lands)).people
    assert [*people[Creature(MAIN, "kit")].died] == ["x/deep"]
    assert Creature("x/deep", "tom") in people


def test_a_long_way_there_and_back_is_gone_once_and_circles_end() -> None:
    """Each arrival waits for its departure; where that waits for the arrival, it waits no more."""
    ways = [
        way(
            here,
            there,
            100 * (n + lap * 64),
            (2 * lap + 1 + (n > 0), 2 * lap + 1 + (n == 63)),
            LANDS[0],
            "sk",
        )
        for lap in range(20)
        for n, (here, there) in enumerate(pairwise([*LANDS, LANDS[0]]))
    ]
    body = [told(450, "death", "kit"), told(450, "rebirth", "zoe", soul="sk")]
    home = [replace(KIT, tick=0), told(10**6, "death", "zoe")]
    lands = Counted(
        [history(name, home if n == 0 else body if n == 5 else []) for n, name in enumerate(LANDS)],
        ways,
    )
    assert (LANDS[0], 10**6, "died") in ends(follow("sk", lands))
    assert lands.steps < 20 * len(ways)
    lies = [replace(one, left_tick=one.left_tick + 10**7) for one in ways]
    assert follow("sk", Histories([history(name, []) for name in LANDS], lies)).stays
