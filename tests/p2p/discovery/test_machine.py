"""A machine that comes to another network, or loses one."""

import asyncio
from contextlib import suppress

from p2p.discovery.machine import follow_addresses

WAIT_S = 20.0


async def test_each_change_of_addresses_is_told_once_and_nothing_else_is() -> None:
    home, train = {"127.0.0.1", "192.0.2.7"}, {"127.0.0.1", "198.51.100.9"}
    seen = [home, home, train, train, {"127.0.0.1"}, home, home]
    looked, told = iter(seen), list[int]()
    looks, over = 0, asyncio.Event()

    def look() -> set[str]:
        nonlocal looks
        looks += 1
        if (found := next(looked, None)) is None:
            over.set()
        return found or home

    following = asyncio.create_task(
        follow_addresses(lambda: told.append(looks), look=look, every_s=0.0)
    )
    async with asyncio.timeout(WAIT_S):
        await over.wait()
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
    assert told == [3, 5, 6]
