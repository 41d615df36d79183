"""The core of a relay: what its clients say goes in, what to do about it comes out.

    channel ─▸ Register ─▸ registered ─▸ Lookup, Call, Signal, Post, Fetch, Letter, Collect, Taken
                              │  ▲ Register                                            │
                              └──┘ renews                       Bye · silence · any other ─▸ ended

It never sees what is inside of a circuit, a signal, a post or a letter. Whoever asks too often is
answered later (`Rest`), but for pings; whoever wants more than there is room for hears a code
(`Done`).
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Never, cast

from p2p.protocol.errors import PeerLeft, PeerTimeout, RemoteProtocolError, SyncError
from p2p.protocol.frames import Bye, Ping, Pong
from p2p.protocol.limits import TokenBucket
from p2p.protocol.offences import host_of
from p2p.protocol.relay import effects as do
from p2p.protocol.relay import frames, limits
from p2p.protocol.relay.circuits import Circuits, NoCircuit
from p2p.protocol.relay.effects import Ask, CardLike, Conversation, End, RelayEffect, Rest, Say
from p2p.protocol.relay.frames import RelayFrame
from p2p.protocol.relay.pacing import Pacer, spend
from p2p.protocol.relay.shares import DiskShares
from p2p.protocol.relay.tokens import TokenGate

PING_KIND = Ping.__struct_config__.tag
COSTS: dict[type[RelayFrame], float] = {
    frames.Register: limits.REGISTER_TOKENS,
    frames.Lookup: limits.LOOKUP_TOKENS,
    frames.Call: limits.CALL_TOKENS,
    frames.Post: limits.LETTER_TOKENS,
    frames.Letter: limits.LETTER_TOKENS,
}
"""Tokens, where a frame costs more than one."""

SENTENCES = {
    "not-here": "That device is not registered at this relay now.",
    "not-reading": "That device does not read what it is sent fast enough.",
    "not-known-here": "No device of that key was registered at this relay of late.",
    "mailbox-full": "The mailbox of that device is full.",
    "too-many-letters": "Too many letters of this device, or of its address, wait at the relay.",
    "relay-full": "The relay has no room for more.",
    "tag-taken": "Something else lies at the relay under that tag.",
    "too-many-posts": "Too many posts of this device, or of its address, lie at the relay.",
    "draining": "The relay is about to stop.",
    "not-stored": "The relay could not keep it.",
}
"""By code, for a Done."""


@dataclass(slots=True)
class RelayCounts:
    """Since the start, for Prometheus."""

    registrations: int = 0
    calls: int = 0
    signals: int = 0
    letters: int = 0
    delivered: int = 0
    posts: int = 0
    lookups: int = 0
    refused: int = 0
    wrong_tokens: int = 0


class Relay:
    """One relay. `check` judges a card, at a time in µs, or raises `RemoteProtocolError`."""

    def __init__(
        self,
        *,
        token: bytes,
        check: Callable[[bytes, int], CardLike],
        entropy: Callable[[int], bytes],
        is_caching: bool = False,
        registrations_max: int = limits.REGISTRATIONS_MAX,
        circuits_max: int = limits.CIRCUITS_MAX,
        of_device_max: int = limits.CIRCUITS_OF_DEVICE_MAX,
        now_s: float,
    ) -> None:
        self.circuits = Circuits(entropy, circuits_max=circuits_max, of_device_max=of_device_max)
        self.counts = RelayCounts()
        self.is_draining = False
        self._check = check
        self._tokens = TokenGate(token)
        self.is_caching = is_caching
        self._registrations_max = registrations_max
        self._of_host_max = limits.share_of(
            registrations_max,
            part=limits.REGISTRATIONS_OF_HOST_PART,
            most=limits.REGISTRATIONS_OF_HOST_MAX,
            least=limits.REGISTRATIONS_OF_HOST_LEAST,
        )
        self._registered: dict[bytes, Conversation] = {}
        self._of_host: Counter[str] = Counter()
        self._all = Pacer.full(limits.FRAMES_OF_ALL_PER_S, limits.FRAMES_OF_ALL_BURST, now_s=now_s)
        self._hosts: OrderedDict[str, Pacer] = OrderedDict()
        self._shares = DiskShares()

    @property
    def registered_count(self) -> int:
        return len(self._registered)

    def is_registered(self, device: bytes) -> bool:
        return device in self._registered

    def serves(self, one: Conversation) -> bool:
        """Whether this very conversation is registered, and not another one of its device."""
        return self._registered.get(one.device) is one

    def open(self, device: bytes, address: str, *, now_s: float) -> Conversation:
        """A channel stands, and its first frame is a Register: `receive` it next.

        `address` is that of whoever called, without a port.
        """
        pacer = Pacer.full(limits.FRAMES_PER_S, limits.FRAMES_BURST, now_s=now_s)
        pings = TokenBucket.full(limits.PINGS_PER_S, limits.PINGS_BURST, now_s=now_s)
        return Conversation(device, address, host_of(address), pacer, pings, now_s)

    def answers_now(self, one: Conversation, kind: int | None, *, now_s: float) -> bool:
        """Whether a frame of that kind may be received though its client rests."""
        return kind == PING_KIND and one.pings.left(now_s=now_s) >= 1.0

    def receive(
        self, one: Conversation, frame: RelayFrame, *, now_s: float, now_us: int
    ) -> Sequence[RelayEffect]:
        """What to do about a frame; a fault of the client is an `End` among it."""
        if one.is_ended:
            return ()
        one.heard_s = now_s
        is_free = isinstance(frame, Ping) and one.pings.take(now_s=now_s)
        cost = COSTS.get(type(frame), 1.0)
        wait_s = 0.0 if is_free else self._pay(one, cost, now_s=now_s)
        try:
            done = self._answer(one, frame, now_s=now_s, now_us=now_us)
        except SyncError as error:
            done = self._end(one, error)
        return (*done, Rest(one, wait_s)) if wait_s > 0.0 else done

    def skip(self, one: Conversation, *, now_s: float) -> Sequence[RelayEffect]:
        """A frame of an unknown odd kind: ignored, and not for nothing."""
        one.heard_s = now_s
        wait_s = self._pay(one, 1.0, now_s=now_s)
        return (Rest(one, wait_s),) if wait_s > 0.0 else ()

    def answered(self, ask: Ask, answer: object) -> Sequence[RelayEffect]:
        """The disk's answer, of the type that the question names."""
        one, question = ask.by, ask.question
        one.questions -= 1
        if isinstance(question, do.KeepLetter) and answer == "":
            self.counts.letters += 1
            return (*self._done(one, ask.number, ""), *self._deliver_to(question.receiver))
        if one.is_ended:
            return ()
        match question:
            case do.KeepCard() if answer:
                return self._end(one, PeerLeft(str(answer), _sentence(str(answer))))
            case do.KeepCard():
                seen = one.address[: limits.OBSERVED_CHARACTERS_MAX]
                expires_s = int(limits.REGISTERED_S)
                return (Say(one, frames.Registered(expires_s, seen, self.is_caching)),)
            case do.KeepLetter() | do.KeepPost():
                return self._done(one, ask.number, str(answer))
            case do.DropLetters(ids=ids):
                one.underway.difference_update(ids)
                return self._deliver(one)
            case do.FindLetters():
                one.is_finding = False
                return self._send_letters(one, cast("Sequence[do.WaitingLetter]", answer))
            case do.FindCards():
                cards = tuple(cast("Sequence[bytes]", answer))[: limits.CARDS_MAX]
                return (Say(one, frames.Cards(ask.number, cards)),)
            case do.FindPost():
                return (Say(one, frames.Fetched(ask.number, cast("bytes | None", answer))),)

    def left(self, one: Conversation) -> None:
        """Its channel is gone."""
        one.is_ended = True
        if self._registered.get(one.device) is one:
            del self._registered[one.device]
            self._of_host[one.host] -= 1
            if not self._of_host[one.host]:
                del self._of_host[one.host]

    def tick(self, *, now_s: float) -> Sequence[RelayEffect]:
        """Ends those that were silent for too long, or did not renew."""
        silent = PeerTimeout("silent", "Nothing was heard from this node for too long.")
        late = PeerLeft("lapsed", "The registration was not renewed in time.")
        gone: list[RelayEffect] = []
        for one in list(self._registered.values()):
            if now_s - max(one.heard_s, one.rests_until_s) >= limits.SILENT_S:
                gone += self._end(one, silent)
            elif now_s >= one.expires_s:
                gone += self._end(one, late)
        return gone

    def drain(self, grace_s: float) -> Sequence[RelayEffect]:
        """No new circuits from now on; all clients hear of it."""
        self.is_draining = True
        return [Say(one, frames.Draining(int(grace_s))) for one in self._registered.values()]

    # --- what clients say -----------------------------------------------------------------------

    def _answer(
        self, one: Conversation, frame: RelayFrame, *, now_s: float, now_us: int
    ) -> Sequence[RelayEffect]:
        if isinstance(frame, frames.Register):
            return self._register(one, frame, now_s=now_s, now_us=now_us)
        if not self.serves(one):
            _refuse_order(frame)
        match frame:
            case Ping(number):
                return (Say(one, Pong(number)),)
            case Pong():
                return ()
            case Bye():
                return self._end(one, PeerLeft("said-goodbye", "The client said goodbye."))
            case frames.Call():
                return self._call(one, frame, now_s=now_s)
            case frames.Signal(number, device, sealed):
                target = self._registered.get(device)
                if target is None:
                    return self._done(one, number, "not-here")
                if target.unsent_bytes + len(sealed) > limits.SIGNALS_UNSENT_BYTES_MAX:
                    return self._done(one, number, "not-reading")
                self.counts.signals += 1
                passed_on = Say(target, frames.Signal(0, one.device, sealed))
                return (passed_on, *self._done(one, number, ""))
            case frames.Collect():
                one.is_collecting = True
                return self._deliver(one)
            case _:
                return self._ask_disk(one, frame, now_s=now_s, now_us=now_us)

    def _register(
        self, one: Conversation, frame: frames.Register, *, now_s: float, now_us: int
    ) -> Sequence[RelayEffect]:
        known = self._registered.get(one.device)
        if known is not one:
            try:
                self._tokens.check(frame.token, one.host, now_s=now_s)
            except PeerLeft:
                self.counts.wrong_tokens += 1
                raise
        card = self._check(frame.card, now_us)
        if card.device != one.device:
            raise RemoteProtocolError("card-device", "a client registers another device's card")
        replaced: Sequence[RelayEffect] = ()
        if known is not one:
            self._check_room(one, known)
            if known is not None:
                newer = PeerLeft("replaced", "The same device registered by a newer connection.")
                replaced = self._end(known, newer)
            self._registered[one.device] = one
            self._of_host[one.host] += 1
            self.counts.registrations += 1
        one.expires_s = now_s + limits.REGISTERED_S
        kept = do.KeepCard(
            one.device, card.author, frame.card, card.issued_us, card.until_us, one.host
        )
        return (*replaced, *self._ask(one, kept, 0))

    def _check_room(self, one: Conversation, replaced: Conversation | None) -> None:
        """Raises `PeerLeft`; then the one that it would take the place of stays."""
        is_full = replaced is None and len(self._registered) >= self._registrations_max
        of_host = self._of_host[one.host]
        if replaced is not None and replaced.host == one.host:
            of_host -= 1
        if is_full or of_host >= self._of_host_max:
            self.counts.refused += 1
            raise PeerLeft("relay-full", _sentence("relay-full"), wait_s=60)

    def _call(
        self, one: Conversation, frame: frames.Call, *, now_s: float
    ) -> Sequence[RelayEffect]:
        target = self._registered.get(frame.device)
        if self.is_draining:
            return self._done(one, frame.number, "draining")
        if target is None or target is one:
            return self._done(one, frame.number, "not-here")
        circuit = self.circuits.call(one.device, target.device, host=one.host, now_s=now_s)
        if isinstance(circuit, NoCircuit):
            return self._done(one, frame.number, circuit.code, circuit.sentence)
        self.counts.calls += 1
        callers, callees = circuit.keys
        return (
            Say(one, frames.Circuit(frame.number, callers, target.device)),
            Say(target, frames.Circuit(0, callees, one.device)),
        )

    def _ask_disk(
        self, one: Conversation, frame: RelayFrame, *, now_s: float, now_us: int
    ) -> Sequence[RelayEffect]:
        match frame:
            case frames.Lookup(number, is_author, key):
                self.counts.lookups += 1
                return self._ask(one, do.FindCards(is_author, key, limits.CARDS_MAX), number)
            case frames.Post(number, tag, sealed, until_us):
                if not self._shares.take_post(one.host, now_s=now_s):
                    return self._done(one, number, "too-many-posts")
                self.counts.posts += 1
                until_us = min(until_us, now_us + int(limits.POST_S_MAX * 1e6))
                return self._ask(one, do.KeepPost(one.device, tag, sealed, until_us), number)
            case frames.Fetch(number, tag):
                return self._ask(one, do.FindPost(tag), number)
            case frames.Letter(number, device, id, sealed, until_us):
                if not self._shares.take_letter(one.host, device, len(sealed), now_s=now_s):
                    return self._done(one, number, "too-many-letters")
                until_us = min(until_us, now_us + int(limits.LETTER_S_MAX * 1e6))
                kept = do.KeepLetter(one.device, device, id, sealed, until_us)
                return self._ask(one, kept, number)
            case frames.Taken(ids):
                self._shares.collected(one.device)
                return self._ask(one, do.DropLetters(one.device, frames.split_letter_ids(ids)), 0)
            case _:
                _refuse_order(frame)

    # --- letters on their way ---------------------------------------------------------------------

    def _deliver_to(self, device: bytes) -> Sequence[RelayEffect]:
        target = self._registered.get(device)
        return self._deliver(target) if target is not None else ()

    def _deliver(self, one: Conversation) -> Sequence[RelayEffect]:
        room = limits.LETTERS_UNDERWAY_MAX - len(one.underway)
        if not one.is_collecting or one.is_finding or room <= 0:
            return ()
        one.is_finding = True
        return self._ask(one, do.FindLetters(one.device, tuple(one.underway), room), 0)

    def _send_letters(
        self, one: Conversation, found: Sequence[do.WaitingLetter]
    ) -> Sequence[RelayEffect]:
        fresh = [letter for letter in found if letter.id not in one.underway]
        one.underway.update(letter.id for letter in fresh)
        self.counts.delivered += len(fresh)
        return [Say(one, frames.Delivered(letter.id, letter.sealed)) for letter in fresh]

    # --- shorthands -------------------------------------------------------------------------------

    def _ask(self, one: Conversation, question: do.Question, number: int) -> Sequence[RelayEffect]:
        one.questions += 1  # the shell reads no more of a client with `QUESTIONS_MAX`
        return (Ask(one, question, number),)

    def _done(
        self, one: Conversation, number: int, code: str, sentence: str = ""
    ) -> Sequence[RelayEffect]:
        if one.is_ended or not number:
            return ()
        self.counts.refused += bool(code)
        return (Say(one, frames.Done(number, code, sentence or _sentence(code))),)

    def _end(self, one: Conversation, reason: SyncError) -> Sequence[RelayEffect]:
        self.left(one)
        return (End(one, reason),)

    def _pay(self, one: Conversation, tokens: float, *, now_s: float) -> float:
        """The seconds until this client's next frame."""
        return spend((one.pacer, self._host(one.host, now_s), self._all), tokens, now_s=now_s)

    def _host(self, host: str, now_s: float) -> Pacer:
        pacer = self._hosts.get(host)
        if pacer is None:
            pacer = Pacer.full(
                limits.FRAMES_OF_HOST_PER_S, limits.FRAMES_OF_HOST_BURST, now_s=now_s
            )
            self._hosts[host] = pacer
            if len(self._hosts) > limits.HOSTS_MAX:
                self._hosts.popitem(last=False)
        self._hosts.move_to_end(host)
        return pacer


def _sentence(code: str) -> str:
    return SENTENCES.get(code, "")


def _refuse_order(frame: RelayFrame) -> Never:
    name = type(frame).__name__
    raise RemoteProtocolError("out-of-order", f"a {name} frame is not what a relay takes now")
