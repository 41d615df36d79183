"""Lists in every order, page by page."""

import base64
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from crdt.keys import COMMONS, NamespaceKey
from storage import listings
from storage.errors import BadCursor
from storage.list_pages import Sort
from storage.listings import AHEAD_US, ListedRow, Listings
from storage.store import Store, open_store
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, named, project, rated, tagged
from tests.storage.steps import counted

PEOPLE = (ALICE, BOB, CAROL)
SORTS: list[Sort] = ["recent", "rating", "downloads", "name"]


async def publish(store: Store) -> None:
    entries = [
        person.publishes(f"io.m{n}", named(f"M{n % 5}", at=n % 4))
        for n in range(11)
        for person in (ALICE, BOB)
    ]
    entries += CAROL.writes(CAROL.document("io.tagged"), named("tagged"), tagged("a", "b"))
    for stars, record in ((5, "io.m3"), (1, "io.m4"), (5, "io.m5")):
        target = CAROL.document(f"{ALICE.did}/{record}", cls="rate")
        entries += CAROL.writes(target, rated(stars, installs=stars))
    await store.receive(entries, source="peer")


def order(row: ListedRow, sort: Sort) -> tuple[object, str]:
    target = row.listing.target
    match sort:
        case "recent":
            return -row.listing.updated_us, target
        case "rating":
            return -row.rating_key, target
        case "downloads":
            return -row.installs, target
        case "name":
            return row.listing.name.casefold(), target
        case "score":
            return -row.listing.score, target
        case "tick":
            return -row.listing.tick, target


@pytest.mark.parametrize("kind", [None, "module"])
@pytest.mark.parametrize("sort", SORTS)
async def test_pages_are_the_whole_list_in_order(
    store: Store, sort: Sort, kind: str | None
) -> None:
    await publish(store)
    whole = (await store.listings(kind, sort=sort, limit=1_000)).rows
    assert len(whole) == 23
    assert all(
        order(left, sort)[0] <= order(right, sort)[0]  # type: ignore[operator]  # of one type
        for left, right in pairwise(whole)
    )
    for limit in (1, 4):
        assert await page_by_page(store, sort, kind, limit) == whole


async def page_by_page(
    store: Store,
    sort: Sort,
    kind: str | None,
    limit: int,
    author: str | None = None,
    tag: Sequence[str] | None = None,
) -> tuple[ListedRow, ...]:
    rows: list[ListedRow] = []
    cursor = None
    while True:
        page = await store.listings(
            kind, sort=sort, limit=limit, cursor=cursor, author=author, tag=tag
        )
        rows += page.rows
        if (cursor := page.next) is None:
            return tuple(rows)


DATES = {  # of what each is named by, from the store's clock on
    "past": -2 * AHEAD_US, "now": 0, "tomorrow": AHEAD_US, "later": AHEAD_US + 1,
    "much-later": 1_000 * AHEAD_US,
}  # fmt: skip


@pytest.mark.parametrize("kind", [None, "module"])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
async def test_what_claims_to_come_from_the_future_is_not_on_top(
    store: Store, kind: str | None, limit: int
) -> None:
    await store.receive(
        [BOB.publishes(f"io.{name}", named(name, at=NOW_US + us)) for name, us in DATES.items()],
        source="peer",
    )
    rows = await page_by_page(store, "recent", kind, limit)
    names = [row.listing.name for row in rows]
    assert names == ["tomorrow", "now", "past", "much-later", "later"]


async def test_pages_do_not_begin_anew_when_what_was_ahead_is_no_more(tmp_path: Path) -> None:
    """Else whoever pages through a list that somebody floods with such dates never ends."""
    now_us = [NOW_US]
    async with open_store(tmp_path / "x.db", project=project, clock_us=lambda: now_us[0]) as store:
        dates = {"now": 0, **{f"ahead{n}": AHEAD_US + 1 + n for n in range(3)}}
        await store.receive(
            [BOB.publishes(f"io.{n}", named(n, at=NOW_US + us)) for n, us in dates.items()],
            source="peer",
        )
        names: list[str] = []
        cursor = None
        while True:
            page = await store.listings(limit=1, cursor=cursor)
            names += [row.listing.name for row in page.rows]
            assert len(names) <= 4
            now_us[0] += 2
            if (cursor := page.next) is None:
                break
    assert names == ["now", "ahead2", "ahead1", "ahead0"]


@pytest.mark.parametrize("ahead", [False, True])
async def test_a_late_page_takes_no_longer_than_the_first(tmp_path: Path, ahead: bool) -> None:
    """SQLite counts its own steps: as few as the page is long, wherever it begins."""
    path = tmp_path / "x.db"
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        at = NOW_US + 2 * AHEAD_US * ahead
        told = [BOB.publishes(f"io.m{n}", named("x", at=at - n)) for n in range(1_010)]
        for some in range(0, len(told), 250):
            await store.receive(told[some : some + 250], source="peer")
        early, late = [await steps_of(store, path, place) for place in (1, 990)]
        assert late < 2 * early


async def test_who_has_few_records_is_listed_without_a_walk_past_all_others(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        told = [BOB.publishes(f"io.m{n}", named("x")) for n in range(1_000)]
        told += [ALICE.publishes(f"io.m{n}", tagged("rare")) for n in range(10)]
        for some in range(0, len(told), 250):
            await store.receive(told[some : some + 250], source="peer")
        first = await steps_of(store, path)
        assert await steps_of(store, path, author=ALICE.did) < 2 * first
        assert await steps_of(store, path, tag="rare") < 2 * first


async def steps_of(
    store: Store, path: Path, place: int = 0, author: str | None = None, tag: str | None = None
) -> int:
    """What SQLite does for the ten rows after so many."""
    cursor = (await store.listings(limit=place)).next if place else None
    async with counted(path) as (database, steps):
        lists = Listings(database, lambda: NOW_US)
        page = await lists.listings("module", limit=10, cursor=cursor, author=author, tag=tag)
        assert len(page.rows) == 10
    return len(steps)


async def test_lists_narrow_by_author_and_tags(store: Store) -> None:
    await publish(store)
    assert len((await store.listings("module", author=ALICE.did)).rows) == 11
    assert await store.count_listings("module", author=ALICE.did) == 11
    assert [row.listing.name for row in (await store.listings(tag=["a", "b"])).rows] == ["tagged"]
    assert (await store.listings(tag=["a", "c"])).rows == ()
    assert (await store.listings("genome")).rows == ()


@pytest.mark.parametrize("sort", SORTS)
async def test_few_are_listed_as_they_are_among_many(
    store: Store, sort: Sort, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whichever index: an author or a tag with few records, and one with many."""
    await publish(store)
    everything = await page_by_page(store, sort, None, 1_000)
    for few_max in (0, 5, 1_000):
        monkeypatch.setattr("storage.list_pages.FEW_MAX", few_max)
        for did in (ALICE.did, CAROL.did):
            own = tuple(one for one in everything if one.listing.author == did)
            assert await page_by_page(store, sort, None, 3, author=did) == own
            assert await store.count_listings(author=did) == len(own)
        both = await page_by_page(store, sort, "module", 3, author=CAROL.did, tag=["b", "a"])
        assert [one.listing.record for one in both] == ["io.tagged"]


async def test_a_bare_id_has_its_candidates(store: Store) -> None:
    await publish(store)
    found = await store.candidates("module", "io.m3")
    assert {row.listing.author for row in found} == {ALICE.did, BOB.did}


@pytest.mark.parametrize(
    "cursor", ["", "x", "e30", "W10", "Wyduby", "é", "A" * 10_000, "W1tb" * 2_000]
)
async def test_a_cursor_of_something_else_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await store.listings(cursor=cursor)


@pytest.mark.parametrize(
    "told",
    [
        ["recent", 1 << 63, "x", 0], ["recent", 0, "x", (1 << 63) - 1], ["recent", 0, "x", -1],
        ["recent", 0, "x", None], ["recent", 0, "x"], ["recent", 0, "x", True], ["recent", 0, 0, 0],
    ],
)  # fmt: skip
async def test_a_made_up_cursor_is_refused(store: Store, told: list[object]) -> None:
    with pytest.raises(BadCursor):
        await store.listings(cursor=base64.urlsafe_b64encode(json.dumps(told).encode()).decode())


async def test_the_latest_time_there_is_can_be_a_cursor(store: Store) -> None:
    latest = [BOB.publishes(f"io.m{n}", named("x", at=(1 << 63) - 1)) for n in range(3)]
    await store.receive(latest, source="peer")
    assert len(await page_by_page(store, "recent", None, 1)) == 3


async def test_a_cursor_belongs_to_its_order(store: Store) -> None:
    await publish(store)
    page = await store.listings(limit=1)
    with pytest.raises(BadCursor):
        await store.listings(sort="name", cursor=page.next)


@pytest.mark.parametrize("few", [64, 2])
async def test_all_of_one_id_are_found_however_many_and_long_they_are(
    store: Store, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(listings, "FEW", few)
    long = named("Long", description="x" * (listings.REMEMBERED_BYTES_MAX + 1))
    entries = [one.publishes("io.same", long if one is BOB else named("Same")) for one in PEOPLE]
    await store.receive([*entries, ALICE.publishes("io.other", named("Other"))], source="peer")
    for places in ([COMMONS], [NamespaceKey(bytes([7]) * 32), COMMONS], [COMMONS] * 65):
        found = await store.called("module", "io.same", places)
        assert [one.listing.author for one in found] == sorted(one.did for one in PEOPLE)
        assert {len(one.listing.description) > 4 for one in found} == {False, True}
    assert len(await store.called("module", "io.same", [COMMONS], limit=1)) == 1
    assert await store.called("module", "io.none", [COMMONS]) == []
    assert await store.called("genome", "io.same", [COMMONS]) == []
    assert await store.called("module", "io.same", []) == []
