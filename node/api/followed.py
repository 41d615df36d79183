"""A body that goes out while it is fetched; where that ends early, so does the connection."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from node.api.story import cancel_when_gone
from node.tasks import background_tasks

Take = Callable[[bytes], Awaitable[None]]


class Followed(Response):
    """`work` hands over what goes out. A client that leaves ends it by cancelling it."""

    def __init__(self, work: Callable[[Take], Awaitable[None]], headers: Mapping[str, str]) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(headers)
        self._work = work
        self._error: Exception | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async with background_tasks() as tasks:
            working = tasks.create_task(self._carry_out(send), name="body that is followed")
            tasks.create_task(cancel_when_gone(receive, working), name="its reader")
            await asyncio.wait([working])
        if self._error is not None:  # the server cuts the connection: less came than was said
            raise self._error

    async def _carry_out(self, send: Send) -> None:
        async def take(piece: bytes) -> None:
            await send({"type": "http.response.body", "body": piece, "more_body": True})

        try:
            await self._work(take)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Exception as error:
            self._error = error
