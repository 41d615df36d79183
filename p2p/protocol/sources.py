"""From whom this node heard of each device, and whether all that are connected come from one side.

    static, invite           a person said so
    mdns                     the local network
    relay:PLACE              a relay
    peer:DEVICE, dht         another peer, in an exchange; the public table

Who alone says who the others are may show only those that it likes, and hide the rest. That is
nobody's fault that could be proved, so it is shown.
"""

from collections.abc import Callable, Iterable, Mapping

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
        self._of[device] = _bounded((*before, source)) if is_new else before
        if len(self._of) > DEVICES_MAX:
            del self._of[next(iter(self._of))]
        return is_new

    def of(self, device: bytes) -> tuple[str, ...]:
        """Empty where it called us and nobody told of it."""
        return self._of.get(device, ())


def _bounded(sources: tuple[str, ...]) -> tuple[str, ...]:
    """The last ones. What peers say goes first: many of them repeat where it all came from."""
    while len(sources) > SOURCES_MAX:
        goes = next((one for one in sources if one.startswith(PEER)), sources[0])
        sources = tuple(one for one in sources if one != goes)
    return sources


def one_source(
    connected: Mapping[DeviceKey, Iterable[str]],
    of: Callable[[bytes], Iterable[str]] = lambda _: (),
) -> str | None:
    """The one side that all connected peers come from, or None; `of` others: who told of them.

    None with fewer than two of them, as soon as one is known from elsewhere too, and where the
    side is one that the person chose or the local network showed. A peer's word counts for as much
    as how that peer is known: whom a relay alone showed tell of each other, and of themselves, and
    still all hang on the relay. A peer is not counted among those that it told of: where it is the
    only other one, all the same hangs on it. Of several such sides, the one that most hang on.
    """
    told = {device: tuple(sources) for device, sources in connected.items()}
    hanging: dict[str, int] = {}
    for source in {one for sources in told.values() for one in sources}:
        if source.startswith(HEARSAY):
            counted = [device for device in told if peer_source(device) != source]
            seen: set[bytes] = set()  # of all of them: one search, whoever it begins with
            if all(_hangs_on(source, device, told, of, seen) for device in counted):
                hanging[source] = len(counted)
    best = max(sorted(hanging), key=hanging.__getitem__, default="")
    return best if hanging.get(best, 0) >= 2 else None


def _hangs_on(
    source: str,
    device: bytes,
    told: Mapping[DeviceKey, Iterable[str]],
    of: Callable[[bytes], Iterable[str]],
    seen: set[bytes],
) -> bool:
    """Whether whoever told of it was told of by `source` alone, whoever told of those too.

    `seen` of the same source so far hang on it: the first that does not ends the search.
    """
    if device in seen:
        return True
    seen.add(device)
    waiting = [device]
    while waiting:
        one = DeviceKey(waiting.pop())
        roots = {*(told[one] if one in told else of(one))} - {peer_source(one)}
        if not roots:
            return False  # it called us, and nobody had to tell of it
        for root in roots - {source}:
            teller = _teller(root)
            if teller is None:
                return False
            if teller not in seen:
                seen.add(teller)
                waiting.append(teller)
    return True


def _teller(source: str) -> bytes | None:
    """The peer that told; None for any other side."""
    try:
        return bytes.fromhex(source.removeprefix(PEER)) if source.startswith(PEER) else None
    except ValueError:
        return None
