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
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from crdt.keys import DeviceKey, NamespaceKey
from p2p.protocol import effects as ask
from p2p.protocol.bandwidth import Bandwidth
from p2p.protocol.config import Channel, Role, SessionConfig
from p2p.protocol.effects import Close, Effect, Notify, Query, ReadRun, Send, SessionEvent
from p2p.protocol.errors import LocalProtocolError, PeerLeft, RemoteProtocolError, SyncError
from p2p.protocol.exchange import Exchange
from p2p.protocol.frames import FRAME_BYTES_MAX, Entries, Get, encode_frame
from p2p.protocol.limits import UNSENT_BYTES_AIM, UNSENT_BYTES_MAX
from p2p.protocol.ports import SyncStore
from p2p.protocol.session import Session
from p2p.transport.answers import Writing, answer, packed
from p2p.transport.carrier import CarrierName
from p2p.transport.stream import FrameStream
from p2p.transport.watch import Watch
from storage.errors import StorageError

LOG = logging.getLogger(__name__)
TICK_S = 1.0
PACKING_EVERY = 7  # runs between two looks at whether packing is worth it, where it is not
LAST_WORDS_S = 1.0  # for the frame that says why we close
# Until somebody said who it is: a Hello has 14 KiB at most, and strangers' buffers add up.
STRANGER_FRAME_BYTES_MAX = 64 << 10


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
        wall_us: Callable[[], int],
        notify: Callable[["Connection", SessionEvent], None],
        strikes: int = 0,
        first: bytes | None = None,
    ) -> None:
        """`first`: a frame that was read of the stream already."""
        self.address = address
        self.role = role
        self.since_s = clock()
        self._stream = stream
        self._first = first
        self._store = store
        self._clock = clock
        self._upload = upload
        self._notify = notify
        self._frames: deque[bytes] = deque()
        self._unsent_bytes = 0  # those in `_frames`, and those the kernel has not taken
        self._is_cut = False  # a write has not ended: part of a frame may be on its way
        self._unsent = asyncio.Event()
        self._has_room = asyncio.Event()  # fewer than UNSENT_BYTES_AIM are unsent
        self._has_room.set()
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

    @property
    def device(self) -> DeviceKey:
        """The peer's device key, proved by the handshake."""
        return self._stream.device

    @property
    def carrier(self) -> CarrierName:
        """What it goes over now."""
        return self._stream.carrier.name

    async def run(self) -> SyncError:
        """Talks until the session closes; cancelling this says goodbye first."""
        reason: SyncError = PeerLeft("stopped", "The node is stopping.")
        try:
            self._carry_out(self.session.open())
            async with asyncio.TaskGroup() as tasks:
                works = [
                    tasks.create_task(self._until_closed(work), name=name)
                    for name, work in (
                        ("write frames", self._write_frames),
                        ("read frames", self._read_frames),
                        ("keep time", self._keep_time),
                        ("read the store", self._ask_to_read),
                        ("read blobs", self._ask_for_runs),
                        ("write the store", self._ask_to_write),
                    )
                ]
                reason = await self._closing
                for task in works:
                    task.cancel()
        finally:
            self.ended.set()
            self._upload.forget(self)
            self.session.lose()
            for watch in self._watches:
                watch.end(reason)
            try:
                await self._say_the_rest()
            finally:  # a timeout in a cancelled task ends as a cancellation before Python 3.11.3
                await self._stream.close()
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
        if not self._closing.done():
            self._closing.set_result(reason)

    async def close(self) -> None:
        """Drops a channel on which no session was run."""
        await self._stream.close()

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

    def leave(self, code: str, sentence: str, *, wait_s: int = 0) -> None:
        """Ends the session with a reason that the peer can show, and how long it should wait."""
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
                case Query(id, ReadRun(rank=rank)):
                    self._runs.put_nowait((rank, id, effect))
                case Query():
                    self._reads.put_nowait(effect)
                case Notify(event):
                    self._tell(event)
                case Close(reason):
                    self._close(reason)

    def _put(self, data: bytes) -> None:
        self._frames.append(data)
        self._unsent.set()
        self._unsent_bytes += len(data)
        if self._unsent_bytes >= UNSENT_BYTES_AIM:
            self._has_room.clear()
        if self._unsent_bytes > UNSENT_BYTES_MAX:
            self._close(RemoteProtocolError("unread", "The peer asks, and does not read."))

    def _tell(self, event: SessionEvent) -> None:
        self.is_greeted = self.is_greeted or isinstance(event, ask.PeerGreeted)
        for watch in self._watches:
            watch.hear(event)
        self._notify(self, event)

    async def _read_frames(self) -> None:
        before, frame = 0, self._first
        while True:
            if frame is None:
                longest = FRAME_BYTES_MAX if self.is_greeted else STRANGER_FRAME_BYTES_MAX
                frame = await self._stream.read(longest)
            self.session.count_bytes(received=self._stream.received_bytes - before, sent=0)
            before = self._stream.received_bytes
            self._carry_out(self.session.receive(frame, now_s=self._clock()))
            frame = None
            await asyncio.sleep(0)  # one message may hold thousands of frames: others have a turn

    async def _write_frames(self) -> None:
        while True:
            await self._unsent.wait()
            await self._send_frames()

    async def _send_frames(self) -> None:
        self._unsent.clear()
        frames = list(self._frames)
        self._frames.clear()
        before = self._stream.sent_bytes
        self._is_cut = True
        await self._stream.write(frames)
        self._is_cut = False
        self._unsent_bytes -= sum(map(len, frames))
        if self._unsent_bytes < UNSENT_BYTES_AIM:
            self._has_room.set()
        self.session.count_bytes(received=0, sent=self._stream.sent_bytes - before)

    async def _keep_time(self) -> None:
        heard_bytes = 0
        while True:
            await asyncio.sleep(TICK_S)
            if self._stream.received_bytes != heard_bytes:
                heard_bytes = self._stream.received_bytes
                self.session.hear_part(now_s=self._clock())
            self._carry_out(self.session.tick(now_s=self._clock()))

    async def _ask_to_read(self) -> None:
        while True:
            query = await self._reads.get()
            await self._has_room.wait()
            await self._ask(query)

    async def _ask_for_runs(self) -> None:
        """Runs of blobs, each paid for before it is sent: the limits of bandwidth hold it back."""
        as_it_is = 0  # runs that are not tried: packing was not worth it lately
        while True:
            _, _, query = await self._runs.get()
            await self._has_room.wait()
            reply = await self._answer(query)
            if isinstance(reply, ask.GivenRun):
                if as_it_is == 0:
                    reply = await packed(reply)
                    as_it_is = 0 if reply.plain_bytes else PACKING_EVERY
                else:
                    as_it_is -= 1
                self._upload.spend(self, len(reply.data), now_s=self._clock())
                await asyncio.sleep(self._upload.wait_s(self, now_s=self._clock()))
            self._carry_out(self.session.answered(query.id, reply, now_s=self._clock()))

    async def _ask_to_write(self) -> None:
        """One query after the other, so that entries are appended in the order they came."""
        while True:
            await self._ask(await self._writes.get())

    async def _ask(self, query: Query) -> None:
        reply = await self._answer(query)
        self._carry_out(self.session.answered(query.id, reply, now_s=self._clock()))

    async def _answer(self, query: Query) -> object:
        return await answer(
            self._store, query.question, source=self.device.hex(), author=self.session.author
        )

    async def _say_the_rest(self) -> None:
        """The frames that were due before the close, if the peer still takes them.

        After half a frame they would be read as its other half, and count as our fault.
        """
        if self._frames and not self._is_cut:
            try:
                async with asyncio.timeout(LAST_WORDS_S):
                    await self._send_frames()
            except (SyncError, TimeoutError):
                return
