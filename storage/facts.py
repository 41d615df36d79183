"""What a record can be kept to beside its words: values that a kind's owner reads from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from storage.listing import Listing


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one record. All of it is a function of the record: the same on every node."""

    terms: tuple[str, ...] = ()
    """What it is found by as a whole, case kept: `exports hash(i32, i32) -> i32`."""
    licenses: tuple[str, ...] = ()
    """Those that its licence names, in lower case."""
    format: str = ""
    size: int | None = None
    """Bytes."""
    fitness: float | None = None


FactsOf: TypeAlias = Callable[[Listing], Facts]
"""Pure. It is given what a projector made, so it need not be afraid of it."""


def no_facts(listing: Listing) -> Facts:
    """Where nobody asks for any."""
    return Facts()
