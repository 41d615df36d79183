"""How much a peer may owe at once: as much as its line holds, as far as that was seen."""

from dataclasses import dataclass

from p2p.protocol import limits

GAIN = 2.0  # of what the line seemed to hold: a window that is too small shows a rate too low
FORGET = 0.9  # of the best rate at each answer
RATE_UNKNOWN = 1_000_000.0  # bytes/s, of a peer that gave nothing yet


@dataclass(frozen=True, slots=True)
class Mark:
    """When something was asked for, and how much had come by then."""

    at_s: float
    came_bytes: int


@dataclass(slots=True)
class Pace:
    """One peer's. Bytes are in flight from the Get until the store has them."""

    in_flight_bytes: int = 0
    came_bytes: int = 0
    rate: float = 0.0  # bytes/s, the best of late
    rtt_s: float | None = None  # the shortest
    heard_s: float = 0.0

    def ask(self, size: int, *, now_s: float) -> Mark:
        """So much is asked for now."""
        if not self.in_flight_bytes:
            self.heard_s = now_s
        self.in_flight_bytes += size
        return Mark(now_s, self.came_bytes)

    def come(self, mark: Mark, size: int, *, now_s: float) -> None:
        """So many bytes came of what was asked for at `mark`."""
        self.heard_s = now_s
        self.came_bytes += size
        took_s = max(now_s - mark.at_s, 1e-4)
        self.rtt_s = took_s if self.rtt_s is None else min(self.rtt_s, took_s)
        self.rate = max((self.came_bytes - mark.came_bytes) / took_s, FORGET * self.rate)

    def settle(self, size: int) -> None:
        """So many bytes are no longer in flight: stored, or given up."""
        self.in_flight_bytes -= size

    @property
    def beyond_bytes(self) -> int:
        """How much more than WINDOW_BYTES_FIRST its line holds."""
        beyond_s = (self.rtt_s or 0.0) - limits.WINDOW_RTT_S
        return min(limits.WINDOW_BYTES_MAX, int(GAIN * self.rate * max(0.0, beyond_s)))

    def window_bytes(self, peers: int) -> int:
        """How much may be in flight where so many peers give at once."""
        window = limits.WINDOW_BYTES_FIRST // peers + self.beyond_bytes
        return min(window, limits.WINDOW_BYTES_MAX)

    def expected_s(self, size: int) -> float:
        """How long so many bytes more would take."""
        rate = self.rate or RATE_UNKNOWN
        return (self.rtt_s or limits.LATE_S) + (self.in_flight_bytes + size) / rate
