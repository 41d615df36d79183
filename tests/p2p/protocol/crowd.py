"""A swarm without sessions: peers that give, lack, lie or come late, as a test says."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import cast

from crdt.blob import BlobId
from p2p.protocol import effects as ask
from p2p.protocol import limits
from p2p.protocol.bandwidth import Rates
from p2p.protocol.delta_questions import ReadDelta
from p2p.protocol.effects import BlobFailed, BlobFetched, BlobProgress, MayKnowBlob, Notify, Query
from p2p.protocol.frames import Delta, Get, Holding, Part
from p2p.protocol.orders import Ask, Blame
from p2p.protocol.pieces import CHUNK, ROOT, Urgency
from p2p.protocol.swarm import Swarm, SwarmEffect
from p2p.protocol.wanted import PeerNumber
from p2p.transport.answers import answer
from tests.p2p.protocol.conversation import at_once
from tests.simulation.memory_store import MemoryStore


@dataclass(eq=False)
class Giver:
    """One peer: what it holds, and what it was asked and has not answered."""

    number: PeerNumber
    store: MemoryStore
    asked: deque[Get] = field(default_factory=deque[Get])
    may_know: bool = True
    may_not_know: set[BlobId] = field(default_factory=set[BlobId])
    knows_deltas: bool = True
    all_asked: list[Get] = field(default_factory=list[Get])

    def answer(self, get: Get) -> Part | Delta | Holding:
        """What an honest node says."""
        blob = BlobId(get.blob)
        root = at_once(answer(self.store, ask.FindRoot(blob), source=""))
        nothing = Holding(get.number, root is not None, ())
        if get.base is not None and self.knows_deltas:
            ask_for = ReadDelta(blob, get.piece, get.index, get.count, get.rank, get.base)
            made = at_once(answer(self.store, ask_for, source=""))
            if isinstance(made, ask.GivenRun):
                return Delta(get.number, made.data, made.plain_bytes)
        if get.piece == CHUNK:
            question = ask.ReadRun(blob, get.index, get.count, get.rank)
            run = at_once(answer(self.store, question, source=""))
            if run is not None:
                assert isinstance(run, ask.GivenRun)
                return Part(get.number, run.data, run.plain_bytes)
        elif root is not None:
            data = root if get.piece == ROOT else at_once(self.store.blob_page(blob, get.index))
            return Part(get.number, data, 0) if isinstance(data, bytes) else nothing
        if root is None:
            return nothing
        runs = at_once(answer(self.store, ask.HeldRuns(blob, get.index), source=""))
        return Holding(get.number, True, tuple(cast("list[int]", runs)))


class Crowd:
    """The swarm under test, its store, and the peers."""

    def __init__(self, *, rates: Rates | None = None, seed: int = 1) -> None:
        self.now_s = 0.0
        self.store = MemoryStore()
        self.random = Random(seed)
        self.swarm = Swarm(random=Random(seed), now_s=0.0, rates=rates)
        self.givers: dict[PeerNumber, Giver] = {}
        self.events: list[BlobProgress | BlobFetched | BlobFailed] = []
        self.blamed: list[tuple[PeerNumber, str]] = []
        self.questions: deque[Query] = deque()
        self.is_storing = True
        self.adrift: set[PeerNumber] = set()
        self._came = 0

    def giver(self, store: MemoryStore | None = None, *, may_know: bool = True) -> Giver:
        """One more peer."""
        self._came += 1
        return self.back(Giver(PeerNumber(self._came), store or MemoryStore(), may_know=may_know))

    def back(self, giver: Giver) -> Giver:
        """A session with it is open."""
        self.givers[giver.number] = giver
        self.do(self.swarm.came(giver.number, now_s=self.now_s))
        return giver

    def gone(self, giver: Giver, *, is_replaced: bool = False) -> None:
        self.givers.pop(giver.number, None)
        giver.asked.clear()
        self.do(self.swarm.went(giver.number, now_s=self.now_s, is_replaced=is_replaced))

    def want(
        self,
        blob: BlobId,
        size_bytes_max: int = 1 << 40,
        *,
        urgency: Urgency = Urgency.ASKED,
        relative_to: Sequence[BlobId] = (),
    ) -> None:
        self.do(
            self.swarm.want(
                blob,
                size_bytes_max=size_bytes_max,
                now_s=self.now_s,
                urgency=urgency,
                relative_to=relative_to,
            )
        )

    def tick(self, seconds: float) -> None:
        self.now_s += seconds
        self.do(self.swarm.tick(now_s=self.now_s, adrift=frozenset(self.adrift)))

    def say(self, giver: Giver, frame: Part | Delta | Holding) -> None:
        giver.asked = deque(get for get in giver.asked if get.number != frame.number)
        self.do(self.swarm.took(giver.number, frame, now_s=self.now_s))

    def give(self, giver: Giver, place: int = 0) -> Get:
        """It answers one of the questions it has."""
        get = giver.asked[place]
        self.say(giver, giver.answer(get))
        return get

    def settle(self) -> None:
        """Everybody answers, in turn, until nobody is asked any more."""
        while asked := [giver for giver in self.givers.values() if giver.asked]:
            for giver in asked:
                if giver.asked:
                    self.give(giver)

    def wait(self, seconds: float) -> None:
        """Time goes by in small steps, and everybody answers at once."""
        for _ in range(round(seconds / 0.25)):
            self.settle()
            self.tick(0.25)
        self.settle()

    def end(self, blob: BlobId) -> BlobFetched | BlobFailed | None:
        ends = [
            event
            for event in self.events
            if isinstance(event, BlobFetched | BlobFailed) and event.blob == blob
        ]
        assert len(ends) <= 1, "one wish ends once"
        return ends[0] if ends else None

    def do(self, effects: Sequence[SwarmEffect]) -> None:
        for effect in effects:
            match effect:
                case Ask(peer, get):
                    giver = self.givers[peer]
                    giver.asked.append(get)
                    giver.all_asked.append(get)
                    assert len(giver.asked) <= limits.BLOB_REQUESTS_MAX
                case Blame(peer, fault):
                    self.blamed.append((peer, fault.code))
                    self.gone(self.givers[peer])
                case Query():
                    self.questions.append(effect)
                case Notify(event):
                    assert isinstance(event, BlobProgress | BlobFetched | BlobFailed)
                    self.events.append(event)
        while self.is_storing and self.questions:
            self.answer_next()

    def answer_next(self) -> None:
        query = self.questions.popleft()
        given: object
        if isinstance(query.question, MayKnowBlob):
            giver = self.givers.get(PeerNumber(query.question.peer))
            is_known = giver is not None and query.question.blob not in giver.may_not_know
            given = giver is not None and giver.may_know and is_known
        else:
            given = at_once(answer(self.store, query.question, source=""))
        self.do(self.swarm.answered(query.id, given, now_s=self.now_s))


def places(gets: Sequence[Get]) -> list[tuple[int, int]]:
    """Each piece that was asked for."""
    return [(get.piece, get.index + place) for get in gets for place in range(get.count)]
