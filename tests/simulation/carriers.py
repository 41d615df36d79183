"""A network whose carriers die: production sessions, each over a production `Link`.

A session is lost only where both ends forget it; a *carrier* is what it goes over. Carriers die
with all that is on its way, or stand still and nobody is told, or are left for a new one while they
are well; either end opens the next one, or both at once. What is at stake: every frame that a
session says is heard by the other end once and in order, whatever carries it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from p2p.protocol.config import Role
from p2p.protocol.errors import PeerLeft, RemoteProtocolError, SyncError
from p2p.protocol.link import UNKNOWN, Link, Refused, decode_link_frame
from p2p.protocol.link_frames import Resume
from p2p.protocol.states import State
from tests.simulation.network import SLOW_FRAME_S, End, Network, Node

LOOK_S = 1.0  # on the average, between two looks of a node for a way to a peer without a carrier
GONE = PeerLeft("connection-lost", "The connection was lost.")


@dataclass(eq=False)
class Carrier:
    """Between two ends of one session; `number` is what either of them calls it."""

    hash: bytes
    ends: tuple[End, End]
    number: dict[End, int] = field(default_factory=dict[End, int])
    arrives_s: dict[End, float] = field(default_factory=dict[End, float])
    is_cut: bool = False
    is_stuck: bool = False

    def other(self, end: End) -> End:
        return self.ends[1] if end is self.ends[0] else self.ends[0]


@dataclass(eq=False)
class Moving:
    """One end: what `p2p.transport.linked` is to a daemon."""

    link: Link
    carriers: dict[int, Carrier] = field(default_factory=dict[int, Carrier])
    count: int = 0  # of carriers, ever
    said: list[bytes] = field(default_factory=list[bytes])
    heard: int = 0  # frames of the session
    shown: int | None = 0
    urgent: list[bytes] = field(default_factory=list[bytes])
    held: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])


class CarrierNetwork(Network):
    """Sessions that move, and what can befall that over which they go."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.moving: dict[End, Moving] = {}
        self.moves = self.resent_bytes = self.lost_sessions = 0

    # --- what goes wrong -----------------------------------------------------------------------

    def live_carriers(self) -> Sequence[Carrier]:
        """Those that carry a session, as far as one of its ends knows."""
        found = {
            one.carriers[one.link.current]: None
            for end, one in self.moving.items()
            if not end.is_cut and one.link.current is not None
        }
        return [one for one in found if not one.is_cut]

    def kill(self, carrier: Carrier) -> None:
        """With what is on its way; each end hears of it in its own time."""
        carrier.is_cut = True
        for end in carrier.ends:
            self.after(self.random.expovariate(1.0), partial(self._lose, end, carrier))

    def move(self, end: End) -> None:
        """This end opens another carrier, whatever it has, if the link lets it."""
        one, other = self.moving[end], end.other
        if end.is_cut or other is None or not one.link.is_resumable or one.link.moving is not None:
            return
        is_apart = self._pair(end.node, other.node) in self._apart
        if is_apart or not (end.node.is_up and other.node.is_up):
            return
        carrier = Carrier(self.random.randbytes(32), (end, other))
        number = self._add(end, carrier)
        resume = one.link.resume_on(number, carrier.hash, now_s=self.now_s)
        self._follow(end)
        self._transmit(carrier, end, resume)

    # --- of `Network` --------------------------------------------------------------------------

    def cut(self, end: End) -> None:
        """A crash: the other end loses a carrier, and hears later that the session is unknown."""
        self._drop(end)

    def part(self, source: Node, target: Node) -> None:
        """No carrier leads from one to the other until `join`."""
        self._apart.add(self._pair(source, target))
        for carrier in self.live_carriers():
            if {end.node for end in carrier.ends} == {source, target}:
                self.kill(carrier)

    def _end(self, node: Node, other: Node, role: Role, handshake_hash: bytes) -> End:
        end = super()._end(node, other, role, handshake_hash)
        is_smaller = node.person.device_key < other.person.device_key
        link = Link(0, role, is_smaller=is_smaller, now_s=self.now_s)
        self.moving[end] = Moving(link)
        self.after(self.random.expovariate(1 / LOOK_S), partial(self._look, end))
        return end

    def deliver_bytes(self, end: End, data: bytes) -> None:
        self.trace.update(b"%.6f %d %s" % (self.now_s, self.nodes.index(end.node), data))
        one = self.moving[end]
        if not one.count:
            self._first_carrier(end)
        one.said.append(data)
        one.link.put(data)
        self._write(end)

    async def _tick(self, end: End) -> None:
        if end.is_cut:
            return
        one = self.moving[end]
        if (ack := one.link.tick(now_s=self.now_s)) is not None:
            one.urgent.append(ack)
        self._follow(end)
        self._write(end)
        await super()._tick(end)

    def _close(self, end: End, reason: SyncError) -> None:
        """What was said before still arrives; then the other end is without this carrier."""
        end.reason = reason
        if isinstance(reason, RemoteProtocolError):
            self.faults.append((end, reason))
        one = self.moving[end]
        one.link.end(reason)
        self._drop(end)

    def _drop(self, end: End) -> None:
        was_there = not end.is_cut
        super()._drop(end)
        if was_there:
            one = self.moving[end]
            self.lost_sessions += 1
            for carrier in one.carriers.values():
                other = carrier.other(end)
                at_s = max(self.now_s, carrier.arrives_s.get(other, 0.0))
                self.at(at_s, partial(self._lose, other, carrier))

    # -------------------------------------------------------------------------------------------

    def _first_carrier(self, end: End) -> None:
        """What the session began on, with the same number at either end."""
        other = end.other
        assert other is not None
        carrier = Carrier(b"", (end, other))
        for each in (end, other):
            self._add(each, carrier)

    def _add(self, end: End, carrier: Carrier) -> int:
        one = self.moving[end]
        number = carrier.number[end] = one.count
        one.carriers[number] = carrier
        one.count += 1
        return number

    def _write(self, end: End) -> None:
        one = self.moving[end]
        if end.is_cut or one.link.current is None or one.link.moving is not None:
            return
        carrier = one.carriers[one.link.current]
        frames, one.urgent = [*one.urgent, *one.link.take()], []
        for data in frames:
            self._transmit(carrier, end, data)

    def _transmit(self, carrier: Carrier, source: End, data: bytes) -> None:
        target = carrier.other(source)
        delay_s = self.random.expovariate(1 / SLOW_FRAME_S)
        arrives_s = max(carrier.arrives_s.get(target, 0.0), self.now_s + delay_s)
        carrier.arrives_s[target] = arrives_s

        async def arrive() -> None:
            if not carrier.is_cut and not carrier.is_stuck:
                self._arrive(target, carrier, data)

        self.at(arrives_s, arrive)

    def _arrive(self, end: End, carrier: Carrier, data: bytes) -> None:
        one = self.moving[end]
        number = carrier.number.get(end)
        if number is None:
            self._arrive_first(end, carrier, data)
        elif end.is_cut:
            return
        elif number == one.link.current and one.link.moving is not None:
            one.held.append((number, data))  # its count is told: nothing is read before the answer
        else:
            self._hear(end, number, data)

    def _arrive_first(self, end: End, carrier: Carrier, data: bytes) -> None:
        """Somebody moves the session to this carrier."""
        one, frame = self.moving[end], decode_link_frame(data)
        assert isinstance(frame, Resume)
        number = self._add(end, carrier)
        try:
            if end.is_cut or not end.node.is_up:
                raise Refused(UNKNOWN, "No such session goes on here.")
            answer = one.link.hear_resume(number, carrier.hash, frame, now_s=self.now_s)
        except Refused as refused:
            del one.carriers[number]
            self._transmit(carrier, end, refused.frame())
            at_s = carrier.arrives_s[carrier.other(end)]
            self.at(at_s, partial(self._lose, carrier.other(end), carrier))
            return
        self._follow(end)
        one.urgent.insert(0, answer)
        self._write(end)

    def _hear(self, end: End, number: int, data: bytes) -> None:
        one, other = self.moving[end], end.other
        heard = one.link.hear(number, data, now_s=self.now_s)
        if heard is not None:
            assert other is not None
            said = self.moving[other].said
            assert one.heard < len(said), "nobody said that"
            assert heard == said[one.heard], "a frame is lost, repeated or out of order"
            one.heard += 1
            end.session.count_bytes(received=len(heard), sent=0)
            self.carry_out(end, end.session.receive(heard, now_s=self.now_s))
            if end.session.state is State.OPEN and not one.link.is_resumable:
                assert end.session.secret is not None
                one.link.agree(end.session.secret)
        self._follow(end)
        self._write(end)

    def _follow(self, end: End) -> None:
        """Carriers that the link does not speak of are closed; the session hears of a change."""
        one, link = self.moving[end], self.moving[end].link
        if end.is_cut:
            return
        if link.ended is not None:
            self._close(end, link.ended)
            return
        for number in [each for each in one.carriers if each not in (link.current, link.moving)]:
            carrier = one.carriers.pop(number)
            carrier.is_cut = True
            heard_s = self.random.expovariate(1 / SLOW_FRAME_S)
            self.after(heard_s, partial(self._lose, carrier.other(end), carrier))
        if link.current != one.shown:
            one.shown = link.current
            one.urgent.clear()
            if link.current is None:
                end.session.pause()
            else:
                end.session.unpause(now_s=self.now_s)
        self.moves += link.moves - end.session.report.moves
        self.resent_bytes += link.resent_bytes - end.session.report.resent_bytes
        end.session.report.moves, end.session.report.resent_bytes = link.moves, link.resent_bytes
        if link.moving is None and one.held:
            held, one.held = one.held, []
            for number, data in held:
                if number == link.current and not end.is_cut:
                    self._hear(end, number, data)

    async def _lose(self, end: End, carrier: Carrier) -> None:
        """This end hears that the carrier is gone."""
        number = carrier.number.get(end)
        if number is None or end.is_cut:
            return
        self.moving[end].link.lost(number, GONE, now_s=self.now_s)
        self._follow(end)

    async def _look(self, end: End) -> None:
        """A session without a carrier looks for one."""
        if end.is_cut:
            return
        if self.moving[end].link.is_adrift:
            self.move(end)
        self.after(self.random.expovariate(1 / LOOK_S), partial(self._look, end))
