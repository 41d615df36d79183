"""What is left of snapshots that were only partly stored goes when a node starts, or stays."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from node.wiring import _given_back, _not_given_back  # pyright: ignore[reportPrivateUsage]  # of a node's task
from tests.storage.test_folding import opened
from tests.storage.test_named_pages import ENDING, FORGED, ID, hold_forged


async def test_what_cannot_be_given_back_is_told_and_ends_no_node(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    is_told = asyncio.Event()

    def tell(error: Exception) -> None:
        _not_given_back(error)
        is_told.set()

    async with opened(tmp_path) as store:
        await hold_forged(store, tmp_path, FORGED["a chunk more"])
        task = asyncio.ensure_future(store.keep_giving_back(_given_back, tell))
        async with asyncio.timeout(60):
            await is_told.wait()
        assert await store.read_blob(ID) == b"".join(ENDING)
        assert not task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    (said,) = caplog.messages
    assert "stays" in said
