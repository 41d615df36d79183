"""Old epochs: what cannot be told stays, that alone, and it is not looked at again and again."""

import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crdt import rollover
from crdt.blob import BlobId
from crdt.capability import CapabilityCache
from crdt.change import DocumentId, SignedEntry, check_entry, sign_change
from crdt.document import Document, Editor, skeleton_for
from crdt.preflight import read_change
from crdt.rollover import CARRIED, carry_over
from crdt.statement import Revoke
from node.projection import project
from registry.plain import as_map
from storage import carried
from storage.documents import raw_of
from storage.eviction import evict
from storage.listing import Projection
from storage.store import Store, open_store
from tests.crdt import bombs
from tests.storage.people import ALICE, NOW_US, Person, person
from tests.storage.test_apart import TABLET, kept_in_old, let_go
from tests.storage.test_apart import tablet as tablet
from tests.storage.test_authority import LOG, ROOT
from tests.storage.test_carried import (
    PHONE,
    Builds,
    all_but,
    all_of,
    begun,
    epoch,
    here,
    kept,
    kept_late,
    rolled_over_beside,
    synced,
)
from tests.storage.test_carried import phone as phone
from tests.storage.test_carried import slow as slow
from tests.storage.test_carried import soon as soon
from tests.storage.test_snapshots import MAIN, created, keeps, taken
from tests.storage.test_snapshots import store as store
from universe import parts, record
from universe.record import drop_snapshots

NEXT = replace(MAIN, epoch=1)


async def ticks(device: Store) -> list[int]:
    row = await device.listing("universe", ALICE.did, "universe:main")
    assert row is not None
    return sorted(one.tick for one in await device.snapshots(row.number))


def signed(
    raw: bytes, document: DocumentId, who: Person, before: SignedEntry | None = None
) -> SignedEntry:
    previous = before.id if before else None
    return sign_change(
        raw, document, signer=who.signer, prev=previous, auth_heads=(), timestamp=2_000
    )


def opened_with(document: DocumentId, who: Person, raws: Sequence[bytes]) -> Document:
    made = Document.open(document.cls, document.kind, who.signer.device.public)
    if raws:
        made.receive(raws)
    return made


def all_signed(
    raws: Sequence[bytes | None], document: DocumentId, who: Person
) -> list[SignedEntry]:
    found: list[SignedEntry] = []
    for raw in raws:
        assert raw is not None
        found.append(signed(raw, document, who, found[-1] if found else None))
    return found


async def raws_of(device: Store, document: DocumentId = MAIN) -> list[bytes]:
    """Those that are held of it, parents first where one device wrote it."""
    checked = [check_entry(one, CapabilityCache()) for one in await all_of(device)]
    return [raw_of(one.signed.payload) for one in checked if one.document == document]


# ── what does not count ──────────────────────────────────────────────────────────────────────────


async def test_what_the_library_refuses_did_not_come_over(
    store: Store, phone: Store, tablet: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The phone's roll-over counts for nothing while too much is refused before it."""
    await begun(store)
    await synced(store, phone, tablet)
    mine = [await kept_in_old(phone, tick, PHONE) for tick in range(100, 112)]
    await synced(phone, tablet)
    for one in mine:
        await tablet.put_blob(await phone.read_blob(one))
    monkeypatch.setattr(rollover, "PART_PLACES_MAX", 10)
    await kept(store, 9, await store.put_blob(b"9"))
    (head,) = await all_heads(store)
    made = {read_change(raw).hash: read_change(raw) for raw in await raws_of(store, NEXT)}
    monkeypatch.setattr(rollover, "PART_PLACES_MAX", 4)
    await kept(phone, 10, await phone.put_blob(b"10"), PHONE)
    guests = [person(1, device=number) for number in range(30, 47)]
    deep = [
        bombs.nested(
            100,
            actor=guest.signer.device.public,
            start_op=made[head].max_op + 1,
            dependencies=[head],
        )
        for guest in guests
    ]
    bad = [signed(raw, NEXT, guest) for raw, guest in zip(deep, guests, strict=True)]
    await tablet.receive([*await all_of(store), *await all_of(phone), *bad], source="alice")
    assert await epoch(tablet) == 1
    assert not {*range(100, 112)} <= {*await ticks(tablet)}, "not all are shown"
    assert await here(tablet, mine) == [True] * 12
    for guest in guests:
        await tablet.declare(Revoke(guest.signer.device.public), LOG, ROOT)
    await tablet.settle()
    assert {*range(100, 112)} <= {*await ticks(tablet)}
    assert await here(tablet, mine) == [True] * 12


async def all_heads(device: Store) -> tuple[bytes, ...]:
    state = await device.read(MAIN)
    assert state is not None
    return state.heads


async def test_one_change_that_never_counts_keeps_nothing_but_what_it_mentions(
    store: Store,
) -> None:
    blobs = await begun(store)
    root = skeleton_for(MAIN.cls, MAIN.kind).hash
    wrong = bombs.set_root(
        actor=PHONE.signer.device.public, seq=1, start_op=999, dependencies=[root]
    )
    await store.receive([signed(wrong, MAIN, PHONE)], source="alice")
    state = await store.read(MAIN)
    assert state is not None
    assert {*state.left_out.values()} == {"broken-chain"}
    await kept(store, 9, await store.put_blob(b"new"))
    await all_but(store, 9)
    assert await epoch(store) == 1
    assert await here(store, blobs) == [False] * 4


async def test_what_a_stolen_device_let_go_is_let_go_by_another(
    store: Store, phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it fell keeps nothing: it would not name it, either."""
    blobs = await begun(store)
    await synced(store, phone)
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await let_go(phone, 0, PHONE)
    await synced(store, phone)
    await store.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    assert await ticks(store) == [0, 1, 2, 3]
    monkeypatch.setattr(rollover, "CHANGES_FULL", 5)
    await kept(store, 9, await store.put_blob(b"9"))
    assert await epoch(store) == 1
    await all_but(store, 9)
    assert await here(store, blobs) == [False] * 4


async def test_a_branch_that_lost_keeps_what_it_has_of_what_was_let_go(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The phone was put back as it was before: two of its changes have one number."""
    blobs = await begun(store)
    raws = await raws_of(store)
    branches: list[SignedEntry] = []
    for tick in (0, 1):
        copy = opened_with(MAIN, PHONE, raws)
        raw = copy.change(keeps(taken(100 + tick, blobs[tick], who=PHONE)))
        branches += all_signed([raw], MAIN, PHONE)
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await store.receive(branches, source="alice")
    state = await store.read(MAIN)
    assert state is not None
    (lost,) = state.left_out
    assert state.left_out[lost] == "lost-branch"
    held = [one.id == lost for one in branches]
    monkeypatch.setattr(rollover, "CHANGES_FULL", 5)
    await kept(store, 9, await store.put_blob(b"new"))
    await all_but(store, 9)
    assert await epoch(store) == 1
    assert await here(store, blobs) == [*held, False, False]


def forked_so_that_it_loses(
    edit: Callable[[Editor], None], raws: Sequence[bytes], blob: BlobId
) -> list[SignedEntry]:
    """The first change of the phone to the next epoch, and another first one that wins."""
    branches: list[SignedEntry] = []
    for tick in range(500, 600):

        def edit_anew(editor: Editor, tick: int = tick) -> None:
            edit(editor)  # another change each time: one of a very small digest hardly ever loses
            keeps(taken(1_000 + tick, who=PHONE))(editor)

        edits = (edit_anew, keeps(taken(tick, blob, who=PHONE)))
        copies = [opened_with(NEXT, PHONE, raws) for _ in edits]
        each = [one.change(it) for one, it in zip(copies, edits, strict=True)]
        branches = [*all_signed(each[:1], NEXT, PHONE), *all_signed(each[1:], NEXT, PHONE)]
        digests = [one.entry.payload_digest for one in branches]
        if digests[0] > digests[1]:  # of equal votes the smaller one wins
            break
    return branches


async def test_what_lost_in_an_epoch_between_may_come_back_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In it one of the first was let go, and kept again on a branch that lost."""
    blobs = await begun(store)
    await kept(store, 9, await store.put_blob(b"9"))
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    raws = await raws_of(store, NEXT)
    row = await store.listing("universe", ALICE.did, "universe:main")
    assert row is not None
    first = next(one for one in await store.snapshots(row.number) if one.tick == 0)
    again = await store.signed_snapshot(row.number, first.id)
    assert again is not None

    def put_back(editor: Editor) -> None:
        editor.delete(("snapshots", first.id.hex()))
        editor.put(("snapshots", first.id.hex()), again)

    for tick in range(4):
        await let_go(store, tick)
    branches = forked_so_that_it_loses(put_back, raws, blobs[3])
    await store.receive(branches, source="alice")
    state = await store.read(MAIN)
    assert state is not None
    assert state.left_out == {branches[0].id: "lost-branch"}
    monkeypatch.setattr(rollover, "CHANGES_FULL", 5)
    await kept(store, 10, await store.put_blob(b"10"))
    await all_but(store, 10)
    assert await epoch(store) == 2
    assert await here(store, blobs) == [True, False, False, False]


@pytest.mark.parametrize("full", [5, 100])
async def test_what_has_no_place_in_the_lists_was_not_let_go(
    store: Store, phone: Store, tablet: Store, monkeypatch: pytest.MonkeyPatch, full: int
) -> None:
    """Two devices, apart, kept more than a universe lists: the lowest ids are shown. The tablet,
    which had the first five, never sees them with less."""
    monkeypatch.setattr(parts, "SNAPSHOTS_MAX", 8)
    monkeypatch.setattr(record, "SNAPSHOTS_MAX", 8)
    monkeypatch.setattr(rollover, "CHANGES_FULL", full)
    blobs = {tick: await store.put_blob(b"state %d" % tick) for tick in range(5)}
    await store.commit(MAIN, created(), ALICE.signer)
    for tick, blob in blobs.items():
        await kept(store, tick, blob)
        await tablet.put_blob(await store.read_blob(blob))
        if await epoch(store) == 0:
            await synced(store, tablet)
    await synced(store, phone)
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    for tick in (20, 21, 22):
        await kept(store, tick, await store.put_blob(b"state %d" % tick))
        await kept(phone, tick + 10, await phone.put_blob(b"state %d" % tick), PHONE)
    await synced(store, phone)
    assert await epoch(store) == (1 if full == 5 else 0)
    pushed_out = {*range(5)} - {*await ticks(store)}
    assert pushed_out - {4}
    assert await here(store, [*blobs.values()]) == [True] * 5
    await tablet.receive(await all_of(store), source="alice")
    assert await here(tablet, [blobs[tick] for tick in range(4)]) == [True] * 4
    for tick in await ticks(store):
        if tick not in blobs:
            await let_go(store, tick)
    assert pushed_out <= {*await ticks(store)}
    assert await here(store, [*blobs.values()]) == [True] * 5


# ── how an epoch began ───────────────────────────────────────────────────────────────────────────


async def half_gone_on_in(
    store: Store, phone: Store, tablet: Store
) -> tuple[BlobId, list[SignedEntry]]:
    """A state that only the laptop took over, which the tablet has too; and what an older version
    on the phone wrote on top of the first part of that roll-over."""
    await begun(store)
    await synced(store, phone, tablet)
    mine = await kept_in_old(store, 20, ALICE)
    await tablet.put_blob(await store.read_blob(mine))
    await tablet.receive(await all_of(store), source="alice")
    await kept(store, 21, await store.put_blob(b"21"))
    first, *_ = await raws_of(store, NEXT)
    old = opened_with(MAIN, PHONE, await raws_of(phone))
    new = opened_with(NEXT, PHONE, [first])
    held, there = (as_map(one.to_py()["snapshots"]) for one in (old, new))
    assert held is not None
    assert there is not None

    def without_what_it_has_not(editor: Editor) -> None:
        for key in there.keys() - held.keys():
            editor.delete(("snapshots", key))

    raws = [new.change(without_what_it_has_not), *carry_over(old, new)]
    return mine, all_signed(raws, NEXT, PHONE)


@pytest.mark.parametrize("is_whole", [True, False])
async def test_what_was_gone_on_in_by_an_older_version_lets_nothing_go(
    store: Store, phone: Store, tablet: Store, *, is_whole: bool
) -> None:
    """It deletes there what it has not: also while the last of it is not here."""
    mine, theirs = await half_gone_on_in(store, phone, tablet)
    await tablet.receive([*await all_of(store), *theirs[: None if is_whole else -1]], source="a")
    assert await epoch(tablet) == 1
    assert 20 not in await ticks(tablet)
    assert await here(tablet, [mine]) == [True]


async def test_what_only_looks_like_an_opening_is_none(
    store: Store, tablet: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody writes a late state into the next epoch, says something there, and drops it."""
    await begun(store)
    await synced(store, tablet)
    mine = await kept_in_old(tablet, 20, TABLET)
    row = await tablet.listing("universe", ALICE.did, "universe:main")
    assert row is not None
    late = next(one for one in await tablet.snapshots(row.number) if one.tick == 20)
    await kept(store, 9, await store.put_blob(b"9"))
    beside = opened_with(NEXT, PHONE, [])
    raws = [
        beside.change(created()),
        beside.change(keeps(taken(20, mine, who=TABLET))),
        beside.change(lambda editor: editor.put((CARRIED,), b"x")),
        beside.change(drop_snapshots((late.id,), now_us=NOW_US)),
    ]
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await tablet.receive([*await all_of(store), *all_signed(raws, NEXT, PHONE)], source="alice")
    assert await epoch(tablet) == 1
    assert await here(tablet, [mine]) == [True]


async def test_what_two_opened_apart_gives_its_room_back(
    store: Store, phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = await begun(store)
    await synced(store, phone)
    await kept(store, 9, await store.put_blob(b"9"))
    await kept(phone, 10, await phone.put_blob(b"10"), PHONE)
    await synced(store, phone)
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    assert await here(store, blobs) == [True] * 4
    await all_but(store, 9)
    assert await here(store, blobs) == [False] * 4


async def test_who_opens_it_again_keeps_nothing(
    store: Store, phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = await begun(store)
    again = (CARRIED,), 2 * b"".join(await all_heads(store))
    await kept(store, 9, await store.put_blob(b"9"))
    await synced(store, phone)
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await phone.commit(MAIN, lambda editor: editor.put(*again), PHONE.signer)
    await synced(store, phone)
    await all_but(store, 9)
    assert await here(store, blobs) == [False] * 4


async def test_what_could_not_be_told_and_then_can_is_given_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an epoch between is what has changed."""
    blobs = await begun(store)
    for tick in range(10, 18):
        await kept(store, tick, await store.put_blob(b"state %d" % tick))
    assert await epoch(store) == 3
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await store.receive(beside_all(replace(MAIN, epoch=2)), source="alice")
    await all_but(store, 17)
    assert await here(store, blobs) == [True] * 4
    assert await here(store, blobs) == [True] * 4
    await store.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    assert await here(store, blobs) == [False] * 4


def beside_all(document: DocumentId) -> list[SignedEntry]:
    """A change of the phone that neither lies under the opening of an epoch nor builds on it."""
    made = opened_with(document, PHONE, [])
    return all_signed([made.change(created())], document, PHONE)


async def test_what_was_said_to_come_from_elsewhere_and_then_not_is_given_back(
    store: Store, phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = await begun(store)
    heads = b"".join(await all_heads(store))
    await kept(store, 9, await store.put_blob(b"9"))
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await all_but(store, 9)
    await synced(store, phone)
    await phone.commit(MAIN, lambda editor: editor.put((CARRIED,), bytes(32)), PHONE.signer)
    await synced(store, phone)
    assert await here(store, blobs) == [True] * 4
    await phone.commit(MAIN, lambda editor: editor.put((CARRIED,), heads), PHONE.signer)
    await synced(store, phone)
    assert await here(store, blobs) == [False] * 4


# ── what it costs ────────────────────────────────────────────────────────────────────────────────


@dataclass
class Counted:
    """A projector that counts how often an epoch was made."""

    built: list[int] = field(default_factory=list[int])

    def __call__(self, document: DocumentId, value: Mapping[str, Any]) -> Projection:
        self.built.append(document.epoch)
        return project(document, value)

    async def by_gc(self, device: Store) -> list[int]:
        """Epochs that a gc made."""
        self.built.clear()
        await device.gc(grace_us=-1)
        return self.built[:]


@pytest_asyncio.fixture
async def counted(tmp_path: Path) -> AsyncGenerator[tuple[Store, Counted]]:
    counts = Counted()
    async with open_store(
        tmp_path / "counted.db", project=counts, clock_us=lambda: NOW_US
    ) as opened:
        yield opened, counts


async def late_in_each(device: Store, phone: Store, epochs: int) -> list[BlobId]:
    """As many old epochs, to each of which something came too late; then another one."""
    await begun(device)
    late: list[BlobId] = []
    for number in range(epochs):
        await synced(device, phone)
        tick = 100 * number
        while await epoch(device) == number:
            await kept(device, tick, await device.put_blob(b"%d" % tick))
            tick += 1
        late.append(await device.put_blob(os.urandom(500)))
        await kept_late(phone, 5_000 + number, late[-1])
        await synced(device, phone)
    return late


async def test_what_was_looked_at_is_not_looked_at_again(
    counted: tuple[Store, Counted], phone: Store
) -> None:
    store, counts = counted
    late = await late_in_each(store, phone, 6)
    assert {*await counts.by_gc(store)} == {*range(7)}
    assert await counts.by_gc(store) == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollover, "CHANGES_FULL", 100)
        await kept(store, 9_000, await store.put_blob(b"new"))
    assert {*await counts.by_gc(store)} <= {5, 6}, "what was shown, and what went on in it"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollover, "CHANGES_FULL", 100)
        await let_go(store, 9_000)
        await all_but(store, 501)
    assert await here(store, late) == [True] * 6


async def test_what_goes_on_in_doubt_is_not_read(counted: tuple[Store, Counted]) -> None:
    store, counts = counted
    blobs = await begun(store)
    await kept(store, 9, await store.put_blob(b"9"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollover, "CHANGES_FULL", 100)
        await all_but(store, 9)
    await store.receive(beside_all(NEXT), source="alice")
    assert {*await counts.by_gc(store)} == {1}
    assert await here(store, blobs) == [True] * 4


async def test_a_gc_that_finds_nothing_ends_soon_and_the_next_one_goes_on(
    tmp_path: Path, phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, counts = tmp_path / "laptop.db", Counted()
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as laptop:
        late = await late_in_each(laptop, phone, 6)
        await laptop.forget_carried()  # what there is to find
    monkeypatch.setattr(carried, "OPS_MAX", 1)
    async with open_store(path, project=counts, clock_us=lambda: NOW_US) as laptop:
        seen: list[int] = []
        while made := {*await counts.by_gc(laptop)}:
            assert len(made) == 1
            seen += [*made]
        assert seen == [6, 5, 4, 3, 2, 1, 0]
        assert await here(laptop, late) == [True] * 6


async def test_what_there_is_to_give_back_is_given_back_by_one_gc(
    counted: tuple[Store, Counted], phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often that is more than is looked at in one go."""
    store, _ = counted
    monkeypatch.setattr(carried, "OPS_MAX", 6_000)
    blobs = await begun(store)
    for tick in range(9, 40):
        blobs.append(await store.put_blob(b"state %d" % tick))
        await kept(store, tick, blobs[-1])
    assert await epoch(store) > 6
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await all_but(store, 39)
    assert await here(store, blobs) == [*[False] * (len(blobs) - 1), True]


async def test_a_record_of_many_epochs_keeps_no_other_waiting(
    tmp_path: Path, phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "laptop.db", replace(MAIN, record=b"universe:other")
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as laptop:
        await late_in_each(laptop, phone, 8)
        await laptop.commit(other, created("Other"), ALICE.signer)
        ids, blobs = list[bytes](), list[BlobId]()
        for tick in range(5):
            blobs.append(await laptop.put_blob(b"other %d" % tick))
            one = taken(tick, blobs[-1])
            await laptop.commit(other, keeps(one), ALICE.signer)
            ids.append(one.id)
        await laptop.forget_carried()
        await laptop.commit(other, drop_snapshots((ids[0],), now_us=NOW_US), ALICE.signer)
    monkeypatch.setattr(carried, "OPS_MAX", 1)
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as laptop:
        for _ in range(4):
            await laptop.gc(grace_us=-1)
        assert not await laptop.has_blob(blobs[0])


async def test_nothing_is_looked_at_that_went_meanwhile(
    slow: tuple[Store, Builds], phone: Store
) -> None:
    """All epochs of the record, with whoever wrote it."""
    store, builds = slow
    await rolled_over_beside(store, phone)

    async def gone() -> None:
        async with store._database.transaction() as write:  # pyright: ignore[reportPrivateUsage] -- as whoever makes room
            numbers = await write.rows("SELECT number FROM document WHERE class = 'pub'")
            await evict(write, [number for (number,) in numbers], is_for_room=True)

    await builds.meanwhile(store, gone)
    assert await store.read(MAIN) is None
