"""What a change puts into maps is read from its bytes as the library reads it."""

from automerge.core import ROOT, ObjType, ScalarType
from automerge.core import Document as Library
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crdt.errors import Malformed
from crdt.leb128 import uleb
from crdt.preflight import CHUNK_ROWS_MAX, read_change
from crdt.puts import byte_strings
from tests.crdt import bombs

runs = st.lists(
    st.one_of(
        st.tuples(st.integers(1, 40), st.binary(max_size=6)).map(
            lambda run: bombs.sleb(run[0]) + run[1]
        ),
        st.lists(st.binary(max_size=6), min_size=1, max_size=4).map(
            lambda each: bombs.sleb(-len(each)) + b"".join(each)
        ),
        st.integers(1, 40).map(lambda nulls: b"\0" + uleb(nulls)),
    ),
    max_size=5,
).map(b"".join)


@settings(deadline=None, max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "", "ü" * 70, "0" * 64, "f" * 64]),
        st.one_of(st.none(), st.integers(), st.text(max_size=5), st.binary(max_size=300)),
    )
)
@example({"a": b""})
def test_byte_strings_are_those_that_were_put(puts: dict[str, object]) -> None:
    document = Library()
    with document.transaction() as tx:
        inner = tx.put_object(ROOT, "map", ObjType.Map)
        items = tx.put_object(ROOT, "list", ObjType.List)
        wanted = dict[bytes, bytes]()
        for at, (key, value) in enumerate(puts.items()):
            tx.insert(items, 0, ScalarType.Bytes, b"in a list")
            where = inner if at % 2 else ROOT
            match value:
                case bytes():
                    tx.put(where, key, ScalarType.Bytes, value)
                    wanted[key.encode()] = value
                case str():
                    tx.put(where, key, ScalarType.Str, value)
                case int():
                    tx.put(where, key, ScalarType.Int, value % 1_000)
                case _:
                    tx.put(where, key, ScalarType.Boolean, True)
                    tx.delete(where, key)
    (change,) = document.get_changes([])
    assert byte_strings(change.raw_bytes) == wanted


def test_of_one_key_the_last_counts() -> None:
    document = Library()
    with document.transaction() as tx:
        tx.put(ROOT, "a", ScalarType.Bytes, b"one")
        tx.put(ROOT, "a", ScalarType.Bytes, b"two")
        tx.delete(ROOT, "a")
        tx.put(ROOT, "a", ScalarType.Int, 3)
    (change,) = document.get_changes([])
    assert byte_strings(change.raw_bytes) == {b"a": b"two"}


def test_one_key_for_many_values_costs_no_more_than_the_rows_that_a_change_may_have() -> None:
    rows = CHUNK_ROWS_MAX
    columns = [
        (0x15, bombs.sleb(rows) + uleb(64) + b"a" * 64),
        (0x42, bombs.sleb(rows) + uleb(1)),
        (0x56, bombs.sleb(rows) + uleb(1 << 4 | 7)),
        (0x57, bytes(rows)),
    ]
    raw = bombs.chunk(bombs.body(columns))
    assert read_change(raw).ops == rows
    assert byte_strings(raw) == {b"a" * 64: b"\0"}


@settings(deadline=None, max_examples=300)
@given(st.one_of(runs, st.binary(max_size=20)), st.one_of(runs, st.binary(max_size=20)), st.data())
def test_whatever_passes_the_door_is_read(
    keys: bytes, metadata: bytes, data: st.DataObject
) -> None:
    """A stranger's change must not stop the transaction that it came in."""
    values = data.draw(st.integers(0, 40).map(bytes))
    columns = [(0x15, keys), (0x42, bombs.sleb(100) + uleb(1)), (0x56, metadata)]
    raw = bombs.chunk(bombs.body([*columns, (0x57, values)]))
    try:
        read_change(raw)
    except Malformed:
        return
    byte_strings(raw)
