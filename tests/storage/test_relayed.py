"""What a relay keeps for others, within its bounds, and what is left of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from storage.relayed import (
    ROW_BYTES,
    CardRow,
    LetterRow,
    PostRow,
    RelayBounds,
    RelayHeld,
    TakenRow,
)
from storage.store import Store, open_store
from tests.storage.people import NOW_US, project

ALICE, BOB, CAROL = (bytes([n]) * 32 for n in (1, 2, 3))
DAY_US = 86_400_000_000
LATER_US = NOW_US + DAY_US
BOUNDS = RelayBounds(
    letters_of_sender=3,
    letters_of_sender_bytes=10_000,
    letters_of_receiver=4,
    letters_of_receiver_bytes=10_000,
    letters_bytes=50_000,
    posts_of_device=2,
    posts=3,
    cards=3,
    known_us=30 * DAY_US,
)


def card(device: bytes, issued_us: int = NOW_US, host: str = "192.0.2.1") -> CardRow:
    return CardRow(device, device, b"card %d" % issued_us, issued_us, LATER_US, host)


def letter(number: int, sender: bytes = ALICE, to: bytes = BOB, size: int = 10) -> LetterRow:
    return LetterRow(sender, to, bytes([number]) * 16, bytes(size), LATER_US)


async def ids_of(store: Store, receiver: bytes = BOB, *without: bytes) -> list[int]:
    return [id[0] for id, _ in await store.relay_letters(receiver, without, 100)]


async def test_letters_wait_in_order_until_they_are_taken(tmp_path: Path) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        kept = await store.relay_keep([card(BOB), letter(2), letter(1), letter(2)], BOUNDS)
        assert kept == ["", "", "", ""], "the same letter again is as once"
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        assert await ids_of(store) == [2, 1]
        assert await ids_of(store, BOB, bytes([2]) * 16) == [1]
        await store.relay_keep([TakenRow(ALICE, (bytes([2]) * 16,))], BOUNDS)
        assert await ids_of(store) == [2, 1], "only the receiver takes them"
        await store.relay_keep([TakenRow(BOB, (bytes([2]) * 16,))], BOUNDS)
        assert await ids_of(store) == [1]


async def test_nobody_writes_to_whoever_was_never_here(tmp_path: Path) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        assert await store.relay_keep([letter(1)], BOUNDS) == ["not-known-here"]


async def test_a_sender_and_a_receiver_have_so_much_room(tmp_path: Path) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        await store.relay_keep([card(BOB), card(CAROL)], BOUNDS)
        by_alice = await store.relay_keep([letter(n) for n in range(4)], BOUNDS)
        assert by_alice == ["", "", "", "too-many-letters"]
        by_carol = await store.relay_keep([letter(n, CAROL) for n in range(2)], BOUNDS)
        assert by_carol == ["", "mailbox-full"]
        await store.relay_keep([TakenRow(BOB, (bytes(16),))], BOUNDS)
        assert await store.relay_keep([letter(9, ALICE)], BOUNDS) == [""], "what was taken counts"


@pytest.mark.parametrize(
    ("bounds", "code"),
    [
        (replace(BOUNDS, letters_of_receiver_bytes=1_000), "mailbox-full"),
        (replace(BOUNDS, letters_of_sender_bytes=1_000), "too-many-letters"),
        (replace(BOUNDS, letters_bytes=1_000), "relay-full"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_bytes_are_bounded_too(tmp_path: Path, bounds: RelayBounds, code: str) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        fits = letter(1, size=1_000 - ROW_BYTES)
        kept = await store.relay_keep([card(BOB), fits, letter(2, size=1)], bounds)
        assert kept == ["", "", code]


async def test_what_is_too_old_is_neither_given_nor_kept(tmp_path: Path) -> None:
    now_us = NOW_US
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: now_us) as store:
        post = PostRow(ALICE, CAROL, b"sealed", LATER_US)
        await store.relay_keep([card(BOB), letter(1), post], BOUNDS)
        assert await store.relay_held() == RelayHeld(1, 1, 10 + ROW_BYTES, 1)
        now_us = LATER_US
        assert await ids_of(store) == []
        assert await store.relay_post(CAROL) is None
        assert await store.relay_cards(BOB, is_author=False, limit=7) == []
        await store.relay_expire(BOUNDS)
        assert await store.relay_held() == RelayHeld(1, 0, 0, 0), "bob may still get letters"
        now_us = NOW_US + BOUNDS.known_us
        await store.relay_expire(BOUNDS)
        assert await store.relay_held() == RelayHeld(0, 0, 0, 0)


async def test_the_newest_card_of_a_device_counts(tmp_path: Path) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        await store.relay_keep([card(BOB, NOW_US), card(BOB, NOW_US - 1)], BOUNDS)
        assert await store.relay_cards(BOB, is_author=True, limit=7) == [b"card %d" % NOW_US]


async def test_the_least_recent_devices_are_forgotten(tmp_path: Path) -> None:
    now_us = NOW_US
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: now_us) as store:
        for n in range(5):
            now_us = NOW_US + n
            await store.relay_keep([card(bytes([n]) * 32)], BOUNDS)
        keys = [bytes([n]) * 32 for n in range(5)]
        held = [await store.relay_cards(key, is_author=False, limit=1) for key in keys]
        assert [len(one) for one in held] == [0, 0, 1, 1, 1]


async def test_one_host_with_many_keys_makes_nobody_else_forgotten(tmp_path: Path) -> None:
    now_us = NOW_US
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: now_us) as store:
        await store.relay_keep([card(ALICE, host="192.0.2.1"), card(BOB, host="192.0.2.2")], BOUNDS)
        flood = [bytes([n]) * 32 for n in range(100, 120)]
        for key in flood:
            now_us += 1
            await store.relay_keep([card(key, host="198.51.100.7")], BOUNDS)
        assert (await store.relay_held()).cards == BOUNDS.cards
        assert await store.relay_keep([letter(1), letter(2, to=ALICE)], BOUNDS) == ["", ""]
        assert await store.relay_keep([letter(3, to=flood[0])], BOUNDS) == ["not-known-here"]
        assert await store.relay_keep([letter(4, to=flood[-1])], BOUNDS) == [""], "it has a share"


async def test_a_device_counts_for_the_host_from_which_it_came_last(tmp_path: Path) -> None:
    now_us = NOW_US
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: now_us) as store:
        await store.relay_keep([card(key, host="192.0.2.1") for key in (ALICE, BOB)], BOUNDS)
        now_us += 1
        await store.relay_keep([card(BOB, host="192.0.2.2")], BOUNDS)
        for key in (b"c" * 32, b"d" * 32):
            now_us += 1
            await store.relay_keep([card(key, host="192.0.2.2")], BOUNDS)
        assert await store.relay_keep([letter(1)], BOUNDS) == ["not-known-here"]
        assert await store.relay_keep([letter(1, to=ALICE)], BOUNDS) == [""]


async def test_posts_are_their_devices_own(tmp_path: Path) -> None:
    def post(device: bytes, tag: int, sealed: bytes = b"sealed") -> PostRow:
        return PostRow(device, bytes([tag]) * 32, sealed, LATER_US)

    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        rows = [post(ALICE, 1), post(BOB, 1, b"other"), post(ALICE, 1, b"newer"), post(ALICE, 2)]
        assert await store.relay_keep(rows, BOUNDS) == ["", "tag-taken", "", ""]
        assert await store.relay_post(bytes([1]) * 32) == b"newer"
        rows = [post(ALICE, 3), post(BOB, 3), post(BOB, 4)]
        assert await store.relay_keep(rows, BOUNDS) == ["too-many-posts", "", "relay-full"]
