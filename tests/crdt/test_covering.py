"""Which chunks of one blob cover those of another that it lacks."""

import time
from itertools import accumulate
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.blob import CONTENT_CHUNK_BYTES_MAX, CONTENT_CHUNK_BYTES_MIN, Chunking
from crdt.chunking import cut
from crdt.covering import RUN_CHUNKS_MAX, SPAN_BYTES, Covered, covering
from crdt.delta import BASE_BYTES_MAX
from crdt.digest import payload_digest

Chunks = list[tuple[bytes, int]]

KIB = 1024
MANY = 100_000
SECONDS_OF_MANY = 5.0  # of the processor; takes 0.2 alone, and hours where each looks at all others

names = st.integers(0, 40).map(lambda number: payload_digest(b"%d" % number))
lists = st.lists(st.tuples(names, st.integers(1, 3 * CONTENT_CHUNK_BYTES_MAX)), max_size=60)


def chunk(name: str, size: int = 16 * KIB) -> tuple[bytes, int]:
    return payload_digest(name.encode()), size


def chunks_of(data: bytes) -> Chunks:
    return [(payload_digest(each), len(each)) for each in cut([data], Chunking.CONTENT)]


def test_what_lies_at_the_same_place_covers_it() -> None:
    older = [chunk("a"), chunk("b"), chunk("c"), chunk("d")]
    newer = [chunk("a"), chunk("x"), chunk("y"), chunk("d")]

    # Each with its neighbours, as far as the margin goes.
    assert list(covering(older, newer)) == [Covered(1, range(3)), Covered(2, range(1, 4))]


def test_a_common_chunk_tells_how_far_things_moved() -> None:
    newer = [*(chunk(f"new {number}") for number in range(50)), chunk("a"), chunk("x"), chunk("z")]

    assert list(covering([chunk("a"), chunk("b"), chunk("z")], newer)) == [
        Covered(1, range(50, 53))
    ]


def test_where_much_came_in_the_nearer_common_chunk_tells() -> None:
    older = [chunk("a"), chunk("b"), chunk("c"), chunk("d")]
    came = [chunk(f"new {number}") for number in range(50)]
    newer = [chunk("a"), chunk("x"), *came, chunk("y"), chunk("d")]

    assert list(covering(older, newer)) == [Covered(1, range(3)), Covered(2, range(51, 54))]


def test_where_a_little_came_in_what_lies_between_both_places_covers_it() -> None:
    older = [chunk("a"), chunk("b"), chunk("d")]
    newer = [chunk("a"), chunk("x"), chunk("y", 6 * KIB), chunk("d")]

    assert list(covering(older, newer)) == [Covered(1, range(4))]


def test_what_comes_often_is_taken_where_it_is_expected() -> None:
    """Empty land is the same chunk again and again."""
    older = [*[chunk("empty")] * 10, chunk("b"), *[chunk("empty")] * 10]
    newer = [*[chunk("empty")] * 10, chunk("x"), *[chunk("empty")] * 10]

    assert list(covering(older, newer)) == [Covered(10, range(9, 12))]


def test_nothing_covers_what_lies_behind_the_end() -> None:
    older = [chunk("a"), *(chunk(f"old {number}") for number in range(8))]

    covered = list(covering(older, [chunk("a"), chunk("x")]))

    assert [each.chunk for each in covered] == list(range(1, 9))
    assert [bool(each.others) for each in covered] == [True, True, *[False] * 6]
    assert list(covering(older[:2], [])) == [Covered(0, range(0)), Covered(1, range(0))]
    assert list(covering([], older)) == []


@given(lists, lists)
def test_each_that_is_missing_is_named_once_and_runs_are_short(
    older: Chunks, newer: Chunks
) -> None:
    offsets = list(accumulate((size for _, size in newer), initial=0))
    there = {hash for hash, _ in newer}

    covered = list(covering(older, newer))

    assert [each.chunk for each in covered] == [
        number for number, (hash, _) in enumerate(older) if hash not in there
    ]
    for number, run in covered:
        assert run.step == 1
        assert len(run) <= RUN_CHUNKS_MAX
        if run:
            assert 0 <= run.start < run.stop <= len(newer)
            assert offsets[run.stop - 1] - offsets[run.start] < 3 * older[number][1] + SPAN_BYTES


def test_a_run_of_chunks_of_a_blob_is_never_too_long_for_a_delta() -> None:
    longest = 3 * CONTENT_CHUNK_BYTES_MAX + SPAN_BYTES

    assert longest + CONTENT_CHUNK_BYTES_MAX <= BASE_BYTES_MAX
    assert longest // CONTENT_CHUNK_BYTES_MIN + 1 <= RUN_CHUNKS_MAX


@given(st.integers(0, 1 << 32), st.integers(1, 12))
def test_what_covers_a_chunk_holds_nearly_all_of_its_bytes(seed: int, edits: int) -> None:
    """Of bytes that changed at a few places, grew and shrank."""
    random = Random(seed)
    older = random.randbytes(1 << 19)
    newer = bytearray(older)
    for _ in range(edits):
        at = random.randrange(len(newer))
        newer[at : at + random.randrange(300)] = random.randbytes(random.randrange(300))
    parts = list(cut([bytes(newer)], Chunking.CONTENT))
    lacking = list(cut([older], Chunking.CONTENT))

    for number, run in covering(chunks_of(older), chunks_of(bytes(newer))):
        base = b"".join(parts[run.start : run.stop])
        data = lacking[number]
        pieces = [data[at : at + 64] for at in range(len(data) - 64, 64)]
        found = sum(piece in base for piece in pieces)
        assert found >= len(pieces) - 8 * edits, f"{found} of {len(pieces)} pieces"


def hashes(count: int, name: bytes) -> Chunks:
    return [(payload_digest(b"%s %d" % (name, number)), 16 * KIB) for number in range(count)]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (hashes(MANY, b"a"), hashes(MANY, b"a")),
        (hashes(MANY, b"a"), hashes(MANY, b"b")),
        (hashes(MANY, b"a"), hashes(MANY, b"a")[::-1]),
        ([chunk("empty")] * MANY, [chunk("empty")] * MANY),
        ([chunk("empty")] * MANY, [chunk("other")] * MANY),
        ([chunk("empty"), chunk("b")] * (MANY // 2), [chunk("empty"), chunk("x")] * (MANY // 2)),
        ([chunk("a", CONTENT_CHUNK_BYTES_MAX)] * MANY, [chunk("x", 0)] * MANY),
        ([chunk("a", CONTENT_CHUNK_BYTES_MAX)] * MANY, [chunk("x", 1)] * MANY),
    ],
    ids=["same", "none common", "reversed", "one", "two", "in turn", "of no bytes", "of one byte"],
)
def test_no_two_lists_take_long(older: Chunks, newer: Chunks) -> None:
    started_s = time.process_time()
    count = sum(1 for _ in covering(older, newer))

    assert count <= MANY
    assert time.process_time() - started_s < SECONDS_OF_MANY
