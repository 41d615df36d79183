"""A record that has lived long goes on in a new epoch, and nobody who reads it notices."""

import json
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from random import Random

import pytest

from crdt import authority, rollover
from crdt.area import Area
from crdt.change import DocumentId, SignedEntry, device_capabilities, sign_change
from crdt.document import Document, Editor, skeleton_for
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, DeviceKey
from crdt.order import Bounds
from crdt.path import EPOCH_MAX
from crdt.preflight import HEADS_MAX, read_change
from crdt.rollover import CARRIED, CHANGES_FULL, OPS_FULL
from storage import acts
from storage.epochs import LATE
from storage.errors import RecordFull
from storage.store import Store, open_store
from tests.crdt import bombs
from tests.storage.people import ALICE, BOB, NOW_US, Person, named, person, project, rated

CLOCK = ALICE.document("io.alice.clock")
PHONE: Person = person(1, device=7)
SKELETON = skeleton_for("pub", "mod")
TARGET = f"{ALICE.did}/io.alice.clock"
FULL = 5


@pytest.fixture
async def other(tmp_path: Path) -> AsyncGenerator[Store]:
    """Somebody else's store."""
    async with open_store(
        tmp_path / "other.db", project=project, clock_us=lambda: NOW_US
    ) as opened:
        yield opened


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records roll over after `FULL` changes."""
    monkeypatch.setattr(rollover, "CHANGES_FULL", FULL)


async def everything(store: Store) -> list[SignedEntry]:
    return await store.entries(COMMONS, await store.ids(COMMONS, Area(), Bounds(), 10_000))


async def names(store: Store) -> list[str]:
    return [row.listing.name for row in (await store.listings("module", sort="name")).rows]


async def epoch(store: Store, document: DocumentId = CLOCK) -> int:
    state = await store.read(document)
    assert state is not None
    return state.id.epoch


def chain(size: int, ops: int = 1) -> list[SignedEntry]:
    """So many changes of alice's laptop, without the cost of editing."""
    device = ALICE.signer.device
    entries: list[SignedEntry] = []
    parent, op = SKELETON.hash, SKELETON.max_op
    for seq in range(1, size + 1):
        make = bombs.set_root if ops == 1 else partial(bombs.long_list, ops - 1)
        raw = make(actor=device.public, seq=seq, start_op=op + 1, dependencies=[parent])
        parent, op = read_change(raw).hash, read_change(raw).max_op
        prev = entries[-1].id if entries else None
        entries.append(sign_change(raw, CLOCK, signer=ALICE.signer, prev=prev, timestamp=seq))
    return entries


async def test_a_record_of_2000_changes_goes_on_in_the_next_epoch(store: Store) -> None:
    await store.receive(chain(CHANGES_FULL - 1), source="backup")
    await store.commit(CLOCK, named("clock"), ALICE.signer)
    assert await epoch(store) == 0
    done = await store.commit(CLOCK, named("better clock"), ALICE.signer)
    assert done is not None
    state = await store.read(CLOCK)
    assert state is not None
    assert state.id == replace(CLOCK, epoch=1)
    assert state.value["head"] == {"name": "better clock"}
    assert state.value["k"] == 5  # what the chain wrote came over
    assert await names(store) == ["better clock"]
    rows = await store.documents()
    assert [(row.id.epoch, row.changes) for row in rows] == [(0, CHANGES_FULL), (1, 3)]
    assert not await store.refused()


async def test_many_operations_roll_a_record_over_too(store: Store) -> None:
    await store.receive(chain(4, ops=OPS_FULL // 4), source="backup")
    await store.commit(CLOCK, named("clock"), ALICE.signer)
    assert await epoch(store) == 1
    assert await names(store) == ["clock"]


@pytest.mark.usefixtures("soon")
async def test_a_life_of_many_epochs_reads_as_one_record(store: Store, other: Store) -> None:
    for number in range(4 * FULL):
        await store.commit(CLOCK, named(f"clock {number}", **{f"k{number}": number}), ALICE.signer)
    state = await store.read(CLOCK)
    assert state is not None
    head = state.value["head"]
    assert isinstance(head, dict)
    assert head == {"name": f"clock {4 * FULL - 1}"} | {f"k{n}": n for n in range(4 * FULL)}
    assert state.id.epoch > 2
    assert await names(store) == [f"clock {4 * FULL - 1}"]
    assert (await store.counts()).records == {"module": 1}
    # Anybody who gets the entries, in any order, sees the same.
    entries = await everything(store)
    Random(7).shuffle(entries)
    for at in range(0, len(entries), 3):
        await other.receive(entries[at : at + 3], source="alice")
    for each in (store, other):
        for _ in range(2):
            assert await each.read(CLOCK) == state
            (row,) = (await each.listings()).rows
            assert json.loads(row.listing.fields) == head
            await each.rematerialise()
        assert not await each.refused()


@pytest.mark.usefixtures("soon")
async def test_half_a_roll_over_shows_nobody_half_a_record(store: Store, other: Store) -> None:
    for number in range(FULL):
        value = {f"k{number}": "x" * 15_000}
        await store.commit(CLOCK, named(f"clock {number}", **value), ALICE.signer)
    await store.commit(CLOCK, named("after"), ALICE.signer)
    entries = await everything(store)
    old = [one for one in entries if one.entry.path[3] == bytes(4)]
    new = [one for one in entries if one not in old]
    assert (len(old), len(new)) == (FULL, 5)
    await other.receive([*new[:3], *old], source="alice")
    assert (await names(other), await epoch(other)) == ([f"clock {FULL - 1}"], 0)
    await other.receive(new[3:4], source="alice")
    assert (await names(other), await epoch(other)) == ([f"clock {FULL - 1}"], 1)
    await other.receive(new[4:], source="alice")
    assert await names(other) == ["after"]
    # The new epoch alone is enough to show the record.
    assert (await other.counts()).records == {"module": 1}


@pytest.mark.usefixtures("soon")
async def test_all_of_a_roll_over_is_told_at_once(store: Store) -> None:
    told: list[int] = []
    store.subscribe(lambda event: told.append(len(event.ids)))
    for number in range(FULL + 1):
        await store.commit(CLOCK, named(f"clock {number}"), ALICE.signer)
    assert told == [1] * FULL + [3]


@pytest.mark.usefixtures("soon")
async def test_what_came_too_late_is_kept_and_told(store: Store, other: Store) -> None:
    """The phone was away, and wrote to an epoch that the laptop has left."""
    for number in range(FULL):
        await store.commit(CLOCK, named(f"clock {number}"), ALICE.signer)
    await other.receive(await everything(store), source="laptop")
    await store.commit(CLOCK, named("of the laptop"), ALICE.signer)
    # The phone's node rolls over as well; so the late change is made as by a slower one.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollover, "CHANGES_FULL", 100)
        await other.commit(CLOCK, named("of the phone"), PHONE.signer)
    await other.receive(await everything(store), source="laptop")
    await store.receive(await everything(other), source="phone")
    for each in (store, other):
        assert await names(each) == ["of the laptop"]
        (refused,) = await each.refused()
        assert (refused.refusal.code, refused.refusal.where) == (LATE, "/pub/mod/io.alice.clock")
    await other.commit(CLOCK, named("again of the phone"), PHONE.signer)
    assert await names(other) == ["again of the phone"]
    assert await epoch(other) == 1


@pytest.mark.usefixtures("soon")
async def test_two_devices_roll_over_while_apart(store: Store, other: Store) -> None:
    for number in range(FULL):
        await store.commit(CLOCK, named(f"clock {number}"), ALICE.signer)
    await other.receive(await everything(store), source="laptop")
    await store.commit(CLOCK, lambda editor: editor.put(("head", "laptop"), 1), ALICE.signer)
    await other.commit(CLOCK, lambda editor: editor.put(("head", "phone"), 2), PHONE.signer)
    await other.receive(await everything(store), source="laptop")
    await store.receive(await everything(other), source="phone")
    states = [await each.read(CLOCK) for each in (store, other)]
    assert states[0] == states[1]
    assert states[0] is not None
    assert states[0].value["head"] == {"name": f"clock {FULL - 1}", "laptop": 1, "phone": 2}
    assert not await store.refused()


@pytest.mark.usefixtures("soon")
async def test_an_edit_that_fails_rolls_nothing_over(store: Store) -> None:
    for number in range(FULL):
        await store.commit(CLOCK, named(f"clock {number}"), ALICE.signer)

    def breaks(editor: Editor) -> None:
        editor.put(("head", "name"), "half")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await store.commit(CLOCK, breaks, ALICE.signer)
    assert await store.commit(CLOCK, named(f"clock {FULL - 1}"), ALICE.signer) is None
    assert await epoch(store) == 0
    assert len(await everything(store)) == FULL


async def test_what_has_no_room_to_grow_can_be_made_smaller_until_it_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last fifth of what one epoch takes is for letting go."""
    monkeypatch.setattr(rollover, "CHANGES_FULL", FULL)
    monkeypatch.setattr(authority, "CHANGES_MAX", 2 * FULL)

    def told(editor: Editor) -> None:
        for number in range(20):
            editor.put(("head", f"word {number:02}"), number)

    await store.commit(CLOCK, told, ALICE.signer)
    state = await store.read(CLOCK)
    assert state is not None
    monkeypatch.setattr(rollover, "PLACES_MAX", rollover.extent(state.value).places - 10)
    for number in range(8 * FULL // 5 - 1):
        await store.commit(CLOCK, named(f"clock {number}"), ALICE.signer)
    with pytest.raises(RecordFull, match="is full: it holds"):
        await store.commit(CLOCK, named("too much"), ALICE.signer)
    assert await epoch(store) == 0

    def let_go(editor: Editor) -> None:
        for number in range(20):
            editor.delete(("head", f"word {number:02}"))

    assert await store.commit(CLOCK, let_go, ALICE.signer)
    assert await store.commit(CLOCK, named("on"), ALICE.signer)
    assert await epoch(store) == 1
    assert await names(store) == ["on"]


@pytest.mark.usefixtures("soon")
async def test_an_epoch_that_falls_gives_the_record_back(store: Store) -> None:
    """Alice's copied key opened epoch 1 twice: where that branch falls, epoch 0 is shown again."""
    await store.commit(CLOCK, named("clock"), ALICE.signer)
    (old,) = await everything(store)
    heads = read_change(old.payload[69:]).hash
    place, device = replace(CLOCK, epoch=1), PHONE.signer.device

    def first(edit: bytes | str) -> SignedEntry:
        draft = Document.open("pub", "mod", device.public)
        key = (CARRIED,) if isinstance(edit, bytes) else ("head", "name")
        raw = draft.change(lambda editor: editor.put(key, edit))
        assert raw is not None
        return sign_change(raw, place, signer=PHONE.signer, prev=None, timestamp=1)

    opening = first(heads)
    digest = opening.entry.payload_digest
    fallen = next(
        one
        for one in (first(f"twin {number}") for number in count())
        if one.entry.payload_digest < digest
    )
    await store.receive([opening], source="phone")
    assert (await names(store), await epoch(store)) == ([""], 1)
    await store.receive([fallen], source="phone")
    assert (await names(store), await epoch(store)) == (["clock"], 0)


@pytest.mark.usefixtures("soon")
async def test_ratings_roll_over_and_count_once(store: Store, other: Store) -> None:
    await store.commit(CLOCK, named("clock"), ALICE.signer)
    rating = BOB.document(TARGET, cls="rate")
    for number in range(2 * FULL):
        await store.commit(rating, rated(number % 5 + 1, installs=number), BOB.signer)
    await other.receive(await everything(store), source="peer")
    for each in (store, other):
        (row,) = (await each.listings("module")).rows
        assert (row.stars_sum, row.stars_count, row.installs) == (5, 1, 2 * FULL - 1)
        assert len(await each.ratings(TARGET)) == 1


def opening(
    number: int, carried: bytes, *, of: Person = ALICE, name: str | None = None
) -> SignedEntry:
    """The only change of an epoch, which says what it carried over."""
    draft = Document.open("pub", "mod", of.signer.device.public)

    def edit(editor: Editor) -> None:
        editor.put((CARRIED,), carried)
        editor.put(("head", "name"), name or f"epoch {number}")

    raw = draft.change(edit)
    assert raw is not None
    place = replace(CLOCK, epoch=number)
    return sign_change(raw, place, signer=of.signer, prev=None, timestamp=number)


async def test_thousands_of_epochs_do_not_slow_down_what_comes_later(store: Store) -> None:
    """With a look at each of them, each later change took half a second of every node's writer."""
    for at in range(1, 2_000, 500):
        batch = [opening(at + n, bytes([n % 256]) * 32) for n in range(500)]
        await store.receive(batch, source="peer mallory")
    begun_s = time.process_time()
    for number in range(2_001, 2_021):
        await store.receive([opening(number, bytes(32))], source="peer mallory")
    assert time.process_time() - begun_s < 2
    assert await names(store) == ["epoch 2020"]
    await store.receive([opening(EPOCH_MAX, bytes(32), name="the last")], source="peer mallory")
    assert await names(store) == ["the last"]
    await store.commit(CLOCK, named("still there"), ALICE.signer)
    assert (await names(store), await epoch(store)) == (["still there"], EPOCH_MAX)


@pytest.mark.parametrize("seed", range(12))
async def test_any_order_and_batching_of_epochs_ends_in_the_same_lists(
    store: Store, other: Store, seed: int
) -> None:
    """Epochs that open, that do not, and that fall, as their device equivocated."""
    random = Random(seed)
    entries: list[SignedEntry] = []
    for number in range(5):
        carried = b"half" if random.random() < 0.3 else bytes(32)
        entries.append(opening(number, carried))
        if random.random() < 0.4:
            entries.append(opening(number, b"half", name="twin"))
        if random.random() < 0.3:
            entries.append(opening(number, carried, of=PHONE))
    entries += [BOB.publishes("io.bob.thing", named("thing"))]
    found: list[object] = []
    for each in (store, other):
        random.shuffle(entries)
        rest = list(entries)
        while rest:
            size = random.randint(1, 4)
            batch, rest = rest[:size], rest[size:]
            await each.receive(batch, source="peer")
        for _ in range(2):
            rows = (await each.listings()).rows
            found.append([row.listing for row in rows])
            state = await each.read(CLOCK)
            assert state is not None
            head = state.value["head"]
            assert json.loads(rows[0].listing.fields) == head or rows[0].listing.name == "thing"
            await each.rematerialise()
    assert all(one == found[0] for one in found)


@pytest.mark.usefixtures("soon")
async def test_a_late_change_is_told_once_whatever_is_written_later(store: Store) -> None:
    for number in range(FULL):
        await store.commit(CLOCK, named(f"clock {number}"), ALICE.signer)
    late = PHONE.writes(CLOCK, named("of the phone"))
    await store.commit(CLOCK, named("of the laptop"), ALICE.signer)
    await store.receive(late, source="phone")
    for number in range(FULL - 2):
        await store.commit(CLOCK, named(f"later {number}"), ALICE.signer)
    (refused,) = await store.refused()
    assert (refused.refusal.code, refused.refusal.source, refused.count) == (LATE, "phone", 1)


@pytest.mark.parametrize("is_first", [True, False])
async def test_what_came_before_the_roll_over_did_is_told_as_well(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch, is_first: bool
) -> None:
    monkeypatch.setattr(rollover, "CHANGES_FULL", FULL)
    for number in range(FULL + 1):
        await store.commit(CLOCK, named(f"clock {number}"), ALICE.signer)
    late = PHONE.writes(CLOCK, named("of the phone"))
    entries = await everything(store)
    for batch in (late, entries) if is_first else (entries, late):
        await other.receive(batch, source="peer")
    assert [row.refusal.code for row in await other.refused()] == [LATE]


async def test_a_change_for_which_there_is_no_room_left_rolls_the_record_over(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document is not full yet, but with this change it would be too large."""
    monkeypatch.setattr(authority, "OPS_MAX", 20)
    monkeypatch.setattr(acts, "OPS_MAX", 20)
    for number in range(9):
        await store.commit(CLOCK, named(f"clock {number}", at=number), ALICE.signer)
    await store.commit(CLOCK, named("large", a=1, b=2, c=3), ALICE.signer)
    state = await store.read(CLOCK)
    assert state is not None
    assert state.id.epoch == 1
    assert state.value["head"] == {"name": "large", "at": 8, "a": 1, "b": 2, "c": 3}
    assert not await store.refused()


@pytest.mark.usefixtures("soon")
async def test_who_came_too_late_for_a_full_document_goes_on_in_the_next(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two devices were apart, and together they wrote more than a document holds."""
    monkeypatch.setattr(authority, "CHANGES_MAX", FULL + 1)
    for each, who in ((store, ALICE), (other, PHONE)):
        for number in range(FULL):
            await each.commit(CLOCK, named(f"clock {number}"), who.signer)
    await store.receive(await everything(other), source="phone")
    await other.receive(await everything(store), source="laptop")
    for each, who in ((store, ALICE), (other, PHONE)):
        await each.commit(CLOCK, named("after"), who.signer)
        assert (await names(each), await epoch(each)) == (["after"], 1)


@pytest.mark.usefixtures("soon")
async def test_a_next_epoch_that_somebody_filled_is_passed_over(store: Store) -> None:
    await store.receive(
        [
            entry
            for number in (1, 2)
            for entry in PHONE.writes(
                replace(CLOCK, epoch=number), *(named(f"junk {n}") for n in range(FULL))
            )
        ],
        source="peer mallory",
    )
    for number in range(FULL + 1):
        await store.commit(CLOCK, named(f"clock {number}"), ALICE.signer)
    assert (await names(store), await epoch(store)) == ([f"clock {FULL}"], 3)


async def test_more_heads_than_a_change_may_name_stop_nobody(store: Store) -> None:
    """Whoever may write may make up devices; a change names what all of them wrote last."""
    seeds = [SigningKey.from_seed(n.to_bytes(32, "big")) for n in range(1, HEADS_MAX + 10)]
    for key in seeds:
        granted = device_capabilities(ALICE.root, DeviceKey(key.public))
        one = replace(ALICE, signer=replace(ALICE.signer, device=key, capabilities=granted))
        await store.receive(one.writes(CLOCK, named("crowd")), source="peer mallory")
    await store.commit(CLOCK, named("clock"), ALICE.signer)
    assert (await names(store), await epoch(store)) == (["clock"], 1)


@pytest.mark.usefixtures("soon")
async def test_a_roll_over_that_is_stopped_at_any_step_leaves_no_trace(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    left, is_armed = 0, False

    def step(sql: str) -> None:
        nonlocal left
        if is_armed and sql != "COMMITTED":
            if left == 0:
                raise Stopped
            left -= 1

    path = tmp_path / "p.db"
    stop_at = -1
    while stop_at < 100:
        stop_at += 1
        async with open_store(
            path, project=project, clock_us=lambda: NOW_US, on_step=step
        ) as store:
            for number in range(len(await everything(store)), FULL):
                await store.commit(CLOCK, named(f"clock {number}"), ALICE.signer)
            left, is_armed = stop_at, True
            try:
                await store.commit(CLOCK, named("after"), ALICE.signer)
                break
            except Stopped:
                is_armed = False
                assert (await names(store), await epoch(store)) == ([f"clock {FULL - 1}"], 0)
                assert len(await everything(store)) == FULL
            finally:
                is_armed = False
    assert 8 < stop_at < 100, "some steps, and then an end"
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        assert (await names(store), await epoch(store)) == (["after"], 1)
