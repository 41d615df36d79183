"""What changed is told record by record, or as one gap: nothing is passed over in silence."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from node.events import Events
from node.news import PENDING_MAX, tell_news
from storage.store import Store, open_store
from tests.storage.people import ALICE, NOW_US, named, project


async def published(store: Store, numbers: range) -> None:
    entries = [ALICE.publishes(f"io.alice.m{n}", named(f"m{n}")) for n in numbers]
    await store.receive(entries, source="peer")


async def test_what_comes_while_others_are_told_is_told_or_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, is_read, go_on = Events(), asyncio.Event(), asyncio.Event()
    async with (
        open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store,
        asyncio.TaskGroup() as tasks,
        asyncio.timeout(60),
    ):
        called = store.called

        async def slow(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - as it was called
            is_read.set()
            await go_on.wait()
            return await called(*args, **named)

        monkeypatch.setattr(store, "called", slow)
        telling = tasks.create_task(tell_news(store, events))
        await asyncio.sleep(0)
        await published(store, range(10))
        await is_read.wait()
        await published(store, range(10, 10 + 2 * PENDING_MAX))
        go_on.set()
        async with aclosing(events.follow(0)) as told:
            assert [(await anext(told)).type for _ in range(2)] == ["record", "gap"]
            await published(store, range(500, 501))
            last = await anext(told)
            assert (last.type, b'"io.alice.m500"' in last.data) == ("record", True)
        telling.cancel()
