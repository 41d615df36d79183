"""What is long is never read by the event loop, which would stand still for it."""

import json
import sqlite3
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crdt.change import DocumentId
from storage.database import FEW, Database, Row
from storage.errors import Corrupt
from storage.listing import Listing, Projection
from storage.listings import REMEMBERED_BYTES_MAX
from storage.store import Store, open_store
from tests.storage.people import ALICE, NOW_US, named, project

LONG = b"is long " * 125_000  # a megabyte: nearly what one listing may have
PAGE_BYTES = 4_096
SHORT = ["io.short", "io.shorter"]


def project_long(document: DocumentId, value: Mapping[str, Any]) -> Projection:
    """As `project`, with fields of a megabyte but for one record, and one that is just short."""
    listing = project(document, value)
    assert isinstance(listing, Listing)
    if listing.record == "io.shorter":
        return listing
    fields = LONG if listing.record != "io.short" else bytes(REMEMBERED_BYTES_MAX)
    return msgspec.structs.replace(listing, fields=fields)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    path = tmp_path / "p.db"
    async with open_store(path, project=project_long, clock_us=lambda: NOW_US) as opened:
        yield opened


@pytest.fixture
def read_at_once(monkeypatch: pytest.MonkeyPatch) -> list[list[Row]]:
    """What the event loop read by itself, one list for each time."""
    read: list[list[Row]] = []
    few_rows = Database.few_rows

    async def spied(self: Database, sql: str, values: Sequence[object] = ()) -> list[Row]:
        rows = await few_rows(self, sql, values)
        read.append(rows)
        return rows

    monkeypatch.setattr(Database, "few_rows", spied)
    return read


async def publish(store: Store, records: Sequence[str]) -> dict[str, int]:
    """The numbers of the documents, by record."""
    entries = [ALICE.publishes(record, named(record)) for record in records]
    await store.receive(entries, source="alice")
    return {record: number for record, _, number in await store.numbers_of("module", records)}


async def test_only_short_rows_are_read_by_the_event_loop(
    store: Store, read_at_once: list[list[Row]]
) -> None:
    records = [*(f"io.long{n}" for n in range(FEW - len(SHORT))), *SHORT]
    numbers = await publish(store, records)
    assert len(numbers) == FEW
    read_at_once.clear()
    for again in range(3):
        found = await store.listed([*numbers.values()])
        assert {row.listing.record: number for number, row in found.items()} == numbers
        for row in found.values():
            is_long = row.listing.record not in SHORT
            assert (row.listing.fields == LONG) is is_long
        by_loop = {row[0] for rows in read_at_once for row in rows}
        assert by_loop == {numbers[record] for record in SHORT}, again
    assert sum(map(len, read_at_once)) == len(SHORT), "they are remembered"


async def test_how_long_a_row_is_is_told_without_its_pages(
    store: Store, tmp_path: Path, read_at_once: list[list[Row]]
) -> None:
    """The pages of the long one are damaged: whoever read any of them would meet with that."""
    numbers = await publish(store, ["io.long", "io.shorter"])
    read_at_once.clear()
    path = tmp_path / "p.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = path.read_bytes()
    pages = [whole[at : at + PAGE_BYTES] for at in range(0, len(whole), PAGE_BYTES)]
    kept = [bytes(PAGE_BYTES) if page.count(b"is long ") > 500 else page for page in pages]
    assert kept.count(bytes(PAGE_BYTES)) > 200
    path.write_bytes(b"".join(kept))
    with pytest.raises(Corrupt):
        await store.listed([*numbers.values()])
    (rows,) = read_at_once
    assert [json.loads(row[10]) for row in rows] == [{"name": "io.shorter"}]
    path.write_bytes(whole)
