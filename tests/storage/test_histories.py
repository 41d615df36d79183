"""What counts depends on what is held and on nothing else: random histories, in random orders."""

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

import storage.append
from crdt.area import Area
from crdt.capability import WRITE, Capability, encode_capability
from crdt.change import Signer, log_of
from crdt.keys import COMMONS
from crdt.path import AUTHORITY
from crdt.statement import Revoke, Statement, Unrevoke
from storage.store import open_store
from tests.storage.histories import ALICES, KEYS, Historian, History, tell
from tests.storage.people import NOW_US, project

DERIVED = {
    "documents": "SELECT id, heads, changes, left_out, carried FROM document",
    "left out": "SELECT e.id, d.id, l.code FROM left_out l JOIN entry e ON e.number = l.entry"
    " JOIN document d ON d.number = l.document",
    "statements": "SELECT e.id, s.type, s.stands, s.in_force, s.is_known FROM statement s"
    " JOIN entry e ON e.number = s.entry",
    "frontiers": "SELECT e.id, f.document, f.heads FROM frontier f JOIN entry e"
    " ON e.number = f.statement",
    "listings": "SELECT d.id, l.name, l.description, l.stars_sum, l.stars_count, l.installs"
    " FROM listing l JOIN document d ON d.number = l.document",
    "ratings": "SELECT d.id, r.target, r.stars FROM rating r JOIN document d"
    " ON d.number = r.document",
    "stale": "SELECT document FROM stale",
}


def outcome(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as database:
        return {name: sorted(database.execute(sql), key=repr) for name, sql in DERIVED.items()}


async def told(history: History, seed: int, batch_max: int, *, again: bool = False) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.db"
        async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
            await tell(store, history, seed, batch_max=batch_max)
            if again:
                before = outcome(path)
                await store.rematerialise()
                after = outcome(path)
                assert after == before, "made again it is the same"
        return outcome(path)


@pytest.mark.parametrize("seed", range(12))
def test_what_counts_is_a_function_of_what_is_held(seed: int) -> None:
    history = Historian(seed).make(30)
    wanted = asyncio.run(told(history, 0, 1_000, again=True))
    for order in range(1, 3):
        assert asyncio.run(told(history, order, 1 + 4 * (order % 2), again=True)) == wanted


def left_out(path: Path) -> set[bytes]:
    with closing(sqlite3.connect(path)) as database:
        return {
            id
            for id, namespace in database.execute(
                "SELECT e.id, n.key FROM left_out l JOIN entry e ON e.number = l.entry"
                " JOIN document d ON d.number = l.document"
                " JOIN namespace n ON n.number = d.namespace"
            )
            if namespace == COMMONS
        }


@pytest.mark.parametrize("seed", range(12))
async def test_what_is_tried_out_is_what_then_happens(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.append, "STALE_AT_ONCE", 1)  # as where thousands are concerned
    history = Historian(seed).make(40)
    path = tmp_path / "p.db"
    log = log_of(COMMONS, ALICES, AUTHORITY)
    right = encode_capability(Capability(WRITE, COMMONS, ALICES))
    signer = Signer(KEYS["alice"], ALICES, {AUTHORITY: right})
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await tell(store, history, 0, batch_max=1_000)
        said: list[Statement] = [
            Revoke(KEYS[name].public, area=Area(ALICES, path))
            for name in ("phone", "laptop", "bob", "carol")
            for path in ((), (b"pub", b"mod", b"dice"))
        ]
        changes = 0
        while said:
            statement = said.pop()
            before = left_out(path)
            effect = await store.effect_of(statement, log, right)
            assert left_out(path) == before
            done = await store.declare(statement, log, signer)
            await store.settle()
            after = left_out(path)
            assert {one.id for one in effect.gone} == after - before
            assert {one.id for one in effect.back} == before - after
            changes += len(before ^ after)
            if isinstance(statement, Revoke) and seed % 2:
                said.append(Unrevoke(done.signed.entry.payload_digest))
        assert changes, "some of it decided something"
