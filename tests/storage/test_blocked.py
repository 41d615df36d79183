"""What a blocked author or device wrote is not taken, and not even looked at."""

from dataclasses import replace
from pathlib import Path

import pytest

from crdt.area import Area
from crdt.capability import WRITE, delegate, encode_capability, own
from crdt.change import Signer, log_of, sign_statement
from crdt.keys import COMMONS
from crdt.path import AUTHORITY
from crdt.statement import Frontier, Revoke
from storage.blocked import BLOCKED_MAX, REASON_CHARS_MAX, Blocked
from storage.errors import OverQuota
from storage.store import Store, open_store
from tests.storage.people import ALICE, BOB, NOW_US, named, project
from tests.storage.test_group import author, hand, of_bob, writes
from tests.storage.test_namespaces import GROUP, NAMESPACE


async def test_nothing_new_comes_of_a_blocked_author_and_what_is_held_stays(store: Store) -> None:
    before = ALICE.publishes("io.alice.clock", named("clock"))
    await store.receive([before], source="carol")
    await store.block(ALICE.root.public, "spam")

    forged = replace(ALICE.publishes("io.alice.bell", named("bell")), signature=bytes(64))
    good = BOB.publishes("io.bob.game", named("game"))
    received = await store.receive([forged, forged, good], source="carol")
    # `blocked`, and not `bad-signature`: nobody verified it.
    assert [one.code for one in received.refused] == ["blocked", "blocked"]
    assert len(received.added) == 1
    assert {row.listing.name for row in (await store.listings()).rows} == {"clock", "game"}
    (listed,) = await store.refused()
    assert (listed.refusal.code, listed.count) == ("blocked", 2)
    assert ALICE.did in listed.refusal.where


async def test_a_device_is_blocked_in_whoever_s_name_it_writes(store: Store) -> None:
    await store.block(ALICE.signer.device.public, "")
    received = await store.receive([ALICE.publishes("io.x", named("x"))], source="bob")
    assert [one.code for one in received.refused] == ["blocked"]
    assert store.is_blocked(ALICE.signer.device.public)
    assert not store.is_blocked(ALICE.root.public)


async def test_what_a_blocked_author_wrote_is_not_asked_for_again(store: Store) -> None:
    alices = ALICE.publishes("io.alice.clock", named("clock"))
    await store.block(ALICE.root.public, "")
    await store.receive([alices], source="bob")
    assert await store.kept_out(COMMONS, [alices.id], source="carol")
    await store.unblock(ALICE.root.public)
    assert not await store.kept_out(COMMONS, [alices.id])
    assert len((await store.receive([alices], source="bob")).added) == 1


async def test_a_blocked_author_is_not_heard_as_a_publisher_either(store: Store) -> None:
    """Whoever is let in by somebody blocked, is heard."""
    bobs = Area(author(BOB))
    by_alice = hand(ALICE, replace(bobs, path=(b"pub", b"mod", b"io.bob.clock")))
    await store.block(ALICE.root.public, "")
    received = await store.receive([writes(of_bob(), by_alice, named("hers"))], source="carol")
    assert [one.code for one in received.refused] == ["blocked"]
    given = delegate(own(GROUP, WRITE, GROUP.public), GROUP, Area(), ALICE.root.public)
    given = delegate(given, ALICE.root, bobs, BOB.root.public)
    device = BOB.signer.device
    right = encode_capability(delegate(given, BOB.root, bobs, device.public))
    his = writes(of_bob(), replace(BOB.signer, capabilities={"pub": right}), named("his"))
    assert len((await store.receive([his], source="carol")).added) == 1


async def test_what_a_blocked_author_takes_back_is_taken_back(store: Store) -> None:
    """Else whoever a blocked administrator put out would go on writing here."""
    whole = Area()
    given = delegate(own(GROUP, WRITE, GROUP.public), GROUP, whole, ALICE.root.public)
    for_bob = delegate(given, ALICE.root, Area(author(BOB)), BOB.root.public)
    device = BOB.signer.device
    right = encode_capability(delegate(for_bob, BOB.root, Area(author(BOB)), device.public))
    bob = replace(BOB.signer, capabilities={"pub": right})
    await store.block(ALICE.root.public, "")
    log = log_of(NAMESPACE, author(ALICE), AUTHORITY)
    signer = Signer(ALICE.root, author(ALICE), {AUTHORITY: encode_capability(given)})
    said = Revoke(BOB.root.public, Frontier({}))
    revoked = sign_statement(said, log, seq=1, signer=signer, prev=None, timestamp=1)
    assert len((await store.receive([revoked], source="carol")).added) == 1
    await store.receive([writes(of_bob(), bob, named("late"))], source="bob")
    state = await store.read(of_bob())
    assert state is not None
    assert state.value["head"] == {}


async def test_who_is_not_blocked_any_more_is_heard_again(store: Store) -> None:
    await store.block(ALICE.root.public, "")
    assert await store.unblock(ALICE.root.public)
    assert not await store.unblock(ALICE.root.public)
    received = await store.receive([ALICE.publishes("io.x", named("x"))], source="bob")
    assert len(received.added) == 1


async def test_a_block_outlives_a_restart_and_keeps_its_time(tmp_path: Path) -> None:
    now_us = NOW_US
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: now_us) as store:
        assert await store.block(ALICE.root.public, "x" * 9_999) == Blocked(
            ALICE.root.public, "x" * REASON_CHARS_MAX, NOW_US
        )
        now_us += 1
        assert await store.block(ALICE.root.public, "rude") == Blocked(
            ALICE.root.public, "rude", NOW_US
        )
        await store.block(BOB.root.public, "")
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: now_us) as store:
        assert store.is_blocked(ALICE.root.public)
        assert [one.key for one in await store.blocked()] == [BOB.root.public, ALICE.root.public]


async def test_there_is_an_end_to_blocking(store: Store) -> None:
    keys = [number.to_bytes(32, "big") for number in range(BLOCKED_MAX)]
    # 10,000 blocks one by one would take a minute.
    async with store._database.transaction() as write:  # pyright: ignore[reportPrivateUsage]
        await write.run_many("INSERT INTO blocked VALUES (?, '', 0)", ((key,) for key in keys))
    await store.load_blocked()
    await store.block(keys[0], "again")
    with pytest.raises(OverQuota, match="10,000"):
        await store.block(ALICE.root.public, "")
