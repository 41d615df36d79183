"""What the core of a relay wants done, and what it asks of its disk."""

from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from p2p.protocol.errors import SyncError
from p2p.protocol.limits import TokenBucket
from p2p.protocol.relay.frames import RelayFrame
from p2p.protocol.relay.pacing import Pacer


class CardLike(Protocol):
    """What a relay reads of a card; `p2p.protocol.card` has the rest."""

    @property
    def device(self) -> bytes: ...
    @property
    def author(self) -> bytes: ...
    @property
    def issued_us(self) -> int: ...
    @property
    def until_us(self) -> int: ...


@dataclass(eq=False, slots=True)
class Conversation:
    """One client of a relay, on one channel; `device` was proved by the handshake."""

    device: bytes
    address: str  # from which it called; it is told
    host: str  # whose address that is, as `offences.host_of` says: what is bounded counts for it
    pacer: Pacer
    pings: TokenBucket  # those that are answered whatever the pacers say
    heard_s: float
    rests_until_s: float = 0.0  # nothing but such pings is answered before
    expires_s: float = 0.0  # of the registration; 0 where there is none
    is_collecting: bool = False
    is_finding: bool = False  # letters are looked for
    is_ended: bool = False
    underway: set[bytes] = field(default_factory=set[bytes])  # letters sent and not yet taken
    questions: int = 0
    unsent_bytes: int = 0  # of frames that wait to be written to it; the shell counts them


# ── questions to the disk ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class KeepCard:
    """Answered by the code of a refusal, or the empty text."""

    device: bytes
    author: bytes
    card: bytes
    issued_us: int
    until_us: int
    host: str  # from which it came


@dataclass(frozen=True, slots=True)
class KeepLetter:
    """Answered by the code of a refusal, or the empty text once it is durable."""

    sender: bytes
    receiver: bytes
    id: bytes
    sealed: bytes
    until_us: int


@dataclass(frozen=True, slots=True)
class KeepPost:
    """Answered by the code of a refusal, or the empty text once it is durable."""

    device: bytes
    tag: bytes
    sealed: bytes
    until_us: int


@dataclass(frozen=True, slots=True)
class DropLetters:
    """Answered by the empty text."""

    receiver: bytes
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class FindLetters:
    """Answered by a sequence of `WaitingLetter`, the oldest first."""

    receiver: bytes
    without: tuple[bytes, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class FindCards:
    """Answered by a sequence of bytes, the newest card first."""

    is_author: bool
    key: bytes
    limit: int


@dataclass(frozen=True, slots=True)
class FindPost:
    """Answered by bytes, or None."""

    tag: bytes


@dataclass(frozen=True, slots=True)
class WaitingLetter:
    """One that its receiver has not taken."""

    id: bytes
    sealed: bytes


Keeping: TypeAlias = KeepCard | KeepLetter | KeepPost | DropLetters
Finding: TypeAlias = FindLetters | FindCards | FindPost
Question: TypeAlias = Keeping | Finding


# ── effects ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Say:
    """A frame to one client."""

    to: Conversation
    frame: RelayFrame


@dataclass(frozen=True, slots=True)
class Ask:
    """To be answered by `Relay.answered`; `number` is the client's own, 0 where it gave none."""

    by: Conversation
    question: Question
    number: int


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing more of this client is dealt with for so long, but pings."""

    conversation: Conversation
    seconds: float


@dataclass(frozen=True, slots=True)
class End:
    """This client goes; whoever is told why hears it in a Bye."""

    conversation: Conversation
    reason: SyncError


RelayEffect: TypeAlias = Say | Ask | Rest | End
