"""A body of any length as it arrives, in time: meanwhile no room of what went is given back."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from starlette.requests import ClientDisconnect, Request

from node.errors import CutOff

SILENT_S_MAX: Final = 120.0
"""Nothing comes for so long: its sender is gone, or waits for something."""
SLOWEST_BYTES_PER_S: Final = 1_024
"""On the whole, after the first `SILENT_S_MAX`: of the slowest lines the tenth part."""


async def pieces_arriving(request: Request) -> AsyncGenerator[bytes]:
    """Its pieces, none of them empty. Raises `CutOff`."""
    clock = asyncio.get_running_loop().time
    stream = request.stream()
    begun_s, size = clock(), 0
    while True:
        until_s = min(clock(), begun_s + size / SLOWEST_BYTES_PER_S) + SILENT_S_MAX
        try:
            async with asyncio.timeout_at(until_s):
                piece = await anext(stream, None)
        except ClientDisconnect as gone:
            raise cut_off() from gone
        except TimeoutError as late:
            detail = (
                f"the body came too slowly: {size:,} bytes in {clock() - begun_s:,.0f} s, and no"
                " end; nothing was stored. Send it again"
            )
            raise CutOff(detail) from late
        if piece is None:
            return
        if piece:
            size += len(piece)
            yield piece


def cut_off() -> CutOff:
    """What becomes of an upload whose sender went away in the middle."""
    return CutOff("the body ended too early; nothing was stored. Send it again")
