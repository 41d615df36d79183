"""One session with one peer, without IO: feed it what happened, do what it answers, in order.

    GREETING ──Hello──> PRESENTING ──Present──> AGREEING ──Interests──> OPEN ──┐ (any order)
        \\________\\______________\\______any other frame · silence______/<──────┘ ──> CLOSED

    session = Session(config, channel, challenge=os.urandom(32), wall_us=…, now_s=clock())
    carry_out(session.open())
    carry_out(session.receive(frame_bytes, now_s=clock()))          # one whole frame, no length
    carry_out(session.answered(query_id, answer, now_s=clock()))    # for every Query, any order
    carry_out(session.tick(now_s=clock()))                          # about every second
    carry_out(session.appended(namespace, ids, now_s=clock()))      # ids of 16 or 32 bytes

All conversations end here: the table of `states` says what may come, `_dispatch` who gets it, and
a `RemoteProtocolError` from any of them closes. docs/protocol/session.md is the specification.
"""

from collections.abc import Callable, Sequence
from typing import assert_never

from crdt.keys import AuthorKey, NamespaceKey
from p2p.protocol import frames, greeting, limits
from p2p.protocol.agreement import Agreement
from p2p.protocol.areas import Areas
from p2p.protocol.comparisons import Comparisons
from p2p.protocol.config import Channel, SessionConfig
from p2p.protocol.costly import Costly
from p2p.protocol.difference import Difference
from p2p.protocol.effects import Effect, GivenRun, PeerAgreed, PeerFault, PeerGreeted, Synced
from p2p.protocol.errors import PeerLeft, PeerTimeout, RemoteProtocolError, SyncError
from p2p.protocol.exchange import Exchange
from p2p.protocol.fetch import Gets
from p2p.protocol.frames import BLOB_KINDS, Frame, decode_frame, peek_kind
from p2p.protocol.grants import Grants
from p2p.protocol.link import secret_of
from p2p.protocol.liveness import Liveness
from p2p.protocol.offer import Offers
from p2p.protocol.outbox import Outbox
from p2p.protocol.pull import Pull
from p2p.protocol.report import SessionReport
from p2p.protocol.serve import Server
from p2p.protocol.states import TRANSITIONS, State

VERSION = 1
VERSION_MIN = 1  # both sides speak the lower of their versions, if it is not below this


class Session:
    """Feed it frames, answers and ticks; do what it answers, in order."""

    def __init__(
        self,
        config: SessionConfig,
        channel: Channel,
        *,
        challenge: bytes,
        wall_us: int,
        now_s: float,
        strikes: int = 0,  # against this peer so far, by `p2p.protocol.offences`
        wake: Callable[[], None] = lambda: None,  # have `go_on` called soon, not from within
    ) -> None:
        self.state = State.GREETING
        self.author: AuthorKey | None = None  # the peer's, once it has proven it
        self.secret: bytes | None = None  # for `p2p.protocol.link`, once both have said Hello
        self.report = SessionReport()
        self._config = config
        self._channel = channel
        self._challenge = challenge
        self._wall_us = wall_us
        self._opened_s = now_s
        self._outbox = Outbox(now_s=now_s)
        self.liveness = Liveness(now_s=now_s)
        self._costly = Costly(now_s=now_s)
        self._pull = Pull(
            self._outbox, self.report, underway=config.underway, wake=wake, strikes=strikes
        )
        self._offers = Offers(self._outbox)
        self._areas = Areas(
            self._outbox,
            self._pull,
            self._offers,
            self.report,
            first_number=channel.role.value,
            answer_bytes=config.answer_bytes,
        )
        self._server = Server(self._outbox, self.report)
        self._gets = Gets(self._outbox, self.report)
        self._agreement = Agreement(config, channel, self._outbox)
        self._comparisons = Comparisons(channel.role)
        self._exchange = Exchange(self._outbox, config.card, now_s=now_s)
        self._agreed_on: Grants | None = None  # what was told last of what the peer may read
        self._is_paused = False

    @property
    def rtt_s(self) -> float | None:
        """How long the peer took to answer the last ping; None where it has not answered one on
        the present channel."""
        return self.liveness.rtt_s

    @property
    def shared(self) -> frozenset[NamespaceKey]:
        """The namespaces that both take part in."""
        return self._agreement.shared

    @property
    def readable(self) -> Grants:
        """What the peer may read here."""
        return self._agreement.readable

    @property
    def difference(self) -> Difference:
        """What either side is known to lack of the other's."""
        return self._areas.difference(is_due=self._comparisons.is_due)

    # --- inputs ------------------------------------------------------------------------------

    def open(self) -> list[Effect]:
        """The first frame; call once, when the channel stands."""
        return self._step(self._outbox.now_s, self._greet)

    def receive(self, data: bytes, *, now_s: float) -> list[Effect]:
        """One whole frame arrived."""
        is_of_blob = peek_kind(data) in BLOB_KINDS
        return self._step(now_s, lambda: self._hear(data), is_of_blob=is_of_blob)

    def answered(self, id: int, answer: object, *, now_s: float) -> list[Effect]:
        """The store answered a Query. Raises `LocalProtocolError` for one that was never asked."""
        is_of_blob = isinstance(answer, GivenRun)
        return self._step(now_s, lambda: self._outbox.answered(id, answer), is_of_blob=is_of_blob)

    def pause(self) -> None:
        """There is no channel: nobody can be silent, or owe an answer."""
        self._is_paused = True

    def unpause(self, *, now_s: float) -> None:
        """There is a channel again; all times begin anew."""
        self._is_paused = False
        self._opened_s = now_s
        self.liveness.move(now_s=now_s)

    def blame(self, fault: RemoteProtocolError, *, now_s: float) -> list[Effect]:
        """The peer broke a rule of what carries the session, or lied about a blob."""

        def raise_it() -> None:
            raise fault

        return self._step(now_s, raise_it)

    def hear_part(self, size: int, *, now_s: float) -> None:
        """So many bytes came since the last time, of frames or of a part of one."""
        self.liveness.hear_part(size, now_s=now_s)
        self._pull.asker.hear_part(size, now_s=now_s)

    def tick(self, *, now_s: float) -> list[Effect]:
        """Time passed; call about every second."""
        if self._is_paused:
            return []
        return self._step(now_s, self._keep_time)

    def appended(
        self, namespace: NamespaceKey, ids: Sequence[bytes], *, now_s: float
    ) -> list[Effect]:
        """The store has new entries, from whomever: the peer hears of those it wants and lacks."""

        def tell() -> None:
            self._pull.stored(namespace, ids)
            self._offers.announce(namespace, ids, self._areas.common)

        return self._step(now_s, tell)

    def go_on(self, *, now_s: float) -> list[Effect]:
        """What it waited for in another session has come, or will not."""
        return self._step(now_s, lambda: None)

    def lose(self) -> None:
        """The channel is gone, and nothing was said: others may be asked for what was under way."""
        self._pull.leave()

    def reconfigure(self, config: SessionConfig, *, now_s: float) -> list[Effect]:
        """This node joined or left a namespace, or was given a capability: the peer is shown anew.

        Only interests and read capabilities may differ. Raises `CrdtError` for a capability that is
        not valid. A comparison that runs is finished under what was shown when it began.
        """
        self._agreement.reconfigure(config)
        return self._step(now_s, lambda: None)

    def reconcile(self, *, now_s: float) -> list[Effect]:
        """Compares every common area once more; ends in `Synced`."""
        return self._step(now_s, self._reconcile)

    def ask(self, get: frames.Get, *, now_s: float) -> list[Effect]:
        """Asks for a piece of a blob; ends in `PieceCame`, or with the session."""
        assert self.state in (State.OPEN, State.CLOSED), "PeerAgreed tells when it is open"
        return self._step(now_s, lambda: self._gets.ask(get), is_of_blob=True)

    def exchange(self, work: Callable[[Exchange], None], *, now_s: float) -> list[Effect]:
        """The node's part of the exchange of cards: one of `Exchange.show`, `ask`, `give`."""
        return self._step(now_s, lambda: work(self._exchange))

    def leave(self, code: str, sentence: str, *, now_s: float, wait_s: int = 0) -> list[Effect]:
        """Ends the session with a reason the peer can show, and how long it should stay away."""
        return self._step(now_s, lambda: self._close(PeerLeft(code, sentence, wait_s=wait_s)))

    def count_bytes(self, *, received: int, sent: int) -> None:
        """What went over the wire, for the report."""
        self.report.received_bytes += received
        self.report.sent_bytes += sent

    # --- the one edge for errors -------------------------------------------------------------

    def _step(
        self, now_s: float, work: Callable[[], object], *, is_of_blob: bool = False
    ) -> list[Effect]:
        """Does `work`, then what follows from it; the peer's faults close the session here.

        Nothing else follows from a piece of a blob, of which there are thousands.
        """
        if self.state is State.CLOSED:
            return []
        self._outbox.now_s = now_s
        try:
            work()
            if self.state is State.OPEN and not is_of_blob:
                self._go_on()
        except RemoteProtocolError as fault:
            self._outbox.notify(PeerFault(fault.code, fault.sentence))
            self._close(fault)
        except PeerTimeout as silence:
            self._close(silence)
        return self._outbox.drain()

    def _close(self, reason: SyncError) -> None:
        self.state = State.CLOSED
        sentence = reason.sentence[: limits.SENTENCE_CHARACTERS_MAX]
        code = reason.code[: limits.AGENT_CHARACTERS_MAX]
        self._outbox.send(frames.Bye(code, sentence, min(reason.wait_s, limits.WAIT_S_MAX)))
        self._end(reason)

    def _end(self, reason: SyncError) -> None:
        self._pull.leave()
        self._outbox.close(reason)

    # --- frames ------------------------------------------------------------------------------

    def _hear(self, data: bytes) -> None:
        self.liveness.hear(now_s=self._outbox.now_s)
        frame = decode_frame(data)
        if frame is None:  # of a later version that can do without our answer
            self._take_control_token()
            return
        target = TRANSITIONS[self.state].get(type(frame))
        if target is None:
            name = type(frame).__name__
            raise RemoteProtocolError("out-of-order", f"a {name} came while {self.state.value}")
        self.state = target
        if not isinstance(frame, frames.Ping | frames.Pong):
            self.liveness.hear_useful(now_s=self._outbox.now_s)
        self._dispatch(frame)

    def _dispatch(self, frame: Frame) -> None:
        match frame:
            case frames.Hello():
                self._hello(frame)
            case frames.Present(capabilities=shown):
                # A signature for each link of each chain: 60 ms, where it is as long as may be.
                size = sum(len(one.capability) for one in shown)
                self._take_control_token(size // limits.PRESENTED_BYTES_A_TOKEN)
                self._agreement.hear_present(frame, self._challenge)
                self._agreed()
            case frames.Interests():
                self._take_control_token()
                self._interests(frame)
            case frames.Overlap():
                self._take_control_token()
                self._agreement.hear_overlap(frame)
                self._agreed()
            case frames.Bye(code=code, sentence=sentence, wait_s=wait_s):
                self._end(PeerLeft(code, sentence, wait_s=wait_s))
            case frames.Ping(number=number):
                self._take_control_token()
                self._outbox.send(frames.Pong(number))
            case frames.Pong():
                self._take_control_token()
                self.liveness.pong(frame, now_s=self._outbox.now_s)
            case frames.Reconcile():
                self._costly.take_reconciliation(now_s=self._outbox.now_s)
                self._comparisons.joined(self.report)
                self._pull.compare_again()
                self._areas.opened(frame)
            case frames.Ranges():
                self._areas.ranges(frame)
            case frames.Listed():
                self._areas.listed(frame)
            case frames.Compare():
                self._areas.compared(frame)
            case frames.Have():
                self._offers.learn(self._pull.announced(frame))
            case frames.Credit(ids=ids):
                self._offers.credit(ids)
            case frames.Want():
                self._offers.learn(self._server.want(frame))
            case frames.Entries():
                self._offers.learn(self._pull.take(frame))
            case frames.Get():
                self._server.get(frame)
            case frames.Part() | frames.Delta() | frames.Holding():
                self._gets.take(frame)
            case frames.OwnCard():
                self._take_control_token()
                self._exchange.own(frame)
            case frames.AskCards():
                self._exchange.asked(frame)
            case frames.Cards():
                self._exchange.take(frame)
            case _:
                assert_never(frame)

    def _greet(self) -> None:
        hello = greeting.make_hello(
            self._config,
            version=VERSION,
            challenge=self._challenge,
            wall_us=self._wall_us,
            overlap=self._agreement.names(),
        )
        self._outbox.send(hello)

    def _hello(self, hello: frames.Hello) -> None:
        config, channel = self._config, self._channel
        if hello.version < VERSION_MIN:
            raise RemoteProtocolError("version", f"the peer speaks version {hello.version} only")
        if channel.device == config.device.public:
            raise RemoteProtocolError("self", "the peer is this very device")
        self.author = greeting.check_hello(hello, channel.device, config.cache)
        self.secret = secret_of(channel, own=self._challenge, theirs=hello.challenge)
        ahead_us = hello.wall_us - self._wall_us
        who = PeerGreeted(channel.device, self.author, hello.agent, hello.addresses, ahead_us)
        self._outbox.notify(who)
        self._agreement.meet(hello)
        self._agreed()

    def _agreed(self) -> None:
        """What either may read, and what both want, may be another than before."""
        agreement = self._agreement
        self._server.readable = agreement.readable
        self._areas.agree(agreement.readable, agreement.common)
        self._pull.agree(Grants(agreement.common))
        if self.state is State.OPEN and agreement.readable != self._agreed_on:
            self._agreed_on = agreement.readable
            self._outbox.notify(PeerAgreed())

    def _interests(self, frame: frames.Interests) -> None:
        if self.liveness.rtt_s is None:  # before there is a queue that the pong would wait in
            self._outbox.send(self.liveness.ping(now_s=self._outbox.now_s))
        self._agreement.hear_interests(frame)
        self._agreed()
        self._comparisons.agreed(is_empty=not self._areas.common)

    def _take_control_token(self, more: int = 0) -> None:
        self._costly.take(more, now_s=self._outbox.now_s)

    # --- what follows ------------------------------------------------------------------------

    def _reconcile(self) -> None:
        if self.state is not State.OPEN:  # the first comparison is still to come
            return
        self._comparisons.began(self.report)
        self._pull.compare_again()
        if self._areas.is_idle:  # else what is under way is as good
            self._areas.plan(self._areas.common)

    def _go_on(self) -> None:
        """What one conversation waited for another to finish."""
        if self._agreement.is_changed:
            self._agreement.tell_change()
            self._agreed()
        self._exchange.advance()
        self._pull.advance()
        self._areas.advance()
        comparisons = self._comparisons
        is_wanted = comparisons.is_due or self._offers.has_overflowed
        if is_wanted and self._offers.is_idle and self._areas.is_idle:
            comparisons.is_due = self._offers.has_overflowed = False
            self._reconcile()
        is_over = self._areas.is_idle and self._pull.is_idle and not comparisons.is_due
        if comparisons.is_running and is_over:
            comparisons.ended(self.report, now_s=self._outbox.now_s)
            self._outbox.notify(Synced(self.report))

    def _keep_time(self) -> None:
        now_s = self._outbox.now_s
        if self.state is not State.OPEN and now_s - self._opened_s >= limits.GREETING_S:
            raise PeerTimeout("greeting", "the peer did not introduce itself in time")
        if (ping := self.liveness.tick(now_s=now_s)) is not None:
            self._outbox.send(ping)
        owed_s = [one.oldest_s for one in (self._pull, self._areas, self._offers, self._gets)]
        self.liveness.check_answers(owed_s, is_busy=self._pull.is_working, now_s=now_s)
        self._pull.look()
        if self._comparisons.is_time(now_s=now_s):
            self._reconcile()
