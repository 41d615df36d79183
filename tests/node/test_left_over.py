"""What is left of snapshots that were only partly stored goes when a node starts, or stays."""

from pathlib import Path

import pytest

from node.wiring import _give_back  # pyright: ignore[reportPrivateUsage]  # a task of a node's
from tests.storage.test_folding import opened
from tests.storage.test_named_pages import ENDING, FORGED, ID, hold_forged


async def test_what_cannot_be_given_back_is_told_and_ends_no_node(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as store:
        await hold_forged(store, tmp_path, FORGED["a chunk more"])
        await _give_back(store)
        assert await store.read_blob(ID) == b"".join(ENDING)
    (said,) = caplog.messages
    assert "stays" in said
