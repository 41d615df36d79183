"""A root that says other things of a page that is here than the page does names no blob."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from blake3 import blake3

from crdt import cbor
from crdt.blob import BlobId, Manifest, parse_root
from crdt.digest import payload_digest
from crdt.errors import Malformed
from storage.store import Store
from tests.storage.test_folding import fetch, opened, rows

CHUNKS = [blake3(b"%d" % at).digest(length=5_000) for at in range(300)]
SHORT = b"the last chunk of a blob may be shorter than any other"


def page_of(chunks: Sequence[bytes]) -> bytes:
    return b"".join(payload_digest(one) + len(one).to_bytes(4, "big") for one in chunks)


def root_of(pages: Sequence[tuple[bytes, int, int]]) -> tuple[BlobId, bytes]:
    """Of pages: what each is, how many bytes it stands for, and how many chunks."""
    named = [[payload_digest(page), size, count] for page, size, count in pages]
    root = cbor.encode([2, sum(size for _, size, _ in pages), named])
    return BlobId(payload_digest(root)), root


ENDING = [*CHUNKS, SHORT]
PAGE, SIZE = page_of(ENDING), sum(map(len, ENDING))
ID, ROOT = root_of([(PAGE, SIZE, 301)])
GENUINE = Manifest(parse_root(ROOT, ID), (PAGE,))
FORGED = {
    "a chunk more": root_of([(PAGE, SIZE, 302)]),
    "a chunk less": root_of([(PAGE, SIZE, 300)]),
    "a short chunk in the middle": root_of([(PAGE, SIZE, 301), (PAGE, SIZE, 301)]),
}


async def hold_forged(store: Store, home: Path, forged: tuple[BlobId, bytes]) -> BlobId:
    """As if it had been said to be whole. Its page is in the vault."""
    parsed = parse_root(forged[1], forged[0])
    values = (parsed.id, parsed.size, parsed.chunk_count, parsed.encoded, parsed.page_count)
    await asyncio.to_thread(
        rows,
        home,
        "INSERT INTO blob (id, size, chunk_count, root, page_count, begun_us, is_complete,"
        " in_vault) VALUES (?, ?, ?, ?, ?, 0, 1, 1)",
        values,
    )
    await fetch(store, GENUINE, ENDING)
    return parsed.id


async def never_is_whole(store: Store, forged: tuple[BlobId, bytes]) -> None:
    blob, root = forged
    begun = await store.begin_blob(blob, root)
    assert not begun.is_complete
    assert 0 in await store.missing_pages(blob)
    with pytest.raises(Malformed):
        await store.add_page(blob, 0, PAGE)
    assert not await store.has_blob(blob)
    async with asyncio.timeout(60):
        assert list(await store.read_run(blob, 300, 1, size_bytes_max=9_999)) == []
    await store.settle_snapshot(ID, blob)
    await store.gc()
    await store.give_back()
    assert await store.settled() == 0


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
@pytest.mark.parametrize("is_whole", [False, True])
async def test_a_root_over_a_page_that_is_here_is_held_against_it(
    tmp_path: Path, forged: tuple[BlobId, bytes], is_whole: bool
) -> None:
    parse_root(forged[1], forged[0])  # nothing is wrong with it alone
    async with opened(tmp_path) as store:
        await store.begin_blob(ID, ROOT)
        await store.add_page(ID, 0, PAGE)
        await store.add_chunks(ID, [*enumerate(ENDING)][: 301 if is_whole else 300])
        assert await store.has_blob(ID) == is_whole
        await never_is_whole(store, forged)
        await fetch(store, GENUINE, ENDING)
        assert await store.read_blob(ID) == b"".join(ENDING)
        await never_is_whole(store, forged)
    async with opened(tmp_path) as store:
        await store.give_back()
        assert await store.read_blob(ID) == b"".join(ENDING)
