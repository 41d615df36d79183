"""Whoever was let in may revoke as well, in a log of their own: what that does to what is kept."""

import asyncio
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from crdt.area import Area
from crdt.capability import WRITE, Capability, CapabilityCache, decode_capability, encode_capability
from crdt.change import SignedEntry, Signer, check_entry, sign_statement
from crdt.keys import COMMONS, AuthorKey
from crdt.statement import Frontier, Heartbeat, Revoke, Statement, Unrevoke
from storage import ended
from storage.ended import TOO_MANY_REVOKED
from storage.eviction import evict
from storage.quota import Quota
from tests.storage.people import ALICE, BOB
from tests.storage.test_authority import BOBS, CLOCK, LOG, ROOT
from tests.storage.test_quota import opened
from tests.storage.test_revoked_flood import (
    BOBS_ROOT,
    begun,
    bobs,
    bring,
    revoked,
    through,
    unrevoked,
)


def bob_says(*said: Statement) -> list[SignedEntry]:
    """In his own log, each upon the one before."""
    log = replace(LOG, subspace=BOBS_ROOT)
    right = encode_capability(Capability(WRITE, COMMONS, BOBS_ROOT))
    signer = Signer(BOB.root, BOBS_ROOT, {log.cls: right})
    entries: list[SignedEntry] = []
    for seq, one in enumerate(said, 1):
        prev = entries[-1].entry.payload_digest if entries else None
        entries.append(
            sign_statement(one, log, seq=seq, signer=signer, prev=prev, timestamp=3_000 + seq)
        )
    return entries


def key_of(number: int) -> bytes:
    """The key to which bob handed his right on."""
    return decode_capability(through(number).capabilities["pub"]).chain[-2]


async def test_what_a_guest_revoked_comes_back_with_what_the_guest_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended, "ENDED_ENTRIES_MAX", 5)
    async with opened(tmp_path) as store:
        (said,) = bob_says(Revoke(key_of(0)))
        await begun(store, said)
        theirs = bobs(CLOCK, 20, signer=through(0))
        assert await bring(store, theirs, "carol") == {"added": 5, TOO_MANY_REVOKED: 15}
        ids = [one.id for one in theirs]
        taken_back = bob_says(Revoke(key_of(0)), Unrevoke(said.entry.payload_digest))
        await store.receive(taken_back, source="bob")
        assert not await store.kept_out(COMMONS, ids)
        assert await bring(store, theirs, "carol") == {"added": 15}


async def test_revoking_ones_own_keys_makes_no_more_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended, "ENDED_BYTES_MAX", 100_000)
    async with opened(tmp_path) as store:
        await store.set_petname("alice", ALICE.did)
        await begun(store, revoked(BOBS_ROOT))
        await store.receive(bob_says(*(Revoke(key_of(n)) for n in range(20))), source="bob")
        done = Counter[str]()
        for number in range(20):
            theirs = bobs(replace(CLOCK, epoch=number + 1), 4, "y" * 20_000, through(number))
            done += await bring(store, theirs, f"peer {number}")
        assert done["added"] == 3
        assert done[TOO_MANY_REVOKED] == 77


async def test_whom_the_revoked_let_in_is_no_sender_at_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wrote before they knew, and nobody has revoked them."""
    monkeypatch.setattr(ended, "ENDED_ENTRIES_MAX", 5)
    async with opened(tmp_path) as store:
        await begun(store, revoked(BOBS_ROOT))
        theirs = bobs(CLOCK, 20, signer=through(0))
        done = await bring(store, theirs, "carol", AuthorKey(key_of(0)))
        assert done == {"added": 5, TOO_MANY_REVOKED: 15}


async def test_a_thousand_frontiers_hold_nobody_up(tmp_path: Path) -> None:
    """Each of them leaves another part of a long document: whoever revokes their own key may say
    so as often as a log is long.
    """
    theirs = bobs(CLOCK, 1_500, signer=through(0))
    cache = CapabilityCache()
    hashes = [check_entry(one, cache).change.hash for one in theirs]
    said = [Revoke(key_of(0), Frontier({CLOCK.encode(): (one,)})) for one in hashes[:1_000]]
    async with opened(tmp_path, Quota()) as store:
        await begun(store, bob_says(Revoke(key_of(1)))[0])
        await bring(store, theirs[:1_400], "bob", at_once=1_400)
        await bring(store, bob_says(Revoke(key_of(1)), *said), "bob", at_once=1_001)
        held_up_s = 0.0  # of this thread's own CPU: what other programs take does not count
        async with asyncio.TaskGroup() as group:
            bringing = group.create_task(bring(store, theirs[1_400:], "bob"))
            while not bringing.done():
                before_s = time.thread_time()
                await asyncio.sleep(0.005)
                held_up_s = max(held_up_s, time.thread_time() - before_s)
        assert bringing.result() == {"added": 0, TOO_MANY_REVOKED: 100}
    assert held_up_s < 0.25


async def test_what_comes_with_the_unrevocation_is_not_kept_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever passes both on chooses what comes together."""
    monkeypatch.setattr(ended, "ENDED_ENTRIES_MAX", 5)
    async with opened(tmp_path) as store:
        said = revoked(BOBS)
        await begun(store, said)
        theirs = bobs(CLOCK, 20)
        await bring(store, [unrevoked(said), *theirs], "mallory")
        assert not await store.kept_out(COMMONS, [one.id for one in theirs])
        assert (await bring(store, theirs, "mallory"))["added"] == 15


async def test_who_says_something_else_has_nothing_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended, "ENDED_ENTRIES_MAX", 5)
    async with opened(tmp_path) as store:
        said = bob_says(Revoke(key_of(0)), Heartbeat(), Revoke(key_of(1)))
        await begun(store, said[0])
        theirs = bobs(CLOCK, 20, signer=through(0))
        await bring(store, theirs, "carol")
        await store.receive(said[1:], source="bob")
        assert len(await store.kept_out(COMMONS, [one.id for one in theirs])) == 15


async def test_a_revocation_that_comes_with_its_end_keeps_nothing_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log was evicted meanwhile, and comes back whole."""
    monkeypatch.setattr(ended, "ENDED_ENTRIES_MAX", 5)
    async with opened(tmp_path) as store:
        first = revoked(BOBS)
        await begun(store, first)
        theirs = bobs(CLOCK, 20)
        await bring(store, theirs, "bob")
        # As eviction does: filling a store with strangers' bytes would take a minute.
        async with store._database.transaction() as write:  # pyright: ignore[reportPrivateUsage]
            log = await write.number("SELECT number FROM document WHERE id = ?", (LOG.encode(),))
            await evict(write, [log], is_for_room=True)
        await store.receive([unrevoked(first), first], source="alice")
        assert not await store.kept_out(COMMONS, [one.id for one in theirs])


@pytest.mark.parametrize("reaches", [True, False])
async def test_a_revocation_of_a_part_leaves_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, reaches: bool
) -> None:
    monkeypatch.setattr(ended, "ENDED_ENTRIES_MAX", 5)
    record = CLOCK.record if reaches else b"io.alice.another"
    said = Revoke(BOBS, area=Area(CLOCK.subspace, (b"pub", b"mod", record)))
    async with opened(tmp_path) as store:
        statement = sign_statement(said, LOG, seq=1, signer=ROOT, prev=None, timestamp=3_000)
        await begun(store, statement)
        assert (await bring(store, bobs(CLOCK, 20), "bob"))["added"] == (5 if reaches else 20)
