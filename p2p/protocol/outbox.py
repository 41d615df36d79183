"""Where the conversations of one session put their effects, and wait for the store's answers.

What needs the store is written as a generator: it yields a question and is resumed with the answer,
so a rule that takes three queries reads from top to bottom, and still nothing here waits.
"""

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

from p2p.protocol.effects import Close, Effect, Notify, Query, Question, Send, SessionEvent
from p2p.protocol.errors import LocalProtocolError, SyncError
from p2p.protocol.frames import Frame

T = TypeVar("T")
# What an answer is, each question says; the type system cannot tie it to what was yielded.
Steps: TypeAlias = Generator[Question, Any, T]


class Outbox:
    """Collects effects in order; `drain` hands them over."""

    def __init__(self, *, now_s: float) -> None:
        self.now_s = now_s  # of the input that is being worked on
        self._effects: list[Effect] = []
        self._waiting: dict[int, Steps[None]] = {}
        self._asked = 0

    def send(self, frame: Frame) -> None:
        self._effects.append(Send(frame))

    def notify(self, event: SessionEvent) -> None:
        self._effects.append(Notify(event))

    def close(self, reason: SyncError) -> None:
        """Nothing that still waits for the store is continued."""
        self._waiting.clear()
        self._effects.append(Close(reason))

    def run(self, steps: Steps[None]) -> None:
        """Runs `steps` up to its first question, or to its end."""
        self._advance(steps, None)

    def answered(self, id: int, answer: object) -> None:
        """Resumes what asked question `id`. Raises `LocalProtocolError` where nothing did."""
        if not 0 < id <= self._asked:
            raise LocalProtocolError("query", f"no question {id} was asked")
        steps = self._waiting.pop(id, None)
        if steps is not None:  # else the session was closed meanwhile
            self._advance(steps, answer)

    def drain(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects

    def _advance(self, steps: Steps[None], answer: object) -> None:
        try:
            question = steps.send(answer)
        except StopIteration:
            return
        self._asked += 1
        self._waiting[self._asked] = steps
        self._effects.append(Query(self._asked, question))
