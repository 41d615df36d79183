"""Sessions without a network: Alice's alone, with Bob's end in the test's hands, or both in a talk.

Nothing takes time: a frame arrives and the store answers when the test, or a seed, says so.
"""

from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, TypeVar

from msgspec import structs

from crdt.area import Area
from crdt.blob import BlobId
from crdt.capability import READ, delegate, encode_capability, own
from crdt.change import SignedEntry
from crdt.ed25519 import SigningKey
from crdt.keys import NamespaceKey
from p2p.protocol.config import Channel, Role, SessionConfig
from p2p.protocol.effects import Close, Effect, Notify, Query, Question, Send, SessionEvent
from p2p.protocol.errors import RemoteProtocolError, SyncError
from p2p.protocol.frames import Frame, Hello, Interests, Ping, Present, encode_frame
from p2p.protocol.grants import write_interests
from p2p.protocol.session import VERSION, Session
from p2p.protocol.states import State
from p2p.transport.answers import answer
from tests.simulation.memory_store import MemoryStore
from tests.simulation.people import ALICE, BOB, EVERYTHING, Person, made_up_entry
from tests.simulation.swarms import SwarmOf

HANDSHAKE_HASH = b"the same on both sides: 32 bytes"
ALICES_CHALLENGE = b"a" * 32
BOBS_CHALLENGE = b"b" * 32
MANIFEST_ID = BlobId(b"m" * 32)
NOW_US = 1_700_000_000_000_000

T = TypeVar("T")


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; the quick store never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waits")


def asked(store: MemoryStore, question: Question) -> object:
    return at_once(answer(store, question, source="test"))


def session_of(
    person: Person,
    peer: Person,
    role: Role,
    config: SessionConfig | None = None,
    *,
    challenge: bytes = ALICES_CHALLENGE,
    strikes: int = 0,
) -> Session:
    channel = Channel(role, HANDSHAKE_HASH, peer.device_key)
    return Session(
        config or person.config(),
        channel,
        challenge=challenge,
        wall_us=NOW_US,
        now_s=0.0,
        strikes=strikes,
    )


def bobs_hello(**changes: object) -> Hello:
    """What Bob's node says first, with fields changed."""
    config = BOB.config()
    hello = Hello(VERSION, "bob", config.author, config.capability, BOBS_CHALLENGE, (), NOW_US, ())
    return structs.replace(hello, **changes)


PEER = "peer"  # the one that a swarm of one session knows


def swarm_of(
    session: Session, store: MemoryStore, do: Callable[[Sequence[Effect]], None]
) -> SwarmOf:
    """With a store that answers at once."""

    def answer_at_once(query: Query) -> None:
        swarm.answered(query.id, at_once(swarm.ask(store, query.question)))

    swarm = SwarmOf(
        seed=1,
        now_s=lambda: 0.0,
        session_of=lambda key: session if key == PEER else None,
        carry_out=lambda _, effects: do(effects),
        plan=answer_at_once,
    )
    return swarm


EVERYTHING_WANTED: Interests = write_interests(EVERYTHING)


class Line:
    """Alice's session, and what it does; the test plays Bob."""

    def __init__(
        self,
        state: State = State.OPEN,
        *,
        role: Role = Role.RESPONDER,
        config: SessionConfig | None = None,
        entries: Sequence[SignedEntry] = (),
        is_answering: bool = True,
        strikes: int = 0,
    ) -> None:
        self.store = MemoryStore()
        self.store.add(entries)
        self.now_s = 0.0
        self.sent: list[Frame] = []
        self.events: list[SessionEvent] = []
        self.questions: deque[Query] = deque()  # not answered yet
        self.reason: SyncError | None = None
        self.is_answering = is_answering
        self.session = session_of(ALICE, BOB, role, config, strikes=strikes)
        self.swarm = swarm_of(self.session, self.store, self.do)
        self.do(self.session.open())
        greeting: tuple[Frame, ...] = (bobs_hello(), Present(()), EVERYTHING_WANTED)
        for frame in greeting:
            if self.session.state is state:
                break
            self.say(frame)
        if state is State.CLOSED:
            self.do(self.session.leave("test", "over", now_s=0.0))

    def say(self, *frames: Frame | bytes) -> list[Frame]:
        """Bob says these; what Alice says then."""
        before = len(self.sent)
        for frame in frames:
            data = frame if isinstance(frame, bytes) else encode_frame(frame)
            self.do(self.session.receive(data, now_s=self.now_s))
        return self.sent[before:]

    def tick(self, seconds: float) -> list[Frame]:
        """So much later; what Alice says then."""
        before = len(self.sent)
        self.now_s += seconds
        self.do(self.session.tick(now_s=self.now_s))
        return self.sent[before:]

    def do(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(frame):
                    encode_frame(frame)  # whatever is sent can be
                    self.sent.append(frame)
                case Query():
                    self.questions.append(effect)
                case Notify(event):
                    self.events.append(event)
                    self.swarm.heard(PEER, event)
                case Close(reason):
                    self.reason = reason
                    self.swarm.went(PEER)
        while self.is_answering and self.questions:
            self.answer_next()

    def answer_next(self) -> Question:
        """The store answers the oldest question."""
        query = self.questions.popleft()
        given = asked(self.store, query.question)
        self.do(self.session.answered(query.id, given, now_s=self.now_s))
        return query.question

    @property
    def fault(self) -> str:
        """The code of what Bob did wrong; empty where he did nothing wrong."""
        return self.reason.code if isinstance(self.reason, RemoteProtocolError) else ""


@dataclass
class Side:
    """One end of a talk."""

    session: Session
    store: MemoryStore
    sent: list[Frame] = field(default_factory=list[Frame])
    events: list[SessionEvent] = field(default_factory=list[SessionEvent])
    arriving: deque[bytes] = field(default_factory=deque[bytes])
    questions: deque[Query] = field(default_factory=deque[Query])
    blob_questions: deque[Query] = field(default_factory=deque[Query])
    reason: SyncError | None = None
    swarm: SwarmOf = field(init=False)

    def frames(self, kind: type[T]) -> list[T]:
        return [frame for frame in self.sent if isinstance(frame, kind)]

    def heard(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]


class Talk:
    """Alice calls Bob. `settle` goes on until nobody has anything to do, in an order by `seed`."""

    def __init__(
        self,
        alice: Sequence[SignedEntry] = (),
        bob: Sequence[SignedEntry] = (),
        *,
        alices: SessionConfig | None = None,
        bobs: SessionConfig | None = None,
        seed: int | None = None,
    ) -> None:
        self.now_s = 0.0
        self._random = None if seed is None else Random(seed)
        self.alice = Side(session_of(ALICE, BOB, Role.INITIATOR, alices), MemoryStore())
        self.bob = Side(
            session_of(BOB, ALICE, Role.RESPONDER, bobs, challenge=BOBS_CHALLENGE), MemoryStore()
        )
        self.alice.store.add(alice)
        self.bob.store.add(bob)
        for side in (self.alice, self.bob):
            side.swarm = self._swarm_of(side)
        for side in (self.alice, self.bob):
            self.do(side, side.session.open())

    def _swarm_of(self, side: Side) -> SwarmOf:
        return SwarmOf(
            seed=1,
            now_s=lambda: self.now_s,
            session_of=lambda key: side.session if key == PEER else None,
            carry_out=lambda _, effects: self.do(side, effects),
            plan=side.blob_questions.append,
        )

    @property
    def is_equal(self) -> bool:
        return self.alice.store.ids_held() == self.bob.store.ids_held()

    def settle(self) -> "Talk":
        while work := self._possible():
            side, kind = work[0] if self._random is None else self._random.choice(work)
            if kind == "frame":
                self.do(side, side.session.receive(side.arriving.popleft(), now_s=self.now_s))
            elif kind == "blob":
                query = side.blob_questions.popleft()
                side.swarm.answered(query.id, at_once(side.swarm.ask(side.store, query.question)))
            else:
                query = side.questions.popleft()
                given = asked(side.store, query.question)
                self.do(side, side.session.answered(query.id, given, now_s=self.now_s))
        for side in (self.alice, self.bob):
            assert not isinstance(side.reason, RemoteProtocolError), side.reason
        return self

    def wait(self, seconds: float) -> "Talk":
        self.now_s += seconds
        for side in (self.alice, self.bob):
            self.do(side, side.session.tick(now_s=self.now_s))
        return self.settle()

    def write(self, side: Side, entries: Sequence[SignedEntry]) -> None:
        """New entries in one of the stores, and the session hears of it."""
        ids = side.store.add(entries)
        namespaces = {signed.entry.namespace for signed in entries}
        assert len(namespaces) == 1
        news = side.session.appended(namespaces.pop(), ids, now_s=self.now_s)
        self.do(side, news)

    def do(self, side: Side, effects: Iterable[Effect]) -> None:
        other = self.bob if side is self.alice else self.alice
        for effect in effects:
            match effect:
                case Send(frame):
                    side.sent.append(frame)
                    other.arriving.append(encode_frame(frame))
                case Query():
                    side.questions.append(effect)
                case Notify(event):
                    side.events.append(event)
                    side.swarm.heard(PEER, event)
                case Close(reason):
                    side.reason = reason
                    side.swarm.went(PEER)

    def _possible(self) -> list[tuple[Side, str]]:
        work: list[tuple[Side, str]] = []
        for side in (self.alice, self.bob):
            work += [(side, "question")] * bool(side.questions)
            work += [(side, "blob")] * bool(side.blob_questions)
            work += [(side, "frame")] * bool(side.arriving)
        return work


def entries_of(seed: int, count: int, **like: Any) -> list[SignedEntry]:  # noqa: ANN401 - made_up_entry's
    """`count` entries that nobody signed; the same for the same seed."""
    random = Random(seed)
    return [made_up_entry(random, **like) for _ in range(count)]


def readable_by(namespace: SigningKey, device: bytes, area: Area | None = None) -> bytes:
    """A capability to read (a part of) an owned namespace."""
    whole = own(namespace, READ, namespace.public)
    return encode_capability(delegate(whole, namespace, area or Area(), device))


def owned_namespace(name: str) -> SigningKey:
    """A key whose lowest bit says that it owns its namespace."""
    random = Random(name)
    while True:
        key = SigningKey(random.randbytes(32))
        if key.public[-1] & 1:
            return key


def with_interest(person: Person, namespace: bytes, *capabilities: bytes) -> SessionConfig:
    """`person` wants the commons and all of a private namespace."""
    interests = (*EVERYTHING, (NamespaceKey(namespace), Area()))
    return replace(person.config(), interests=interests, read_capabilities=capabilities)


def is_ping(frame: Frame) -> bool:
    return isinstance(frame, Ping)
