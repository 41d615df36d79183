"""What is dropped, by tables; and what never is, whatever a rule says."""

from dataclasses import replace
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidRecord
from registry.trends import unix_us
from universe.retention import (
    AUTOS_MAX,
    COUNT_MAX,
    DAY_US,
    HOUR_US,
    KEEP_ALL,
    MONTH_US,
    POLICY_BYTES_MAX,
    ROOM_MAX,
    ROOM_VALUES_MAX,
    SECONDS_MAX,
    Policy,
    Rule,
    keeps_all,
    parse_policy,
    policy_words,
    to_drop,
    write_policy,
)
from universe.snapshot import TICK_MAX, Decay
from universe.taken import Taken

NOW = unix_us("2026-11-19T12:30:00Z")  # a Thursday
MINUTE_US = HOUR_US // 60
THIN = Policy(auto=Rule(thin=True))


def ago(us: int, *, tick: int | None = None, kind: str = "auto", place: int = 0) -> Taken:
    at_us = NOW - us
    name = f"{kind}{at_us:016x}{place:016x}".encode()
    return Taken(name, at_us // 1_000_000 if tick is None else tick, kind, at_us)


def gone(snapshots: list[Taken], policy: Policy, now_us: int = NOW) -> list[Taken]:
    return [one.snapshot for one in to_drop(snapshots, policy, now_us=now_us)]


def test_of_the_last_hour_all_stay_and_of_before_the_last_of_each_hour_day_and_week() -> None:
    line = [ago(minutes * MINUTE_US) for minutes in range(0, 60 * 24 * 90, 7)]
    dropped = {one.id for one in gone(line, THIN)}
    kept = [one for one in line if one.id not in dropped]
    by_age = {
        "hour": [one for one in kept if NOW - one.at_us <= HOUR_US],
        "day": [one for one in kept if HOUR_US < NOW - one.at_us <= DAY_US],
        "month": [one for one in kept if DAY_US < NOW - one.at_us <= MONTH_US],
        "before": [one for one in kept if NOW - one.at_us > MONTH_US],
    }
    assert {age: len(ones) for age, ones in by_age.items()} == {
        "hour": 9,
        "day": 23,
        "month": 29,
        "before": 9,
    }
    assert len(line) == 18_515
    for one in by_age["before"]:  # the last of its week: nothing later of that week is there
        week = (one.at_us // DAY_US + 3) // 7
        assert one.at_us == max(
            other.at_us for other in line if (other.at_us // DAY_US + 3) // 7 == week
        )


def test_who_sets_no_rule_keeps_every_autosave_however_old() -> None:
    line = [ago(3 * DAY_US + minutes * MINUTE_US) for minutes in range(AUTOS_MAX - 1)] + [ago(0)]
    assert not gone(line, Policy())
    assert not gone(line, parse_policy("{}"), NOW + 999 * DAY_US)


def test_of_too_many_so_many_go_the_oldest_that_thinning_would_take_first() -> None:
    """For two hundred days four a day, ten minutes apart, and one by hand each."""
    line = [
        one
        for days in range(200, 0, -1)
        for one in (
            *(ago(days * DAY_US - place * 10 * MINUTE_US, place=place) for place in range(4)),
            ago(days * DAY_US, kind="manual"),
        )
    ]
    autos = [one for one in line if one.kind == "auto"]
    for most in (799, 780, 500):
        over = to_drop(line, Policy(auto=Rule(thin_over=most)), now_us=NOW)
        thin = to_drop(line, THIN, now_us=NOW)
        assert len(over) == len(autos) - most
        oldest = sorted(thin, key=lambda one: one.snapshot.at_us)[: len(over)]
        assert {one.snapshot.id for one in over} == {one.snapshot.id for one in oldest}
        assert {one.why for one in over} <= {one.why for one in thin}
    # Thinned as far as it goes it is still too many: then the oldest of what is left go.
    left = {one.id for one in autos} - {one.snapshot.id for one in thin}
    few = to_drop(line, Policy(auto=Rule(thin_over=20)), now_us=NOW)
    kept = [one for one in autos if one.id not in {each.snapshot.id for each in few}]
    assert kept == [one for one in autos if one.id in left][-20:]
    assert {one.why for one in few if one.snapshot.id in left} == {"the oldest of more than 20"}


def test_what_stays_although_a_rule_says_other_counts_among_those_that_are_too_many() -> None:
    """So at once as many go as are too many, and no more the next time."""
    needed = ago(2 * DAY_US, tick=9)  # the newest by tick
    line = [
        needed,
        ago(2 * DAY_US - MINUTE_US, tick=1),
        ago(5, tick=2),
        ago(4, tick=3, kind="manual"),
    ]
    policy = Policy(auto=Rule(thin=True, thin_over=1))
    dropped = gone(line, policy)
    assert dropped == line[1:3]
    assert not gone([needed, line[3]], policy)


def test_autosaves_make_room_for_what_comes_whatever_else_is_kept() -> None:
    """By hand and canonical ones are never taken for it, nor what is needed."""
    dear = [ago(DAY_US + place, kind="manual", tick=place) for place in range(ROOM_MAX - 10)]
    autos = [ago(HOUR_US // 2 - place, tick=9_000 + place) for place in range(15)]
    pinned = {autos[0].id, autos[2].id}
    dropped = to_drop([*dear, *autos], Policy(), now_us=NOW, pinned=pinned)
    assert [one.snapshot for one in dropped] == [autos[at] for at in (1, 3, 4, 5, 6)]
    assert {one.why for one in dropped} == {f"the oldest of more than {ROOM_MAX:,}"}
    assert not gone([*dear, *autos], KEEP_ALL)


def test_autosaves_make_room_for_events_and_receipts_too() -> None:
    """What a document holds beside them counts: else it could not go on in a new epoch."""
    line = [ago(HOUR_US // 2 - place, tick=place) for place in range(15)]
    beside = ROOM_VALUES_MAX - 10
    assert not keeps_all(Policy(), 15, beside)
    assert keeps_all(Policy(), 10, beside)
    assert not to_drop(line[:10], Policy(), now_us=NOW, beside=beside)
    dropped = to_drop(line, Policy(), now_us=NOW, beside=beside)
    assert [one.snapshot for one in dropped] == line[:5]
    why = f"the oldest of more than 10, which have room beside {beside:,} events and receipts"
    assert {one.why for one in dropped} == {why}
    assert not to_drop(line, KEEP_ALL, now_us=NOW, beside=beside)
    (*_, last) = to_drop(line, Policy(), now_us=NOW, beside=2 * ROOM_VALUES_MAX)
    assert last.snapshot == line[-2], "the newest stays, whatever lies beside it"


def test_why_it_is_dropped_is_said() -> None:
    line = [ago(2 * DAY_US, place=place, tick=place) for place in range(3)] + [ago(0)]
    (one, two) = to_drop(line, THIN, now_us=NOW)
    assert one.why == two.why == "a later one of that day is kept"
    by_count = to_drop(line, Policy(auto=Rule(newest=2)), now_us=NOW)
    assert [one.why for one in by_count] == ["2 newer ones are kept"] * 2
    by_age = to_drop(line, Policy(auto=Rule(older_than_s=3_600)), now_us=NOW)
    assert [one.why for one in by_age] == ["older than 1 hour"] * 3
    ticks = [ago(9, tick=0), ago(8, tick=900), ago(7, tick=2_000)]
    by_tick = to_drop(ticks, Policy(auto=Rule(older_than_ticks=1_100)), now_us=NOW)
    assert [one.why for one in by_tick] == ["2,000 ticks old, more than 1,100"]


def test_kinds_have_their_own_rules_and_canonical_ones_none() -> None:
    line = [
        ago(days * DAY_US, kind=kind)
        for days in (400, 200, 1)
        for kind in ("auto", "manual", "canonical")
    ] + [ago(0)]
    policy = Policy(auto=Rule(older_than_s=300 * 86_400), manual=Rule(older_than_s=100 * 86_400))
    assert [(one.kind, (NOW - one.at_us) // DAY_US) for one in gone(line, policy)] == [
        ("auto", 400),
        ("manual", 400),
        ("manual", 200),
    ]


@pytest.mark.parametrize("rule", [Rule(newest=3), Rule(thin_over=3)], ids=["newest", "thin_over"])
@pytest.mark.parametrize("first", [5_004, 100, 0], ids=["went on", "set back", "begun anew"])
def test_of_what_comes_after_a_clock_was_ahead_the_newest_stay(first: int, rule: Rule) -> None:
    """Its hours come yet: taken for the newest, it would let each new one go as the next is
    saved."""
    ahead = [ago(-2 * HOUR_US - place, tick=5_000 + place) for place in range(4)]
    line = list(ahead)
    for place in range(6):
        line.append(ago(HOUR_US - place * MINUTE_US, tick=first + place))
        dropped = gone(line, Policy(auto=rule), line[-1].at_us)
        line = [one for one in line if one not in dropped]
        assert [one.tick for one in line if one not in ahead] == [
            first + each for each in range(max(0, place - 2), place + 1)
        ]
    assert [one for one in line if one in ahead] == ahead[1:], "of these the newest stay too"
    assert not gone(
        [*(ago(DAY_US * day, tick=1) for day in range(9, 6, -1)), *ahead[1:]], Policy(auto=rule)
    ), "nor do those go for what is old, which are the newest of the world"
    away = [ago(-DAY_US, tick=1), ago(9, tick=2), ago(8, tick=3)]
    assert not gone(away, THIN), "it is thinned by the hour that it says, when that is over"


@pytest.mark.parametrize(
    "dear",
    [ago(500 * DAY_US, kind="canonical"), replace(ago(500 * DAY_US), is_inherited=True)],
    ids=["canonical", "what a fork began with"],
)
def test_what_is_dear_stays_whatever_a_rule_says(dear: Taken) -> None:
    line = [dear, *(ago(days * DAY_US, kind=dear.kind) for days in (499, 400, 0))]
    rule = Rule(thin=True, newest=1, older_than_s=1, older_than_ticks=1)
    assert dear not in gone(line, Policy(auto=rule, manual=rule))


def test_a_world_that_was_set_back_keeps_its_newest_by_time_and_by_tick() -> None:
    line = [ago(5, tick=9_000), ago(4, tick=10), ago(3, tick=20), ago(2, tick=15)]
    policy = Policy(auto=Rule(newest=1))
    assert gone(line, policy) == [line[1], line[2]]


def test_what_a_world_that_was_set_back_keeps_is_not_old_for_what_it_had_reached() -> None:
    line = [ago(9, tick=100_000)] + [ago(8 - at, tick=10 * at) for at in range(1, 7)]
    own = [replace(one, decay=Decay(after=1_000)) for one in line]
    assert not gone(own, Policy())
    assert not gone(line, Policy(auto=Rule(older_than_ticks=1_000)))
    assert gone(line, Policy(auto=Rule(older_than_ticks=40))) == [line[1]]


def test_what_is_dated_ahead_says_the_tick_of_the_world_when_its_time_comes() -> None:
    """Until then it holds nothing back, for hours or for years."""
    before, now = ago(15 * MINUTE_US, tick=0), ago(0, tick=2)
    policy = Policy(auto=Rule(older_than_ticks=1))
    for ahead_us in (15 * MINUTE_US, 999 * DAY_US):
        line = [before, now, ago(-ahead_us, tick=0)]
        assert gone(line, policy) == [before]
        assert gone(line, policy, NOW + ahead_us - 1) == [before]
        assert not gone(line, policy, NOW + ahead_us), "the world was set back"
        later = [*line, ago(-ahead_us - 1, tick=3)]
        assert gone(later, policy, NOW + ahead_us + 1) == [before, line[2]], "it went on"


def test_a_decay_of_its_own_is_stronger_than_the_rule_in_both_ways() -> None:
    old = 400 * DAY_US
    line = [
        replace(ago(old, tick=100, place=1), decay=Decay(after=50)),
        replace(ago(old, tick=100, place=2), decay=Decay(after=5_000)),
        replace(ago(old, tick=100, place=3), decay=Decay(after=1, is_never=True)),
        replace(ago(old, tick=100, place=4), decay=Decay(reason="dear to me")),
        ago(old, tick=100, place=5),
        ago(0, tick=1_000),
    ]
    dropped = to_drop(line, Policy(auto=Rule(older_than_s=60)), now_us=NOW)
    assert [(one.snapshot, one.why) for one in dropped] == [
        (line[0], "900 ticks old, and its author keeps it for 50"),
        (line[4], "older than 1 minute"),
    ]


def test_the_tick_of_the_world_may_be_ahead_of_its_snapshots() -> None:
    line = [ago(2, tick=100), ago(1, tick=200)]
    policy = Policy(auto=Rule(older_than_ticks=500))
    assert not to_drop(line, policy, now_us=NOW)
    assert [one.snapshot for one in to_drop(line, policy, now_us=NOW, newest_tick=700)] == line[:1]


def test_a_clock_that_was_set_back_drops_nothing_and_one_ahead_spares_the_newest() -> None:
    line = [ago(0, place=place, tick=place) for place in range(3)]
    assert not gone(line, THIN, NOW - 40 * DAY_US)
    assert gone(line, Policy(auto=Rule(older_than_s=1)), NOW + 999 * DAY_US) == line[:2]


TIMES = st.integers(-60, 120 * 24 * 4).map(lambda quarters: NOW - quarters * 15 * MINUTE_US)
"""Also hours that come yet: a clock was ahead."""
DECAYS = st.none() | st.builds(
    Decay, st.none() | st.integers(0, 60), st.booleans(), st.just("so its author has it")
)
LINES = st.lists(
    st.builds(
        Taken,
        id=st.binary(min_size=4, max_size=4),
        tick=st.integers(0, 99),
        kind=st.sampled_from(["auto", "auto", "auto", "manual", "canonical"]),
        at_us=TIMES,
        decay=DECAYS,
        is_inherited=st.sampled_from([False, False, False, True]),
    ),
    unique_by=lambda one: one.id,
    max_size=40,
)


def thinned_over(rule: Rule, most: int) -> Rule:
    return msgspec.structs.replace(rule, thin_over=most)


RULES = st.builds(
    Rule,
    thin=st.booleans(),
    newest=st.none() | st.integers(1, 9),
    older_than_s=st.none() | st.integers(1, 100 * 86_400),
    older_than_ticks=st.none() | st.integers(1, 99),
)
POLICIES = st.builds(Policy, auto=RULES, manual=RULES)


# What goes because there are too many is as many as are too many: of another time, others.
OVER = st.builds(thinned_over, RULES, st.integers(1, 20))
ALL_POLICIES = POLICIES | st.builds(Policy, auto=OVER, manual=RULES | OVER)
LATER = st.integers(0, 200 * DAY_US)


@given(LINES, ALL_POLICIES, st.integers(0, 40), st.integers(0, 120))
def test_some_are_never_dropped(line: list[Taken], policy: Policy, pins: int, tick: int) -> None:
    pinned = {one.id for one in line[:pins]}
    dropped = to_drop(line, policy, now_us=NOW, newest_tick=tick, pinned=pinned)
    ids = {one.snapshot.id for one in dropped}
    assert not ids & pinned
    assert len(ids) == len(dropped)
    for one in line:
        is_dear = one.kind == "canonical" or one.is_inherited
        if is_dear or (one.decay is not None and one.decay.is_never):
            assert one.id not in ids
    if line:
        assert max(line, key=lambda one: one.order).id not in ids
        assert max(line, key=lambda one: (one.at_us, one.tick, one.id)).id not in ids


@given(LINES, ALL_POLICIES | st.sampled_from([KEEP_ALL, Policy(), Policy(auto=Rule(thin_over=3))]))
def test_where_all_are_said_to_stay_none_goes(line: list[Taken], policy: Policy) -> None:
    line = [replace(one, decay=None) for one in line]
    if keeps_all(policy, sum(not one.is_inherited for one in line)):
        assert gone(line, policy) == []


def test_all_stay_where_there_is_no_rule_or_the_usual_one_and_room() -> None:
    assert keeps_all(KEEP_ALL, ROOM_MAX + 1)
    assert keeps_all(Policy(), AUTOS_MAX)
    assert not keeps_all(Policy(), AUTOS_MAX + 1)
    for rule in (Rule(thin=True), Rule(newest=9), Rule(older_than_s=9), Rule(older_than_ticks=9)):
        assert not keeps_all(Policy(auto=rule), 0)
        assert not keeps_all(Policy(manual=rule), 0)


@given(LINES, ALL_POLICIES, st.randoms())
def test_once_is_enough_and_the_order_is_nothing(
    line: list[Taken], policy: Policy, random: Random
) -> None:
    dropped = to_drop(line, policy, now_us=NOW)
    left = [one for one in line if one.id not in {each.snapshot.id for each in dropped}]
    assert not to_drop(left, policy, now_us=NOW)
    random.shuffle(line)
    assert to_drop(line, policy, now_us=NOW) == dropped


@given(LINES, POLICIES, LATER)
def test_what_is_dropped_now_would_be_dropped_later_too(
    line: list[Taken], policy: Policy, later_us: int
) -> None:
    line = [replace(one, at_us=min(one.at_us, NOW)) for one in line]
    now = {one.id for one in gone(line, policy)}
    later = {one.id for one in gone(line, policy, NOW + later_us)}
    assert now <= later


@given(LINES, ALL_POLICIES)
def test_what_is_dated_ahead_changes_nothing_for_the_others(
    line: list[Taken], policy: Policy
) -> None:
    """Until its time comes. Of the highest tick only one stays, which may be dated ahead."""
    others = [one for one in line if one.at_us <= NOW]
    pinned = {max(others, key=lambda one: one.order).id} if others else set[bytes]()
    alone, beside = (
        {one.snapshot.id for one in to_drop(some, policy, now_us=NOW, pinned=pinned)}
        for some in (others, line)
    )
    assert beside & {one.id for one in others} == alone


@given(LINES, LATER)
def test_how_often_it_is_done_makes_no_difference_to_what_is_thinned(
    line: list[Taken], later_us: int
) -> None:
    line = [replace(one, at_us=min(one.at_us, NOW)) for one in line]
    at_once = gone(line, THIN, NOW + later_us)
    first = gone(line, THIN)
    then = gone([one for one in line if one not in first], THIN, NOW + later_us)
    assert sorted(one.id for one in [*first, *then]) == sorted(one.id for one in at_once)


@given(ALL_POLICIES)
def test_a_policy_is_read_as_it_was_written(policy: Policy) -> None:
    assert parse_policy(write_policy(policy)) == policy
    assert len(policy_words(policy)) == 3


def test_what_games_of_ai_village_say_is_understood() -> None:
    assert parse_policy('{"neverDecay":true,"decayAfterTicks":5}') == KEEP_ALL
    assert parse_policy('{"decayAfterTicks":1728000,"preservationReason":"x"}') == Policy(
        auto=Rule(thin_over=AUTOS_MAX, older_than_ticks=1_728_000),
        manual=Rule(older_than_ticks=1_728_000),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "retention"),
        ("[]", "retention"),
        ("{", "retention"),
        ('{"canonical":{}}', "canonical"),
        ('{"auto":{"thinner":true}}', "thinner"),
        ('{"auto":{"newest":0}}', "auto.newest: is 0, not 1"),
        ('{"auto":{"newest":2.5}}', "retention"),
        ('{"auto":{"thin_over":0}}', "auto.thin_over: is 0, not 1"),
        (f'{{"auto":{{"thin_over":{ROOM_MAX + 1}}}}}', "auto.thin_over"),
        (f'{{"auto":{{"newest":{COUNT_MAX + 1}}}}}', "auto.newest"),
        (f'{{"manual":{{"older_than_s":{SECONDS_MAX + 1}}}}}', "manual.older_than_s"),
        (f'{{"manual":{{"older_than_ticks":{TICK_MAX + 1}}}}}', "manual"),
        ('{"decayAfterTicks":-1}', "decayAfterTicks"),
        ('{"decayAfterTicks":"soon"}', "retention"),
        (f'{{"auto":{{}}{" " * POLICY_BYTES_MAX}}}', "more than 2048 bytes"),
        ('{"auto":"\ud800"}', "retention"),
    ],
)
def test_what_is_no_policy_is_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidRecord, match=says):
        parse_policy(text)


def test_policies_are_said_in_words() -> None:
    policy = Policy(auto=Rule(thin=True, newest=1_000), manual=Rule(older_than_s=90))
    assert policy_words(policy) == (
        "auto: all of the last hour, then the last of each hour, day, week; the newest 1,000",
        "manual: none older than 90 seconds",
        "canonical: all are kept",
    )
    assert policy_words(KEEP_ALL)[0] == "auto: all are kept"
    assert policy_words(Policy())[:2] == (
        "auto: up to 2,000 are kept; of more, the oldest are thinned to the last of each hour, day,"
        " week",
        "manual: all are kept",
    )
