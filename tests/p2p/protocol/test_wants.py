"""Answers that are owed, and answers that leave over what they had room for."""

import pytest

from crdt.change import SignedEntry
from crdt.entry import encode_entry
from crdt.keys import COMMONS
from p2p.protocol import limits
from p2p.protocol.errors import PeerTimeout, RemoteProtocolError
from p2p.protocol.frames import Entries, SentEntry
from p2p.protocol.wants import Asked, Wants
from tests.p2p.protocol.conversation import entries_of


def asked(entries: list[SignedEntry], *, at_s: float = 0.0) -> Asked:
    return Asked(COMMONS, [one.id[:16] for one in entries], at_s, False, False)


def answer(wants: Wants, number: int, given: list[SignedEntry], *, now_s: float = 0.0) -> int:
    """How many are left over."""
    sent = tuple(SentEntry(0, encode_entry(one.entry), one.signature, one.payload) for one in given)
    frame = Entries(number, (b"may",), sent, b"")
    return len(wants.answer(frame, [one.id[:16] for one in given], now_s=now_s).rest)


def test_short_answers_that_leave_something_over_have_a_bound() -> None:
    """SHORT_ANSWERS_MAX: whoever gives one of five hundred at a time is never done."""
    entries = entries_of(1, 3)
    wants = Wants()
    for number in range(1, 2 * limits.SHORT_ANSWERS_MAX, 2):
        wants.open(asked(entries))
        wants.open(asked(entries))
        assert answer(wants, number, entries[:1]) == 2
        assert answer(wants, number + 1, entries) == 0, "a whole one counts for nothing"
    last = wants.open(asked(entries)).number
    with pytest.raises(RemoteProtocolError) as caught:
        answer(wants, last, entries[:2])
    assert caught.value.code == "short-answers"


def test_a_long_answer_may_leave_something_over_as_often_as_it_likes() -> None:
    large = entries_of(2, 7, payload_bytes=64 << 10)
    few = entries_of(3, 1)
    wants = Wants()
    for _ in range(2 * limits.SHORT_ANSWERS_MAX):
        number = wants.open(asked([*large, *few])).number
        assert answer(wants, number, large) == 1


def test_the_want_whose_turn_it_is_is_owed_for_so_long() -> None:
    """ANSWER_LONGEST_S, which no other answer puts off."""
    entries = entries_of(4, 1)
    wants = Wants()
    for _ in range(3):
        wants.open(asked(entries, at_s=10.0))
    assert answer(wants, 1, entries, now_s=1_000.0) == 0
    wants.check(now_s=999.0 + limits.ANSWER_LONGEST_S)
    assert answer(wants, 3, entries, now_s=2_000.0) == 0, "out of turn"
    wants.check(now_s=999.0 + limits.ANSWER_LONGEST_S)
    with pytest.raises(PeerTimeout) as caught:
        wants.check(now_s=1_000.0 + limits.ANSWER_LONGEST_S)
    assert caught.value.code == "no-answer"
    assert answer(wants, 2, entries, now_s=5_000.0) == 0
    wants.check(now_s=99_000.0)
    assert wants.oldest_s is None
