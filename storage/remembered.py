"""What was read, for as long as nothing is written: one number says whether that is so.

The database of a home has one process, and every write of it goes through one door, which counts.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from storage.database import Database

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """At most `most` values; all are forgotten with the next write, the first ones before."""

    def __init__(self, database: Database, most: int) -> None:
        self._database = database
        self._most = most
        self._written = -1
        # A plain dict passes over all that was dropped before it finds its first one again.
        self._values = OrderedDict[K, V]()

    def get(self, key: K) -> V | None:
        """None where it is not known any more, or never was."""
        self._forget()
        return self._values.get(key)

    def known(self, keys: Iterable[K]) -> dict[K, V]:
        """Those that are."""
        self._forget()
        return {key: self._values[key] for key in keys if key in self._values}

    def keep(self, values: Mapping[K, V], *, written: int) -> None:
        """`written`: how many writes there had been before they were read."""
        self._forget()
        if written != self._written:
            return
        self._values.update(values)
        for _ in range(len(self._values) - self._most):
            self._values.popitem(last=False)

    async def read(self, key: K, read: Callable[[], Awaitable[V]]) -> V:
        """What `read` gives, if need be."""
        known = self.get(key)
        if known is not None:
            return known
        written = self._database.written
        value = await read()
        self.keep({key: value}, written=written)
        return value

    def _forget(self) -> None:
        if self._written != self._database.written:
            self._values.clear()
            self._written = self._database.written
