"""A body of any length as it arrives, in time: meanwhile no room of what went is given back."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Final

from starlette.requests import Request

from node.errors import CutOff

SILENT_S_MAX: Final = 120.0
"""Nothing comes for so long: its sender is gone, or waits for something."""
SLOWEST_BYTES_PER_S: Final = 1_024
"""On the whole, after the first `SILENT_S_MAX`: of the slowest lines the tenth part."""
LARGE_AT_ONCE_MAX: Final = 4
"""Bodies that take much until their end: of zstd a window of up to 8 MiB, and in JSON whose other
members are long, a few times 1 MiB."""


class Turns:
    """Of bodies that take much memory until their end there are few at once; the others wait,
    unread, as long as now and then one of those before them ends."""

    def __init__(self, at_once: int = LARGE_AT_ONCE_MAX) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._waiting: set[asyncio.Timeout] = set()

    @property
    def are_taken(self) -> bool:
        """All of them."""
        return self._free.locked()

    @asynccontextmanager
    async def one(self) -> AsyncGenerator[None]:
        """Raises `CutOff` where nobody ended in `SILENT_S_MAX`."""
        await self._take()
        try:
            yield
        finally:
            self._free.release()
            until_s = asyncio.get_running_loop().time() + SILENT_S_MAX
            for patience in self._waiting:
                if not patience.expired():
                    patience.reschedule(until_s)

    async def _take(self) -> None:
        try:
            async with asyncio.timeout(SILENT_S_MAX) as patience:
                self._waiting.add(patience)
                try:
                    await self._free.acquire()
                finally:
                    self._waiting.discard(patience)
        except TimeoutError as late:
            detail = (
                f"{LARGE_AT_ONCE_MAX} bodies of zstd, or with much beside a snapshot in JSON, are"
                f" taken at a time, and none before it ended in {SILENT_S_MAX:,.0f} s; nothing was"
                " stored. Send it again, or as gzip, or as it is"
            )
            raise CutOff(detail) from late


async def pieces_arriving(request: Request) -> AsyncGenerator[bytes]:
    """Its pieces, none of them empty. Raises `CutOff`.

    What counts is for how long its sender was waited for: whoever takes the pieces may be slow.
    """
    clock = asyncio.get_running_loop().time
    waited_s, size, is_over = 0.0, 0, False
    while not is_over:
        asked_s = clock()
        patience_s = SILENT_S_MAX + min(0.0, size / SLOWEST_BYTES_PER_S - waited_s)
        try:
            async with asyncio.timeout(patience_s):
                message = await request.receive()
        except TimeoutError as late:
            waited_s += clock() - asked_s
            detail = (
                f"the body came too slowly: {size:,} bytes in {waited_s:,.0f} s, and no end;"
                " nothing was stored. Send it again"
            )
            raise CutOff(detail) from late
        waited_s += clock() - asked_s
        if message["type"] == "http.disconnect":
            raise cut_off()
        is_over = not message.get("more_body", False)
        size += len(message.get("body", b""))
        if message.get("body"):
            yield message.pop("body")  # nor is it held here, while the next one is waited for


async def pieces_in_turn(request: Request, turns: Turns) -> AsyncGenerator[bytes]:
    """As `pieces_arriving`, of what takes much memory until its end. Raises `CutOff`."""
    async with turns.one(), aclosing(pieces_arriving(request)) as pieces:
        async for piece in pieces:
            yield piece
            del piece


def cut_off() -> CutOff:
    """What becomes of an upload whose sender went away in the middle."""
    return CutOff("the body ended too early; nothing was stored. Send it again")
