"""A session over one channel after another: nothing is lost, repeated or out of order."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2p.protocol import frames, limits
from p2p.protocol.config import Role
from p2p.protocol.errors import LocalProtocolError, PeerLeft, PeerTimeout, RemoteProtocolError
from p2p.protocol.frames import decode_frame, encode_frame
from p2p.protocol.link import (
    Link,
    Refused,
    decode_link_frame,
    proof_of,
    session_id,
    session_secret,
)
from p2p.protocol.link_frames import Ack, NotResumed, Resume, Resumed

SECRET = session_secret(bytes(32), initiators=b"a" * 32, responders=b"b" * 32)
GONE = PeerLeft("connection-lost", "It is gone.")


def ping(number: int) -> bytes:
    return encode_frame(frames.Ping(number))


@dataclass(eq=False)
class Wire:
    """A channel: what is on its way to each end, and which ends have let go of it."""

    number: int
    caller: "Side | None"
    to: dict[str, deque[bytes]]
    open_at: set[str]
    greeted: bool = False  # the called end has read the first frame

    @property
    def hash(self) -> bytes:
        return self.number.to_bytes(32, "big")


@dataclass(eq=False)
class Side:
    """One end of a session, and a shell as simple as can be."""

    name: str
    link: Link
    said: list[bytes] = field(default_factory=list[bytes])
    heard: list[bytes] = field(default_factory=list[bytes])


class World:
    """Alice called Bob. She has the smaller device key."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.alice = Side("alice", Link(0, Role.INITIATOR, is_smaller=True, now_s=0.0))
        self.bob = Side("bob", Link(0, Role.RESPONDER, is_smaller=False, now_s=0.0))
        for side in (self.alice, self.bob):
            side.link.agree(SECRET)
        self.wires: list[Wire] = []
        self.wire(None).greeted = True

    def wire(self, caller: Side | None) -> Wire:
        names = {"alice", "bob"}
        wire = Wire(len(self.wires), caller, {name: deque() for name in names}, names)
        self.wires.append(wire)
        return wire

    def other(self, side: Side) -> Side:
        return self.bob if side is self.alice else self.alice

    def say(self, side: Side) -> None:
        frame = ping(len(side.said))
        side.said.append(frame)
        side.link.put(frame)

    def write(self, side: Side) -> None:
        """What the link wants on its way, if the carrier still takes it."""
        current = side.link.current
        if current is not None:
            self.put(side, self.wires[current], *side.link.take())

    def put(self, side: Side, wire: Wire, *data: bytes) -> None:
        if wire.open_at == {"alice", "bob"}:
            wire.to[self.other(side).name].extend(data)

    def read(self, side: Side, wire: Wire) -> None:
        """One frame, or the end."""
        if side.name not in wire.open_at:
            return
        link, arriving = side.link, wire.to[side.name]
        if wire.number == link.current and link.moving is not None:
            return  # held
        if not arriving:
            if len(wire.open_at) < 2:
                link.lost(wire.number, GONE, now_s=self.now_s)
        elif not wire.greeted and wire.caller is not side:
            self.greet(side, wire, arriving.popleft())
        else:
            frame = link.hear(wire.number, arriving.popleft(), now_s=self.now_s)
            side.heard.extend([frame] if frame is not None else [])
        self.let_go(side)

    def greet(self, side: Side, wire: Wire, first: bytes) -> None:
        wire.greeted = True
        frame = decode_link_frame(first)
        assert isinstance(frame, Resume)
        try:
            answer = side.link.hear_resume(wire.number, wire.hash, frame, now_s=self.now_s)
        except Refused as refused:
            self.put(side, wire, refused.frame())
        else:
            self.put(side, wire, answer)

    def let_go(self, side: Side) -> None:
        """As a shell does: what the link does not speak of is closed; what is on its way stays."""
        for wire in self.wires:
            is_arriving = not wire.greeted and wire.caller is not side
            if not is_arriving and wire.number not in (side.link.current, side.link.moving):
                wire.open_at.discard(side.name)

    def move(self, side: Side) -> None:
        if side.link.moving is None and side.link.is_resumable:
            wire = self.wire(side)
            resume = side.link.resume_on(wire.number, wire.hash, now_s=self.now_s)
            self.put(side, wire, resume)

    def cut(self, wire: Wire, *, lost: bool) -> None:
        """The carrier ends; `lost`: with all that was on its way."""
        if lost:
            for arriving in wire.to.values():
                arriving.clear()
        wire.open_at.clear()
        for side in (self.alice, self.bob):
            if not wire.to[side.name]:
                side.link.lost(wire.number, GONE, now_s=self.now_s)
            else:
                wire.open_at.add(side.name)  # it reads what is there, then the end

    def tick(self, seconds: float) -> None:
        self.now_s += seconds
        for side in (self.alice, self.bob):
            ack = side.link.tick(now_s=self.now_s)
            if ack is not None and side.link.current is not None:
                self.put(side, self.wires[side.link.current], ack)
            self.let_go(side)

    def settle(self) -> None:
        """Everything is written and read; who is adrift moves, alice first."""
        for _ in range(200):
            for side in (self.alice, self.bob):
                self.write(side)
                for wire in list(self.wires):
                    while wire.to[side.name] and side.name in wire.open_at:
                        before = len(wire.to[side.name])
                        self.read(side, wire)
                        if len(wire.to[side.name]) == before:
                            break
                    self.read(side, wire)
            if self.is_quiet():
                return
            if self.alice.link.is_adrift:
                self.move(self.alice)
            self.tick(1.0)
        raise AssertionError("the two never come to rest")

    def is_quiet(self) -> bool:
        links = self.alice.link, self.bob.link
        return (
            links[0].current == links[1].current is not None
            and all(link.moving is None for link in links)
            and self.alice.heard == self.bob.said
            and self.bob.heard == self.alice.said
        )


OPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "write", "read", "move", "cut", "tick"]),
        st.booleans(),
        st.integers(0, 5),
    ),
    max_size=60,
)


def play(world: World, ops: Sequence[tuple[str, bool, int]]) -> None:
    for what, is_alice, number in ops:
        side = world.alice if is_alice else world.bob
        wire = world.wires[-1 - number % min(3, len(world.wires))]
        match what:
            case "say":
                for _ in range(number):
                    world.say(side)
            case "write":
                world.write(side)
            case "read":
                for _ in range(number):
                    world.read(side, wire)
            case "move":
                world.move(side)
            case "cut":
                world.cut(wire, lost=number < 3)
            case _:
                world.tick(float(number))
        for one in (world.alice, world.bob):
            assert one.heard == world.other(one).said[: len(one.heard)]
            if one.link.ended is not None:
                return


@settings(max_examples=1_000, deadline=None)
@given(OPS)
def test_nothing_is_lost_repeated_or_out_of_order(ops: Sequence[tuple[str, bool, int]]) -> None:
    """Cuts anywhere, moves from both sides at once, moves during moves."""
    world = World()
    play(world, ops)
    if world.alice.link.ended is None and world.bob.link.ended is None:
        world.settle()


def test_a_move_that_comes_after_more_was_told_elsewhere_is_no_lie() -> None:
    """Its caller gave it up, and went on over the old channel; nobody is to blame."""
    world = World()
    world.say(world.bob)
    world.write(world.bob)
    world.move(world.alice)
    world.cut(world.wires[1], lost=False)
    world.read(world.alice, world.wires[0])
    world.tick(limits.RESUME_S)
    world.settle()
    assert world.bob.link.ended is world.alice.link.ended is None


def test_of_two_moves_at_once_the_smaller_keys_stands() -> None:
    world = World()
    world.say(world.alice)
    world.write(world.alice)
    world.move(world.bob)
    world.move(world.alice)
    world.settle()
    assert world.alice.link.current == world.bob.link.current == 2
    assert [side.link.moves for side in (world.alice, world.bob)] == [1, 1]


def test_what_was_under_way_is_sent_again_and_what_had_come_is_not() -> None:
    world = World()
    for _ in range(10):
        world.say(world.alice)
    world.write(world.alice)
    for _ in range(4):
        world.read(world.bob, world.wires[0])
    world.cut(world.wires[0], lost=True)
    assert world.alice.link.is_adrift
    world.settle()
    assert world.bob.heard == world.alice.said
    assert world.alice.link.resent_bytes == sum(map(len, world.alice.said[4:]))


def test_a_move_that_fails_leaves_the_old_channel_as_it_was() -> None:
    world = World()
    world.move(world.alice)
    world.say(world.bob)
    world.write(world.bob)
    world.read(world.alice, world.wires[0])
    assert world.alice.heard == []  # held, for its count is told
    world.wires[1].to["bob"].clear()  # nobody ever answers
    world.tick(limits.RESUME_S)
    world.read(world.alice, world.wires[0])
    assert world.alice.heard == world.bob.said
    world.settle()


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────


def test_whoever_gets_no_acknowledgement_waits() -> None:
    link = Link(0, Role.INITIATOR, is_smaller=True, now_s=0.0)
    link.agree(SECRET)
    frame = bytes(limits.MEBIBYTE // 2)
    for _ in range(20):
        link.put(frame)
    assert len(link.take()) == limits.KEPT_BYTES_FIRST // len(frame) == 1
    assert link.take() == []
    for count in range(1, 11):  # who takes much is sent much at once
        link.hear(0, encode_frame(Ack(count)), now_s=0.0)
        at_once = min(limits.KEPT_BYTES_MAX, limits.KEPT_BYTES_FIRST + count * len(frame))
        link.take()
        assert link.kept_bytes - link.unsent_bytes == at_once
    assert link.kept_bytes == 10 * len(frame)


def test_whoever_acknowledges_nothing_for_long_is_left() -> None:
    world = World()
    world.alice.link.put(bytes(limits.KEPT_BYTES_FIRST))
    world.say(world.bob)
    for _ in range(int(limits.ANSWER_S)):
        world.say(world.bob)
        world.alice.link.take()
        for side in (world.alice, world.bob):
            world.write(side)
        world.wires[0].to["bob"].clear()  # he reads nothing; he speaks, though
        while world.wires[0].to["alice"]:
            world.read(world.alice, world.wires[0])
        assert world.alice.link.ended is None
        world.now_s += 1.0
        world.alice.link.tick(now_s=world.now_s)
    assert world.alice.link.ended is not None
    assert world.alice.link.ended.code == "unread"


def test_what_came_is_acknowledged_by_bytes_and_by_time() -> None:
    link = Link(0, Role.INITIATOR, is_smaller=True, now_s=0.0)
    long = b"\x82\x08\x01" + bytes(limits.ACK_BYTES)
    assert link.tick(now_s=1.0) is None
    link.hear(0, b"\x82\x08\x01", now_s=1.0)
    assert link.take() == []
    assert link.tick(now_s=2.0) == encode_frame(Ack(1))
    assert link.tick(now_s=3.0) is None
    link.hear(0, long, now_s=3.0)
    assert link.take() == [encode_frame(Ack(2))]
    assert link.take() == []


def test_what_comes_later_is_acknowledged_less_often() -> None:
    """ACK_BYTES_MAX, once the other side may keep KEPT_BYTES_MAX."""
    link = Link(0, Role.INITIATOR, is_smaller=True, now_s=0.0)
    part = b"\x82\x08\x01" + bytes(limits.ACK_BYTES)
    told: list[int] = []
    for number in range(1, 21):
        link.hear(0, part, now_s=1.0)
        told += [number for _ in link.take()]
    early = -(-limits.KEPT_BYTES_MAX // len(part))
    assert told == [*range(1, early + 1), *range(early + 2, 21, 2)]


def test_half_as_much_is_acknowledged_with_what_is_sent_anyhow() -> None:
    link = Link(0, Role.INITIATOR, is_smaller=True, now_s=0.0)
    half = b"\x82\x08\x01" + bytes(limits.ACK_BYTES // 2)
    link.hear(0, half, now_s=1.0)
    assert link.take() == []
    link.put(b"next")
    assert link.take() == [encode_frame(Ack(1)), b"next"]
    link.put(b"last")
    assert link.take() == [b"last"]


def test_whoever_takes_some_of_a_long_frame_is_not_left_for_acknowledging_nothing_yet() -> None:
    world = World()
    link = world.alice.link
    link.put(bytes(2 * limits.KEPT_BYTES_FIRST))
    link.take()
    for _ in range(5 * int(limits.ANSWER_S)):
        world.now_s += 1.0
        link.hear_part(0, now_s=world.now_s)  # pings
        if world.now_s % (limits.ANSWER_S - 1) < 1:
            link.took_some(now_s=world.now_s)
        link.tick(now_s=world.now_s)
        assert link.ended is None


def test_silence_ends_the_channel_and_only_later_the_session() -> None:
    world = World()
    world.tick(limits.DEAD_AFTER_S)
    link = world.alice.link
    assert link.is_adrift
    world.tick(limits.LINGER_S - 1)
    assert link.is_adrift
    world.tick(1)
    assert isinstance(link.ended, PeerLeft)
    assert link.ended.code == "silent"
    with pytest.raises(LocalProtocolError):
        link.resume_on(7, bytes(32), now_s=world.now_s)


def test_before_both_said_hello_a_channel_that_is_lost_is_the_end() -> None:
    link = Link(0, Role.INITIATOR, is_smaller=True, now_s=0.0)
    why = PeerTimeout("unread", "It reads nothing.")
    link.lost(0, why, now_s=0.0)
    assert link.ended is why


def test_a_channel_that_is_none_of_the_sessions_says_nothing() -> None:
    link = World().alice.link
    assert link.hear(9, ping(1), now_s=0.0) is None
    link.lost(9, GONE, now_s=0.0)
    assert link.current == 0


# ── lies ─────────────────────────────────────────────────────────────────────────────────────────


def resume(
    link: Link, *, secret: bytes = SECRET, hash: bytes = bytes(32), count: int = 0, of: str = ""
) -> bytes:
    role = Role.INITIATOR if of == "itself" else Role.RESPONDER
    proof = proof_of(secret, role, 42, hash, count)
    return link.hear_resume(7, bytes(32), Resume(session_id(SECRET), count, proof), now_s=0.0)


def alices() -> Link:
    world = World()
    for _ in range(3):
        world.say(world.alice)
    world.write(world.alice)
    return world.alice.link


@pytest.mark.parametrize(
    ("secret", "hash", "of"),
    [
        (bytes(32), bytes(32), ""),
        (SECRET, b"\1" * 32, ""),  # heard on another channel
        (SECRET, bytes(32), "itself"),  # sent back to who said it
    ],
)
def test_who_cannot_prove_that_it_was_there_moves_nothing(
    secret: bytes, hash: bytes, of: str
) -> None:
    link = alices()
    with pytest.raises(RemoteProtocolError) as failed:
        resume(link, secret=secret, hash=hash, of=of)
    assert failed.value.code == "link-proof"
    assert (link.current, link.ended) == (0, None)


@pytest.mark.parametrize("count", [4, 1 << 53])
def test_who_counts_what_was_never_sent_ends_the_session(count: int) -> None:
    link = alices()
    with pytest.raises(RemoteProtocolError) as failed:
        resume(link, count=count)
    assert failed.value.code == "link-count"
    assert link.ended is failed.value


def test_acknowledgements_neither_run_ahead_nor_go_back() -> None:
    link = alices()
    assert link.hear(0, encode_frame(Ack(2)), now_s=0.0) is None
    for count in (1, 4):
        with pytest.raises(RemoteProtocolError, match="frames are acknowledged"):
            link.hear(0, encode_frame(Ack(count)), now_s=0.0)


def test_acknowledgements_that_say_nothing_new_are_a_flood() -> None:
    link, again = alices(), encode_frame(Ack(2))
    for _ in range(1 + int(limits.CONTROL_FRAMES_BURST)):
        assert link.hear(0, again, now_s=0.0) is None
    with pytest.raises(RemoteProtocolError) as failed:
        link.hear(0, again, now_s=0.0)
    assert failed.value.code == "flood"
    assert link.hear(0, again, now_s=1.0) is None, "a few are borne"


def test_as_many_acknowledgements_as_there_are_frames_are_none() -> None:
    link = Link(0, Role.INITIATOR, is_smaller=True, now_s=0.0)
    for count in range(1, 4 * int(limits.CONTROL_FRAMES_BURST)):
        link.put(b"frame")
        link.take()
        assert link.hear(0, encode_frame(Ack(count)), now_s=0.0) is None
    assert link.kept_bytes == 0


def test_an_answer_that_does_not_know_the_secret_is_a_lie() -> None:
    link = alices()
    link.resume_on(7, bytes(32), now_s=0.0)
    for frame in (
        Resumed(0, bytes(32)),
        Resumed(0, proof_of(SECRET, Role.INITIATOR, 44, bytes(32), 0)),
    ):
        with pytest.raises(RemoteProtocolError) as failed:
            link.hear(7, encode_frame(frame), now_s=0.0)
        assert failed.value.code == "link-proof"


@pytest.mark.parametrize(
    "frame", [Resume(bytes(16), 0, bytes(32)), Resumed(0, bytes(32)), NotResumed("x", "y")]
)
def test_what_belongs_at_the_beginning_of_a_channel_is_not_said_amid_it(frame: Resume) -> None:
    with pytest.raises(RemoteProtocolError) as failed:
        alices().hear(0, encode_frame(frame), now_s=0.0)
    assert failed.value.code == "out-of-order"


def test_another_session_and_one_that_has_ended_are_unknown() -> None:
    link = alices()
    with pytest.raises(Refused, match="No such session"):
        link.hear_resume(7, bytes(32), Resume(bytes(16), 0, bytes(32)), now_s=0.0)
    link.end(PeerLeft("test", "Good night."))
    with pytest.raises(Refused, match="No such session") as refused:
        resume(link)
    said = decode_link_frame(refused.value.frame())
    assert isinstance(said, NotResumed)
    assert said.code == "unknown-session"


@pytest.mark.parametrize("is_adrift", [True, False])
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (NotResumed("unknown-session", "Who?"), "session-lost"),
        (NotResumed("busy", "Not now."), None),
        (frames.Bye("refused-for-now", "Go away.", 7), "refused-for-now"),
    ],
)
def test_a_refusal(answer: NotResumed, code: str | None, is_adrift: bool) -> None:
    """Whoever has another channel still hears there why; else that was the end."""
    link = alices()
    if is_adrift:
        link.lost(0, GONE, now_s=0.0)
    link.resume_on(7, bytes(32), now_s=0.0)
    link.hear(7, encode_frame(answer), now_s=0.0)
    assert link.moving is None
    assert link.current == (None if is_adrift else 0)
    assert (link.ended.code if link.ended else None) == (code if is_adrift else None)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    link = alices()
    for channel in (0, 7):
        try:
            link.hear(channel, data, now_s=0.0)
            decode_frame(data)
            link.resume_on(7, bytes(32), now_s=0.0)
        except RemoteProtocolError:
            pass
