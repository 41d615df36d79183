"""What a change puts is read from its bytes as the library reads it, at a bounded cost."""

from collections.abc import Callable
from typing import Any

import pytest
from automerge.core import ROOT, ObjType, ScalarType
from automerge.core import Document as Library
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crdt import puts
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
        st.one_of(st.none(), st.integers(), st.text(max_size=9), st.binary(max_size=300)),
    ),
    st.integers(1, 20),
)
@example({"a": b"", "b": b"x"}, 1)
@example({"a": b"four", "b": b"five!"}, 5)
def test_byte_strings_are_those_that_were_put(puts: dict[str, object], size_min: int) -> None:
    document = Library()
    wanted = list[bytes]()
    with document.transaction() as tx:
        inner = tx.put_object(ROOT, "map", ObjType.Map)
        items = tx.put_object(ROOT, "list", ObjType.List)
        for at, (key, value) in enumerate(puts.items()):
            where = inner if at % 2 else ROOT
            match value:
                case bytes():
                    tx.put(where, key, ScalarType.Bytes, value)
                    tx.insert(items, 0, ScalarType.Bytes, value)
                    wanted += [value] * 2 if len(value) >= size_min else []
                case str():
                    tx.put(where, key, ScalarType.Str, value)
                case int():
                    tx.put(where, key, ScalarType.Int, value % 1_000)
                case _:
                    tx.put(where, key, ScalarType.Boolean, True)
                    tx.delete(where, key)
    (change,) = document.get_changes([])
    assert [*byte_strings(change.raw_bytes, size_min)] == wanted


def rows_of(value: bytes, rows: int) -> bytes:
    """A change that puts this value so many times, in few bytes beside the values."""
    columns = [
        (0x15, bombs.sleb(rows) + uleb(64) + b"a" * 64),
        (0x42, bombs.sleb(rows) + uleb(1)),
        (0x56, bombs.sleb(rows) + uleb(len(value) << 4 | 7)),
        (0x57, value * rows),
    ]
    raw = bombs.chunk(bombs.body(columns))
    assert read_change(raw).ops == rows
    return raw


def test_values_of_one_run_are_told_apart() -> None:
    assert [*byte_strings(rows_of(b"some", 3), 4)] == [b"some"] * 3


@pytest.mark.parametrize("value", [b"", b"a"])
def test_a_run_of_values_that_are_too_short_is_one_step(
    value: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """166 bytes, of a guest too, took 20,000 steps; and 10,000 such changes may fall at once."""
    raw, steps = rows_of(value, CHUNK_ROWS_MAX), list[str]()

    def counted(name: str, taken: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any) -> Any:  # noqa: ANN401 - whatever the real one takes and gives
            steps.append(name)
            return taken(*given)

        return step

    for name in ("take", "unsigned", "read_run"):
        monkeypatch.setattr(puts, name, counted(name, getattr(puts, name)))
    assert [*byte_strings(raw, 2)] == []
    assert len(steps) < 20


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(runs, st.binary(max_size=20)),
    st.one_of(runs, st.binary(max_size=20)),
    st.integers(1, 9),
    st.data(),
)
def test_whatever_passes_the_door_is_read(
    keys: bytes, metadata: bytes, size_min: int, data: st.DataObject
) -> None:
    """A stranger's change must not stop the transaction that it came in."""
    values = data.draw(st.integers(0, 40).map(bytes))
    columns = [(0x15, keys), (0x42, bombs.sleb(100) + uleb(1)), (0x56, metadata)]
    raw = bombs.chunk(bombs.body([*columns, (0x57, values)]))
    try:
        read_change(raw)
    except Malformed:
        return
    found = [*byte_strings(raw, size_min)]
    assert all(len(one) >= size_min for one in found)
    assert len(b"".join(found)) <= len(values)
