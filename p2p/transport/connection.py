"""The asyncio shell around one session: reads, writes, asks the store, keeps the time.

    frames in ──> Session.receive ──> effects ──┬─> Send    the writer, many frames at a time
    a second  ──> Session.tick                  ├─> Query   readers of the store, or its writer
    answers   ──> Session.answered              ├─> Notify  whoever watches
    the node  ──> Session.ask, …                └─> Close   ends the connection

No rule of the protocol is here. What waits in a queue was asked for within the session's own
bounds, so no queue needs another. While a peer does not read what it is sent, the store is not
asked for more of it, and after a while the peer is given up.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any

from crdt.keys import DeviceKey, NamespaceKey
from p2p.protocol import effects as ask
from p2p.protocol.bandwidth import Bandwidth
from p2p.protocol.config import Channel, Role, SessionConfig
from p2p.protocol.effects import Close, Effect, Notify, Query, Send, SessionEvent
from p2p.protocol.errors import LocalProtocolError, PeerLeft, RemoteProtocolError, SyncError
from p2p.protocol.exchange import Exchange
from p2p.protocol.frames import Entries, Get, encode_frame, peek_kind
from p2p.protocol.limits import UNSENT_BYTES_MAX
from p2p.protocol.link import Link
from p2p.protocol.link_frames import Resume
from p2p.protocol.paths import CarrierKind, Paths
from p2p.protocol.ports import SyncStore
from p2p.protocol.session import Session
from p2p.transport.answers import Writing, answer
from p2p.transport.carrier import CarrierName
from p2p.transport.giving import Giving
from p2p.transport.linked import Line, Linked
from p2p.transport.stream import FrameStream
from p2p.transport.watch import Watch
from storage.errors import StorageError

LOG = logging.getLogger(__name__)
TICK_S = 1.0
ENTRIES_KIND = Entries.__struct_config__.tag


class Connection:
    """One peer, from the handshake to the end; `run` returns why it ended."""

    def __init__(
        self,
        stream: FrameStream,
        store: SyncStore,
        config: SessionConfig,
        *,
        role: Role,
        address: str,
        clock: Callable[[], float],
        upload: Bandwidth,
        deltas: Bandwidth,
        wall_us: Callable[[], int],
        notify: Callable[["Connection", SessionEvent], None],
        spend: Callable[["Connection", int], None],
        strikes: int = 0,
        first: bytes | None = None,
    ) -> None:
        """`spend` hears how many bytes of entries came, which count where downloads are limited;
        `first` is a frame that was read of the stream already."""
        self.role = role
        self.since_s = clock()
        self._store = store
        self._clock = clock
        self._upload = upload
        self._giving = Giving(self, store, deltas=deltas, clock=clock)
        self._notify = notify
        self._spend = spend
        self._closing: asyncio.Future[SyncError] = asyncio.get_running_loop().create_future()
        self._watches: set[Watch] = set()
        self.ended = asyncio.Event()
        self.is_greeted = False
        self.is_at_fault = False  # the peer broke a rule, and that is counted
        self._reads: asyncio.Queue[Query] = asyncio.Queue()
        # Runs of blobs, the most urgent first: entries do not wait for them.
        self._runs: asyncio.PriorityQueue[tuple[int, int, Query]] = asyncio.PriorityQueue()
        self._writes: asyncio.Queue[Query] = asyncio.Queue()
        channel = Channel(role, stream.handshake_hash, stream.device)
        self.session = Session(
            config,
            channel,
            challenge=os.urandom(32),
            wall_us=wall_us(),
            now_s=clock(),
            strikes=strikes,
            wake=self._wake,
        )
        self._first = Line(stream, address, first)
        self._linked = Linked(
            self._first,
            self.session,
            role,
            own=DeviceKey(config.device.public),
            clock=clock,
            heard=self._hear,
            changed=self._channel_changed,
            agreed=self._look_for_paths,
        )
        self.paths = Paths(self.carrier, is_caller=role is Role.INITIATOR, now_s=clock())
        self.paths_changed = asyncio.Event()
        self._resent_bytes = 0  # those that are paid for

    @property
    def device(self) -> DeviceKey:
        """The peer's device key, proved by the handshake."""
        return self._linked.line.stream.device

    @property
    def address(self) -> str:
        """Where the peer is, or was last."""
        return self._linked.line.address

    @property
    def carrier(self) -> CarrierName:
        """What it goes over now, or went over last."""
        return self._linked.line.stream.carrier.name

    @property
    def reason(self) -> SyncError | None:
        """Why it ended."""
        return self._closing.result() if self._closing.done() else None

    @property
    def was_lost(self) -> bool:
        """It was open, and ended because nothing carried it: nobody said goodbye."""
        return self.ended.is_set() and self.is_greeted and self.link.current is None

    @property
    def link(self) -> Link:
        """What of the session is on its way; to be looked at only."""
        return self._linked.link

    async def run(self) -> SyncError:
        """Talks until the session closes; cancelling this says goodbye first."""
        reason: SyncError = PeerLeft("stopped", "The node is stopping.")
        try:
            self._carry_out(self.session.open())
            async with asyncio.TaskGroup() as tasks:
                works: list[asyncio.Task[None]] = []

                def spawn(
                    work: Callable[[], Coroutine[Any, Any, None]], name: str
                ) -> asyncio.Task[None]:
                    task = tasks.create_task(self._until_closed(work), name=name)
                    works.append(task)
                    task.add_done_callback(works.remove)
                    return task

                self._linked.start(spawn)
                spawn(self._keep_time, "keep time")
                spawn(self._ask_to_read, "read the store")
                spawn(self._ask_for_runs, "read blobs")
                spawn(self._ask_to_write, "write the store")
                reason = await self._closing
                for task in works:
                    task.cancel()
        finally:
            self.ended.set()
            self._upload.forget(self)
            self._giving.end()
            self.session.lose()
            for watch in self._watches:
                watch.end(reason)
            try:
                await self._linked.say_the_rest()
            finally:  # a timeout in a cancelled task ends as a cancellation before Python 3.11.3
                await self._linked.close()
        return reason

    async def _until_closed(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """What `work` raises closes the session; a task group would forget a cancellation for it.

        In Python 3.11 a group whose task fails while the group is cancelled only tells the failure.
        """
        try:
            await work()
        except SyncError as error:
            self._close(error)
        except StorageError as error:  # the disk is full, say; the dialler tries again later
            LOG.warning("the session with %s cannot go on: %s", self.address, error)
            self._close(LocalProtocolError("internal-error", str(error)))
        except Exception:  # a bug of ours costs this session, not the node
            LOG.exception("the session with %s failed", self.address)
            self._close(LocalProtocolError("internal-error", "This node could not go on."))

    def _wake(self) -> None:
        """What this session waited for in another one of the node has come, or will not."""
        asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        if not self.ended.is_set():
            self._carry_out(self.session.go_on(now_s=self._clock()))

    def _close(self, reason: SyncError) -> None:
        self._linked.link.end(reason)
        if not self._closing.done():
            self._closing.set_result(reason)

    async def close(self) -> None:
        """Drops a channel on which no session was run."""
        await self._linked.close()

    async def move(self, stream: FrameStream, address: str) -> bool:
        """Goes on over a channel that was opened to the same device; whether it does.

        Raises `LocalProtocolError` where it cannot move now. The channel is closed where it is not
        needed.
        """
        return await self._linked.move(Line(stream, address))

    def follow(self, stream: FrameStream, frame: Resume, address: str) -> asyncio.Event:
        """The peer moves the session to a channel that it opened; set when that is over.

        Raises `Refused`, and `RemoteProtocolError` for a lie; the channel is the caller's then.
        """
        line = Line(stream, address)
        self._linked.follow(line, frame)
        self.paths.leave_to_them(now_s=self._clock())
        return line.gone

    async def first_gone(self) -> None:
        """Until the channel on which the session began is over."""
        await self._first.gone.wait()

    @contextmanager
    def watch(self) -> Generator[Watch]:
        """What the session tells from now on, and at last why it ended."""
        watch = Watch()
        self._watches.add(watch)
        if self.ended.is_set():
            watch.end(PeerLeft("session-closed", "The session has ended."))
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def appended(self, namespace: NamespaceKey, ids: Sequence[bytes]) -> None:
        """The store has new entries, which the peer may want at once."""
        self._carry_out(self.session.appended(namespace, ids, now_s=self._clock()))

    def reconfigure(self, config: SessionConfig) -> None:
        """This node takes part in other namespaces than before, or may read more or less."""
        self._carry_out(self.session.reconfigure(config, now_s=self._clock()))

    def exchange(self, work: Callable[[Exchange], None]) -> None:
        """Shows, asks for or gives cards."""
        self._carry_out(self.session.exchange(work, now_s=self._clock()))

    def reconcile(self) -> None:
        """Compares everything once more."""
        self._carry_out(self.session.reconcile(now_s=self._clock()))

    def ask(self, get: Get) -> None:
        """Asks for a piece of a blob; `PieceCame` will tell, if the session does not end."""
        self._carry_out(self.session.ask(get, now_s=self._clock()))

    def blame(self, fault: RemoteProtocolError) -> None:
        """What the peer gave for an `ask` was wrong."""
        self._carry_out(self.session.blame(fault, now_s=self._clock()))

    def leave(
        self, code: str, sentence: str, *, wait_s: int = 0, here: SyncError | None = None
    ) -> None:
        """Ends the session with a reason that the peer can show, and how long it should wait.

        `here`: why it ended, as this node's own person is told where the peer is told less.
        """
        if here is not None and not self._closing.done():
            self._closing.set_result(here)
        self._carry_out(self.session.leave(code, sentence, now_s=self._clock(), wait_s=wait_s))

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(frame):
                    data = encode_frame(frame)
                    if isinstance(frame, Entries):  # they never wait, but they count
                        self._upload.spend(self, len(data), now_s=self._clock())
                    self._put(data)
                case Query(_, question) if isinstance(question, Writing):
                    self._writes.put_nowait(effect)
                case Query(id, ask.ReadRun(rank=rank) | ask.ReadDelta(rank=rank)):
                    self._runs.put_nowait((rank, id, effect))
                case Query():
                    self._reads.put_nowait(effect)
                case Notify(event):
                    self._tell(event)
                case Close(reason):
                    self._close(reason)

    def _put(self, data: bytes) -> None:
        self._linked.put(data)
        if self._linked.unsent_bytes > UNSENT_BYTES_MAX:
            self._close(RemoteProtocolError("unread", "The peer asks, and does not read."))

    def _hear(self, frame: bytes) -> None:
        if peek_kind(frame) == ENTRIES_KIND:  # they never wait, but they count
            self._spend(self, len(frame))
        self._carry_out(self.session.receive(frame, now_s=self._clock()))

    def _channel_changed(self) -> None:
        link = self._linked.link
        if link.ended is not None:
            self._close(link.ended)
        elif link.current is None:
            self.session.pause()
            self._tell(ask.ChannelLost(self.address, link.why_lost.code))
        else:
            resent_bytes = self.link.resent_bytes - self._resent_bytes
            self._resent_bytes += resent_bytes
            self._upload.spend(self, resent_bytes, now_s=self._clock())  # they do not wait
            self.session.unpause(now_s=self._clock())
            self._tell(ask.ChannelChanged())
        self.paths.use(None if link.current is None else self.carrier, now_s=self._clock())
        self._look_for_paths()

    def _look_for_paths(self) -> None:
        self.paths_changed.set()

    def know(self, places: Iterable[tuple[str, CarrierKind]]) -> None:
        """The peer may be called there too, by such a carrier."""
        self.paths.know(places, now_s=self._clock())
        self._look_for_paths()

    def hurry(self) -> None:
        """The network is another one: better ways may be open now."""
        self.paths.hurry(now_s=self._clock())
        self._look_for_paths()

    def flee(self, is_lost: Callable[[str], bool]) -> None:
        """The present channel ends soon, and so does what `is_lost` says of places by name."""
        self.paths.flee(is_lost, now_s=self._clock())
        self._look_for_paths()

    @contextmanager
    def want_bulk(self) -> Generator[None]:
        """While this lasts, a carrier for megabytes is worth more than a direct one."""
        self.paths.want_bulk(1, now_s=self._clock())
        self._look_for_paths()
        try:
            yield
        finally:
            self.paths.want_bulk(-1, now_s=self._clock())
            self._look_for_paths()

    def give_up(self) -> None:
        """Waits for a channel no longer."""
        self._close(PeerLeft("connection-lost", "The connection was lost."))

    def _tell(self, event: SessionEvent) -> None:
        self.is_greeted = self.is_greeted or isinstance(event, ask.PeerGreeted)
        for watch in self._watches:
            watch.hear(event)
        self._notify(self, event)

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._linked.tick()
            self._carry_out(self.session.tick(now_s=self._clock()))

    async def _ask_to_read(self) -> None:
        while True:
            query = await self._reads.get()
            await self._linked.has_room.wait()
            await self._ask(query)

    async def _ask_for_runs(self) -> None:
        """Runs of blobs, each paid for before it is sent: the limits of bandwidth hold it back."""
        while True:
            _, _, query = await self._runs.get()
            await self._linked.has_room.wait()
            reply = await self._giving.answer(query, self._answer)
            if isinstance(reply, ask.GivenRun):
                self._upload.spend(self, len(reply.data), now_s=self._clock())
                self.paths.leave_to_them(now_s=self._clock())
                if (wait_s := self._upload.wait_s(self, now_s=self._clock())) > 0:
                    await asyncio.sleep(wait_s)
            self._carry_out(self.session.answered(query.id, reply, now_s=self._clock()))

    async def _ask_to_write(self) -> None:
        """One query after the other, so that entries are appended in the order they came."""
        while True:
            await self._ask(await self._writes.get())

    async def _ask(self, query: Query) -> None:
        reply = await self._answer(query)
        self._carry_out(self.session.answered(query.id, reply, now_s=self._clock()))

    async def _answer(self, query: Query) -> object:
        source, author = self.device.hex(), self.session.author
        return await answer(self._store, query.question, source=source, author=author)
