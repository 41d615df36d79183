"""What no library takes is left out, and costs little; the others' work stands."""

from collections.abc import Callable, Sequence

import pytest

from crdt.document import Document, Editor, skeleton_for
from crdt.preflight import read_change
from crdt.usable import REFUSED_MAX, load_usable
from tests.crdt import bombs

ALICE, BOB, CAROL = b"\xaa" * 32, b"\xbb" * 32, b"\xcc" * 32
MODULE = skeleton_for("pub", "mod")


def _rename(name: str) -> Callable[[Editor], None]:
    return lambda editor: editor.put(("head", "name"), name)


def clocks(count: int) -> list[bytes]:
    """Alice renames her clock so often."""
    document = Document.open("pub", "mod", ALICE)
    raws = [document.change(_rename(f"clock {number}")) for number in range(count)]
    return [raw for raw in raws if raw is not None]


def test_load_usable_leaves_out_what_the_library_refuses() -> None:
    """Carol may write, and signs changes that no library can take; alice's work stands."""
    raws = clocks(2)
    deep = bombs.nested(5_000, actor=CAROL, start_op=4, dependencies=[MODULE.hash])
    on_deep = bombs.set_root(
        actor=CAROL, seq=2, start_op=5_004, dependencies=[read_change(deep).hash]
    )
    document, refused = load_usable(MODULE, [raws[0], deep, on_deep, raws[1]], BOB)
    assert document.to_py()["head"] == {"name": "clock 1"}
    assert {hash: error.code for hash, error in refused.items()} == {
        read_change(deep).hash: "too-deep",
        read_change(on_deep).hash: "excluded-dependency",
    }
    assert load_usable(MODULE, raws, BOB)[1] == {}


def test_one_change_refused_among_many_is_found_in_few_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raws, steps = clocks(256), 0
    deep = bombs.nested(5_000, actor=CAROL, start_op=4, dependencies=[MODULE.hash])
    receive = Document.receive

    def counted(self: Document, raws: Sequence[bytes]) -> None:
        nonlocal steps
        steps += 1
        receive(self, raws)

    monkeypatch.setattr(Document, "receive", counted)
    document, refused = load_usable(MODULE, [*raws[:100], deep, *raws[100:]], BOB)
    assert [*refused] == [read_change(deep).hash]
    assert document.to_py()["head"] == {"name": "clock 255"}
    assert steps <= 2 * 9, "halving, not one by one"


def test_who_signs_bombs_by_the_dozen_costs_no_more_than_some() -> None:
    deep = [
        bombs.nested(100, actor=bytes([n]) * 32, start_op=4, dependencies=[MODULE.hash])
        for n in range(1, 2 * REFUSED_MAX)
    ]
    document, refused = load_usable(MODULE, deep, BOB)
    codes = [error.code for error in refused.values()]
    assert codes.count("too-deep") == REFUSED_MAX
    assert codes.count("too-many-refused") == len(deep) - REFUSED_MAX
    assert document.to_py()["head"] == {}
