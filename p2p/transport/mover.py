"""Moves one session to better carriers, and to any when it has lost its own."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate
from random import Random

from p2p.protocol.errors import SyncError
from p2p.protocol.limits import LINGERING_BYTES_MAX, LINGERING_MAX
from p2p.protocol.paths import CarrierKind
from p2p.transport.channels import Channels
from p2p.transport.connection import Connection
from p2p.transport.place import PlaceKind, kind_of, parse_place

LOG = logging.getLogger(__name__)
# Without a channel there is no time to wait for a place that takes a call and then says nothing.
ADRIFT_TRY_S = 4.0
CARRIERS: Mapping[PlaceKind, CarrierKind] = {
    "tcp": "tcp",
    "websocket": "websocket",
    "circuit": "relay",
    "webrtc": "webrtc",
}


def known_as(places: tuple[str, ...]) -> list[tuple[str, CarrierKind]]:
    """Places with their carriers; what is none is left out, for a peer may say anything."""
    found: list[tuple[str, CarrierKind]] = []
    for text in places:
        with suppress(SyncError):
            place = parse_place(text)
            found.append((str(place), CARRIERS[kind_of(place)]))
    return found


async def keep_moving(
    connection: Connection, channels: Channels, random: Random, clock: Callable[[], float]
) -> None:
    """Until it is cancelled; `p2p.protocol.paths` says where to."""
    paths = connection.paths
    while True:
        connection.paths_changed.clear()
        place = paths.next(now_s=clock()) if connection.link.is_resumable else None
        if place is not None:
            if not await _try(connection, channels, place):
                paths.failed(place, random, now_s=clock())
            continue
        with suppress(TimeoutError):
            async with asyncio.timeout(paths.wait_s(now_s=clock())):
                await connection.paths_changed.wait()


def too_many_adrift(connections: Sequence[Connection]) -> Sequence[Connection]:
    """Of the sessions that wait for a channel, those beyond the bounds: they wait longest."""
    adrift = [one for one in connections if one.link.is_adrift]
    adrift.sort(key=lambda one: one.link.since_s, reverse=True)
    kept = accumulate(one.link.kept_bytes for one in adrift)
    return [
        one
        for number, (one, kept_bytes) in enumerate(zip(adrift, kept, strict=True))
        if number >= LINGERING_MAX or kept_bytes > LINGERING_BYTES_MAX
    ]


async def _try(connection: Connection, channels: Channels, place: str) -> bool:
    try:
        async with asyncio.timeout(ADRIFT_TRY_S if connection.link.is_adrift else None):
            stream = await channels.open(parse_place(place))
        if stream.device != connection.device:
            await stream.close()
            return False
        return await connection.move(stream, place)
    except (SyncError, TimeoutError) as error:
        LOG.debug("the session with %s does not move to %s: %s", connection.address, place, error)
        return False
