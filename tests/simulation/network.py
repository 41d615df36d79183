"""A network in one process: production sessions and stores, one seed, a clock of its own.

Every connection keeps the order of its own frames, as a stream does; between connections anything
may overtake anything. What can go wrong: a connection is cut and what was on its way is lost,
frames and the store are late, the same entries come from several sides, nodes are apart for a
while, and a node crashes, between two writes or amid one: it forgets its sessions and opens what
its disk has. Every effect is awaited to its end before the next one, and time and randomness come
from the seed, so the same seed gives the same frames at the same moments; `trace` tells.
"""

import heapq
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Protocol

from blake3 import blake3

from crdt.keys import DeviceKey
from crdt.order import ITEM_ID_BYTES
from p2p.protocol import effects as ask
from p2p.protocol.backoff import Backoff
from p2p.protocol.config import Channel, Role, SessionConfig
from p2p.protocol.effects import Close, Effect, Notify, Query, Send, SessionEvent
from p2p.protocol.errors import RemoteProtocolError, SyncError
from p2p.protocol.frames import Frame, encode_frame
from p2p.protocol.ports import SyncStore
from p2p.protocol.session import Session
from p2p.transport.answers import Writing, answer
from p2p.transport.dialler import STEADY_S
from storage.appended import AppendedEvent, Listener
from tests.simulation.people import Person
from tests.simulation.swarms import SwarmOf

TICK_S = 1.0
SWARM_TICK_S = 0.5
FRAME_OVERHEAD_BYTES = 4 + 18  # length, and about one Noise message
SLOW_FRAME_S = 0.2
LOOK_S = 0.5
LONGEST_BACKOFF_S = 16.0  # production waits longer; here it would only be time without events


class SimulatedStore(SyncStore, Protocol):
    """What a node keeps: the production store, or the quick one."""

    def subscribe(self, listener: Listener) -> Callable[[], None]: ...


OpenStore = Callable[[], AbstractAsyncContextManager[SimulatedStore]]


class PowerCut(Exception):
    """Raised within a write by a disk that is told to: its node crashes there."""


@dataclass(eq=False)
class End:
    """One end of a connection: a session of `node`."""

    node: "Node"
    session: Session
    peer: DeviceKey
    life: int  # of the node: what a crashed process asked for is not done by the next
    other: "End | None" = None
    is_cut: bool = False
    arrives_s: float = 0.0  # of the last frame on its way to this end
    answers_s: float = 0.0  # of the last answer of the store: writes are in order
    events: list[SessionEvent] = field(default_factory=list[SessionEvent])
    frames: list[Frame] = field(default_factory=list[Frame])  # that it sent
    reason: SyncError | None = None


@dataclass(eq=False)
class Node:
    """A person's node: its store, and its sessions as long as they last."""

    person: Person
    config: SessionConfig
    open_store: OpenStore
    store: SimulatedStore
    context: AbstractAsyncContextManager[SimulatedStore]
    ends: list[End] = field(default_factory=list[End])
    swarms: list[SwarmOf] = field(default_factory=list[SwarmOf])  # one for each life
    writes_s: float = 0.0  # of the last answer of the store to the swarm
    is_up: bool = True
    life: int = 0
    durable: set[bytes] = field(default_factory=set[bytes])  # 16-byte ids that it acknowledged

    @property
    def swarm(self) -> SwarmOf:
        """That of its present life."""
        return self.swarms[-1]


class Network:
    """Runs until a virtual time; prints nothing, so a test names its seed when it fails."""

    def __init__(self, seed: int, *, delay_s: float | None = None) -> None:
        self.seed = seed
        self.now_s = 0.0
        self.random = Random(seed)
        self.nodes: list[Node] = []
        self.faults: list[tuple[End, RemoteProtocolError]] = []
        self.on_reopen: Callable[[Node], Awaitable[None]] = _nothing
        self.trace = blake3()
        self._delay_s = delay_s  # one way; None: a random one for each frame
        self._agenda: list[tuple[float, int, Callable[[], Awaitable[None]]]] = []
        self._planned = 0
        self._apart: set[tuple[int, int]] = set()

    async def add(self, person: Person, config: SessionConfig, open_store: OpenStore) -> Node:
        context = open_store()
        node = Node(person, config, open_store, await context.__aenter__(), context)
        self._listen(node)
        self.nodes.append(node)
        self._begin_swarm(node)
        return node

    async def close(self) -> None:
        for node in self.nodes:
            for end in list(node.ends):
                self._drop(end)
            await node.context.__aexit__(None, None, None)

    def connect(self, source: Node, target: Node) -> tuple[End, End]:
        """One connection, with what Noise would have given to both of its ends.

        A node keeps one connection with a device, the newer, as `p2p.transport.network` does.
        """
        handshake_hash = self.random.randbytes(32)
        both = ((source, target, Role.INITIATOR), (target, source, Role.RESPONDER))
        for node, other, _ in both:
            for end in list(node.ends):
                if end.peer == other.person.device_key:
                    left = end.session.leave("duplicate", "a newer one", now_s=self.now_s)
                    self.carry_out(end, left)
        ends = [self._end(node, other, role, handshake_hash) for node, other, role in both]
        ends[0].other, ends[1].other = ends[1], ends[0]
        for end in ends:
            end.node.ends.append(end)
            self.after(TICK_S, partial(self._tick, end))
        for end in ends:
            self.carry_out(end, end.session.open())
        return ends[0], ends[1]

    def keep_connected(self, source: Node, target: Node) -> None:
        """Connects whenever there is no connection, as the production dialler does."""
        pair = self._pair(source, target)
        backoff = Backoff(longest_s=LONGEST_BACKOFF_S)
        began_s: float | None = None

        async def look() -> None:
            nonlocal began_s
            if any(end.other and end.other.node is target for end in source.ends):
                self.after(LOOK_S, look)
                return
            is_up = source.is_up and target.is_up and pair not in self._apart
            if began_s is None and is_up and self.may_meet(source, target):
                began_s = self.now_s
                self.connect(source, target)
                self.after(LOOK_S, look)
                return
            if began_s is not None and self.now_s - began_s >= STEADY_S:
                backoff.reset()
            began_s = None
            self.after(backoff.fail(self.random), look)

        self.after(0.0, look)

    def cut(self, end: End) -> None:
        """The connection is gone; what was on its way, too."""
        if end.other is not None:
            self._drop(end.other)
        self._drop(end)

    def part(self, source: Node, target: Node) -> None:
        self._apart.add(self._pair(source, target))
        for end in list(source.ends):
            if end.other is not None and end.other.node is target:
                self.cut(end)

    def join(self) -> None:
        self._apart.clear()

    async def crash(self, node: Node, *, down_s: float = 0.0) -> None:
        """Forgets all but the disk, and comes back after a while."""
        for end in list(node.ends):
            self.cut(end)
        node.is_up, node.life = False, node.life + 1
        with suppress(PowerCut):  # at the very end
            await node.context.__aexit__(None, None, None)
        node.context = node.open_store()
        node.store = await node.context.__aenter__()
        self._listen(node)
        self._begin_swarm(node)
        await self.on_reopen(node)

        async def come_back() -> None:
            node.is_up = True

        self.after(down_s, come_back)

    # --- what a world may want otherwise -------------------------------------------------------

    def said(self, end: End, frame: Frame) -> Sequence[bytes]:
        """What goes over the wire where `frame` is said."""
        return (encode_frame(frame),)

    def heard(self, end: End, event: SessionEvent) -> None:
        """A session told of something."""

    def may_meet(self, source: Node, target: Node) -> bool:
        """Whether a call would be answered."""
        return True

    def strikes(self, node: Node, peer: DeviceKey) -> int:
        """What `node` remembers against `peer`."""
        return 0

    async def answer(self, end: End, question: ask.Question) -> object:
        """What the store says."""
        source, author = end.peer.hex(), end.session.author
        return await answer(end.node.store, question, source=source, author=author)

    # -------------------------------------------------------------------------------------------

    def _begin_swarm(self, node: Node) -> None:
        """A new one forgets all that the last one wanted."""

        def session_of(key: Hashable) -> Session | None:
            return key.session if isinstance(key, End) and not key.is_cut else None

        def carry_out(key: Hashable, effects: Sequence[Effect]) -> None:
            assert isinstance(key, End)
            self.carry_out(key, effects)

        life, number = node.life, 1_000 * self.nodes.index(node) + node.life
        swarm = SwarmOf(
            seed=self.seed + number,
            now_s=lambda: self.now_s,
            session_of=session_of,
            carry_out=carry_out,
            plan=lambda query: self._ask_for_swarm(node, swarm, query),
        )
        node.swarms.append(swarm)

        async def tick() -> None:
            if node.life == life:
                swarm.tick()
                self.after(SWARM_TICK_S, tick)

        self.after(SWARM_TICK_S, tick)

    def _ask_for_swarm(self, node: Node, swarm: SwarmOf, query: Query) -> None:
        life = node.life
        answer_s = self.now_s + (0.0 if self._delay_s is not None else self.random.expovariate(50))
        if isinstance(query.question, Writing):
            answer_s = node.writes_s = max(node.writes_s, answer_s)

        async def reply() -> None:
            if node.life != life:
                return
            try:
                given = await swarm.ask(node.store, query.question)
            except PowerCut:
                await self.crash(node, down_s=self.random.expovariate(1 / 3))
                return
            swarm.answered(query.id, given)

        self.at(answer_s, reply)

    def after(self, delay_s: float, act: Callable[[], Awaitable[None]]) -> None:
        self.at(self.now_s + delay_s, act)

    def at(self, time_s: float, act: Callable[[], Awaitable[None]]) -> None:
        self._planned += 1  # first planned, first done, where times are equal
        heapq.heappush(self._agenda, (time_s, self._planned, act))

    async def run(self, until_s: float) -> None:
        while self._agenda and self._agenda[0][0] <= until_s:
            self.now_s, _, act = heapq.heappop(self._agenda)
            await act()
        self.now_s = until_s

    def carry_out(self, end: End, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if end.is_cut:
                return
            match effect:
                case Send(frame):
                    self._deliver(end, frame)
                case Query(id, question):
                    self._ask(end, id, question)
                case Notify(event):
                    end.events.append(event)
                    self.heard(end, event)
                    end.node.swarm.heard(end, event)
                case Close(reason):
                    self._close(end, reason)

    def _end(self, node: Node, other: Node, role: Role, handshake_hash: bytes) -> End:
        peer = other.person.device_key
        session = Session(
            node.config,
            Channel(role, handshake_hash, peer),
            challenge=self.random.randbytes(32),
            wall_us=round(self.now_s * 1e6),
            now_s=self.now_s,
            strikes=self.strikes(node, peer),
            wake=lambda: self.after(0.0, go_on),
        )
        end = End(node, session, peer, node.life)

        async def go_on() -> None:
            self.carry_out(end, session.go_on(now_s=self.now_s))

        return end

    def _listen(self, node: Node) -> None:
        """As the daemon does: news goes to every peer but the one it came from."""

        def pass_on(event: AppendedEvent) -> None:
            node.durable.update(id[:ITEM_ID_BYTES] for id in event.ids)
            for end in list(node.ends):
                if end.peer.hex() != event.source:
                    news = end.session.appended(event.namespace, event.ids, now_s=self.now_s)
                    self.carry_out(end, news)

        node.store.subscribe(pass_on)

    def _deliver(self, end: End, frame: Frame) -> None:
        end.frames.append(frame)
        for data in self.said(end, frame):
            self.deliver_bytes(end, data)

    def deliver_bytes(self, end: End, data: bytes) -> None:
        """One frame goes to the other end, whatever it is."""
        self.trace.update(b"%.6f %d %s" % (self.now_s, self.nodes.index(end.node), data))
        size = len(data) + FRAME_OVERHEAD_BYTES
        end.session.count_bytes(received=0, sent=size)
        other = end.other
        if other is None or other.is_cut:
            return
        delay_s = self._delay_s
        if delay_s is None:
            delay_s = self.random.expovariate(1 / SLOW_FRAME_S)
        other.arrives_s = max(other.arrives_s, self.now_s + delay_s)

        async def arrive() -> None:
            if not other.is_cut:
                other.session.count_bytes(received=size, sent=0)
                self.carry_out(other, other.session.receive(data, now_s=self.now_s))

        self.at(other.arrives_s, arrive)

    def _ask(self, end: End, id: int, question: ask.Question) -> None:
        delay_s = 0.0 if self._delay_s is not None else self.random.expovariate(50)
        answer_s = self.now_s + delay_s
        if isinstance(question, Writing):
            answer_s = end.answers_s = max(end.answers_s, answer_s)

        async def reply() -> None:
            node = end.node
            if end.life != node.life or (end.is_cut and self.random.random() < 0.5):
                return  # else the store was at it when the connection was cut
            try:
                given = await self.answer(end, question)
            except PowerCut:
                await self.crash(node, down_s=self.random.expovariate(1 / 3))
                return
            self.carry_out(end, end.session.answered(id, given, now_s=self.now_s))

        self.at(answer_s, reply)

    async def _tick(self, end: End) -> None:
        if not end.is_cut:
            self.carry_out(end, end.session.tick(now_s=self.now_s))
            self.after(TICK_S, partial(self._tick, end))

    def _close(self, end: End, reason: SyncError) -> None:
        """The sends before it still arrive: only this end is dropped, the other hears the Bye."""
        end.reason = reason
        if isinstance(reason, RemoteProtocolError):
            self.faults.append((end, reason))
        self._drop(end)
        other = end.other
        if other is not None and not other.is_cut:

            async def lose() -> None:
                self._drop(other)

            self.at(max(self.now_s, other.arrives_s), lose)

    def _drop(self, end: End) -> None:
        end.is_cut = True
        end.session.lose()
        if end in end.node.ends:
            end.node.ends.remove(end)
            end.node.swarm.went(end)

    def _pair(self, source: Node, target: Node) -> tuple[int, int]:
        one, other = sorted((self.nodes.index(source), self.nodes.index(target)))
        return one, other


async def _nothing(node: Node) -> None:
    """What follows a reopening where a test does not care."""
