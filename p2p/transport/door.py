"""Who is let in: what `p2p.protocol.offences` says, and whom this node's person blocked.

before the handshake   by host: a call that is not worth one is dropped without a word
after the handshake    by device: whoever is refused hears until when
after the greeting     by author: whoever is blocked hears the same, and not that it is for good
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil

from p2p.protocol.config import Role
from p2p.protocol.errors import PeerLeft, RemoteProtocolError, SyncError
from p2p.protocol.limits import WAIT_S_MAX
from p2p.protocol.offences import Offences, host_of
from p2p.transport.connection import Connection
from p2p.transport.linked import OF_THE_CARRIER

REFUSED = "refused-for-now"
RELAYED = ("circuit:", "webrtc:")  # how `p2p.transport.place` writes them
STEADY_S = 10.0  # a session of so long, with nothing wrong in it, is somebody's who means it
CLOSED_WAIT_S = 60  # for those that go because of what others at their address did


@dataclass(frozen=True, slots=True)
class Refused:
    """Why somebody may not come in: as it is told there, and as it is told here."""

    there: PeerLeft
    here: PeerLeft


class Door:
    """Offences, blocks and the clock for both; `clock_s` is Unix time that never goes back."""

    def __init__(
        self,
        offences: Offences,
        *,
        is_blocked: Callable[[bytes], bool],
        clock_s: Callable[[], float],
    ) -> None:
        self.offences = offences
        self.is_blocked = is_blocked
        self.clock_s = clock_s

    def admits(self, host: str) -> bool:
        """Whether somebody who calls from there gets a handshake."""
        return self.offences.admits(host_of(host), now_s=self.clock_s())

    def strikes(self, device: bytes) -> int:
        """Those that a new session with it begins with."""
        return self.offences.strikes(device, now_s=self.clock_s())

    def refusal(self, device: bytes) -> Refused | None:
        """None where this device may come in."""
        if self.is_blocked(device):
            return blocked()
        now_s = self.clock_s()
        one = self.offences.refused(device, now_s=now_s)
        if one is None:
            return None
        wait_s = ceil(one.until_s - now_s)
        why = f"for {wait_s} s more: {one.sentence.rstrip('.')} ({one.code})."
        return Refused(
            _away(f"The other side refuses this node {why}", wait_s),
            _away(f"This node refuses that one {why}", wait_s),
        )

    def came_unwanted(self, host: str, refused: Refused) -> None:
        """A device that is refused called us from `host`, for whatever; empty where we called."""
        here = refused.here
        self.offences.came_unwanted(host, here.code, here.sentence, now_s=self.clock_s())

    def refused_entries(self, connection: Connection, codes: Mapping[str, int]) -> None:
        """The store did not take some of what it gave."""
        host = caller(connection)
        self.offences.refuse_entries(connection.device, host, codes, now_s=self.clock_s())

    def no_channel(self, host: str, reason: SyncError) -> None:
        """A handshake with somebody who called from `host` failed, or what came did not hold."""
        if isinstance(reason, RemoteProtocolError):
            code, sentence = reason.code, reason.sentence
            self.offences.fault(None, host_of(host), code, sentence, now_s=self.clock_s())

    def ended(self, connection: Connection, reason: SyncError, seconds: float) -> None:
        """A session is over."""
        if isinstance(reason, RemoteProtocolError):
            if reason.code in OF_THE_CARRIER:  # anybody on the way could have honest ones refused
                self.no_channel(caller(connection), reason)
            else:
                self.fault(connection, reason.code, reason.sentence)
        else:
            self.offences.behaved(connection.device, seconds)

    def fault(self, connection: Connection, code: str, sentence: str) -> None:
        """It broke a rule, which ends its session; counted once."""
        if connection.is_at_fault:
            return
        connection.is_at_fault = True
        host, now_s = caller(connection), self.clock_s()
        self.offences.fault(connection.device, host, code, sentence, now_s=now_s)

    def is_closed(self, host: str) -> bool:
        return self.offences.is_closed(host, now_s=self.clock_s())

    def outstays(self, connection: Connection, seconds: float) -> bool:
        """Whether it goes with the others of its host: nothing speaks for it yet."""
        is_useful = connection.session.report.entries_received > 0 or seconds >= STEADY_S
        return self.strikes(connection.device) > 0 or not is_useful


def caller(connection: Connection) -> str:
    """The host that called; empty where we did, or where a relay stands between."""
    if connection.role is Role.INITIATOR or is_relayed(connection):
        return ""
    return host_of(connection.address.rpartition(":")[0])


def is_relayed(connection: Connection) -> bool:
    """Whether somebody else passes its bytes on, or introduced it."""
    return connection.address.startswith(RELAYED)


def blocked() -> Refused:
    """What a blocked one hears does not tell it from others that are refused."""
    return Refused(
        _away("The other side takes no calls of this node for now.", WAIT_S_MAX),
        PeerLeft(
            "blocked",
            "You blocked who is there; to lift it: panspermia block --remove",
            wait_s=WAIT_S_MAX,
        ),
    )


def crowded_out() -> Refused:
    """For those that have to go because of others at their address."""
    return Refused(
        _away("Too much that is wrong came from the address of this node.", CLOSED_WAIT_S),
        _away("Too much that is wrong came from the address of that one.", CLOSED_WAIT_S),
    )


def _away(sentence: str, wait_s: int) -> PeerLeft:
    return PeerLeft(REFUSED, sentence, wait_s=min(wait_s, WAIT_S_MAX))
