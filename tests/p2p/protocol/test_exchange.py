"""Alice is asked whom she knows. Her friends hear of her friends, strangers of nobody."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

import pytest

from crdt.keys import COMMONS, DeviceKey, NamespaceKey
from p2p.protocol.card import Card
from p2p.protocol.config import Role
from p2p.protocol.effects import CardsCame, CardsWanted, PeerFault
from p2p.protocol.exchange import Circle, Exchange, cards_to_give, may_exchange
from p2p.protocol.frames import AskCards, Cards, Frame, OwnCard, encode_frame
from p2p.protocol.limits import CARDS_MAX, EXCHANGES_BURST, EXCHANGES_OPEN_MAX, EXCHANGES_PER_S
from p2p.protocol.states import State
from tests.p2p.protocol.conversation import Line, session_of
from tests.simulation.people import ALICE, BOB, Person, person

CAROL, DAVE, MALLORY = (person(name) for name in ("carol", "dave", "mallory"))
TABLET = person("alices tablet")
GARDEN, MEADOW = NamespaceKey(b"g" * 31 + b"\1"), NamespaceKey(b"m" * 31 + b"\1")
NOW_US = 1_700_000_000_000_000
CIRCLE = Circle(ALICE.author, frozenset({BOB.author, CAROL.author}))


def card_of(one: Person, issued_us: int = NOW_US) -> Card:
    author = ALICE.author if one is TABLET else one.author
    places = ("192.0.2.1:4747",)
    end_us = NOW_US + 1_000
    return Card(one.device_key, author, places, (), bytes(32), issued_us, end_us, one.name.encode())


HELD = [card_of(one) for one in (BOB, CAROL, DAVE, MALLORY, TABLET)]


def given(
    to: Person,
    *,
    shared: Collection[NamespaceKey] = (COMMONS,),
    met: dict[DeviceKey, Collection[NamespaceKey]] | None = None,
    held: Sequence[Card] = HELD,
    now_us: int = NOW_US,
) -> set[str]:
    cards = cards_to_give(
        held,
        device=to.device_key,
        author=ALICE.author if to is TABLET else to.author,
        shared=shared,
        circle=CIRCLE,
        met=met or {},
        now_us=now_us,
    )
    return {card.decode() for card in cards}


# --- who hears of whom ---------------------------------------------------------------------------


def test_friends_hear_of_friends_and_of_alices_other_devices() -> None:
    assert given(BOB) == {"carol", "alices tablet"}
    assert given(CAROL) == {"bob", "alices tablet"}
    assert given(TABLET) == {"bob", "carol"}


def test_a_stranger_hears_nothing_and_nobody_hears_of_a_stranger() -> None:
    assert given(MALLORY) == set()
    everywhere: dict[DeviceKey, Collection[NamespaceKey]] = {one.device: (COMMONS,) for one in HELD}
    assert given(MALLORY, met=everywhere) == set()
    assert "mallory" not in given(BOB, met=everywhere) | given(TABLET, met=everywhere)


def test_a_namespace_is_heard_of_by_those_in_it_only() -> None:
    """Dave is in the garden, as nobody may know who is not."""
    met: dict[DeviceKey, Collection[NamespaceKey]] = {
        DAVE.device_key: (GARDEN,),
        CAROL.device_key: (GARDEN, MEADOW),
    }
    assert given(MALLORY, shared=(COMMONS, GARDEN), met=met) == {"dave", "carol"}
    assert given(MALLORY, shared=(COMMONS, MEADOW), met=met) == {"carol"}
    assert given(MALLORY, shared=(COMMONS,), met=met) == set()
    for friend in (BOB, TABLET):
        assert "dave" not in given(friend, met=met)
        assert "dave" not in given(friend, shared=(MEADOW,), met=met)
        assert "dave" in given(friend, shared=(GARDEN,), met=met)


def test_what_is_given_to_a_friend_is_the_same_whoever_is_in_a_namespace() -> None:
    """So that nothing about a namespace can be read from what is given outside of it."""
    met: dict[DeviceKey, Collection[NamespaceKey]] = {one.device: (GARDEN,) for one in HELD}
    assert given(BOB, met=met) == given(BOB)
    assert given(MALLORY, shared=(MEADOW,), met=met) == given(MALLORY)


def test_what_has_run_out_is_not_given_and_the_latest_comes_first() -> None:
    assert given(BOB, now_us=NOW_US + 1_000) == set()
    many = [
        replace(
            card_of(CAROL, NOW_US - age), device=DeviceKey(bytes([age]) * 32), encoded=b"%d" % age
        )
        for age in range(CARDS_MAX + 10)
    ]
    assert given(BOB, held=many) == {str(age) for age in range(CARDS_MAX)}


def test_who_is_asked_and_answered() -> None:
    assert may_exchange(ALICE.author, (), CIRCLE)
    assert may_exchange(BOB.author, (), CIRCLE)
    assert may_exchange(MALLORY.author, (COMMONS, GARDEN), CIRCLE)
    assert not may_exchange(MALLORY.author, (COMMONS,), CIRCLE)
    assert not may_exchange(None, (), CIRCLE)


# --- in a session --------------------------------------------------------------------------------


def heard(line: Line, kind: type[Frame]) -> list[Frame]:
    return [frame for frame in line.sent if isinstance(frame, kind)]


def faults(line: Line) -> list[str]:
    return [event.code for event in line.events if isinstance(event, PeerFault)]


def test_an_open_session_shows_the_own_card_once_and_each_new_one() -> None:
    config = replace(ALICE.config(), card=b"first")
    line = Line(State.AGREEING, config=config)
    assert not heard(line, OwnCard)
    line = Line(State.OPEN, config=config)
    assert heard(line, OwnCard) == [OwnCard(b"first")]
    for card in (b"first", b"second", b"second"):
        line.do(line.session.exchange(partial(Exchange.show, card=card), now_s=0.0))
    assert heard(line, OwnCard) == [OwnCard(b"first"), OwnCard(b"second")]
    assert not heard(Line(State.OPEN), OwnCard)


def test_what_is_asked_too_early_is_asked_when_the_session_is_open() -> None:
    session = session_of(ALICE, BOB, Role.RESPONDER)
    session.open()
    assert session.exchange(lambda one: one.ask(), now_s=0.0) == []
    line = Line(State.OPEN)
    line.do(line.session.exchange(lambda one: one.ask(), now_s=0.0))
    assert heard(line, AskCards) == [AskCards(1)]
    line.say(Cards(1, (b"carol", b"dave")))
    assert CardsCame((b"carol", b"dave"), is_own=False) in line.events


def test_bob_asks_and_is_answered() -> None:
    line = Line(State.OPEN)
    line.say(AskCards(7), OwnCard(b"bobs"))
    assert CardsWanted(7) in line.events
    assert CardsCame((b"bobs",), is_own=True) in line.events
    line.do(line.session.exchange(lambda one: one.give(7, (b"carol",)), now_s=0.0))
    assert heard(line, Cards) == [Cards(7, (b"carol",))]
    line.do(line.session.exchange(lambda one: one.give(8, (b"x" * 12_288,) * 99), now_s=0.0))
    (_, full) = heard(line, Cards)
    assert isinstance(full, Cards)
    assert len(full.cards) == CARDS_MAX
    encode_frame(full)


@pytest.mark.parametrize("number", [0, 2])
def test_cards_that_nobody_asked_for_end_the_session(number: int) -> None:
    line = Line(State.OPEN)
    line.do(line.session.exchange(lambda one: one.ask(), now_s=0.0))
    line.say(Cards(number, ()))
    assert faults(line) == ["cards-unasked"]


def test_cards_come_once_for_each_ask() -> None:
    line = Line(State.OPEN)
    line.do(line.session.exchange(lambda one: one.ask(), now_s=0.0))
    line.say(Cards(1, ()), Cards(1, ()))
    assert faults(line) == ["cards-unasked"]


def test_whoever_asks_again_and_again_floods() -> None:
    line = Line(State.OPEN)
    line.say(*(AskCards(number) for number in range(int(EXCHANGES_BURST))))
    line.now_s = 1 / EXCHANGES_PER_S
    line.say(AskCards(98))
    assert faults(line) == []
    line.say(AskCards(99))
    assert faults(line) == ["flood"]


def test_a_peer_that_never_answers_is_asked_a_few_times_only() -> None:
    line = Line(State.OPEN)
    for _ in range(2 * EXCHANGES_OPEN_MAX):
        line.do(line.session.exchange(lambda one: one.ask(), now_s=0.0))
    assert len(heard(line, AskCards)) == EXCHANGES_OPEN_MAX
