"""Making own work again that fell with somebody else's."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from crdt.document import Document, Editor, Plain, load_valid, skeleton_for
from crdt.preflight import read_change
from crdt.reapply import FALLEN_MAX, GONE, PLACES_MAX, onto, redo, redo_of

SKELETON = skeleton_for("pub", "mod")
ALICE, BOB = b"a" * 32, b"b" * 32

Edit = Callable[[Editor], None]


class Story:
    """A document that several write, one after the other or on a branch of their own."""

    def __init__(self) -> None:
        self.raws: dict[bytes, bytes] = {}

    def writes(self, actor: bytes, edit: Edit, *, on: Sequence[bytes] | None = None) -> bytes:
        draft = load_valid(SKELETON, (), actor)
        kept = self.raws if on is None else {one: self.raws[one] for one in on}
        draft.receive(list(kept.values()))
        raw = draft.change(edit)
        assert raw is not None
        self.raws[read_change(raw).hash] = raw
        return read_change(raw).hash

    def made_again(self, counts: Sequence[bytes], fallen: Sequence[bytes]) -> Mapping[str, Plain]:
        """What is there after the one new change on what still counts."""
        document = load_valid(SKELETON, (), ALICE)
        document.receive([self.raws[one] for one in counts])
        document.change(redo(redo_of(SKELETON, self.raws, fallen)))
        return document.to_py()


def put(*path: str, value: Plain = "x") -> Edit:
    def edit(editor: Editor) -> None:
        assert not isinstance(value, dict | list)
        editor.make_map(path[:-1])
        editor.put(path, value)

    return edit


def test_own_work_comes_back_without_what_it_was_built_on() -> None:
    story = Story()
    first = story.writes(ALICE, put("head", "name", value="clock"))
    story.writes(BOB, put("head", "bob", value="gone"))
    second = story.writes(ALICE, put("head", "text", value="on bob's"))
    third = story.writes(ALICE, put("versions", "1.0.0", "size", value=7))
    value = story.made_again([first], [second, third])
    assert value["head"] == {"name": "clock", "text": "on bob's"}
    assert value["versions"] == {"1.0.0": {"size": 7}}


def test_only_what_a_change_did_itself_is_done_again() -> None:
    """Not what lay there already, by whomever; and what counts by now of others stays."""
    story = Story()
    first = story.writes(ALICE, put("head", "name", value="clock"))
    bobs = story.writes(BOB, put("head", "bob", value="gone"))
    mine = story.writes(ALICE, put("head", "own", value=True))
    carols = story.writes(b"c" * 32, put("head", "carol", value="later"), on=[first])
    assert bobs
    head = story.made_again([first, carols], [mine])["head"]
    assert head == {"name": "clock", "own": True, "carol": "later"}


def test_deleting_and_changing_are_done_again_in_their_order() -> None:
    story = Story()
    first = story.writes(ALICE, put("head", "old", value="there"))
    story.writes(BOB, put("head", "bob"))
    fallen = [
        story.writes(ALICE, lambda editor: editor.delete(("head", "old"))),
        story.writes(ALICE, put("head", "n", value=1)),
        story.writes(ALICE, put("head", "n", value=2)),
        story.writes(ALICE, put("head", "made", "deep", value=1)),
        story.writes(ALICE, lambda editor: editor.delete(("head", "made"))),
    ]
    assert story.made_again([first], fallen)["head"] == {"n": 2}


def test_counters_and_tags_are_places_like_others() -> None:
    story = Story()
    first = story.writes(ALICE, lambda editor: editor.add_tag(("tags",), "red", 1))
    story.writes(BOB, put("head", "bob"))
    second = story.writes(ALICE, lambda editor: editor.add_tag(("tags",), "blue", 2))
    third = story.writes(ALICE, lambda editor: editor.delete(("tags", "red")))
    value = story.made_again([first], [second, third])["tags"]
    assert value == {"blue": 2}


def test_what_has_become_another_shape_stays_as_it_is() -> None:
    story = Story()
    first = story.writes(ALICE, put("head", "name"))
    mine = story.writes(ALICE, put("head", "place", value="a value"))
    other = story.writes(b"c" * 32, put("head", "place", "inner", value="a map"), on=[first])
    assert story.made_again([first, other], [mine])["head"] == {
        "name": "x",
        "place": {"inner": "a map"},
    }


def test_what_has_no_place_any_more_is_left_out_and_counted() -> None:
    """A mark on a version that bob published, and that fell with him."""
    story = Story()
    first = story.writes(ALICE, put("head", "name"))
    story.writes(BOB, put("versions", "1.1.0", "size", value=7))
    mine = [
        story.writes(ALICE, put("versions", "1.1.0", "yanked", value="bad")),
        story.writes(ALICE, put("versions", "1.1.0", "why", "more", value="deep")),
        story.writes(ALICE, put("head", "kept", value=1)),
    ]
    value = story.made_again([first], mine)
    assert (value["versions"], value["head"]) == ({}, {"name": "x", "kept": 1})
    fitting = onto(redo_of(SKELETON, story.raws, mine), {"head": {"name": "x"}, "versions": {}})
    assert (dict(fitting.doing), fitting.left) == ({("head", "kept"): 1}, 3)


def test_what_is_there_already_is_not_done_again() -> None:
    story = Story()
    story.writes(ALICE, put("head", "old", value="there"))
    mine = [
        story.writes(ALICE, put("head", "made", "n", value=1)),
        story.writes(ALICE, lambda editor: editor.delete(("head", "old"))),
    ]
    again = redo_of(SKELETON, story.raws, mine)
    assert onto(again, {"head": {"made": {"n": 1}}}).doing == {}
    assert onto(again, {"head": {"made": {"n": True}, "old": 1}}).doing == {
        ("head", "made", "n"): 1,
        ("head", "old"): GONE,
    }
    shaped = onto(again, {"head": {"made": {"n": {}}}})
    assert (shaped.doing, shaped.left) == ({}, 1)


def test_what_builds_on_what_is_not_here_is_counted() -> None:
    story = Story()
    bobs = story.writes(BOB, put("head", "bob"))
    mine = story.writes(ALICE, put("head", "mine"))
    del story.raws[bobs]
    again = redo_of(SKELETON, story.raws, [mine])
    assert (again.changes, again.unreadable, dict(again.doing)) == (0, 1, {})


@pytest.mark.parametrize("more", [0, 3])
def test_no_more_places_than_one_change_takes(more: int) -> None:
    story = Story()

    def many(editor: Editor) -> None:
        for number in range(PLACES_MAX + more):
            editor.put(("head", f"k{number:05}"), number)

    mine = story.writes(ALICE, many)
    again = redo_of(SKELETON, story.raws, [mine])
    assert (len(again.doing), again.left) == (PLACES_MAX, more)


def test_no_more_changes_are_looked_at_than_said() -> None:
    story = Story()
    mine = story.writes(ALICE, put("head", "n"))
    again = redo_of(SKELETON, story.raws, [mine] * (FALLEN_MAX + 2))
    assert again.unreadable >= 2


def test_a_document_is_left_as_it_was_where_nothing_fell() -> None:
    document = Document.open("pub", "mod", ALICE)
    assert document.change(redo(redo_of(SKELETON, {}, []))) is None
