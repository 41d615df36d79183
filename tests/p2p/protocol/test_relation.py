"""Where pieces of one blob lie in another: found again after any edit, and within the bounds."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.blob import ChunkName, Manifest, build_content_manifest
from p2p.protocol import limits
from p2p.protocol.effects import FindManifest
from p2p.protocol.pieces import CHUNK, PAGE
from p2p.protocol.relation import Relation, relate_chunks, relate_pages

MANY_PAGES = 64


def names(random: Random, count: int, size: int = 0) -> list[ChunkName]:
    sizes = [size or random.randint(4_096, 65_536) for _ in range(count)]
    return [ChunkName(random.randbytes(32), one) for one in sizes]


def part(manifest: Manifest, first: int, count: int) -> Manifest:
    return Manifest(manifest.parsed, manifest.pages[first : first + count], first)


def relation_of(own: Manifest, base: Manifest, pages_max: int = MANY_PAGES) -> Relation:
    """As the swarm has it, where the store holds the base."""
    steps = relate_chunks(own, base.parsed, pages_max)
    asked = next(steps)
    assert asked == FindManifest(base.id, asked.first_page, asked.pages)
    assert asked.pages <= pages_max
    try:
        steps.send(part(base, asked.first_page, asked.pages))
    except StopIteration as done:
        relation: Relation = done.value
        return relation
    raise AssertionError("it asks for more")


def covers(relation: Relation, chunk: int, other: int) -> bool:
    base = relation.base_of(chunk, 1)
    return base is not None and base.first <= other < base.first + base.count


def changed(random: Random, of: Sequence[ChunkName], numbers: Sequence[int]) -> list[ChunkName]:
    """Other bytes of the same length in these."""
    found = list(of)
    for number in numbers:
        found[number] = ChunkName(random.randbytes(32), found[number].size)
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(1, 3_000), st.integers(0, 40), st.integers(0, 600))
def test_a_chunk_that_changed_is_covered_by_what_it_was(
    seed: int, count: int, changes: int, came_in: int
) -> None:
    """Also behind something that came in at the beginning."""
    random = Random(seed)
    old = names(random, count)
    numbers = sorted({random.randrange(count) for _ in range(changes)} - {0})
    new = [old[0], *names(random, came_in), *changed(random, old, numbers)[1:]]
    own, base = build_content_manifest(new), build_content_manifest(old)
    relation = relation_of(own, base)
    clear = [one for one in numbers if one - 1 not in numbers or one + 1 not in numbers]
    for number in clear:
        if number - 1 not in numbers and number > 1:  # what is right before it tells
            assert covers(relation, number + came_in, number)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(0, 14))
def test_under_a_few_pages_of_many_too(seed: int, first_page: int) -> None:
    random = Random(seed)
    old = names(random, 8_000)
    whole = build_content_manifest(old)
    numbers = sorted(random.sample(range(1, 8_000), 400))
    own = build_content_manifest(changed(random, old, numbers))
    window = part(own, min(first_page, own.parsed.page_count - 1), 2)
    start = own.parsed.page_starts[window.first_page]
    hashes = own.parsed.page_hashes[window.first_page :][: len(window.pages)]
    if {*hashes} <= {*whole.parsed.page_hashes}:  # a short last one may have nothing new in it
        assert not any(start < number < window.chunk_end for number in numbers)
        assert [*relate_chunks(window, whole.parsed, 9)] == []
        return
    relation = relation_of(window, whole, pages_max=9)
    # Where pages of the two begin at other chunks, the last of them may lie in the base's next one.
    known = min(window.chunk_end, relation.base_first + len(relation.offsets) - 1)
    for number in numbers:
        if start < number < known:
            assert covers(relation, number, number), (number, start)
        elif number < start:
            assert relation.base_of(number, 1) is None


def test_what_both_have_needs_no_base_and_what_lies_beyond_has_none() -> None:
    random = Random(1)
    old = names(random, 50)
    new = [*changed(random, old, [20]), *names(random, 9)]
    relation = relation_of(build_content_manifest(new), build_content_manifest(old))
    assert relation.piece == CHUNK
    assert relation.base_of(0, 20) is None
    assert relation.base_of(55, 4) is None
    assert relation.base_of(0, 30) == relation.base_of(20, 1) is not None


@pytest.mark.parametrize(
    ("size", "count"),
    [
        (4_096, limits.RUN_CHUNKS_MAX),
        (65_536, limits.DELTA_BASE_BYTES_MAX // 65_536),
    ],
)
def test_a_base_is_no_longer_than_it_may_be(size: int, count: int) -> None:
    """DELTA_BASE_BYTES_MAX, RUN_CHUNKS_MAX."""
    random = Random(2)
    old = names(random, 600, size)
    new = changed(random, old, range(50, 550))
    relation = relation_of(build_content_manifest(new), build_content_manifest(old))
    base = relation.base_of(0, 600)
    assert base is not None
    assert base.count == count
    assert base.first in (49, 50)


def test_pages_are_covered_by_those_at_their_place() -> None:
    random = Random(3)
    old = names(random, 3_000)
    own, base = build_content_manifest(changed(random, old, [1_500])), build_content_manifest(old)
    relation = relate_pages(own.parsed, base.parsed)
    page = own.parsed.page_of(1_500)
    found = relation.base_of(page, 1)
    assert relation.piece == PAGE
    assert found is not None
    assert found.first <= base.parsed.page_of(1_500) < found.first + found.count <= 3_000
    assert relation.base_of(0 if page else 1, 1) is None


def test_a_base_that_went_is_none() -> None:
    random = Random(4)
    manifest = build_content_manifest(names(random, 9))
    steps = relate_chunks(manifest, manifest.parsed, MANY_PAGES)
    next(steps)
    with pytest.raises(StopIteration) as done:
        steps.send(None)
    assert done.value.value is None
