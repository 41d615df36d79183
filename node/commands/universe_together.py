"""Several states on their way to the node at once: it names all that wait in one change."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from node.commands.universe_sending import Heard, Sent

if TYPE_CHECKING:
    from universe.formats import ImportedSnapshot

Send: TypeAlias = "Callable[[ImportedSnapshot, Heard], Sent]"

AT_ONCE_MAX: Final = 32
BYTES_MAX: Final = 32 << 20
"""Of all that are on their way, or one that is larger: what is no larger may be held whole."""
ROW_BYTES: Final = 4 << 20
"""What one that a child process reads out of a database counts as, at least."""
SHOWN_S: Final = 0.2


@dataclass(slots=True, eq=False)
class _OnItsWay:
    snapshot: ImportedSnapshot
    answer: Future[Sent] = field(default_factory=Future[Sent])
    sent_bytes: int = 0

    @property
    def bytes(self) -> int:
        size = self.snapshot.content.size
        return size if self.snapshot.source.row is None else max(size, ROW_BYTES)

    def begin(self, send: Send) -> None:
        """In a thread that ends with the process: who breaks off waits for nothing."""
        threading.Thread(target=self._run, args=(send,), daemon=True).start()

    def _run(self, send: Send) -> None:
        try:
            self.answer.set_result(send(self.snapshot, self._hear))
        except BaseException as error:  # whoever asks for the answer is told of it
            self.answer.set_exception(error)

    def _hear(self, done: int, _: int) -> None:
        self.sent_bytes = done


def sent_together(
    snapshots: Iterable[ImportedSnapshot], send: Send, heard: Callable[[int], None]
) -> Iterator[tuple[ImportedSnapshot, Callable[[], Sent]]]:
    """Each, in their order, with what gives the answer to it, or raises what `send` raised.

    `heard`: of how many bytes went out of all of them.
    """
    waiting: deque[_OnItsWay] = deque()
    done = 0

    def first() -> _OnItsWay:
        one = waiting[0]
        while not wait([one.answer], SHOWN_S).done:
            heard(done + sum(other.sent_bytes for other in waiting))
        return waiting.popleft()

    for snapshot in snapshots:
        one = _OnItsWay(snapshot)
        while waiting and not _has_room(waiting, one):
            ended = first()
            done += ended.snapshot.content.size
            heard(done)
            yield ended.snapshot, ended.answer.result
        waiting.append(one)
        one.begin(send)
    while waiting:
        ended = first()
        done += ended.snapshot.content.size
        heard(done)
        yield ended.snapshot, ended.answer.result


def _has_room(waiting: Iterable[_OnItsWay], one: _OnItsWay) -> bool:
    sizes = [other.bytes for other in waiting]
    return len(sizes) < AT_ONCE_MAX and sum(sizes) + one.bytes <= BYTES_MAX
