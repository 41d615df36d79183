"""From whom this node heard of each device, and whether all that are connected come from one side.

    static, invite           a person said so
    mdns                     the local network
    relay:PLACE              a relay
    peer:DEVICE, dht         another peer, in an exchange; the public table

Who alone says who the others are may show only those that it likes, and hide the rest. That is
nobody's fault that could be proved, so it is shown.
"""

from collections.abc import Iterable, Mapping

from crdt.keys import DeviceKey

SOURCES_MAX = 8  # of one device; more say nothing new
DEVICES_MAX = 4_096  # remembered at a time; those heard of first go
PEER = "peer:"
HEARSAY = ("relay:", PEER, "dht")
"""Sources that this node's person did not choose and the local network did not show."""


def peer_source(device: bytes) -> str:
    return f"{PEER}{device.hex()}"


def relay_source(place: str) -> str:
    """`place` without a token: `relay://host:port`."""
    return f"relay:{place.partition('?')[0]}"


class Sources:
    """Device -> its sources, in the order in which they were heard."""

    def __init__(self, known: Mapping[DeviceKey, Iterable[str]] | None = None) -> None:
        self._of: dict[bytes, tuple[str, ...]] = {}
        for device, sources in (known or {}).items():
            for source in sources:
                self.note(device, source)

    def note(self, device: bytes, source: str) -> bool:
        """Gives whether this side had not told of the device before."""
        before = self._of.pop(device, ())
        is_new = source not in before
        self._of[device] = (*before, source)[-SOURCES_MAX:] if is_new else before
        if len(self._of) > DEVICES_MAX:
            del self._of[next(iter(self._of))]
        return is_new

    def of(self, device: bytes) -> tuple[str, ...]:
        """Empty where it called us and nobody told of it."""
        return self._of.get(device, ())


def one_source(connected: Mapping[DeviceKey, Iterable[str]]) -> str | None:
    """The one side that all connected peers come from, or None.

    None with fewer than two of them, as soon as one was heard of from elsewhere too, and where the
    side is one that the person chose or the local network showed. A peer is not counted among those
    that it told of itself: where it is the only other one, all the same hangs on it.
    """
    for source in {one for sources in connected.values() for one in sources}:
        if not source.startswith(HEARSAY):
            continue
        told = [set(of) for device, of in connected.items() if peer_source(device) != source]
        if len(told) >= 2 and all(of == {source} for of in told):
            return source
    return None
