"""Alice's entries reach Bob's store; what is bad stays out, what is good stays in."""

import asyncio
import itertools
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crdt import authority
from crdt.area import Area
from crdt.capability import WRITE, Capability, delegate, encode_capability
from crdt.change import DocumentId, SignedEntry, Signer, encode_signed, sign_change
from crdt.document import Editor, skeleton_for
from crdt.keys import COMMONS, AuthorKey
from crdt.order import Bounds
from crdt.preflight import read_change
from storage.appended import AppendedEvent
from storage.errors import DeviceForked, StorageError
from storage.store import Store, open_store
from tests.crdt import bombs
from tests.storage.people import ALICE, BOB, NOW_US, Person, named, project, rated

EVERYTHING = [Bounds()]
MODULE = skeleton_for("pub", "mod")


def co_author(owner: Person, other: Person, document: DocumentId) -> Signer:
    """`other`'s device, allowed by `owner` to write to one record."""
    area = Area(document.subspace, (b"pub", b"mod", document.record))
    root = Capability(WRITE, COMMONS, owner.root.public)
    device = other.signer.device
    capability = delegate(root, owner.root, area, device.public)
    return Signer(device, document.subspace, {"pub": encode_capability(capability)})


async def test_what_alice_publishes_bob_can_list_and_read(store: Store) -> None:
    entry = ALICE.publishes("io.alice.clock", named("clock", at=5))
    received = await store.receive([entry], source="peer alice")
    assert received.added == (entry.id,)
    (row,) = (await store.listings("module")).rows
    assert (row.listing.name, row.listing.author) == ("clock", ALICE.did)
    state = await store.read(ALICE.document("io.alice.clock"))
    assert state is not None
    assert state.value["head"] == {"name": "clock", "at": 5}
    assert await store.entries(COMMONS, [entry.id[:16]]) == [entry]


async def test_an_entry_that_comes_twice_is_known(store: Store) -> None:
    entry = ALICE.publishes("io.alice.clock", named("clock"))
    assert (await store.receive([entry, entry], source="a")).known == 1
    again = await store.receive([entry], source="b")
    assert (again.added, again.known, again.refused) == ((), 1, ())


async def test_two_tokens_for_one_entry_are_two_items(store: Store) -> None:
    entry = ALICE.publishes("io.alice.clock", named("clock"))
    narrow = delegate(
        Capability(WRITE, COMMONS, ALICE.root.public),
        ALICE.root,
        Area(AuthorKey(ALICE.root.public), (b"pub", b"mod")),
        ALICE.signer.device.public,
    )
    twin = replace(entry, capability=encode_capability(narrow))
    received = await store.receive([entry, twin], source="peer")
    assert set(received.added) == {entry.id, twin.id}
    (summary,) = await store.summarise(COMMONS, Area(), EVERYTHING)
    assert summary.count == 2
    first, second = await store.split(COMMONS, Area(), Bounds(), 2)
    assert [one.count for one in await store.summarise(COMMONS, Area(), [first, second])] == [1, 1]
    state = await store.read(ALICE.document("io.alice.clock"))
    assert state is not None
    assert state.value["head"] == {"name": "clock"}
    assert list(state.left_out.values()) == ["repeated"]


async def test_a_forged_entry_is_refused_and_the_rest_goes_in(store: Store) -> None:
    good = ALICE.publishes("io.alice.clock", named("clock"))
    forged = replace(ALICE.publishes("io.alice.other", named("other")), signature=bytes(64))
    received = await store.receive([forged, good], source="peer mallory")
    assert received.added == (good.id,)
    assert [refusal.code for refusal in received.refused] == ["bad-signature"]
    (row,) = await store.refused()
    assert (row.refusal.source, row.refusal.code) == ("peer mallory", "bad-signature")


async def test_a_change_that_no_library_takes_is_listed_and_harms_nothing(store: Store) -> None:
    document = ALICE.document("io.alice.clock")
    (good,) = ALICE.writes(document, named("clock"))
    deep = bombs.nested(
        5_000,
        actor=BOB.signer.device.public,
        start_op=MODULE.max_op + 1,
        dependencies=[MODULE.hash],
    )
    signer = co_author(ALICE, BOB, document)
    bomb = sign_change(deep, document, signer=signer, prev=None, timestamp=1)
    other = ALICE.publishes("io.alice.other", named("other"))
    received = await store.receive([good, bomb, other], source="peer mallory")
    assert len(received.added) == 3
    assert {row.listing.name for row in (await store.listings()).rows} == {"clock", "other"}
    (row,) = await store.refused()
    assert (row.refusal.code, row.refusal.data) == ("too-deep", encode_signed(bomb))
    state = await store.read(document)
    assert state is not None
    assert state.left_out == {bomb.id: "too-deep"}


async def test_what_builds_on_a_bomb_pushes_nothing_out_of_quarantine(store: Store) -> None:
    document, bob = ALICE.document("io.alice.clock"), BOB.signer.device.public
    signer = co_author(ALICE, BOB, document)
    raws = [bombs.nested(100, actor=bob, start_op=MODULE.max_op + 1, dependencies=[MODULE.hash])]
    for seq in range(2, 30):
        before = read_change(raws[-1])
        raws.append(
            bombs.set_root(
                actor=bob, seq=seq, start_op=before.max_op + 1, dependencies=[before.hash]
            )
        )
    entries: list[SignedEntry] = []
    for raw in raws:
        prev = entries[-1].id if entries else None
        entries.append(sign_change(raw, document, signer=signer, prev=prev, timestamp=1))
    await store.receive(entries, source="peer mallory")
    assert [row.refusal.code for row in await store.refused()] == ["too-deep"]
    state = await store.read(document)
    assert state is not None
    assert list(state.left_out.values()).count("excluded-dependency") == 28


async def test_a_later_change_waits_for_the_one_it_builds_on(store: Store) -> None:
    document = ALICE.document("io.alice.clock")
    first, second = ALICE.writes(document, named("clock"), named("better clock"))
    await store.receive([second], source="bob")
    state = await store.read(document)
    assert state is not None
    assert (state.waiting, state.value["head"]) == (1, {})
    await store.receive([first], source="bob")
    state = await store.read(document)
    assert state is not None
    assert (state.waiting, state.value["head"]) == (0, {"name": "better clock"})


async def test_what_the_projector_trips_over_loses_nothing_else(store: Store) -> None:
    poison = ALICE.publishes("io.alice.poison", named("poison"))
    good = ALICE.publishes("io.alice.clock", named("clock"))
    received = await store.receive([poison, good], source="peer")
    assert set(received.added) == {poison.id, good.id}
    assert [row.listing.name for row in (await store.listings()).rows] == ["clock"]
    (refused,) = await store.refused()
    assert refused.refusal.code == "unprojectable"


async def test_alice_commits_and_her_chain_goes_on(store: Store) -> None:
    document = ALICE.document("io.alice.clock")
    events: list[AppendedEvent] = []
    store.subscribe(events.append)
    first = await store.commit(document, named("clock"), ALICE.signer)
    assert first is not None
    assert await store.commit(document, lambda editor: None, ALICE.signer) is None
    for number in range(20):
        later = await store.commit(document, named("clock", at=number), ALICE.signer)
        assert later is not None
        assert later.signed.entry.timestamp > first.signed.entry.timestamp
    state = await store.read(document)
    assert state is not None
    assert state.value["head"] == {"name": "clock", "at": 19}
    assert len(events) == 21
    assert (await store.listings()).rows[0].listing.updated_us == 19


async def test_a_rating_counts_once_per_author(store: Store) -> None:
    await store.receive([ALICE.publishes("io.alice.clock", named("clock"))], source="peer")
    target = f"{ALICE.did}/io.alice.clock"
    rating = BOB.writes(BOB.document(target, cls="rate"), rated(2), rated(4, installs=3))
    await store.receive(rating, source="peer")
    row = await store.listing("module", ALICE.did, "io.alice.clock")
    assert row is not None
    assert (row.rating, row.stars_count, row.installs) == (4.0, 1, 3)
    assert [one.stars for one in await store.ratings(target)] == [4]


async def test_acts_at_the_same_time_follow_each_other(store: Store) -> None:
    document = ALICE.document("io.alice.clock")
    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(store.commit(document, named(f"n{number}"), ALICE.signer))
    (row,) = await store.documents(COMMONS, cls="pub", kind="mod")
    assert (row.id, row.changes, row.left_out, len(row.heads)) == (document, 10, 0, 1)


async def test_timestamps_never_go_back_even_where_the_clock_does(tmp_path: Path) -> None:
    times_us = [NOW_US]
    stamps: list[int] = []
    for step_us in (0, -50_000_000, 50_000_000):
        times_us.append(times_us[-1] + step_us)
        async with open_store(
            tmp_path / "p.db", project=project, clock_us=lambda: times_us[-1]
        ) as store:
            for record in ("io.alice.a", "io.alice.b"):
                edit = named(f"clock {len(stamps)}")
                committed = await store.commit(ALICE.document(record), edit, ALICE.signer)
                assert committed is not None
                stamps.append(committed.signed.entry.timestamp)
    assert stamps == sorted(set(stamps))


async def test_what_an_edit_raises_passes_and_nothing_happened(store: Store) -> None:
    def edit(editor: Editor) -> None:
        editor.put(("head", "name"), "half")
        raise LookupError("changed my mind")

    with pytest.raises(LookupError):
        await store.commit(ALICE.document("io.alice.clock"), edit, ALICE.signer)
    assert await store.read(ALICE.document("io.alice.clock")) is None
    assert (await store.counts()).entries == 0
    assert await store.commit(ALICE.document("io.alice.clock"), named("whole"), ALICE.signer)


async def test_a_device_whose_changes_fell_does_not_go_on(store: Store) -> None:
    """A copied device key wrote another first change, and that one stands."""
    document = ALICE.document("io.alice.clock")
    lost = ALICE.writes(document, named("one"), named("two"))
    others = (ALICE.writes(document, named(f"other {n}")) for n in itertools.count())
    stands = next(
        one
        for (one,) in others
        if one.entry.payload_digest < lost[0].entry.payload_digest  # the smaller one wins a tie
    )
    await store.receive([*lost, stands], source="peer")
    state = await store.read(document)
    assert state is not None
    assert state.left_out == {lost[0].id: "lost-branch", lost[1].id: "excluded-dependency"}
    with pytest.raises(DeviceForked, match="a new device of yours can"):
        await store.commit(document, named("three"), ALICE.signer)


async def test_a_receive_that_is_cancelled_leaves_all_or_nothing(store: Store) -> None:
    for turns in range(0, 60, 3):
        batch = [BOB.publishes(f"io.bob.{turns}.{n}", named(f"m{n}")) for n in range(4)]
        before = (await store.counts()).entries
        task = asyncio.create_task(store.receive(batch, source="peer"))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await store.counts()).entries - before in (0, 4)
        again = await store.receive(batch, source="peer")
        assert len(again.added) + again.known == 4


async def test_what_became_durable_is_told_even_to_a_caller_who_was_cancelled(
    tmp_path: Path,
) -> None:
    """A client that hangs up amid the commit: the page, the index and the peers hear of it."""
    tasks: list[asyncio.Task[object]] = []
    loop, here = asyncio.get_running_loop(), threading.get_ident()

    def cancel_amid_the_commit(step: str) -> None:
        if step != "COMMIT" or not tasks:
            return
        cancelled, cancel = threading.Event(), tasks.pop().cancel
        loop.call_soon_threadsafe(cancel)
        loop.call_soon_threadsafe(cancelled.set)
        if threading.get_ident() != here:
            assert cancelled.wait(30)

    clock = ALICE.publishes("io.alice.clock", named("clock"))
    events: list[AppendedEvent] = []
    async with open_store(
        tmp_path / "panspermia.db",
        project=project,
        clock_us=lambda: NOW_US,
        on_step=cancel_amid_the_commit,
    ) as store:
        store.subscribe(events.append)
        for act in (
            store.receive([clock], source="peer"),
            store.commit(BOB.document("io.bob.calendar"), named("calendar"), BOB.signer),
        ):
            task: asyncio.Task[object] = asyncio.create_task(act)
            tasks.append(task)
            with pytest.raises(asyncio.CancelledError):
                await task
        assert [event.source for event in events] == ["peer", "self"]
        assert (await store.counts()).entries == 2


async def test_an_act_of_ones_own_is_one_hop_to_a_thread(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under load each hop waits for its turn on a processor, there and back."""
    document, loop = ALICE.document("io.alice.clock"), asyncio.get_running_loop()
    await store.commit(document, named("first"), ALICE.signer)
    back, hops = loop.call_soon_threadsafe, list[object]()

    def told(callback: Callable[..., object], *args: Any) -> object:  # noqa: ANN401 - as asyncio's
        hops.append(callback)
        return back(callback, *args)

    monkeypatch.setattr(loop, "call_soon_threadsafe", told)
    await store.commit(document, named("second"), ALICE.signer)
    await store.rehearse(document, named("third"), ALICE.signer)
    assert len(hops) == 2
    assert [row.listing.name for row in (await store.listings()).rows] == ["second"]


async def test_all_that_is_derived_comes_back_from_the_entries(
    tmp_path: Path, store: Store
) -> None:
    document = ALICE.document("io.alice.clock")
    entries = ALICE.writes(document, *(named(f"clock {n}", at=n) for n in range(12)))
    target = f"{ALICE.did}/io.alice.clock"
    entries += BOB.writes(BOB.document(target, cls="rate"), rated(4, installs=2))
    entries += BOB.writes(BOB.document("io.bob.gap"), named("a"), named("b"))[1:]
    await store.receive(entries, source="peer")
    derived = (await store.listings()).rows, await store.read(document), await store.documents()
    with closing(sqlite3.connect(tmp_path / "panspermia.db")) as database, database:
        for table in ("listing_tag", "blob_use", "listing", "rating", "left_out"):
            database.execute(f"DELETE FROM {table}")
        database.execute("UPDATE document SET saved = NULL, heads = x'', changes = 0, left_out = 0")
    assert (await store.listings()).rows == ()
    assert await store.rematerialise() == 3
    assert derived == (
        (await store.listings()).rows,
        await store.read(document),
        await store.documents(),
    )


async def test_what_would_not_count_is_not_written(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full record: an acknowledged change that counts for nothing would be a lie."""
    monkeypatch.setattr(authority, "CHANGES_MAX", 3)
    document = ALICE.document("io.alice.clock")
    for number in range(3):
        assert await store.commit(document, named(f"clock {number}"), ALICE.signer)
    with pytest.raises(StorageError, match="over-limit"):
        await store.commit(document, named("one too many"), ALICE.signer)
    state = await store.read(document)
    assert state is not None
    assert (state.value["head"], state.left_out) == ({"name": "clock 2"}, {})
    assert (await store.counts()).entries == 3
