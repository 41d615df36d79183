from contextlib import suppress

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from crdt import cbor
from crdt.blob import (
    BLOB_BYTES_MAX,
    CHUNK_BYTES,
    PAGE_CHUNKS_MAX,
    PAGES_MAX,
    ROOT_BYTES_MAX,
    BlobId,
    build_manifest,
    check_chunk,
    chunks_of,
    manifest_of,
    parse_page,
    parse_root,
)
from crdt.errors import Malformed
from tests.crdt.strategies import flipped


def digest(data: bytes) -> bytes:
    return blake3(data).digest()


@pytest.mark.parametrize(
    ("size", "chunk_sizes"),
    [
        (0, []),
        (1, [1]),
        (CHUNK_BYTES, [CHUNK_BYTES]),
        (CHUNK_BYTES + 1, [CHUNK_BYTES, 1]),
        (3 * CHUNK_BYTES, 3 * [CHUNK_BYTES]),
    ],
)
def test_bob_checks_each_part_of_alices_blob_as_it_comes(size: int, chunk_sizes: list[int]) -> None:
    data = bytes(number % 251 for number in range(size))
    manifest = manifest_of(data)
    root = parse_root(manifest.root, manifest.id)
    chunks = list(chunks_of(data))

    assert b"".join(chunks) == data
    assert list(map(len, chunks)) == chunk_sizes
    assert root.chunk_count == manifest.chunk_count == len(chunks)
    for number, chunk in enumerate(chunks):
        check_chunk(chunk, manifest, number)
        assert root.chunk_size(number) == manifest.chunk_size(number) == len(chunk)
    for number, page in enumerate(manifest.pages):
        assert parse_page(page, root, number) == tuple(map(digest, chunks))


@given(st.integers(1, 3 * PAGE_CHUNKS_MAX))
def test_a_page_stands_for_at_most_1024_chunks(count: int) -> None:
    hashes = [count.to_bytes(4, "big") + number.to_bytes(28, "big") for number in range(count)]
    manifest = build_manifest(hashes, (count - 1) * CHUNK_BYTES + 1)
    root = parse_root(manifest.root, manifest.id)

    pages = [parse_page(page, root, number) for number, page in enumerate(manifest.pages)]
    assert [hash for page in pages for hash in page] == hashes
    assert [manifest.chunk_hash(number) for number in range(count)] == hashes
    assert all(len(page) == PAGE_CHUNKS_MAX for page in pages[:-1])
    assert manifest.chunk_size(count - 1) == 1


def test_the_largest_blob_has_a_root_that_fits_a_frame() -> None:
    page_hashes = [bytes(32)] * PAGES_MAX
    root = cbor.encode([1, BLOB_BYTES_MAX, CHUNK_BYTES, page_hashes])

    assert len(root) <= ROOT_BYTES_MAX < 1 << 20
    parsed = parse_root(root, BlobId(digest(root)))
    assert parsed.page_chunk_count(PAGES_MAX - 1) == PAGE_CHUNKS_MAX


def test_a_root_that_is_not_the_one_asked_for_is_refused() -> None:
    manifest = manifest_of(b"genome")
    for bit in range(8 * len(manifest.root)):
        with pytest.raises(Malformed) as refusal:
            parse_root(flipped(manifest.root, bit), manifest.id)
        assert refusal.value.code == "blob-hash"


HASH = bytes(32)


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        [1, 1, CHUNK_BYTES],
        [1, 1, CHUNK_BYTES, [HASH], 0],
        [2, 1, CHUNK_BYTES, [HASH]],
        [True, 1, CHUNK_BYTES, [HASH]],
        [1, True, CHUNK_BYTES, [HASH]],
        [1, 1.0, CHUNK_BYTES, [HASH]],
        [1, 1, 1, [HASH]],
        [1, 1, 0, [HASH]],
        [1, -1, CHUNK_BYTES, []],
        [1, 0, CHUNK_BYTES, [HASH]],
        [1, 1, CHUNK_BYTES, []],
        [1, 1, CHUNK_BYTES, [HASH, HASH]],
        [1, 1, CHUNK_BYTES, [bytes(31)]],
        [1, 1, CHUNK_BYTES, ["0" * 32]],
        [1, 1, CHUNK_BYTES, [[HASH]]],
        [1, 1, CHUNK_BYTES, HASH],
        [1, BLOB_BYTES_MAX + 1, CHUNK_BYTES, [HASH]],
        [1, (1 << 64) - 1, CHUNK_BYTES, [HASH]],
    ],
)
def test_a_root_that_makes_no_sense_is_refused(value: object) -> None:
    root = cbor.encode(value)
    with pytest.raises(Malformed):
        parse_root(root, BlobId(digest(root)))


@given(st.binary(max_size=100))
def test_any_root_whose_hash_is_right_is_parsed_or_refused(root: bytes) -> None:
    with suppress(Malformed):
        parse_root(root, BlobId(digest(root)))


def test_an_oversize_root_is_refused_before_it_is_hashed() -> None:
    root = bytes(ROOT_BYTES_MAX + 1)
    with pytest.raises(Malformed, match="blob's root of"):
        parse_root(root, BlobId(digest(root)))


def test_a_page_that_is_not_the_one_asked_for_is_refused() -> None:
    manifest = manifest_of(b"seed")
    root = parse_root(manifest.root, manifest.id)
    (page,) = manifest.pages
    for number, wrong, code in (
        (0, flipped(page, 0), "blob-hash"),
        (0, page[:-1], "blob-page"),
        (0, page + page, "blob-page"),
        (1, page, "blob-page"),
        (-1, page, "blob-page"),
    ):
        with pytest.raises(Malformed) as refusal:
            parse_page(wrong, root, number)
        assert refusal.value.code == code


def test_a_chunk_that_is_not_the_one_asked_for_is_refused() -> None:
    manifest = manifest_of(b"module")
    for number, wrong, code in (
        (0, b"modulo", "blob-hash"),
        (0, b"modul", "blob-chunk"),
        (0, b"modules", "blob-chunk"),
        (1, b"module", "blob-chunk"),
        (-1, b"module", "blob-chunk"),
    ):
        with pytest.raises(Malformed) as refusal:
            check_chunk(wrong, manifest, number)
        assert refusal.value.code == code


def test_a_manifest_of_another_number_of_chunks_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="1 chunks cannot hold 0 bytes"):
        build_manifest([HASH], 0)
    with pytest.raises(Malformed, match="at most"):
        build_manifest([], BLOB_BYTES_MAX + 1)
