"""Strangers who would fill a disk, or hide a revocation, by way of the logs that judge records."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from crdt.capability import WRITE, Capability, encode_capability
from crdt.change import SignedEntry, Signer, log_of, sign_change, sign_statement
from crdt.document import Document
from crdt.keys import COMMONS, AuthorKey
from crdt.path import AUTHORITY
from crdt.preflight import read_change
from crdt.statement import Drop, Frontier, Heartbeat, Revoke, Statement
from storage import waiting
from storage.documents import raw_of
from storage.quota import Quota
from storage.store import Store, open_store
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, Person, named, person, project
from tests.storage.test_group import BOBS, hand, of_bob, writes
from tests.storage.test_quota import assert_sums

HEADS = tuple(sorted(bytes([n]) + bytes(31) for n in range(250)))


def said(by: Person, statements: Sequence[Statement]) -> list[SignedEntry]:
    """One after the other, under `/_auth` of their own subspace."""
    author = AuthorKey(by.root.public)
    right = encode_capability(Capability(WRITE, COMMONS, author))
    signer = Signer(by.root, author, {AUTHORITY: right})
    log = log_of(COMMONS, author, AUTHORITY)
    entries: list[SignedEntry] = []
    for seq, one in enumerate(statements, 1):
        prev = entries[-1].entry.payload_digest if entries else None
        entries.append(sign_statement(one, log, seq=seq, signer=signer, prev=prev, timestamp=seq))
    return entries


def opened(path: Path, quota: Quota) -> AbstractAsyncContextManager[Store]:
    return open_store(path / "p.db", project=project, clock_us=lambda: NOW_US, quota=quota)


async def fill(store: Store, source: str, count: int = 400, number: int = 7) -> None:
    """So many records, or until there is no room any more."""
    for n in range(count):
        one = person(number).publishes(f"io.x.r{n}", named("x", description="y" * 2_000))
        if (await store.receive([one], source=source)).refused:
            return


async def strangers(store: Store) -> int:
    return (await store.room()).strangers_bytes


async def test_many_statements_hide_no_record_from_eviction(tmp_path: Path) -> None:
    quota = Quota(strangers_bytes=4 << 20)
    async with opened(tmp_path, quota) as store:
        for n in range(3, 8):
            p = person(n)
            await store.receive([p.publishes(f"io.x.r{n}", named("tiny"))], source="peer")
            log = said(p, [Heartbeat()] * (1200 if n == 3 else 0) + [Drop(b"d" * 80, HEADS)] * 800)
            for at in range(0, len(log), 100):
                await store.receive(log[at : at + 100], source="peer")
        assert await strangers(store) <= quota.strangers_bytes


@pytest.mark.parametrize("is_evicted", [False, True])
async def test_a_log_that_came_before_what_it_judges_is_asked_for_again(
    tmp_path: Path, is_evicted: bool
) -> None:
    """Authority comes first: where it had no room or was evicted, it judged nothing yet."""
    quota = Quota(strangers_bytes=1 << 20)
    revoked = Revoke(ALICE.signer.device.public, Frontier({b"d" * 80: HEADS}))
    log = said(ALICE, [revoked] * 8)
    ids = [one.id for one in log]
    async with opened(tmp_path, quota) as store:
        await fill(store, "bob", 90)
        if is_evicted:
            await store.receive(log, source="bob")
        await fill(store, "bob", number=9)
        if is_evicted:
            await fill(store, "carol", number=8)
        else:
            await store.receive(log, source="bob")
        assert await store.kept_out(COMMONS, ids), "there was no room"
        await store.receive([ALICE.publishes("io.alice.clock", named("clock"))], source="alice")
        assert await store.read(ALICE.document("io.alice.clock")) is not None
        assert not await store.kept_out(COMMONS, ids), "without it nothing would be revoked"
        assert (await store.receive(log, source="alice")).refused == ()
        state = await store.read(ALICE.document("io.alice.clock"))
        assert state is not None
        assert state.value["head"] == {}


async def test_what_members_of_a_group_wrote_makes_no_room_for_strangers(tmp_path: Path) -> None:
    """One peer brings both; only strangers' records give way to strangers."""
    async with opened(tmp_path, Quota(strangers_bytes=1 << 20)) as store:
        await fill(store, "bob", 300)
        await store.join(of_bob().namespace, "group")
        one = writes(of_bob(), hand(BOB, BOBS), named("clock"))
        assert (await store.receive([one], source="bob")).added
        await fill(store, "carol", 60, number=9)
        assert (await store.room()).kept_out, "bob's strangers gave way"
        assert await store.read(of_bob()) is not None
        assert not await store.kept_out(of_bob().namespace, [one.id])


async def test_a_change_waits_again_for_a_statement_that_was_evicted(tmp_path: Path) -> None:
    """It cites a log that judges nothing here: whoever never had that one shows the same."""
    async with opened(tmp_path, Quota(strangers_bytes=1 << 20)) as store:
        await fill(store, "bob", 50)  # there is room for more
        (beat,) = said(CAROL, [Heartbeat()])
        await store.receive([beat], source="bob")
        clock = ALICE.document("io.alice.clock")
        raw = Document.open("pub", "mod", ALICE.signer.device.public).change(named("clock"))
        assert raw is not None
        citing = sign_change(
            raw, clock, signer=ALICE.signer, prev=None, auth_heads=[beat.id], timestamp=1
        )
        await store.receive([citing], source="alice")
        assert await store.left_out() == []
        await fill(store, "bob", number=9)
        await fill(store, "carol", number=8)
        assert await store.kept_out(COMMONS, [beat.id])
        assert [row.code for row in await store.left_out()] == ["unknown-authority"]


@pytest.mark.parametrize("cites", ["an entry", "a change", "the author's own log"])
async def test_citing_something_else_that_is_here_is_waiting_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cites: str
) -> None:
    """Ids, hashes and digests are 32 bytes each: only an authority record is an authority head."""
    monkeypatch.setattr(waiting, "WAITING_ENTRIES_MAX", 5)
    async with opened(tmp_path, Quota(strangers_bytes=1 << 20)) as store:
        (beat,) = said(ALICE, [Heartbeat()])
        other = ALICE.publishes("io.alice.other", named("other"))
        await store.receive([beat, other], source="peer")
        change = read_change(raw_of(other.payload)).hash
        head = {"an entry": other.id, "a change": change, "the author's own log": beat.id}[cites]
        clock = ALICE.document("io.alice.clock")
        raw = Document.open("pub", "mod", ALICE.signer.device.public).change(named("clock"))
        assert raw is not None
        entries = [
            sign_change(
                raw, clock, signer=ALICE.signer, prev=None, auth_heads=[head], timestamp=time
            )
            for time in range(8)
        ]
        received = await store.receive(entries, source="peer")
        waits = cites != "the author's own log"
        assert len(received.added) == (5 if waits else 8)
        state = await store.read(clock)
        assert state is not None
        assert state.waiting == (5 if waits else 0)


async def test_what_was_revoked_is_not_shown_for_want_of_room(tmp_path: Path) -> None:
    """The revocation is taken, or goes with the record; refused alone it would end nothing."""
    async with opened(tmp_path, Quota(strangers_bytes=1 << 20)) as store:
        clock = ALICE.publishes("io.alice.clock", named("clock"))
        assert (await store.receive([clock], source="bob")).added
        await fill(store, "bob", number=9)
        heads = tuple(sorted(n.to_bytes(32, "little") for n in range(1_300)))
        # Larger than what is free after the last one was refused.
        log = said(ALICE, [Revoke(ALICE.signer.device.public, Frontier({b"d" * 80: heads}))])
        await store.receive(log, source="bob")
        state = await store.read(ALICE.document("io.alice.clock"))
        assert state is None or state.value["head"] == {}


async def test_a_log_older_than_what_it_judges_is_counted_once(tmp_path: Path) -> None:
    """Both go at once: the record as the newest, the log with all that it judges."""
    async with opened(tmp_path, Quota(strangers_bytes=1 << 20)) as store:
        for n in range(3, 40):
            p = person(n)
            await store.receive(said(p, [Heartbeat()] * 12), source="peer")
            await store.receive([p.publishes("io.x.r", named("tiny"))], source="peer")
        await fill(store, "another", number=90)
    assert_sums(tmp_path)
