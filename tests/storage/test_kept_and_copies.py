"""A copy holds what is a person's: restored, what was only kept would be theirs for ever."""

from storage.store import Store
from tests.storage.people import ALICE
from tests.storage.test_kept import BLOB, WASM, kept_for, names


async def test_what_is_only_kept_is_in_no_copy(store: Store) -> None:
    await names(store, ALICE, "io.alice.clock", WASM)
    await kept_for(store, WASM)
    assert not await store.blobs_named(None)
    assert (await store.extent(None)).blob_bytes == 0
    await store.adopt_blob(BLOB)
    assert await store.blobs_named(None) == [BLOB]
    assert (await store.extent(None)).blob_bytes == len(WASM)
