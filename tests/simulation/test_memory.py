"""The measure of memory sees where a part could hide something."""

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass

import pytest

from tests.simulation.memory import size_of

HIDDEN_BYTES = 100_000


@dataclass(slots=True)
class Slotted:
    hidden: bytes


@dataclass(slots=True)
class Derived(Slotted):
    other: int = 0


class Plain:
    def __init__(self, hidden: bytes) -> None:
        self.hidden = {"here": [(hidden,)]}

    def method(self) -> None:
        """Leads to what it is bound to."""


def running(hidden: bytes) -> Generator[None]:
    yield
    assert hidden


def started(hidden: bytes) -> Generator[None]:
    machine = running(hidden)
    next(machine)
    return machine


def closure(hidden: bytes) -> Callable[[], bytes]:
    return lambda: hidden


def bound(hidden: bytes) -> Callable[[], None]:
    return Plain(hidden).method


def queued(hidden: bytes) -> object:
    return deque([hidden])


@pytest.mark.parametrize("hide", [Slotted, Derived, Plain, bound, started, closure, queued])
def test_what_is_hidden_is_counted_once(hide: Callable[[bytes], object]) -> None:
    part = hide(bytes(HIDDEN_BYTES))
    assert HIDDEN_BYTES < size_of([part]) < HIDDEN_BYTES + 2_000
    assert size_of([part, part]) == size_of([part])


def test_what_is_not_the_nodes_is_not_counted() -> None:
    assert size_of([Derived(bytes(HIDDEN_BYTES))], but=(Slotted,)) == 0
    assert size_of([size_of]) < 1_000
