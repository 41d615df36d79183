"""What documents become, and what does not fit into a list."""

from collections.abc import Callable

import pytest

from crdt.authority import Held
from crdt.capability import CapabilityCache
from crdt.change import check_entry
from crdt.document import Editor
from storage.listing import Listing
from storage.materialise import (
    SAVED_CHANGES_MIN,
    TAGS_MAX,
    Work,
    build,
    is_incremental,
    judge,
)
from storage.store import Store
from tests.storage.people import ALICE, BOB, named, project, rated, tagged

CLOCK = ALICE.document("io.alice.clock")


def work_of(count: int) -> Work:
    work = Work(CLOCK, 1)
    cache = CapabilityCache()
    for entry in ALICE.writes(CLOCK, *(named(f"clock {n}", at=n) for n in range(count))):
        checked = check_entry(entry, cache)
        work.held[checked.id] = Held.of(checked)
        work.raws[checked.id] = checked.raw
    return work


def test_a_saved_document_is_only_a_shortcut() -> None:
    earlier, work = work_of(SAVED_CHANGES_MIN), work_of(SAVED_CHANGES_MIN + 3)
    whole = build(work, judge(work), project)
    saved = build(earlier, judge(earlier), project).saved
    assert saved is not None
    short = Work(CLOCK, 1, work.held, {}, frozenset(earlier.held), saved)
    assert not is_incremental(short, judge(short)), "the new changes are not in memory"
    short.raws = {id: raw for id, raw in work.raws.items() if id not in earlier.held}
    assert is_incremental(short, judge(short))
    built = build(short, judge(short), project)
    assert (built.value, built.heads, built.changes, built.projection) == (
        whole.value,
        whole.heads,
        whole.changes,
        whole.projection,
    )


def test_a_saved_document_that_is_damaged_is_not_needed() -> None:
    work = work_of(SAVED_CHANGES_MIN)
    whole = build(work, judge(work), project)
    work.saved, work.counted = b"damaged", frozenset(work.held)
    assert build(work, judge(work), project).value == whole.value


def test_a_short_document_is_not_saved() -> None:
    work = work_of(SAVED_CHANGES_MIN - 1)
    built = build(work, judge(work), project)
    assert built.saved is None
    assert isinstance(built.projection, Listing)


@pytest.mark.parametrize(
    "edit",
    [
        named("too late", at=(1 << 64) - 1),
        named("too early", at=-1),
        named("no blob", blob="beef"),
        named("no hex", blob="x" * 64),
        tagged(*(f"tag{n}" for n in range(TAGS_MAX + 1))),
    ],
)
async def test_a_row_that_no_table_holds_concerns_its_document_only(
    store: Store, edit: Callable[[Editor], None]
) -> None:
    bad = ALICE.publishes("io.alice.bad", edit)
    good = ALICE.publishes("io.alice.good", named("good"))
    assert len((await store.receive([bad, good], source="peer")).added) == 2
    assert [row.listing.name for row in (await store.listings()).rows] == ["good"]
    assert [row.refusal.code for row in await store.refused()] == ["unprojectable"]


@pytest.mark.parametrize(("stars", "installs"), [(9, 0), (0, 0), (3, 1 << 62), (3, -1)])
async def test_a_rating_out_of_range_counts_for_nothing(
    store: Store, stars: int, installs: int
) -> None:
    await store.receive([ALICE.publishes("io.alice.clock", named("clock"))], source="peer")
    target = BOB.document(f"{ALICE.did}/io.alice.clock", cls="rate")
    await store.receive(BOB.writes(target, rated(stars, installs)), source="bob")
    row = await store.listing("module", ALICE.did, "io.alice.clock")
    assert row is not None
    assert (row.rating, row.installs) == (None, 0)
