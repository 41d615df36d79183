"""A client of one relay: one idle channel, kept up; questions by method, news by callback.

    connecting ─▸ registered ─▸ (draining) ─▸ waiting ─▸ connecting …
                                               back-off with full jitter, or what the relay said

Nothing the relay says is believed beyond its own affairs: see `p2p.protocol.relay.client`.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal, Protocol, TypeVar

from p2p.protocol.backoff import Backoff
from p2p.protocol.errors import PeerLeft, PeerTimeout, RemoteProtocolError, SyncError
from p2p.protocol.frames import Bye
from p2p.protocol.relay import frames, limits
from p2p.protocol.relay.client import (
    Answered,
    Called,
    Came,
    LetterCame,
    RelayDrains,
    RelayNews,
    RelayTalk,
    Signalled,
    Tell,
)
from p2p.protocol.relay.frames import RelayFrame, decode_relay_frame, encode_relay_frame
from p2p.transport.carrier import Carrier, StreamCarrier
from p2p.transport.channels import Channels
from p2p.transport.relay.server import JOIN
from p2p.transport.relay.splice import JOINED
from p2p.transport.relay.url import RelayUrl
from p2p.transport.stream import FrameStream
from p2p.transport.websocket import WebSocketCarrier

LOG = logging.getLogger(__name__)
LONGEST_S = 60.0  # between two tries at a relay: it is how others reach this node
STEADY_S = 30.0  # a registration that lasted so long was of use
TICK_S = 1.0
ANSWERING_MAX = 16  # calls that are answered at once
TAKING_MAX = 2 * limits.LETTERS_UNDERWAY_MAX  # letters on their way to the disk; then none is read

State = Literal["connecting", "registered", "draining", "waiting"]
T = TypeVar("T", bound=RelayFrame)


class RelayUser(Protocol):
    """Who is told of the relay's news; none of these may raise."""

    def card(self) -> bytes:
        """This device's card, fresh."""
        ...

    def answer(self, carrier: Carrier, who: bytes, relay: "RelayClient") -> None:
        """Somebody, whom the relay calls `who`, is at the other end of a new circuit."""
        ...

    def signalled(self, device: bytes, sealed: bytes, relay: "RelayClient") -> None:
        """Sealed bytes of somebody whom the relay calls `device`."""
        ...

    async def letter(self, id: bytes, sealed: bytes, relay: "RelayClient") -> bool:
        """Whether it is kept, durably, or known to be of no use: then the relay may forget it."""
        ...

    def changed(self, relay: "RelayClient") -> None:
        """Its state is another one."""
        ...


@dataclass(frozen=True, slots=True)
class RelayState:
    """For `panspermia peers`; `url` has no token."""

    url: str
    state: State
    since_s: float
    rtt_s: float | None
    last_error: str
    registered_until_s: float | None
    observed: str


class RelayClient:
    """One relay of this node. `run` it; `tasks` owns the answers to calls."""

    def __init__(
        self,
        url: RelayUrl,
        channels: Channels,
        user: RelayUser,
        random: Random,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.url = url
        self.is_caching = False
        self.observed = ""
        self.last_error = ""
        self.registered = asyncio.Event()
        self._channels = channels
        self._user = user
        self._random = random
        self._tasks = tasks
        self._clock = asyncio.get_running_loop().time
        self._state: State = "connecting"
        self._since_s = self._clock()
        self._talk: RelayTalk | None = None
        self._unsent: list[bytes] = []
        self._has_more = asyncio.Event()
        self._answers: dict[int, asyncio.Future[RelayFrame]] = {}
        self._answering = 0
        self._taking = 0
        self._has_taken = asyncio.Event()
        self._hurry = asyncio.Event()

    def __str__(self) -> str:
        return str(self.url)

    @property
    def is_registered(self) -> bool:
        return self.registered.is_set()

    @property
    def takes_calls(self) -> bool:
        """Registered, and the relay is not about to stop."""
        return self.is_registered and self._state != "draining"

    def shown(self) -> RelayState:
        """As of now."""
        talk = self._talk
        return RelayState(
            str(self.url),
            self._state,
            self._since_s,
            talk.rtt_s if talk else None,
            self.last_error,
            talk.expires_s if talk and self.is_registered else None,
            self.observed,
        )

    def suspect(self, sentence: str) -> None:
        """What it passed on does not hold: people are told."""
        self.last_error = sentence
        LOG.warning("the relay %s: %s", self.url, sentence)
        self._user.changed(self)

    def try_token(self, token: bytes) -> None:
        """Another one than so far, where that did not let this node in."""
        self.url = replace(self.url, token=token)
        self.hurry()

    def hurry(self) -> None:
        """Tries again now."""
        self._hurry.set()

    def renew(self) -> None:
        """The card is another one: the relay gets it."""
        if self._talk is not None and self.is_registered:
            self._carry_out(self._talk.register(self._user.card()))

    # --- what one can ask -------------------------------------------------------------------------

    async def lookup(self, key: bytes, *, is_author: bool = False) -> Sequence[bytes]:
        """Cards of a device, or of an author's devices, not checked. Raises `SyncError`."""
        ask = await self._ask(lambda number: frames.Lookup(number, is_author, key), frames.Cards)
        return ask.cards

    async def call(self, device: bytes) -> Carrier:
        """A circuit to `device`, joined at both ends. Raises `SyncError`."""
        offer = await self._ask(lambda number: frames.Call(number, device), frames.Circuit)
        return await self._join(offer.key)

    async def signal(self, device: bytes, sealed: bytes) -> None:
        """Passed on to `device`. Raises `SyncError` where it is not there."""
        await self._ask(lambda number: frames.Signal(number, device, sealed), frames.Done)

    async def post(self, tag: bytes, sealed: bytes, until_us: int) -> None:
        """Durable at the relay once this returns. Raises `SyncError`."""
        await self._ask(lambda number: frames.Post(number, tag, sealed, until_us), frames.Done)

    async def fetch(self, tag: bytes) -> bytes | None:
        """What lies there under the tag. Raises `SyncError`."""
        found = await self._ask(lambda number: frames.Fetch(number, tag), frames.Fetched)
        return found.sealed

    async def send_letter(self, device: bytes, id: bytes, sealed: bytes, until_us: int) -> None:
        """Durable at the relay once this returns; twice is as once. Raises `SyncError`."""
        await self._ask(
            lambda number: frames.Letter(number, device, id, sealed, until_us), frames.Done
        )

    async def _ask(self, make: Callable[[int], RelayFrame], kind: type[T]) -> T:
        talk = self._talk
        if talk is None or not self.is_registered:
            why = f": {self.last_error}" if self.last_error else "."
            raise PeerLeft("relay-away", f"The relay {self.url} is not connected{why}")
        number, frame = talk.ask(make, now_s=self._clock())
        answer: asyncio.Future[RelayFrame] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._tell(frame)
        try:
            async with asyncio.timeout(limits.ANSWER_S):
                said = await answer
        except TimeoutError as error:
            raise PeerTimeout("relay-silent", f"The relay {self.url} did not answer.") from error
        finally:
            self._answers.pop(number, None)
        if isinstance(said, frames.Done) and said.code:
            raise PeerLeft(said.code, said.sentence or f"The relay refused: {said.code}.")
        if not isinstance(said, kind):
            raise RemoteProtocolError("relay-lies", "a relay says that it is done, and is not")
        return said

    async def _join(self, key: bytes) -> Carrier:
        """Joins a circuit over a connection of its own; the other end may already be there."""
        carrier = await self._channels.reach(self.url.place)
        try:
            async with asyncio.timeout(limits.JOIN_S):
                await carrier.write(bytes([JOIN]) + key)
                word = await carrier.read_exactly(1)
        except TimeoutError as error:
            carrier.abort()
            raise PeerTimeout("not-joined", "The other end did not join the circuit.") from error
        except BaseException:
            carrier.abort()
            raise
        if word != JOINED:
            carrier.abort()
            raise RemoteProtocolError("relay-lies", "a relay opens a circuit by another byte")
        if isinstance(carrier, StreamCarrier | WebSocketCarrier):
            carrier.name = "relay"
        return carrier

    # --- keeping the channel up -------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        backoff = Backoff(longest_s=LONGEST_S)
        while True:
            began_s, told_s = self._clock(), 0
            self._turn("connecting")
            try:
                await self._be_registered()
            except SyncError as error:
                self.last_error, told_s = error.sentence, error.wait_s
                LOG.debug("the relay %s: %s", self.url, error)
            except Exception:  # a bug of ours costs this relay for a while, not the node
                LOG.exception("the conversation with the relay %s failed", self.url)
                self.last_error = "This node could not go on."
            if self._clock() - began_s >= STEADY_S:
                backoff.reset()
            self._turn("waiting")
            # Jitter above what the relay said, so that its clients do not all come at once.
            wait_s = backoff.fail(self._random)
            self._hurry.clear()
            try:
                async with asyncio.timeout(min(told_s, LONGEST_S) + wait_s):
                    await self._hurry.wait()
            except TimeoutError:
                pass

    async def _be_registered(self) -> None:
        """One channel, to its end, which is always a `SyncError`."""
        stream = await self._channels.open(self.url.place)
        if self.url.device is not None and stream.device != self.url.device:
            await stream.close()
            raise PeerLeft("another-relay", f"{self.url} has another key than it is named with.")
        talk = self._talk = RelayTalk(token=self.url.token, now_s=self._clock())
        self._unsent.clear()
        ended: SyncError = PeerLeft("relay-away", "The relay is gone.")
        try:
            self._carry_out(talk.register(self._user.card()))
            async with asyncio.TaskGroup() as works:
                works.create_task(self._write(stream), name="write to the relay")
                works.create_task(self._tick(talk), name="the relay's clock")
                works.create_task(self._read(stream, talk), name="read the relay")
                # Until one fails, in here: before Python 3.13 a group that fails after its block
                # is over leaves this task counted as cancelled, and it is to go on.
                await asyncio.Event().wait()
        except* SyncError as group:
            ended = _first(group)  # raised here it would be inside of a group again
        finally:
            self._talk = None
            self.registered.clear()
            self._fail_answers()
            await stream.close()
        raise ended

    async def _read(self, stream: FrameStream, talk: RelayTalk) -> None:
        while True:
            while self._taking >= TAKING_MAX:
                self._has_taken.clear()
                await self._has_taken.wait()
            frame = decode_relay_frame(await stream.read(limits.RELAY_FRAME_BYTES_MAX))
            self._carry_out(talk.receive(frame, now_s=self._clock()))

    async def _write(self, stream: FrameStream) -> None:
        try:
            while True:
                await self._has_more.wait()
                self._has_more.clear()
                data, self._unsent = self._unsent, []
                await stream.write(data)
        except asyncio.CancelledError:
            bye = encode_relay_frame(Bye("stopping", "The node is stopping."))
            try:
                async with asyncio.timeout(TICK_S):
                    await stream.write([bye])
            except (SyncError, TimeoutError):
                pass
            raise

    async def _tick(self, talk: RelayTalk) -> None:
        renew_s = self._clock() + limits.REGISTERED_S / 2
        while True:
            await asyncio.sleep(TICK_S)
            self._carry_out(talk.tick(now_s=self._clock()))
            if self._clock() >= renew_s:
                renew_s = self._clock() + limits.REGISTERED_S / 2
                self._carry_out(talk.register(self._user.card()))

    def _carry_out(self, news: Sequence[RelayNews]) -> None:
        for one in news:
            match one:
                case Tell(frame):
                    self._tell(frame)
                case Came(_, observed, is_caching):
                    self._came(observed, is_caching=is_caching)
                case Answered(number, frame):
                    answer = self._answers.get(number)
                    if answer is not None and not answer.done():
                        answer.set_result(frame)
                case Called(key, who):
                    if self._answering < ANSWERING_MAX:
                        self._answering += 1
                        self._tasks.create_task(self._answer(key, who), name="answer a circuit")
                case Signalled(device, sealed):
                    self._user.signalled(device, sealed, self)
                case LetterCame(id, sealed):
                    self._taking += 1
                    self._tasks.create_task(self._take(id, sealed), name="take a letter")
                case RelayDrains():
                    self._turn("draining")

    def _came(self, observed: str, *, is_caching: bool) -> None:
        self.observed, self.is_caching = observed, is_caching
        if not self.is_registered:
            self.last_error = ""
            self.registered.set()
            self._turn("registered")
            self._tell(frames.Collect())

    async def _answer(self, key: bytes, who: bytes) -> None:
        try:
            carrier = await self._join(key)
        except SyncError as error:
            LOG.debug("a circuit by %s was not joined: %s", self.url, error)
        else:
            self._user.answer(carrier, who, self)
        finally:
            self._answering -= 1

    async def _take(self, id: bytes, sealed: bytes) -> None:
        try:
            if await self._user.letter(id, sealed, self) and self._talk is not None:
                self._tell(frames.Taken(id))
        except Exception:  # a bug of ours costs this letter's time, not the node
            LOG.exception("a letter by %s could not be taken", self.url)
        finally:
            self._taking -= 1
            self._has_taken.set()

    def _tell(self, frame: RelayFrame) -> None:
        self._unsent.append(encode_relay_frame(frame))
        self._has_more.set()

    def _turn(self, state: State) -> None:
        if state != self._state:
            self._state, self._since_s = state, self._clock()
            self._user.changed(self)

    def _fail_answers(self) -> None:
        gone = PeerLeft("relay-away", f"The relay {self.url} is gone.")
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(gone)


def _first(group: BaseExceptionGroup[SyncError]) -> SyncError:
    """The reason that people are told; a lie before a loss."""
    leaves: list[SyncError] = []
    for one in group.exceptions:
        leaves += [_first(one)] if isinstance(one, BaseExceptionGroup) else [one]
    return next((one for one in leaves if isinstance(one, RemoteProtocolError)), leaves[0])
