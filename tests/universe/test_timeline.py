"""A timeline holds each event and each snapshot once, and a tick opens what shows it best."""

from dataclasses import replace
from random import Random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.registry.people import ALICE_LAPTOP
from tests.universe.test_event import BIRTH, LEAST
from tests.universe.worlds import FULL, PLAIN
from universe.event import Event
from universe.parts import read_snapshot
from universe.snapshot import AUTO_AS_MANUAL, Decay, Snapshot, encode_signed, sign_snapshot
from universe.taken import Taken, taken_from, taken_of
from universe.timeline import FORK, nearest, timeline, why_none


def taken(place: int, tick: int, kind: str = "auto", at_us: int = 0) -> Taken:
    return Taken(bytes([place]) * 32, tick, kind, at_us)


def event(place: int, tick: int, snapshot: bytes | None = None) -> tuple[bytes, Event]:
    return bytes([place]) * 16, replace(LEAST, tick=tick, snapshot=snapshot)


ONE, TWO, LATER = taken(1, 100), taken(2, 100, "manual", at_us=5), taken(3, 300)


def test_an_event_and_the_snapshot_that_was_taken_for_it_are_one_entry() -> None:
    union = Taken(bytes([4]) * 32, 200, "canonical", 7, event=bytes([8]) * 16)
    named = event(9, 300, LATER.id)
    found = timeline([LATER, union, ONE], [event(8, 200), named, event(7, 250)])
    assert [(one.tick, one.type, one.snapshot, one.event) for one in found] == [
        (100, "auto", ONE, None),
        (200, "harvest", union, bytes([8]) * 16),
        (250, "harvest", None, bytes([7]) * 16),
        (300, "harvest", LATER, named[0]),
    ]
    assert [one.can_fork for one in found] == [True, True, False, True]
    assert [one.has_snapshot for one in found] == [True, True, False, True]
    assert [one.is_canonical for one in found] == [False, True, True, True]


def test_what_an_event_names_and_is_not_there_opens_nothing() -> None:
    dropped = event(8, 200, bytes([77]) * 32)
    (entry,) = timeline([], [dropped])
    assert (entry.has_snapshot, entry.can_fork) == (False, False)


def test_at_an_event_without_a_snapshot_opens_the_newest_of_its_very_tick() -> None:
    found = timeline([TWO, ONE], [event(8, 100)])
    assert [one.snapshot for one in found if one.event] == [TWO]
    assert sorted(one.type for one in found) == ["auto", "harvest", "manual"]


def test_several_of_one_tick_all_stand_there_and_who_may_not_fork_reads_so() -> None:
    found = timeline([TWO, ONE, TWO], [], can_fork=False)
    assert [one.snapshot for one in found] == [ONE, TWO]
    assert not any(one.can_fork for one in found)


def test_a_fork_begins_with_what_it_was_forked_from() -> None:
    signed = sign_snapshot(FULL, ALICE_LAPTOP)
    row = read_snapshot(signed.id, encode_signed(signed))
    assert row is not None
    begun = taken_of(msgspec.structs.replace(row, is_inherited=True))
    (entry,) = timeline([begun], [])
    assert (entry.type, entry.title, entry.day) == (FORK, "Forked here", 3)
    assert begun.decay == FULL.decay
    assert taken_of(row).is_inherited is False


def read(snapshot: Snapshot, **said: Any) -> Taken:  # noqa: ANN401 - taken_of's own
    signed = sign_snapshot(snapshot, ALICE_LAPTOP)
    row = read_snapshot(signed.id, encode_signed(signed))
    assert row is not None
    assert taken_of(row) == taken_from(signed.id, snapshot)
    return taken_of(row, **said)


def test_an_autosave_that_its_program_calls_manual_is_one_and_is_shown_as_it_came() -> None:
    of_game = replace(PLAIN, kind=AUTO_AS_MANUAL)
    assert (read(of_game).kind, read(of_game).sent) == ("auto", "manual")
    for as_sent, shown in ((False, ("auto", "Autosave")), (True, ("manual", "Saved"))):
        (entry,) = timeline([read(of_game, is_as_sent=as_sent)], [])
        assert (entry.type, entry.title) == shown


def test_how_long_a_program_says_counts_where_somebody_asks() -> None:
    goes, stays = Decay(after=10, reason="short"), Decay(after=10, is_never=True)
    for decay, is_wrapped, counts in (
        (goes, True, False), (goes, False, True), (stays, True, True), (stays, False, True),
        (Decay(reason="dear"), True, True),
    ):  # fmt: skip
        said = replace(PLAIN, decay=decay, wrapped=is_wrapped)
        assert read(said).decay == (decay if counts else None)
        asked = read(said, is_decay_asked=True)
        assert (asked.decay, asked.word) == ((decay, None) if counts else (None, decay))


def test_an_entry_says_all_that_its_event_says() -> None:
    (entry,) = timeline([], [(bytes(16), BIRTH)])
    for key in ("tick", "at_us", "day", "type", "title", "description", "importance"):
        assert getattr(entry, key) == getattr(BIRTH, key), key
    assert (entry.entities, entry.souls, entry.parents) == (
        BIRTH.entities,
        BIRTH.souls,
        BIRTH.parents,
    )


def test_a_tick_opens_the_last_at_or_before_it_and_of_several_the_newest() -> None:
    line = [LATER, ONE, TWO]
    for tick, found in ((99, None), (100, TWO), (299, TWO), (300, LATER), (1 << 62, LATER)):
        assert nearest(line, tick) == found
    assert nearest([], 5) is None


def test_why_nothing_opens_is_said() -> None:
    assert why_none("main", [], 5) == "main has no snapshot yet"
    assert why_none("main", [LATER, ONE], 5) == (
        "main has no snapshot at or before tick 5: its first is of tick 100"
    )
    assert why_none("main", [ONE], 5, "did/old").endswith("what was before is in did/old")


TAKEN = st.builds(
    Taken,
    id=st.integers(0, 40).map(lambda place: bytes([place]) * 32),
    tick=st.integers(0, 9),
    kind=st.sampled_from(["auto", "manual", "canonical"]),
    at_us=st.integers(0, 9),
    event=st.none() | st.integers(0, 5).map(lambda place: bytes([place]) * 16),
)


@st.composite
def events_told(draw: st.DrawFn) -> Event:
    ids = st.integers(0, 40).map(lambda place: bytes([place]) * 32)
    tick, at_us = draw(st.integers(0, 9)), draw(st.integers(0, 9))
    return replace(LEAST, tick=tick, at_us=at_us, snapshot=draw(st.none() | ids))


EVENTS = st.dictionaries(st.integers(0, 5).map(lambda place: bytes([place]) * 16), events_told())


@given(st.lists(TAKEN, unique_by=lambda one: one.id), EVENTS, st.randoms())
def test_nothing_is_lost_nothing_said_twice_and_the_order_of_arrival_is_nothing(
    snapshots: list[Taken], events: dict[bytes, Event], random: Random
) -> None:
    found = timeline(snapshots, events.items())
    assert [one.event for one in found if one.event] == [
        id for one in found for id in events if id == one.event
    ]
    assert {one.event for one in found} - {None} == set(events)
    assert {one.snapshot.id for one in found if one.snapshot} == {one.id for one in snapshots}
    bare = [one.snapshot.id for one in found if one.snapshot and not one.event]
    assert len(bare) == len(set(bare))
    assert [one.tick for one in found] == sorted(one.tick for one in found)
    assert len({one.order for one in found}) == len(found)
    shuffled = list(snapshots)
    random.shuffle(shuffled)
    assert timeline(shuffled, reversed(list(events.items()))) == found


@given(st.lists(TAKEN), st.integers(-1, 10))
def test_nothing_that_is_there_shows_the_tick_better(snapshots: list[Taken], tick: int) -> None:
    found = nearest(snapshots, tick)
    before = [one for one in snapshots if one.tick <= tick]
    assert (found is None) == (not before)
    assert found is None or not any(one.order > found.order for one in before)
