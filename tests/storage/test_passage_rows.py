"""Which halves of passages a list has: found by their ends, and told apart by who says them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crdt.keys import COMMONS
from node.projection import project
from storage.passage_rows import Halves
from storage.store import open_store
from tests.node.halves import said_by
from tests.storage.people import ALICE, BOB, CAROL, NOW_US

MEADOW, REEF, FAR = (
    f"{ALICE.did}/universe:meadow", f"{BOB.did}/universe:reef", f"{CAROL.did}/universe:reef",
)  # fmt: skip


@pytest.mark.parametrize(
    ("halves", "found"),
    [
        (Halves(), ["accepted", "far", "meddling", "near"]),
        (Halves(are_proposals=True), ["far", "near"]),
        (Halves(REEF), ["accepted", "meddling", "near"]),
        (Halves(REEF, are_proposals=True), ["near"]),
        (Halves("universe:reef", are_proposals=True), ["far", "near"]),
        (Halves(MEADOW, are_proposals=True), ["far", "near"]),
        (Halves("reef"), []), (Halves(f"{ALICE.did}/universe:reef"), []),
        (Halves("universe:%"), []), (Halves("/universe:reef"), []),
    ],
)  # fmt: skip
async def test_halves_are_those_of_an_end(tmp_path: Path, halves: Halves, found: list[str]) -> None:
    entries = [
        said_by(ALICE, "near", MEADOW, REEF),
        said_by(BOB, "accepted", MEADOW, REEF, proposal=f"{ALICE.did}/near"),
        said_by(CAROL, "meddling", MEADOW, REEF),
        said_by(CAROL, "far", FAR, MEADOW),
    ]
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        assert not (await store.receive(entries, source="sync")).refused
        page = await store.listings("passage", sort="name", namespaces=[COMMONS], halves=halves)
    assert [row.listing.record for row in page.rows] == found


@pytest.mark.parametrize("end", [REEF, "universe:reef"])
async def test_of_passages_of_others_no_row_is_read(tmp_path: Path, end: str) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US):
        pass
    asked = Halves(end).documents()
    assert asked is not None
    with closing(sqlite3.connect(tmp_path / "p.db")) as database:
        plan = database.execute(f"EXPLAIN QUERY PLAN {asked[0]}", asked[1]).fetchall()
    steps = [str(step[3]) for step in plan]
    for name in ("source", "target"):
        assert any(f"SEARCH p USING INDEX passage_by_{name} (<expr>=?" in one for one in steps)
    assert not any("SCAN" in one for one in steps), steps
