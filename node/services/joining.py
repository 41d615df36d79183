"""What waits for its turn at one record, carried out together: one change costs as much as many.

```
asked ─▸ waits ─▸ the turn of the first that waits ─▸ done with those behind it ─▸ answered
```
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from storage.connection import whole

A = TypeVar("A")
R = TypeVar("R")

Answers: TypeAlias = Sequence[R | Exception | None]
"""An answer to each that was asked, or its refusal; None: it waits for the next time."""


@dataclass(slots=True, eq=False)
class _Waiting(Generic[A, R]):
    asked: A
    answer: R | Exception | None = None


@dataclass(slots=True)
class _Line(Generic[A, R]):
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_Waiting[A, R]] = field(default_factory=list[_Waiting[A, R]])
    """In the order in which they wait for `turn`."""


class Joining(Generic[A, R]):
    """A line for each key; as long as somebody waits in it."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, _Line[A, R]] = {}

    def __len__(self) -> int:
        """How many wait."""
        return sum(len(line.waiting) for line in self._lines.values())

    async def join(
        self,
        key: Hashable,
        asked: A,
        work: Callable[[Sequence[A]], Awaitable[Answers[R]]],
        turn: asyncio.Lock,
    ) -> R:
        """What `work` answers to it, which is given all that wait for `key` by then.

        It is called with `turn` held, which is among all keys, and answers to one at least. What it
        raises is raised to all. Who is cancelled before their turn is not done; once begun, `work`
        goes on to its end, for the others.
        """
        line = self._lines.setdefault(key, _Line())
        one = _Waiting[A, R](asked)
        line.waiting.append(one)
        try:
            async with line.turn:
                if one.answer is None:
                    async with turn:
                        while one.answer is None:
                            await whole(_together(line, work))
        finally:
            line.waiting = [other for other in line.waiting if other is not one]
            if not line.waiting and self._lines.get(key) is line:
                del self._lines[key]
        if isinstance(one.answer, Exception):
            raise one.answer
        return one.answer


async def _together(
    line: _Line[A, R], work: Callable[[Sequence[A]], Awaitable[Answers[R]]]
) -> None:
    now = list(line.waiting)
    try:
        answers = await work([one.asked for one in now])
    except Exception as error:  # who waits hears of it, whoever's turn it was
        answers = [error] * len(now)
    assert any(answer is not None for answer in answers), "or they would wait for ever"
    for one, answer in zip(now, answers, strict=True):
        one.answer = answer
    line.waiting = [one for one in line.waiting if one.answer is None]
