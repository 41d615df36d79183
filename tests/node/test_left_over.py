"""What a run left that was killed goes when a node starts; it is said, also where it stays."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from blake3 import blake3

from crdt.blob import Chunking
from node.left_over import AGAIN_MAX_S, AGAIN_S, LeftOver, keep_giving_back
from storage.mending import Mended
from storage.store import Store
from storage.vault_collecting import GivenBack
from tests.storage.test_folding import opened
from tests.storage.test_named_pages import ENDING, FORGED, ID, hold_forged

NOISE = blake3(b"a world").digest(length=9 << 20)


async def looks(store: Store, found: LeftOver, times: int) -> list[float]:
    """So many looks; how long it waited after each."""
    waits: list[float] = []
    enough = asyncio.Event()

    async def rest(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == times:
            enough.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(keep_giving_back(store, found, rest, pause_s=0))
    async with asyncio.timeout(60):
        await enough.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return waits


async def cut_off(path: Path) -> None:
    """An upload, in whose middle the process ends."""

    async def pieces() -> AsyncGenerator[bytes]:
        for at in range(0, len(NOISE), 1 << 20):
            yield NOISE[at : at + (1 << 20)]
        raise asyncio.CancelledError  # nothing is given back

    async with opened(path) as store:
        with pytest.raises(asyncio.CancelledError):
            await store.put_blob(pieces(), chunking=Chunking.CONTENT)


async def test_what_was_cut_off_is_given_back_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await cut_off(tmp_path)
    async with opened(tmp_path) as store:
        found = LeftOver(sudden=True, mended=store.mended)
        assert await looks(store, found, 1) == [AGAIN_S]
        shown = found.shown
        assert (shown.sudden, shown.cleaned, shown.lost) == (True, True, 0)
        assert shown.parts > 50
        assert 4 << 20 < shown.bytes < 10 << 20
        assert shown.words.startswith("the run before ended suddenly: ")
        assert shown.words.endswith(" MiB of uploads that were cut off given back")
    assert caplog.messages == [
        "the run before ended suddenly: still looking for what was cut off", shown.words
    ]  # fmt: skip


async def test_an_end_in_order_has_nothing_to_say(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
    caplog.set_level(logging.INFO)
    async with opened(tmp_path) as store:
        found = LeftOver(mended=store.mended)
        await looks(store, found, 3)
        assert found.shown.cleaned
        assert (found.shown.words, found.shown.bytes) == ("", 0)
    assert caplog.messages == []


async def test_uploads_that_go_on_keep_it_waiting_and_no_longer(tmp_path: Path) -> None:
    """Whoever sends again what was cut off is there before all was looked through."""
    await cut_off(tmp_path)
    async with opened(tmp_path) as store:
        found, come, go_on = LeftOver(sudden=True), asyncio.Event(), asyncio.Event()

        async def pieces() -> AsyncGenerator[bytes]:
            yield b"another world"
            come.set()
            await go_on.wait()

        async with asyncio.timeout(60):
            upload = asyncio.create_task(store.put_blob(pieces(), chunking=Chunking.CONTENT))
            await come.wait()
            assert await looks(store, found, 2) == [2 * AGAIN_S, 4 * AGAIN_S]
            assert (found.shown.cleaned, found.shown.parts) == (False, 0)
            assert "still looking" in found.shown.words
            go_on.set()
            blob = await upload
        assert await looks(store, found, 1) == [AGAIN_S]
        assert found.shown.cleaned
        assert found.shown.bytes > 4 << 20
        assert await store.read_blob(blob) == b"another world"


async def test_what_cannot_be_given_back_is_told_and_ends_no_node(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as store:
        await hold_forged(store, tmp_path, FORGED["a chunk more"])
        found = LeftOver()
        waits = await looks(store, found, 7)
        assert waits[-1] == AGAIN_MAX_S, "seldom, where it is in vain"
        assert not found.shown.cleaned
        assert await store.read_blob(ID) == b"".join(ENDING)
    assert len(caplog.messages) == len(waits)
    assert all("stays" in said for said in caplog.messages)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (LeftOver(cleaned=True), ""),
        (LeftOver(sudden=True, cleaned=True), "ended suddenly: nothing was left over"),
        (LeftOver(mended=Mended(bytes=2048), cleaned=True), "2.0 KiB of uploads"),
        (LeftOver(mended=Mended(chunks=3), cleaned=True), "3 chunks of blobs are lost"),
        (LeftOver(mended=Mended(blobs=2), cleaned=True), "2 blobs lay in snapshots.db"),
        (LeftOver(mended=Mended(is_rescued=True), cleaned=True), "snapshots.db had pages that"),
        (LeftOver(mended=Mended(kept="snapshots.db.old"), cleaned=True), "is kept as snapshots"),
        (LeftOver(mended=Mended(why_not_rescued="no room"), cleaned=True), "anew: no room. The"),
        (LeftOver(given=GivenBack(1, -5), cleaned=True), "0 B of uploads"),
    ],
)
def test_each_kind_of_it_has_its_words(found: LeftOver, words: str) -> None:
    assert words in found.shown.words
    assert bool(found.shown.words) == bool(words)
