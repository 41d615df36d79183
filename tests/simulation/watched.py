"""What a node shares among its sessions, and how much they are owed in all."""

from collections.abc import Callable

from p2p.protocol.live import Asker, Underway


class Watched(Underway):
    def __init__(self) -> None:
        super().__init__()
        self._joined: dict[Asker, None] = {}

    def join(self, wake: Callable[[], None]) -> Asker:
        asker = super().join(wake)
        self._joined[asker] = None
        return asker

    def leave(self, asker: Asker) -> None:
        super().leave(asker)
        self._joined.pop(asker, None)

    @property
    def owed(self) -> int:
        """Ids of the open Wants of peers that ever gave something good."""
        return sum(one.asked.owed for one in self._joined if one.is_trusted)
