"""How fast a relay reads: buckets that may be overdrawn, and how long to wait until they are not.

What was read is passed on, always; only the next read waits. So nothing is lost inside a circuit.
Whoever shares a bucket reads in turn, so little each that a round of all that wait takes `ROUND_S`,
however many they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

BURST_S = 0.25  # so much of a second's rate goes at once
ROUND_S = 1.0  # in which each of those that share a rate has a turn
DEBT_S = 2.0  # so much of a rate may be read before it is there: nobody rests for much longer
PIECE_BYTES_MIN = 64  # of a read, whatever is owed: a ping of a session


@dataclass(slots=True)
class Pacer:
    """`per_s` flow in; `spend` may go below zero, and says when it is zero again."""

    per_s: float
    burst: float
    level: float
    at_s: float
    resting: int = 0  # of those that share it; whoever starts and ends a rest counts

    @classmethod
    def full(cls, per_s: float, burst: float, *, now_s: float) -> "Pacer":
        return cls(per_s, burst, burst, now_s)

    @classmethod
    def of_bytes(cls, bytes_per_s: float, *, now_s: float) -> "Pacer":
        burst = bytes_per_s * BURST_S
        return cls(bytes_per_s, burst, burst, now_s)

    def spend(self, tokens: float, *, now_s: float) -> float:
        """Takes so many; the seconds to wait before the next are read, 0 where there is no need."""
        self.level = self._left(now_s) - tokens
        return max(0.0, -self.level / self.per_s)

    def piece(self, *, now_s: float) -> float:
        """How many may be read next: a fair part of a round, and never all of a debt."""
        fair = self.per_s * ROUND_S / (self.resting + 1)
        return min(fair, (self._left(now_s) + self.per_s * DEBT_S) / 2)

    def _left(self, now_s: float) -> float:
        elapsed_s = max(0.0, now_s - self.at_s)
        self.at_s = max(self.at_s, now_s)
        self.level = min(self.burst, self.level + elapsed_s * self.per_s)
        return self.level


def spend(pacers: Sequence[Pacer], tokens: float, *, now_s: float) -> float:
    """From all of them; the longest wait."""
    return max((one.spend(tokens, now_s=now_s) for one in pacers), default=0.0)


def piece(pacers: Sequence[Pacer], most: int, *, now_s: float) -> int:
    """How many bytes may be read next of what all of them slow; `most` where nothing does."""
    least = min((one.piece(now_s=now_s) for one in pacers), default=float(most))
    return min(most, max(PIECE_BYTES_MIN, int(least)))
