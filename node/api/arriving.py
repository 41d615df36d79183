"""A body of any length as it arrives, in time: meanwhile no room of what went is given back."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from starlette.requests import Request

from node.errors import CutOff

SILENT_S_MAX: Final = 120.0
"""Nothing comes for so long: its sender is gone, or waits for something."""
SLOWEST_BYTES_PER_S: Final = 1_024
"""On the whole, after the first `SILENT_S_MAX`: of the slowest lines the tenth part."""
UNPACKED_AT_ONCE_MAX: Final = 8
"""Bodies of zstd: each holds a window of up to 8 MiB until its end."""


async def pieces_arriving(request: Request) -> AsyncGenerator[bytes]:
    """Its pieces, none of them empty. Raises `CutOff`."""
    clock = asyncio.get_running_loop().time
    begun_s, size, is_over = clock(), 0, False
    while not is_over:
        until_s = min(clock(), begun_s + size / SLOWEST_BYTES_PER_S) + SILENT_S_MAX
        try:
            async with asyncio.timeout_at(until_s):
                message = await request.receive()
        except TimeoutError as late:
            detail = (
                f"the body came too slowly: {size:,} bytes in {clock() - begun_s:,.0f} s, and no"
                " end; nothing was stored. Send it again"
            )
            raise CutOff(detail) from late
        if message["type"] == "http.disconnect":
            raise cut_off()
        is_over = not message.get("more_body", False)
        size += len(message.get("body", b""))
        if message.get("body"):
            yield message.pop("body")  # nor is it held here, while the next one is waited for


async def pieces_in_turn(request: Request, turns: asyncio.Semaphore) -> AsyncGenerator[bytes]:
    """As `pieces_arriving`, of what takes much memory until its end: few of these at once.

    The others wait, unread, and no longer than a sender may be silent. Raises `CutOff`.
    """
    try:
        async with asyncio.timeout(SILENT_S_MAX):
            await turns.acquire()
    except TimeoutError as late:
        detail = (
            f"{UNPACKED_AT_ONCE_MAX} bodies of zstd are unpacked at a time, and its turn did not"
            f" come in {SILENT_S_MAX:,.0f} s; nothing was stored. Send it again, or as gzip, or as"
            " it is"
        )
        raise CutOff(detail) from late
    try:
        async with aclosing(pieces_arriving(request)) as pieces:
            async for piece in pieces:
                yield piece
                del piece
    finally:
        turns.release()


def cut_off() -> CutOff:
    """What becomes of an upload whose sender went away in the middle."""
    return CutOff("the body ended too early; nothing was stored. Send it again")
