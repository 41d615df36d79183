from contextlib import suppress

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from crdt import cbor
from crdt.blob import (
    BLOB_BYTES_MAX,
    CHUNK_BYTES,
    CONTENT_CHUNK_BYTES_MAX,
    CONTENT_CHUNK_BYTES_MIN,
    CONTENT_PAGE_CHUNKS_MIN,
    CONTENT_PAGES_MAX,
    PAGE_CHUNKS_MAX,
    PAGES_MAX,
    ROOT_BYTES_MAX,
    BlobId,
    BlobRoot,
    Chunking,
    ChunkName,
    Manifest,
    ManifestBuilder,
    build_content_manifest,
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
        assert manifest.chunk_size(number) == len(chunk)
    for number, page in enumerate(manifest.pages):
        assert parse_page(page, root, number) == tuple(
            (digest(chunk), len(chunk)) for chunk in chunks
        )


@given(st.integers(1, 3 * PAGE_CHUNKS_MAX))
def test_a_page_stands_for_at_most_1024_chunks(count: int) -> None:
    hashes = [count.to_bytes(4, "big") + number.to_bytes(28, "big") for number in range(count)]
    manifest = build_manifest(hashes, (count - 1) * CHUNK_BYTES + 1)
    root = parse_root(manifest.root, manifest.id)

    pages = [parse_page(page, root, number) for number, page in enumerate(manifest.pages)]
    assert [hash for page in pages for hash, _ in page] == hashes
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


# ── version 2 ────────────────────────────────────────────────────────────────────────────────────

LEAST, MOST = CONTENT_CHUNK_BYTES_MIN, CONTENT_CHUNK_BYTES_MAX


def named(number: int, size: int, *, ends: bool = False) -> ChunkName:
    """A chunk after which a page may end, or not."""
    return ChunkName(number.to_bytes(31, "big") + (b"\0" if ends else b"\1"), size)


chunk_lists = st.lists(
    st.tuples(st.booleans(), st.integers(LEAST, MOST), st.integers(1, 700)), max_size=6
)


def chunks_from(runs: list[tuple[bool, int, int]], last: int) -> list[ChunkName]:
    chunks: list[ChunkName] = []
    for ends, size, count in runs:
        chunks += [named(len(chunks) + more, size, ends=ends) for more in range(count)]
    return [*chunks, named(len(chunks), last)]


@given(chunk_lists, st.integers(1, MOST))
def test_a_manifest_says_where_each_chunk_of_its_own_size_lies(
    runs: list[tuple[bool, int, int]], last: int
) -> None:
    chunks = chunks_from(runs, last)
    manifest = build_content_manifest(chunks)
    root = parse_root(manifest.root, manifest.id)

    assert (root.chunking, root.size) == (Chunking.CONTENT, sum(size for _, size in chunks))
    assert root.chunk_count == manifest.chunk_count == len(chunks)
    parsed = [parse_page(page, root, number) for number, page in enumerate(manifest.pages)]
    assert [chunk for page in parsed for chunk in page] == chunks
    assert all(CONTENT_PAGE_CHUNKS_MIN <= len(page) <= PAGE_CHUNKS_MAX for page in parsed[:-1])
    offset = 0
    for number, (hash, size) in enumerate(chunks):
        assert manifest.chunk_hash(number) == hash
        assert manifest.chunk_size(number) == size
        assert manifest.chunk_offset(number) == offset
        assert manifest.chunk_at(offset) == manifest.chunk_at(offset + size - 1) == number
        assert root.page_starts[root.page_of(number)] <= number
        offset += size


def test_a_page_ends_where_a_hash_says_so_and_before_it_is_too_large() -> None:
    def sizes(chunks: list[ChunkName]) -> list[int]:
        root = build_content_manifest(chunks).parsed
        return [root.page_chunk_count(page) for page in range(root.page_count)]

    silent = [named(number, LEAST) for number in range(2_500)]
    assert sizes(silent) == [1024, 1024, 452]
    assert sizes([named(number, LEAST, ends=True) for number in range(600)]) == [256, 256, 88]
    spoken = [named(number, LEAST, ends=number == 699) for number in range(2_500)]
    assert sizes(spoken) == [700, 1024, 776]
    # one chunk more before it moves that end and no other
    before = build_content_manifest(spoken)
    after = build_content_manifest([named(9_999, LEAST), *spoken])
    assert before.pages[0] != after.pages[0]
    assert before.pages[1:] == after.pages[1:]


def test_the_largest_content_root_is_one_piece() -> None:
    pages = [[bytes([255]) * 32, PAGE_CHUNKS_MAX * MOST, PAGE_CHUNKS_MAX]] * CONTENT_PAGES_MAX
    root = cbor.encode([2, CONTENT_PAGES_MAX * PAGE_CHUNKS_MAX * MOST, pages])
    assert len(root) <= ROOT_BYTES_MAX < 1 << 19
    parsed = parse_root(root, BlobId(digest(root)))
    assert parsed.size == 1 << 39
    more = cbor.encode([2, 1, [[bytes(32), 1, 1]] * (CONTENT_PAGES_MAX + 1)])
    with pytest.raises(Malformed, match="more items"):
        parse_root(more, BlobId(digest(more)))


FULL = CONTENT_PAGE_CHUNKS_MIN


@pytest.mark.parametrize(
    "value",
    [
        [2],
        [2, 0],
        [2, 0, [], 0],
        [2, 1, []],
        [2, 0, [[HASH, 0, 1]]],
        [2, 0, [[HASH, 0, 0]]],
        [2, 5, [[HASH, 5, 0]]],
        [2, 5, [[HASH, 5, 2]]],
        [2, 6, [[HASH, 5, 1]]],
        [2, 5, [[HASH, 6, 1]]],
        [2, 5, [[bytes(31), 5, 1]]],
        [2, 5, [["0" * 32, 5, 1]]],
        [2, 5, [[HASH, 5]]],
        [2, 5, [[HASH, 5, 1, 1]]],
        [2, 5, [[HASH, True, 1]]],
        [2, True, [[HASH, 1, 1]]],
        [2, 5.0, [[HASH, 5, 1]]],
        [2, -5, [[HASH, -5, 1]]],
        [2, MOST + 1, [[HASH, MOST + 1, 1]]],
        [2, (1 << 64) - 1, [[HASH, (1 << 64) - 1, PAGE_CHUNKS_MAX]]],
        [2, 5_000_000, [[HASH, 5_000_000, PAGE_CHUNKS_MAX + 1]]],
        # only the last page may be short, and only its last chunk
        [2, FULL * LEAST - LEAST + 5, [[HASH, (FULL - 1) * LEAST, FULL - 1], [HASH, 5, 1]]],
        [2, FULL * LEAST - 1 + 5, [[HASH, FULL * LEAST - 1, FULL], [HASH, 5, 1]]],
        [2, 2 * LEAST, [[HASH, 2 * LEAST, 3]]],
        [3, 5, [[HASH, 5, 1]]],
        [[2], 5, [[HASH, 5, 1]]],
        {"2": 5},
    ],
)
def test_a_content_root_that_makes_no_sense_is_refused(value: object) -> None:
    root = cbor.encode(value)
    with pytest.raises(Malformed):
        parse_root(root, BlobId(digest(root)))


def rooted(page: bytes, size: int, chunks: int, *, is_last: bool = True) -> BlobRoot:
    """A root that Mallory made of a page of hers."""
    after = [] if is_last else [[HASH, 1, 1]]
    root = cbor.encode([2, size + len(after), [[digest(page), size, chunks], *after]])
    return parse_root(root, BlobId(digest(root)))


def page_of(sizes: list[int]) -> bytes:
    return b"".join(bytes([n % 251]) * 32 + size.to_bytes(4, "big") for n, size in enumerate(sizes))


@pytest.mark.parametrize(
    ("sizes", "is_last"),
    [
        ([MOST + 1, LEAST - 1], True),  # the sum is right
        ([2 * LEAST, 0], True),
        ([0, 2 * LEAST], True),
        ([LEAST - 1, LEAST + 1], True),
        ([(1 << 32) - 1, 1], True),
        ([LEAST + 1] * (FULL - 1) + [1], False),
        ([LEAST] * (FULL - 2) + [LEAST - 1, LEAST + 2], False),
    ],
)
def test_a_page_that_names_chunks_of_sizes_that_none_has_is_refused(
    sizes: list[int], is_last: bool
) -> None:
    page = page_of(sizes)
    said = min(max(sum(sizes), len(sizes) * LEAST), len(sizes) * MOST)
    root = rooted(page, said, len(sizes), is_last=is_last)
    with pytest.raises(Malformed) as refusal:
        parse_page(page, root, 0)
    assert refusal.value.code == "blob-page"


def test_a_page_whose_chunks_do_not_add_up_is_refused() -> None:
    page = page_of([LEAST, LEAST + 5])
    for said in (2 * LEAST + 4, 2 * LEAST + 6):
        with pytest.raises(Malformed, match="stands for other bytes"):
            parse_page(page, rooted(page, said, 2), 0)
    assert parse_page(page, rooted(page, 2 * LEAST + 5, 2), 0)[1].size == LEAST + 5


@given(st.binary(max_size=200))
def test_any_content_page_whose_hash_is_right_is_parsed_or_refused(page: bytes) -> None:
    chunks = max(1, len(page) // 36)
    with suppress(Malformed):
        parse_page(page, rooted(page, chunks * LEAST, chunks), 0)


@pytest.mark.parametrize("manifest", [manifest_of(b"one"), build_content_manifest([named(0, 3)])])
def test_a_chunk_that_there_is_not_has_no_place(manifest: Manifest) -> None:
    for ask in (manifest.chunk_hash, manifest.chunk_size, manifest.chunk_offset):
        for number in (-1, 1):
            with pytest.raises(IndexError):
                ask(number)
    for offset in (-1, 3):
        with pytest.raises(IndexError):
            manifest.chunk_at(offset)


def test_a_short_chunk_in_the_middle_is_our_own_mistake() -> None:
    for chunking, short in ((Chunking.FIXED, CHUNK_BYTES - 1), (Chunking.CONTENT, LEAST - 1)):
        builder = ManifestBuilder(chunking)
        builder.add(HASH, short)
        with pytest.raises(ValueError, match="before one of"):
            builder.add(HASH, 1)
    with pytest.raises(ValueError, match="a chunk of"):
        ManifestBuilder(Chunking.CONTENT).add(HASH, 0)


def test_a_blob_of_more_pages_than_a_root_names_is_refused_while_it_is_made() -> None:
    builder = ManifestBuilder(Chunking.FIXED)
    for _ in range(PAGES_MAX * PAGE_CHUNKS_MAX):
        builder.add(HASH, CHUNK_BYTES)
    with pytest.raises(Malformed) as refusal:
        builder.add(HASH, 1)
    assert refusal.value.code == "blob-too-large"
