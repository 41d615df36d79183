"""Revocations take effect, on every node, whatever comes in which order."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path
from random import Random

import pytest

from crdt.area import Area
from crdt.blob import build_manifest
from crdt.capability import (
    WRITE,
    Capability,
    CapabilityCache,
    capability_digest,
    delegate,
    encode_capability,
)
from crdt.change import (
    DocumentId,
    SignedEntry,
    Signer,
    check_entry,
    log_of,
    sign_change,
    sign_statement,
)
from crdt.did import encode_did_key
from crdt.digest import payload_digest
from crdt.document import Document, Editor
from crdt.entry import tai_from_unix_us
from crdt.errors import Malformed
from crdt.held import Revocation
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from crdt.order import Bounds
from crdt.path import AUTHORITY, CHECKPOINT
from crdt.preflight import read_change
from crdt.statement import Checkpoint, Drop, Frontier, Heartbeat, Revoke, Unrevoke, encode_frontier
from storage.errors import NotHeld, StorageError
from storage.statements import STRANGERS_FRONTIERS_MAX
from storage.store import Store, open_store
from tests.storage.people import ALICE, BOB, NOW_US, Person, named, project

ALICES = AuthorKey(ALICE.root.public)
CLOCK, DICE = ALICE.document("io.alice.clock"), ALICE.document("io.alice.dice")
LAPTOP = ALICE.signer.device.public
LOG = log_of(COMMONS, ALICES, AUTHORITY)
ROOT_RIGHT = encode_capability(Capability(WRITE, COMMONS, ALICES))
ROOT = Signer(ALICE.root, ALICES, {AUTHORITY: ROOT_RIGHT})


def co_author(
    owner: Person, other: Person, document: DocumentId, until: int | None = None
) -> Signer:
    """`other`'s device, allowed by `owner` to write to one record."""
    area = Area(document.subspace, (b"pub", b"mod", document.record), 0, until)
    root = Capability(WRITE, COMMONS, owner.root.public)
    device = other.signer.device
    capability = delegate(root, owner.root, area, device.public)
    return Signer(device, document.subspace, {"pub": encode_capability(capability)})


BOBS_HAND = co_author(ALICE, BOB, CLOCK)
BOBS = BOB.signer.device.public


def put(key: str, value: str | int) -> Callable[[Editor], None]:
    return lambda editor: editor.put(("head", key), value)


async def head(store: Store, document: DocumentId = CLOCK) -> dict[str, object]:
    state = await store.read(document)
    assert state is not None
    value = state.value["head"]
    assert isinstance(value, dict)
    return dict(value)


async def everything(store: Store) -> list[SignedEntry]:
    ids = [
        id
        for document in await store.documents(limit=1_000)
        for id in await ids_of(store, document.id)
    ]
    return await store.entries(COMMONS, ids)


async def ids_of(store: Store, document: DocumentId) -> list[bytes]:

    area = Area(document.subspace, (document.cls.encode(), document.kind.encode(), document.record))
    return await store.ids(document.namespace, area, Bounds())


async def names(store: Store) -> list[str]:
    return sorted(row.listing.name for row in (await store.listings(limit=1_000)).rows)


async def written_together(store: Store) -> None:
    """Alice and her co-author bob, one after the other."""
    await store.commit(CLOCK, named("clock"), ALICE.signer)
    await store.commit(CLOCK, put("bob", "one"), BOBS_HAND)
    await store.commit(CLOCK, put("alice", "on bob's one"), ALICE.signer)
    await store.commit(CLOCK, put("bob", "two"), BOBS_HAND)


async def test_a_revoked_key_changes_nothing_after_its_frontier(store: Store) -> None:
    await written_together(store)
    frontier = await store.frontier_now(COMMONS, Revocation(ALICES, BOBS))
    assert list(frontier) == [CLOCK.encode()]
    await store.declare(Revoke(BOBS, Frontier(frontier), reason="done"), LOG, ROOT)
    assert await head(store) == {"name": "clock", "bob": "two", "alice": "on bob's one"}
    with pytest.raises(StorageError, match="revoked"):
        await store.commit(CLOCK, put("bob", "three"), BOBS_HAND)
    await store.commit(CLOCK, put("alice", "goes on"), ALICE.signer)
    assert await head(store) == {"name": "clock", "bob": "two", "alice": "goes on"}


async def test_what_is_taken_out_comes_back_byte_for_byte(store: Store) -> None:
    await written_together(store)
    before = await store.read(CLOCK)
    revoked = await store.declare(Revoke(BOBS), LOG, ROOT)
    assert await head(store) == {"name": "clock"}, "with bob's changes goes what was built on them"
    assert await names(store) == ["clock"]
    assert {row.code for row in await store.left_out()} == {"revoked", "excluded-dependency"}
    digest = revoked.signed.entry.payload_digest
    await store.declare(Unrevoke(digest), LOG, ROOT)
    assert await store.read(CLOCK) == before
    assert await store.left_out() == []


async def test_only_what_is_hit_is_cut(store: Store) -> None:
    """Bob's own records stay, and so does what alice wrote by herself."""
    await written_together(store)
    await store.commit(DICE, named("dice"), ALICE.signer)
    await store.commit(BOB.document("io.bob.horn"), named("horn"), BOB.signer)
    await store.declare(Revoke(BOBS), LOG, ROOT)
    assert await names(store) == ["clock", "dice", "horn"]


async def test_a_lost_device_goes_with_all_it_delegated(store: Store) -> None:
    await store.commit(CLOCK, named("clock"), ALICE.signer)
    root = Capability(WRITE, COMMONS, ALICES)
    laptops = delegate(root, ALICE.root, Area(ALICES, (b"pub",)), LAPTOP)
    handed_on = delegate(laptops, ALICE.signer.device, laptops.granted_area, BOBS)
    bob = Signer(BOB.signer.device, ALICES, {"pub": encode_capability(handed_on)})
    await store.commit(CLOCK, put("bob", "through the laptop"), bob)
    await store.declare(Revoke(LAPTOP), LOG, ROOT)
    state = await store.read(CLOCK)
    assert state is not None
    assert state.value["head"] == {}
    assert await names(store) == [""]


async def test_a_revocation_of_one_record_leaves_the_others(store: Store) -> None:
    area = Area(ALICES, (b"pub", b"mod", CLOCK.record))
    await store.commit(CLOCK, named("clock"), ALICE.signer)
    await store.commit(CLOCK, put("bob", "one"), BOBS_HAND)
    await store.commit(DICE, named("dice"), ALICE.signer)
    await store.commit(DICE, put("bob", "one"), co_author(ALICE, BOB, DICE))
    await store.declare(Revoke(BOBS, area=area), LOG, ROOT)
    assert "bob" not in await head(store)
    assert "bob" in await head(store, DICE)


async def test_the_strictest_of_several_cuts(store: Store) -> None:
    await written_together(store)
    early = await store.frontier_now(COMMONS, Revocation(ALICES, BOBS), before=0)
    late = await store.frontier_now(COMMONS, Revocation(ALICES, BOBS))
    first = await store.declare(Revoke(BOBS, Frontier(late)), LOG, ROOT)
    await store.declare(Revoke(BOBS, Frontier(early)), LOG, ROOT)
    assert await head(store) == {"name": "clock"}
    await store.declare(Unrevoke(first.signed.entry.payload_digest), LOG, ROOT)
    assert await head(store) == {"name": "clock"}, "the stricter one still holds"


async def test_whoever_gave_nothing_takes_nothing_back(store: Store) -> None:
    await written_together(store)
    bob_root = Signer(
        BOB.root,
        AuthorKey(BOB.root.public),
        {AUTHORITY: encode_capability(Capability(WRITE, COMMONS, BOB.root.public))},
    )
    log = log_of(COMMONS, AuthorKey(BOB.root.public), AUTHORITY)
    before = await head(store)
    for key in (LAPTOP, ALICES, BOBS):
        await store.declare(Revoke(key), log, bob_root)
    assert await head(store) == before


async def test_every_order_of_arrival_gives_the_same_records(tmp_path: Path) -> None:
    """Also the changes that a revoked device signed later, and what an honest one built on them."""
    async with _opened(tmp_path / "first.db") as first:
        await written_together(first)
        frontier = await first.frontier_now(COMMONS, Revocation(ALICES, BOBS))
        entries = await everything(first)
        await first.declare(Revoke(BOBS, Frontier(frontier)), LOG, ROOT)
        entries += [one for one in await everything(first) if one not in entries]
        entries += later_ones(entries[:4])
        await first.receive(entries, source="all")
        await first.settle()
        wanted = (await first.read(CLOCK), await names(first))
    for seed in range(12):
        shuffled = list(entries)
        Random(seed).shuffle(shuffled)
        async with _opened(tmp_path / f"{seed}.db") as store:
            for at in range(0, len(shuffled), 1 + seed % 3):
                await store.receive(shuffled[at : at + 1 + seed % 3], source="peer")
            assert (await store.read(CLOCK), await names(store)) == wanted
            assert await store.is_settled()


def later_ones(entries: Sequence[SignedEntry]) -> list[SignedEntry]:
    """What bob writes after he was cut off, without having heard of it, and alice on top of it."""
    made: list[SignedEntry] = []
    raws: list[bytes] = []

    cache = CapabilityCache()
    held = [check_entry(one, cache) for one in entries]
    raws = [one.raw for one in held]
    for signer, text in ((BOBS_HAND, "late"), (ALICE.signer, "on what came late")):
        draft = Document.open("pub", "mod", signer.device.public)
        draft.receive(raws)
        raw = draft.change(put("late", text))
        assert raw is not None
        own = [one for one in held if one.device == signer.device.public]
        signed = sign_change(
            raw, CLOCK, signer=signer, prev=own[-1].id, timestamp=tai_from_unix_us(NOW_US) + 99
        )
        made.append(signed)
        raws.append(raw)
    return made


def _opened(path: Path) -> AbstractAsyncContextManager[Store]:
    return open_store(path, project=project, clock_us=lambda: NOW_US)


async def test_a_change_waits_for_what_its_author_knew(store: Store, tmp_path: Path) -> None:
    """It cites the newest statement; without that nobody can tell what else it knew."""
    async with _opened(tmp_path / "alice.db") as hers:
        beat = await hers.declare(Heartbeat(), LOG, ROOT)
        change = await hers.commit(CLOCK, named("clock"), ALICE.signer)
    assert change is not None
    await store.receive([change.signed], source="peer")
    assert [row.code for row in await store.left_out()] == ["unknown-authority"]
    assert await store.waiting() == [("peer", "unknown-authority", 1)]
    assert await names(store) == [""]
    await store.receive([beat.signed], source="peer")
    assert await names(store) == ["clock"]
    assert await store.left_out() == []
    assert await store.waiting() == []


async def test_a_long_frontier_is_a_blob_and_cuts_all_off_until_it_comes(store: Store) -> None:
    await written_together(store)
    frontier = await store.frontier_now(COMMONS, Revocation(ALICES, BOBS))
    data = encode_frontier(frontier)
    manifest = build_manifest([payload_digest(data)], len(data))
    blob = manifest.id
    await store.declare(Revoke(BOBS, Frontier(blob=blob)), LOG, ROOT)
    assert await head(store) == {"name": "clock"}
    assert [wanted for wanted, _ in await store.wanted_frontiers()] == [blob]
    with pytest.raises(NotHeld):
        await store.know_frontier(blob)
    assert await store.put_blob(data) == blob
    await store.know_frontier(blob)
    await store.settle()
    assert (await head(store))["bob"] == "two"
    assert await store.wanted_frontiers() == []


async def test_a_blob_that_is_no_frontier_keeps_nothing(store: Store) -> None:
    await written_together(store)
    blob = await store.put_blob(b"no frontier")
    await store.declare(Revoke(BOBS, Frontier(blob=blob)), LOG, ROOT)
    with pytest.raises(Malformed):
        await store.know_frontier(blob)
    assert await head(store) == {"name": "clock"}


async def test_a_frontier_that_is_here_counts_at_once(store: Store) -> None:
    await written_together(store)
    frontier = await store.frontier_now(COMMONS, Revocation(ALICES, BOBS))
    blob = await store.put_blob(encode_frontier(frontier))
    await store.declare(Revoke(BOBS, Frontier(blob=blob)), LOG, ROOT)
    assert (await head(store))["bob"] == "two"


async def test_the_blob_of_a_frontier_is_not_collected(store: Store) -> None:
    blob = await store.put_blob(encode_frontier({}))
    await store.declare(Revoke(BOBS, Frontier(blob=blob)), LOG, ROOT)
    await store.gc(grace_us=-1)
    assert await store.has_blob(blob)


# ── trying out ───────────────────────────────────────────────────────────────────────────────────


async def test_what_a_revocation_would_do_is_exactly_what_it_does(store: Store) -> None:
    await written_together(store)
    effect = await store.effect_of(Revoke(BOBS), LOG, ROOT_RIGHT)
    assert [(one.device, one.code) for one in effect.gone] == [
        (BOBS, "revoked"),
        (LAPTOP, "excluded-dependency"),
        (BOBS, "revoked"),
    ]
    assert effect.back == ()
    assert await store.left_out() == []
    assert (await head(store))["bob"] == "two", "nothing has happened"
    revoked = await store.declare(Revoke(BOBS), LOG, ROOT)
    assert {row.code for row in await store.left_out()} == {one.code for one in effect.gone}
    back = await store.effect_of(Unrevoke(revoked.signed.entry.payload_digest), LOG, ROOT_RIGHT)
    assert [one.id for one in back.back] == [one.id for one in effect.gone]


async def test_what_waited_when_its_key_was_revoked_is_called_what_it_is(
    store: Store, tmp_path: Path
) -> None:
    """With a frontier of all that counts, as where it is revoked first: two nodes say the same."""
    async with _opened(tmp_path / "elsewhere.db") as elsewhere:
        acts = [
            await elsewhere.commit(CLOCK, named("clock"), ALICE.signer),
            await elsewhere.commit(CLOCK, put("bob", "one"), BOBS_HAND),
            await elsewhere.commit(CLOCK, put("bob", "two"), BOBS_HAND),
        ]
        first, _, waiting = [act.signed for act in acts if act is not None]
        await store.receive([first, waiting], source="peer")
        assert [row.code for row in await store.left_out()] == ["missing-dependency"]
        frontier = await store.frontier_now(COMMONS, Revocation(ALICES, BOBS))
        said = await store.declare(Revoke(BOBS, Frontier(frontier)), LOG, ROOT)
        await store.settle()
    async with _opened(tmp_path / "later.db") as later:
        await later.receive([first, said.signed], source="peer")
        await later.receive([waiting], source="peer")
        codes = {row.code for row in await later.left_out()}
    assert {row.code for row in await store.left_out()} == codes == {"revoked"}


async def test_the_usual_frontier_takes_nothing_out(store: Store) -> None:
    await written_together(store)
    frontier = await store.frontier_now(COMMONS, Revocation(ALICES, BOBS))
    effect = await store.effect_of(Revoke(BOBS, Frontier(frontier)), LOG, ROOT_RIGHT)
    assert effect.gone == ()


async def test_a_frontier_before_some_time_takes_out_what_came_then(tmp_path: Path) -> None:
    now = [NOW_US]
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: now[0]) as store:
        await store.commit(CLOCK, named("clock"), ALICE.signer)
        await store.commit(CLOCK, put("bob", "one"), BOBS_HAND)
        now[0] += 1_000_000
        await store.commit(CLOCK, put("bob", "two"), BOBS_HAND)
        await store.commit(CLOCK, put("alice", "on two"), ALICE.signer)
        since = tai_from_unix_us(now[0])
        frontier = await store.frontier_now(COMMONS, Revocation(ALICES, BOBS), before=since)
        effect = await store.effect_of(Revoke(BOBS, Frontier(frontier)), LOG, ROOT_RIGHT)
        assert [one.code for one in effect.gone] == ["revoked", "excluded-dependency"]
        await store.declare(Revoke(BOBS, Frontier(frontier)), LOG, ROOT)
        assert await head(store) == {"name": "clock", "bob": "one"}


# ── checkpoints ──────────────────────────────────────────────────────────────────────────────────


async def test_a_checkpoint_settles_which_of_two_counts(store: Store) -> None:
    await store.commit(CLOCK, named("clock"), ALICE.signer)
    first = await store.commit(CLOCK, put("bob", "left"), BOBS_HAND)
    assert first is not None
    (base,) = [one for one in await everything(store) if one != first.signed]
    twin = twin_of(base, "right")
    await store.receive([twin], source="peer")
    loser = (await store.left_out())[0]
    state = await store.read(CLOCK)
    assert state is not None
    assert loser.code == "lost-branch"
    raws = {one.id: one for one in (first.signed, twin)}
    (lost,) = state.left_out
    frontier = Frontier({CLOCK.encode(): (change_of(raws[lost]),)})
    log = log_of(COMMONS, ALICES, CHECKPOINT)
    await store.declare(Checkpoint(frontier), log, ALICE.signer)
    again = await store.read(CLOCK)
    assert again is not None
    assert again.value["head"] != state.value["head"]
    assert list(again.left_out) != list(state.left_out)


def twin_of(base: SignedEntry, text: str) -> SignedEntry:
    """Bob's first change made a second time, with another text."""
    draft = Document.open("pub", "mod", BOBS)
    draft.receive([raw_of(base)])
    raw = draft.change(put("bob", text))
    assert raw is not None
    return sign_change(raw, CLOCK, signer=BOBS_HAND, prev=None, timestamp=1)


def raw_of(signed: SignedEntry) -> bytes:

    return check_entry(signed, CapabilityCache()).raw


def change_of(signed: SignedEntry) -> bytes:

    return read_change(raw_of(signed)).hash


async def test_after_a_checkpoint_nobody_writes_into_a_time_that_has_ended(store: Store) -> None:
    now = tai_from_unix_us(NOW_US)
    hand = co_author(ALICE, BOB, CLOCK, until=now)  # ended by now; who has it may claim any time
    await store.commit(CLOCK, named("clock"), ALICE.signer)
    (base,) = await everything(store)
    early = sign_change(bobs_change(base), CLOCK, signer=hand, prev=None, timestamp=now - 1_000)
    await store.receive([early], source="peer")
    assert (await head(store))["bob"] == "in time"
    log = log_of(COMMONS, ALICES, CHECKPOINT)
    seen = {row.id.encode(): row.heads for row in await store.documents()}
    await store.declare(Checkpoint(Frontier(seen)), log, ALICE.signer)
    assert (await head(store))["bob"] == "in time"
    backdated = sign_change(
        bobs_change(base, early), CLOCK, signer=hand, prev=early.id, timestamp=now - 500
    )
    await store.receive([backdated], source="peer")
    assert (await head(store))["bob"] == "in time"
    assert [row.code for row in await store.left_out()] == ["backdated"]


def bobs_change(*before: SignedEntry) -> bytes:
    draft = Document.open("pub", "mod", BOBS)
    draft.receive([raw_of(one) for one in before])
    raw = draft.change(put("bob", "in time" if len(before) == 1 else "too late"))
    assert raw is not None
    return raw


# ── many ─────────────────────────────────────────────────────────────────────────────────────────


async def test_what_concerns_many_documents_goes_on_after_the_transaction(store: Store) -> None:
    """Each is judged when it is read, and the lists follow; a stop in between loses nothing."""
    count = 450
    entries = [ALICE.publishes(f"io.alice.m{n}", named(f"m{n}")) for n in range(count)]
    await store.receive(entries, source="peer")
    await store.declare(Revoke(LAPTOP), LOG, ROOT)
    assert not await store.is_settled()
    assert await head(store, ALICE.document("io.alice.m449")) == {}
    assert await store.settle() == 450 - 199
    assert await store.is_settled()
    assert await names(store) == [""] * count


async def test_bytes_go_only_where_the_root_says_so(store: Store) -> None:
    await store.commit(CLOCK, named("clock"), ALICE.signer)
    await store.commit(DICE, named("dice"), ALICE.signer)
    state = await store.read(CLOCK)
    assert state is not None
    assert (await store.drop()).documents == 0
    bobs_log = log_of(COMMONS, AuthorKey(BOB.root.public), AUTHORITY)
    bobs_right = encode_capability(Capability(WRITE, COMMONS, BOB.root.public))
    bob = Signer(BOB.root, AuthorKey(BOB.root.public), {AUTHORITY: bobs_right})
    await store.declare(Drop(CLOCK.encode(), state.heads), bobs_log, bob)
    assert (await store.drop()).documents == 0, "it is not bob's to drop"
    entries = await everything(store)
    await store.declare(Drop(CLOCK.encode(), state.heads), LOG, ROOT)
    dropped = await store.drop()
    assert (dropped.documents, dropped.entries) == (1, 1)
    assert dropped.bytes > 0
    assert await store.read(CLOCK) is None
    assert await names(store) == ["dice"]
    gone = [one.id[:16] for one in entries if one.entry.path[2] == CLOCK.record]
    assert await store.kept_out(COMMONS, gone) == set(gone), "no peer brings it back"


async def test_what_somebody_went_on_with_stays(store: Store) -> None:
    await store.commit(CLOCK, named("clock"), ALICE.signer)
    state = await store.read(CLOCK)
    assert state is not None
    await store.commit(CLOCK, put("more", 1), ALICE.signer)
    await store.declare(Drop(CLOCK.encode(), state.heads), LOG, ROOT)
    assert (await store.drop()).documents == 0
    assert await head(store) == {"name": "clock", "more": 1}


@pytest.mark.parametrize("is_named", [False, True], ids=["before it came", "as it is held"])
async def test_no_revoked_key_keeps_a_record_from_going(store: Store, *, is_named: bool) -> None:
    """Whether what the owner says names the last change that counts, or all that is held."""
    await store.commit(CLOCK, named("clock"), ALICE.signer)
    state = await store.read(CLOCK)
    assert state is not None
    await store.declare(Revoke(BOBS), LOG, ROOT)
    late = Document.open(CLOCK.cls, CLOCK.kind, BOBS)
    late.receive([raw_of(one) for one in await everything(store) if one.entry.path[0] == b"pub"])
    raw = late.change(put("bob", "was here"))
    assert raw is not None
    await store.receive(
        [sign_change(raw, CLOCK, signer=BOBS_HAND, prev=None, timestamp=5_000)], source="bob"
    )
    assert [one.code for one in await store.left_out()] == ["revoked"]
    ((_, heads),) = await store.heads_held(CLOCK)
    assert heads != state.heads
    await store.declare(Drop(CLOCK.encode(), heads if is_named else state.heads), LOG, ROOT)
    assert (await store.drop()).entries == 2
    assert await store.read(CLOCK) is None


async def test_all_that_is_derived_of_statements_can_be_made_again(tmp_path: Path) -> None:

    path = tmp_path / "p.db"
    async with _opened(path) as store:
        await written_together(store)
        data = encode_frontier(await store.frontier_now(COMMONS, Revocation(ALICES, BOBS)))
        blob = await store.put_blob(data)
        await store.declare(Revoke(BOBS), LOG, ROOT)
        await store.declare(Revoke(LAPTOP, Frontier(blob=blob)), LOG, ROOT)
        wanted = (await store.read(CLOCK), await names(store))
    with closing(sqlite3.connect(path)) as database:
        tables = ("frontier", "statement", "capability_key", "left_out")
        kept = {table: set(database.execute(f"SELECT * FROM {table}")) for table in tables}
        for table in ("frontier", "statement", "capability_key"):
            database.execute(f"DELETE FROM {table}")
        database.execute("UPDATE store SET derived = 0")
        database.commit()
    async with _opened(path) as store:
        assert (await store.read(CLOCK), await names(store)) == wanted
    with closing(sqlite3.connect(path)) as database:
        assert {table: set(database.execute(f"SELECT * FROM {table}")) for table in tables} == kept


async def test_a_statement_that_came_twice_under_one_number_counts_twice(store: Store) -> None:
    await written_together(store)
    for key in (BOBS, b"k" * 32):
        signed = sign_statement(Revoke(key), LOG, seq=1, signer=ROOT, prev=None, timestamp=1)
        assert (await store.receive([signed], source="peer")).refused == ()
    assert await head(store) == {"name": "clock"}


async def test_the_blobs_of_what_may_come_back_are_kept(store: Store) -> None:
    """A collection between a revocation and its end loses nothing."""
    blob = await store.put_blob(b"wasm")
    naming = put("blob", blob.hex())
    await store.commit(CLOCK, naming, ALICE.signer)
    revoked = await store.declare(Revoke(LAPTOP), LOG, ROOT)
    await store.gc(grace_us=-1)
    assert await store.has_blob(blob)
    await store.declare(Unrevoke(revoked.signed.entry.payload_digest), LOG, ROOT)
    other = await store.put_blob(b"another")
    await store.commit(CLOCK, put("blob", other.hex()), ALICE.signer)
    await store.gc(grace_us=-1)
    assert (await store.has_blob(blob), await store.has_blob(other)) == (False, True)


async def test_what_a_revocation_costs_does_not_grow_with_the_rights_that_it_ends(
    tmp_path: Path,
) -> None:
    """One statement of SQL marks what a hundred revocations of a hundred capabilities concern."""
    steps: list[str] = []
    async with open_store(
        tmp_path / "p.db", project=project, clock_us=lambda: NOW_US, on_step=steps.append
    ) as store:
        entries: list[SignedEntry] = []
        for until in range(2_000, 2_100):
            signer = co_author(ALICE, BOB, CLOCK, until)
            raw = Document.open("pub", "mod", BOBS).change(named(str(until)))
            assert raw is not None
            entries.append(sign_change(raw, CLOCK, signer=signer, prev=None, timestamp=1_000))
        await store.receive(entries, source="peer")
        revoked = [
            sign_statement(Revoke(BOBS), LOG, seq=1, signer=ROOT, prev=None, timestamp=at)
            for at in range(100)
        ]
        steps.clear()
        await store.receive(revoked, source="peer")
        assert {row.code for row in await store.left_out()} == {"revoked"}
    assert sum("INTO stale" in step for step in steps) < 5


async def test_making_all_again_that_is_stopped_on_the_way_forgets_no_revocation(
    tmp_path: Path,
) -> None:
    """What was to be judged when it began is judged, if not by it, when the store opens again."""
    count = 450

    def stop(done: int, total: int) -> None:
        raise InterruptedError

    async with _opened(tmp_path / "p.db") as store:
        entries = [ALICE.publishes(f"io.alice.m{n}", named(f"m{n}")) for n in range(count)]
        await store.receive(entries, source="peer")
        await store.declare(Revoke(LAPTOP), LOG, ROOT)
        assert not await store.is_settled()
        with pytest.raises(InterruptedError):
            await store.rematerialise(stop)
    async with _opened(tmp_path / "p.db") as store:
        await store.settle()
        assert await names(store) == [""] * count


async def test_frontiers_of_a_stranger_fill_nothing(tmp_path: Path) -> None:
    """One blob named by thirty statements is looked into for a few of them."""
    path = tmp_path / "p.db"
    async with _opened(path) as store:
        await thirty_frontiers(store)
    with closing(sqlite3.connect(path)) as database:
        (count,) = database.execute("SELECT count(*) FROM frontier").fetchone()
    assert count == STRANGERS_FRONTIERS_MAX * 400


async def thirty_frontiers(store: Store) -> None:
    await store.commit(CLOCK, named("clock"), ALICE.signer)
    many = {n.to_bytes(100, "big"): (bytes(32),) for n in range(400)}
    blob = await store.put_blob(encode_frontier(many))
    for seq in range(1, 31):
        said = sign_statement(
            Revoke(bytes([seq]) * 32, Frontier(blob=blob)),
            LOG,
            seq=seq,
            signer=ROOT,
            prev=None if seq == 1 else bytes(31) + b"\1",
            timestamp=seq,
        )
        await store.receive([said], source="peer")
    await store.know_frontier(blob)
    assert await store.wanted_frontiers() == []


async def test_what_the_status_says_of_it_is_read_again_only_where_something_was_said(
    store: Store,
) -> None:
    seen = [(await store.counts()).standing]

    async def is_another() -> bool:
        seen.append((await store.counts()).standing)
        return seen[-1] not in seen[:-1]

    await store.commit(CLOCK, named("clock"), ALICE.signer)
    revoke = Revoke(LAPTOP, Frontier({}))
    await store.effect_of(revoke, LOG, ROOT_RIGHT)
    assert not await is_another(), "neither a record nor what was only asked"
    await store.declare(revoke, LOG, ROOT)
    assert await is_another()
    await store.keep_capability(ROOT_RIGHT, "own")
    assert await is_another()
    await store.join(NamespaceKey(BOBS), "guild")
    assert await is_another()
    await store.join(NamespaceKey(BOBS), "alliance")
    assert await is_another()
    await store.set_petname("bob", encode_did_key(BOBS))
    assert await is_another()
    await store.remove_petname("bob")
    assert await is_another()
    await store.leave_namespace("alliance")
    assert await is_another()
    await store.forget_capability(capability_digest(ROOT_RIGHT))
    assert await is_another()
