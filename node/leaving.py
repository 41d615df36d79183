"""Sessions through a relay that stops: they go on by another way before it is gone.

Draining ─▸ hurried: any other way is better now ─▸ a direct one, or a circuit by another relay
              └ none for `GIVEN_S`, and nothing moves ─▸ it ends, so that the relay can stop
"""

import asyncio
from collections.abc import Callable
from typing import Final

from p2p.transport.connection import Connection
from p2p.transport.network import Network
from p2p.transport.place import DirectPlace, relay_of

QUIET_S: Final = 0.5  # in which nothing moved through a circuit: its session is idle
GIVEN_S: Final = 3.0  # for a way of ours or of the other side's; the relay gives 20 s


async def leave_relay(
    network: Network, relay: DirectPlace, is_stopping: Callable[[], bool]
) -> None:
    """Until `relay` no longer stops, which includes that it is gone."""
    clock = asyncio.get_running_loop().time
    hurried_s: dict[Connection, float] = {}
    moved: dict[Connection, int] = {}
    while is_stopping():
        for one in [one for one in network.connections if _goes_through(one, relay)]:
            if one not in hurried_s:
                hurried_s[one] = clock()
                one.flee(lambda place: relay_of(place) == relay)
            report = one.session.report
            so_far = report.received_bytes + report.sent_bytes
            if moved.get(one) == so_far and clock() - hurried_s[one] >= GIVEN_S:
                one.leave("relay-stops", "The relay between us stops.")
            moved[one] = so_far
        await asyncio.sleep(QUIET_S)


def _goes_through(connection: Connection, relay: DirectPlace) -> bool:
    return connection.carrier == "relay" and relay_of(connection.address) == relay
