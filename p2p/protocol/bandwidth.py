"""Limits of bandwidth: of all peers together and of each, down and up. None is no limit.

What blobs take waits for its turn; what entries take is counted, and never waits. Debts are short:
a run of a blob is paid for when it is asked for, or sent, and the next one comes once that is paid.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from p2p.protocol.limits import TokenBucket

BURST_S = 0.25  # of unused bandwidth that may be used later
DEBT_S = 10.0  # of entries: more of them do not stop blobs for longer


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes per second; 0 is no limit."""

    all: float = 0.0
    peer: float = 0.0


class Bandwidth:
    """One direction."""

    def __init__(self, rates: Rates, *, now_s: float, burst_s: float = BURST_S) -> None:
        self._rates = rates
        self._burst_s = burst_s
        self._all = self._bucket(rates.all, now_s)
        self._peers: dict[Hashable, TokenBucket] = {}

    def spend(self, peer: Hashable, size: int, *, now_s: float) -> None:
        """So many bytes go over the line now."""
        for bucket in self._buckets(peer, now_s):
            debt_max = max(DEBT_S * bucket.per_s, float(size))
            bucket.spend(now_s=now_s, tokens=size, debt_max=debt_max)

    def give_back(self, peer: Hashable, size: int, *, now_s: float) -> None:
        """So many of those did not."""
        for bucket in self._buckets(peer, now_s):
            bucket.give_back(size)

    def wait_s(self, peer: Hashable, *, now_s: float) -> float:
        """How long until something may go again; 0.0 is now."""
        return max(
            (
                -bucket.left(now_s=now_s) / bucket.per_s
                for bucket in self._buckets(peer, now_s)
                if bucket.tokens < 0
            ),
            default=0.0,
        )

    def forget(self, peer: Hashable) -> None:
        """It is gone."""
        self._peers.pop(peer, None)

    def _buckets(self, peer: Hashable, now_s: float) -> list[TokenBucket]:
        buckets = [] if self._all is None else [self._all]
        if self._rates.peer:
            if peer not in self._peers:
                made = self._bucket(self._rates.peer, now_s)
                assert made is not None
                self._peers[peer] = made
            buckets.append(self._peers[peer])
        return buckets

    def _bucket(self, per_s: float, now_s: float) -> TokenBucket | None:
        return TokenBucket.full(per_s, self._burst_s * per_s, now_s=now_s) if per_s else None
