"""Blobs from whoever has them: which piece is asked of which peer, over all sessions of a node.

    swarm = Swarm(random=Random(…), now_s=clock())
    carry_out(swarm.want(blob, size_bytes_max=…, now_s=…))     # ends in BlobFetched or BlobFailed
    carry_out(swarm.came(peer, now_s=…))                       # a session is open, or reads more
    carry_out(swarm.took(peer, part, now_s=…))                 # for every Ask, or `went`
    carry_out(swarm.answered(query_id, answer, now_s=…))       # for every Query, any order
    carry_out(swarm.tick(now_s=…))                             # at `wake_s`

Every piece is verified before the store is handed it. A wrong one is the peer's fault: `Blame`.
What a peer does not give goes back, and others are asked.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from math import inf
from random import Random
from typing import TypeAlias

from crdt.blob import BlobId, BlobRoot
from crdt.errors import CrdtError
from p2p.protocol import limits
from p2p.protocol.arrivals import check_delta, fault_of, read_piece
from p2p.protocol.bandwidth import Rates
from p2p.protocol.delta_questions import ReadBase
from p2p.protocol.effects import (
    AddChunks,
    AddPage,
    BeginBlob,
    BlobFailed,
    BlobFetched,
    MayKnowBlob,
    Notify,
    Query,
    Unstored,
)
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Base, Delta, Holding, Part
from p2p.protocol.looking import look, unfit, unstored
from p2p.protocol.orders import Ask, Blame, Order, Orders, Peer
from p2p.protocol.outbox import Outbox, Steps
from p2p.protocol.pieces import CHUNK, Urgency, unpack, unpack_against
from p2p.protocol.wanted import PeerNumber, Stage, Standing, Wanted

SwarmEffect: TypeAlias = Ask | Blame | Query | Notify


class Swarm:
    """Feed it what happened; do what it answers, in order."""

    def __init__(self, *, random: Random, now_s: float, rates: Rates | None = None) -> None:
        self.pieces_twice = 0  # that came although another peer was quicker
        self._random = random
        self._outbox = Outbox(now_s=now_s)
        self._blames: list[Blame] = []
        self._orders = Orders(rates or Rates(), now_s=now_s)
        self._expected: dict[PeerNumber, float] = {}  # who comes, and until when that is hoped
        self._adrift: AbstractSet[PeerNumber] = frozenset()
        self._running: dict[BlobId, Wanted] = {}
        self._waiting: dict[BlobId, Wanted] = {}

    @property
    def wake_s(self) -> float | None:
        """When a tick is due; None while nothing is wanted."""
        return self._orders.wake_s(now_s=self._outbox.now_s) if self._running else None

    # --- inputs ------------------------------------------------------------------------------

    def want(
        self,
        blob: BlobId,
        *,
        size_bytes_max: int,
        now_s: float,
        urgency: Urgency = Urgency.ASKED,
        relative_to: Sequence[BlobId] = (),
    ) -> list[SwarmEffect]:
        """Fetches a blob, or goes on with it. Of two wishes the one that takes more counts: the
        other's record may lie. `relative_to`: blobs that it may be much like, the likest first."""

        def work() -> None:
            known = self._running.get(blob)
            if known is None:
                known = self._waiting.setdefault(blob, Wanted(blob, 0, urgency, now_s))
            known.size_bytes_max = max(known.size_bytes_max, size_bytes_max)
            known.urgency = min(known.urgency, urgency)
            known.relative_to = known.relative_to or tuple(relative_to[: limits.RELATIVE_TO_MAX])

        return self._step(now_s, work)

    def forget(self, blob: BlobId, *, now_s: float) -> list[SwarmEffect]:
        """Nobody wants it any more: nothing else of it is asked for."""

        def work() -> None:
            self._running.pop(blob, None)
            self._waiting.pop(blob, None)

        return self._step(now_s, work)

    def expect(self, peer: PeerNumber) -> None:
        """Its session is about to open, or to end: nothing is given up until then."""
        self._expected[peer] = inf

    def came(self, peer: PeerNumber, *, now_s: float) -> list[SwarmEffect]:
        """Its session is open, or it may read something else than before."""

        def work() -> None:
            self._expected.pop(peer, None)
            self._orders.come(peer, now_s=now_s)
            for wanted in self._running.values():
                if wanted.standings.get(peer, Standing()).may_know is not True:
                    self._meet(wanted, peer)

        return self._step(now_s, work)

    def went(
        self, peer: PeerNumber, *, now_s: float, is_replaced: bool = False
    ) -> list[SwarmEffect]:
        """Its session ended: what it was asked for, others are asked, or it, where another session
        with it is about to begin (`is_replaced`): that is waited for, a while."""

        def work() -> None:
            for wanted in self._running.values():
                wanted.leave(peer, now_s=now_s)
            self._drop(peer)
            if is_replaced:
                for one in [one for one, until_s in self._expected.items() if until_s <= now_s]:
                    del self._expected[one]
                self._expected[peer] = now_s + limits.REPLACED_S

        return self._step(now_s, work)

    def took(
        self, peer: PeerNumber, frame: Part | Delta | Holding, *, now_s: float
    ) -> list[SwarmEffect]:
        """The answer to an Ask."""
        return self._step(now_s, lambda: self._take(peer, frame))

    def answered(self, id: int, answer: object, *, now_s: float) -> list[SwarmEffect]:
        """The store answered a Query."""
        return self._step(now_s, lambda: self._outbox.answered(id, answer))

    def tick(
        self, *, now_s: float, adrift: AbstractSet[PeerNumber] = frozenset()
    ) -> list[SwarmEffect]:
        """Time passed. `adrift`: those whose sessions have no channel now."""
        self._adrift = adrift
        return self._step(now_s, self._keep_time)

    def spend(self, peer: PeerNumber, size: int, *, now_s: float) -> None:
        """So much else came from a peer: it counts, and never waits."""
        self._orders.spend(peer, size, now_s=now_s)

    def _step(self, now_s: float, work: Callable[[], object]) -> list[SwarmEffect]:
        self._outbox.now_s = now_s
        is_only_storing = work() is True  # then there is room for no more than before
        self._begin_waiting()
        asks = self._orders.hand_out(() if is_only_storing else self._running.values(), now_s=now_s)
        for wanted in list(self._running.values()):
            self._settle(wanted)
        blames, self._blames = self._blames, []
        told = [one for one in self._outbox.drain() if isinstance(one, Query | Notify)]
        return [*blames, *asks, *told]

    def _settle(self, wanted: Wanted) -> None:
        """Who gave some of it may be back in a while: a node starts again, a relay does."""
        is_expected = any(until_s > self._outbox.now_s for until_s in self._expected.values())
        is_stuck = wanted.is_stuck and not is_expected
        if is_stuck and not wanted.may_wait(now_s=self._outbox.now_s):
            self._fail(wanted, "not-held", wanted.why_stuck())
            return
        is_waiting = not is_expected and wanted.is_alone(self._adrift)
        if is_waiting is not wanted.is_waiting:
            wanted.is_waiting = False
            if is_waiting:
                wanted.wait(self._adrift)
            self._tell(wanted)

    # --- from wish to whole --------------------------------------------------------------------

    def _begin_waiting(self) -> None:
        for blob in list(self._waiting):
            wanted = self._waiting[blob]
            if len(self._running) >= limits.BLOBS_MAX and not wanted.is_authority:
                continue
            self._running[blob] = self._waiting.pop(blob)
            for peer in self._orders.peers:
                self._meet(wanted, peer)
            self._outbox.run(self._look(wanted))

    def _look(self, wanted: Wanted) -> Steps[None]:
        """What of it is held; then what is missing is asked for."""
        end = yield from look(
            wanted,
            goes_on=lambda: self._is_running(wanted),
            # Those who fetch at the same time begin in different places, and can help each other.
            begin=lambda first: self._random.choice(first) if len(self._orders.peers) > 1 else 0,
        )
        if not self._is_running(wanted):
            return
        is_whole = isinstance(end, BlobFetched)
        if wanted.root is not None and (is_whole or wanted.stage is Stage.CHUNKS):
            self._tell_progress(wanted, is_last=is_whole)
        if end is not None:
            self._end(wanted, end)

    def _is_stored(self, wanted: Wanted, answer: object) -> bool:
        if isinstance(answer, Unstored):
            self._end(wanted, unstored(wanted.blob, answer))
        return self._is_running(wanted)

    def _fail(self, wanted: Wanted, code: str, sentence: str) -> None:
        self._end(wanted, BlobFailed(wanted.blob, code, sentence))

    def _end(self, wanted: Wanted, event: BlobFetched | BlobFailed) -> None:
        if self._is_running(wanted):
            del self._running[wanted.blob]
            self._outbox.notify(event)

    def _is_running(self, wanted: Wanted) -> bool:
        return self._running.get(wanted.blob) is wanted

    # --- peers ---------------------------------------------------------------------------------

    def _meet(self, wanted: Wanted, peer: PeerNumber) -> None:
        """Whoever may not read what names a blob would only learn its id, and give nothing."""
        standing = wanted.standings[peer] = Standing(judged_s=self._outbox.now_s)

        def judge() -> Steps[None]:
            standing.may_know = (yield MayKnowBlob(wanted.blob, peer)) is True  # not: Unstored
            for blob in wanted.relative_to if standing.may_know else ():
                if (yield MayKnowBlob(blob, peer)) is True:
                    standing.may_know_too.add(blob)

        self._outbox.run(judge())

    def _drop(self, peer: PeerNumber) -> None:
        self._expected.pop(peer, None)
        for wanted in self._running.values():
            wanted.standings.pop(peer, None)
        for run in self._orders.drop(peer):
            run.wanted.give_up(peer, run)

    def _keep_time(self) -> None:
        now_s = self._outbox.now_s
        for wanted in list(self._running.values()):
            if wanted.is_withheld(now_s=now_s):
                fault = f"who was asked for it gave nothing of it in {limits.NOTHING_CAME_S:.0f} s"
                self._fail(wanted, "not-held", fault)
                continue
            for peer, standing in list(wanted.standings.items()):
                is_old = now_s - standing.judged_s >= limits.JUDGE_S
                if standing.may_know is False and is_old and peer in self._orders.peers:
                    self._meet(wanted, peer)
            for run in wanted.open:
                if not run.is_taken and self._orders.is_late(run, now_s=now_s):
                    wanted.ask_again(run)

    # --- what comes ----------------------------------------------------------------------------

    def _take(self, number: PeerNumber, frame: Part | Delta | Holding) -> bool:
        peer = self._orders.peers.get(number)
        if peer is None:
            return False  # its session ended, or is about to
        order = peer.orders.pop(frame.number, None)
        try:
            if order is None:
                raise RemoteProtocolError("part", "a piece of a blob came that nobody asked for")
            if isinstance(frame, Holding):
                self._take_nothing(peer, order, frame)
            else:
                return self._take_piece(peer, order, frame)
        except (CrdtError, RemoteProtocolError) as error:
            self._blame(peer, fault_of(error), order)
        return False

    def _blame(self, peer: Peer, fault: RemoteProtocolError, order: Order | None) -> None:
        if order is not None:
            order.run.wanted.give_up(peer.number, order.run)
        if peer.number in self._orders.peers:  # else its session ended while a base was read
            self._blames.append(Blame(peer.number, fault))
        self._drop(peer.number)

    def _take_nothing(self, peer: Peer, order: Order, frame: Holding) -> None:
        now_s, run = self._outbox.now_s, order.run
        if len(frame.runs) % 2:
            raise RemoteProtocolError("holding", "a list of runs ends in the middle of one")
        peer.pace.heard_s = now_s
        peer.pace.settle(order.size_bytes)
        self._orders.give_back(peer, order.size_bytes, now_s=now_s)
        wanted = run.wanted
        standing = wanted.standings.get(peer.number)
        if standing is not None:
            runs = frame.runs if run.piece == CHUNK else ()
            standing.lack(frame.is_some, runs, now_s=now_s)
        wanted.give_up(peer.number, run)

    def _take_piece(self, peer: Peer, order: Order, frame: Part | Delta) -> bool:
        """Whether it is stored now, and nothing else has changed."""
        now_s, run = self._outbox.now_s, order.run
        if isinstance(frame, Delta):
            data, size = None, check_delta(frame, order.base, order.size_bytes)
        else:
            data = unpack(frame)
            size = len(data)
        self._orders.give_back(peer, order.size_bytes - len(frame.data), now_s=now_s)
        peer.pace.come(order.mark, size, now_s=now_s)
        if isinstance(frame, Delta) and order.base is not None:
            self._outbox.run(self._undo(peer, order, frame, order.base))
        elif data is not None and self._is_of_use(peer, order):
            self._outbox.run(self._keep(peer, order, data))
            return run.piece == CHUNK
        return False

    def _undo(self, peer: Peer, order: Order, frame: Delta, base: Base) -> Steps[None]:
        """Of what differs from a base makes the piece; the store has the base."""
        run = order.run
        held: object = yield ReadBase(run.piece, base)
        if not self._is_of_use(peer, order):
            return
        if not isinstance(held, bytes):  # it went, which is nobody's fault: never mind the delta
            run.wanted.forget_base()
            peer.pace.settle(order.size_bytes)
            run.wanted.give_up(peer.number, run)
            return
        try:
            steps = self._keep(peer, order, unpack_against(frame, held))
        except (CrdtError, RemoteProtocolError) as error:
            self._blame(peer, fault_of(error), order)
            return
        yield from steps

    def _is_of_use(self, peer: Peer, order: Order) -> bool:
        """Not where another one was quicker, or nobody wants it any more."""
        run = order.run
        if self._is_running(run.wanted) and not run.is_taken:
            return True
        self.pieces_twice += run.is_taken
        peer.pace.settle(order.size_bytes)
        return False

    def _keep(self, peer: Peer, order: Order, data: bytes) -> Steps[None]:
        """Verifies a piece; what is to be done with it."""
        run = order.run
        piece = read_piece(run, data)
        run.is_taken, run.wanted.came_s = True, self._outbox.now_s
        if (standing := run.wanted.standings.get(peer.number)) is not None:
            standing.give()
        if isinstance(piece, BlobRoot):
            return self._begin(peer, order, piece)
        if isinstance(piece, AddChunks):
            run.wanted.cut(run, len(piece.chunks))
            return self._store(peer, order, piece, len(data))
        return self._store(peer, order, piece)

    def _begin(self, peer: Peer, order: Order, root: BlobRoot) -> Steps[None]:
        """What is too large leaves nothing behind, not even its root."""
        wanted = order.run.wanted
        if (failed := unfit(wanted, root.size)) is not None:
            self._end(wanted, failed)
        if self._is_running(wanted):
            yield from self._store(peer, order, BeginBlob(root.id, root.encoded))
        else:
            peer.pace.settle(order.size_bytes)

    def _store(
        self,
        peer: Peer,
        order: Order,
        question: BeginBlob | AddPage | AddChunks,
        size: int = 0,
    ) -> Steps[None]:
        wanted = order.run.wanted
        stored = yield question
        peer.pace.settle(order.size_bytes)
        wanted.open.pop(order.run, None)
        if not self._is_stored(wanted, stored):
            return
        if isinstance(question, AddChunks) and wanted.root is not None:
            wanted.chunks_held += len(question.chunks)
            wanted.bytes_held += size
            self._tell_progress(wanted)
        if not wanted.open and not wanted.ahead:
            yield from self._look(wanted)

    def _tell_progress(self, wanted: Wanted, *, is_last: bool = False) -> None:
        if wanted.measure(now_s=self._outbox.now_s, is_last=is_last):
            self._tell(wanted)

    def _tell(self, wanted: Wanted) -> None:
        is_limited = self._orders.is_limited(now_s=self._outbox.now_s)
        self._outbox.notify(wanted.progress(is_limited=is_limited))
