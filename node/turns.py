"""Places that are tried in turn, so that whoever names many of them keeps out nobody else.

Known ones, of a link or a relay, come first and have room kept for them; of those that anybody on
this network may announce, each host has a turn before any has its next.
"""

import asyncio
from collections import Counter
from typing import Final

from crdt.keys import DeviceKey
from p2p.protocol.errors import LocalProtocolError
from p2p.protocol.offences import host_of
from p2p.transport.address import Address
from p2p.transport.place import parse_place

PLACES_MAX: Final = 64
ANNOUNCED_MAX: Final = 48
"""Of them; the others are for places that come from whoever knows the secret."""
HOST_PLACES_MAX: Final = 4
"""A node announces itself by one port, at a few addresses."""


class Turns:
    """Each place once."""

    def __init__(self) -> None:
        self._queue: asyncio.PriorityQueue[tuple[int, int, str, DeviceKey | None]] = (
            asyncio.PriorityQueue(PLACES_MAX)
        )
        self._seen: set[str] = set()
        self._announced: Counter[str] = Counter()

    def add(self, place: str, device: DeviceKey | None, *, is_announced: bool) -> bool:
        """Whether it is new, and there is room."""
        if place in self._seen or len(self._seen) >= PLACES_MAX:
            return False
        turn = -1
        if is_announced:
            host = _host(place)
            turn = self._announced[host]
            if turn >= HOST_PLACES_MAX or self._announced.total() >= ANNOUNCED_MAX:
                return False
            self._announced[host] += 1
        self._seen.add(place)
        self._queue.put_nowait((turn, len(self._seen), place, device))
        return True

    async def next(self) -> tuple[str, DeviceKey | None]:
        """Waits for one."""
        _, _, place, device = await self._queue.get()
        return place, device


def _host(place: str) -> str:
    try:
        at = parse_place(place)
    except LocalProtocolError:
        return place
    return host_of(at.host) if isinstance(at, Address) else place
