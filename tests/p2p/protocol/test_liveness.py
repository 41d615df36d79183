"""Pings, silence, and how long an answer took."""

import pytest

from p2p.protocol.errors import PeerTimeout
from p2p.protocol.frames import Ping, Pong
from p2p.protocol.limits import DEAD_AFTER_S, PING_AFTER_S
from p2p.protocol.liveness import Liveness
from p2p.protocol.trickle import SLOWEST_BYTES


def test_a_ping_after_silence_one_each_time_then_the_end() -> None:
    liveness = Liveness(now_s=0.0)
    said = {at_s: liveness.tick(now_s=at_s) for at_s in (1.0, 4.9, 5.0, 6.0, 9.9, 10.0, 14.9)}
    assert {at_s: ping for at_s, ping in said.items() if ping} == {5.0: Ping(1), 10.0: Ping(2)}
    with pytest.raises(PeerTimeout) as silence:
        liveness.tick(now_s=DEAD_AFTER_S)
    assert silence.value.code == "silent"


def test_whatever_is_heard_is_a_sign_of_life() -> None:
    liveness = Liveness(now_s=0.0)
    for at_s in range(0, 100, 4):
        liveness.hear(now_s=float(at_s))
        assert liveness.tick(now_s=at_s + 3.0) is None
    assert liveness.tick(now_s=96.0 + PING_AFTER_S) == Ping(1)


def test_in_the_middle_of_a_long_frame_pings_go_on_and_nobody_is_given_up() -> None:
    """On a line of 1 KB/s an answer of 768 KiB takes 13 minutes."""
    liveness = Liveness(now_s=0.0)
    pings = 0
    for at_s in range(1, 780):
        liveness.hear_part(1_000, now_s=float(at_s))
        pings += liveness.tick(now_s=float(at_s)) is not None
        liveness.check_answers([0.0], is_busy=False, now_s=float(at_s))
    assert pings == 779 // 5, "else the peer would hear nothing"


def test_who_sends_next_to_nothing_owes_its_answer() -> None:
    liveness = Liveness(now_s=0.0)
    for at_s in range(1, 60):
        liveness.hear_part(SLOWEST_BYTES // 70, now_s=float(at_s))
        liveness.check_answers([0.0], is_busy=False, now_s=float(at_s))
    with pytest.raises(PeerTimeout) as owed:
        liveness.check_answers([0.0], is_busy=False, now_s=60.0)
    assert owed.value.code == "no-answer"


def test_the_answer_to_a_ping_tells_how_far_the_peer_is() -> None:
    liveness = Liveness(now_s=0.0)
    assert liveness.rtt_s is None
    assert liveness.ping(now_s=1.0) == Ping(1)
    liveness.pong(Pong(1), now_s=1.25)
    assert liveness.rtt_s == 0.25


@pytest.mark.parametrize("number", [0, 1, 3, 1 << 63])
def test_only_the_last_ping_is_measured_and_only_once(number: int) -> None:
    liveness = Liveness(now_s=0.0)
    liveness.ping(now_s=0.0)
    liveness.ping(now_s=5.0)
    liveness.pong(Pong(number), now_s=5.5)
    assert liveness.rtt_s is None
    liveness.pong(Pong(2), now_s=6.0)
    liveness.pong(Pong(2), now_s=9.0)
    assert liveness.rtt_s == 1.0


def test_on_another_channel_only_what_was_asked_there_tells_how_far_the_peer_is() -> None:
    liveness = Liveness(now_s=0.0)
    liveness.ping(now_s=0.0)
    liveness.pong(Pong(1), now_s=0.25)
    lost = liveness.ping(now_s=5.0)
    liveness.move(now_s=25.0)
    assert liveness.rtt_s is None
    liveness.pong(Pong(lost.number), now_s=25.5)  # it was kept, and sent again
    assert liveness.rtt_s is None, "it was away meanwhile"
    assert liveness.tick(now_s=25.9) is None
    again = liveness.tick(now_s=26.0)
    assert again is not None, "nothing holds it up now"
    liveness.pong(Pong(again.number), now_s=26.125)
    assert liveness.rtt_s == 0.125
    assert liveness.tick(now_s=27.0) is None
