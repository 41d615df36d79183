"""Whatever the order and the batches in which entries come, the same records stand."""

import asyncio
import itertools
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crdt.area import Area
from crdt.change import SignedEntry
from crdt.keys import COMMONS
from crdt.order import Bounds
from storage.store import open_store
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, Person, named, person, project, rated

CLOCK = ALICE.document("io.alice.clock")
TARGET = f"{ALICE.did}/io.alice.clock"
TWIN: Person = person(1)


def everything() -> list[SignedEntry]:
    """A long document, a forked one, one that the projector trips over, ratings, a lone change."""
    edits = [named(f"clock {n}", at=n) for n in range(12)]
    entries = ALICE.writes(CLOCK, *edits)
    forked = ALICE.document("io.alice.forked")
    entries += ALICE.writes(forked, named("one"), named("two"), named("three"))
    entries += TWIN.writes(forked, named("one"), named("other"))
    entries.append(ALICE.publishes("io.alice.poison", named("poison")))
    for rater, stars in ((BOB, 2), (CAROL, 5)):
        document = rater.document(TARGET, cls="rate")
        entries += rater.writes(document, rated(1), rated(stars, installs=stars))
    entries += BOB.writes(BOB.document("io.bob.gap"), named("a"), named("b"))[1:]
    unique = {entry.id: entry for entry in entries}
    return list(unique.values())


ENTRIES = everything()


async def outcome(batches: list[list[SignedEntry]]) -> object:
    with tempfile.TemporaryDirectory() as folder:
        async with open_store(
            Path(folder) / "p.db", project=project, clock_us=lambda: NOW_US
        ) as store:
            for batch in batches:
                await store.receive(batch, source="peer")
            documents = sorted(
                ((one.id, one.heads, one.changes, one.left_out) for one in await store.documents()),
                key=lambda row: row[0],
            )
            states = [await store.read(row[0]) for row in documents]
            listed = (await store.listings(sort="name")).rows
            rows = [(row.listing, row.stars_sum, row.stars_count, row.installs) for row in listed]
            ratings = await store.ratings(TARGET)
            summary = await store.summarise(COMMONS, Area(), [Bounds()])
            return documents, states, rows, ratings, summary


EXPECTED = asyncio.run(outcome([ENTRIES]))


@given(st.permutations(range(len(ENTRIES))), st.lists(st.integers(1, 9), min_size=40, max_size=40))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_order_and_any_batching_give_the_same(order: list[int], sizes: list[int]) -> None:
    rest = iter([ENTRIES[number] for number in order])
    batches = [batch for size in sizes if (batch := list(itertools.islice(rest, size)))]
    assert asyncio.run(outcome(batches)) == EXPECTED
