"""Several things on their way to the node at once: it says all that wait in one change."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from node.commands.universe_sending import Heard, Sent

if TYPE_CHECKING:
    from universe.formats import ImportedSnapshot

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE_MAX: Final = 32
BYTES_MAX: Final = 32 << 20
"""Of all that are on their way, or one that is larger: what is no larger may be held whole."""
ROW_BYTES: Final = 4 << 20
"""What one that a child process reads out of a database counts as, at least."""
SHOWN_S: Final = 0.2

Sized: TypeAlias = tuple[int, int]
"""Of how many bytes it is, and as how many it counts while it is on its way."""


@dataclass(slots=True, eq=False)
class _OnItsWay(Generic[T, R]):
    what: T
    size: int
    counts: int
    answer: Future[R] = field(default_factory=Future[R])
    sent_bytes: int = 0

    def begin(self, send: Callable[[T, Heard], R]) -> None:
        """In a thread that ends with the process: who breaks off waits for nothing."""
        threading.Thread(target=self._run, args=(send,), daemon=True).start()

    def _run(self, send: Callable[[T, Heard], R]) -> None:
        try:
            self.answer.set_result(send(self.what, self._hear))
        except BaseException as error:  # whoever asks for the answer is told of it
            self.answer.set_exception(error)

    def _hear(self, done: int, _: int) -> None:
        self.sent_bytes = done


def sent_together(
    snapshots: Iterable[ImportedSnapshot],
    send: Callable[[ImportedSnapshot, Heard], Sent],
    heard: Callable[[int], None],
) -> Iterator[tuple[ImportedSnapshot, Callable[[], Sent]]]:
    """As `together`, of states."""
    return together(snapshots, _sized, send, heard)


def _sized(one: ImportedSnapshot) -> Sized:
    size = one.content.size
    return size, size if one.source.row is None else max(size, ROW_BYTES)


def together(
    things: Iterable[T],
    sized: Callable[[T], Sized],
    send: Callable[[T, Heard], R],
    heard: Callable[[int], None],
) -> Iterator[tuple[T, Callable[[], R]]]:
    """Each, in their order, with what gives the answer to it, or raises what `send` raised.

    `heard`: of how many bytes went out of all of them.
    """
    waiting: deque[_OnItsWay[T, R]] = deque()
    done = 0

    def first() -> _OnItsWay[T, R]:
        one = waiting[0]
        while not wait([one.answer], SHOWN_S).done:
            heard(done + sum(other.sent_bytes for other in waiting))
        return waiting.popleft()

    for thing in things:
        one = _OnItsWay[T, R](thing, *sized(thing))
        while waiting and not _has_room(waiting, one):
            ended = first()
            done += ended.size
            heard(done)
            yield ended.what, ended.answer.result
        waiting.append(one)
        one.begin(send)
    while waiting:
        ended = first()
        done += ended.size
        heard(done)
        yield ended.what, ended.answer.result


def _has_room(waiting: Iterable[_OnItsWay[T, R]], one: _OnItsWay[T, R]) -> bool:
    counts = [other.counts for other in waiting]
    return len(counts) < AT_ONCE_MAX and sum(counts) + one.counts <= BYTES_MAX
