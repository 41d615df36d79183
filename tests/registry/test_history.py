from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from registry.deletion import delete, undelete
from registry.edits import Edit
from registry.history import acts
from registry.publication import deprecate, undo_deprecate, undo_yank, yank
from tests.registry.people import NOON_US, Record, dice_document


def test_each_change_is_told_in_words() -> None:
    record = Record(dice_document())

    def told(edit: Edit) -> list[str]:
        before = record.value
        record.edit(edit)
        return [str(act) for act in acts(before, record.value)]

    before = record.value
    record.publish("1.0.0")
    assert [str(act) for act in acts(before, record.value)] == ["released 1.0.0"]
    before = record.value
    record.publish("1.1.0")
    assert [str(act) for act in acts(before, record.value)] == ["released 1.1.0"]
    assert told(yank("1.0.0", "It rolls a seven.")) == ["yanked 1.0.0: It rolls a seven."]
    assert told(undo_yank("1.0.0")) == ["took back the yank of 1.0.0"]
    assert told(deprecate("1.0.0", "")) == ["deprecated 1.0.0"]
    assert told(undo_deprecate("1.0.0")) == ["took back the deprecation of 1.0.0"]
    assert told(delete(now_us=NOON_US)) == ["deleted it"]
    assert told(undelete()) == ["brought it back"]
    described = told(lambda editor: editor.put(("head", "description"), "Throws more dice."))
    assert described == ["changed description"]
    forged = told(lambda editor: editor.put(("versions", "1.0.0", "statement"), b"other"))
    assert forged == ["altered what was released as 1.0.0"]


words = st.one_of(st.none(), st.text(max_size=5), st.integers())
fields = st.dictionaries(st.sampled_from(["yanked", "statement", "name", "\u202ex"]), words)
versions = st.dictionaries(st.text(max_size=5), st.one_of(fields, words), max_size=2)
values = st.dictionaries(
    st.sampled_from(["head", "tags", "versions", "deleted"]),
    st.one_of(fields, versions, words),
    max_size=3,
)


@given(values, values)
def test_of_any_two_values_something_is_said_on_one_line(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    for act in acts(before, after):
        assert str(act).isprintable()
