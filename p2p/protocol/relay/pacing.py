"""How fast a relay reads: buckets that may be overdrawn, and how long to wait until they are not.

What was read is passed on, always; only the next read waits. So nothing is lost inside a circuit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

BURST_S = 0.25  # so much of a second's rate goes at once


@dataclass(slots=True)
class Pacer:
    """`per_s` flow in; `spend` may go below zero, and says when it is zero again."""

    per_s: float
    burst: float
    level: float
    at_s: float

    @classmethod
    def full(cls, per_s: float, burst: float, *, now_s: float) -> "Pacer":
        return cls(per_s, burst, burst, now_s)

    @classmethod
    def of_bytes(cls, bytes_per_s: float, *, now_s: float) -> "Pacer":
        burst = bytes_per_s * BURST_S
        return cls(bytes_per_s, burst, burst, now_s)

    def spend(self, tokens: float, *, now_s: float) -> float:
        """Takes so many; the seconds to wait before the next are read, 0 where there is no need."""
        elapsed_s = max(0.0, now_s - self.at_s)
        self.at_s = max(self.at_s, now_s)
        self.level = min(self.burst, self.level + elapsed_s * self.per_s) - tokens
        return max(0.0, -self.level / self.per_s)


def spend(pacers: Sequence[Pacer], tokens: float, *, now_s: float) -> float:
    """From all of them; the longest wait."""
    return max((one.spend(tokens, now_s=now_s) for one in pacers), default=0.0)
