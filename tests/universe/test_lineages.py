"""Families across universes: one past counts once, and what is born after a fork is two."""

import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.universe.families import BIRTHS, FAMILY, FORK, ISLE, MAIN, crossing, history, told
from tests.universe.test_souls import CROSSINGS, HISTORIES
from universe import lineages
from universe.event import Event
from universe.histories import Crossing, Histories, History
from universe.lineages import Lineages
from universe.souls import follow
from universe.who import Creature

EVE, ADAM, CAIN = (Creature(MAIN, name) for name in ("eve", "adam", "cain"))
SETH, OTHER_SETH = Creature(MAIN, "seth"), Creature(FORK, "seth")
ENOCH = Creature(ISLE, "enoch")


def test_the_past_that_two_universes_share_counts_once_and_what_came_after_twice() -> None:
    view = Lineages(FAMILY)
    assert set(view.people) == {EVE, ADAM, CAIN, SETH, OTHER_SETH, ENOCH}
    assert view.children(EVE) == (CAIN, OTHER_SETH, SETH)
    assert view.children(ADAM) == (CAIN, SETH)
    assert view.called("seth") == (OTHER_SETH, SETH)
    assert view.called("soul:c") == (CAIN,)


def test_a_child_that_is_born_beyond_a_passage_has_its_family_here() -> None:
    view = Lineages(FAMILY)
    assert view.parents(ENOCH) == (CAIN,)
    assert view.ancestors(ENOCH) == (CAIN, EVE, ADAM)
    assert view.descendants(EVE) == (CAIN, OTHER_SETH, SETH, ENOCH)
    assert set(view.people[CAIN].told_in) == {MAIN, ISLE}


def test_a_traveller_may_be_named_after_its_soul() -> None:
    """Cain leaves as soul:c, has a child on the isle, goes on to a fork of it and has another."""
    isle = [told(95, "birth", "enoch", parents="cain"), told(97, "birth", "irad", parents="soul:c")]
    deep = [told(7, "birth", "lamech", parents="soul:c")]
    universes = [
        history(MAIN, [*BIRTHS, told(110, "birth", "abel", parents="soul:c")]),
        history(ISLE, isle),
        history(FORK, deep, ISLE, 96),
    ]
    ways = [crossing(MAIN, ISLE, 650, 90, "soul:c", "soul:c")]
    view = Lineages(Histories(universes, ways))
    assert set(view.children(CAIN)) == {
        Creature(MAIN, "abel"), ENOCH, Creature(ISLE, "irad"), Creature(FORK, "lamech"),
    }  # fmt: skip
    assert {one.name for one in view.people} == {
        "eve", "adam", "cain", "abel", "enoch", "irad", "lamech",
    }  # fmt: skip


def test_a_long_chain_of_souls_that_a_stranger_tells_of_is_not_walked() -> None:
    """Walked anew for each of its names it took as many steps as there are pairs of them."""
    count = 4_000
    chain = [told(n, "milestone", f"s{n + 1}", soul=f"s{n}") for n in range(count)]
    same = [told(n, "milestone", f"t{n}", soul="t") for n in range(count)]
    view = Lineages(Histories([history(MAIN, [*chain, *same])]))
    assert view.who(MAIN, "s0") == Creature(MAIN, "s1")
    assert view.who(MAIN, "t") == Creature(MAIN, f"t{count - 1}")


def test_a_long_line_of_forks_is_not_walked_for_each_name() -> None:
    """Each name was looked for in all universes above each of them."""
    names = tuple(f"b{n}" for n in range(64))
    born = [told(n, "birth", name) for n, name in enumerate(names)]
    later = [replace(told(100 + n, "harvest"), entities=names) for n in range(300)]
    line = [history(f"u/{n}", [], f"u/{n - 1}", 90) for n in range(1, 62)]
    universes = [history("u/0", born), *line, history("u/62", later, "u/61", 90)]
    view = Lineages(Histories(universes))
    assert set(view.people) == {Creature("u/0", name) for name in names}
    forked_before = [history("u/0", born), history("u/1", [], "u/0", 1), *universes[2:]]
    view = Lineages(Histories(forked_before))
    assert view.who("u/62", "b1") == Creature("u/0", "b1")
    assert view.who("u/62", "b2") == Creature("u/62", "b2")


def test_souls_that_name_one_another_end() -> None:
    said = [told(1, "milestone", "a", soul="b"), told(2, "milestone", "b", soul="a")]
    view = Lineages(Histories([history(MAIN, said)]))
    assert {one.universe for one in view.people} == {MAIN}


def test_one_may_die_in_a_fork_and_live_on_in_the_other() -> None:
    assert set(Lineages(FAMILY).people[EVE].died) == {FORK}


def test_of_several_births_and_deaths_of_one_the_first_is_told() -> None:
    said = [told(at, type, "kit") for type, at in (("birth", 5), ("birth", 9))]
    said += [told(at, "death", "kit") for at in (20, 30)]
    kit = Lineages(Histories([history(MAIN, said)])).people[Creature(MAIN, "kit")]
    assert (kit.born and kit.born.event.tick, kit.died[MAIN].event.tick) == (5, 20)


def test_two_travellers_of_one_name_are_two() -> None:
    isle = [told(5, "birth", "eve"), told(95, "birth", "tom", parents="eve")]
    view = Lineages(Histories([history(MAIN, BIRTHS), history(ISLE, isle)]))
    assert view.parents(Creature(ISLE, "tom")) == (Creature(ISLE, "eve"),)
    assert view.called("eve") == (EVE, Creature(ISLE, "eve"))


def test_who_repeats_what_a_stranger_tells_has_none_of_their_creatures() -> None:
    """Its name is the least; a fly of its own that went to the isle joins it with the family."""
    kit = [told(1, "birth", "eve"), told(5, "birth", "kit", soul="sk", parents="eve")]
    ways = [crossing(MAIN, ISLE, 10, 20, "sk", "sk"), crossing("a/a", ISLE, 1, 2, "fly", "fly")]
    family = [history(MAIN, kit), history(ISLE, [told(50, "death", "kit")])]
    view = Lineages(Histories([*family, history("a/a", kit)], ways))
    own = view.people[Creature(MAIN, "kit")]
    assert view.parents(own.who) == (EVE,)
    assert (list(own.souls), list(own.died)) == (["sk"], [ISLE])
    assert list(own.told_in) == [MAIN, ISLE]
    copy = Creature("a/a", "kit")
    assert (view.parents(copy), list(view.people[copy].died)) == ((Creature("a/a", "eve"),), [])
    found = follow("sk", Histories([*family, history("a/a", kit)], ways))
    stays = [(one.universe, one.until, one.ended) for one in found.stays]
    assert stays == [("a/a", None, None), (MAIN, 10, "left"), (ISLE, 50, "died")]


def test_a_fork_that_tells_its_past_in_its_own_words_means_the_same_creatures() -> None:
    fork = history(FORK, [told(10, "birth", "eve", soul="told anew")], MAIN, 400)
    view = Lineages(Histories([history(MAIN, BIRTHS), fork]))
    assert view.called("eve") == (EVE,)


def test_what_a_fork_tells_of_before_it_began_changes_nobody_of_its_parents() -> None:
    """Anybody may fork, and say so of one's own creatures."""
    lies = [
        told(1, "birth", "eve", parents="satan"), told(2, "death", "adam"),
        told(3, "birth", "adam", soul="soul:c", parents="cain"),
        told(4, "birth", "lilith", parents="eve"),
    ]  # fmt: skip
    fork = history(FORK, [*lies, told(700, "death", "eve")], MAIN, 400)
    view = Lineages(Histories([history(MAIN, BIRTHS), fork]))
    for who, tick in ((EVE, 10), (ADAM, 20)):
        born = view.people[who].born
        assert born is not None
        assert (born.universe, born.event.tick) == (MAIN, tick)
        assert (view.parents(who), [*view.people[who].souls]) == ((), [])
    assert ([*view.people[EVE].died], [*view.people[ADAM].died]) == ([FORK], [])
    assert view.parents(Creature(FORK, "lilith")) == (EVE,)


def test_a_birth_at_the_tick_of_a_fork_is_of_nobody_who_was_there_before() -> None:
    """Their birth is told again. A death is the fork's own, as a birth after that tick."""
    at_fork = [
        told(400, "birth", "eve", parents="satan"),
        told(400, "birth", "adam", soul="soul:c", parents="cain"),
        told(400, "birth", "kit", parents="satan"), told(400, "death", "adam"),
        told(400, "birth", "lilith", parents="eve"), told(401, "birth", "cain", parents="eve"),
    ]  # fmt: skip
    past = [*BIRTHS, told(30, "harvest", "kit")]
    fork = history(FORK, at_fork, MAIN, 400)
    view = Lineages(Histories([history(MAIN, past), fork]))
    for who, tick in ((EVE, 10), (ADAM, 20), (Creature(MAIN, "kit"), None)):
        person = view.people[who]
        assert (person.born.event.tick if person.born else None) == tick
        assert (view.parents(who), [*person.souls]) == ((), [])
    assert [*view.people[ADAM].died] == [FORK]
    for name in ("lilith", "cain"):
        assert view.parents(Creature(FORK, name)) == (EVE,)


def test_who_came_to_the_parent_after_the_fork_is_nobody_in_the_fork() -> None:
    universes = [
        history(MAIN, BIRTHS),
        history(ISLE, [told(1, "birth", "rex")]),
        history(FORK, [told(900, "harvest", "rex")], MAIN, 400),
    ]
    for arrived, meant in ((300, Creature(ISLE, "rex")), (500, Creature(FORK, "rex"))):
        way = crossing(ISLE, MAIN, 50, arrived, "rex")
        assert Lineages(Histories(universes, [way])).who(FORK, "rex") == meant


def test_where_a_name_came_twice_each_birth_is_of_the_one_who_was_there_then() -> None:
    """Both travel as kit, and are there in turn."""
    kit = history(MAIN, [told(1, "birth", "kit")]), history(FORK, [told(2, "birth", "kit")])
    births = [told(at, "birth", f"of {at}", parents="kit") for at in (15, 25, 35, 45, 55)]
    ways = [
        *(crossing(MAIN, ISLE, 10, 20, "kit"), crossing(ISLE, MAIN, 30, 40, "kit")),
        replace(crossing(FORK, ISLE, 10, 50, "kit"), origin=FORK),
    ]
    view = Lineages(Histories([*kit, history(ISLE, births)], ways))
    mains, others = Creature(MAIN, "kit"), Creature(FORK, "kit")
    parents = [view.parents(Creature(ISLE, f"of {at}")) for at in (15, 25, 35, 45, 55)]
    assert parents == [(Creature(ISLE, "kit"),), *[(mains,)] * 3, (others,)]


def test_a_soul_that_is_born_again_has_had_its_children_in_the_body_that_it_had() -> None:
    said = [
        told(1, "birth", "kit", soul="sk"), told(5, "birth", "tom", parents="sk"),
        told(7, "death", "kit"), told(9, "rebirth", "zoe", soul="sk"),
        told(12, "birth", "ann", parents="sk"),
    ]  # fmt: skip
    view = Lineages(Histories([history(MAIN, said)]))
    assert view.children(Creature(MAIN, "kit")) == (Creature(MAIN, "tom"),)
    assert view.children(Creature(MAIN, "zoe")) == (Creature(MAIN, "ann"),)


def test_circles_that_strangers_close_end() -> None:
    own = [told(1, "birth", "a", parents="b"), told(2, "birth", "b", parents="a")]
    view = Lineages(Histories([history(MAIN, own)]))
    one, other = Creature(MAIN, "a"), Creature(MAIN, "b")
    assert view.ancestors(one) == view.descendants(one) == (other,)
    selfish = Lineages(Histories([history(MAIN, [told(1, "birth", "a", parents="a")])]))
    assert selfish.ancestors(one) == ()
    ways = [crossing(MAIN, ISLE, 1, 2, "x"), crossing(ISLE, MAIN, 3, 4, "x")]
    round_and_round = Lineages(Histories([], ways))
    assert round_and_round.who(MAIN, "x") == round_and_round.who(ISLE, "x")


def test_of_a_long_line_so_many_are_found_the_nearest_first() -> None:
    line = [told(0, "birth", "p0")]
    line += [told(at, "birth", f"p{at}", parents=f"p{at - 1}") for at in range(1, 30)]
    view = Lineages(Histories([history(MAIN, line)], []))
    last, first = Creature(MAIN, "p29"), Creature(MAIN, "p0")
    assert view.ancestors(last, 3) == tuple(Creature(MAIN, f"p{at}") for at in (28, 27, 26))
    assert view.descendants(first, 2) == (Creature(MAIN, "p1"), Creature(MAIN, "p2"))
    assert (len(view.ancestors(last)), len(view.descendants(first))) == (29, 29)


def crowd(groups: int) -> Histories:
    """Everybody in 64s, all of whom are children of all."""
    names = [tuple(f"{group}.{n}" for n in range(64)) for group in range(groups)]
    births = [
        Event(at, at, "birth", "born", entities=born, parents=names[(at // groups)])
        for at, born in enumerate(names * groups)
    ]
    return Histories([history(MAIN, births)])


def test_of_births_of_many_by_many_no_pair_is_kept() -> None:
    """One event of 8 KiB made 8,192 entries: what a stranger writes took gigabytes."""
    told = crowd(8)
    tracemalloc.start()
    view = Lineages(told)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 << 20  # of 262,144 pairs it was 18 MiB
    one = Creature(MAIN, "0.0")
    for found in (view.parents(one), view.children(one), view.ancestors(one)):
        assert set(found) == view.people.keys() - {one}
    assert view.is_whole


def test_so_many_births_are_gone_through_for_one_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineages, "STEPS_MAX", 8_192)  # each of 512 is told of in 8, of 64
    view, one = Lineages(crowd(8)), Creature(MAIN, "0.0")
    assert (len(view.ancestors(one)), view.is_whole) == (511, True)
    assert (view.descendants(one), view.is_whole) == ((), False)
    assert view.children(one) == ()


@given(HISTORIES, CROSSINGS, st.integers(0, 3))
def test_parents_and_children_agree_whatever_is_told_and_in_whatever_order(
    universes: list[History], crossings: list[Crossing], at: int
) -> None:
    births = [told(at, "birth", "kid", parents="eve zoe kid"), told(9, "birth", "eve")]
    told_too = [*universes, history("x/own", births, MAIN, 5)]
    view = Lineages(Histories(told_too, crossings))
    for who, person in view.people.items():
        assert person.who == who
        assert who not in view.parents(who)
        for parent in view.parents(who):
            assert who in view.children(parent)
        for child in view.children(who):
            assert who in view.parents(child)
        assert who not in view.ancestors(who)
    backwards = Lineages(Histories(told_too[::-1], crossings))
    assert {who: backwards.parents(who) for who in backwards.people} == {
        who: view.parents(who) for who in view.people
    }
