"""Rows of universes in lists: put together once, and anew as soon as one has changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from crdt.blob import BlobId
from crdt.change import DocumentId
from crdt.keys import COMMONS, NamespaceKey
from registry.deletion import delete, undelete
from registry.edits import Edit
from registry.head import Words
from storage import ready_universes
from storage.eviction import evict
from storage.list_pages import Sort
from storage.ready_universes import ReadyRows
from storage.snapshots import UniverseCount
from storage.store import Store
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, Person
from tests.storage.test_namespaced_lists import GROUP, hand
from tests.storage.test_snapshots import keeps, taken
from tests.storage.test_snapshots import store as store
from universe.record import CLASS, KIND, Facts, create_universe, drop_snapshots

SORTS: Sequence[Sort] = ("recent", "name", "rating")
PLACES = (COMMONS, GROUP)
PEOPLE = (ALICE, BOB, CAROL)


@dataclass
class Maker:
    """Puts rows together, and counts how many."""

    made: list[str] = field(default_factory=list[str])

    def __call__(
        self, fields: bytes, target: str, namespace: NamespaceKey, count: UniverseCount
    ) -> bytes:
        self.made.append(target.rpartition(":")[2])
        return repr((fields, target, namespace, count)).encode()


def universe(id: str, who: Person = ALICE, namespace: NamespaceKey = COMMONS) -> DocumentId:
    return DocumentId(namespace, who.signer.author, CLASS, KIND, f"universe:{id}".encode())


def said(name: str, *tags: str, at: int = 0) -> Edit:
    words = Words(name, tags=tags, created_us=NOW_US)
    return create_universe(words, Facts(owner="player:a"), now_us=NOW_US + at)


async def write(
    store: Store, id: str, edit: Edit, who: Person = ALICE, namespace: NamespaceKey = COMMONS
) -> None:
    await store.commit(universe(id, who, namespace), edit, hand(who, namespace))


async def filled(store: Store) -> None:
    """Seven, of three people, in two places."""
    for number, who in enumerate((*PEOPLE, ALICE, BOB)):
        tags = ("even",) if number % 2 == 0 else ()
        await write(store, f"{number}", said(f"World {9 - number}", *tags, at=number % 3), who)
    for number, who in ((5, ALICE), (6, CAROL)):
        await write(store, f"{number}", said(f"World {9 - number}", at=number), who, GROUP)
    await write(store, "0", keeps(taken(3)))


async def read_row_by_row(store: Store, sort: Sort, places: Sequence[NamespaceKey]) -> list[bytes]:
    """As lists of any kind are read, each row whole."""
    page = await store.listings("universe", sort=sort, limit=1_000, namespaces=places)
    counts = await store.universe_counts([row.number for row in page.rows])
    return [
        Maker()(
            row.listing.fields,
            row.listing.target,
            row.namespace,
            counts.get(row.number, UniverseCount()),
        )
        for row in page.rows
    ]


async def ready(store: Store, make: Maker, *places: NamespaceKey) -> list[bytes]:
    return [*(await store.ready_universes(make, places or (COMMONS,))).rows]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("places", [[COMMONS], [GROUP], PLACES, []])
async def test_pages_have_what_is_read_row_by_row(
    store: Store, sort: Sort, places: Sequence[NamespaceKey]
) -> None:
    await filled(store)
    whole, make = await read_row_by_row(store, sort, places), Maker()
    for limit in (1_000, 3, 1, 2):  # the first time of all they are new
        rows, cursor = list[bytes](), None
        while True:
            page = await store.ready_universes(make, places, sort=sort, limit=limit, cursor=cursor)
            assert len(page.rows) <= limit
            rows += page.rows
            if (cursor := page.next) is None:
                break
        assert rows == whole
    assert len(make.made) == len(whole)


async def test_lists_of_an_author_and_of_tags(store: Store) -> None:
    await filled(store)
    make = Maker()
    for author, tags, count in ((BOB.did, (), 2), (ALICE.did, ("even",), 1), (None, ("even",), 3)):
        page = await store.ready_universes(make, [COMMONS], author=author, tags=tags)
        listed = await store.listings("universe", author=author, tag=tags)
        targets = [row.listing.target for row in listed.rows]
        assert len(targets) == count
        assert all(target.encode() in row for target, row in zip(targets, page.rows, strict=True))


async def test_only_what_has_changed_is_put_together_anew(store: Store) -> None:
    await filled(store)
    make = Maker()
    before = await ready(store, make, *PLACES)
    assert len(make.made) == len(before) == 7
    one, other = taken(9, BlobId(bytes([1]) * 32)), taken(5)
    for edit, changed in (
        (said("Renamed"), ["0"]),
        (keeps(one), ["0"]),
        (keeps(other), ["0"]),
        (drop_snapshots((one.id,), now_us=NOW_US), ["0"]),
        (said("Renamed"), []),  # as it is said already
        (delete(now_us=NOW_US), []),
        (undelete(), ["0"]),
    ):
        make.made.clear()
        await write(store, "0", edit)
        rows = await ready(store, make, *PLACES)
        assert make.made == changed
        assert sorted(rows) == sorted(await read_row_by_row(store, "recent", PLACES))
    make.made.clear()
    await write(store, "another", said("Another"), BOB, GROUP)
    assert {*await ready(store, make, *PLACES)} > {*rows}
    assert make.made == ["another"]


async def test_what_is_ready_is_shown_in_no_place_that_was_not_asked(store: Store) -> None:
    await filled(store)
    make = Maker()
    everywhere = await ready(store, make, *PLACES)
    hidden = [row for row in everywhere if repr(GROUP).encode() in row]
    assert len(hidden) == 2
    for _ in range(2):
        assert not {*hidden} & {*await ready(store, make, COMMONS)}
        assert sorted(hidden) == sorted(await ready(store, make, GROUP))
        assert await ready(store, make, NamespaceKey(bytes([4]) * 32)) == []
    assert len(make.made) == 7


async def test_a_universe_with_the_number_of_one_that_went_is_itself(store: Store) -> None:
    await write(store, "gone", said("Gone"))
    make = Maker()
    (gone,) = await ready(store, make)
    # As room is made: filling a store with strangers' bytes would take a minute.
    async with store._database.transaction() as writing:  # pyright: ignore[reportPrivateUsage]  # as said
        last = await writing.number("SELECT max(number) FROM document")
        await evict(writing, [last], is_for_room=True)
    assert await ready(store, make) == []
    await write(store, "new", said("New"))
    row = await store.listing("universe", ALICE.did, "universe:new")
    assert row is not None
    assert row.number == last
    (new,) = await ready(store, make)
    assert b"universe:new" in new
    assert new != gone


def test_they_take_no_more_than_their_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready_universes, "READY_BYTES_MAX", 3 * (ready_universes.ROW_BYTES + 100))
    rows = ReadyRows()
    rows.keep({number: bytes(100) for number in range(3)})
    rows.keep({2: bytes(100)})
    assert rows.known(range(4)) == [*[bytes(100)] * 3, None]
    rows.keep({3: bytes(100)})
    assert rows.known(range(4)) == [None, *[bytes(100)] * 3]
    rows.keep({4: bytes(3 * ready_universes.ROW_BYTES + 300)})
    assert rows.known(range(5)) == [None] * 5, "what is longer than all the room is not kept"


async def test_a_list_longer_than_their_room_is_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ready_universes, "READY_BYTES_MAX", 1_000)
    await filled(store)
    whole = await read_row_by_row(store, "recent", PLACES)
    for _ in range(2):
        assert await ready(store, Maker(), *PLACES) == whole
