"""A copy holds what is a person's: restored, what was only kept would be theirs for ever."""

from pathlib import Path

from crdt.keys import AuthorKey
from storage.quota import Quota
from storage.store import Store, open_store
from tests.storage.people import ALICE, NOW_US, project
from tests.storage.test_kept import BLOB, WASM, kept_for, names


async def test_what_is_only_kept_is_in_no_copy(store: Store) -> None:
    await names(store, ALICE, "io.alice.clock", WASM)
    await kept_for(store, WASM)
    assert not await store.blobs_named(None)
    assert (await store.extent(None)).blob_bytes == 0
    await store.adopt_blob(BLOB)
    assert await store.blobs_named(None) == [BLOB]
    assert (await store.extent(None)).blob_bytes == len(WASM)


async def test_what_this_person_published_elsewhere_is_in_every_copy(tmp_path: Path) -> None:
    """The other device may be lost."""
    quota = Quota(own=frozenset({AuthorKey(ALICE.root.public)}))
    path = tmp_path / "panspermia.db"
    async with open_store(path, project=project, clock_us=lambda: NOW_US, quota=quota) as store:
        await names(store, ALICE, "io.alice.clock", WASM)
        await kept_for(store, WASM)
        assert await store.blobs_named(None) == [BLOB]
        assert (await store.extent(None)).blob_bytes == len(WASM)
