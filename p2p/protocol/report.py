"""What one session did, for the page, the CLI and the benchmarks."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class SessionReport:
    """Counts of one session; the shell tells it the bytes, the session all the rest."""

    rounds: int = 0  # frames of ranges, sent and received: the same number at both ends
    received_bytes: int = 0
    sent_bytes: int = 0
    entries_received: int = 0  # new to the store
    entries_known: int = 0  # sent to us although held: another peer was quicker
    entries_sent: int = 0
    entries_kept_out: int = 0  # of the last comparison: the peer has them, we have no room for them
    entries_missing: int = 0  # announced by the peer, then not given
    refused: dict[str, int] = field(default_factory=dict[str, int])  # by the store, code -> count
    blob_bytes_received: int = 0  # as they went over the wire
    blob_bytes_sent: int = 0
    moves: int = 0  # from one channel to another
    resent_bytes: int = 0  # of frames that an earlier channel did not deliver
    areas_equal: int = 0
    areas_different: int = 0
    comparisons: int = 0  # of everything in common, that came to their end

    def refuse(self, code: str) -> None:
        self.refused[code] = self.refused.get(code, 0) + 1
