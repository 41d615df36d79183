"""Frames that cost work and carry nothing: no more of them than an honest peer ever sends."""

from p2p.protocol import limits
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.limits import TokenBucket


class Costly:
    """The buckets of one session. Whoever finds one empty floods."""

    def __init__(self, *, now_s: float) -> None:
        self._frames = TokenBucket.full(
            limits.CONTROL_FRAMES_PER_S, limits.CONTROL_FRAMES_BURST, now_s=now_s
        )
        self._reconciliations = TokenBucket.full(
            limits.RECONCILIATIONS_PER_S, limits.RECONCILIATIONS_BURST, now_s=now_s
        )

    def take(self, more: int = 0, *, now_s: float) -> None:
        """One frame, that costs so much `more`. Raises `RemoteProtocolError`."""
        tokens = min(1.0 + more, limits.CONTROL_FRAMES_BURST)
        if not self._frames.take(now_s=now_s, tokens=tokens):
            raise RemoteProtocolError("flood", "the peer sends too many frames that carry nothing")

    def take_reconciliation(self, *, now_s: float) -> None:
        """The peer opens one. Raises `RemoteProtocolError`."""
        if not self._reconciliations.take(now_s=now_s):
            raise RemoteProtocolError("flood", "the peer compares again and again")
