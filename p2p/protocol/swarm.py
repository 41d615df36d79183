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

from bisect import bisect_left
from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

from crdt.blob import BlobId, BlobRoot, Manifest, parse_root
from crdt.errors import CrdtError
from crdt.many_chunks import first_of_each, size_of
from p2p.protocol import limits
from p2p.protocol.arrivals import read_piece
from p2p.protocol.bandwidth import Rates
from p2p.protocol.effects import (
    AddChunks,
    AddPage,
    BeginBlob,
    BlobFailed,
    BlobFetched,
    FindManifest,
    FindRoot,
    MayKnowBlob,
    MissingChunks,
    MissingPages,
    Notify,
    Query,
    Unstored,
)
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Delta, Holding, Part
from p2p.protocol.orders import Ask, Blame, Order, Orders, Peer
from p2p.protocol.outbox import Outbox, Steps
from p2p.protocol.pieces import CHUNK, Urgency, unpack
from p2p.protocol.wanted import PeerNumber, Stage, Standing, Wanted

NOT_STORED, NO_ROOM, TOO_LARGE = "not-stored", "no-room", "too-large"
# Of a blob, looked at together: 2.3 MB at most, for 16 GiB, or some 500 MB of small chunks. They
# name 65,536 chunks at most: as many as a store lists.
MANIFEST_PAGES = 64

SwarmEffect: TypeAlias = Ask | Blame | Query | Notify


class Swarm:
    """Feed it what happened; do what it answers, in order."""

    def __init__(self, *, random: Random, now_s: float, rates: Rates | None = None) -> None:
        self.pieces_twice = 0  # that came although another peer was quicker
        self._random = random
        self._outbox = Outbox(now_s=now_s)
        self._blames: list[Blame] = []
        self._orders = Orders(rates or Rates(), now_s=now_s)
        self._expected: set[PeerNumber] = set()
        self._running: dict[BlobId, Wanted] = {}
        self._waiting: dict[BlobId, Wanted] = {}

    @property
    def wake_s(self) -> float | None:
        """When a tick is due; None while nothing is wanted."""
        return self._orders.wake_s(now_s=self._outbox.now_s) if self._running else None

    # --- inputs ------------------------------------------------------------------------------

    def want(
        self, blob: BlobId, *, size_bytes_max: int, now_s: float, urgency: Urgency = Urgency.ASKED
    ) -> list[SwarmEffect]:
        """Fetches a blob, or goes on with it. Of two wishes the one that takes more counts: the
        other's record may lie."""

        def work() -> None:
            known = self._running.get(blob)
            if known is None:
                known = self._waiting.setdefault(blob, Wanted(blob, 0, urgency, now_s))
            known.size_bytes_max = max(known.size_bytes_max, size_bytes_max)
            known.urgency = min(known.urgency, urgency)

        return self._step(now_s, work)

    def forget(self, blob: BlobId, *, now_s: float) -> list[SwarmEffect]:
        """Nobody wants it any more: nothing else of it is asked for."""

        def work() -> None:
            self._running.pop(blob, None)
            self._waiting.pop(blob, None)

        return self._step(now_s, work)

    def expect(self, peer: PeerNumber) -> None:
        """Its session is about to open, or to end: nothing is given up until then."""
        self._expected.add(peer)

    def came(self, peer: PeerNumber, *, now_s: float) -> list[SwarmEffect]:
        """Its session is open, or it may read something else than before."""

        def work() -> None:
            self._expected.discard(peer)
            self._orders.come(peer, now_s=now_s)
            for wanted in self._running.values():
                if wanted.standings.get(peer, Standing()).may_know is not True:
                    self._meet(wanted, peer)

        return self._step(now_s, work)

    def went(self, peer: PeerNumber, *, now_s: float) -> list[SwarmEffect]:
        """Its session ended: what it was asked for, others are asked."""

        def work() -> None:
            for wanted in self._running.values():
                wanted.leave(peer, now_s=now_s)
            self._drop(peer)

        return self._step(now_s, work)

    def took(
        self, peer: PeerNumber, frame: Part | Delta | Holding, *, now_s: float
    ) -> list[SwarmEffect]:
        """The answer to an Ask."""
        return self._step(now_s, lambda: self._take(peer, frame))

    def answered(self, id: int, answer: object, *, now_s: float) -> list[SwarmEffect]:
        """The store answered a Query."""
        return self._step(now_s, lambda: self._outbox.answered(id, answer))

    def tick(self, *, now_s: float) -> list[SwarmEffect]:
        """Time passed."""
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
            self._settle(wanted, wanted.is_stuck and not self._expected)
        blames, self._blames = self._blames, []
        told = [one for one in self._outbox.drain() if isinstance(one, Query | Notify)]
        return [*blames, *asks, *told]

    def _settle(self, wanted: Wanted, is_stuck: bool) -> None:
        """Who gave some of it may be back in a while: a node starts again, a relay does."""
        if is_stuck and not wanted.may_wait(now_s=self._outbox.now_s):
            self._fail(wanted, "not-held", wanted.why_stuck)
        elif is_stuck is not wanted.is_waiting:
            wanted.is_waiting = is_stuck
            if wanted.root is not None:
                self._tell(wanted, wanted.root)

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
        wanted.stage, wanted.ahead = Stage.LOOKING, []
        wanted.again.clear()
        if wanted.root is None:
            root: bytes | Unstored | None = yield FindRoot(wanted.blob)
            if not self._is_stored(wanted, root):
                return
            assert not isinstance(root, Unstored)
            if root is None:
                wanted.stage = Stage.ROOT
                wanted.missing([0])
                return
            try:
                wanted.root = parse_root(root, wanted.blob)
            except CrdtError as error:
                return self._fail(wanted, NOT_STORED, f"What is held of it is damaged: {error}")
        if not self._fits(wanted, wanted.root.size):
            return
        if not wanted.has_pages:
            pages: Sequence[int] | Unstored = yield MissingPages(wanted.blob)
            if not self._is_stored(wanted, pages):
                return
            assert not isinstance(pages, Unstored)
            wanted.has_pages = not pages
            if pages:
                wanted.stage = Stage.PAGES
                wanted.missing(pages)
                return
        yield from self._look_for_chunks(wanted, wanted.root)

    def _look_for_chunks(self, wanted: Wanted, root: BlobRoot) -> Steps[None]:
        missing: Sequence[int] | Unstored = yield MissingChunks(wanted.blob)
        if not self._is_stored(wanted, missing):
            return
        assert not isinstance(missing, Unstored)
        if not missing:
            wanted.bytes_held, wanted.chunks_held = root.size, root.chunk_count
            self._tell_progress(wanted, root, is_last=True)
            self._end(wanted, BlobFetched(wanted.blob, root.size))
            return
        page = root.page_of(missing[0])
        manifest: Manifest | Unstored | None = yield FindManifest(wanted.blob, page, MANIFEST_PAGES)
        if manifest is None:
            manifest = Unstored("A part of it was dropped meanwhile: fetch it again.")
        if not self._is_stored(wanted, manifest):
            return
        assert not isinstance(manifest, Unstored)
        wanted.manifest = manifest
        missing = missing[: bisect_left(missing, manifest.chunk_end)]
        # What comes after these pages is counted when it comes, or is looked for.
        end_bytes = root.page_offsets[manifest.first_page + len(manifest.pages)]
        wanted.bytes_held = end_bytes - size_of(manifest, missing)
        wanted.chunks_held = manifest.chunk_end - len(missing)
        self._tell_progress(wanted, root)
        first = first_of_each(manifest, missing)  # one chunk may stand in many places
        # Those who fetch at the same time begin in different places, and can help each other.
        start = self._random.choice(first) if len(self._orders.peers) > 1 else 0
        wanted.stage = Stage.CHUNKS
        wanted.missing(first, start=start)

    def _fits(self, wanted: Wanted, size: int) -> bool:
        if size > wanted.size_bytes_max:
            fault = f"it has {size} bytes, at most {wanted.size_bytes_max} are wanted"
            self._fail(wanted, TOO_LARGE, fault)
        return self._is_running(wanted)

    def _is_stored(self, wanted: Wanted, answer: object) -> bool:
        if isinstance(answer, Unstored):
            self._fail(wanted, NO_ROOM if answer.is_full else NOT_STORED, answer.sentence)
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

        self._outbox.run(judge())

    def _drop(self, peer: PeerNumber) -> None:
        self._expected.discard(peer)
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
            elif isinstance(frame, Delta):
                raise RemoteProtocolError("delta", "a delta came where none was asked for")
            else:
                return self._take_part(peer, order, frame)
        except CrdtError as error:
            fault = RemoteProtocolError(error.code, f"a blob is wrong: {error.detail}")
            self._blame(peer, fault, order)
        except RemoteProtocolError as error:
            self._blame(peer, error, order)
        return False

    def _blame(self, peer: Peer, fault: RemoteProtocolError, order: Order | None) -> None:
        if order is not None:
            order.run.wanted.give_up(peer.number, order.run)
        self._drop(peer.number)
        self._blames.append(Blame(peer.number, fault))

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

    def _take_part(self, peer: Peer, order: Order, frame: Part) -> bool:
        """Whether it is stored now, and nothing else has changed."""
        now_s, run = self._outbox.now_s, order.run
        wanted = run.wanted
        data = unpack(frame)
        self._orders.give_back(peer, order.size_bytes - len(frame.data), now_s=now_s)
        peer.pace.come(order.mark, len(data), now_s=now_s)
        if not self._is_running(wanted) or run.is_taken:
            self.pieces_twice += run.is_taken
            peer.pace.settle(order.size_bytes)
            return False
        steps = self._keep(peer, order, data)
        run.is_taken, wanted.came_s = True, now_s
        if (standing := wanted.standings.get(peer.number)) is not None:
            standing.give()
        self._outbox.run(steps)
        return run.piece == CHUNK

    def _keep(self, peer: Peer, order: Order, data: bytes) -> Steps[None]:
        """Verifies a piece; what is to be done with it."""
        piece = read_piece(order.run, data)
        if isinstance(piece, BlobRoot):
            return self._begin(peer, order, piece)
        if isinstance(piece, AddChunks):
            order.run.wanted.cut(order.run, len(piece.chunks))
            return self._store(peer, order, piece, len(data))
        return self._store(peer, order, piece)

    def _begin(self, peer: Peer, order: Order, root: BlobRoot) -> Steps[None]:
        """What is too large leaves nothing behind, not even its root."""
        if self._fits(order.run.wanted, root.size):
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
            self._tell_progress(wanted, wanted.root)
        if not wanted.open and not wanted.ahead:
            yield from self._look(wanted)

    def _tell_progress(self, wanted: Wanted, root: BlobRoot, *, is_last: bool = False) -> None:
        if wanted.measure(now_s=self._outbox.now_s, is_last=is_last):
            self._tell(wanted, root)

    def _tell(self, wanted: Wanted, root: BlobRoot) -> None:
        is_limited = self._orders.is_limited(now_s=self._outbox.now_s)
        self._outbox.notify(wanted.progress(root, is_limited=is_limited))
