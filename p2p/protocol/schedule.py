"""When a session compares everything again."""

from p2p.protocol import limits
from p2p.protocol.report import SessionReport


class Schedule:
    """Soon where an area changed meanwhile; else, by the initiator, after ten minutes or more."""

    def __init__(self, report: SessionReport, *, is_initiator: bool) -> None:
        self._report = report
        self._is_initiator = is_initiator
        self._retries = 0
        self._due_s: float | None = None
        self._seen_different = 0

    def begin(self) -> None:
        """This side compares now."""
        self._due_s = None
        self._seen_different = self._report.areas_different

    def plan(self, *, now_s: float) -> None:
        """The comparison is over."""
        is_different = self._report.areas_different > self._seen_different
        self._retries = self._retries + 1 if is_different else 0
        if 0 < self._retries <= limits.RETRIES_MAX and not self._report.refused:
            self._due_s = now_s + limits.RETRY_S
        elif self._is_initiator:
            self._due_s = now_s + limits.reconcile_after_s(self._report.entries_kept_out)

    def is_due(self, *, now_s: float) -> bool:
        return self._due_s is not None and now_s >= self._due_s
