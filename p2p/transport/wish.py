"""What one who waits for a blob would take of it, and how urgently."""

from collections.abc import Sequence
from dataclasses import dataclass

from crdt.blob import BlobId
from p2p.protocol.pieces import Urgency


@dataclass(frozen=True, slots=True)
class Wish:
    """Of one who waits for a blob."""

    size_bytes_max: int
    urgency: Urgency
    relative_to: Sequence[BlobId] = ()

    def is_within(self, others: "Sequence[Wish]") -> bool:
        """Whether these alone are wished for as much, and as urgently."""
        return (
            self.size_bytes_max <= max(one.size_bytes_max for one in others)
            and self.urgency >= min(one.urgency for one in others)
        )  # fmt: skip
