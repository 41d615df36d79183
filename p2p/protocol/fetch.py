"""The asking side of one session, for pieces of blobs: what was asked, and what came for it.

Which pieces, `p2p.protocol.swarm` decides, over all sessions; it also verifies them. Here is only
that every answer belongs to a question, and that the peer gives one at all.
"""

from p2p.protocol import limits
from p2p.protocol.effects import PieceCame
from p2p.protocol.errors import LocalProtocolError, RemoteProtocolError
from p2p.protocol.frames import Delta, Get, Holding, Part
from p2p.protocol.outbox import Outbox
from p2p.protocol.report import SessionReport


class Gets:
    """The Gets of this side that are open."""

    def __init__(self, outbox: Outbox, report: SessionReport) -> None:
        self._outbox = outbox
        self._report = report
        self._asked_s: dict[int, float] = {}

    @property
    def oldest_s(self) -> float | None:
        """When the oldest one was sent."""
        return next(iter(self._asked_s.values()), None)

    def ask(self, get: Get) -> None:
        """Raises `LocalProtocolError` for more than the peer must answer."""
        if len(self._asked_s) >= limits.BLOB_REQUESTS_MAX or get.number in self._asked_s:
            raise LocalProtocolError("get", "a peer is asked for more than it must answer")
        self._asked_s[get.number] = self._outbox.now_s
        self._outbox.send(get)

    def take(self, frame: Part | Delta | Holding) -> None:
        """An answer. Raises `RemoteProtocolError` where nobody asked."""
        if self._asked_s.pop(frame.number, None) is None:
            raise RemoteProtocolError("part", "a piece of a blob came that nobody asked for")
        if not isinstance(frame, Holding):
            self._report.blob_bytes_received += len(frame.data)
        self._outbox.notify(PieceCame(frame))
