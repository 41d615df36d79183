from dataclasses import replace
from random import Random

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from crdt.area import Area
from crdt.entry import Entry
from crdt.keys import COMMONS, AuthorKey
from crdt.order import (
    EMPTY_SUMMARY,
    FINGERPRINT_BYTES,
    ITEM_ID_BYTES,
    LANES,
    Bounds,
    area_bounds,
    fingerprint,
    fingerprint_of,
    is_one_range,
    lanes,
    order_key,
    path_prefix_key,
)
from tests.crdt.strategies import areas, entries, small_paths

small_entries = entries(small_paths)
ids = st.lists(st.binary(min_size=32, max_size=32), max_size=20)


def place(entry: Entry) -> tuple[bytes, tuple[bytes, ...], int]:
    return entry.subspace, entry.path, entry.timestamp


@given(st.one_of(entries(), small_entries), st.one_of(entries(), small_entries))
def test_keys_compare_as_subspace_path_and_timestamp_do(one: Entry, two: Entry) -> None:
    assert (order_key(one) < order_key(two)) == (place(one) < place(two))
    assert (order_key(one) == order_key(two)) == (place(one) == place(two))


@given(small_entries, small_paths, st.integers(0, (1 << 64) - 1))
def test_keys_compare_within_one_subspace(
    entry: Entry, path: tuple[bytes, ...], timestamp: int
) -> None:
    """Zero bytes, empty components and prefixes, with nothing else to tell them apart."""
    other = replace(entry, path=path, timestamp=timestamp)
    assert (order_key(entry) < order_key(other)) == (place(entry) < place(other))


def test_a_shorter_path_comes_first_whatever_its_timestamp() -> None:
    entry = Entry(COMMONS, AuthorKey(bytes(32)), (b"a",), (1 << 64) - 1, 0, bytes(32))
    below = [replace(entry, path=path, timestamp=0) for path in ((b"a", b""), (b"a", b"\0"))]
    assert order_key(entry) < order_key(below[0]) < order_key(below[1])


@given(areas(), small_entries)
def test_the_bounds_of_an_area_hold_its_entries(area: Area, entry: Entry) -> None:
    is_within = area_bounds(area).includes(order_key(entry))
    if area.includes_entry(entry):
        assert is_within
    if is_one_range(area):
        assert is_within == area.includes_entry(entry)


@given(areas(), small_entries, st.data())
def test_bounds_are_exact_for_a_path_of_one_author(
    area: Area, entry: Entry, data: st.DataObject
) -> None:
    subspace = data.draw(st.sampled_from([entry.subspace, AuthorKey(b"\xff" * 32)]))
    area = replace(area, subspace=subspace, start=0, end=None)
    assert is_one_range(area)
    assert area_bounds(area).includes(order_key(entry)) == area.includes_entry(entry)


@given(st.data())
def test_no_key_lies_between_the_bounds_and_the_prefix(data: st.DataObject) -> None:
    entry = data.draw(small_entries)
    prefix = entry.path[: data.draw(st.integers(0, len(entry.path)))]
    assert order_key(entry).startswith(entry.subspace + path_prefix_key(prefix))


def test_the_whole_namespace_has_no_bounds() -> None:
    assert area_bounds(Area()) == Bounds(b"", None)
    assert is_one_range(Area())
    assert not is_one_range(Area(path=(b"pub",)))
    assert not is_one_range(Area(start=1))


def test_the_last_author_of_all_has_no_upper_bound() -> None:
    last = AuthorKey(b"\xff" * 32)
    assert area_bounds(Area(last)) == Bounds(last, None)
    assert area_bounds(Area(last, (b"\xff",))) == Bounds(
        last + b"\xff\x00\x01", last + b"\xff\x00\x02"
    )


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ((), ""),
        ((b"",), "0001"),
        ((b"a", b"b"), "610001620001"),
        ((b"a\0b",), "6100ff620001"),
        ((b"\0\0",), "00ff00ff0001"),
        ((b"\xff",), "ff0001"),
    ],
)
def test_the_key_of_a_path_is_what_the_module_says(path: tuple[bytes, ...], key: str) -> None:
    assert path_prefix_key(path).hex() == key


@given(ids, st.integers())
def test_the_order_of_ids_leaves_no_trace_in_a_fingerprint(ids: list[bytes], seed: int) -> None:
    shuffled = Random(seed).sample(ids, len(ids))
    assert fingerprint_of(shuffled) == fingerprint_of(ids)
    assert len(fingerprint_of(ids)) == FINGERPRINT_BYTES


@given(ids, st.binary(min_size=32, max_size=32))
def test_one_more_id_changes_the_fingerprint(ids: list[bytes], id: bytes) -> None:
    assert fingerprint_of([*ids, id]) != fingerprint_of(ids)


@given(ids, ids)
def test_sums_of_two_ranges_add_up_to_that_of_both(left: list[bytes], right: list[bytes]) -> None:
    """So a database can sum, and a range can be split without reading it again."""
    totals = [sum(column) for column in zip(*map(lanes, left + right), strict=True)] or [0] * LANES
    assert fingerprint(totals, len(left) + len(right)) == fingerprint_of(left + right)


def test_the_short_form_of_an_id_counts_the_same() -> None:
    id = bytes(range(32))
    assert lanes(id) == lanes(id[:ITEM_ID_BYTES]) != lanes(id[1:])
    assert all(0 <= lane < 1 << 32 for lane in lanes(id))


def test_lanes_of_more_entries_than_any_disk_holds_stay_exact() -> None:
    """2^31 entries: the sums fit into the 63 bits of a database's integer, and are not rounded."""
    sums = [((1 << 32) - 1) * (1 << 31)] * LANES
    assert max(sums) < 1 << 63
    assert fingerprint(sums, 1 << 31) != fingerprint([*sums[:-1], sums[-1] - 1], 1 << 31)


def test_a_fingerprint_is_what_the_module_says() -> None:
    """Spelled out, for other implementations."""
    id = bytes(range(16))
    spelled = [int.from_bytes(blake3(id).digest()[at : at + 4], "big") for at in range(0, 32, 4)]
    packed = b"".join(number.to_bytes(8, "big") for number in (*spelled, 1))
    assert fingerprint_of([id]) == blake3(packed).digest()[:16]
    assert EMPTY_SUMMARY.fingerprint == blake3(bytes(72)).digest()[:16]
