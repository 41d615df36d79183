"""The circuits of a relay: two keys for each call, one for either end, of use once and for 10 s.

    call ─▸ called ──join──▸ half ──join──▸ open ──end──▸ gone
              └──── 10 s ─────┴──▸ gone

Each end has a key of its own, so neither can take the other's place. Nothing here knows what goes
through a circuit; the shell pipes the bytes and counts them.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from p2p.protocol.relay import limits

K = TypeVar("K")


@dataclass(eq=False, slots=True)
class CircuitState:
    """One circuit. `joined` are the sides that came: 0 called, 1 was called."""

    host: str  # from which it was called for
    caller: bytes
    callee: bytes
    expires_s: float
    keys: tuple[bytes, bytes]
    joined: set[int] = field(default_factory=set[int])

    @property
    def is_open(self) -> bool:
        return len(self.joined) == len(self.keys)


@dataclass(frozen=True, slots=True)
class NoCircuit:
    """Why there is none."""

    code: str
    sentence: str


class Circuits:
    """All of one relay's. `entropy` gives so many random bytes.

    A host and a device have each a share of `circuits_max`, however few that are.
    """

    def __init__(
        self,
        entropy: Callable[[int], bytes],
        *,
        circuits_max: int,
        of_device_max: int = limits.CIRCUITS_OF_DEVICE_MAX,
    ) -> None:
        self._entropy = entropy
        self._circuits_max = circuits_max
        of_pair = limits.CIRCUITS_OF_PAIR_MAX
        self._of_host_max = limits.share_of(
            circuits_max,
            part=limits.CIRCUITS_OF_HOST_PART,
            most=limits.CIRCUITS_OF_HOST_MAX,
            least=of_pair,
        )
        part = limits.CIRCUITS_OF_DEVICE_PART
        self._of_device_max = limits.share_of(
            circuits_max, part=part, most=of_device_max, least=of_pair
        )
        self._of_host_to_max = limits.share_of(
            self._of_device_max,
            part=part,
            most=limits.CIRCUITS_OF_HOST_TO_DEVICE_MAX,
            least=of_pair,
        )
        self._by_key: dict[bytes, tuple[CircuitState, int]] = {}
        self._circuits: set[CircuitState] = set()
        self._of_device: Counter[bytes] = Counter()
        # Keys are free: a host answers for all of its own, and for what they want of one device.
        self._of_host: Counter[str] = Counter()
        self._of_host_to: Counter[tuple[str, bytes]] = Counter()

    @property
    def open_count(self) -> int:
        return sum(one.is_open for one in self._circuits)

    @property
    def count(self) -> int:
        """Open ones and those whose ends are awaited."""
        return len(self._circuits)

    def call(
        self, caller: bytes, callee: bytes, *, host: str, now_s: float
    ) -> CircuitState | NoCircuit:
        """A new circuit, to be joined at both ends; each of the two hears its own key.

        `host` is where the caller is.
        """
        if len(self._circuits) >= self._circuits_max:
            return NoCircuit("relay-full", "the relay has no room for another circuit")
        for device in (caller, callee):
            if self._of_device[device] >= self._of_device_max:
                return NoCircuit("too-many-circuits", "one of the two has too many circuits")
        if (
            self._of_host[host] >= self._of_host_max
            or self._of_host_to[host, callee] >= self._of_host_to_max
        ):
            return NoCircuit("too-many-circuits", "the address of the caller has too many circuits")
        pair = sum({one.caller, one.callee} == {caller, callee} for one in self._circuits)
        if pair >= limits.CIRCUITS_OF_PAIR_MAX:
            return NoCircuit("too-many-circuits", "the two have circuits to each other already")
        keys = (self._entropy(limits.KEY_BYTES), self._entropy(limits.KEY_BYTES))
        circuit = CircuitState(host, caller, callee, now_s + limits.JOIN_S, keys)
        self._circuits.add(circuit)
        for side, key in enumerate(keys):
            self._by_key[key] = (circuit, side)
        self._count(circuit, 1)
        return circuit

    def join(self, key: bytes, *, now_s: float) -> tuple[CircuitState, int] | None:
        """Which circuit and which side; None where the key is not known, used, or too old."""
        found = self._by_key.pop(key, None)
        if found is None or found[0].expires_s <= now_s:
            return None
        circuit, side = found
        circuit.joined.add(side)
        return found

    def end(self, circuit: CircuitState) -> None:
        """It is gone, and its keys with it."""
        if circuit not in self._circuits:
            return
        self._circuits.discard(circuit)
        for key in circuit.keys:
            self._by_key.pop(key, None)
        self._count(circuit, -1)

    def expire(self, *, now_s: float) -> list[CircuitState]:
        """Those that were not joined in time, ended now: the shell drops the end that waits."""
        late = [one for one in self._circuits if not one.is_open and one.expires_s <= now_s]
        for one in late:
            self.end(one)
        return late

    def _count(self, one: CircuitState, change: int) -> None:
        _add(self._of_device, one.caller, change)
        _add(self._of_device, one.callee, change)
        _add(self._of_host, one.host, change)
        _add(self._of_host_to, (one.host, one.callee), change)


def _add(counter: Counter[K], key: K, change: int) -> None:
    """A counter keeps no key of which there is none."""
    counter[key] += change
    if not counter[key]:
        del counter[key]
