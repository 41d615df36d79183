"""When statements of each namespace were last compared with a peer: how far this node looked."""

from collections.abc import Callable
from dataclasses import dataclass, field

from crdt.area import Area
from crdt.keys import NamespaceKey
from crdt.path import AUTHORITY
from p2p.protocol import effects
from p2p.transport.network import NetworkEvent, PeerSaid


@dataclass(slots=True)
class Compared:
    """By the loop's clock: a start forgets it, and every session compares anew."""

    clock: Callable[[], float]
    _at_s: dict[NamespaceKey, float] = field(default_factory=dict[NamespaceKey, float])

    def note(self, event: NetworkEvent) -> None:
        match event:
            case PeerSaid(_, effects.AreaReconciled(namespace, area)) if area == _ALL_THERE_IS:
                self._at_s[namespace] = self.clock()
            case _:
                pass

    def since_s(self, namespace: NamespaceKey) -> float | None:
        """Seconds; None where none was compared since the start."""
        at_s = self._at_s.get(namespace)
        return None if at_s is None else self.clock() - at_s


_ALL_THERE_IS = Area(path=(AUTHORITY.encode(),))
