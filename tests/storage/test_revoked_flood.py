"""Whoever was let in, revoked or not, signs as much as they like: of that only so much is kept."""

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from crdt.area import Area
from crdt.blob import build_manifest
from crdt.capability import WRITE, Capability, CapabilityCache, delegate, encode_capability, own
from crdt.change import (
    DocumentId,
    SignedEntry,
    Signer,
    check_entry,
    sign_change,
    sign_statement,
)
from crdt.digest import payload_digest
from crdt.document import Document
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey
from crdt.statement import Frontier, Revoke, Unrevoke, encode_frontier
from storage import ended
from storage.claim import Claim, claim_of, guest_of, writer_of
from storage.ended import REVOKED_SENDER, TOO_MANY_REVOKED
from storage.quota import Quota
from storage.refused import EVICTED, OVER_QUOTA
from storage.store import Store
from tests.storage.people import ALICE, BOB, CAROL, named
from tests.storage.test_authority import (
    ALICES,
    BOBS,
    BOBS_HAND,
    CLOCK,
    LOG,
    ROOT,
    head,
    put,
)
from tests.storage.test_namespaces import GROUP, NAMESPACE
from tests.storage.test_quota import MIB, assert_sums, disk_bytes, flood, opened

BOBS_ROOT = AuthorKey(BOB.root.public)
ALL_ALICES = Capability(WRITE, COMMONS, ALICES)
THE_CLOCK = Area(ALICES, (b"pub", b"mod", CLOCK.record))
LET_IN = delegate(ALL_ALICES, ALICE.root, THE_CLOCK, BOBS_ROOT)


def bobs(
    document: DocumentId, count: int, text: str = "x", signer: Signer = BOBS_HAND
) -> list[SignedEntry]:
    """A chain of that many acts of his in a document, one upon the other."""
    draft = Document.open(document.cls, document.kind, signer.device.public)
    entries: list[SignedEntry] = []
    for number in range(count):
        raw = draft.change(put("bob", f"{number} {text}"))
        assert raw is not None
        before = entries[-1].id if entries else None
        entries.append(
            sign_change(raw, document, signer=signer, prev=before, timestamp=5_000 + number)
        )
    return entries


def through(number: int) -> Signer:
    """Bob's right, handed on to one more key, which costs nothing."""
    other = SigningKey.from_seed(b"sub-key-" + number.to_bytes(24, "big"))
    device = SigningKey.from_seed(b"sub-dev-" + number.to_bytes(24, "big"))
    right = delegate(LET_IN, BOB.root, THE_CLOCK, other.public)
    right = delegate(right, other, THE_CLOCK, device.public)
    return Signer(device, ALICES, {"pub": encode_capability(right)})


def revoked(key: bytes, frontier: Frontier | None = None) -> SignedEntry:
    said = Revoke(key, frontier or Frontier())
    return sign_statement(said, LOG, seq=1, signer=ROOT, prev=None, timestamp=3_000)


def unrevoked(said: SignedEntry) -> SignedEntry:
    digest = said.entry.payload_digest
    return sign_statement(Unrevoke(digest), LOG, seq=2, signer=ROOT, prev=digest, timestamp=9_000)


async def bring(
    store: Store,
    entries: list[SignedEntry],
    source: str,
    author: AuthorKey | None = None,
    at_once: int = 100,
) -> Counter[str]:
    """In batches, as a peer's answers come; what became of them."""
    done = Counter[str]()
    for at in range(0, len(entries), at_once):
        got = await store.receive(entries[at : at + at_once], source=source, author=author)
        done["added"] += len(got.added)
        done.update(one.code for one in got.refused)
    return done


# --- guests: whom somebody who is followed let in ------------------------------------------------


def signer_of(right: Capability, device: SigningKey) -> Capability:
    area = replace(right.granted_area, path=right.granted_area.path or (b"pub",))
    return delegate(right, {one.public: one for one in ROOTS}[right.receiver], area, device.public)


ROOTS = (ALICE.root, BOB.root, CAROL.root)
DEVICE = SigningKey.from_seed(b"d" * 32)


@pytest.mark.parametrize(
    ("right", "writer", "guest", "claim"),
    [
        (signer_of(ALL_ALICES, DEVICE), ALICES, b"", Claim.FOLLOWED),
        (signer_of(LET_IN, DEVICE), BOBS_ROOT, BOBS_ROOT, Claim.GUEST),
        (LET_IN, BOBS_ROOT, BOBS_ROOT, Claim.GUEST),  # his own key signs
        (
            signer_of(delegate(LET_IN, BOB.root, THE_CLOCK, CAROL.root.public), DEVICE),
            AuthorKey(CAROL.root.public),
            BOBS_ROOT,
            Claim.GUEST,
        ),
        (
            delegate(ALL_ALICES, ALICE.root, Area(ALICES, (b"pub",), end=9_000), BOBS_ROOT),
            BOBS_ROOT,
            BOBS_ROOT,
            Claim.GUEST,
        ),
    ],
    ids=[
        "device",
        "co-author",
        "co-author's own key",
        "whom the co-author let in",
        "for a time, which no device's right has",
    ],
)
def test_who_wrote_and_who_answers_for_it(
    right: Capability, writer: bytes, guest: bytes, claim: Claim
) -> None:
    assert writer_of(right) == writer
    assert guest_of(CLOCK, right) == guest
    assert claim_of(CLOCK, right, frozenset({bytes(ALICES)})) is claim
    assert claim_of(CLOCK, right, frozenset({bytes(writer)})) is Claim.FOLLOWED
    assert claim_of(CLOCK, right, frozenset({b"another" + bytes(25)})) is Claim.STRANGER


IN_GROUP = own(GROUP, WRITE, GROUP.public)
OF_GROUP = DocumentId(NAMESPACE, ALICES, "pub", "mod", CLOCK.record)


@pytest.mark.parametrize(
    ("area", "to", "writer", "claim"),
    [
        (Area(), ALICES, GROUP.public, Claim.FOLLOWED),  # a key as good as the group's, and hers
        (Area(ALICES), ALICES, ALICES, Claim.FOLLOWED),
        (Area(ALICES), BOBS_ROOT, BOBS_ROOT, Claim.STRANGER),  # the group let him in, not she
        (Area(), BOBS_ROOT, GROUP.public, Claim.STRANGER),
    ],
)
def test_in_a_group_who_let_somebody_into_ones_records_is_not_oneself(
    area: Area, to: AuthorKey, writer: bytes, claim: Claim
) -> None:
    right = delegate(IN_GROUP, GROUP, area, to)
    assert (writer_of(right), guest_of(OF_GROUP, right)) == (writer, b"")
    assert claim_of(OF_GROUP, right, frozenset({bytes(ALICES)})) is claim


GUESTS = Quota(strangers_bytes=MIB, member_bytes=MIB, peer_bytes=MIB // 2, share_bytes=64 << 10)


@pytest.mark.parametrize("peer", [BOBS_ROOT, AuthorKey(CAROL.root.public)], ids=["own", "other's"])
async def test_who_was_let_in_fills_no_disk_with_keys_that_cost_nothing(
    tmp_path: Path, peer: AuthorKey
) -> None:
    async with opened(tmp_path, GUESTS) as store:
        await store.set_petname("alice", ALICE.did)
        begun = ALICE.writes(CLOCK, named("clock"), put("v", "1"), put("v", "2"))
        await bring(store, begun[:2], "alice", ALICES)
        done = Counter[str]()
        for number in range(40):
            document = replace(CLOCK, epoch=number % 20)
            theirs = bobs(document, 5, "y" * 40_000, through(number))
            done += await bring(store, theirs, f"peer {number}", peer)
        assert done["added"]
        assert done[OVER_QUOTA] == 200 - done["added"]
        assert (await bring(store, begun[2:], "alice", ALICES))["added"] == 1
        assert (await head(store))["v"] == "2"
        assert (await store.room()).strangers_bytes == 0
    assert disk_bytes(tmp_path) < 3 * MIB
    assert_sums(tmp_path)


async def test_a_guest_takes_nothing_of_the_room_of_strangers_nor_they_of_his(
    tmp_path: Path,
) -> None:
    quota = Quota(strangers_bytes=64 << 10, member_bytes=MIB, share_bytes=8 << 10)
    async with opened(tmp_path, quota) as store:
        await store.set_petname("alice", ALICE.did)
        await bring(store, ALICE.writes(CLOCK, named("clock")), "alice", ALICES)
        full = [
            CAROL.publishes(f"io.carol.m{number}", named("m", text="z" * 2_000))
            for number in range(40)
        ]
        assert (await bring(store, full, "carol"))[OVER_QUOTA]
        # On alice's chain, which goes on upon it: refused, her record could not.
        assert await bring(store, bobs(CLOCK, 30, signer=through(0)), "bob") == {"added": 30}
    assert_sums(tmp_path)


async def test_what_only_a_guest_wrote_does_not_give_way_to_strangers(tmp_path: Path) -> None:
    """Whoever brought it last, in a record that its owner has said nothing in."""
    quota = Quota(strangers_bytes=300 << 10, share_bytes=8 << 10)
    async with opened(tmp_path, quota) as store:
        await store.set_petname("alice", ALICE.did)
        await bring(store, flood(0, 50), "mallory")
        theirs = bobs(CLOCK, 3, signer=through(0))
        assert (await bring(store, theirs, "mallory"))["added"] == 3
        assert (await bring(store, flood(50, 50), "carol"))["added"] > 20
        assert len(await store.holds(COMMONS, [one.id for one in theirs])) == 3
        assert (await store.refused())[0].refusal.code == EVICTED
    assert_sums(tmp_path)


async def test_what_a_record_takes_beside_its_entries_is_of_who_began_it(tmp_path: Path) -> None:
    async with opened(tmp_path, Quota()) as store:
        await store.set_petname("alice", ALICE.did)
        await bring(store, ALICE.writes(CLOCK, named("clock")), "alice", ALICES)
        await bring(store, bobs(CLOCK, 1, signer=through(0)), "bob")
        await bring(store, bobs(replace(CLOCK, epoch=1), 1, signer=through(1)), "bob")
    with closing(sqlite3.connect(tmp_path / "p.db")) as database:
        begun = database.execute(
            "SELECT d.epoch, x.guest, x.size > 0 FROM derived x JOIN document d"
            " ON d.number = x.document ORDER BY d.epoch"
        ).fetchall()
        (of_guests,) = database.execute(
            "SELECT sum(u.bytes) - (SELECT sum(size) FROM origin WHERE guest <> x'')"
            " - (SELECT sum(size) FROM derived WHERE guest <> x'') FROM usage u WHERE guest <> x''"
        ).fetchone()
    assert begun == [(0, b"", 1), (1, BOBS_ROOT, 1)]
    assert of_guests == 0
    assert_sums(tmp_path)


async def test_a_name_gives_a_guest_room(tmp_path: Path) -> None:
    quota = replace(GUESTS, member_bytes=16 << 10)
    theirs = bobs(CLOCK, 40, "y" * 1_000, Signer(DEVICE, ALICES, {"pub": encode_capability(
        signer_of(LET_IN, DEVICE))}))  # fmt: skip
    async with opened(tmp_path, quota) as store:
        await store.set_petname("alice", ALICE.did)
        done = await bring(store, theirs, "bob", BOBS_ROOT, 10)
        assert 0 < done["added"] < 40
        ids = [one.id for one in theirs]
        assert await store.kept_out(COMMONS, ids)
        await store.set_petname("bob", BOB.did)
        assert not await store.kept_out(COMMONS, ids)
        missing = [one for one in theirs if one.id[:16] not in await store.holds(COMMONS, ids)]
        assert await bring(store, missing, "bob", BOBS_ROOT) == {"added": len(missing)}
    assert_sums(tmp_path)


async def test_a_name_gives_what_was_refused_of_the_authors_guests_room(tmp_path: Path) -> None:
    """Her next act builds on theirs: what stays out, freezes her record."""
    quota = Quota(author_bytes=24 << 10)
    theirs = bobs(CLOCK, 40, "y" * 1_000)
    async with opened(tmp_path, quota) as store:
        done = await bring(store, theirs, "bob", BOBS_ROOT, 10)
        assert 0 < done["added"] < 40
        ids = [one.id for one in theirs]
        assert await store.kept_out(COMMONS, ids)
        await store.set_petname("alice", ALICE.did)
        assert not await store.kept_out(COMMONS, ids)


# --- what a revocation in force hits -------------------------------------------------------------


async def begun(store: Store, statement: SignedEntry | None = None) -> list[SignedEntry]:
    """Alice's clock, two of her three acts, and what she says of bob."""
    chain = ALICE.writes(CLOCK, named("clock"), put("v", "1"), put("v", "2"))
    await store.receive(chain[:2], source="alice")
    await store.receive([statement or revoked(BOBS)], source="alice")
    return chain


async def test_of_what_a_revoked_key_writes_little_is_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.set_petname("alice", ALICE.did)
        chain = await begun(store)
        theirs = bobs(CLOCK, 600)
        done = await bring(store, theirs[:400], "mallory", AuthorKey(CAROL.root.public))
        assert done == {"added": 256, TOO_MANY_REVOKED: 144}
        done = await bring(store, theirs[400:500], "bob", BOBS_ROOT)
        assert done == {TOO_MANY_REVOKED: 100, "added": 0}, "the key that was revoked is a device"
        done = await bring(store, theirs[500:], BOBS.hex(), BOBS_ROOT)
        assert done == {REVOKED_SENDER: 100, "added": 0}
        ids = [one.id for one in theirs]
        assert len(await store.kept_out(COMMONS, ids)) == 344, "nobody is asked for them again"
        assert (await bring(store, chain[2:], "alice"))["added"] == 1
        assert await head(store) == {"name": "clock", "v": "2"}
    assert_sums(tmp_path)


async def test_the_author_who_was_revoked_is_told_from_who_passes_it_on(tmp_path: Path) -> None:
    right = signer_of(LET_IN, DEVICE)
    signer = Signer(DEVICE, ALICES, {"pub": encode_capability(right)})
    async with opened(tmp_path) as store:
        await begun(store, revoked(BOBS_ROOT))
        theirs = bobs(CLOCK, 300, signer=signer)
        assert (await bring(store, theirs, "bob", BOBS_ROOT))[REVOKED_SENDER] == 44
        again = await bring(store, theirs[-5:], "alice", ALICES)
        assert again == {TOO_MANY_REVOKED: 5, "added": 0}


async def test_epochs_without_end_do_not_get_round_it(tmp_path: Path) -> None:
    quota = Quota(strangers_bytes=MIB, member_bytes=64 * MIB)
    async with opened(tmp_path, quota) as store:
        await store.set_petname("alice", ALICE.did)
        await begun(store)
        done = Counter[str]()
        for epoch in range(1, 30):
            theirs = bobs(replace(CLOCK, epoch=epoch), 20, "y" * 40_000)
            done += await bring(store, theirs, f"peer {epoch}")
        assert done[TOO_MANY_REVOKED] > 150
    assert disk_bytes(tmp_path) < ended.ENDED_BYTES_MAX * 5 // 4 + MIB
    assert_sums(tmp_path)


async def test_an_unrevocation_brings_back_what_was_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended, "ENDED_ENTRIES_MAX", 5)
    async with opened(tmp_path) as store:
        said = revoked(BOBS)
        await begun(store, said)
        theirs = bobs(CLOCK, 20)
        assert await bring(store, theirs, "bob") == {"added": 5, TOO_MANY_REVOKED: 15}
        ids = [one.id for one in theirs]
        assert len(await store.kept_out(COMMONS, ids)) == 15
        await store.receive([unrevoked(said)], source="alice")
        assert not await store.kept_out(COMMONS, ids)
        assert await bring(store, theirs, "bob") == {"added": 15}
        assert (await head(store))["bob"] == "19 x"


async def test_what_comes_together_with_its_unrevocation_may_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended, "ENDED_ENTRIES_MAX", 5)
    async with opened(tmp_path) as store:
        said = revoked(BOBS)
        await begun(store, said)
        theirs = bobs(CLOCK, 20)
        await store.receive([*theirs, unrevoked(said)], source="alice")
        assert not await store.kept_out(COMMONS, [one.id for one in theirs])
        await store.receive(theirs, source="alice")
        assert (await head(store))["bob"] == "19 x"


async def test_what_a_stranger_says_brings_nothing_of_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended, "ENDED_ENTRIES_MAX", 5)
    async with opened(tmp_path) as store:
        await begun(store)
        theirs = bobs(CLOCK, 20)
        await bring(store, theirs, "bob")
        log = replace(LOG, subspace=BOBS_ROOT)
        right = encode_capability(Capability(WRITE, COMMONS, BOBS_ROOT))
        signer = Signer(BOB.root, BOBS_ROOT, {log.cls: right})
        own = sign_statement(
            Revoke(CAROL.root.public), log, seq=1, signer=signer, prev=None, timestamp=9_000
        )
        await store.receive([own], source="bob")
        assert len(await store.kept_out(COMMONS, [one.id for one in theirs])) == 15


@pytest.mark.parametrize("in_blob", [False, True], ids=["payload", "blob"])
@pytest.mark.parametrize("order", [1, -1], ids=["forth", "back"])
async def test_what_lies_under_the_frontier_is_kept_however_much_and_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, in_blob: bool, order: int
) -> None:
    """Of a chain of 40 the first 30 stand; nobody knows that before they are here."""
    monkeypatch.setattr(ended, "ENDED_ENTRIES_MAX", 3)
    theirs = bobs(CLOCK, 40)
    heads = {CLOCK.encode(): (check_entry(theirs[29], CapabilityCache()).change.hash,)}
    data = encode_frontier(heads)
    blob = build_manifest([payload_digest(data)], len(data)).id
    frontier = Frontier(blob=blob) if in_blob else Frontier(heads)
    async with opened(tmp_path) as store:
        await begun(store, revoked(BOBS, frontier))
        for one in theirs[::order]:
            await store.receive([one], source="bob")
        if in_blob:  # until then nobody knew what it leaves
            assert await store.put_blob(data) == blob
            await store.know_frontier(blob)
        await store.settle()
        assert (await head(store))["bob"] == "29 x"
        held = await store.holds(COMMONS, [one.id for one in theirs])
        assert all(one.id[:16] in held for one in theirs[:30])
        assert len(held) == (33 if (in_blob, order) == (False, 1) else 40)


async def test_what_is_refused_of_them_has_nothing_judged_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await begun(store)
        theirs = bobs(CLOCK, 900)
        await bring(store, theirs[:400], "bob", at_once=400)
        before = await store.counts()
        assert (await bring(store, theirs[400:], "bob"))[TOO_MANY_REVOKED] == 500
        after = await store.counts()
        assert (after.changed, after.entries) == (before.changed, before.entries)
