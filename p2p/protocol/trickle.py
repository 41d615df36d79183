"""Slow, or standing still: what somebody takes who is on a thin line, and what one who only holds.

Half a KB a second is a tenth of what a phone has on a line of the second generation. Whoever takes
less within the time that is given is of no use, and may mean harm.
"""

from dataclasses import dataclass

SLOWEST_BYTES = 32 << 10  # within each minute


@dataclass(slots=True)
class Trickle:
    """Of bytes that somebody is to take: `begin` when there are some, then look now and then."""

    since_s: float
    """When enough was last taken."""
    _mark: int | None = None

    def begin(self, *, now_s: float) -> None:
        """From now on something waits."""
        self.since_s, self._mark = now_s, None

    def look(self, taken_bytes: int, *, now_s: float) -> float:
        """`taken_bytes` in all by now; gives for how long less than enough was."""
        if self._mark is None:
            self._mark = taken_bytes
        elif taken_bytes - self._mark >= SLOWEST_BYTES:
            self._mark, self.since_s = taken_bytes, now_s
        return now_s - self.since_s
