"""Ratings and counts by day: each author once, whatever came first and whatever clocks say."""

from collections.abc import Callable
from pathlib import Path
from random import Random

from crdt.change import SignedEntry
from crdt.document import Editor
from storage.listing import DAY_US, DayCount, Span
from storage.store import Store, open_store
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, named, person, project, rated
from tests.storage.people import Person as Someone

TODAY = NOW_US // DAY_US
SPAN = Span(TODAY - 10, TODAY, NOW_US + DAY_US)
DICE = f"{ALICE.did}/io.dice"


def says(who: Someone, stars: int, *, at: int, counted: int | None = None) -> list[SignedEntry]:
    """One document: rated at a time, and perhaps counted at another."""
    document = who.document(DICE, cls="rate")
    edits = [rated(stars, installs=0 if counted is None else 1), dated("at", at)]
    if counted:
        edits.append(dated("counted_us", counted))
    return who.writes(document, *edits)


def dated(what: str, at: int = NOW_US - DAY_US) -> Callable[[Editor], None]:
    return lambda editor: editor.put(("rating", what), at)


def entries() -> list[SignedEntry]:
    return [
        ALICE.publishes("io.dice", named("dice")),
        *says(ALICE, 5, at=NOW_US, counted=NOW_US - 2 * DAY_US),
        *says(BOB, 2, at=NOW_US + DAY_US, counted=NOW_US - 300 * DAY_US),
        *says(CAROL, 4, at=NOW_US + DAY_US + 1, counted=1 << 60),
        *says(person(4), 3, at=0, counted=0),
    ]


WANTED = [
    DayCount("downloads", None, 1, 0),
    DayCount("downloads", TODAY - 11, 1, 0),
    DayCount("downloads", TODAY - 2, 1, 0),
    DayCount("downloads", TODAY + 1, 1, 0),
    DayCount("ratings", TODAY - 11, 1, 3),
    DayCount("ratings", TODAY, 2, 7),
    DayCount("ratings", TODAY + 1, 1, 4),
]


async def days(store: Store) -> list[DayCount]:
    return await store.days_of(DICE, "module", SPAN)


async def test_stores_that_hold_the_same_records_say_the_same_whatever_came_first(
    tmp_path: Path,
) -> None:
    held = entries()
    for number in range(4):
        path = tmp_path / f"{number}.db"
        async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
            for one in Random(number).sample(held, len(held)):
                await store.receive([one], source="peer")
            assert await days(store) == WANTED


async def test_whoever_says_it_twice_counts_once_with_the_last(store: Store) -> None:
    first, *again = BOB.writes(BOB.document(DICE, cls="rate"), rated(1), rated(5), dated("at"))
    await store.receive([first], source="peer")
    await store.receive(again, source="peer")
    assert await days(store) == [DayCount("ratings", TODAY - 1, 1, 5)]


async def test_of_another_namespace_or_kind_nothing_is_said(store: Store) -> None:
    await store.receive(entries(), source="peer")
    assert await store.days_of(DICE, "genome", SPAN) == []
    assert await store.days_of(f"{BOB.did}/io.dice", "module", SPAN) == []


async def test_made_up_dates_do_not_make_the_answer_longer(store: Store) -> None:
    said = [one for n in range(60) for one in says(person(10 + n), 5, at=n * n * n * DAY_US)]
    await store.receive(said, source="peer")
    found = await days(store)
    assert sum(one.count for one in found) == 60
    assert len(found) <= 2 * (SPAN.last - SPAN.first + 1) + 3
