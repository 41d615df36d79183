"""What the parts of a store share: the database and the clock."""

from collections.abc import Callable

from storage.database import Database


class Part:
    """One concern of the store. `Store` is all of them over one database."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        self._database = database
        self._clock_us = clock_us


def in_bounds(limit: int, most: int) -> int:
    """A page size that a caller asked for, within 1…`most`."""
    return max(1, min(limit, most))
