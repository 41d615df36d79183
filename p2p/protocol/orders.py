"""Who is asked for what, and when: runs of all blobs that are wanted, handed out to all peers.

The most urgent goes first, and of equals the one that was served least lately. A peer has room as
far as its window goes (`p2p.protocol.pace`) and the bandwidth that it may use.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import count

from p2p.protocol import limits
from p2p.protocol.bandwidth import Bandwidth, Rates
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Base, Get
from p2p.protocol.pace import Mark, Pace
from p2p.protocol.pieces import Rank
from p2p.protocol.wanted import PeerNumber, Run, Wanted

PARTS = 3  # of a window that runs have: one is stored, one comes, one is being made ready
LIMITED_S = 1.0  # a limit of bandwidth is told of so long after it last held something up


@dataclass(frozen=True, slots=True)
class Ask:
    """The session with `peer` is to send this."""

    peer: PeerNumber
    get: Get


@dataclass(frozen=True, slots=True)
class Blame:
    """`peer` broke a rule: its session is to end for it."""

    peer: PeerNumber
    fault: RemoteProtocolError


@dataclass(frozen=True, slots=True)
class Order:
    """A run that one peer was asked for."""

    run: Run
    mark: Mark
    size_bytes: int
    base: Base | None = None  # what a delta of it is against


@dataclass(eq=False, slots=True)
class Peer:
    """Whoever may be asked."""

    number: PeerNumber
    pace: Pace
    orders: dict[int, Order]


@dataclass(slots=True)
class _Load:
    """What all peers together have to do."""

    peers: int
    in_flight_bytes: int


class Orders:
    """All peers, and what they owe."""

    def __init__(self, rates: Rates, *, now_s: float) -> None:
        self.peers: dict[PeerNumber, Peer] = {}
        self._down = Bandwidth(rates, now_s=now_s)
        self._numbers = count(1)
        self._turns = count(1)
        self._limited_s: float | None = None  # when a peer was last not asked, to save bandwidth

    def come(self, peer: PeerNumber, *, now_s: float) -> None:
        if peer not in self.peers:
            self.peers[peer] = Peer(peer, Pace(heard_s=now_s), {})

    def drop(self, peer: PeerNumber) -> Sequence[Run]:
        """It is gone; what it was asked for."""
        gone = self.peers.pop(peer, None)
        self._down.forget(peer)
        return [order.run for order in gone.orders.values()] if gone else ()

    def spend(self, peer: PeerNumber, size: int, *, now_s: float) -> None:
        """So much else came from it."""
        self._down.spend(peer, size, now_s=now_s)

    def give_back(self, peer: Peer, size: int, *, now_s: float) -> None:
        """So much less came than was asked for."""
        if size > 0:
            self._down.give_back(peer.number, size, now_s=now_s)

    def is_limited(self, *, now_s: float) -> bool:
        """Whether more would have been asked for of late, but for the limits of bandwidth."""
        return self._limited_s is not None and now_s - self._limited_s < LIMITED_S

    def wake_s(self, *, now_s: float) -> float:
        """When bandwidth allows more, or somebody may be late."""
        waits = (self._down.wait_s(peer, now_s=now_s) for peer in self.peers)
        soon = min((wait for wait in waits if wait > 0), default=limits.LATE_S)
        return now_s + min(soon, limits.LATE_S)

    def is_late(self, run: Run, *, now_s: float) -> bool:
        """Whether somebody else is to be asked for it too."""
        asked = [self.peers[peer] for peer in run.asked if peer in self.peers]
        if all(now_s - one.pace.heard_s >= limits.RUN_PATIENCE_S for one in asked):
            return True
        # Whoever gives all but this may hold it back; what is slow is asked of one more in vain.
        if now_s - max(run.asked.values(), default=0.0) >= limits.RUN_LONGEST_S:
            return True
        if run.wanted.ahead or len(run.asked) > 1:
            return False
        others = [one for one in self.peers.values() if one.number not in run.asked]
        soonest_s = min((one.pace.expected_s(run.size_bytes) for one in others), default=0.0)
        age_s = now_s - min(run.asked.values(), default=now_s)
        return bool(others) and age_s >= max(limits.LATE_S, 2 * soonest_s)

    def hand_out(self, wanted: Collection[Wanted], *, now_s: float) -> list[Ask]:
        """A run for each peer in turn, as long as there is one for anybody."""
        asks: list[Ask] = []
        if not wanted:
            return asks
        peers = list(self.peers.values())
        load = _Load(
            sum(1 for one in peers if one.orders),
            sum(one.pace.in_flight_bytes for one in peers),
        )
        while peers:
            found = [(peer, self._run_for(peer, wanted, load, now_s=now_s)) for peer in peers]
            asks += [self._ask(peer, run, load, now_s=now_s) for peer, run in found if run]
            peers = [peer for peer, run in found if run]
        return asks

    def _run_for(
        self, peer: Peer, all_wanted: Collection[Wanted], load: _Load, *, now_s: float
    ) -> Run | None:
        """What this peer is to be asked for next."""
        if len(peer.orders) >= limits.BLOB_REQUESTS_MAX:
            return None
        window = peer.pace.window_bytes(load.peers + (not peer.orders))
        size = min(limits.RUN_BYTES_MAX, max(limits.RUN_BYTES_MIN, window // PARTS))
        room = self._room_bytes(peer, window, size, load, now_s=now_s)
        if room <= 0 and not any(one.is_authority for one in all_wanted):
            return None  # as it mostly is, after each answer
        for wanted in sorted(all_wanted, key=lambda one: (one.rank, one.turn)):
            needed = size if wanted.rank >= Rank.LARGE else 1
            if room < needed and wanted.rank is not Rank.AUTHORITY:
                return None
            run = wanted.take_run(peer.number, size, now_s=now_s)
            if run is not None:
                wanted.turn = next(self._turns)
                return run
        return None

    def _room_bytes(self, peer: Peer, window: int, size: int, load: _Load, *, now_s: float) -> int:
        """How much a peer may be asked for now."""
        if self._down.wait_s(peer.number, now_s=now_s) > 0:
            self._limited_s = now_s
            return 0
        in_flight = peer.pace.in_flight_bytes
        if in_flight == 0:
            return size
        return min(window - in_flight, limits.WINDOWS_BYTES_MAX - load.in_flight_bytes)

    def _ask(self, peer: Peer, run: Run, load: _Load, *, now_s: float) -> Ask:
        number = next(self._numbers)
        load.peers += not peer.orders
        load.in_flight_bytes += run.size_bytes
        mark = peer.pace.ask(run.size_bytes, now_s=now_s)
        base = run.wanted.base_for(peer.number, run)
        peer.orders[number] = Order(run, mark, run.size_bytes, base)
        self._down.spend(peer.number, run.size_bytes, now_s=now_s)
        wanted = run.wanted
        get = Get(number, wanted.blob, run.piece, run.first, run.count, wanted.told_rank, base)
        return Ask(peer.number, get)
