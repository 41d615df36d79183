"""Chunks that the content defines: the same however the bytes come, and few of them change."""

from random import Random

import pytest
from blake3 import blake3
from hypothesis import example, given
from hypothesis import strategies as st

from crdt.blob import (
    CHUNK_BYTES,
    CONTENT_CHUNK_BYTES_MAX,
    CONTENT_CHUNK_BYTES_MIN,
    CONTENT_PAGE_CHUNKS_MIN,
    PAGE_CHUNKS_MAX,
    Chunking,
    Manifest,
    chunks_of,
    manifest_of,
)
from crdt.chunking import WINDOW_BYTES, Cutter, content_manifest_of, cut

WORLD = blake3(b"a world").digest(length=24 << 20)  # noise, the same everywhere


def pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    """`data` in pieces of these sizes, over and over."""
    found: list[bytes] = []
    at = 0
    while at < len(data):
        size = max(1, sizes[len(found) % len(sizes)])
        found.append(data[at : at + size])
        at += size
    return found


@given(st.integers(0, 3 << 20), st.lists(st.integers(1, 2 << 20), min_size=1, max_size=4))
@example(CONTENT_CHUNK_BYTES_MAX, [1])
@example(WINDOW_BYTES, [WINDOW_BYTES])
@example(WINDOW_BYTES + 1, [WINDOW_BYTES - 1])
@pytest.mark.parametrize("chunking", Chunking)
def test_the_chunks_do_not_depend_on_how_the_bytes_come(
    chunking: Chunking, size: int, sizes: list[int]
) -> None:
    sizes = [max(one, size // 500) for one in sizes]  # no more than some hundred pieces
    data = WORLD[:size]
    chunks = list(cut(pieces(data, sizes), chunking))

    assert b"".join(chunks) == data
    assert chunks == list(cut([data], chunking))
    if chunking is Chunking.FIXED:
        assert chunks == list(chunks_of(data))
    else:
        assert all(len(chunk) >= CONTENT_CHUNK_BYTES_MIN for chunk in chunks[:-1])
        assert all(0 < len(chunk) <= CONTENT_CHUNK_BYTES_MAX for chunk in chunks)


def test_a_cutter_holds_no_more_than_a_window_and_what_was_pushed() -> None:
    for chunking, largest in (
        (Chunking.FIXED, CHUNK_BYTES),
        (Chunking.CONTENT, CONTENT_CHUNK_BYTES_MAX),
    ):
        cutter = Cutter(chunking)
        pushed = given_back = 0
        for piece in pieces(WORLD[: 8 << 20], [100_000]):
            pushed += len(piece)
            given_back += sum(map(len, cutter.push(piece)))
            assert pushed - given_back < WINDOW_BYTES + largest


def names(manifest: Manifest) -> set[bytes]:
    return {manifest.chunk_hash(number) for number in range(manifest.chunk_count)}


@pytest.mark.parametrize("seed", range(12))
def test_an_edit_of_1_kib_in_a_world_sends_little_again(seed: int) -> None:
    before = content_manifest_of(WORLD)
    assert len(before.pages) > 1
    at = Random(seed).randrange(len(WORLD) - 1024)
    edits = {
        "overwritten": WORLD[:at] + bytes(1024) + WORLD[at + 1024 :],
        "inserted": WORLD[:at] + bytes(1024) + WORLD[at:],
        "removed": WORLD[:at] + WORLD[at + 1024 :],
    }
    for edited in edits.values():
        after = content_manifest_of(edited)
        new = names(after) - names(before)
        sizes = {
            after.chunk_hash(number): after.chunk_size(number)
            for number in range(after.chunk_count)
        }
        pages = set(after.pages) - set(before.pages)
        assert 1 <= len(new) <= 6
        assert 1 <= len(pages) <= 2
        again = sum(sizes[hash] for hash in new) + sum(map(len, pages)) + len(after.root)
        assert again < 100_000  # of 24 MB; typically 60,000


def test_a_world_of_one_colour_has_few_names_and_full_pages() -> None:
    """Whatever the hash of that one chunk says, its pages are neither tiny nor without end."""
    manifest = content_manifest_of(bytes(80 << 20))
    assert len(names(manifest)) == 1
    counts = [manifest.parsed.page_chunk_count(page) for page in range(len(manifest.pages))]
    assert all(CONTENT_PAGE_CHUNKS_MIN <= count <= PAGE_CHUNKS_MAX for count in counts[:-1])


def test_the_two_ways_to_cut_give_two_ids() -> None:
    data = WORLD[:100_000]
    assert content_manifest_of(data).id != manifest_of(data).id
    assert list(cut([], Chunking.CONTENT)) == []
    assert content_manifest_of(b"").size == 0


@pytest.mark.parametrize("size", [1, 5_000, 70_000, 300_000, WINDOW_BYTES + 9])
def test_whoever_flushes_has_the_same_chunks_at_once(size: int) -> None:
    for chunking, largest in (
        (Chunking.FIXED, CHUNK_BYTES),
        (Chunking.CONTENT, CONTENT_CHUNK_BYTES_MAX),
    ):
        cutter, data = Cutter(chunking), WORLD[: 3 << 20]
        chunks: list[bytes] = []
        held = 0
        for piece in pieces(data, [size] if size > 1 else [1, 900_000]):
            ended = cutter.push(piece) + cutter.flush()
            held += len(piece) - sum(map(len, ended))
            assert held < largest
            chunks += ended
        assert chunks + cutter.finish() == list(cut([data], chunking))
