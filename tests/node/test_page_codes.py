"""The code that lets the page act is of use once, for a while, and to nobody who guesses."""

from dataclasses import dataclass, field
from itertools import cycle

import pytest

from node.errors import NotAllowed
from node.page_codes import LIFE_S, WRONG_MAX, PageCodes


@dataclass
class Clock:
    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Chosen:
    """Takes what a test says, letter by letter."""

    letters: str = "K7QX2M9P"
    _next: "cycle[str]" = field(init=False)

    def __post_init__(self) -> None:
        self._next = cycle(self.letters)

    def __call__(self, alphabet: str) -> str:
        one = next(self._next)
        assert one in alphabet
        return one


def test_it_is_read_as_people_type_it_and_only_once() -> None:
    codes = PageCodes(Clock(), Chosen("K0QX2M1P"))
    assert codes.make() == ("K0QX-2M1P", 1_000.0 + LIFE_S)
    codes.take(" koqx 2mlp\n")
    with pytest.raises(NotAllowed, match="there is no code just now; for another: panspermia open"):
        codes.take("K0QX-2M1P")


def test_it_ends() -> None:
    clock = Clock()
    codes = PageCodes(clock, Chosen())
    code, until_s = codes.make()
    clock.now_s = until_s
    with pytest.raises(NotAllowed, match="no code just now"):
        codes.take(code)


def test_a_few_slips_are_forgiven_and_guessing_is_not() -> None:
    codes = PageCodes(Clock())
    code, _ = codes.make()
    for _ in range(WRONG_MAX - 1):
        with pytest.raises(NotAllowed, match="look at it again"):
            codes.take("\ud800")
    codes.take(code)
    code, _ = codes.make()
    for _ in range(WRONG_MAX - 1):
        with pytest.raises(NotAllowed, match="look at it again"):
            codes.take("0000-000I")
    with pytest.raises(NotAllowed, match="mistyped too often"):
        codes.take("")
    with pytest.raises(NotAllowed, match="no code just now"):
        codes.take(code)


def test_only_the_newest_counts() -> None:
    codes = PageCodes(Clock())
    first, _ = codes.make()
    second, _ = codes.make()
    assert first != second
    with pytest.raises(NotAllowed, match="look at it again"):
        codes.take(first)
    codes.take(second)


def test_before_the_first_nothing_is_taken() -> None:
    with pytest.raises(NotAllowed):
        PageCodes(Clock()).take("")
