"""What is told of a body is told of the soul that has it, as long as it has it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.universe.families import FORK, ISLE, MAIN, crossing, history, told
from universe.event import Event
from universe.forks import Branch
from universe.histories import Crossing, Histories, History
from universe.lineages import Lineages
from universe.souls import Soul, follow
from universe.who import Creature

KIT = told(5, "birth", "kit", soul="sk")
WAY = crossing(MAIN, ISLE, 10, 20, "sk", "sk")
DEATH = told(50, "death", "kit")


def ends(soul: Soul) -> list[tuple[str, int | None, str | None]]:
    return [(one.universe, one.until, one.ended) for one in soul.stays]


def followed(name: str, main: Sequence[Event], isle: Sequence[Event] = (), *ways: Crossing) -> Soul:
    return follow(name, Histories([history(MAIN, main), history(ISLE, isle)], ways))


@pytest.mark.parametrize("name", ["sk", "kit"])
def test_the_death_of_its_body_ends_a_soul_where_it_went(name: str) -> None:
    here = followed(name, [KIT, told(7, "agent:died", "kit")])
    assert (ends(here), here.present) == ([(MAIN, 7, "died")], ())
    there = followed(name, [KIT], [told(30, "harvest", "kit"), DEATH], WAY)
    assert ends(there) == [(MAIN, 10, "left"), (ISLE, 50, "died")]
    assert there.present == ()
    assert [one.event.type for one in there.stays[1].events] == ["harvest", "death"]
    way_on = [WAY, crossing(ISLE, FORK, 25, 3, "sk", "sk")]
    far = Histories([history(MAIN, [KIT]), history(ISLE, []), history(FORK, [DEATH])], way_on)
    assert ends(follow(name, far))[2:] == [(FORK, 50, "died")]


@pytest.mark.parametrize("name", ["sk", "kit"])
def test_of_a_fork_what_was_told_before_is_of_both(name: str) -> None:
    for main, fork in (([DEATH], []), ([], [DEATH]), ([DEATH], [told(51, "death", "kit")])):
        parent = [KIT, told(8, "harvest", "kit"), *main]
        universes = [history(MAIN, parent), history(FORK, [KIT, *fork], MAIN, 9)]
        found = follow(name, Histories(universes))
        assert ends(found) == [
            (MAIN, 50 if main else None, "died" if main else None),
            (FORK, fork[0].tick if fork else None, "died" if fork else None),
        ]
        assert [one.event.tick for one in found.stays[0].events] == [5, 8] + [50] * len(main)
    dead = Histories([history(MAIN, [KIT, told(8, "death", "kit")]), history(FORK, [], MAIN, 9)])
    assert ends(follow(name, dead)) == [(MAIN, 8, "died")]


def test_a_traveller_of_a_fork_has_the_body_that_it_had_there() -> None:
    way = crossing(FORK, ISLE, 12, 20, "sk", "sk")
    universes = [history(MAIN, [KIT]), history(FORK, [], MAIN, 9), history(ISLE, [DEATH])]
    found = follow("sk", Histories(universes, [way]))
    assert ends(found) == [(MAIN, None, None), (FORK, 12, "left"), (ISLE, 50, "died")]


@pytest.mark.parametrize("name", ["sk", "kit"])
def test_a_traveller_that_is_named_after_its_body_is_its_soul_too(name: str) -> None:
    way = crossing(MAIN, ISLE, 10, 20, "kit", "kit")
    found = followed(name, [KIT], [DEATH], way)
    assert ends(found) == [(MAIN, 10, "left"), (ISLE, 50, "died")]
    away = replace(way, arrived_tick=None)
    assert followed(name, [KIT], [], away).in_transit == (away,)
    renamed = replace(way, arrived_as="visitor")
    assert ends(followed(name, [KIT], [told(50, "death", "visitor")], renamed)) == ends(found)


def test_a_body_that_another_soul_has_is_not_its_own_any_more() -> None:
    other = told(30, "birth", "kit", soul="st")
    untold = [KIT, other, DEATH]
    assert followed("sk", untold).present == (MAIN,)
    assert ends(followed("st", untold)) == [(MAIN, 50, "died")]
    gone = [KIT, told(9, "death", "kit"), other, DEATH]
    assert ends(followed("sk", gone)) == [(MAIN, 9, "died")]
    left = followed("sk", [KIT, told(30, "birth", "kit"), DEATH], [], WAY)
    assert ends(left) == [(MAIN, 10, "left"), (ISLE, None, None)]
    next_kit = crossing(MAIN, ISLE, 40, 60, "kit", "kit")
    assert followed("sk", [KIT, other], [], next_kit).present == (MAIN,)
    wrong = replace(DEATH, souls=("st",))
    assert followed("sk", [KIT, wrong]).present == (MAIN,)


def test_a_soul_in_its_next_body_does_not_die_with_the_one_before() -> None:
    zoe = told(30, "soul:reincarnated", "zoe", soul="sk")
    for tick in (30, 50):
        assert followed("sk", [KIT, zoe, told(tick, "death", "kit")]).present == (MAIN,)
    both = [KIT, told(29, "death", "kit"), zoe, told(50, "death", "zoe")]
    assert ends(followed("sk", both)) == [(MAIN, 29, "died"), (MAIN, 50, "died")]
    kit_again = [KIT, told(29, "death", "kit"), told(40, "rebirth", "kit")]
    assert followed("sk", kit_again).present == (MAIN,)
    assert followed("sk", [*kit_again[:2], told(40, "birth", "kit")]).present == ()


def test_it_comes_in_the_body_that_it_left_in_each_time() -> None:
    zoe = [told(30, "death", "kit"), told(31, "rebirth", "zoe", soul="sk")]
    ways = [
        replace(WAY, left_seq=1, ended_seq=1),
        replace(crossing(ISLE, MAIN, 22, 24, "sk", "sk"), left_seq=2, ended_seq=2),
        replace(crossing(MAIN, ISLE, 35, 40, "sk", "sk"), left_seq=3, ended_seq=3),
    ]
    for name, ended in (("kit", None), ("zoe", "died")):
        found = followed("sk", [KIT, *zoe], [told(50, "death", name)], *ways)
        assert [one.ended for one in found.stays if one.universe == ISLE] == ["left", ended]


def test_who_was_born_there_under_its_name_is_somebody_else() -> None:
    found = followed("sk", [KIT], [told(1, "birth", "kit"), DEATH], WAY)
    assert found.present == (ISLE,)
    after = followed("sk", [KIT], [told(30, "birth", "kit"), DEATH], WAY)
    assert after.present == (ISLE,)
    before = followed("sk", [KIT], [told(19, "death", "kit")], WAY)
    assert before.present == (ISLE,)


def test_of_two_that_came_with_one_name_the_last_is_called_so_as_in_lineages() -> None:
    universes = [
        history(MAIN, [KIT]),
        history(FORK, [told(1, "birth", "kit", soul="st")]),
        history(ISLE, [told(29, "harvest", "kit"), DEATH]),
    ]
    home = replace(crossing(ISLE, MAIN, 29, 40, "sk", "sk"), left_seq=2, ended_seq=2)
    for ways in ((), (home,)):
        came = [replace(WAY, left_seq=1, ended_seq=1), *ways]
        other = replace(crossing(FORK, ISLE, 3, 30, "st", "st"), left_seq=1, ended_seq=3)
        histories = Histories(universes, [*came, other])
        present = [follow(one, histories).present for one in ("sk", "st")]
        assert present == [(MAIN if ways else ISLE,), ()]
        (here,) = [one for one in follow("sk", histories).stays if one.universe == ISLE]
        assert [one.event.type for one in here.events] == ["harvest"]
        died = [who for who, one in Lineages(histories).people.items() if one.died]
        assert died == [(FORK, "kit")]


@pytest.mark.parametrize("called", [["sk"] * 3, ["kit", "zoe", "sk"], ["sk", "zoe", "zoe"]])
def test_it_goes_on_in_the_body_that_it_came_home_in(called: list[str]) -> None:
    far = "eve/far"
    isle = history(ISLE, [told(22, "death", "kit"), told(25, "rebirth", "zoe", soul="sk")])
    out, home, on = (
        replace(crossing(source, target, left, left + 10, name, name), left_seq=seq, ended_seq=seq)
        for (source, target), left, name, seq in zip(
            [(MAIN, ISLE), (ISLE, MAIN), (MAIN, far)], (10, 30, 50), called, (1, 2, 3), strict=True
        )
    )
    for name, is_its in (("zoe", True), ("kit", False)):
        death = told(70, "death", name)
        there = Histories([history(MAIN, [KIT]), isle, history(far, [death])], [out, home, on])
        last = follow("sk", there).stays[-1]
        assert (last.universe, last.ended) == (far, "died" if is_its else None)
        assert len(last.events) == is_its
        zoe = Lineages(there).people[Creature(ISLE, "zoe")]
        assert list(zoe.died) == ([far] if is_its else [])
        forked = history(FORK, [death], MAIN, 45)
        in_fork = follow("sk", Histories([history(MAIN, [KIT]), isle, forked], [out, home]))
        assert [one.ended for one in in_fork.stays if one.universe == FORK] == [last.ended]


@pytest.mark.parametrize("left", [120, 50])
def test_in_a_world_that_was_set_back_it_goes_on_in_its_body(left: int) -> None:
    far = "eve/far"
    out = replace(crossing(MAIN, ISLE, 10, 100, "sk", "sk"), left_seq=1, ended_seq=1)
    on = replace(crossing(ISLE, far, left, 60, "sk", "sk"), left_seq=2, ended_seq=1)
    universes = [history(MAIN, [KIT]), history(ISLE, []), history(far, [told(70, "death", "kit")])]
    histories = Histories(universes, [out, on])
    there = [(ISLE, max(left, 100), "left"), (far, 70, "died")]
    assert ends(follow("sk", histories))[1:] == there
    assert [*Lineages(histories).people[Creature(MAIN, "kit")].died] == [far]


def test_who_leaves_and_comes_back_at_one_tick_is_who_it_was() -> None:
    out = replace(crossing(MAIN, ISLE, 10, 20, "sk", "sk"), left_seq=1, ended_seq=1)
    home = replace(crossing(ISLE, MAIN, 20, 10, "sk", "sk"), left_seq=2, ended_seq=2)
    people = Lineages(Histories([history(MAIN, [KIT]), history(ISLE, [DEATH])], [out, home])).people
    assert [who for who, one in people.items() if one.died] == [(MAIN, "kit")]


def test_several_souls_that_one_body_is_told_with_are_all_in_it_and_of_several_bodies_none() -> (
    None
):
    twins = replace(KIT, souls=("sk", "st"))
    for name in ("sk", "st"):
        assert ends(followed(name, [twins, DEATH])) == [(MAIN, 50, "died")]
    two = told(5, "birth", "kit", "tom", soul="sk")
    assert followed("sk", [two, DEATH]).present == (MAIN,)
    of_two = told(50, "death", "tom", "kit")
    assert ends(followed("sk", [KIT, of_two])) == [(MAIN, 50, "died")]


def test_bodies_of_which_strangers_tell_much_are_all_looked_at() -> None:
    count = 2_000
    ties = [told(n, "milestone", f"b{n % 64}", soul="s") for n in range(count)]
    names = tuple(f"b{n}" for n in range(64))
    told_of = [replace(told(count + n, "harvest"), entities=names) for n in range(count)]
    death = replace(told(2 * count, "death"), entities=names)
    found = followed("s", [*ties, *told_of, death])
    assert ends(found) == [(MAIN, 2 * count, "died")]


class Counted(Histories):
    """How often it was asked how a universe begins: at each step to where a name is from."""

    steps = 0

    def begins(self, universe: str) -> tuple[str, int] | None:
        self.steps += 1
        return super().begins(universe)


LANDS = [f"ada/u{n:02d}" for n in range(64)]
LAST = 1_000


def along(entity: str, first: int = 0, copies: int = 1) -> list[Crossing]:
    """From the last of the lands, round from `first`, to that one."""
    lands = [*LANDS[first:], *LANDS[:first]]
    ways = [crossing(there, here, 0, 0, entity, entity) for here, there in pairwise(lands)]
    return [
        replace(one, migration=bytes([n]) + one.migration) for one in ways for n in range(copies)
    ]


def of_lands(first: Sequence[Event], rest: Sequence[Sequence[Event]], *ways: Crossing) -> Counted:
    each = zip(LANDS, [first, *rest, *[()] * len(LANDS)], strict=False)
    return Counted([history(universe, events) for universe, events in each], ways)


def of_names(events: int) -> tuple[list[Event], tuple[str, ...]]:
    """64 bodies of one soul that are all souls of n0, and as many events that name all."""
    names = tuple(f"b{n}" for n in range(64))
    ties = [told(n, "milestone", name, soul="s") for n, name in enumerate(names)]
    all_one = replace(told(100, "milestone", "n0"), souls=names)
    home = told(101, "milestone", "home", soul="s")
    rest = [replace(told(200 + n, "harvest"), entities=names) for n in range(events)]
    return [*ties, all_one, home, *rest], names


def test_a_long_way_is_looked_up_once_however_much_is_told_of_who_took_it() -> None:
    told_of, names = of_names(300)
    lands = of_lands(told_of, [], *along("n0", copies=5))
    found = follow("s", lands)
    assert found.present == (LANDS[0],)
    assert lands.steps < 2_000
    lands.steps = 0
    people = Lineages(lands)
    assert lands.steps < 2 * (64 * len(told_of) + len(lands.crossings))
    assert {people.who(LANDS[0], name) for name in names} == {Creature(LANDS[-1], "n0")}


def test_a_way_of_many_names_through_all_universes_takes_a_step_for_each_passage() -> None:
    told_of, names = of_names(3)
    ways = [way for n in range(63) for way in along(f"n{n}", n)]
    ends = [[told(0, "milestone", f"n{n + 1}", soul=f"n{n}")] for n in range(62)]
    # The way of n0 ends in the last land, that of n1 in the first: each goes on as the next.
    lands = of_lands([*ends[0], *told_of], ends[1:], *ways)
    assert follow("s", lands).present == (LANDS[0],)
    assert lands.steps < 4 * len(ways)
    lands.steps = 0
    people = Lineages(lands)
    assert lands.steps < 4 * len(ways) + 64 * len(told_of)
    assert len({people.who(LANDS[0], name) for name in names}) == 1


def test_after_a_long_way_under_changing_names_it_is_who_it_was() -> None:
    changes = [[told(0, "milestone", f"n{n + 1}", soul=f"n{n}")] for n in range(1, 63)]
    ways = [
        crossing(there, here, 0, 0, f"n{n + 1}", f"n{n + 1}")
        for n, (here, there) in enumerate(pairwise(LANDS))
    ]
    birth = told(0, "birth", "n63", soul="s")
    dead = told(LAST, "death", "n1")
    lands = of_lands([dead], [*changes, [birth]], *ways)
    born = Creature(LANDS[-1], "n63")
    people = Lineages(lands)
    assert all(people.who(LANDS[n], f"n{n + 1}") == born for n in range(63))
    assert people.people[born].died[LANDS[0]].event == dead
    kits = of_lands([replace(dead, entities=("kit",))], [*[()] * 62, [KIT]], *along("sk"))
    late = [replace(one, left_tick=10, arrived_tick=5) for one in kits.crossings]
    found = follow("sk", of_lands([told(LAST, "death", "kit")], [*[()] * 62, [KIT]], *late))
    assert ends(found)[-1] == (LANDS[0], LAST, "died")
    assert found.present == ()


def a_line_of_forks(*told_of: Sequence[Event]) -> list[History]:
    """64, each forked from the one before; `told_of`: what the first and the last ones tell."""
    first, *last = told_of
    events = [first, *[()] * (len(LANDS) - len(told_of)), *last]
    return [
        history(name, each, LANDS[n - 1] if n else None, LAST + n)
        for n, (name, each) in enumerate(zip(LANDS, events, strict=True))
    ]


def test_in_a_long_line_of_forks_each_name_takes_a_few_steps_however_many_are_told() -> None:
    """Each name was looked for in each fork, and from each of them in all those above it."""

    def named(tick: int) -> list[Event]:
        names = [tuple(f"{n}.{k}" for k in range(64)) for n in range(40)]
        return [replace(told(tick + n, "harvest"), entities=each) for n, each in enumerate(names)]

    def steps(*told_of: Sequence[Event]) -> int:
        lands = Counted(a_line_of_forks(*told_of))
        assert {one.universe for one in Lineages(lands).people} == {LANDS[0]}
        return lands.steps

    mentions, later = 64 * 40, named(2 * LAST)
    assert steps(named(0), later) < 10 * mentions
    # So it is where the forks between tell of the same, but only after the next ones began.
    assert steps(named(0), *[later[:1]] * 62, later) < 10 * (mentions + 64 * 62)


def test_many_travellers_out_of_a_long_line_of_forks_take_a_few_steps_each() -> None:
    count = 1_000
    names = [f"n{n}" for n in range(count)]
    known = [
        replace(told(n, "harvest"), entities=tuple(names[n : n + 64])) for n in range(0, count, 64)
    ]
    ways = [
        replace(crossing(LANDS[-1], ISLE, 2 * LAST, n, name, name), left_seq=n + 1, ended_seq=n + 1)
        for n, name in enumerate(["sk", *names])
    ]
    lands = Counted([*a_line_of_forks([KIT, *known]), history(ISLE, [DEATH])], ways)
    assert set(ends(follow("sk", lands))) >= {(LANDS[-1], 2 * LAST, "left"), (ISLE, 50, "died")}
    assert lands.steps < 10 * (count + 64 * 64)


class Compared(str):
    """A name of a traveller that counts how often it is looked at."""

    __slots__ = ()
    looks = 0

    def __hash__(self) -> int:
        Compared.looks += 1
        return super().__hash__()


def test_many_names_in_turn_are_followed_with_a_few_looks_at_each_passage() -> None:
    count = 400
    ways = [
        replace(
            crossing(MAIN, ISLE, count - n, count - n, Compared(f"n{n}")), arrived_as=f"n{n + 1}"
        )
        for n in range(count)
    ]
    histories = Histories([history(MAIN, [told(0, "birth", "n0")]), history(ISLE, [])], ways)
    Compared.looks = 0
    assert len(follow("n0", histories).stays) > count
    assert Compared.looks < 40 * count


def test_a_circle_of_passages_is_one_creature_wherever_it_is_asked_for() -> None:
    names = [MAIN, ISLE, "eve/far"]
    ways = [crossing(one, next, 9, 9) for one, next in pairwise([*names, MAIN])]
    universes = [history(one, []) for one in [FORK, *names]]
    people = Lineages(Histories(universes, [*ways, crossing(ISLE, FORK, 9, 9)]))
    assert {people.who(one, "eve") for one in [FORK, *names]} == {Creature(MAIN, "eve")}


@pytest.mark.parametrize("name", ["sk", "kit"])
def test_in_a_fork_of_where_it_came_to_it_has_the_body_that_it_came_in(name: str) -> None:
    far = "eve/far"
    homes = [history(MAIN, [KIT]), history(ISLE, [])]
    died = Histories([*homes, history(FORK, [DEATH], ISLE, 30)], [WAY])
    assert ends(follow(name, died))[1:] == [(ISLE, None, None), (FORK, 50, "died")]
    (kit,) = Lineages(died).called("sk")
    assert [*Lineages(died).people[kit].died] == [FORK]
    forks = [history(FORK, [], ISLE, 30), history(far, [DEATH], FORK, 35)]
    found = follow(name, Histories([*homes, *forks], [WAY]))
    assert ends(found)[2:] == [(FORK, None, None), (far, 50, "died")]
    early = Histories([*homes, history(FORK, [DEATH], ISLE, 19)], [WAY])
    assert follow("sk", early).present == (ISLE,)


@pytest.mark.parametrize("name", ["sk", "kit"])
def test_who_is_born_again_in_a_fork_that_began_after_its_death_is_the_same(name: str) -> None:
    again = [told(40, "rebirth", "kit"), DEATH]
    for between in ((), (history("eve/far", [], MAIN, 9),)):
        parent = between[0].branch.universe if between else MAIN
        dead = history(MAIN, [KIT, told(8, "death", "kit")])
        found = follow(name, Histories([dead, *between, history(FORK, again, parent, 30)]))
        assert ends(found) == [(MAIN, 8, "died"), (FORK, 50, "died")]
        assert [one.event.type for one in found.stays[1].events] == ["rebirth", "death"]
    gone = [history(MAIN, [KIT]), history(ISLE, []), history(FORK, again, MAIN, 30)]
    assert follow("sk", Histories(gone, [WAY])).present == (ISLE,)


KINDS = st.sampled_from(["harvest", "agent:died", "milestone", "rebirth"])
SOME = st.lists(st.tuples(st.integers(20, 59), KINDS, st.sampled_from(["", "sk"])), max_size=5)


def of_kit(some: Sequence[tuple[int, str, str]], later: int = 0) -> list[Event]:
    return [told(tick + later, kind, "kit", soul=soul) for tick, kind, soul in some]


@given(SOME, SOME, SOME, st.sampled_from(["sk", "kit", ""]))
def test_asked_by_soul_or_by_body_it_ends_alike_and_as_lineages_say(
    here: list[tuple[int, str, str]],
    there: list[tuple[int, str, str]],
    forked: list[tuple[int, str, str]],
    traveller: str,
) -> None:
    universes = [history(MAIN, [KIT, *of_kit(here)]), history(FORK, of_kit(forked), MAIN, 10)]
    ways = list[Crossing]()
    if traveller:
        universes.append(history(ISLE, of_kit(there, 81)))
        ways.append(crossing(MAIN, ISLE, 60, 100, traveller, traveller))
    histories = Histories(universes, ways)
    soul, body = follow("sk", histories), follow("kit", histories)
    assert ends(soul) == ends(body)
    (kit,) = Lineages(histories).called("sk")
    person = Lineages(histories).people[kit]
    assert {one.universe for one in soul.stays if one.ended == "died"} <= set(person.died)


def test_when_a_guest_dies_is_looked_up_once_however_many_are_born_again_beside_it() -> None:
    """Each is known by as many names as its body was told with souls."""
    souls = tuple(Compared(f"s{n}") for n in range(64))
    homes = [f"far/u{n}" for n in range(15)]
    bodies = [
        History(Branch(home), {b"born": replace(told(1, "birth", f"b{n}"), souls=souls)})
        for n, home in enumerate(homes)
    ]
    ways = [
        replace(crossing(home, ISLE, 5, 10, f"b{n}", "s0"), ended_seq=n + 1, origin=home)
        for n, home in enumerate(homes)
    ]

    def looks(count: int) -> int:
        again = [told(20 + n, "rebirth", f"c{n}", soul="s0") for n in range(count)]
        cub = told(900, "birth", "cub", parents="s0")
        lands = Histories([*bodies, history(ISLE, [*again, cub])], ways)
        Compared.looks = 0
        assert Creature(ISLE, "cub") in Lineages(lands).people
        return Compared.looks

    assert looks(500) < 2 * looks(10)
