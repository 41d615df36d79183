"""The wallet: what this node was given, and where it takes part."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crdt.area import Area
from crdt.capability import READ, WRITE, Capability, delegate, encode_capability, own
from crdt.ed25519 import SigningKey
from crdt.errors import Malformed, Unauthorised
from crdt.keys import COMMONS, AuthorKey, NamespaceKey, is_communal
from storage import namespaces
from storage.errors import NameTaken, OverQuota
from storage.migration import migrate, migrations
from storage.namespaces import JOINED_MAX, Joined
from storage.store import Store, open_store
from tests.storage.people import ALICE, BOB, NOW_US, named, project

GROUP = next(
    key
    for number in range(256)
    if not is_communal((key := SigningKey.from_seed(bytes([number]) * 32)).public)
)
NAMESPACE = NamespaceKey(GROUP.public)
ALICES_DEVICE = ALICE.signer.device.public


def given(mode: int = WRITE) -> Capability:
    """Everything, to alice's root."""
    return own(GROUP, mode, ALICE.root.public)


def to_her_device(mode: int = WRITE) -> Capability:
    area = Area(AuthorKey(ALICE.root.public)) if mode == WRITE else Area()
    return delegate(given(mode), ALICE.root, area, ALICES_DEVICE)


async def test_what_is_kept_is_found_by_namespace_receiver_and_mode(store: Store) -> None:
    to_root, to_write, to_read = given(), to_her_device(), to_her_device(READ)
    for one in (to_write, to_read, to_root):
        held = await store.keep_capability(encode_capability(one), "invite")
        assert (held.capability, held.noted_us, held.origin) == (one, NOW_US, "invite")
    everything = await store.capabilities_held()
    assert {one.capability for one in everything} == {to_root, to_write, to_read}
    assert everything[0].capability == to_root, "the shortest chain comes first"
    of_device = await store.capabilities_held(NAMESPACE, receiver=ALICES_DEVICE, mode=WRITE)
    assert [one.capability for one in of_device] == [to_write]
    assert await store.capabilities_held(COMMONS) == []
    assert await store.capabilities_held(receiver=BOB.root.public) == []


async def test_one_that_is_kept_already_stays_as_it_was(tmp_path: Path) -> None:
    now_us = NOW_US
    path = tmp_path / "p.db"
    encoded = encode_capability(given())
    async with open_store(path, project=project, clock_us=lambda: now_us) as store:
        first = await store.keep_capability(encoded, "own")
        now_us += 1
        assert await store.keep_capability(encoded, "invite") == first
    async with open_store(path, project=project, clock_us=lambda: now_us) as store:
        await store.rematerialise()
        assert await store.capabilities_held() == [first]


async def test_what_is_not_valid_is_not_kept(store: Store) -> None:
    encoded = encode_capability(to_her_device())
    with pytest.raises(Unauthorised, match="giver"):
        await store.keep_capability(encoded[:-1] + bytes([encoded[-1] ^ 1]), "invite")
    with pytest.raises(Malformed):
        await store.keep_capability(encoded + b"\0", "invite")
    assert await store.capabilities_held() == []


async def test_a_capability_is_forgotten_by_its_digest(store: Store) -> None:
    held = await store.keep_capability(encode_capability(given()), "own")
    assert await store.forget_capability(held.digest)
    assert not await store.forget_capability(held.digest)
    assert await store.capabilities_held() == []


async def test_commons_is_always_joined_and_the_rest_by_name(store: Store) -> None:
    commons = Joined(COMMONS, "commons", 0)
    assert await store.joined() == [commons]
    assert await store.join(COMMONS, "commons") == commons
    guild = await store.join(NAMESPACE, "guild")
    assert guild == Joined(NAMESPACE, "guild", NOW_US)
    other = await store.join(NamespaceKey(BOB.root.public), "bobs")
    assert await store.joined() == [commons, other, guild]
    assert await store.leave_namespace("bobs") == other
    assert await store.leave_namespace("bobs") is None
    assert await store.leave_namespace("commons") is None
    assert await store.joined() == [commons, guild]


async def test_a_name_means_one_namespace_and_a_namespace_has_one_name(store: Store) -> None:
    await store.join(NAMESPACE, "guild")
    with pytest.raises(NameTaken, match="guild"):
        await store.join(NamespaceKey(BOB.root.public), "guild")
    for namespace, name in ((NAMESPACE, "commons"), (COMMONS, "guild")):
        with pytest.raises(NameTaken, match="commons"):
            await store.join(namespace, name)
    renamed = await store.join(NAMESPACE, "alliance")
    assert (await store.joined())[1:] == [renamed]


async def test_there_is_an_end_to_both(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(JOINED_MAX):
        await store.join(NamespaceKey(number.to_bytes(32, "big")), f"n{number}")
    with pytest.raises(OverQuota, match=f"{JOINED_MAX}"):
        await store.join(NAMESPACE, "one-more")
    assert (await store.join(NamespaceKey(bytes(32)), "another-name")).name == "another-name"
    monkeypatch.setattr(namespaces, "CAPABILITIES_MAX", 1)
    await store.keep_capability(encode_capability(to_her_device()), "invite")
    with pytest.raises(OverQuota, match="no more fit"):
        await store.keep_capability(encode_capability(given()), "invite")


async def test_who_listens_hears_of_each_change_once_it_is_durable(store: Store) -> None:
    heard: list[str] = []
    encoded = encode_capability(given())
    stop = store.on_wallet_change(lambda: heard.append("changed"))
    held = await store.keep_capability(encoded, "own")
    assert len(heard) == 1
    await store.keep_capability(encoded, "own")
    assert len(heard) == 1, "nothing changed"
    await store.join(NAMESPACE, "guild")
    await store.leave_namespace("guild")
    await store.forget_capability(held.digest)
    assert len(heard) == 4
    stop()
    await store.join(NAMESPACE, "guild")
    assert len(heard) == 4


async def test_a_home_from_before_there_was_a_wallet(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    names = [one.name[5:] for one in migrations()]
    migrate(path, migrations()[: names.index("wallet")])
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO petname VALUES ('bob', 'did:key:zBob', 1)")
        database.commit()
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        assert await store.petname("bob")
        await store.commit(ALICE.document("io.alice.clock"), named("clock"), ALICE.signer)
        await store.join(NAMESPACE, "guild")
        assert len(await store.joined()) == 2
