"""What this person calls authors."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from storage.errors import OverQuota
from storage.migration import migrate, migrations
from storage.petnames import PETNAMES_MAX, Petname
from storage.store import Store, open_store
from tests.storage.people import ALICE, BOB, NOW_US, named, project

ALICES, BOBS = ALICE.did, BOB.did


async def test_a_name_means_one_author_until_it_is_said_to_mean_another(store: Store) -> None:
    alice = Petname("alice", ALICES, NOW_US)
    assert await store.set_petname("alice", ALICES) == (None, alice)
    assert await store.set_petname("alice", ALICES) == (alice, alice)
    assert await store.set_petname("alice", BOBS) == (alice, alice)
    assert await store.petname("alice") == alice
    bob = Petname("alice", BOBS, NOW_US)
    assert await store.set_petname("alice", BOBS, replaces=True) == (alice, bob)
    assert await store.authors_called(["alice", "carol"]) == {"alice": BOBS}
    assert await store.remove_petname("alice")
    assert not await store.remove_petname("alice")
    assert await store.petname("alice") is None
    assert await store.authors_called(["alice"]) == await store.authors_called([]) == {}


async def test_names_are_listed_in_their_order_a_page_at_a_time(store: Store) -> None:
    for name in ("carol", "al", "bob", "alice"):
        await store.set_petname(name, ALICES)
    seen: list[str] = []
    after: str | None = None
    while True:
        page, after = await store.petnames(3, after)
        seen += [one.name for one in page]
        if after is None:
            break
    assert seen == ["al", "alice", "bob", "carol"]
    assert (await store.petnames(4))[1] is None


async def test_the_time_is_when_a_name_came_to_mean_its_author(tmp_path: Path) -> None:
    now_us = NOW_US
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: now_us) as store:
        await store.set_petname("alice", ALICES)
        now_us += 1
        _, same = await store.set_petname("alice", ALICES, replaces=True)
        _, moved = await store.set_petname("alice", BOBS, replaces=True)
    assert (same.noted_us, moved.noted_us) == (NOW_US, NOW_US + 1)


async def test_there_is_an_end_to_names(store: Store) -> None:
    for number in range(PETNAMES_MAX):
        await store.set_petname(f"n{number}", ALICES)
    with pytest.raises(OverQuota, match="1,000"):
        await store.set_petname("one-more", ALICES)
    await store.set_petname("n0", BOBS, replaces=True)
    assert len((await store.petnames())[0]) == PETNAMES_MAX


async def test_names_outlive_a_restart_and_a_rebuilding(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await store.commit(ALICE.document("io.alice.clock"), named("clock"), ALICE.signer)
        await store.set_petname("alice", ALICES)
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await store.rematerialise()
        assert await store.petname("alice") == Petname("alice", ALICES, NOW_US)


async def test_a_home_from_before_there_were_names(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    names = [one.name for one in migrations()]
    before = migrations()[: names.index("0003_petnames")]
    migrate(path, before)
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO known_peer VALUES ('10.0.0.2:4747', NULL, NULL, 'static', 1)")
        database.commit()
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        assert [peer.address for peer in await store.known_peers()] == ["10.0.0.2:4747"]
        await store.set_petname("alice", ALICES)
        assert await store.authors_called(["alice"]) == {"alice": ALICES}
    assert path.with_name(f"{path.name}.before-0003").exists()
