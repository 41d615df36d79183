"""Invites in the store: of two who come at once one is first, and what is secret goes."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from crdt.keys import AuthorKey, DeviceKey
from storage.errors import OverQuota
from storage.invites import INVITES_KEPT_MAX, INVITES_OPEN_MAX, SET_BACK_US, Invite
from storage.store import Store, open_store
from tests.storage.people import NOW_US, project

BOB, CAROL = AuthorKey(b"b" * 32), AuthorKey(b"c" * 32)
PHONE, TABLET = DeviceKey(b"p" * 32), DeviceKey(b"t" * 32)
INVITE = Invite(
    id=b"invite 1",
    tag=b"tag of invite 01",
    key=b"the key of invite 1 is a secret.",
    seed=b"the seed of invite 1 is too ....",
    terms=b"what is offered",
    state="open",
    wrong=0,
    made_us=NOW_US,
    expires_us=NOW_US + 60_000_000,
)
SECRETS = (INVITE.key, INVITE.seed, b"what was given to bob")


class Clock:
    now_us = NOW_US


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncGenerator[Store]:
    async with open_store(
        tmp_path / "p.db", project=project, clock_us=lambda: clock.now_us
    ) as store:
        await store.add_invite(INVITE)
        yield store


def numbered(number: int) -> Invite:
    eight, sixteen = number.to_bytes(8, "big"), number.to_bytes(16, "big")
    return replace(INVITE, id=eight, tag=sixteen, made_us=NOW_US + number)


async def test_an_invite_is_claimed_once_and_by_the_same_again(store: Store) -> None:
    both = await asyncio.gather(
        store.claim_invite(INVITE.id, BOB, PHONE, b"what was given to bob", "bob"),
        store.claim_invite(INVITE.id, CAROL, TABLET, b"what was given to carol"),
    )
    assert [one is not None for one in both] == [True, False], "of two at once the first"
    again = await store.claim_invite(INVITE.id, BOB, TABLET, b"made anew")
    assert again is not None
    assert again.given == b"what was given to bob"
    assert (again.author, again.device) == (BOB, PHONE)

    done = await store.finish_invite(INVITE.id)
    assert done is not None
    assert (done.state, done.key, done.seed, done.given) == ("used", None, None, None)
    assert done.called == "bob"
    assert await store.claim_invite(INVITE.id, BOB, PHONE, b"") is None
    assert await store.finish_invite(INVITE.id) is None
    assert (await store.invites())[0] == done == await store.invite_tagged(INVITE.tag)
    await store.forget_invite(INVITE.id)
    assert not await store.invites()


async def test_a_cancelled_one_is_no_more(store: Store) -> None:
    was = await store.cancel_invite(INVITE.id)
    assert was == INVITE
    (now,) = await store.invites()
    assert (now.state, now.key, now.seed) == ("cancelled", None, None)
    assert await store.claim_invite(INVITE.id, BOB, PHONE, b"") is None
    again = await store.cancel_invite(INVITE.id)
    assert again is not None
    assert again.state == "cancelled"
    assert await store.cancel_invite(b"unheard ") is None


async def test_what_is_claimed_cannot_be_cancelled(store: Store) -> None:
    assert await store.claim_invite(INVITE.id, BOB, PHONE, b"")
    was = await store.cancel_invite(INVITE.id)
    assert was is not None
    assert was.state == "claimed"
    assert (await store.invites())[0].state == "claimed"


async def test_time_ends_what_was_not_used(store: Store, clock: Clock) -> None:
    await store.add_invite(numbered(2))
    await store.claim_invite(numbered(2).id, BOB, PHONE, b"given")
    assert await store.expire_invites() == []
    clock.now_us = INVITE.expires_us
    assert await store.claim_invite(INVITE.id, CAROL, TABLET, b"") is None, "before anybody looked"
    ended = await store.expire_invites()
    assert {(one.id, one.state, one.key) for one in ended} == {
        (INVITE.id, "expired", None),
        (numbered(2).id, "used", None),
    }
    assert await store.expire_invites() == []


async def test_a_clock_that_is_set_back_gives_no_invite_more_time(
    store: Store, clock: Clock
) -> None:
    """As where it was a year ahead when the invite was made: it would last a year."""
    clock.now_us = NOW_US - SET_BACK_US  # as time servers may do
    assert not await store.expire_invites()
    clock.now_us -= 1
    assert await store.claim_invite(INVITE.id, BOB, PHONE, b"given") is None
    assert [one.state for one in await store.expire_invites()] == ["expired"]
    clock.now_us = NOW_US
    assert await store.claim_invite(INVITE.id, BOB, PHONE, b"given") is None


async def test_wrong_guesses_end_an_open_invite(store: Store) -> None:
    states: list[str] = []
    for _ in range(3):
        found = await store.guessed_wrong(INVITE.id, 3)
        assert found is not None
        states.append(found.state)
    assert states == ["open", "open", "dead"]
    assert await store.claim_invite(INVITE.id, BOB, PHONE, b"") is None


async def test_wrong_guesses_do_not_take_from_somebody_what_they_claimed(store: Store) -> None:
    await store.claim_invite(INVITE.id, BOB, PHONE, b"given")
    found = await store.guessed_wrong(INVITE.id, 1)
    assert found is not None
    assert found.state == "claimed"


async def test_so_many_are_open_and_so_many_remembered(store: Store) -> None:
    for number in range(2, INVITES_OPEN_MAX + 1):
        await store.add_invite(numbered(number))
    with pytest.raises(OverQuota, match="cancel one"):
        await store.add_invite(numbered(99))
    for number in range(1_000, 1_000 + INVITES_KEPT_MAX + 3):
        await store.cancel_invite(numbered(number - 1).id if number > 1_000 else INVITE.id)
        await store.add_invite(numbered(number))
    found = await store.invites()
    assert sum(not one.is_live for one in found) == INVITES_KEPT_MAX


def contents(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


@pytest.mark.parametrize("end", ["used", "cancelled", "expired", "dead"])
async def test_no_byte_of_a_secret_is_left_in_the_home(tmp_path: Path, end: str) -> None:
    path, clock = tmp_path / "p.db", Clock()
    async with open_store(path, project=project, clock_us=lambda: clock.now_us) as store:
        await store.add_invite(INVITE)
        if end == "used":
            await store.claim_invite(INVITE.id, BOB, PHONE, b"what was given to bob")
    assert INVITE.seed is not None
    assert INVITE.seed in contents(tmp_path), "it was there"
    async with open_store(path, project=project, clock_us=lambda: clock.now_us) as store:
        match end:
            case "used":
                await store.finish_invite(INVITE.id)
            case "cancelled":
                await store.cancel_invite(INVITE.id)
            case "expired":
                clock.now_us = INVITE.expires_us
                await store.expire_invites()
            case _:
                await store.guessed_wrong(INVITE.id, 1)
    left = contents(tmp_path)
    assert not [secret for secret in SECRETS if secret and secret in left]


def test_what_is_secret_is_not_printed() -> None:
    assert "secret" not in repr(INVITE)
    assert "too ..." not in repr(INVITE)
