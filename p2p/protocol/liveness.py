"""Whether the peer is still there, and how far: a ping after 5 s of silence, given up after 15 s.

On another channel the way is another one: what the last ping took says nothing of it, and the next
one is due as soon as nothing was heard for a second, when no queue holds it up.

Half-open TCP goes unnoticed for minutes, and mDNS announces nobody's death; the ping does it.
"""

from collections.abc import Iterable

from p2p.protocol.errors import PeerTimeout
from p2p.protocol.frames import Ping, Pong
from p2p.protocol.limits import ANSWER_S, DEAD_AFTER_S, PING_AFTER_S
from p2p.protocol.trickle import Trickle

QUIET_S = 1.0  # in which nothing was heard, where a ping is due


class Liveness:
    """Fed with every frame heard, and parts of frames; any of it is a sign of life."""

    def __init__(self, *, now_s: float) -> None:
        self.rtt_s: float | None = None  # from the last ping that was answered to its pong
        self._heard_s = now_s  # anything
        self._whole_s = now_s  # a frame
        self._useful_s = now_s  # when it last sent more than a ping
        self._part_bytes = 0  # heard in all, frames or not
        self._trickle = Trickle(now_s)
        self._pinged_s = now_s
        self._number = 0
        self._is_awaited = False
        self._is_due = False  # how far the peer is by this channel is not known

    def hear(self, *, now_s: float) -> None:
        self._heard_s = self._whole_s = now_s

    def hear_part(self, size: int, *, now_s: float) -> None:
        """So many bytes came. On a thin line a long answer takes minutes, and is on its way."""
        self._heard_s = now_s
        self._part_bytes += size
        if not self._trickle.look(self._part_bytes, now_s=now_s):
            self.hear_useful(now_s=now_s)

    def move(self, *, now_s: float) -> None:
        """There is a channel, after none or another one; all times begin anew."""
        self.hear(now_s=now_s)
        self.hear_useful(now_s=now_s)
        self.rtt_s, self._is_awaited, self._is_due = None, False, True

    def hear_useful(self, *, now_s: float) -> None:
        """More than a ping, or it took enough of what it is sent, about which its answer may be."""
        self._useful_s = now_s

    def check_answers(self, owed_s: Iterable[float | None], *, is_busy: bool, now_s: float) -> None:
        """`owed_s`: since when it owes each answer, if it does. `is_busy`: our store works for it.

        Raises `PeerTimeout` where it sends nothing but pings meanwhile.
        """
        if is_busy:
            self.hear_useful(now_s=now_s)
        for since_s in owed_s:
            if since_s is not None and now_s - max(since_s, self._useful_s) >= ANSWER_S:
                raise PeerTimeout("no-answer", "the peer answers pings, but not what was asked")

    def ping(self, *, now_s: float) -> Ping:
        """The next ping, to be sent now."""
        self._pinged_s = now_s
        self._number += 1
        self._is_awaited, self._is_due = True, False
        return Ping(self._number)

    def pong(self, pong: Pong, *, now_s: float) -> None:
        """Only the answer to the last ping tells how long it took, and only once."""
        if self._is_awaited and pong.number == self._number:
            self._is_awaited = False
            self.rtt_s = now_s - self._pinged_s

    def tick(self, *, now_s: float) -> Ping | None:
        """The ping that is due, if one is. Raises `PeerTimeout` where the peer is gone."""
        silent_s = now_s - self._heard_s
        if silent_s >= DEAD_AFTER_S:
            raise PeerTimeout("silent", f"nothing was heard from the peer for {silent_s:.0f} s")
        if self._is_due and silent_s >= QUIET_S:
            return self.ping(now_s=now_s)
        # Also in the middle of a long frame: whoever sends that hears nothing from us meanwhile.
        if now_s - self._whole_s < PING_AFTER_S or now_s - self._pinged_s < PING_AFTER_S:
            return None
        return self.ping(now_s=now_s)
