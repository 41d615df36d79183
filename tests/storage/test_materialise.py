"""What documents become, and what does not fit into a list."""

from collections.abc import Callable

import pytest

from crdt.authority import OPS_MAX
from crdt.capability import CapabilityCache
from crdt.change import check_entry
from crdt.document import Editor
from crdt.held import Held, Validity
from storage.listing import Listing
from storage.materialise import (
    LOADED_BYTES_MAX,
    LOADED_MAX,
    SAVED_CHANGES_MIN,
    TAGS_MAX,
    Built,
    Work,
    build,
    groups,
    is_incremental,
    judge,
    load,
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


def built_of(work: Work) -> Built:
    validity = judge(work)
    return build(work, validity, load(work, validity), project)


def test_a_saved_document_is_only_a_shortcut() -> None:
    earlier, work = work_of(SAVED_CHANGES_MIN), work_of(SAVED_CHANGES_MIN + 3)
    whole = built_of(work)
    saved = built_of(earlier).saved
    assert saved is not None
    short = Work(CLOCK, 1, work.held, {}, frozenset(earlier.held), saved)
    assert not is_incremental(short, judge(short)), "the new changes are not in memory"
    short.raws = {id: raw for id, raw in work.raws.items() if id not in earlier.held}
    assert is_incremental(short, judge(short))
    built = built_of(short)
    assert (built.value, built.heads, built.changes, built.projection) == (
        whole.value,
        whole.heads,
        whole.changes,
        whole.projection,
    )


def test_many_operations_are_not_applied_to_a_long_saved_document() -> None:
    """That holds the interpreter lock, and so the event loop, twenty times longer than loading."""

    def many(first: int, size: int) -> Callable[[Editor], None]:
        return named("clock", **{f"k{n}": first + n for n in range(size)})

    cache = CapabilityCache()
    entries = ALICE.writes(CLOCK, *(many(n, 900) for n in range(SAVED_CHANGES_MIN)), many(99, 900))
    checked = [check_entry(entry, cache) for entry in entries]
    *earlier, last = checked
    whole = Work(CLOCK, 1, raws={one.id: one.raw for one in checked})
    whole.held = {one.id: Held.of(one) for one in checked}
    before = Work(CLOCK, 1, raws={one.id: one.raw for one in earlier})
    before.held = {one.id: Held.of(one) for one in earlier}
    saved, counted = built_of(before).saved, frozenset(before.held)
    fresh = Work(CLOCK, 1, whole.held, {last.id: last.raw}, counted, saved)
    assert not is_incremental(fresh, judge(fresh))
    fresh.raws = whole.raws
    assert built_of(fresh).value == built_of(whole).value


def test_a_saved_document_that_is_damaged_is_not_needed() -> None:
    work = work_of(SAVED_CHANGES_MIN)
    whole = built_of(work)
    work.saved, work.counted = b"damaged", frozenset(work.held)
    assert built_of(work).value == whole.value


def test_a_short_document_is_not_saved() -> None:
    work = work_of(SAVED_CHANGES_MIN - 1)
    built = built_of(work)
    assert built.saved is None
    assert isinstance(built.projection, Listing)


@pytest.mark.parametrize(
    ("ops", "sizes"),
    [
        ([], []),
        ([3] * (2 * LOADED_MAX + 1), [LOADED_MAX, LOADED_MAX, 1]),
        ([OPS_MAX, 1, OPS_MAX - 1, 1, OPS_MAX], [1, 2, 1, 1]),
    ],
)
def test_a_group_is_small_in_documents_and_in_operations(ops: list[int], sizes: list[int]) -> None:
    judged = [
        (Work(CLOCK, number), Validity((), {}, frozenset(), frozenset(), count))
        for number, count in enumerate(ops)
    ]
    found = list(groups(judged))
    assert [len(group) for group in found] == sizes
    assert [one for group in found for one in group] == judged


@pytest.mark.parametrize("is_saved", [False, True])
def test_a_group_is_small_in_bytes(is_saved: bool) -> None:
    validity = Validity((), {}, frozenset(), frozenset(), 1)
    data = bytes(LOADED_BYTES_MAX // 2)
    sizes = [1, 1, 1, 2, 1, 0, 1]  # in halves
    works = [Work(CLOCK, number) for number in range(len(sizes))]
    for work, size in zip(works, sizes, strict=True):
        work.saved = data * size if is_saved else None
        work.raws = {} if is_saved else {bytes([n]): data for n in range(size)}
    found = [[work.number for work, _ in group] for group in groups([(w, validity) for w in works])]
    assert found == [[0, 1], [2], [3], [4, 5, 6]]


async def test_documents_that_come_together_are_all_listed(store: Store) -> None:
    many = [ALICE.publishes(f"io.alice.n{n}", named(str(n))) for n in range(2 * LOADED_MAX + 1)]
    assert len((await store.receive(many, source="peer")).added) == len(many)
    names = {row.listing.name for row in (await store.listings()).rows}
    assert names == {str(n) for n in range(len(many))}


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
