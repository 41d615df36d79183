"""How long to wait before trying a peer again: exponential, with full jitter.

Source: Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): of the variants
measured there, full jitter needs the fewest calls when many clients lost one server at once.
"""

from dataclasses import dataclass
from random import Random

FIRST_S = 0.5
LONGEST_S = 300.0  # a peer that was away for a week is met again within five minutes
DOUBLINGS_MAX = 32  # keeps the power small; LONGEST_S is reached long before


@dataclass(slots=True)
class Backoff:
    """One peer's attempts. `reset` after a good session, or when the network changes."""

    first_s: float = FIRST_S
    longest_s: float = LONGEST_S
    failures: int = 0

    def fail(self, random: Random) -> float:
        """Seconds until the next attempt: anything from 0 to the present ceiling."""
        ceiling_s = min(self.longest_s, self.first_s * 2.0 ** min(self.failures, DOUBLINGS_MAX))
        self.failures += 1
        return random.uniform(0.0, ceiling_s)

    def reset(self) -> None:
        self.failures = 0
