"""Questions about many chunks at once give what asking for each gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.blob import CHUNK_BYTES, Chunking, Manifest, ManifestBuilder
from crdt.digest import payload_digest
from crdt.many_chunks import first_of_each, size_of

COUNT = 2_500


def made(chunking: Chunking) -> Manifest:
    """Of three pages or more, with the same bytes in many places."""
    builder = ManifestBuilder(chunking)
    for number in range(COUNT):
        last = number == COUNT - 1
        full = CHUNK_BYTES if chunking is Chunking.FIXED else 4_096 + number % 700
        builder.add(payload_digest(bytes([number % 200])), 77 if last else full)
    return builder.finish()


MANIFESTS = {chunking: made(chunking) for chunking in Chunking}


@pytest.mark.parametrize("chunking", Chunking)
@given(
    spans=st.lists(st.tuples(st.integers(0, COUNT - 1), st.integers(1, 1_500)), max_size=3),
    places=st.sets(st.integers(0, COUNT - 1), max_size=20),
)
def test_sizes_and_hashes(
    chunking: Chunking, spans: list[tuple[int, int]], places: set[int]
) -> None:
    manifest = MANIFESTS[chunking]
    every = places.union(*(range(start, min(COUNT, start + count)) for start, count in spans))
    chunks = sorted(every)
    assert size_of(manifest, chunks) == sum(map(manifest.chunk_size, chunks))
    hashes = [manifest.chunk_hash(chunk) for chunk in chunks]
    expected = [chunk for at, chunk in enumerate(chunks) if hashes[at] not in hashes[:at]]
    assert first_of_each(manifest, chunks) == expected
