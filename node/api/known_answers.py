"""Answers to reads that were given before, for as long as nothing was written since.

Lists are asked for again and again, by pages and by other programs: the same bytes, with the same
ETag, without looking. What they show is a function of the store, of the index, and, by a day's
margin, of the clock.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, TypeAlias

State: TypeAlias = tuple[int, int]
"""How often the store was written, and the index shown anew."""

BYTES_MAX: Final = 8 << 20
ANSWER_BYTES_MAX: Final = 2 << 20  # a list of 100 usual genomes has 1 MiB
ENTRY_BYTES: Final = 512  # of one beside its body: many short ones are no way around the bound
AGE_S_MAX: Final = 10.0  # of `recent`, what is dated ahead comes in its turn


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    body: bytes | None
    """None of what is too long to keep: who has it already needs no more than its ETag."""
    etag: str
    at_s: float


@dataclass(slots=True)
class KnownAnswers:
    """Of one state; the ones asked for last, within `BYTES_MAX`."""

    _state: State = (-1, -1)
    _answers: OrderedDict[bytes, KnownAnswer] = field(
        default_factory=OrderedDict[bytes, KnownAnswer]
    )
    _bytes: int = 0

    def get(self, asked: bytes, state: State, *, now_s: float) -> KnownAnswer | None:
        if state != self._state:
            return None
        answer = self._answers.get(asked)
        if answer is None or not 0 <= now_s - answer.at_s <= AGE_S_MAX:
            return None
        self._answers.move_to_end(asked)
        return answer

    def keep(self, asked: bytes, state: State, answer: KnownAnswer) -> None:
        """`state` is the one before it was made."""
        if state != self._state:
            self._answers.clear()
            self._state, self._bytes = state, 0
        if answer.body is not None and len(answer.body) > ANSWER_BYTES_MAX:
            answer = KnownAnswer(None, answer.etag, answer.at_s)
        self._drop(asked)
        self._answers[asked] = answer
        self._bytes += _room(asked, answer)
        while self._bytes > BYTES_MAX:
            self._drop(next(iter(self._answers)))

    def _drop(self, asked: bytes) -> None:
        if old := self._answers.pop(asked, None):
            self._bytes -= _room(asked, old)


def _room(asked: bytes, answer: KnownAnswer) -> int:
    return ENTRY_BYTES + len(asked) + len(answer.body or b"")
