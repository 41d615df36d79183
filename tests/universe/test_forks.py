"""Trees of forks: drawn, walked, and whole whatever strangers say of their parents."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from universe.forks import DEPTH_SHOWN_MAX, LINES_SHOWN_MAX, Branch, Forks, drawn

MAIN = Branch("ada/main", "Main")
HARDER = Branch("ada/harder", "Harder", "ada/main", 400, created_us=2)
OTHER = Branch("eve/other", "Other", "ada/main", 400, created_us=3)
HARDEST = Branch("bob/hardest", "Hardest", "ada/harder", 900)
ORPHAN = Branch("ada/orphan", "Orphan", "zoe/gone", 7)
FAMILY = [HARDEST, ORPHAN, OTHER, HARDER, MAIN]


def test_a_tree_is_drawn_with_forks_of_forks_and_parents_that_are_gone() -> None:
    forks = Forks(FAMILY)
    assert forks.roots() == ("ada/main", "zoe/gone")
    assert list(drawn(forks.whole_tree("ada/harder"), "ada/harder")) == [
        "ada/main  Main",
        "├─ tick 400  ada/harder  Harder  ◂ here",
        "│  └─ tick 900  bob/hardest  Hardest",
        "└─ tick 400  eve/other  Other",
    ]
    assert list(drawn(forks.whole_tree("ada/orphan"))) == [
        "zoe/gone  (not known here)",
        "└─ tick 7  ada/orphan  Orphan",
    ]
    assert list(drawn(forks.whole_tree("nobody/knows"))) == ["nobody/knows  (not known here)"]


def test_forks_and_ancestry() -> None:
    forks = Forks(FAMILY)
    assert forks.forks("ada/main") == (HARDER, OTHER)
    assert forks.forks("bob/hardest") == forks.forks("nobody/knows") == ()
    assert forks.ancestry("bob/hardest") == ("ada/main", "ada/harder", "bob/hardest")
    assert forks.ancestry("ada/orphan") == ("zoe/gone", "ada/orphan")
    assert (forks.branch("eve/other"), forks.branch("zoe/gone")) == (OTHER, None)


def test_how_far_two_universes_have_one_past() -> None:
    forks = Forks(FAMILY)
    assert forks.shared_until("bob/hardest", "eve/other") == ("ada/main", 400)
    assert forks.shared_until("bob/hardest", "ada/main") == ("ada/main", 400)
    assert forks.shared_until("ada/harder", "bob/hardest") == ("ada/harder", 900)
    assert forks.shared_until("ada/main", "ada/main") == ("ada/main", None)
    assert forks.shared_until("ada/main", "ada/orphan") is None


def test_a_circle_is_cut_at_the_same_place_on_every_node_and_says_so() -> None:
    circle = [Branch("c", parent="b"), Branch("b", parent="a"), Branch("a", parent="c")]
    tail = Branch("tail", parent="b", tick=3)
    for branches in (circle, circle[::-1], circle[1:] + circle[:1]):
        forks = Forks([*branches, tail, Branch("self", parent="self")])
        assert forks.roots() == ("a", "self")
        assert list(drawn(forks.tree("a"))) == [
            "a  (says it is a fork of its own fork c)",
            "└─ tick 0  b",
            "   ├─ tick 0  c",
            "   └─ tick 3  tail",
        ]
        assert forks.ancestry("tail") == ("a", "b", "tail")


def test_a_line_of_a_hundred_thousand_forks_is_walked_and_a_part_of_it_drawn() -> None:
    line = [Branch(str(n), parent=str(n - 1) if n else None) for n in range(100_000)]
    forks = Forks(line)
    assert len(forks.ancestry("99999")) == 100_000
    lines = list(drawn(forks.tree("0")))
    assert len(lines) == DEPTH_SHOWN_MAX + 2
    assert lines[-1] == f"… and {100_000 - DEPTH_SHOWN_MAX - 1:,} more"


def test_a_universe_with_very_many_forks_is_drawn_in_part() -> None:
    wide = [Branch("root"), *(Branch(f"f{n}", parent="root", tick=n) for n in range(5_000))]
    lines = list(drawn(Forks(wide).tree("root")))
    assert (len(lines), lines[-1]) == (LINES_SHOWN_MAX + 1, "… and 4,001 more")


NAMES = st.sampled_from("abcdefgh")
BRANCHES = st.lists(
    st.builds(Branch, NAMES, parent=st.none() | NAMES | st.just("unknown"), tick=st.integers(0, 3)),
    unique_by=lambda one: one.universe,
)


@given(BRANCHES, st.randoms())
def test_whatever_they_say_each_universe_has_one_place(
    branches: list[Branch], random: Random
) -> None:
    forks = Forks(branches)
    places = [place for root in forks.roots() for place in forks.tree(root)]
    named = [place.branch.universe for place in places]
    assert len(named) == len(set(named))
    assert {one.universe for one in branches} <= set(named)
    depths = {place.branch.universe: place.depth for place in places}
    for one in branches:
        parent = forks.parent(one.universe)
        assert parent in (one.parent, None)
        assert depths[one.universe] == (0 if parent is None else depths[parent] + 1)
        assert forks.ancestry(one.universe)[-1] == one.universe
        assert len(forks.ancestry(one.universe)) == depths[one.universe] + 1
    lines = [line for root in forks.roots() for line in drawn(forks.tree(root))]
    assert len(lines) == len(places)
    shuffled = list(branches)
    random.shuffle(shuffled)
    assert Forks(shuffled).roots() == forks.roots()


@given(BRANCHES, NAMES, NAMES)
def test_a_common_past_is_the_same_from_both_sides(
    branches: list[Branch], one: str, other: str
) -> None:
    forks = Forks(branches)
    found = forks.shared_until(one, other)
    assert found == forks.shared_until(other, one)
    assert (found is None) == (forks.ancestry(one)[0] != forks.ancestry(other)[0])
    if found is not None:
        assert found[0] in forks.ancestry(one)
        assert found[0] in forks.ancestry(other)
        assert (found[1] is None) == (one == other)
