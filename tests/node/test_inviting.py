"""The desk at which invites are redeemed, over a real store that cannot always be written."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from node.events import Events
from node.home import Home
from node.identity import load_or_create
from node.inviting import Desk
from node.services.namespaces import Keeper
from node.tasks import background_tasks
from p2p.protocol.frames import Bye
from p2p.protocol.invites.frames import (
    REDEEM_KIND,
    Redeem,
    decode_invite_frame,
    encode_invite_frame,
)
from p2p.protocol.invites.guesses import HOST_GUESSES
from p2p.transport.address import Address
from p2p.transport.inbound import Arrival, Caller
from p2p.transport.place import RelayedPlace
from registry.listings import project
from storage.store import open_store
from tests.e2e.mallory import Mallory
from tests.p2p.transport.test_network import open_node
from tests.storage.full_disk import largest_file
from tests.storage.test_invites import INVITE, Clock

WAIT_S = 20.0


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not is_true():  # noqa: ASYNC110 - a log and a task have no event for us
            await asyncio.sleep(0.01)


@asynccontextmanager
async def open_desk(
    folder: Path, clock: Clock, show: Callable[[tuple[bytes, ...]], None]
) -> AsyncGenerator[Desk]:
    home = Home(folder / "home")
    home.make()
    identity = load_or_create(home, os.urandom)
    async with open_store(home.database, project=project, clock_us=lambda: clock.now_us) as store:
        keeper = Keeper(home, identity, store, os.urandom)
        yield Desk(
            keeper, Events(), lambda: b"", lambda card: None, show,
            clock=asyncio.get_running_loop().time, wall_us=lambda: clock.now_us,
        )  # fmt: skip


async def test_a_disk_that_is_full_when_an_invite_ends_does_not_end_the_node(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, shown = Clock(), list[tuple[bytes, ...]]()
    async with open_desk(tmp_path, clock, shown.append) as desk, background_tasks() as tasks:
        store = desk.keeper.store
        await store.add_invite(INVITE)
        running = tasks.create_task(desk.run(), name="invites")
        await until(lambda: len(shown) == 1)
        clock.now_us = INVITE.expires_us
        with largest_file(1), caplog.at_level(logging.WARNING):
            desk.changed.set()
            await until(lambda: running.done() or "cannot be ended" in caplog.text)
        assert not running.done()
        desk.changed.set()
        await until(lambda: len(shown) == 2)
        assert [one.state for one in await store.invites()] == ["expired"]


async def test_who_guesses_through_a_relay_keeps_out_nobody_else(tmp_path: Path) -> None:
    relay = Address("192.0.2.1", 4747)
    async with (
        open_desk(tmp_path, Clock(), lambda signs: None) as desk,
        open_node(tmp_path / "a", 1) as alice,
    ):

        async def relayed(arrival: Arrival) -> None:
            place = RelayedPlace("circuit", arrival.stream.device, relay)
            caller = Caller(place, arrival.stream.carrier)
            await desk.receive(replace(arrival, caller=caller))

        alice.network.serve_arrivals((REDEEM_KIND,), relayed)

        async def guess(mallory: Mallory) -> str:
            async with mallory.calls(alice.address) as call:
                await call.stream.write([encode_invite_frame(Redeem(os.urandom(16), bytes(32)))])
                frame = decode_invite_frame(await call.stream.read())
            assert isinstance(frame, Bye)
            return frame.code

        mallory = Mallory()
        said = [await guess(mallory) for _ in range(HOST_GUESSES + 1)]
        assert said == ["no-such-invite"] * HOST_GUESSES + ["invite-slow"]
        assert await guess(Mallory()) == "no-such-invite"
