"""A client's side of a relay's conversation: it notices where the relay lies."""

import pytest

from p2p.protocol.errors import PeerLeft, PeerTimeout, RemoteProtocolError
from p2p.protocol.frames import Bye, Ping, Pong
from p2p.protocol.relay import frames, limits
from p2p.protocol.relay.client import (
    PONGS_BURST,
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
from p2p.protocol.relay.frames import RelayFrame
from tests.p2p.protocol.relay.clients import ALICE, BOB, CAROL

REGISTERED = frames.Registered(3_600, "192.0.2.1", False)


def talk() -> RelayTalk:
    one = RelayTalk(token=b"", now_s=0.0)
    assert one.register(b"card") == (Tell(frames.Register(b"card")),)
    assert one.receive(REGISTERED, now_s=1.0) == (Came(3_600, "192.0.2.1", False),)
    return one


def test_questions_get_their_answers_by_number() -> None:
    one = talk()
    first, asked = one.ask(lambda number: frames.Lookup(number, True, BOB), now_s=1.0)
    second, _ = one.ask(lambda number: frames.Fetch(number, CAROL), now_s=1.0)
    assert asked == frames.Lookup(first, True, BOB)
    fetched, cards = frames.Fetched(second, None), frames.Cards(first, ())
    assert one.receive(fetched, now_s=1.0) == (Answered(second, fetched),)
    assert one.receive(cards, now_s=1.0) == (Answered(first, cards),)


def test_news_comes_without_a_question() -> None:
    one = talk()
    told: list[tuple[RelayFrame, RelayNews]] = [
        (frames.Circuit(0, CAROL, BOB), Called(CAROL, BOB)),
        (frames.Signal(0, BOB, b"offer"), Signalled(BOB, b"offer")),
        (frames.Delivered(bytes(16), b"sealed"), LetterCame(bytes(16), b"sealed")),
        (frames.Draining(30), RelayDrains(30)),
        (Ping(3), Tell(Pong(3))),
    ]
    for frame, news in told:
        assert one.receive(frame, now_s=1.0) == (news,)


@pytest.mark.parametrize(
    "frame",
    [
        frames.Cards(1, ()),
        frames.Circuit(2, ALICE, CAROL),
        frames.Fetched(2, None),
        frames.Done(9),
        REGISTERED,
        frames.Collect(),
        frames.Signal(5, BOB, b"offer"),
    ],
    ids=repr,
)
def test_a_relay_that_lies_is_left(frame: RelayFrame) -> None:
    one = talk()
    one.ask(lambda number: frames.Signal(number, BOB, b"offer"), now_s=1.0)
    one.ask(lambda number: frames.Call(number, BOB), now_s=1.0)
    with pytest.raises(RemoteProtocolError) as lie:
        one.receive(frame, now_s=1.0)
    assert lie.value.code == "relay-lies"


def test_nothing_is_believed_before_the_registration() -> None:
    one = RelayTalk(token=b"", now_s=0.0)
    one.register(b"card")
    with pytest.raises(RemoteProtocolError):
        one.receive(frames.Circuit(0, CAROL, BOB), now_s=0.0)


def test_goodbye_says_when_to_come_again() -> None:
    with pytest.raises(PeerLeft) as left:
        talk().receive(Bye("relay-full", "Full.", 60), now_s=1.0)
    assert (left.value.code, left.value.wait_s) == ("relay-full", 60)


def test_silence_is_noticed_by_a_ping() -> None:
    one = talk()
    assert one.tick(now_s=2.0) == ()
    assert one.tick(now_s=1.0 + limits.PING_S) == (Tell(Ping(1)),)
    one.receive(Pong(1), now_s=21.25)
    assert one.rtt_s == pytest.approx(0.25)
    assert one.tick(now_s=42.0) == (Tell(Ping(2)),)
    with pytest.raises(PeerTimeout):
        one.tick(now_s=42.0 + limits.ANSWER_S)


def test_a_relay_that_never_answers_is_left() -> None:
    one = RelayTalk(token=b"", now_s=0.0)
    with pytest.raises(PeerTimeout):
        one.tick(now_s=limits.ANSWER_S)


def test_a_relay_that_answers_pings_and_no_questions_is_left() -> None:
    one = talk()
    one.ask(lambda number: frames.Fetch(number, CAROL), now_s=2.0)
    late_s = 2.0 + 2 * limits.ANSWER_S
    one.receive(Ping(1), now_s=late_s - 1.0)
    assert one.tick(now_s=late_s - 1.0) == ()
    with pytest.raises(PeerTimeout):
        one.tick(now_s=late_s)


def test_pings_without_end_are_not_all_answered() -> None:
    one = talk()
    answers = [one.receive(Ping(number), now_s=2.0) for number in range(1_000)]
    assert len([answer for answer in answers if answer]) == PONGS_BURST
    assert one.receive(Ping(1), now_s=3.0) == (Tell(Pong(1)),)
