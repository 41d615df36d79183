"""Whose claim a record is, and what no record that counts names any more."""

from collections.abc import Collection

import pytest

from crdt.area import Area
from crdt.blob import manifest_of
from crdt.capability import WRITE, delegate, own
from crdt.change import SignedEntry, Signer
from crdt.keys import COMMONS, AuthorKey
from storage import claimed
from storage.store import Store
from tests.storage.people import ALICE, BOB, named
from tests.storage.test_group import author, writes
from tests.storage.test_kept import kept_for, names
from tests.storage.test_namers import GUILD, GUILD_KEY, MALLORYS, hear, in_guild

RIGHT = delegate(own(GUILD_KEY, WRITE, GUILD), GUILD_KEY, Area(author(BOB)), BOB.root.public)
BOBS = in_guild(RIGHT, BOB.root, BOB.signer.device, BOB)
DATA = b"what bob made"
BLOB = manifest_of(DATA).id


def of_guild(record: str, by: Signer, size: int) -> SignedEntry:
    """In Bob's subspace."""
    edit = named("it", blob=BLOB.hex(), size=size)
    return writes(BOB.document(record, namespace=GUILD), by, edit)


async def claims(store: Store) -> tuple[list[int], list[int]]:
    """The sizes that are claimed by Bob, and by whoever writes in his name in the guild."""
    whose: Collection[AuthorKey] = [author(BOB)]
    theirs = await store.blobs_of_authors(whose, [COMMONS, GUILD])
    others = await store.blobs_in_namespaces([GUILD], whose)
    return sorted(row[3] for row in theirs.rows), sorted(row[3] for row in others.rows)


async def test_what_no_record_that_counts_names_is_known_however_many_claims_there_are(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claimed, "NAMED_MAX", 0)
    bobs = await kept_for(store, DATA, BOB)
    assert await store.unnamed_blobs([author(BOB)], [COMMONS], [GUILD]) == {bobs}
    await names(store, BOB, "io.bob.clock", DATA)
    assert await store.unnamed_blobs([author(BOB)], [COMMONS], []) == set()
    assert await store.unnamed_blobs([author(ALICE)], [COMMONS, GUILD], [GUILD]) == {bobs}
    assert await store.unnamed_blobs([author(BOB)], [GUILD], [GUILD]) == {bobs}
    await hear(store, of_guild("io.bob.forged", MALLORYS, 1))
    assert await store.unnamed_blobs([author(ALICE)], [COMMONS, GUILD], [GUILD]) == set()


async def test_what_an_administrator_writes_in_the_name_of_others_is_the_namespaces_claim(
    store: Store,
) -> None:
    """So it fills none of their shares, and says nothing of how large their blobs are."""
    await names(store, BOB, "io.bob.clock", DATA)
    await hear(store, of_guild("io.bob.mine", BOBS, 20))
    assert await claims(store) == ([13, 20], [])
    await hear(store, of_guild("io.bob.forged", MALLORYS, 1))
    assert await claims(store) == ([13, 20], [1])
    await hear(store, of_guild("io.bob.mine", MALLORYS, 2))
    assert await claims(store) == ([13], [1, 2]), "also upon what its author has there"
