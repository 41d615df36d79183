"""A soul is where its events, forks and passages say, and by one migration never in two places."""

import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.universe.families import FAMILY, FORK, ISLE, MAIN, crossing, history, told
from tests.universe.passengers import (
    ACCEPT,
    FOX,
    MEADOW,
    NO_ROOM,
    NOW,
    REEF,
    VOID,
    answered,
    lines_of,
    sent,
)
from universe.crossings import crossings_of
from universe.event import Event
from universe.forks import Branch
from universe.gate import Now
from universe.histories import Crossing, Histories, History
from universe.receipts import Checked
from universe.souls import Soul, follow, souls_in
from universe.travel import In, story_of

LIFE = [told(100, "birth", "eve", soul="s"), told(300, "union:formed", "eve", "adam")]


def spans(soul: Soul) -> list[tuple[str, int, int | None, str, str | None]]:
    return [(one.universe, one.since, one.until, one.began, one.ended) for one in soul.stays]


def test_a_fork_makes_two_lives_of_one_and_the_past_is_told_once() -> None:
    found = follow(
        "eve",
        Histories(
            [
                history(MAIN, [*LIFE, told(900, "milestone", "eve")]),
                history(FORK, [*LIFE, told(650, "agent:died", "eve")], MAIN, 400),
            ]
        ),
    )
    assert spans(found) == [(MAIN, 100, None, "born", None), (FORK, 400, 650, "forked", "died")]
    assert [[one.event.tick for one in stay.events] for stay in found.stays] == [
        [100, 300, 900],
        [650],
    ]
    assert found.present == (MAIN,)
    assert found.stays[1].came_from == MAIN


def test_a_fork_of_a_fork_of_which_nothing_is_told_has_it_too() -> None:
    deep = [history(MAIN, LIFE), history(FORK, [], MAIN, 400), history(ISLE, [], FORK, 500)]
    assert spans(follow("s", Histories(deep))) == [
        (MAIN, 100, None, "born", None),
        (FORK, 400, None, "forked", None),
        (ISLE, 500, None, "forked", None),
    ]


def test_who_was_dead_or_not_yet_born_at_the_fork_is_not_in_it() -> None:
    past = [told(100, "birth", "eve"), told(200, "death", "eve")]
    for tick in (99, 200, 300):
        forked = Histories([history(MAIN, past), history(FORK, [], MAIN, tick)])
        assert [one.universe for one in follow("eve", forked).stays] == [MAIN]
    forked = Histories([history(MAIN, past), history(FORK, [], MAIN, 199)])
    assert follow("eve", forked).present == (FORK,)


@pytest.mark.parametrize("end", ["death", "departure"])
def test_who_was_gone_at_the_fork_is_not_brought_back_by_a_word_there(end: str) -> None:
    """So it is in the parent. Who is born again is there."""
    past = [told(5, "birth", "kit", soul="sk")]
    gone = [told(10, "death", "kit")] if end == "death" else []
    ways = [] if gone else [crossing(MAIN, ISLE, 10, 20, "sk", "sk")]
    later = [told(26, "milestone", "kit", soul="sk"), told(27, "death", "kit", soul="sk")]
    for fork in (later, [*later, told(30, "rebirth", "zoe", soul="sk")]):
        lands = [history(MAIN, past + gone), history(FORK, fork, MAIN, 20), history(ISLE, [])]
        found = follow("sk", Histories(lands, ways))
        there = [one for one in found.stays if one.universe == FORK]
        spans = [(one.since, one.until, one.began, len(one.events)) for one in there]
        assert spans == [(26, 26, "told", 2), (30, None, "born", 1)][: len(fork) - 1]
        assert (FORK in found.present) == (len(fork) > 2)


def test_what_a_fork_tells_of_the_tick_of_its_beginning_is_its_own() -> None:
    past = [told(5, "birth", "kit", soul="sk")]
    fork = [told(400, "death", "kit"), told(400, "birth", "tom", soul="st")]
    lands = Histories([history(MAIN, past), history(FORK, fork, MAIN, 400)])
    assert spans(follow("sk", lands))[1:] == [(FORK, 400, 400, "forked", "died")]
    assert spans(follow("st", lands)) == [(FORK, 400, None, "born", None)]


@pytest.mark.parametrize("past", ["alive", "dead", "left"])
def test_what_a_fork_alone_tells_of_before_it_began_moves_nobody_its_parent_knew(past: str) -> None:
    kit = [told(5, "birth", "kit", soul="sk")]
    gone = [told(10, "death", "kit")] if past == "dead" else []
    ways = [crossing(MAIN, ISLE, 10, 20, "sk", "sk")] if past == "left" else []
    here = [history(MAIN, kit + gone), history(ISLE, [])]
    lie = replace(told(5, "birth", "kit", soul="sk"), title="in its own words")
    found, true = [
        follow("sk", Histories([*here, history(FORK, each, MAIN, 400)], ways))
        for each in ([lie, told(11, "rebirth", "kit", soul="sk")], [])
    ]
    assert found == true


@pytest.mark.parametrize("is_parent_here", [True, False])
def test_whom_a_fork_alone_knows_is_there_as_that_tells_it(*, is_parent_here: bool) -> None:
    """It was set back, or tells its past again, where its parent has nothing of it."""
    kit = [told(60, "birth", "kit", soul="sk"), told(110, "harvest", "kit")]
    above = [history(MAIN, [told(105, "birth", "kit", soul="sk")])] if is_parent_here else []
    lands = Histories([*above, history(FORK, kit, MAIN, 100)])
    (stay,) = [one for one in follow("sk", lands).stays if one.universe == FORK]
    assert (stay.since, stay.until, stay.began, len(stay.events)) == (60, None, "born", 2)
    left = crossing(FORK, ISLE, 70, 3, "sk", "sk")
    found = follow("sk", Histories([*above, history(FORK, kit[:1], MAIN, 100)], [left]))
    assert (FORK, 60, 70, "born", "left") in spans(found)


def test_who_leaves_under_the_name_of_its_soul_is_followed_under_its_own() -> None:
    universes = [
        history(MAIN, LIFE),
        history(FORK, [], MAIN, 400),
        history(ISLE, [told(95, "harvest", "eva", soul="s")]),
    ]
    ways = [crossing(FORK, ISLE, 700, 90, "s", "s"), crossing(ISLE, MAIN, 99, None, "s", "s")]
    for name in ("eve", "s"):
        found = follow(name, Histories(universes, ways))
        assert spans(found) == [
            (MAIN, 100, None, "born", None),
            (FORK, 400, 700, "forked", "left"),
            (ISLE, 90, 99, "arrived", "left"),
        ]
        assert [one.target for one in found.in_transit] == [MAIN]


def test_no_fork_gets_the_souls_of_all_its_ancestors() -> None:
    """Of each it got a copy: what a stranger writes took gigabytes."""
    born = told(1, "birth", "kit", soul="s")
    many = [
        replace(told(2 + at, "milestone", "kit"), souls=tuple(f"{at}.{n}" for n in range(64)))
        for at in range(200)
    ]
    line = [history(f"u/{n:02d}", [], f"u/{n - 1:02d}", 900) for n in range(1, 62)]
    universes = [history("u/00", [born, *many]), *line, history(ISLE, [])]
    view = Histories(universes, [crossing("u/61", ISLE, 950, 7, "s", "s")])
    tracemalloc.start()
    found = follow("kit", view)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 << 20  # it was 32 MiB
    assert [spans(found)[at] for at in (0, -2, -1)] == [
        ("u/00", 1, None, "born", None),
        ("u/61", 900, 950, "forked", "left"),
        (ISLE, 7, None, "arrived", None),
    ]


def test_a_passage_takes_it_out_of_one_universe_and_into_the_other() -> None:
    universes = [history(MAIN, LIFE), history(ISLE, [told(95, "harvest", "eve")])]
    there = follow("eve", Histories(universes, [crossing(MAIN, ISLE, 700, 90)]))
    assert spans(there) == [(MAIN, 100, 700, "born", "left"), (ISLE, 90, None, "arrived", None)]
    assert (there.stays[0].went_to, there.stays[1].came_from) == (ISLE, MAIN)
    assert (there.present, there.in_transit) == ((ISLE,), ())

    under_way = crossing(MAIN, ISLE, 700, None)
    between = follow("eve", Histories(universes[:1], [under_way]))
    assert (between.present, between.in_transit) == ((), (under_way,))

    refused = replace(under_way, is_returned=True)
    back = follow("eve", Histories(universes[:1], [refused]))
    assert spans(back) == [(MAIN, 100, 700, "born", "left"), (MAIN, 700, None, "returned", None)]
    assert back.in_transit == ()


def received(steps: list[tuple[str, bool]]) -> list[Checked]:
    """What gates sign of the fox, who goes on from where it is; all of it at one tick."""
    held, at = list[Checked](), MEADOW
    for number, (target, is_let_in) in enumerate(steps, 1):
        if target == at:
            continue
        held.append(sent(FOX, at, target, *held, migration=number))
        held += answered(target, *held, verdict=ACCEPT if is_let_in else NO_ROOM)
        held += answered(at, *held)  # a return, where it was refused
        at = target if is_let_in else at
    return held


def followed(held: list[Checked]) -> Soul:
    ways = crossings_of(story_of(FOX.who, lines_of(*held)))
    return follow("fox", Histories([history(name, []) for name in (MEADOW, REEF, VOID)], ways))


def test_who_comes_back_at_the_tick_of_leaving_is_there() -> None:
    out_and_home = followed(received([(REEF, True), (MEADOW, True)]))
    assert spans(out_and_home) == [
        (MEADOW, 100, 100, "told", "left"),
        (REEF, 100, 100, "arrived", "left"),
        (MEADOW, 100, None, "arrived", None),
    ]
    assert out_and_home.present == (MEADOW,)
    refused = followed(received([(REEF, False), (REEF, False)]))
    assert [one[3:] for one in spans(refused)] == [
        ("told", "left"), ("returned", "left"), ("returned", None),
    ]  # fmt: skip
    assert refused.present == (MEADOW,)


JOURNEYS = st.lists(st.tuples(st.sampled_from([MEADOW, REEF, VOID]), st.booleans()), max_size=5)


@given(JOURNEYS, st.integers(0, 15))
def test_it_is_where_its_story_says_whatever_the_ticks(
    steps: list[tuple[str, bool]], count: int
) -> None:
    held = received(steps)[:count]
    found, story = followed(held), story_of(FOX.who, lines_of(*held))
    if not held:
        assert found == Soul("fox", (), ())
    elif isinstance(story.place, In):
        assert (found.present, found.in_transit) == ((story.place.universe,), ())
    else:
        (way,) = found.in_transit
        assert (found.present, way.source, way.target) == (
            (), story.place.source, story.place.target,
        )  # fmt: skip


def test_a_gate_that_gives_an_earlier_tick_than_before_loses_nobody() -> None:
    came = replace(crossing(MAIN, FORK, 700, 40), left_seq=1, ended_seq=1, origin=MAIN)
    went = replace(crossing(FORK, ISLE, 3, 90), left_seq=2, ended_seq=1, origin=MAIN)
    home = replace(crossing(ISLE, FORK, 91, 2), left_seq=2, ended_seq=3, origin=MAIN)
    for past, tick in (([], 40), (LIFE, 400)):  # at 400 it was forked: nothing here was before
        universes = [history(MAIN, past), history(FORK, [], MAIN, 400), history(ISLE, [])]
        found = follow("eve", Histories(universes, [came, went, home]))
        assert [one for one in spans(found) if one[3] == "arrived"] == [
            (FORK, tick, tick, "arrived", "left"), (ISLE, 90, 91, "arrived", "left"),
            (FORK, tick, None, "arrived", None),
        ]  # fmt: skip
        assert found.present == (FORK,)


def test_what_is_told_of_a_tick_is_told_of_a_stay_that_has_it() -> None:
    events = [told(100, "harvest", "fox"), told(100, "death", "fox")]
    lines = lines_of(*received([(REEF, True), (MEADOW, True)]))
    ways = [*crossings_of(story_of(FOX.who, lines))]
    away = follow("fox", Histories([history(REEF, events[:1]), history(MEADOW, [])], ways))
    (there,) = [one for one in away.stays if one.universe == REEF]
    assert [one.event.type for one in there.events] == ["harvest"]
    home = follow("fox", Histories([history(MEADOW, events), history(REEF, [])], ways))
    first, last = [one for one in home.stays if one.universe == MEADOW]
    assert [one.event.type for one in first.events] == ["harvest"]
    assert ([one.event.type for one in last.events], last.ended) == (["death"], "died")


def test_who_was_forked_before_leaving_stays_in_the_fork() -> None:
    universes = [history(MAIN, LIFE), history(FORK, [], MAIN, 400), history(ISLE, [])]
    found = follow("eve", Histories(universes, [crossing(MAIN, ISLE, 700, 90)]))
    assert found.present == (ISLE, FORK)
    gone = follow("eve", Histories(universes, [crossing(MAIN, ISLE, 300, 90)]))
    assert gone.present == (ISLE,)


def test_of_a_state_and_a_passage_at_one_tick_the_clock_says_which_was_first() -> None:
    """Who leaves or comes does so at the tick of the last state, unless somebody says another."""
    way = replace(crossing(MAIN, ISLE, 400, 90), left_us=1_000, ended_us=2_000)
    for taken_us, is_there in ((999, True), (1_001, False), (0, False)):
        main = History(Branch(FORK, parent=MAIN, tick=400, taken_us=taken_us), {})
        found = follow("eve", Histories([history(MAIN, LIFE), main, history(ISLE, [])], [way]))
        assert found.present == ((ISLE, FORK) if is_there else (ISLE,))
    for taken_us, is_there in ((1_999, False), (2_001, True), (0, True)):
        isle = History(Branch(FORK, parent=ISLE, tick=90, taken_us=taken_us), {})
        found = follow("eve", Histories([history(MAIN, LIFE), isle, history(ISLE, [])], [way]))
        assert found.present == ((ISLE, FORK) if is_there else (ISLE,))


def test_who_was_turned_back_is_back_when_that_was_signed() -> None:
    """A fork that began in between has nobody of it."""
    later = Now(NOW.tick + 20, NOW.at_us + 20)
    held = [sent(FOX, MEADOW, REEF)]
    held += answered(REEF, *held, verdict=NO_ROOM)
    held += answered(MEADOW, *held, now=later)
    ways = [*crossings_of(story_of(FOX.who, lines_of(*held)))]
    for tick, taken_us, is_there in ((110, NOW.at_us + 10, False), (120, later.at_us + 1, True)):
        fork = History(Branch(FORK, parent=MEADOW, tick=tick, taken_us=taken_us), {})
        home = history(MEADOW, [told(5, "birth", "kit", soul="fox")])
        found = follow("fox", Histories([home, fork, history(REEF, [])], ways))
        assert spans(found)[:2] == [
            (MEADOW, 5, 100, "born", "left"), (MEADOW, 120, None, "returned", None),
        ]  # fmt: skip
        assert (FORK in found.present) == is_there


def test_who_was_refused_is_back_before_it_is_told_where_another_journey_led() -> None:
    """Sent, refused, sent again and sent home."""
    home, isle = "z/main", "b/isle"
    refused = replace(crossing(home, isle, 10, None), left_seq=1, ended_seq=2, is_returned=True,
                      returned_tick=12)  # fmt: skip
    went = replace(crossing(home, isle, 20, 5), left_seq=3, ended_seq=1)
    back = replace(crossing(isle, home, 8, 30), left_seq=2, ended_seq=4)
    born = history(home, [told(1, "birth", "eve")])
    found = follow("eve", Histories([born, history(isle, [])], [refused, went, back]))
    assert spans(found) == [
        (home, 1, 10, "born", "left"),
        (home, 12, 20, "returned", "left"),
        (isle, 5, 8, "arrived", "left"),
        (home, 30, None, "arrived", None),
    ]


def test_its_way_is_told_from_its_beginning_on_whatever_universes_are_called() -> None:
    ways = [replace(crossing("z/main", "b/isle", 10, 20), left_seq=1, ended_seq=1),
            replace(crossing("b/isle", "z/main", 30, 40), left_seq=2, ended_seq=2)]  # fmt: skip
    born = history("z/main", [told(5, "birth", "eve")])
    found = follow("eve", Histories(
        [born, history("b/isle", []), history("a/fork", [], "z/main", 7)], ways
    ))  # fmt: skip
    assert spans(found) == [
        ("z/main", 5, 10, "born", "left"),
        ("b/isle", 20, 30, "arrived", "left"),
        ("z/main", 40, None, "arrived", None),
        ("a/fork", 7, None, "forked", None),
    ]


def test_a_traveller_is_followed_under_the_name_it_has_there() -> None:
    way = replace(crossing(MAIN, ISLE, 700, 90), arrived_as="visitor-1")
    universes = [history(MAIN, LIFE), history(ISLE, [told(95, "union", "visitor-1", "cook")])]
    found = follow("eve", Histories(universes, [way]))
    assert [one.event.tick for one in found.stays[1].events] == [95]


def test_a_soul_born_again_has_two_stays_and_what_is_told_of_the_dead_wakes_nobody() -> None:
    events = [
        told(1, "birth", "eve", soul="s"),
        told(5, "agent:died", "eve", soul="s"),
        told(6, "culture", "eve", soul="s"),
        told(9, "soul:reincarnated", "zoe", soul="s"),
    ]
    found = follow("s", Histories([history(MAIN, events)]))
    assert spans(found) == [(MAIN, 1, 5, "born", "died"), (MAIN, 9, None, "born", None)]
    assert [one.event.tick for one in found.stays[0].events] == [1, 5, 6]


def test_who_is_only_told_of_is_there_and_who_nobody_knows_has_no_stay() -> None:
    found = follow("eve", Histories([history(MAIN, [told(7, "harvest", "eve")])]))
    assert spans(found) == [(MAIN, 7, None, "told", None)]
    assert follow("nobody", FAMILY) == Soul("nobody", (), ())


def test_souls_are_listed() -> None:
    assert souls_in(FAMILY) == ("soul:c",)
    assert souls_in(Histories([], [crossing(MAIN, ISLE, 1, 2, soul="s2")])) == ("s2",)


NAMES = st.sampled_from([MAIN, FORK, ISLE, "eve/else"])
TICKS = st.integers(0, 9)
SOULS = st.sampled_from(["s", "s", "t", ""])


@st.composite
def events(draw: st.DrawFn) -> Event:
    kinds = st.sampled_from(["birth", "death", "rebirth", "harvest", "agent:died"])
    return told(draw(TICKS), draw(kinds), draw(st.sampled_from(["eve", "zoe"])), soul=draw(SOULS))


@st.composite
def histories_told(draw: st.DrawFn) -> History:
    some = draw(st.lists(events(), max_size=5))
    return history(draw(NAMES), some, draw(st.none() | NAMES), draw(TICKS))


@st.composite
def crossings_made(draw: st.DrawFn) -> Crossing:
    made = crossing(draw(NAMES), draw(NAMES), draw(TICKS), draw(st.none() | TICKS))
    is_returned = draw(st.booleans())
    return replace(made, left_seq=draw(TICKS), ended_seq=draw(TICKS), is_returned=is_returned)


HISTORIES = st.lists(histories_told(), unique_by=lambda one: one.branch.universe)
CROSSINGS = st.lists(crossings_made(), max_size=4)


@given(HISTORIES, CROSSINGS)
def test_whatever_is_told_an_event_stands_once_and_stays_do_not_overlap(
    universes: list[History], crossings: list[Crossing]
) -> None:
    histories = Histories(universes, crossings)
    for name in ("eve", "s"):
        found = follow(name, histories)
        ids = [(one.universe, one.id) for stay in found.stays for one in stay.events]
        assert len(ids) == len(set(ids))
        for one, after in zip(found.stays, found.stays[1:], strict=False):
            if one.universe == after.universe:
                assert one.until is not None
                assert one.until <= after.since
        for one in found.stays:
            assert one.until is None or one.since <= one.until
    backwards = Histories(universes[::-1], crossings)
    assert follow("s", backwards) == follow("s", histories)


@given(HISTORIES)
def test_what_a_fork_tells_again_is_told_by_its_parent(universes: list[History]) -> None:
    again = [
        *universes,
        *(
            History(Branch(f"again/{at}", parent=one.branch.universe, tick=9), one.events)
            for at, one in enumerate(universes)
        ),
    ]
    assert Histories(again).all_events() == Histories(universes).all_events()
