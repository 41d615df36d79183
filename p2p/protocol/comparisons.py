"""When everything in common is compared, and when that is over."""

from dataclasses import dataclass

from p2p.protocol import limits
from p2p.protocol.config import Role
from p2p.protocol.report import SessionReport


@dataclass(slots=True)
class Comparisons:
    """The comparisons of one session, one after the other; times are arguments."""

    role: Role
    is_running: bool = False  # `Synced` tells when that is over
    is_due: bool = False  # by us, once nothing is under way
    _is_ours: bool = False  # the one that runs was begun here
    _retries: int = 0
    _next_s: float | None = None  # when to compare everything again
    _seen_different: int = 0

    def agreed(self, *, is_empty: bool) -> None:
        """Both said what they want; `is_empty` where they have nothing in common."""
        self.is_running = self.is_running or is_empty
        self.is_due = self.role is Role.INITIATOR

    def began(self, report: SessionReport) -> None:
        """By us."""
        self.is_running = self._is_ours = True
        self._next_s = None
        self._seen_different = report.areas_different
        report.entries_kept_out = 0

    def joined(self, report: SessionReport) -> None:
        """By the peer: each comparison counts anew."""
        report.entries_kept_out *= self.is_running
        self.is_running = True

    def ended(self, report: SessionReport, *, now_s: float) -> None:
        """Nothing of it is under way."""
        report.comparisons += 1
        if self._is_ours:
            self._plan_next(report, now_s)
        self.is_running = self._is_ours = False

    def is_time(self, *, now_s: float) -> bool:
        """Whether to compare once more."""
        return self._next_s is not None and now_s >= self._next_s

    def _plan_next(self, report: SessionReport, now_s: float) -> None:
        """Soon where an area changed meanwhile, else in ten minutes."""
        is_different = report.areas_different > self._seen_different
        self._retries = self._retries + 1 if is_different else 0
        if 0 < self._retries <= limits.RETRIES_MAX and not report.refused:
            self._next_s = now_s + limits.RETRY_S
        elif self.role is Role.INITIATOR:
            self._next_s = now_s + limits.reconcile_after_s(report.entries_kept_out)
