"""The addresses of this machine, and when they are others."""

import asyncio
from collections.abc import Callable, Iterable

from p2p.discovery.mdns import LOOK_S, machine_addresses


async def follow_addresses(
    changed: Callable[[], None],
    *,
    look: Callable[[], Iterable[str]] = machine_addresses,
    every_s: float = LOOK_S,
) -> None:
    """Calls `changed` whenever the machine has other ones than before, until it is cancelled."""
    present = set(look())
    while True:
        await asyncio.sleep(every_s)
        if (now := set(look())) != present:
            present = now
            changed()
