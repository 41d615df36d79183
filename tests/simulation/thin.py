"""A node behind a thin line: what all peers send it shares so many bytes a second, evenly.

What is on its way is heard in parts, as over a socket.
"""

from collections import deque
from functools import partial

from tests.simulation.network import TICK_S, End, Network, Node

STEP_S = 0.05


class ThinLine(Network):
    """`bytes_s`: what reaches `victim` in a second, from all of its peers together."""

    def __init__(self, seed: int, *, bytes_s: int) -> None:
        super().__init__(seed, delay_s=0.02)
        self.victim: Node | None = None
        self._bytes_s = bytes_s
        self._queues: dict[End, deque[bytes]] = {}  # by the end that sends
        self._gone: dict[End, float] = {}  # of the first in its queue
        self._heard: dict[End, float] = {}  # since the last look
        self.after(STEP_S, self._step)

    def deliver_bytes(self, end: End, data: bytes) -> None:
        if end.other is not None and end.other.node is self.victim:
            self._queues.setdefault(end, deque()).append(data)
        else:
            super().deliver_bytes(end, data)

    def connect(self, source: Node, target: Node) -> tuple[End, End]:
        ends = super().connect(source, target)
        for end in ends:
            if end.node is self.victim:
                self.after(TICK_S, partial(self._look, end))
        return ends

    async def _look(self, end: End) -> None:
        """As `p2p.transport.linked` does."""
        if end.is_cut or end.other is None:
            return
        if size := int(self._heard.pop(end.other, 0)):
            end.session.hear_part(size, now_s=self.now_s)
        self.after(TICK_S, partial(self._look, end))

    async def _step(self) -> None:
        left = self._bytes_s * STEP_S
        while left > 0 and (sending := [end for end, queue in self._queues.items() if queue]):
            share, left = left / len(sending), 0.0
            for end in sending:
                left += self._carry(end, share)
        self.after(STEP_S, self._step)

    def _carry(self, end: End, share: float) -> float:
        """What it does not need of its share."""
        queue = self._queues[end]
        while queue:
            needs = len(queue[0]) - self._gone.get(end, 0.0)
            self._heard[end] = self._heard.get(end, 0.0) + min(needs, share)
            if needs > share:
                self._gone[end] = self._gone.get(end, 0.0) + share
                return 0.0
            share -= needs
            self._gone.pop(end, None)
            super().deliver_bytes(end, queue.popleft())
        return share
