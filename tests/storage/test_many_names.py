"""A blob whose few bytes name very many chunks keeps nobody waiting who writes."""

import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from blake3 import blake3

from crdt.blob import BlobId
from crdt.digest import payload_digest
from storage.store import Store
from tests.storage.test_folding import opened, row_counts
from tests.storage.test_named_pages import page_of, root_of

PAGES = 48
OF_PAGE = 1024
BOTH = [blake3(b"one").digest(length=4096), blake3(b"other").digest(length=4096)]
TICK = 1_000  # instructions of SQLite


class Work:
    """What was done on the two connections that write, in ticks by statement."""

    def __init__(self) -> None:
        self.ticks: Counter[str] = Counter()
        self._now = ""

    async def watch(self, store: Store) -> None:
        database = store._database  # pyright: ignore[reportPrivateUsage]  # as no caller can see it
        await database.lazily(self._of)
        async with database.transaction() as write:
            await write.at_once(self._of)

    def _of(self, connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(self._began)
        connection.set_progress_handler(self._tick, TICK)

    def _began(self, sql: str) -> None:
        self._now = sql

    def _tick(self) -> int:
        self.ticks[self._now] += 1
        return 0


def forged(*, is_one_page: bool) -> tuple[list[bytes], BlobId, bytes]:
    """Its pages name the same two chunks over and over, in another order each."""
    orders = [[BOTH[number >> (at % 8) & 1] for at in range(OF_PAGE)] for number in range(PAGES)]
    pages = [page_of(BOTH * (OF_PAGE // 2) if is_one_page else order) for order in orders]
    return pages, *root_of([(page, 4096 * OF_PAGE, OF_PAGE) for page in pages])


@pytest.mark.parametrize("is_one_page", [True, False])
async def test_all_it_names_is_looked_at_beside_whoever_writes(
    tmp_path: Path, *, is_one_page: bool
) -> None:
    pages, blob, root = forged(is_one_page=is_one_page)
    async with opened(tmp_path) as store:
        await store.begin_blob(blob, root)
        for number in (await store.missing_pages(blob))[: 1 if is_one_page else PAGES]:
            await store.add_page(blob, number, pages[number])
        assert not (await store.begin_blob(blob, root)).is_complete
        await store.add_chunks(blob, [(0, BOTH[0])])
        last = [pages[-1][at : at + 32] for at in range(0, len(pages[-1]), 36)]
        other = last.index(payload_digest(BOTH[1]))
        work = Work()
        await work.watch(store)
        index = other if is_one_page else (PAGES - 1) * OF_PAGE + other
        await store.add_chunks(blob, [(index, BOTH[1])])
        while await store.missing_chunks(blob):
            pass
        assert await store.has_blob(blob)
        assert await store.read_chunk(blob, index) == BOTH[1]
    assert row_counts(tmp_path) == [0] * 5
    # Its places are told, some 65,536 at once, and rows of pages go, 64 at once.
    known = ("SELECT b.first", "DELETE FROM page ")
    others = {sql: count for sql, count in work.ticks.items() if not sql.startswith(known)}
    assert sum(others.values()) < 300, others
