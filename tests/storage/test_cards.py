"""The newest card of each device, who told of it, and how little of a flood is kept."""

from pathlib import Path

from crdt.keys import AuthorKey, DeviceKey
from storage.cards import CARDS_OF_SOURCE_MAX, SOURCES_OF_DEVICE_MAX, HeldCard
from storage.store import Store, open_store
from tests.storage.people import NOW_US, project

HOUR_US = 3_600_000_000


def key(number: int) -> DeviceKey:
    return DeviceKey(number.to_bytes(32, "big"))


def card(number: int, issued_us: int = NOW_US, *, until_us: int = NOW_US + HOUR_US) -> HeldCard:
    author = AuthorKey(bytes(31) + bytes([number % 3]))
    return HeldCard(key(number), author, issued_us, until_us, f"{number} {issued_us}".encode())


async def test_the_newest_counts_whoever_brings_it(store: Store) -> None:
    assert await store.keep_card(card(1, NOW_US - 5), "mdns")
    assert await store.keep_card(card(1, NOW_US), "peer:bob")
    assert not await store.keep_card(card(1, NOW_US - 5), "dht")
    assert not await store.keep_card(card(1, NOW_US), "dht")
    assert await store.cards() == [card(1, NOW_US)]
    assert await store.card(key(1)) == card(1, NOW_US)
    assert await store.card(key(2)) is None
    assert await store.card_sources() == {key(1): ("dht", "mdns", "peer:bob")}


async def test_the_devices_of_an_author_are_found(store: Store) -> None:
    for number in range(1, 7):
        await store.keep_card(card(number), "mdns")
    hers = AuthorKey(bytes(31) + b"\1")
    assert [one.device for one in await store.cards_of([hers])] == [key(1), key(4)]
    assert await store.cards_of([]) == []


async def test_what_has_run_out_is_neither_given_nor_kept(tmp_path: Path) -> None:
    now_us = NOW_US
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: now_us) as store:
        await store.keep_card(card(1), "mdns")
        now_us += HOUR_US
        assert await store.cards() == []
        assert await store.card(key(1)) is None
        assert await store.cards_of([card(1).author]) == []
        await store.keep_card(card(2, until_us=now_us + 1), "mdns")
        assert [one.device for one in await store.cards()] == [key(2)]


async def test_a_flood_from_one_side_pushes_out_nobody_else(store: Store) -> None:
    await store.keep_card(card(1), "invite")
    for number in range(2, CARDS_OF_SOURCE_MAX + 12):
        await store.keep_card(card(number, NOW_US + number), "dht")
    kept = {one.device for one in await store.cards()}
    assert key(1) in kept
    assert len(kept) == CARDS_OF_SOURCE_MAX + 1


async def test_a_device_has_few_sources(store: Store) -> None:
    for number in range(2 * SOURCES_OF_DEVICE_MAX):
        await store.note_source(key(1), f"peer:{number:02}")
    assert len((await store.card_sources())[key(1)]) == SOURCES_OF_DEVICE_MAX


async def test_all_is_there_after_a_restart_until_it_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await store.keep_card(card(1), "mdns")
        await store.note_source(key(2), "static")
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        assert await store.cards() == [card(1)]
        assert await store.card_sources() == {key(1): ("mdns",), key(2): ("static",)}
        await store.forget_card(key(1))
        assert await store.cards() == []
        assert set(await store.card_sources()) == {key(2)}
