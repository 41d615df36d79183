"""What was just appended, told to whoever listens in this process."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crdt.change import CheckedEntry, DocumentId
from crdt.entry import Entry
from crdt.keys import NamespaceKey


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Checked entries of which none was held before, each once."""

    entries: Sequence[CheckedEntry]
    source: str
    at_us: int


@dataclass(frozen=True, slots=True)
class AppendedEvent:
    """One durable transaction's new entries in one namespace; `ids` and `entries` go together."""

    namespace: NamespaceKey
    ids: tuple[bytes, ...]
    """32 bytes each."""
    entries: tuple[Entry, ...]
    documents: frozenset[DocumentId]
    source: str
    """Whose they are: the `source` given to `receive`, or "self"."""


def events(arrivals: Arrivals) -> list[AppendedEvent]:
    """What to tell the listeners, once it is durable."""
    by_namespace: dict[NamespaceKey, list[CheckedEntry]] = {}
    for one in arrivals.entries:
        by_namespace.setdefault(one.document.namespace, []).append(one)
    return [
        AppendedEvent(
            namespace,
            tuple(one.id for one in entries),
            tuple(one.signed.entry for one in entries),
            frozenset(one.document for one in entries),
            arrivals.source,
        )
        for namespace, entries in by_namespace.items()
    ]


Listener = Callable[[AppendedEvent], None]


class Appended:
    """Calls every listener after each commit, in the order they came, on the event loop.

    A listener only takes note (say, `put_nowait` on a bounded queue of its own) and must not raise:
    the entries are durable already, and who misses an event finds them at the next reconciliation.
    """

    def __init__(self) -> None:
        self._listeners: dict[int, Listener] = {}
        self._next = 0

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Gives what ends the subscription."""
        number, self._next = self._next, self._next + 1
        self._listeners[number] = listener
        return lambda: self._forget(number)

    def tell(self, event: AppendedEvent) -> None:
        for listener in tuple(self._listeners.values()):
            listener(event)

    def _forget(self, number: int) -> None:
        self._listeners.pop(number, None)
