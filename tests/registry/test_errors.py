import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import errors
from registry.errors import InvalidManifest, Problem, RegistryError, quoted


def test_every_error_has_a_code_of_its_own_and_a_sentence() -> None:
    kinds = [each for each in RegistryError.__subclasses__() if each.__module__ == errors.__name__]
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert all(kind.__doc__ and kind.__doc__.endswith(".") for kind in kinds)
    assert all(kind.__name__ in (errors.__doc__ or "") for kind in kinds)


def test_problems_are_told_with_their_place() -> None:
    problems = (Problem("/module/id", "is needed", 1), Problem("/dependencies/alice~1a.b", "no"))
    with pytest.raises(InvalidManifest) as caught:
        raise InvalidManifest(problems)
    assert caught.value.detail == "line 1: module.id: is needed\ndependencies.alice/a.b: no"


@given(st.text())
def test_what_is_quoted_moves_no_cursor_and_floods_no_log(text: str) -> None:
    shown = quoted(text)
    assert shown.isprintable()
    assert len(shown) <= 64 * 10 + 3
