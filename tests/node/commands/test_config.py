"""One line of config.toml changes; all others, comments among them, stay."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.commands.config import value_text, with_setting
from node.failure import Failure


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "[api]\nport = 4000\n"),
        ("[api]\nport = 3000\n", "[api]\nport = 4000\n"),
        ("[api]\n# mine\nport = 3000 # why\n", "[api]\n# mine\nport = 4000\n"),
        ("[p2p]\nmdns = false\n", "[p2p]\nmdns = false\n[api]\nport = 4000\n"),
        ('[api]\nhost = "::1"\n\n[p2p]\n', '[api]\nport = 4000\nhost = "::1"\n\n[p2p]\n'),
    ],
)
def test_a_setting_is_put(before: str, after: str) -> None:
    assert with_setting(before, "api.port", "4000") == after


@pytest.mark.parametrize("text", ["api = { port = 3000 }\n", "api.port = 3000\n", "[api\n"])
def test_what_only_a_person_can_edit_stays_as_it_is(text: str) -> None:
    with pytest.raises(Failure):
        with_setting(text, "api.port", "4000")


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]))
VALUES = st.booleans() | st.integers() | TEXTS


@given(VALUES | st.lists(VALUES))
def test_a_value_reads_back(value: object) -> None:
    assert tomllib.loads(f"value = {value_text(value)}")["value"] == value
