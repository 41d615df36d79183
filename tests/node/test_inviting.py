"""The desk at which invites are redeemed, over a real store that cannot always be written."""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from node.events import Events
from node.home import Home
from node.identity import load_or_create
from node.inviting import Desk
from node.services.namespaces import Keeper
from node.tasks import background_tasks
from registry.listings import project
from storage.store import open_store
from tests.storage.full_disk import largest_file
from tests.storage.test_invites import INVITE, Clock

WAIT_S = 20.0


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not is_true():  # noqa: ASYNC110 - a log and a task have no event for us
            await asyncio.sleep(0.01)


async def test_a_disk_that_is_full_when_an_invite_ends_does_not_end_the_node(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home, clock, shown = Home(tmp_path / "home"), Clock(), list[tuple[bytes, ...]]()
    home.make()
    identity = load_or_create(home, os.urandom)
    async with (
        open_store(home.database, project=project, clock_us=lambda: clock.now_us) as store,
        background_tasks() as tasks,
    ):
        await store.add_invite(INVITE)
        desk = Desk(
            Keeper(home, identity, store, os.urandom), Events(), lambda: b"", lambda card: None,
            shown.append, clock=asyncio.get_running_loop().time, wall_us=lambda: clock.now_us,
        )  # fmt: skip
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
