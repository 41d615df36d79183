"""Every state with every kind of frame: what the table allows is taken, all else closes."""

import pytest

from p2p.protocol import frames
from p2p.protocol.effects import PeerFault
from p2p.protocol.frames import FRAMES, Frame
from p2p.protocol.grants import encode_area
from p2p.protocol.states import TRANSITIONS, State, diagram
from tests.p2p.protocol.conversation import EVERYTHING_WANTED, Line, bobs_hello
from tests.simulation.people import EVERYTHING

KEY, ID = b"k" * 32, b"i" * 16
((COMMONS, FULL),) = EVERYTHING
# One of each kind; where it answers nothing that was asked, another fault than the order is found.
ONE_OF_EACH: dict[type[Frame], Frame] = {
    frames.Hello: bobs_hello(),
    frames.Present: frames.Present(()),
    frames.Interests: EVERYTHING_WANTED,
    frames.Bye: frames.Bye("stopping", "Good night."),
    frames.Ping: frames.Ping(1),
    frames.Pong: frames.Pong(1),
    frames.Reconcile: frames.Reconcile(0, COMMONS, encode_area(FULL), (frames.Skip(None),)),
    frames.Ranges: frames.Ranges(0, (frames.Skip(None),)),
    frames.Listed: frames.Listed(0),
    frames.Compare: frames.Compare(0, 0, ID),
    frames.Have: frames.Have(COMMONS, ID, False),
    frames.Credit: frames.Credit(1),
    frames.Want: frames.Want(1, COMMONS, ID),
    frames.Entries: frames.Entries(1, (), (), ID),
    frames.Get: frames.Get(1, KEY, 0, 0, 1, 0),
    frames.Part: frames.Part(1, b"", 0),
    frames.Delta: frames.Delta(1, b"", 1),
    frames.Holding: frames.Holding(1, False, ()),
    frames.Overlap: frames.Overlap(()),
    frames.OwnCard: frames.OwnCard(b"card"),
    frames.AskCards: frames.AskCards(1),
    frames.Cards: frames.Cards(1, ()),
}
STATES = [state for state in State if state is not State.CLOSED]


@pytest.mark.parametrize("kind", FRAMES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.value)
def test_the_table(state: State, kind: type[Frame]) -> None:
    line = Line(state)
    assert line.session.state is state
    line.say(ONE_OF_EACH[kind])
    target = TRANSITIONS[state].get(kind)
    if target is None:
        assert line.fault == "out-of-order"
        assert line.session.state is State.CLOSED
        assert isinstance(line.sent[-1], frames.Bye)
        assert isinstance(line.events[-1], PeerFault)
    else:
        assert line.fault != "out-of-order"
        assert line.session.state is (State.CLOSED if line.fault else target)


@pytest.mark.parametrize("kind", FRAMES, ids=lambda kind: kind.__name__)
def test_a_closed_session_neither_hears_nor_says_anything(kind: type[Frame]) -> None:
    line = Line(State.CLOSED)
    before = len(line.sent)
    assert line.session.receive(b"garbage", now_s=1.0) == []
    assert line.say(ONE_OF_EACH[kind]) == []
    assert line.session.tick(now_s=1_000.0) == []
    assert len(line.sent) == before


def test_the_table_knows_every_frame() -> None:
    assert set(ONE_OF_EACH) == set(FRAMES)
    assert set(TRANSITIONS) == set(State)
    assert {kind for allowed in TRANSITIONS.values() for kind in allowed} == set(FRAMES)
    assert all(
        allowed.get(frames.Bye) is State.CLOSED for allowed in TRANSITIONS.values() if allowed
    )


def test_the_diagram_shows_every_transition() -> None:
    drawn = diagram()
    for state in STATES:
        assert f"{state.value} --> closed: any other frame" in drawn
    assert "greeting --> presenting: Hello" in drawn
