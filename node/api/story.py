"""An NDJSON answer that is written while its work goes on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from node.api.problems import ENCODER, Problem, ProblemError
from node.outcomes import problem_of
from node.tasks import background_tasks

log = logging.getLogger(__name__)
NDJSON: Final = "application/x-ndjson"
# A reader of progress that falls behind misses lines, never the last one.
LINES_MAX: Final = 256

TellLine: TypeAlias = Callable[[bytes], None]
Work: TypeAlias = Callable[[TellLine], Awaitable[bytes]]
"""Tells lines on its way and gives the last one; must not raise."""


def told(
    what: str,
    work: Callable[[TellLine], Awaitable[object]],
    *,
    shown: Callable[[Problem], object] = lambda problem: problem,
) -> Work:
    """The lines of `work`, which ends with a result or raises: the last line is one or the other.

    `what` is for the log, where it ends by a bug; `shown` gives the fields of an error's line.
    """

    async def to_the_end(tell: TellLine) -> bytes:
        try:
            return _line("result", await work(tell))
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                log.exception("a bug ended %s", what)
                problem = ProblemError(500, "internal-error", "a bug; the node's log tells more")
            return _line("error", shown(problem.problem))

    return to_the_end


def _line(event: str, body: object) -> bytes:
    fields: dict[str, object] = msgspec.to_builtins(body)
    return ENCODER.encode({"event": event, **fields}) + b"\n"


class Story(Response):
    """The lines of `work`. A client that leaves ends the work by cancelling it."""

    def __init__(self, work: Work) -> None:
        self.status_code = 200
        self.media_type = NDJSON
        self.background = None
        self.init_headers({"cache-control": "no-store", "x-accel-buffering": "no"})
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        lines: asyncio.Queue[bytes | None] = asyncio.Queue()  # bounded by `tell`
        async with background_tasks() as tasks:
            working = tasks.create_task(self._carry_out(lines), name="story")
            tasks.create_task(cancel_when_gone(receive, working), name="story reader")
            while (line := await lines.get()) is not None:
                await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _carry_out(self, lines: asyncio.Queue[bytes | None]) -> None:
        def tell(line: bytes) -> None:
            if lines.qsize() < LINES_MAX:
                lines.put_nowait(line)

        try:
            lines.put_nowait(await self._work(tell))
        finally:
            lines.put_nowait(None)


async def cancel_when_gone(receive: Receive, working: asyncio.Task[None]) -> None:
    """Nobody reads any more what it makes."""
    while (await receive())["type"] != "http.disconnect":
        pass
    working.cancel()
