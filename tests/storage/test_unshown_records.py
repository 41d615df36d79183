"""What other records than universes name and do not show: by a row as if nothing were revoked."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crdt.blob import BlobId
from crdt.capability import WRITE, Capability, encode_capability
from crdt.change import DocumentId, SignedEntry, Signer, log_of
from crdt.held import Reason
from crdt.keys import COMMONS, AuthorKey
from crdt.marks import DELETED
from crdt.path import AUTHORITY, CHECKPOINT
from crdt.statement import Checkpoint, Frontier, Revoke
from registry.deletion import delete
from storage.listing import Projection
from storage.quota import Quota
from storage.store import Store, open_store
from tests.storage import people
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, named
from tests.storage.test_authority import LOG, ROOT
from tests.storage.test_carried import PHONE, all_of, here
from tests.storage.test_doubts_of_epochs import opened_with, raws_of, signed

CLOCK = ALICE.document("io.alice.clock")
MODULE = b"module" * 500


def project(document: DocumentId, value: Mapping[str, Any]) -> Projection:
    """As registries do: of what was deleted there is no row."""
    return None if value.get(DELETED) else people.project(document, value)


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[Store]:
    quota = Quota(own=frozenset({AuthorKey(ALICE.root.public)}))
    async with open_store(path, project=project, clock_us=lambda: NOW_US, quota=quota) as store:
        yield store


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    async with opened(tmp_path / "store.db") as store:
        yield store


@pytest_asyncio.fixture
async def new(tmp_path: Path) -> AsyncGenerator[Store]:
    async with opened(tmp_path / "new.db") as store:
        yield store


def needs(blob: BlobId) -> dict[str, str]:
    return {"blob": blob.hex()}


async def by_the_phone(store: Store, blob: BlobId) -> list[SignedEntry]:
    """Two changes on top of what is there, of which the second needs the blob."""
    home, found = opened_with(CLOCK, PHONE, await raws_of(store, CLOCK)), list[SignedEntry]()
    for edit in (named("theirs"), named("with a blob", **needs(blob))):
        raw = home.change(edit)
        assert raw is not None
        found.append(signed(raw, CLOCK, PHONE, found[-1] if found else None))
    return found


@pytest.mark.parametrize("order", [*permutations(range(4)), None])
async def test_what_fell_keeps_its_bytes(
    store: Store, new: Store, order: tuple[int, ...] | None
) -> None:
    """Both entries, the revocation, and what they build on, in any order or at once."""
    await store.commit(CLOCK, named("clock"), ALICE.signer)
    base = await all_of(store)
    blob = await new.put_blob(MODULE)
    entries = await by_the_phone(store, blob)
    told = await store.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    parts = [*([one] for one in entries), [told.signed], base]
    for at in order or ():
        await new.receive(parts[at], source="alice")
    await new.receive([*base, told.signed, *entries], source="alice")
    assert await here(new, [blob]) == [True]
    await new.rematerialise()
    assert await here(new, [blob]) == [True]


async def test_what_fell_while_what_it_cites_was_not_here_keeps_its_bytes(
    store: Store, new: Store
) -> None:
    blob = await new.put_blob(MODULE)
    bobs = AuthorKey(BOB.root.public)
    signer = Signer(
        BOB.root, bobs, {AUTHORITY: encode_capability(Capability(WRITE, COMMONS, bobs))}
    )
    log = log_of(COMMONS, bobs, AUTHORITY)
    cited = await store.declare(Revoke(CAROL.signer.device.public), log, signer)
    theirs = PHONE.writes(CLOCK, named("theirs", **needs(blob)), cites=[cited.signed.id])
    told = await store.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    await new.receive([told.signed, *theirs], source="alice")
    assert await here(new, [blob]) == [True]


async def test_what_was_deleted_keeps_its_bytes(store: Store, new: Store) -> None:
    blob = await new.put_blob(MODULE)
    await store.commit(CLOCK, named("clock", **needs(blob)), ALICE.signer)
    await store.commit(CLOCK, delete(now_us=NOW_US), ALICE.signer)
    await new.receive(await all_of(store), source="alice")
    assert (await new.listings(kind="module")).rows == ()
    assert await here(new, [blob]) == [True]


async def test_a_statement_that_fell_is_no_change_to_be_looked_through(new: Store) -> None:
    """A log has no changes: to read one of it as such would stop whatever it came with."""
    log = log_of(COMMONS, AuthorKey(ALICE.root.public), CHECKPOINT)
    await new.commit(CLOCK, named("clock"), ALICE.signer)
    await new.declare(Checkpoint(Frontier()), log, PHONE.signer)
    await new.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    await new.settle()
    (fell,) = await new.left_out()
    assert (fell.document, fell.code) == (log, Reason.REVOKED)
    await new.rematerialise()
    assert len(await new.left_out()) == 1
