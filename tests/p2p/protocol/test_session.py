"""Two sessions to the end, one against the clock, and one against a peer that says anything."""

import time
from collections.abc import Iterator
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt import cbor
from p2p.protocol import limits
from p2p.protocol.config import Role
from p2p.protocol.effects import PeerFault, PeerGreeted, Synced
from p2p.protocol.errors import LocalProtocolError, PeerLeft, PeerTimeout, RemoteProtocolError
from p2p.protocol.frames import (
    FRAMES,
    Bye,
    Compare,
    Credit,
    Frame,
    Have,
    Hello,
    Interests,
    Listed,
    Ping,
    Pong,
    Present,
    Reconcile,
    encode_frame,
)
from p2p.protocol.pull import TOO_MANY_REVOKED
from p2p.protocol.states import State
from tests.p2p.protocol.conversation import EVERYTHING_WANTED, Line, Talk, bobs_hello, entries_of
from tests.p2p.protocol.test_states import ONE_OF_EACH
from tests.simulation.people import ALICE, BOB

POOL = entries_of(1, 300)


# --- two of them ---------------------------------------------------------------------------------

members = st.sets(st.integers(0, len(POOL) - 1))
sizes = st.sampled_from([0, 600, 4 << 10, 32 << 10, 1 << 30])


@settings(deadline=None, max_examples=80)
@given(members, members, sizes, sizes, st.integers(0, 1 << 32))
def test_two_sessions_end_with_equal_sets(
    left: set[int], right: set[int], alices_bytes: int, bobs_bytes: int, seed: int
) -> None:
    """Whatever they hold, however long their frames, whoever's store is slow."""
    talk = Talk(
        [POOL[i] for i in left],
        [POOL[i] for i in right],
        alices=ALICE.config(answer_bytes=alices_bytes),
        bobs=BOB.config(answer_bytes=bobs_bytes),
        seed=seed,
    ).settle()
    assert talk.is_equal
    assert len(talk.alice.store.ids_held()) == len(left | right)
    assert len(talk.alice.heard(Synced)) == 1
    for side in (talk.alice, talk.bob):
        assert side.heard(Synced)
        assert side.session.report.areas_different == 0
        assert 1 <= side.session.report.rounds <= 8 + (len(left) + len(right)) // 2
        assert not [frame for frame in side.sent if isinstance(frame, Bye)]
        assert all(type(event) is not PeerFault for event in side.events)
    assert talk.alice.session.report.rounds == talk.bob.session.report.rounds


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1 << 32), st.lists(st.integers(1, 20), max_size=6))
def test_what_is_written_while_they_talk_arrives_as_well(seed: int, counts: list[int]) -> None:
    random = Random(seed)
    talk = Talk(POOL[:100], POOL[50:150], seed=seed)
    for number, count in enumerate(counts):
        side = random.choice([talk.alice, talk.bob])
        talk.write(side, entries_of(1_000 + number, count))
        talk.settle()
    talk.settle().wait(limits.RETRY_S)
    assert talk.is_equal


def test_what_no_announcement_reached_is_found_ten_minutes_later() -> None:
    talk = Talk().settle()
    talk.bob.store.add(POOL[:3])  # and the session hears nothing of it
    elapsed_s = 0.0
    while elapsed_s < limits.RECONCILE_EVERY_S:
        assert not talk.is_equal
        talk.wait(4.0)
        elapsed_s += 4.0
    assert talk.is_equal


def test_an_area_that_changed_meanwhile_is_compared_again_soon_but_not_for_ever() -> None:
    """RETRIES_MAX, RETRY_S apart: the peer's fingerprint is never the same as ours."""
    line = Line(role=Role.INITIATOR)
    opened = 0
    for _ in range(60):
        queue = [frame for frame in line.sent if isinstance(frame, Reconcile)][opened:]
        opened += len(queue)
        for frame in queue:
            line.say(Listed(frame.number), Compare(frame.number, 1, b"?" * 16))
        line.tick(1.0)
        line.say(Pong(0))
    assert opened == 2 * (1 + limits.RETRIES_MAX)


def test_an_entry_that_is_refused_is_no_reason_to_compare_again() -> None:
    talk = Talk([], POOL[:5])
    talk.alice.store.refuses = {POOL[0].id[:16]}
    talk.settle().wait(limits.RETRY_S).wait(limits.RETRY_S)
    assert len(talk.alice.frames(Reconcile)) == 2
    assert talk.alice.session.report.refused == {"bad-signature": 1}


def test_a_comparison_that_lacks_no_more_than_what_revoked_keys_wrote_is_done() -> None:
    """Though all of it is asked for, and refused."""
    talk = Talk(POOL[:10], POOL[:50])
    talk.alice.store.refuses = {one.id[:16] for one in POOL[10:40]}
    talk.alice.store.refuses_with = TOO_MANY_REVOKED
    talk.settle().wait(limits.RETRY_S).wait(limits.RETRY_S)
    report = talk.alice.session.report
    assert report.refused == {TOO_MANY_REVOKED: 30}
    assert (report.entries_kept_out, report.areas_different, report.entries_received) == (30, 0, 10)
    assert len(talk.alice.frames(Reconcile)) == 2


def test_what_is_kept_out_is_not_asked_for_and_the_areas_count_as_equal() -> None:
    """Alice has no room for some of what Bob holds; he still gets all that he lacks."""
    talk = Talk(POOL[40:60], POOL[:50])
    talk.alice.store.keeps_out = {one.id[:16] for one in POOL[:30]}
    talk.settle().wait(limits.RETRY_S).wait(limits.RETRY_S)
    report = talk.alice.session.report
    assert talk.alice.store.ids_held() == {one.id[:16] for one in POOL[30:60]}
    assert talk.bob.store.ids_held() == {one.id[:16] for one in POOL[:60]}
    assert len(talk.alice.frames(Reconcile)) == 2
    assert (report.entries_kept_out, report.areas_different, report.refused) == (30, 0, {})
    talk.do(talk.alice, talk.alice.session.reconcile(now_s=0.0))
    talk.settle()
    assert (report.entries_kept_out, report.entries_received) == (30, 10)


def test_who_keeps_much_out_compares_less_often() -> None:
    """KEPT_OUT_IDS put it off by RECONCILE_EVERY_S, up to RECONCILE_LATEST_S."""
    every_s, ids = limits.RECONCILE_EVERY_S, limits.KEPT_OUT_IDS
    assert limits.reconcile_after_s(0) == limits.reconcile_after_s(ids - 1) == every_s
    assert limits.reconcile_after_s(2 * ids) == 3 * every_s
    assert limits.reconcile_after_s(1_000_000) == limits.RECONCILE_LATEST_S


def test_compared_once_more_when_somebody_asks() -> None:
    talk = Talk().settle()
    talk.bob.store.add(POOL[:3])
    talk.do(talk.alice, talk.alice.session.reconcile(now_s=0.0))
    assert talk.settle().is_equal
    assert len(talk.alice.heard(Synced)) == 2


# --- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.GREETING, State.PRESENTING, State.AGREEING])
def test_a_peer_that_does_not_introduce_itself_in_time(state: State) -> None:
    line = Line(state)
    for _ in range(int(limits.GREETING_S)):
        assert line.reason is None
        line.tick(1.0)
    assert isinstance(line.reason, PeerTimeout)
    assert line.reason.code == "greeting"


def test_half_open_is_noticed_within_fifteen_seconds() -> None:
    line = Line()
    said = [frame for _ in range(15) for frame in line.tick(1.0)]
    assert [type(frame) for frame in said] == [Ping, Ping, Bye]
    assert isinstance(line.reason, PeerTimeout)
    assert line.reason.code == "silent"
    assert line.now_s == limits.DEAD_AFTER_S


def test_two_idle_sessions_keep_each_other_alive() -> None:
    talk = Talk().settle()
    for _ in range(100):
        talk.wait(1.0)
    assert talk.alice.session.state is talk.bob.session.state is State.OPEN
    assert len(talk.alice.frames(Ping)) < 100 / limits.PING_AFTER_S + 2


def test_how_far_the_peer_is_is_known_soon_after_opening() -> None:
    line = Line()
    (ping,) = [frame for frame in line.sent if isinstance(frame, Ping)]
    assert line.session.rtt_s is None
    line.now_s += 0.04
    line.say(Pong(ping.number))
    assert line.session.rtt_s == 0.04


def test_an_outage_is_no_part_of_how_far_the_peer_is() -> None:
    line = Line()
    (ping,) = [frame for frame in line.sent if isinstance(frame, Ping)]
    line.session.pause()
    line.now_s += 20.0
    line.session.unpause(now_s=line.now_s)
    line.say(Pong(ping.number))
    assert line.session.rtt_s is None


def test_both_sides_know_it() -> None:
    talk = Talk().settle()
    assert talk.alice.session.rtt_s == talk.bob.session.rtt_s == 0.0


def test_a_ping_is_answered_while_greeting() -> None:
    assert Line(State.PRESENTING).say(Ping(7)) == [Pong(7)]


@pytest.mark.parametrize(
    "frame",
    [Ping(1), Pong(1), Present(()), EVERYTHING_WANTED, Interests(())],
    ids=["Ping", "Pong", "Present", "Interests", "Interests in nothing"],
)
def test_frames_that_carry_nothing_are_metered(frame: Frame) -> None:
    """CONTROL_FRAMES_BURST at once, then CONTROL_FRAMES_PER_S."""
    line = Line()
    taken = 0
    while not line.fault:
        line.say(frame)
        taken += 1
        assert taken <= limits.CONTROL_FRAMES_BURST
    assert taken > limits.CONTROL_FRAMES_BURST - 5
    assert line.fault == "flood"
    patient = Line()
    for _ in range(200):
        patient.now_s += 1.0 / limits.CONTROL_FRAMES_PER_S
        patient.say(frame)
    assert patient.fault == ""


# --- beginning and end ---------------------------------------------------------------------------


def test_who_the_peer_is() -> None:
    line = Line(State.PRESENTING)
    assert line.events == [
        PeerGreeted(BOB.device_key, BOB.author, "bob", (), clock_ahead_us=0),
    ]
    assert line.session.author == BOB.author


def test_hello_comes_once() -> None:
    line = Line()
    line.say(bobs_hello())
    assert line.fault == "out-of-order"


def test_frames_of_later_versions() -> None:
    line = Line()
    assert line.say(cbor.encode([33, "unknown, and odd"])) == []
    assert line.fault == ""
    line.say(cbor.encode([62, "unknown, and even"]))
    assert line.fault == "frame-kind"


def test_leaving_is_said_and_heard() -> None:
    talk = Talk().settle()
    talk.do(talk.alice, talk.alice.session.leave("stopping", "x" * 1_000, now_s=0.0))
    assert talk.alice.sent[-1] == Bye("stopping", "x" * limits.SENTENCE_CHARACTERS_MAX)
    talk.settle()
    assert isinstance(talk.bob.reason, PeerLeft)
    assert talk.bob.reason.code == "stopping"
    assert not isinstance(talk.bob.sent[-1], Bye)


def test_a_fault_is_told_to_the_peer_and_to_us() -> None:
    line = Line()
    line.say(Credit(1))
    assert isinstance(line.sent[-1], Bye)
    assert line.sent[-1].code == line.fault == "credit"
    assert isinstance(line.events[-1], PeerFault)


def test_an_answer_that_was_never_asked_for_is_our_own_bug() -> None:
    with pytest.raises(LocalProtocolError):
        Line().session.answered(99, None, now_s=0.0)


# --- anything at all -----------------------------------------------------------------------------

MUTATED = 20_000  # frames for each state
STATES = (State.GREETING, State.PRESENTING, State.AGREEING, State.OPEN)


def mutations(random: Random, corpus: list[Frame]) -> Iterator[bytes]:
    """Valid frames, with a field, some bytes or their length changed; now and then none is."""
    while True:
        frame = random.choice(corpus)
        match random.randrange(4):
            case 0:
                yield encode_frame(frame)
            case 1:
                data = bytearray(encode_frame(frame))
                for _ in range(random.randint(1, 4)):
                    data[random.randrange(len(data))] = random.randrange(256)
                yield bytes(data)
            case 2:
                data = bytearray(encode_frame(frame))
                at = random.randrange(len(data) + 1)
                yield bytes(data[:at] + random.randbytes(random.randrange(4)))
            case _:
                yield changed_field(random, frame, random.choice(corpus))


def changed_field(random: Random, frame: Frame, other: Frame) -> bytes:
    """Still CBOR, and perhaps still a frame: the faults are in what it means."""
    fields: list[object] = msgspec.to_builtins(frame, builtin_types=(bytes,))
    others: list[object] = msgspec.to_builtins(other, builtin_types=(bytes,))
    value = random.choice(
        [0, 1, -1, 2, 3, 255, 1 << 40, (1 << 64) - 1, -(1 << 64), b"", b"x" * 16, b"x" * 32, "", [],
         None, True, 1.5, [[0, None]], [[1, None, 5, b"y" * 16]], [[2, None, b"z" * 16]],
         *others[1:]]
    )  # fmt: skip
    fields[random.randrange(len(fields))] = value
    return cbor.encode(fields)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.value)
def test_20_000_mutated_frames_close_sessions_and_do_nothing_else(state: State) -> None:
    """No error escapes, every session that ends has blamed the peer, and no frame takes long."""
    random = Random(state.value)
    corpus = [*ONE_OF_EACH.values(), bobs_hello(version=9), Present(()), EVERYTHING_WANTED]
    corpus += [Have(POOL[0].entry.namespace, signed.id[:16], False) for signed in POOL[:3]]
    assert {type(frame) for frame in corpus} == set(FRAMES)
    frames = mutations(random, corpus)
    config = ALICE.config()
    line = Line(state, config=config)
    slowest_s, closed = 0.0, 0
    for _ in range(MUTATED):
        if line.session.state is State.CLOSED:
            assert isinstance(line.reason, RemoteProtocolError | PeerLeft)
            closed += 1
            line = Line(state, config=config)
        began_s = time.process_time()
        line.say(next(frames))
        slowest_s = max(slowest_s, time.process_time() - began_s)
    assert closed > MUTATED // 10
    assert slowest_s < 1.0


def test_bytes_that_are_no_frame_end_it_at_once() -> None:
    random = Random(2)
    for length in range(200):
        line = Line(State.GREETING)
        line.say(random.randbytes(length))
        assert line.fault
        assert isinstance(line.sent[0], Hello)
