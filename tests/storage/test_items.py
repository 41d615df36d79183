"""What reconciliation asks: counts, fingerprints, cuts and ids of ranges."""

import pytest

from crdt.area import Area
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from crdt.order import EMPTY_SUMMARY, Bounds, fingerprint_of
from storage.store import Store
from tests.storage.people import ALICE, BOB, CAROL, named, rated

EVERYTHING = [Bounds()]
ALICE_KEY = AuthorKey(ALICE.root.public)
AREAS = [
    Area(),
    Area(ALICE_KEY),
    Area(ALICE_KEY, (b"pub", b"mod")),
    Area(ALICE_KEY, (b"pub", b"mod", b"io.m1")),
    Area(None, (b"pub",)),
    Area(None, (b"rate", b"mod")),
    Area(None, (b"pub", b"mod", b"io.m1")),
    Area(None, (), 1_001, 1_003),
    Area(ALICE_KEY, (b"pub",), 1_002),
    Area(None, (b"pub",), 0, 1_001),
    Area(AuthorKey(bytes(32))),
]


async def test_a_summary_is_the_fingerprint_of_the_ids(store: Store) -> None:
    entries = [ALICE.publishes(f"io.alice.m{n}", named(f"m{n}")) for n in range(40)]
    entries += [BOB.publishes(f"io.bob.m{n}", named(f"m{n}")) for n in range(24)]
    await store.receive(entries, source="peer")
    (whole,) = await store.summarise(COMMONS, Area(), EVERYTHING)
    assert whole.count == 64
    assert whole.fingerprint == fingerprint_of([entry.id[:16] for entry in entries])
    parts = await store.split(COMMONS, Area(), Bounds(), 16)
    summaries = await store.summarise(COMMONS, Area(), parts)
    assert [part.count for part in summaries] == [4] * 16
    ids = await store.ids(COMMONS, Area(), Bounds(), 1_000)
    assert set(ids) == {entry.id[:16] for entry in entries}
    assert await store.holds(COMMONS, [*ids[:3], bytes(16)]) == set(ids[:3])


@pytest.mark.parametrize("area", AREAS)
async def test_an_area_holds_just_its_entries(store: Store, area: Area) -> None:
    entries = [
        entry
        for person in (ALICE, BOB, CAROL)
        for record in ("io.m1", "io.m10", "io.m\0")
        for entry in person.writes(person.document(record), named("a"), named("b"), named("c"))
    ]
    target = f"{ALICE.did}/io.m1"
    entries += BOB.writes(BOB.document(target, cls="rate"), rated(3), rated(4))
    await store.receive(entries, source="peer")
    inside = {entry.id[:16] for entry in entries if area.includes_entry(entry.entry)}
    (summary,) = await store.summarise(COMMONS, area, EVERYTHING)
    assert (summary.count, summary.fingerprint) == (len(inside), fingerprint_of(inside))
    assert set(await store.ids(COMMONS, area, Bounds())) == inside
    parts = await store.split(COMMONS, area, Bounds(), 3)
    counts = [part.count for part in await store.summarise(COMMONS, area, parts)]
    assert sum(counts) == len(inside)
    assert max(counts) - min(counts) <= 1


async def test_nothing_is_held_of_an_unknown_namespace(store: Store) -> None:
    await store.receive([ALICE.publishes("io.alice.clock", named("clock"))], source="peer")
    unknown = NamespaceKey(bytes(32))
    assert await store.summarise(unknown, Area(), EVERYTHING) == [EMPTY_SUMMARY]
    assert await store.split(unknown, Area(), Bounds(), 16) == [Bounds()]
    assert await store.ids(unknown, Area(), Bounds()) == []
    id = (await store.ids(COMMONS, Area(), Bounds()))[0]
    assert await store.entries(unknown, [id]) == []
    assert await store.holds(unknown, [id]) == set()


async def test_entries_come_in_the_order_asked(store: Store) -> None:
    entries = [ALICE.publishes(f"io.alice.m{n}", named(f"m{n}")) for n in range(9)]
    await store.receive(entries, source="peer")
    wanted = [entry.id[:16] for entry in reversed(entries)]
    assert await store.entries(COMMONS, [bytes(16), *wanted]) == entries[::-1]
