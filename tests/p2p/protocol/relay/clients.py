"""Clients of a relay under test: keys, cards that are only what the core asks of them, a disk."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from p2p.protocol.relay import effects as do
from p2p.protocol.relay import limits
from p2p.protocol.relay.effects import Ask, Conversation, End, RelayEffect, Rest, Say
from p2p.protocol.relay.frames import Register, RelayFrame
from p2p.protocol.relay.server import Relay

ALICE, BOB, CAROL = (bytes([n]) * 32 for n in (1, 2, 3))
HOST = "192.0.2.1"
DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class PlainCard:
    """What the core reads of a card; the real one is `p2p.protocol.card`."""

    device: bytes
    author: bytes
    issued_us: int = 1
    until_us: int = DAY_US


def read_card(data: bytes, now_us: int) -> PlainCard:
    return PlainCard(data, data)


@dataclass(slots=True)
class Entropy:
    """Never the same twice."""

    given: int = 0

    def __call__(self, size: int) -> bytes:
        self.given += 1
        return self.given.to_bytes(size, "big")


@dataclass(slots=True)
class Disk:
    """Answers as `storage.relayed` does, from a dict."""

    cards: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    letters: list[do.KeepLetter] = field(default_factory=list[do.KeepLetter])
    posts: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])

    def answer(self, question: do.Question) -> object:
        match question:
            case do.KeepCard(device, _, card):
                self.cards[device] = card
                return ""
            case do.KeepLetter(_, receiver):
                if receiver not in self.cards:
                    return "not-known-here"
                self.letters.append(question)
                return ""
            case do.KeepPost(_, tag, sealed):
                self.posts[tag] = sealed
                return ""
            case do.DropLetters(receiver, ids):
                self.letters = [
                    one for one in self.letters if one.receiver != receiver or one.id not in ids
                ]
                return ""
            case do.FindLetters(receiver, without, limit):
                mine = [one for one in self.letters if one.receiver == receiver]
                fresh = [one for one in mine if one.id not in without]
                return [do.WaitingLetter(one.id, one.sealed) for one in fresh[:limit]]
            case do.FindCards(_, key):
                return [self.cards[key]] if key in self.cards else []
            case do.FindPost(tag):
                return self.posts.get(tag)


@dataclass(slots=True)
class Office:
    """A relay, its disk, and what each client heard."""

    relay: Relay
    disk: Disk = field(default_factory=Disk)
    heard: dict[int, list[RelayFrame]] = field(default_factory=dict[int, list[RelayFrame]])
    ended: dict[int, str] = field(default_factory=dict[int, str])
    rested_s: float = 0.0
    now_s: float = 0.0

    @classmethod
    def made(
        cls,
        token: bytes = b"",
        registrations_max: int = limits.REGISTRATIONS_MAX,
        circuits_max: int = limits.CIRCUITS_MAX,
    ) -> "Office":
        relay = Relay(
            token=token,
            check=read_card,
            entropy=Entropy(),
            registrations_max=registrations_max,
            circuits_max=circuits_max,
            now_s=0.0,
        )
        return cls(relay)

    def come(self, device: bytes, host: str = HOST, token: bytes = b"") -> Conversation:
        """A channel and its Register, which is the device's own unless the test says otherwise."""
        one = self.relay.open(device, host, now_s=self.now_s)
        self.say(one, Register(device, token))
        return one

    def say(self, one: Conversation, frame: RelayFrame) -> list[RelayFrame]:
        """What `one` hears because of it."""
        before = len(self.heard.setdefault(id(one), []))
        self.carry_out(self.relay.receive(one, frame, now_s=self.now_s, now_us=1))
        return self.heard[id(one)][before:]

    def carry_out(self, effects: Sequence[RelayEffect]) -> None:
        for effect in effects:
            match effect:
                case Say(to, frame):
                    self.heard.setdefault(id(to), []).append(frame)
                case Ask():
                    answer = self.disk.answer(effect.question)
                    self.carry_out(self.relay.answered(effect, answer))
                case End(one, reason):
                    self.ended[id(one)] = reason.code
                case Rest(_, seconds):
                    self.rested_s = seconds

    def told(self, one: Conversation) -> list[RelayFrame]:
        """All that it heard, from the beginning."""
        return self.heard.get(id(one), [])
