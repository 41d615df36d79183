"""How far apart two peers are, as a session tells: what is missing here, there, and whether."""

from crdt.keys import COMMONS
from p2p.protocol.frames import Credit, Have
from tests.p2p.protocol.conversation import Line, Talk, entries_of


def test_what_is_announced_and_not_here_is_how_far_behind_we_are() -> None:
    line = Line()
    ids = b"".join(one.id[:16] for one in entries_of(1, 7))
    line.say(Have(COMMONS, ids, False))
    assert line.session.difference.behind == 7


def test_what_is_announced_and_not_taken_is_how_far_ahead_we_are() -> None:
    line = Line()
    line.do(line.session.appended(COMMONS, [one.id for one in entries_of(2, 5)], now_s=0.0))
    assert line.session.difference.ahead == 5
    line.say(Credit(3))
    assert line.session.difference.ahead == 2


def test_after_a_comparison_both_say_that_they_are_equal() -> None:
    talk = Talk(entries_of(3, 500), entries_of(4, 900))
    for side in (talk.alice, talk.bob):
        assert side.session.difference.compared_s is None
    talk.settle()
    for side in (talk.alice, talk.bob):
        told = side.session.difference
        assert (told.behind, told.ahead) == (0, 0)
        assert told.is_equal
        assert not told.is_comparing
        assert told.compared_s == talk.now_s


def test_where_one_refuses_something_they_are_not() -> None:
    entries = entries_of(5, 3)
    talk = Talk([], entries)
    talk.alice.store.refuses = {entries[0].id[:16]}
    talk.settle()
    assert not talk.alice.session.difference.is_equal
    assert talk.alice.session.difference.behind == 0
    talk.alice.store.refuses = ()
