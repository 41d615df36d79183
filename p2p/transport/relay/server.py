"""The relay at work: conversations with its clients, and the ends that join circuits.

    Register ─▸ converse   one idle channel and one task for each client
    "J" key  ─▸ join       two ends with the keys of one circuit are spliced

All rules are in `p2p.protocol.relay.server`; here frames are read and written, the disk is asked,
and bytes are passed on.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from p2p.protocol.errors import (
    LocalProtocolError,
    PeerLeft,
    PeerTimeout,
    RemoteProtocolError,
    SyncError,
)
from p2p.protocol.frames import Bye, peek_kind
from p2p.protocol.relay import limits
from p2p.protocol.relay.circuits import CircuitState
from p2p.protocol.relay.effects import Ask, Conversation, End, RelayEffect, Rest, Say
from p2p.protocol.relay.frames import decode_relay_frame, encode_relay_frame
from p2p.protocol.relay.pacing import Pacer
from p2p.protocol.relay.server import Relay
from p2p.transport.carrier import StreamCarrier
from p2p.transport.inbound import Caller
from p2p.transport.network import Arrival
from p2p.transport.relay.archive import Archive
from p2p.transport.relay.splice import (
    READ_BYTES_MAX,
    CarrierEnd,
    SocketEnd,
    SomeCarrier,
    Splice,
)
from p2p.transport.stream import FrameStream
from p2p.transport.websocket import WebSocketCarrier

LOG = logging.getLogger(__name__)
JOIN = 0x4A  # "J"
TICK_S = 1.0
EXPIRE_EVERY_S = 3_600.0
FLUSH_S = 10.0  # for what is on its way when a circuit ends
PACED_DEVICES_MAX = 4_096


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes a second through circuits; 0: as fast as it goes."""

    of_all: float = 0.0
    of_circuit: float = 0.0
    of_device: float = 0.0


@dataclass(eq=False, slots=True)
class _Line:
    """One client's channel, with what is still to be written."""

    stream: FrameStream
    unsent: deque[bytes] = field(default_factory=deque[bytes])
    is_writing: bool = False
    is_ending: bool = False
    held: deque[bytes] = field(default_factory=deque[bytes])  # frames that wait for a rest to end
    held_bytes: int = 0
    later: "asyncio.Task[None] | None" = None  # deals with them
    moved: asyncio.Event = field(default_factory=asyncio.Event)  # something was written or answered


class RelayServer:
    """Give it arrivals and joins; `run` it in a task. `tasks` owns every task started here."""

    def __init__(
        self,
        relay: Relay,
        archive: Archive,
        rates: Rates,
        *,
        clock: Callable[[], float],
        wall_us: Callable[[], int],
        fault: Callable[[bytes, str, RemoteProtocolError], None],
        release: Callable[[Caller], None],
        tasks: asyncio.TaskGroup,
    ) -> None:
        """`fault` hears which device, calling from which host, broke a rule; `release` whoever no
        longer counts among the callers of this node."""
        self.relay = relay
        self.passed_bytes = 0
        self.unsent_bytes = 0  # that wait for all clients
        self.held_bytes = 0  # of frames of all that rest
        self._archive = archive
        self._rates = rates
        self._clock = clock
        self._wall_us = wall_us
        self._fault = fault
        self._release = release
        self._tasks = tasks
        self._lines: dict[Conversation, _Line] = {}
        self._splices: dict[CircuitState, Splice] = {}
        self._all = Pacer.of_bytes(rates.of_all, now_s=clock()) if rates.of_all else None
        self._devices: OrderedDict[bytes, Pacer] = OrderedDict()
        self._buffer = memoryview(bytearray(READ_BYTES_MAX))
        self._idle = asyncio.Event()  # no circuit is there
        self._idle.set()

    # --- conversations --------------------------------------------------------------------------

    async def converse(self, arrival: Arrival) -> None:
        """Serves one client to the end: a channel whose first frame is a Register."""
        stream = arrival.stream
        line = _Line(stream)
        if isinstance(stream.carrier, StreamCarrier | WebSocketCarrier):
            stream.carrier.buffer_at_most(limits.CLIENT_BUFFER_BYTES_MAX)
        one = self.relay.open(stream.device, arrival.caller.host, now_s=self._clock())
        self._lines[one] = line
        try:
            data = arrival.first
            while not one.is_ended:
                if self._may_hear(one, line, data):
                    self._hear(one, data)
                else:
                    self._hold(one, line, data)
                if self.relay.serves(one):
                    self._release(arrival.caller)  # it has other room
                await self._may_read(one, line)
                data = await stream.read(limits.RELAY_FRAME_BYTES_MAX)
        except RemoteProtocolError as error:
            self._at_fault(one, error)
            self._carry_out((End(one, error),))
        except SyncError as error:
            LOG.debug("a client of the relay left: %s", error)
        finally:
            self.relay.left(one)
            if line.later is not None:
                line.later.cancel()
            try:
                await self._last_words(line)
            finally:
                self.unsent_bytes -= one.unsent_bytes
                self.held_bytes -= line.held_bytes
                del self._lines[one]

    def _hear(self, one: Conversation, data: bytes) -> None:
        frame = decode_relay_frame(data)
        if frame is None:
            self._carry_out(self.relay.skip(one, now_s=self._clock()))
            return
        done = self.relay.receive(one, frame, now_s=self._clock(), now_us=self._wall_us())
        for effect in done:
            if isinstance(effect, End) and isinstance(effect.reason, RemoteProtocolError):
                self._at_fault(one, effect.reason)
        self._carry_out(done)

    def _at_fault(self, one: Conversation, error: RemoteProtocolError) -> None:
        self._fault(one.device, one.host, error)

    def _may_hear(self, one: Conversation, line: _Line, data: bytes) -> bool:
        """Whether this frame's turn is now: those of a client that rests wait, but for pings."""
        now_s = self._clock()
        if not line.held and one.rests_until_s <= now_s:
            return True
        return self.relay.answers_now(one, peek_kind(data), now_s=now_s)

    def _hold(self, one: Conversation, line: _Line, data: bytes) -> None:
        line.held.append(data)
        self._count_held(line, len(data))
        if line.later is None:
            later = self._hear_later(one, line)
            line.later = self._tasks.create_task(later, name="a client that rests")

    def _count_held(self, line: _Line, size: int) -> None:
        line.held_bytes += size
        self.held_bytes += size

    async def _hear_later(self, one: Conversation, line: _Line) -> None:
        """What is held, each when the rest before it is over."""
        try:
            while line.held:
                await self._rest(one)
                await self._has_room(one, line)
                if one.is_ended or line.is_ending:
                    return
                data = line.held.popleft()
                self._count_held(line, -len(data))
                self._hear(one, data)
                line.moved.set()
        except RemoteProtocolError as error:
            self._at_fault(one, error)
            self._carry_out((End(one, error),))
        finally:
            line.later = None
            line.moved.set()

    async def _may_read(self, one: Conversation, line: _Line) -> None:
        """Until this client's next frame may be read; a ping among them may be answered at once."""
        if self.held_bytes > limits.HELD_OF_ALL_BYTES_MAX:
            await self._rest(one)
        while (
            len(line.held) >= limits.HELD_FRAMES_MAX or line.held_bytes > limits.HELD_BYTES_MAX
        ) and not (one.is_ended or line.is_ending):
            line.moved.clear()
            await line.moved.wait()
        await self._has_room(one, line)

    async def _rest(self, one: Conversation) -> None:
        rest_s = one.rests_until_s - self._clock()
        if rest_s > 0.0:
            await asyncio.sleep(rest_s)

    async def _has_room(self, one: Conversation, line: _Line) -> None:
        """Until the disk and the client's own line take what its next frame may bring."""
        while (
            one.questions >= limits.QUESTIONS_MAX or one.unsent_bytes > limits.UNSENT_BYTES_MAX // 2
        ) and not (one.is_ended or line.is_ending):
            line.moved.clear()
            await line.moved.wait()

    def _carry_out(self, effects: Sequence[RelayEffect]) -> None:
        for effect in effects:
            match effect:
                case Say(to, frame):
                    if line := self._lines.get(to):
                        self._put(to, line, encode_relay_frame(frame))
                case Ask():
                    self._tasks.create_task(self._ask(effect), name="ask the relay's disk")
                case Rest(conversation, seconds):
                    conversation.rests_until_s = self._clock() + seconds
                case End(conversation, reason):
                    if line := self._lines.get(conversation):
                        self._say_goodbye(conversation, line, reason)

    async def _ask(self, ask: Ask) -> None:
        try:
            answer = await self._archive.answer(ask.question)
            self._carry_out(self.relay.answered(ask, answer))
        except Exception:  # a bug of ours costs this client, not the node
            LOG.exception("a question to the relay's disk failed")
            broken = LocalProtocolError("internal-error", "This node could not go on.")
            self._carry_out((End(ask.by, broken),))
        if line := self._lines.get(ask.by):
            line.moved.set()

    def _put(self, to: Conversation, line: _Line, data: bytes) -> None:
        if line.is_ending:
            return
        line.unsent.append(data)
        self._wait_to_write(to, len(data))
        most = limits.UNSENT_BYTES_MAX
        if self.unsent_bytes > limits.UNSENT_OF_ALL_BYTES_MAX:
            most = limits.UNSENT_BYTES_FAIR
        if to.unsent_bytes > most:
            self.relay.left(to)
            line.is_ending = True
            line.stream.carrier.abort()
            line.moved.set()
        elif not line.is_writing:
            line.is_writing = True
            self._tasks.create_task(self._write(to, line), name="write to a relay's client")

    def _wait_to_write(self, to: Conversation, size: int) -> None:
        """So many bytes more wait for this client; fewer, where it is negative."""
        to.unsent_bytes += size
        self.unsent_bytes += size

    async def _write(self, to: Conversation, line: _Line) -> None:
        """While there is something: an idle client has no task for this."""
        try:
            while line.unsent:
                data = list(line.unsent)
                line.unsent.clear()
                await line.stream.write(data)
                self._wait_to_write(to, -sum(map(len, data)))
                line.moved.set()
            if line.is_ending:
                await line.stream.close()
        except SyncError:
            line.is_ending = True
            line.stream.carrier.abort()  # its reader hears of it
        finally:
            line.is_writing = False
            line.moved.set()

    def _say_goodbye(self, one: Conversation, line: _Line, reason: SyncError) -> None:
        self.relay.left(one)
        bye = Bye(reason.code[:64], reason.sentence[:512], reason.wait_s)
        self._put(one, line, encode_relay_frame(bye))
        line.is_ending = True
        line.moved.set()

    async def _last_words(self, line: _Line) -> None:
        """The Bye that is being written, if the client still takes it."""
        try:
            async with asyncio.timeout(FLUSH_S):
                while line.is_writing:
                    line.moved.clear()
                    await line.moved.wait()
        except TimeoutError:
            pass
        finally:
            await line.stream.close()

    # --- circuits ---------------------------------------------------------------------------------

    async def join(self, carrier: SomeCarrier, caller: Caller) -> None:
        """One end of a circuit, to its end; its first byte, "J", is still to be read."""
        try:
            async with asyncio.timeout(limits.JOIN_S):
                key = (await carrier.read_exactly(1 + limits.KEY_BYTES))[1:]
        except TimeoutError as error:
            raise PeerTimeout("join", "The key of a circuit did not come in time.") from error
        found = self.relay.circuits.join(key, now_s=self._clock())
        if found is None:
            # No fault: a key that came too late looks the same. Guessing one of 2^256 is no danger.
            raise PeerLeft("no-circuit", "There is no such circuit, or no more.")
        self._release(caller)
        circuit, side = found
        splice = self._splices.get(circuit)
        if splice is None:
            splice = self._splices[circuit] = self._splice(circuit)
            self._idle.clear()
        end = self._end(splice, side, carrier)
        try:
            splice.join(side, end)
            await splice.ended.wait()
            async with asyncio.timeout(FLUSH_S):
                await end.gone.wait()
        except TimeoutError:
            pass
        finally:
            end.cut()
            splice.end()
            self.relay.circuits.end(circuit)
            self._splices.pop(circuit, None)
            if not self._splices:
                self._idle.set()

    def _splice(self, circuit: CircuitState) -> Splice:
        now_s = self._clock()
        pacers = [self._all] if self._all else []
        if self._rates.of_circuit:
            pacers.append(Pacer.of_bytes(self._rates.of_circuit, now_s=now_s))
        if self._rates.of_device:
            pacers += [self._pacer(one, now_s) for one in (circuit.caller, circuit.callee)]
        return Splice(pacers, self._buffer, clock=self._clock, passed=self._count)

    def _pacer(self, device: bytes, now_s: float) -> Pacer:
        pacer = self._devices.get(device)
        if pacer is None:
            pacer = self._devices[device] = Pacer.of_bytes(self._rates.of_device, now_s=now_s)
            if len(self._devices) > PACED_DEVICES_MAX:
                self._devices.popitem(last=False)
        self._devices.move_to_end(device)
        return pacer

    def _end(self, splice: Splice, side: int, carrier: SomeCarrier) -> SocketEnd | CarrierEnd:
        if isinstance(carrier, StreamCarrier):
            return SocketEnd(splice, side, carrier)
        return CarrierEnd(splice, side, carrier, self._tasks)

    def _count(self, size: int) -> None:
        self.passed_bytes += size

    # --- time -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled: keeps the time, and the disk."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._archive.run(), name="the relay's disk")
            tasks.create_task(self._expire(), name="what is too old")
            while True:
                await asyncio.sleep(TICK_S)
                now_s = self._clock()
                self._carry_out(self.relay.tick(now_s=now_s))
                for circuit in self.relay.circuits.expire(now_s=now_s):
                    if splice := self._splices.get(circuit):
                        splice.cut()
                for splice in list(self._splices.values()):
                    if splice.is_open:
                        splice.check(now_s=now_s)

    async def _expire(self) -> None:
        while True:
            await self._archive.expire()
            await asyncio.sleep(EXPIRE_EVERY_S)

    async def drain(self, grace_s: float) -> None:
        """Tells all clients; returns once no circuit is open, or after `grace_s`."""
        self._carry_out(self.relay.drain(grace_s))
        try:
            async with asyncio.timeout(grace_s):
                await self._idle.wait()
        except TimeoutError:
            LOG.info("%d circuits were still open after %g s", len(self._splices), grace_s)
