"""Keys are free in a namespace that one joined, too: its members fill no disk either."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from crdt.area import Area
from crdt.blob import BlobId
from crdt.capability import WRITE, Capability, delegate, encode_capability, own
from crdt.change import (
    DocumentId,
    SignedEntry,
    Signer,
    device_capabilities,
    log_of,
    sign_statement,
)
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from crdt.path import AUTHORITY
from crdt.statement import Frontier, Heartbeat, Revoke, Statement
from storage.authorities import (
    FRONTIER_BYTES_A_DOCUMENT,
    FRONTIER_BYTES_MIN,
    STRANGERS_BYTES_A_DOCUMENT,
)
from storage.quota import AreaQuota, Quota
from storage.refused import EVICTED, OVER_QUOTA
from storage.store import Store
from tests.storage.people import ALICE, BOB, CAROL, Person, named
from tests.storage.test_group import author, hand, writes
from tests.storage.test_namespaces import GROUP, NAMESPACE
from tests.storage.test_quota import KIB, MIB, assert_sums, bring, flood, opened, stranger

OPEN = NamespaceKey(bytes([2]) * 32)
"""A communal one: whoever knows its key reads it, and any key writes in it."""
SMALL = Quota(
    strangers_bytes=MIB, share_bytes=64 * KIB, namespace_bytes=MIB, member_bytes=300 * KIB
)
EVERYWHERE = Area()
TEXT = "words " * 40
MANY_HEADS = tuple(sorted(n.to_bytes(32, "little") for n in range(1_300)))


def in_open(person: Person) -> Person:
    """With the rights of her device there."""
    device = person.signer.device
    rights = device_capabilities(person.root, DeviceKey(device.public), OPEN)
    return replace(person, signer=replace(person.signer, capabilities=rights))


def open_flood(start: int, count: int) -> list[SignedEntry]:
    return [
        writes(one.document("io.flood", namespace=OPEN), one.signer, named("flood", text=TEXT))
        for one in (in_open(stranger(number)) for number in range(start, start + count))
    ]


def of(person: Person, record: str, cls: str = "pub") -> DocumentId:
    return DocumentId(NAMESPACE, author(person), cls, "mod", record.encode())


def many(person: Person, signer: Signer, count: int, start: int = 0) -> list[SignedEntry]:
    say = named("m", description=TEXT)
    return [
        writes(of(person, f"io.m{number}"), signer, say) for number in range(start, start + count)
    ]


def free_devices(member: Person, area: Area, count: int) -> list[Signer]:
    """Keys that a member made up and handed the right on to."""
    given = delegate(own(GROUP, WRITE, GROUP.public), GROUP, area, member.root.public)
    signers: list[Signer] = []
    for number in range(count):
        key = SigningKey.from_seed(b"handed on to" + number.to_bytes(20, "big"))
        encoded = encode_capability(delegate(given, member.root, area, key.public))
        signers.append(Signer(key, author(member), {"pub": encoded, "_auth": encoded}))
    return signers


def says(root: SigningKey, given: bytes, statements: Sequence[Statement]) -> list[SignedEntry]:
    """Under `/_auth` of this key's own subspace in the group."""
    issuer = AuthorKey(root.public)
    log = log_of(NAMESPACE, issuer, AUTHORITY)
    signer = Signer(root, issuer, {AUTHORITY: given})
    entries: list[SignedEntry] = []
    for seq, one in enumerate(statements, 1):
        prev = entries[-1].entry.payload_digest if entries else None
        entries.append(sign_statement(one, log, seq=seq, signer=signer, prev=prev, timestamp=seq))
    return entries


def member_says(person: Person, statements: Sequence[Statement]) -> list[SignedEntry]:
    area = Area(author(person))
    given = delegate(own(GROUP, WRITE, GROUP.public), GROUP, area, person.root.public)
    return says(person.root, encode_capability(given), statements)


async def group_bytes(store: Store) -> int:
    return sum(one.bytes for one in await store.usage_of_namespaces())


async def holds(store: Store, entries: Sequence[SignedEntry]) -> int:
    namespace = NamespaceKey(entries[0].entry.namespace)
    return len(await store.holds(namespace, [one.id for one in entries]))


# --- communal: everybody may write, so everybody is a stranger -----------------------------------


async def test_strangers_of_every_open_namespace_share_one_budget(tmp_path: Path) -> None:
    async with opened(tmp_path, SMALL) as store:
        await store.join(OPEN, "open")
        done = await bring(store, flood(0, 60), "mallory")
        assert done["added"] == 60
        there = open_flood(0, 400)
        done = await bring(store, there, "mallory")
        assert done[OVER_QUOTA] > 200
        assert done["added"] + done[OVER_QUOTA] == 400
        assert 0.9 * MIB < (await store.room()).strangers_bytes <= MIB
        assert await store.usage_of_namespaces() == []
        out = await store.kept_out(OPEN, [one.id for one in there])
        assert len(out) == done[OVER_QUOTA]
        # Who brought little has room in commons, and what gives way lies where the flood was.
        honest = [CAROL.publishes(f"io.carol.m{n}", named("carol")) for n in range(10)]
        assert (await bring(store, honest, "honest"))["added"] == 10
        assert await holds(store, honest) == 10
        assert EVICTED in {row.refusal.code for row in await store.refused()}
        assert (await store.room()).strangers_bytes <= MIB
    assert_sums(tmp_path)


async def test_whom_one_follows_is_kept_in_an_open_namespace(tmp_path: Path) -> None:
    async with opened(tmp_path, SMALL) as store:
        await bring(store, open_flood(0, 300), "mallory")
        bob = in_open(BOB)
        his = [
            writes(bob.document(f"io.bob.m{n}", namespace=OPEN), bob.signer, named("bob"))
            for n in range(20)
        ]
        await store.set_petname("bob", BOB.did)
        assert (await bring(store, his, "mallory"))["added"] == 20
        await bring(store, open_flood(300, 100), "another")
        assert await holds(store, his) == 20
    assert_sums(tmp_path)


async def test_a_revocation_in_an_open_namespace_finds_room(tmp_path: Path) -> None:
    alice = in_open(ALICE)
    clock = alice.document("io.alice.clock", namespace=OPEN)
    log = log_of(OPEN, author(ALICE), AUTHORITY)
    right = encode_capability(Capability(WRITE, OPEN, author(ALICE)))
    revoked = sign_statement(
        Revoke(ALICE.signer.device.public, Frontier({b"d" * 80: MANY_HEADS})),
        log,
        seq=1,
        signer=Signer(ALICE.root, author(ALICE), {AUTHORITY: right}),
        prev=None,
        timestamp=1,
    )
    async with opened(tmp_path, SMALL) as store:
        await bring(store, open_flood(0, 300), "mallory")
        await bring(store, [revoked], "mallory")
        assert await store.kept_out(OPEN, [revoked.id]), "it judges nothing that is here"
        entry = writes(clock, alice.signer, named("clock"))
        assert (await bring(store, [entry], "honest"))["added"] == 1
        assert not await store.kept_out(OPEN, [revoked.id]), "now it does"
        assert (await bring(store, [revoked], "honest"))["added"] == 1
        state = await store.read(clock)
        assert state is None or state.value["head"] == {}
    assert_sums(tmp_path)


# --- owned: each has a budget of its own ---------------------------------------------------------


async def test_a_member_fills_no_disk_with_keys_handed_on(tmp_path: Path) -> None:
    """One who may write in one subspace leaves room for the others; an administrator fills it."""
    area = Area(author(CAROL))
    async with opened(tmp_path, SMALL) as store:
        entries = [
            writes(of(CAROL, f"io.m{number}"), signer, named("m", description=TEXT))
            for number, signer in enumerate(free_devices(CAROL, area, 150))
        ]
        done = await bring(store, entries, "carol")
        assert done["added"] + done[OVER_QUOTA] == 150
        # What documents take beside their entries is counted once it is known.
        assert 200 * KIB < await group_bytes(store) < 600 * KIB
        bobs = many(BOB, hand(BOB, Area(author(BOB))), 20)
        assert (await bring(store, bobs, "carol"))["added"] == 20
        spread = [
            writes(of(stranger(n), "io.m"), signer, named("m", description=TEXT))
            for n, signer in enumerate(free_devices(ALICE, EVERYWHERE, 300))
        ]
        done = await bring(store, spread, "alice")
        assert done["added"] + done[OVER_QUOTA] == 300
        assert done[OVER_QUOTA] > 100
        assert await group_bytes(store) <= MIB
        assert (await store.room()).strangers_bytes == 0, "another budget"
        assert await store.kept_out(NAMESPACE, [spread[-1].id])
        (row,) = [
            row
            for row in await store.refused()
            if row.refusal.source == "alice" and row.refusal.code == OVER_QUOTA
        ]
        assert row.count == done[OVER_QUOTA]
        # A full group takes nothing from strangers, nor they from it.
        before = await group_bytes(store)
        await bring(store, flood(0, 300), "mallory")
        assert 0.9 * MIB < (await store.room()).strangers_bytes <= MIB
        assert await group_bytes(store) == before
    assert_sums(tmp_path)


async def test_whoever_brought_most_of_a_group_gives_way_in_it(tmp_path: Path) -> None:
    async with opened(tmp_path, SMALL) as store:
        for n in range(4):
            member = stranger(n)
            await bring(store, many(member, hand(member, Area(author(member))), 60), "mallory")
        assert (await store.room()).kept_out > 0
        bobs = many(BOB, hand(BOB, Area(author(BOB))), 20)
        assert (await bring(store, bobs, "bob"))["added"] == 20
        assert await holds(store, bobs) == 20
        assert await group_bytes(store) <= MIB
        assert EVICTED in {row.refusal.code for row in await store.refused()}
    assert_sums(tmp_path)


async def test_whoever_is_followed_has_room_in_a_full_group_and_drives_nobody_out(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, SMALL) as store:
        await store.set_petname("bob", BOB.did)
        carols = many(CAROL, hand(CAROL, Area(author(CAROL))), 20)
        await bring(store, carols, "peer")
        bobs = many(BOB, hand(BOB, Area(author(BOB))), 300)
        assert (await bring(store, bobs, "peer"))["added"] == 300
        assert await group_bytes(store) > 1.2 * MIB
        assert await holds(store, carols) == 20
        late = many(CAROL, hand(CAROL, Area(author(CAROL))), 2, start=20)
        assert (await bring(store, late, "peer"))[OVER_QUOTA] == 2
        # Others have room for as much as gives way to them; it is not over for what he took.
        assert (await bring(store, late, "another"))["added"] == 2
        assert (await bring(store, member_says(CAROL, [Heartbeat()]), "another"))["added"] == 1
        assert await holds(store, carols) >= 6
        assert await holds(store, bobs) == 300
        assert (await store.room()).strangers_bytes == 0
    assert_sums(tmp_path)


@pytest.mark.parametrize("through", [ALICE, BOB])
async def test_an_administrator_has_no_more_room_in_the_subspace_of_who_is_followed(
    tmp_path: Path, through: Person
) -> None:
    """Nor has who was let in by somebody followed: every right came through somebody."""
    async with opened(tmp_path, SMALL) as store:
        await store.set_petname("bob", BOB.did)
        whose = BOB if through is ALICE else CAROL
        signers = free_devices(through, EVERYWHERE, 400)
        entries = [
            writes(of(whose, f"io.m{n}"), signer, named("m", description=TEXT))
            for n, signer in enumerate(signers)
        ]
        done = await bring(store, entries, "mallory")
        assert done["added"] + done[OVER_QUOTA] == 400
        assert await group_bytes(store) <= MIB
    assert_sums(tmp_path)


async def test_what_this_node_wrote_in_a_group_stays(tmp_path: Path) -> None:
    quota = replace(SMALL, own=frozenset({author(ALICE)}))
    async with opened(tmp_path, quota) as store:
        publisher = hand(ALICE, Area(author(CAROL)))
        shared = [of(CAROL, f"io.shared.m{n}") for n in range(30)]
        for one in shared:
            assert await store.commit(one, named("ours", description=TEXT), publisher)
        for n in range(30):
            member = stranger(n)
            await bring(store, many(member, hand(member, Area(author(member))), 8), f"device {n}")
        assert (await store.room()).kept_out > 0
        assert await group_bytes(store) <= MIB
        assert all([await store.read(one) for one in shared])
        # However full it is, this node writes.
        mine = of(ALICE, "io.alice.clock")
        assert await store.commit(mine, named("clock"), hand(ALICE, Area(author(ALICE))))
    assert_sums(tmp_path)


async def test_the_word_of_the_groups_key_finds_room_and_drives_nobody_out(tmp_path: Path) -> None:
    right = encode_capability(own(GROUP, WRITE, GROUP.public))
    async with opened(tmp_path, SMALL) as store:
        for n in range(4):
            member = stranger(n)
            await bring(store, many(member, hand(member, Area(author(member))), 60), "peer")
        assert (await store.room()).kept_out > 0
        before = (await store.counts()).entries
        # Bob never wrote anything here: only whoever reads is kept from it by this.
        large = Frontier({b"d" * 80: MANY_HEADS})  # more than is free after the last was refused
        log = says(GROUP, right, [Heartbeat(), Revoke(BOB.root.public, large)])
        assert (await bring(store, log, "peer"))["added"] == 2
        assert (await store.counts()).entries == before + 2
    assert_sums(tmp_path)


async def test_a_members_revocation_finds_room_in_a_full_group(tmp_path: Path) -> None:
    """Others' newest records go for it, not all that it judges."""
    async with opened(tmp_path, SMALL) as store:
        carols = many(CAROL, hand(CAROL, Area(author(CAROL))), 10)
        await bring(store, carols, "peer")
        for n in range(4):
            member = stranger(n)
            await bring(store, many(member, hand(member, Area(author(member))), 60), "peer")
        stolen = CAROL.signer.device.public
        large = Frontier({b"d" * 80: MANY_HEADS})  # more than is free after the last was refused
        log = member_says(CAROL, [Heartbeat(), Revoke(stolen, large)])
        assert (await bring(store, log, "peer"))["added"] == 2
        assert await holds(store, carols) == 10
        state = await store.read(of(CAROL, "io.m0"))
        assert state is not None
        assert state.value["head"] == {}
        assert await group_bytes(store) <= MIB
    assert_sums(tmp_path)


async def test_statements_of_free_keys_fill_no_group(tmp_path: Path) -> None:
    quota = replace(SMALL, namespace_bytes=2 * MIB)
    heads = tuple(sorted(bytes([n]) + bytes(31) for n in range(250)))
    async with opened(tmp_path, quota) as store:
        given = own(GROUP, WRITE, GROUP.public)
        for n in range(6):
            one = stranger(n)
            area = Area(author(one))
            right = encode_capability(delegate(given, GROUP, area, one.root.public))
            await bring(store, many(one, hand(one, area), 1), "mallory")
            log = says(one.root, right, [Revoke(bytes(32), Frontier({b"d" * 80: heads}))] * 60)
            await bring(store, log, "mallory")
            assert await group_bytes(store) <= 2 * MIB
    assert_sums(tmp_path)


async def test_an_area_that_is_full_takes_a_revocation(tmp_path: Path) -> None:
    quota = Quota(areas=(AreaQuota("all", 20 * KIB, COMMONS),))
    async with opened(tmp_path, quota) as store:
        clocks = [ALICE.publishes(f"io.alice.m{n}", named("clock")) for n in range(20)]
        done = await bring(store, clocks, "peer")
        assert done[OVER_QUOTA] > 0
        log = log_of(COMMONS, author(ALICE), AUTHORITY)
        right = encode_capability(Capability(WRITE, COMMONS, author(ALICE)))
        signer = Signer(ALICE.root, author(ALICE), {AUTHORITY: right})
        heads = tuple(sorted(bytes([n]) + bytes(31) for n in range(250)))
        stolen = Revoke(ALICE.signer.device.public, Frontier({b"d" * 80: heads}))
        revoked = sign_statement(stolen, log, seq=1, signer=signer, prev=None, timestamp=1)
        assert (await bring(store, [revoked], "peer"))["added"] == 1
        state = await store.read(ALICE.document("io.alice.m0"))
        assert state is not None
        assert state.value["head"] == {}
    assert_sums(tmp_path)


async def test_frontiers_of_free_keys_in_a_group_are_worth_what_they_are_about(
    tmp_path: Path,
) -> None:
    """A blob lies in no budget: what a key may have fetched is bounded by what it let in."""
    async with opened(tmp_path, SMALL) as store:
        await store.set_petname("bob", BOB.did)
        sizes: dict[str, int] = {}
        for person in (BOB, CAROL):
            area = Area(author(person))
            given = delegate(own(GROUP, WRITE, GROUP.public), GROUP, area, person.root.public)
            await bring(store, many(person, hand(person, area), 5), "peer")
            blob = BlobId(person.root.public)
            revoke = Revoke(bytes(32), Frontier(blob=blob))
            await bring(store, says(person.root, encode_capability(given), [revoke]), "peer")
            sizes[person.did] = dict(await store.wanted_frontiers())[blob]
        named_bytes = FRONTIER_BYTES_MIN + 6 * FRONTIER_BYTES_A_DOCUMENT  # five records and the log
        assert sizes == {BOB.did: named_bytes, CAROL.did: 6 * STRANGERS_BYTES_A_DOCUMENT}
