"""A client's side of the conversation with one relay; what the relay says is believed of nobody.

    Register ─▸ registering ──Registered──▸ registered ─▸ questions by number, answers by number
                                               └ Circuit 0, Signal 0, Delivered, Draining: its news

An answer that nobody asked for, or of another kind or about somebody else than was asked, ends it:
the relay lies. Whether a card is genuine, who sits at the end of a circuit, and what is in a letter
are judged by signatures that no relay can make.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from p2p.protocol.errors import LocalProtocolError, PeerLeft, PeerTimeout, RemoteProtocolError
from p2p.protocol.frames import Bye, Ping, Pong
from p2p.protocol.limits import TokenBucket
from p2p.protocol.relay import frames, limits
from p2p.protocol.relay.frames import RelayFrame

PENDING_MAX = 256  # questions without an answer
# Pings that are answered: a relay that sends more, and reads nothing, would fill the memory.
PONGS_BURST = 64.0
PONGS_PER_S = 5.0


@dataclass(frozen=True, slots=True)
class Tell:
    """A frame to the relay."""

    frame: RelayFrame


@dataclass(frozen=True, slots=True)
class Came:
    """This node is registered, for so many seconds."""

    expires_s: int
    observed: str
    is_caching: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to the question of that number."""

    number: int
    frame: RelayFrame


@dataclass(frozen=True, slots=True)
class Called:
    """Somebody wants a circuit; the relay says who."""

    key: bytes
    who: bytes


@dataclass(frozen=True, slots=True)
class Signalled:
    """Sealed bytes; the relay says from whom."""

    device: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class LetterCame:
    """To be kept, and then taken."""

    id: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class RelayDrains:
    """It stops soon."""

    grace_s: int


RelayNews: TypeAlias = Tell | Came | Answered | Called | Signalled | LetterCame | RelayDrains

# Question -> the answers it may get.
ANSWERS: dict[type[RelayFrame], tuple[type[RelayFrame], ...]] = {
    frames.Lookup: (frames.Cards,),
    frames.Call: (frames.Circuit, frames.Done),
    frames.Signal: (frames.Done,),
    frames.Post: (frames.Done,),
    frames.Fetch: (frames.Fetched,),
    frames.Letter: (frames.Done,),
}


class RelayTalk:
    """One conversation. Feed it frames and ticks; it says what to do."""

    def __init__(self, *, token: bytes, now_s: float) -> None:
        self.rtt_s: float | None = None
        self.expires_s = 0.0  # of the registration; 0: not registered yet
        self._token = token
        self._heard_s = now_s
        self._pinged_s: float | None = None
        self._pings = 0
        self._pongs = TokenBucket.full(PONGS_PER_S, PONGS_BURST, now_s=now_s)
        self._numbers = 0
        self._registers = 0  # Registers without their Registered
        self._pending: dict[int, tuple[float, RelayFrame]] = {}  # asked at, the oldest first

    @property
    def is_registered(self) -> bool:
        return self.expires_s > 0.0

    def register(self, card: bytes) -> Sequence[RelayNews]:
        """The first thing that is said; again with every new card."""
        self._registers += 1
        return (Tell(frames.Register(card, self._token)),)

    def ask(self, make: Callable[[int], RelayFrame], *, now_s: float) -> tuple[int, RelayFrame]:
        """The number of a question, and the frame to send. Raises `LocalProtocolError`."""
        if len(self._pending) >= PENDING_MAX:
            raise LocalProtocolError("too-many-questions", "The relay has not answered yet.")
        self._numbers += 1
        frame = make(self._numbers)
        self._pending[self._numbers] = now_s, frame
        return self._numbers, frame

    def receive(self, frame: RelayFrame | None, *, now_s: float) -> Sequence[RelayNews]:
        """Raises `PeerLeft` where the relay says goodbye, `RemoteProtocolError` where it lies."""
        self._heard_s = now_s
        match frame:
            case None:
                return ()
            case Bye(code, sentence, wait_s):
                raise PeerLeft(code, sentence, wait_s=wait_s)
            case Ping(number):
                return (Tell(Pong(number)),) if self._pongs.take(now_s=now_s) else ()
            case Pong(number):
                if self._pinged_s is not None and number == self._pings:
                    self.rtt_s, self._pinged_s = now_s - self._pinged_s, None
                return ()
            case frames.Registered(expires_s, observed, is_caching) if self._registers:
                self._registers -= 1
                self.expires_s = now_s + expires_s
                return (Came(expires_s, observed, is_caching),)
            case _:
                if not self.is_registered:
                    raise _lie(f"a relay says {type(frame).__name__} before Registered")
                return self._news(frame)

    def tick(self, *, now_s: float) -> Sequence[RelayNews]:
        """A ping where one is due. Raises `PeerTimeout` where the relay is silent."""
        if self._pinged_s is not None and now_s - self._pinged_s >= limits.ANSWER_S:
            raise PeerTimeout("silent", "The relay does not answer.")
        if not self.is_registered and now_s - self._heard_s >= limits.ANSWER_S:
            raise PeerTimeout("silent", "The relay does not answer.")
        oldest_s, _ = next(iter(self._pending.values()), (now_s, None))
        if now_s - oldest_s >= 2 * limits.ANSWER_S:  # pings it answers, and nothing else
            raise PeerTimeout("silent", "The relay does not answer what it is asked.")
        if self._pinged_s is None and now_s - self._heard_s >= limits.PING_S:
            self._pings += 1
            self._pinged_s = now_s
            return (Tell(Ping(self._pings)),)
        return ()

    def _news(self, frame: RelayFrame) -> Sequence[RelayNews]:
        match frame:
            case frames.Circuit(0, key, who):
                return (Called(key, who),)
            case frames.Signal(0, device, sealed):
                return (Signalled(device, sealed),)
            case frames.Delivered(id, sealed):
                return (LetterCame(id, sealed),)
            case frames.Draining(grace_s):
                return (RelayDrains(grace_s),)
            case (
                frames.Cards(number)
                | frames.Circuit(number)
                | frames.Fetched(number)
                | frames.Done(number)
            ):
                return (self._answered(number, frame),)
            case _:
                raise _lie(f"a relay says {type(frame).__name__}, which only its clients say")

    def _answered(self, number: int, frame: RelayFrame) -> Answered:
        if number not in self._pending:
            raise _lie(f"a relay answers question {number}, which nobody asked")
        _, asked = self._pending.pop(number)
        if not isinstance(frame, ANSWERS[type(asked)]):
            raise _lie(f"a relay answers {type(asked).__name__} by {type(frame).__name__}")
        match asked, frame:
            case frames.Call(device=device), frames.Circuit(who=who) if who != device:
                raise _lie("a relay offers a circuit to another device than was asked for")
            case _:
                pass
        return Answered(number, frame)


def _lie(sentence: str) -> RemoteProtocolError:
    return RemoteProtocolError("relay-lies", sentence)
