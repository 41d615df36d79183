"""A long document goes on in a new epoch: all that it holds comes over, and in parts that fit."""

import math
from functools import partial
from typing import Any, cast

import pytest
from automerge.core import ROOT, ObjType
from automerge.core import Document as Library
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.change import PAYLOAD_BYTES_MAX
from crdt.document import (
    DEPTH_MAX,
    ROOTS,
    ROOTS_OTHERWISE,
    Document,
    Editor,
    Plain,
    skeleton_for,
)
from crdt.preflight import read_change
from crdt.rollover import (
    CARRIED,
    CHANGES_FULL,
    OPS_FULL,
    PARTS_MAX,
    PLACE_BYTES_MAX,
    PLACES_MAX,
    carried_heads,
    carry_over,
    is_carryable,
    is_full,
)
from tests.crdt import bombs

LAPTOP, PHONE = bytes([1]) * 32, bytes([2]) * 32

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.binary(max_size=20),
)
keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    scalars, lambda inner: st.dictionaries(keys, inner, max_size=4), max_leaves=12
)


def document_of(head: dict[str, Plain], actor: bytes = LAPTOP) -> Document:
    document = Document.open("pub", "mod", actor)

    def put(editor: Editor, path: tuple[str, ...], value: Plain) -> None:
        if isinstance(value, dict):
            editor.make_map(path)
            for key, item in value.items():
                put(editor, (*path, key), item)
        else:
            assert not isinstance(value, list)
            editor.put(path, value)

    document.change(lambda editor: put(editor, ("head",), head))
    return document


def written(old: Document, *, key: bytes, metadata: int, value: bytes) -> bytes:
    """One value at the root, by somebody else's program."""
    ops = [read_change(raw).max_op for raw in old.changes_since([])]
    return bombs.set_root(
        key,
        metadata=metadata,
        value=value,
        actor=bytes([9 + len(ops)]) * 32,
        start_op=1 + max(ops),
        dependencies=list(old.heads()),
    )


def next_of(old: Document, actor: bytes = LAPTOP) -> tuple[Document, list[bytes]]:
    new = Document.open("pub", "mod", actor)
    return new, carry_over(old, new)


@settings(deadline=None)
@given(st.dictionaries(keys, values, max_size=6))
def test_all_that_a_document_holds_comes_over(head: dict[str, Plain]) -> None:
    old = document_of(head)
    new, raws = next_of(old)
    carried = new.to_py()
    assert {key: value for key, value in carried.items() if key != CARRIED} == old.to_py()
    assert carried_heads(carried) == tuple(sorted(old.heads()))
    there = Document.open("pub", "mod", PHONE)
    there.receive(raws)
    assert there.to_py() == carried


def test_until_the_last_change_the_new_epoch_is_not_open() -> None:
    old = Document.open("pub", "mod", LAPTOP)
    for number in range(40):
        old.change(partial(Editor.put, path=("head", f"k{number}"), value="x" * 5_000))
    _, raws = next_of(old)
    assert len(raws) > 6
    there = Document.open("pub", "mod", PHONE)
    for raw in raws[:-1]:
        there.receive([raw])
        assert carried_heads(there.to_py()) is None
    there.receive(raws[-1:])
    assert carried_heads(there.to_py()) == tuple(sorted(old.heads()))


def test_every_part_fits_a_payload_even_with_the_largest_values() -> None:
    old = Document.open("pub", "mod", LAPTOP)
    noise = b"".join(bytes([n % 251, n // 251 % 256, 7 * n % 256]) for n in range(21_000))
    for number in range(3):
        old.change(partial(Editor.put, path=("head", f"k{number}"), value=noise[number:]))
    new, raws = next_of(old)
    assert len(raws) == 4
    assert all(len(raw) < PAYLOAD_BYTES_MAX for raw in raws)
    assert all(read_change(raw).seq == seq for seq, raw in enumerate(raws, 1))
    assert new.to_py()["head"] == old.to_py()["head"]


def test_a_second_roll_over_names_its_own_predecessor() -> None:
    first = document_of({"name": "clock"})
    second, _ = next_of(first)
    third, _ = next_of(second)
    assert carried_heads(third.to_py()) == tuple(sorted(second.heads()))
    assert third.to_py()["head"] == {"name": "clock"}


def test_two_devices_that_carry_over_the_same_end_with_the_same() -> None:
    old = document_of({"name": "clock", "deep": {"in": {"a": 1}}})
    theirs = Document.open("pub", "mod", PHONE)
    theirs.receive(old.changes_since([]))
    one, raws = next_of(old)
    two, others = next_of(theirs, PHONE)
    one.receive(others)
    two.receive(raws)
    assert one.to_py() == two.to_py()
    assert one.to_py()["head"] == {"name": "clock", "deep": {"in": {"a": 1}}}


def test_what_one_device_carries_over_takes_nothing_from_what_another_did() -> None:
    """Of whose epoch it knows but a part, and of whose record not all."""
    old = document_of({"name": "clock"})
    theirs = Document.open("pub", "mod", PHONE)
    theirs.receive(old.changes_since([]))
    for number in range(40):
        old.change(partial(Editor.put, path=("head", f"k{number}"), value="x" * 5_000))
    there, raws = next_of(old)
    part, beside = Document.open("pub", "mod", PHONE), next_of(theirs, PHONE)[1]
    part.receive([*raws[:2], *beside])
    assert carried_heads(part.to_py()) == tuple(sorted(theirs.heads()))
    for one, rest in ((part, raws[2:]), (there, beside)):
        one.receive(rest)
        assert one.to_py()["head"] == old.to_py()["head"]
        assert carried_heads(one.to_py()) is not None
    assert part.to_py() == there.to_py()


def test_a_value_where_a_map_of_the_skeleton_was_comes_over() -> None:
    old = document_of({"name": "clock"})
    old.receive([written(old, key=b"tags", metadata=0x56, value=b"odd!!")])
    assert old.to_py()["tags"] == "odd!!"
    new, _ = next_of(old)
    assert new.to_py()["tags"] == "odd!!"
    assert new.to_py()["head"] == {"name": "clock"}


def test_lists_of_others_stay_behind_and_harm_nothing() -> None:
    old = document_of({"name": "clock"})
    raw = bombs.long_list(
        5,
        actor=PHONE,
        start_op=max(read_change(r).max_op for r in old.changes_since([])) + 1,
        dependencies=list(old.heads()),
    )
    old.receive([raw])
    assert any(isinstance(value, list) for value in old.to_py().values())
    new, _ = next_of(old)
    assert new.to_py()["head"] == {"name": "clock"}


def test_what_an_editor_would_not_write_stays_behind_and_stops_nobody() -> None:
    """Else one device could keep the record from ever going on."""
    old = document_of({"name": "clock", "n" * 40_000: {"long": "key"}})
    for bits in (0x7FF8 << 48, 0x7FF0 << 48, 0xFFF0 << 48):  # no number, and two too large ones
        old.receive([written(old, key=b"odd", metadata=0x85, value=bits.to_bytes(8, "little"))])
        assert not math.isfinite(cast(float, old.to_py()["odd"]))
        new, _ = next_of(old)
        assert new.to_py()["head"] == old.to_py()["head"]
        assert "odd" not in new.to_py()


def test_a_text_longer_than_a_change_stays_behind() -> None:
    old = document_of({"name": "clock"})
    library: Any = Library.load(old.save())  # its stubs lack what splices a text
    with library.transaction() as transaction:
        text = transaction.put_object(ROOT, "t", ObjType.Text)
    old.receive([change.raw_bytes for change in library.get_changes(list(old.heads()))])
    for number in range(4):
        before = library.get_heads()
        with library.transaction() as transaction:
            transaction.splice_text(text, 0, 0, "\N{DNA DOUBLE HELIX}" * 5_000)
        old.receive([change.raw_bytes for change in library.get_changes(before)])
        new, _ = next_of(old)
        assert ("t" in new.to_py()) == (number < 3)
        assert new.to_py()["head"] == {"name": "clock"}
    assert len(str(old.to_py()["t"]).encode()) > PLACE_BYTES_MAX


def test_more_heads_than_fit_a_change_stop_nobody() -> None:
    old = document_of({"name": "clock"})
    first = Document.open("pub", "mod", LAPTOP)
    raws = [
        bombs.set_root(
            actor=number.to_bytes(32, "big"),
            start_op=1 + skeleton_for("pub", "mod").max_op,
            dependencies=list(first.heads()),
        )
        for number in range(1, 2_200)
    ]
    old.receive(raws)
    new, _ = next_of(old)
    carried = carried_heads(new.to_py())
    assert carried
    assert old.heads().issuperset(carried)


@pytest.mark.parametrize("value", ["text", b"", b"x" * 31, b"x" * 33, 7, None, {"a": 1}, [b"x"]])
def test_what_is_no_list_of_heads_opens_nothing(value: Plain) -> None:
    assert carried_heads({CARRIED: value}) is None


def test_values_that_fill_a_change_each_are_not_carried_for_ever() -> None:
    """Else the new epoch were full at once, and every act a roll-over of all."""
    assert not is_carryable({"head": {f"k{n}": "x" * 20_000 for n in range(PARTS_MAX)}})
    assert is_carryable({"head": {f"k{n}": "x" * 20_000 for n in range(PARTS_MAX - 2)}})


def test_no_skeleton_has_a_root_of_that_name() -> None:
    assert all(CARRIED not in roots for roots in (*ROOTS.values(), ROOTS_OTHERWISE))


def test_when_a_document_is_full_and_when_it_is_worth_carrying() -> None:
    assert not is_full(CHANGES_FULL - 1, OPS_FULL - 1)
    assert is_full(CHANGES_FULL, 0)
    assert is_full(0, OPS_FULL)
    assert is_carryable({"head": {str(n): n for n in range(PLACES_MAX - 1)}})
    assert not is_carryable({"head": {str(n): n for n in range(PLACES_MAX)}})


def test_the_deepest_document_comes_over() -> None:
    deep: Plain = 1
    for _ in range(DEPTH_MAX - 2):
        deep = {"m": deep}
    old = document_of({"m": deep})
    new, _ = next_of(old)
    assert new.to_py()["head"] == old.to_py()["head"]
