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
from crdt.change import DocumentId, Signer, log_of
from crdt.held import Revocation
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from crdt.path import AUTHORITY
from crdt.statement import Frontier, Revoke, Statement, Unrevoke
from storage.authorities import Committed, Effect
from storage.store import Store, open_store
from tests.storage.histories import (
    ALICES,
    GROUP,
    KEYS,
    TIMES,
    Historian,
    History,
    Right,
    roots_of,
    tell,
)
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
    "attestations": "SELECT d.id, a.evaluation, a.genome, a.said FROM attestation a"
    " JOIN document d ON d.number = a.document",
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


def left_out(path: Path) -> dict[bytes, str]:
    """Each entry that does not count, in any namespace, and why."""
    with closing(sqlite3.connect(path)) as database:
        return dict(
            database.execute(
                "SELECT e.id, l.code FROM left_out l JOIN entry e ON e.number = l.entry"
            )
        )


async def tried_and_done(
    store: Store, path: Path, statement: Statement, log: DocumentId, signer: Signer
) -> tuple[Committed, Effect]:
    """Tries `statement` out and says it: exactly that happens, for those reasons."""
    before = left_out(path)
    effect = await store.effect_of(statement, log, signer.capabilities[log.cls])
    assert left_out(path) == before, "nothing of it stayed"
    done = await store.declare(statement, log, signer)
    await store.settle()
    after = left_out(path)
    after.pop(done.id, None)  # whoever says it may have lost the right to
    assert {one.id: one.code for one in effect.gone} == {
        id: code for id, code in after.items() if id not in before
    }
    assert {one.id: one.code for one in effect.back} == {
        id: code for id, code in before.items() if id not in after
    }
    return done, effect


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
            done, effect = await tried_and_done(store, path, statement, log, signer)
            changes += len(effect.gone) + len(effect.back)
            if isinstance(statement, Revoke) and seed % 2:
                said.append(Unrevoke(done.signed.entry.payload_digest))
        assert changes, "some of it decided something"


AREAS = (
    Area(),
    Area(ALICES),
    Area(ALICES, (b"pub",)),
    Area(ALICES, (b"pub", b"mod")),
    Area(ALICES, (b"rate",)),
    Area(ALICES, (b"pub", b"mod", b"clock")),
    Area(None, (b"pub", b"mod", b"dice")),
)


async def kept(
    historian: Historian, store: Store, namespace: NamespaceKey, revocation: Revocation
) -> Frontier:
    """What a revocation leaves: nothing, all, what was signed before a moment, or some of it."""
    random = historian.random
    match random.randrange(4):
        case 0:
            return Frontier()
        case 1:
            return Frontier(await store.frontier_now(namespace, revocation))
        case 2:
            before = random.randrange(1, TIMES)
            return Frontier(await store.frontier_now(namespace, revocation, before=before))
        case _:
            frontier = historian.frontier(namespace)
            if frontier.blob is not None:
                await store.put_blob(historian.history.blobs[-1])
            return frontier


@pytest.mark.parametrize("namespace", [COMMONS, GROUP], ids=["commons", "group"])
@pytest.mark.parametrize("seed", range(8))
async def test_what_is_tried_out_after_other_revocations_by_anybody_is_what_then_happens(
    seed: int, namespace: NamespaceKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In areas, with frontiers that keep a part, in groups whose members take back, too.

    What was said before stays in force, but for what is taken back.
    """
    monkeypatch.setattr(storage.append, "STALE_AT_ONCE", 1)
    historian = Historian(3 * seed)  # those with a group
    random = historian.random
    path = tmp_path / "p.db"
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await tell(store, historian.make(60, is_quiet=seed % 2 == 0), 0, batch_max=1_000)
        said: list[tuple[AuthorKey, Right, bytes]] = []
        gone = 0
        for _ in range(24):
            subspace, right = random.choice(roots_of(namespace))
            key = KEYS[random.choice(("phone", "laptop", "bob", "carol", "alice"))].public
            revocation = Revocation(right.device.public, key, area=random.choice(AREAS))
            frontier = await kept(historian, store, namespace, revocation)
            statement: Statement = Revoke(key, frontier, revocation.area)
            if len(said) > 2 and random.random() < 0.4:
                subspace, right, revoked = said.pop(random.randrange(len(said)))
                statement = Unrevoke(revoked)
            log = log_of(namespace, subspace, AUTHORITY)
            signer = right.signer(AUTHORITY)
            done, effect = await tried_and_done(store, path, statement, log, signer)
            gone += len(effect.gone)
            if isinstance(statement, Revoke):
                said.append((subspace, right, done.signed.entry.payload_digest))
        cuts = await store.cuts(namespace)
        assert len(cuts) > 2, "several are in force at once"
        assert gone or seed % 2, "and decided something, where nothing was decided before"
