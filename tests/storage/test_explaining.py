"""What a store tells of rights, statements and verdicts, and how fallen work is made again."""

from pathlib import Path

import pytest

from crdt.area import Area
from crdt.change import log_of, sign_change, sign_statement
from crdt.document import skeleton_for
from crdt.held import Revocation
from crdt.keys import COMMONS, AuthorKey
from crdt.path import CHECKPOINT
from crdt.reapply import redo, redo_of
from crdt.statement import Checkpoint, Frontier, Heartbeat, Revoke, Unrevoke
from storage.errors import StorageError
from storage.store import Store, open_store
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, named, person, project
from tests.storage.test_authority import (
    ALICES,
    BOBS,
    BOBS_HAND,
    CLOCK,
    DICE,
    LAPTOP,
    LOG,
    ROOT,
    co_author,
    everything,
    head,
    put,
    raw_of,
    twin_of,
    written_together,
)


async def test_who_may_write_is_known_by_what_was_used(store: Store) -> None:
    await written_together(store)
    rights = await store.rights_known(CLOCK)
    assert [one.chain for one in rights] == sorted(
        [(ALICES, LAPTOP), (ALICES, BOBS)], key=lambda chain: chain
    )
    await store.commit(DICE, named("dice"), ALICE.signer)
    assert [one.receiver for one in await store.rights_known(DICE)] == [LAPTOP]
    assert await store.rights_known(BOB.document("io.bob.horn")) == []


async def test_a_right_for_a_time_is_known_afterwards_too(store: Store) -> None:
    hand = co_author(ALICE, CAROL, CLOCK, until=1 << 62)
    await store.commit(CLOCK, put("carol", "one"), hand)
    (right,) = await store.rights_known(CLOCK)
    assert right.granted_area.end == 1 << 62


async def test_entries_are_told_with_their_verdict(store: Store) -> None:
    await written_together(store)
    assert [one.code for one in await store.told(CLOCK)] == [None] * 4
    await store.declare(Revoke(BOBS), LOG, ROOT)
    told = await store.told(CLOCK)
    assert [(one.device, one.seq, one.code) for one in told] == [
        (BOBS, 2, "revoked"),
        (LAPTOP, 2, "excluded-dependency"),
        (BOBS, 1, "revoked"),
        (LAPTOP, 1, None),
    ]
    assert {one.signed_us // 1_000_000 for one in told} == {NOW_US // 1_000_000}
    fell = await store.told(CLOCK, left_out_only=True, limit=2)
    assert fell == told[:2]
    assert await store.told(CLOCK, left_out_only=True, cursor=fell[-1].number) == [told[2]]
    assert await store.tallies(CLOCK) == {
        (BOBS, "revoked"): 2,
        (LAPTOP, "excluded-dependency"): 1,
        (LAPTOP, None): 1,
    }


async def test_what_a_revocation_leaves_and_is_not_here_is_counted(
    store: Store, tmp_path: Path
) -> None:
    """Bob's last change lies under the frontier; who has not got it yet cuts lower and says so."""
    await written_together(store)
    frontier = Frontier(await store.frontier_now(COMMONS, Revocation(ALICES, BOBS)))
    last = (await store.told(CLOCK))[0].id
    await store.declare(Revoke(BOBS, frontier), LOG, ROOT)
    assert await store.heads_missing(CLOCK) == 0
    held = await everything(store)
    async with open_store(tmp_path / "b.db", project=project, clock_us=lambda: NOW_US) as other:
        await other.receive([one for one in held if one.id != last], source="peer")
        assert await other.heads_missing(CLOCK) == 1
        assert await head(other) != await head(store)
        await other.receive([one for one in held if one.id == last], source="peer")
        assert await other.heads_missing(CLOCK) == 0
        assert await head(other) == await head(store)


async def test_an_entry_is_found_by_how_its_id_begins(store: Store) -> None:
    await written_together(store)
    (first, *others) = await store.told(CLOCK)
    for length in (4, 16, 20, 32):
        assert await store.entries_beginning(first.id[:length]) == [first]
    assert await store.entries_beginning(first.id[:3]) == []
    assert await store.entries_beginning(first.id[:-1] + b"?") == []
    assert others


async def test_the_revocation_that_did_it_is_told_with_its_reason(store: Store) -> None:
    await written_together(store)
    area = Area(ALICES, (b"pub", b"mod", CLOCK.record))
    await store.declare(Revoke(BOBS, area=area, reason="sold his laptop"), LOG, ROOT)
    (cut,) = await store.cuts_on((ALICES, BOBS), CLOCK)
    assert isinstance(cut.statement, Revoke)
    assert (cut.statement.reason, cut.issuer, cut.in_force) == ("sold his laptop", ALICES, True)
    assert await store.cuts_on((ALICES, BOBS), DICE) == []
    assert await store.cuts_on((ALICES, LAPTOP), CLOCK) == []


async def test_statements_are_listed_and_found_by_name(store: Store) -> None:
    await written_together(store)
    assert await store.last_said_us(COMMONS, ALICES) is None
    revoked = await store.declare(Revoke(BOBS), LOG, ROOT)
    digest = revoked.signed.entry.payload_digest
    await store.declare(Unrevoke(digest), LOG, ROOT)
    await store.declare(Heartbeat(), LOG, ROOT)
    assert [type(one.statement) for one in await store.said()] == [Heartbeat, Unrevoke, Revoke]
    (one,) = await store.said(COMMONS, type="revoke", issuers=[ALICES, BOBS])
    assert (one.id, one.digest, one.stands, one.in_force) == (revoked.id, digest, True, False)
    assert await store.said(type="revoke", issuers=[BOBS]) == []
    for name in (digest, digest[:4], revoked.id[:8]):
        assert await store.statements_named(name) == [one]
    assert await store.last_said_us(COMMONS, ALICES) == pytest.approx(NOW_US, abs=1_000)


async def test_a_root_key_used_in_two_places_is_an_alarm(store: Store) -> None:
    assert await store.forks([ALICES]) == []
    for key in (BOBS, b"k" * 32):
        signed = sign_statement(Revoke(key), LOG, seq=1, signer=ROOT, prev=None, timestamp=1)
        await store.receive([signed], source="peer")
    (fork,) = await store.forks([ALICES, BOBS])
    assert await store.forks([BOBS]) == []
    assert (fork.document, fork.key, fork.seq) == (LOG, ALICES, 1)
    assert [one.code for one in fork.twins] == [None, None], "both count"


async def test_a_device_that_signed_two_changes_of_one_number_is_told(store: Store) -> None:
    base = await store.commit(CLOCK, named("clock"), ALICE.signer)
    await store.commit(DICE, named("dice"), ALICE.signer)
    await store.commit(CLOCK, put("bob", "left"), BOBS_HAND)
    assert base
    assert await store.forks_in(CLOCK) == []
    for text in ("right", "middle"):
        await store.receive([twin_of(base.signed, text)], source="peer")
    (fork,) = await store.forks_in(CLOCK)
    assert (fork.document, fork.key, fork.seq) == (CLOCK, BOBS, 1)
    assert [one.code for one in fork.twins] == [None, "lost-branch", "lost-branch"]
    assert {one.id for one in fork.twins} == {one.id for one in await store.told(CLOCK, limit=3)}
    assert await store.twins_of(CLOCK, BOBS, 1) == fork.twins
    assert await store.forks_in(DICE) == []
    assert await store.forks([ALICES, BOBS]) == [], "of root keys only"
    assert await store.fallen(CLOCK, BOBS) == [], "nobody took it back: not to be made again"


async def test_a_change_signed_again_is_no_fork(store: Store) -> None:
    base = await store.commit(CLOCK, named("clock"), ALICE.signer)
    assert base
    raw = raw_of(base.signed)
    again = sign_change(raw, CLOCK, signer=ALICE.signer, prev=None, timestamp=7)
    await store.receive([again], source="peer")
    assert [one.code for one in await store.told(CLOCK)].count("repeated") == 1
    assert await store.forks_in(CLOCK) == []
    assert len(await store.twins_of(CLOCK, LAPTOP, 1)) == 1


async def test_checkpoints_of_two_devices_are_no_fork(store: Store) -> None:
    """They share a log, and each counts its own."""
    log = log_of(COMMONS, ALICES, CHECKPOINT)
    for device in (10, 11):
        await store.declare(Checkpoint(Frontier()), log, person(1, device).signer)
    assert await store.forks([ALICES]) == []


# ── making again ─────────────────────────────────────────────────────────────────────────────────


async def test_who_built_on_what_was_revoked_makes_the_work_again(store: Store) -> None:
    """The device goes on in the next epoch: in this one its number is taken."""
    await written_together(store)
    await store.declare(Revoke(BOBS), LOG, ROOT)
    (fell,) = await store.fallen(CLOCK, LAPTOP)
    again = redo_of(skeleton_for("pub", "mod"), fell.raws, fell.changes)
    assert await store.commit(CLOCK, redo(again), ALICE.signer)
    assert await head(store) == {"name": "clock", "alice": "on bob's one"}
    await store.commit(CLOCK, put("alice", "goes on"), ALICE.signer)
    assert (await head(store))["alice"] == "goes on"
    state = await store.read(CLOCK)
    assert state is not None
    assert (state.id.epoch, state.left_out) == (1, {})


async def test_who_was_revoked_makes_nothing_again(store: Store) -> None:
    await written_together(store)
    await store.declare(Revoke(BOBS), LOG, ROOT)
    (fell,) = await store.fallen(CLOCK, BOBS)
    again = redo_of(skeleton_for("pub", "mod"), fell.raws, fell.changes)
    assert again.changes == 2
    with pytest.raises(StorageError, match="revoked"):
        await store.commit(CLOCK, redo(again), BOBS_HAND)
    assert await head(store) == {"name": "clock"}


async def test_nothing_fell_where_all_counts(store: Store) -> None:
    await written_together(store)
    assert await store.fallen(CLOCK, LAPTOP) == []


# ── checkpoints ──────────────────────────────────────────────────────────────────────────────────


async def test_a_checkpoint_has_all_documents_of_one_owner(store: Store) -> None:
    await written_together(store)
    await store.commit(BOB.document("io.bob.horn"), named("horn"), BOB.signer)
    await store.declare(Heartbeat(), LOG, ROOT)
    state = await store.read(CLOCK)
    assert state is not None
    assert await store.heads_of(COMMONS, ALICES) == {CLOCK.encode(): state.heads}
    assert await store.heads_of(COMMONS, AuthorKey(b"n" * 32)) == {}


async def test_a_checkpoint_keeps_the_branch_that_is_named(store: Store) -> None:
    await store.commit(CLOCK, named("clock"), ALICE.signer)
    (base,) = await everything(store)
    await store.commit(CLOCK, put("bob", "left"), BOBS_HAND)
    await store.commit(DICE, named("dice"), ALICE.signer)
    await store.receive([twin_of(base, "right")], source="peer")
    before = (await head(store))["bob"]
    (lost,) = [one for one in await store.told(CLOCK) if one.code == "lost-branch"]
    heads = await store.heads_of(COMMONS, ALICES)
    heads[CLOCK.encode()] = await store.heads_keeping(lost)
    log = log_of(COMMONS, ALICES, CHECKPOINT)
    await store.declare(Checkpoint(Frontier(heads)), log, ALICE.signer)
    assert {before, (await head(store))["bob"]} == {"left", "right"}


async def test_whose_work_counts_in_a_record(store: Store) -> None:
    await written_together(store)
    assert await store.devices_counting(CLOCK) == {LAPTOP, BOBS}
    frontier = await store.frontier_now(COMMONS, Revocation(ALICES, BOBS))
    await store.declare(Revoke(BOBS, Frontier(frontier)), LOG, ROOT)
    assert await store.devices_counting(CLOCK) == {LAPTOP, BOBS}
    await store.declare(Revoke(BOBS), LOG, ROOT)
    assert await store.devices_counting(CLOCK) == {LAPTOP}
