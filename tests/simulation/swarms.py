"""The swarm of one simulated node: what `p2p.transport.fetching` is to a daemon."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from itertools import count
from random import Random

from crdt.area import Area
from crdt.blob import BlobId
from crdt.keys import NamespaceKey
from p2p.protocol import effects as ask
from p2p.protocol.effects import Effect, Notify, Query, SessionEvent
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Get
from p2p.protocol.orders import Ask, Blame
from p2p.protocol.pieces import Urgency
from p2p.protocol.ports import SyncStore
from p2p.protocol.session import Session
from p2p.protocol.swarm import Swarm, SwarmEffect
from p2p.protocol.wanted import PeerNumber
from p2p.transport.answers import answer

BlobEvent = ask.BlobProgress | ask.BlobFetched | ask.BlobFailed
Writes = ask.BeginBlob | ask.AddPage | ask.AddChunks


class SwarmOf:
    """Sessions come and go by any key; `session_of` gives the session, `carry_out` does what it
    says; `plan` answers a question when the world thinks fit."""

    def __init__(
        self,
        *,
        seed: int,
        now_s: Callable[[], float],
        session_of: Callable[[Hashable], Session | None],
        carry_out: Callable[[Hashable, Sequence[Effect]], None],
        plan: Callable[[Query], None],
    ) -> None:
        self.swarm = Swarm(random=Random(f"swarm {seed}"), now_s=now_s())
        self.events: list[BlobEvent] = []
        self.stored: list[tuple[BlobId, int]] = []  # chunks that were handed to the store
        self.asked: list[Get] = []
        self.on_event: Callable[[BlobEvent], None] = lambda event: None
        self._now_s = now_s
        self._session_of = session_of
        self._carry_out = carry_out
        self._plan = plan
        self._numbers = count(1)
        self._peers: dict[PeerNumber, Hashable] = {}

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
                now_s=self._now_s(),
                urgency=urgency,
                relative_to=relative_to,
            )
        )

    def heard(self, key: Hashable, event: SessionEvent) -> None:
        """What the session `key` told."""
        number = self._number(key)
        if isinstance(event, ask.PeerAgreed):
            if number is None:
                number = PeerNumber(next(self._numbers))
                self._peers[number] = key
            self.do(self.swarm.came(number, now_s=self._now_s()))
        if isinstance(event, ask.PieceCame) and number is not None:
            self.do(self.swarm.took(number, event.frame, now_s=self._now_s()))

    def went(self, key: Hashable) -> None:
        if (number := self._number(key)) is not None:
            del self._peers[number]
            self.do(self.swarm.went(number, now_s=self._now_s()))

    def tick(self) -> None:
        self.do(self.swarm.tick(now_s=self._now_s()))

    def answered(self, id: int, given: object) -> None:
        self.do(self.swarm.answered(id, given, now_s=self._now_s()))

    async def ask(self, store: SyncStore, question: ask.Question) -> object:
        """What the store says."""
        if isinstance(question, ask.MayKnowBlob):
            return await store.may_know_blob(question.blob, self._claims(question.peer))
        return await answer(store, question, source="swarm")

    def do(self, effects: Sequence[SwarmEffect]) -> None:
        for effect in effects:
            match effect:
                case Ask(peer, get):
                    self.asked.append(get)
                    self._tell(peer, partial(_ask, get, self._now_s()))
                case Blame(peer, fault):
                    self._tell(peer, partial(_blame, fault, self._now_s()))
                case Query(_, question):
                    if isinstance(question, ask.AddChunks):
                        places = range(question.first, question.first + len(question.chunks))
                        self.stored += [(question.blob, place) for place in places]
                    self._plan(effect)
                case Notify(event):
                    assert isinstance(event, BlobEvent)
                    self.events.append(event)
                    self.on_event(event)

    def _tell(self, peer: PeerNumber, say: Callable[[Session], Sequence[Effect]]) -> None:
        key = self._peers.get(peer)
        session = None if key is None else self._session_of(key)
        if key is not None and session is not None:
            self._carry_out(key, say(session))

    def _claims(self, peer: int) -> Sequence[tuple[NamespaceKey, Area]]:
        session = self._session_of(self._peers.get(PeerNumber(peer)))
        return session.readable.claims if session is not None else ()

    def _number(self, key: Hashable) -> PeerNumber | None:
        return next((number for number, one in self._peers.items() if one == key), None)


def _ask(get: Get, now_s: float, session: Session) -> Sequence[Effect]:
    return session.ask(get, now_s=now_s)


def _blame(fault: RemoteProtocolError, now_s: float, session: Session) -> Sequence[Effect]:
    return session.blame(fault, now_s=now_s)
