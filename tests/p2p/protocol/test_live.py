"""What several peers announce is asked of one of them, and of the others where it does not come."""

from collections.abc import Sequence

from crdt.change import SignedEntry
from crdt.keys import COMMONS
from p2p.protocol import limits
from p2p.protocol.frames import Entries, Frame, Have, Want
from p2p.protocol.live import Asker, Key, Underway
from p2p.protocol.wants import Asked
from tests.p2p.protocol.conversation import entries_of
from tests.simulation.memory_store import MemoryStore
from tests.simulation.network import End, Network, Node
from tests.simulation.people import ALICE, person

ONE: Key = (COMMONS, b"1" * 16)
TWO: Key = (COMMONS, b"2" * 16)


class Sessions:
    """A node's sessions as they take part: who was told to go on, in order."""

    def __init__(self) -> None:
        self.underway = Underway()
        self.woken: list[str] = []

    def join(self, name: str) -> Asker:
        return self.underway.join(lambda: self.woken.append(name))


def test_what_one_peer_was_asked_for_is_asked_of_no_other() -> None:
    sessions = Sessions()
    alice, bob = sessions.join("alice"), sessions.join("bob")
    assert sessions.underway.ask(alice, ONE, now_s=0.0)
    assert not sessions.underway.ask(bob, ONE, now_s=0.1)
    assert sessions.underway.ask(bob, TWO, now_s=0.1)
    assert sessions.underway.ask(alice, ONE, now_s=0.2), "its own question is its own"
    assert sessions.woken == []


def test_whoever_waited_hears_that_it_is_stored() -> None:
    sessions = Sessions()
    alice, bob = sessions.join("alice"), sessions.join("bob")
    sessions.underway.ask(alice, ONE, now_s=0.0)
    sessions.underway.ask(bob, ONE, now_s=0.0)
    sessions.underway.stored([ONE, TWO], now_s=1.0)
    assert sessions.woken == ["bob"]
    assert bob.take() == ((ONE, True),)
    assert bob.take() == ()
    assert sessions.underway.came_since(ONE, 0.9)
    assert not sessions.underway.came_since(ONE, 1.1)
    assert len(sessions.underway) == 0


def test_what_does_not_come_is_free_again() -> None:
    """Refused by the store, missing at the peer, or the peer left."""
    for is_left in (False, True):
        sessions = Sessions()
        alice, bob = sessions.join("alice"), sessions.join("bob")
        for key in (ONE, TWO):
            sessions.underway.ask(alice, key, now_s=0.0)
            sessions.underway.ask(bob, key, now_s=0.0)
        if is_left:
            sessions.underway.leave(alice)
        else:
            sessions.underway.end(alice, [ONE, TWO])
        assert sessions.woken == ["bob"], "once for all of it"
        assert bob.take() == ((ONE, False), (TWO, False))
        assert sessions.underway.ask(bob, ONE, now_s=0.0)


def test_a_session_that_is_over_is_told_nothing() -> None:
    sessions = Sessions()
    alice, bob = sessions.join("alice"), sessions.join("bob")
    sessions.underway.ask(alice, ONE, now_s=0.0)
    sessions.underway.ask(bob, ONE, now_s=0.0)
    sessions.underway.leave(bob)
    sessions.underway.leave(alice)
    assert sessions.woken == []
    assert len(sessions.underway) == 0


def test_after_the_patience_all_who_wait_may_ask() -> None:
    """So a row of peers that announce and give nothing costs one patience, not one each."""
    sessions = Sessions()
    mallory, alice, bob = (sessions.join(name) for name in ("mallory", "alice", "bob"))
    sessions.underway.ask(mallory, ONE, now_s=0.0)
    sessions.underway.ask(alice, ONE, now_s=0.0)
    sessions.underway.ask(bob, ONE, now_s=1.0)
    sessions.underway.look(now_s=limits.ENTRIES_PATIENCE_S - 0.1)
    assert sessions.woken == []
    sessions.underway.look(now_s=limits.ENTRIES_PATIENCE_S)
    assert sessions.woken == ["alice", "bob"]
    assert sessions.underway.ask(alice, ONE, now_s=2.0)
    assert sessions.underway.ask(bob, ONE, now_s=2.0)


def test_nobody_waits_for_the_slow_until_they_give_something_good() -> None:
    sessions = Sessions()
    mallory, alice = sessions.join("mallory"), sessions.join("alice")
    sessions.underway.ask(mallory, ONE, now_s=0.0)
    assert sessions.underway.ask(alice, ONE, now_s=limits.ENTRIES_PATIENCE_S), (
        "who comes late need not wait"
    )
    sessions.underway.ask(mallory, TWO, now_s=10.0)
    assert sessions.underway.ask(alice, TWO, now_s=10.0)
    sessions.underway.judged(mallory, is_good=False)
    three = (COMMONS, b"3" * 16)
    sessions.underway.ask(mallory, three, now_s=11.0)
    assert sessions.underway.ask(alice, three, now_s=11.0)
    sessions.underway.judged(mallory, is_good=True)
    four = (COMMONS, b"4" * 16)
    sessions.underway.ask(mallory, four, now_s=12.0)
    assert not sessions.underway.ask(alice, four, now_s=12.0)


def test_whoever_is_slow_holds_up_nothing_else_either() -> None:
    sessions = Sessions()
    mallory, alice, bob = (sessions.join(name) for name in ("mallory", "alice", "bob"))
    sessions.underway.ask(mallory, ONE, now_s=0.0)
    sessions.underway.ask(alice, ONE, now_s=0.0)
    sessions.underway.ask(mallory, TWO, now_s=1.9)
    sessions.underway.ask(bob, TWO, now_s=1.9)
    sessions.underway.look(now_s=limits.ENTRIES_PATIENCE_S)
    assert sessions.woken == ["alice", "bob"]


def test_who_gives_is_waited_for_longer_but_not_for_ever() -> None:
    """A slow line, or somebody who gives one entry after the other to keep a third from us."""
    sessions = Sessions()
    mallory, alice = sessions.join("mallory"), sessions.join("alice")
    sessions.underway.ask(mallory, ONE, now_s=0.0)
    sessions.underway.ask(alice, ONE, now_s=0.0)
    now_s = 0.0
    while now_s < limits.ENTRIES_PATIENCE_LONGEST_S - 1.0:
        now_s += 1.0
        sessions.underway.ask(mallory, TWO, now_s=now_s)
        sessions.underway.given(mallory, [TWO], now_s=now_s)
        sessions.underway.end(mallory, [TWO])
        sessions.underway.look(now_s=now_s)
        assert sessions.woken == [], now_s
    sessions.underway.look(now_s=limits.ENTRIES_PATIENCE_LONGEST_S)
    assert sessions.woken == ["alice"]


def test_while_the_store_is_at_it_nobody_asks_again() -> None:
    sessions = Sessions()
    alice, bob = sessions.join("alice"), sessions.join("bob")
    sessions.underway.ask(alice, ONE, now_s=0.0)
    sessions.underway.given(alice, [ONE], now_s=1.0)
    assert not sessions.underway.ask(bob, ONE, now_s=60.0)
    sessions.underway.look(now_s=60.0)
    assert sessions.woken == []


def test_of_several_who_give_so_much_is_asked_for_at_a_time() -> None:
    """ASKED_OF_SEVERAL_MAX: what they give comes in no order, and a store lets so many wait."""
    sessions = Sessions()
    alice, bob, mallory = (sessions.join(name) for name in ("alice", "bob", "mallory"))
    assert sessions.underway.room(bob) == limits.WANT_IDS_MAX
    for number in range(900):
        sessions.underway.ask(alice, (COMMONS, number.to_bytes(16, "big")), now_s=0.0)
    assert sessions.underway.room(bob) == limits.WANT_IDS_MAX, "alice has given nothing yet"
    sessions.underway.judged(alice, is_good=True)
    assert sessions.underway.room(alice) == limits.WANT_IDS_MAX
    assert sessions.underway.room(bob) == limits.ASKED_OF_SEVERAL_MAX - 900
    sessions.underway.ask(mallory, (COMMONS, b"m" * 16), now_s=0.0)
    assert sessions.underway.room(bob) == limits.ASKED_OF_SEVERAL_MAX - 900
    for number in range(900):
        sessions.underway.end(alice, [(COMMONS, number.to_bytes(16, "big"))])
    assert sessions.underway.room(bob) == limits.WANT_IDS_MAX


def numbered(*numbers: int) -> list[Key]:
    return [(COMMONS, number.to_bytes(16, "big")) for number in numbers]


def asks(sessions: Sessions, asker: Asker, numbers: range, *, now_s: float = 0.0) -> None:
    for key in numbered(*numbers):
        assert sessions.underway.ask(asker, key, now_s=now_s)


def test_who_gives_nothing_takes_no_room_though_nobody_waits_for_it() -> None:
    """Mallory gave something good once, and announces what nobody else has."""
    sessions = Sessions()
    mallory, alice = sessions.join("mallory"), sessions.join("alice")
    sessions.underway.judged(mallory, is_good=True)
    asks(sessions, mallory, range(2_048))
    assert sessions.underway.room(alice) == limits.ASKED_OF_EACH, "the others have a few meanwhile"
    sessions.underway.look(now_s=limits.ENTRIES_PATIENCE_S - 0.1)
    assert sessions.underway.room(alice) == limits.ASKED_OF_EACH
    sessions.underway.look(now_s=limits.ENTRIES_PATIENCE_S)
    assert sessions.underway.room(alice) == limits.WANT_IDS_MAX
    assert len(sessions.underway) == 0
    sessions.underway.judged(mallory, is_good=True)
    assert sessions.underway.room(alice) == limits.WANT_IDS_MAX, "not even when it gives again"


def test_who_gives_a_little_takes_room_no_longer_than_it_may_take() -> None:
    """One good entry a second, of two thousand."""
    sessions = Sessions()
    mallory, alice = sessions.join("mallory"), sessions.join("alice")
    asks(sessions, mallory, range(2_048))
    for second in range(int(limits.ENTRIES_PATIENCE_LONGEST_S)):
        sessions.underway.given(mallory, numbered(second), now_s=second)
        sessions.underway.stored(numbered(second), now_s=second)
        sessions.underway.judged(mallory, is_good=True)
        sessions.underway.look(now_s=second)
        assert sessions.underway.room(alice) == limits.ASKED_OF_EACH, second
    sessions.underway.look(now_s=limits.ENTRIES_PATIENCE_LONGEST_S)
    assert sessions.underway.room(alice) == limits.WANT_IDS_MAX


def owes(asker: Asker, count: int, *, at_s: float) -> int:
    """Its peer is asked for so many; the number of the Want."""
    ids = tuple(number.to_bytes(16, "big") for number in range(count))
    asked = Asked(COMMONS, ids, at_s, is_on_trial=False, is_urgent=False)
    return asker.asked.open(asked).number


def answers(asker: Asker, number: int, count: int, *, now_s: float) -> None:
    missing = b"".join(index.to_bytes(16, "big") for index in range(count))
    asker.asked.answer(Entries(number, (), (), missing), [], now_s=now_s)


def test_whoever_owes_and_gives_nothing_is_asked_for_a_few_only() -> None:
    """ASKED_OF_EACH, with what it owes: nobody else's questions say how much that is."""
    sessions = Sessions()
    mallory = sessions.join("mallory")
    sessions.underway.judged(mallory, is_good=True)
    assert sessions.underway.room(mallory) == limits.WANT_IDS_MAX
    number, few = owes(mallory, 500, at_s=0.0), owes(mallory, 20, at_s=0.0)
    sessions.underway.look_at(mallory, now_s=limits.ENTRIES_PATIENCE_S - 0.1)
    assert sessions.underway.room(mallory) == limits.WANT_IDS_MAX
    sessions.underway.look_at(mallory, now_s=limits.ENTRIES_PATIENCE_S)
    assert mallory.is_slow
    assert sessions.underway.room(mallory) == 0
    assert sessions.underway.room(mallory, is_urgent=True) == 0
    answers(mallory, number, 500, now_s=3.0)
    assert sessions.underway.room(mallory) == limits.ASKED_OF_EACH - 20
    answers(mallory, few, 20, now_s=3.0)
    assert sessions.underway.room(mallory) == limits.ASKED_OF_EACH
    sessions.underway.judged(mallory, is_good=True)
    assert sessions.underway.room(mallory) == limits.WANT_IDS_MAX


def test_a_part_of_an_answer_is_given_and_a_ping_is_not() -> None:
    """PART_BYTES: on a thin line a whole answer takes longer than the patience."""
    for size, is_slow in ((limits.PART_BYTES, False), (limits.PART_BYTES - 1, True)):
        sessions = Sessions()
        bob, alice = sessions.join("bob"), sessions.join("alice")
        owes(bob, 500, at_s=0.0)
        asks(sessions, bob, range(500))
        assert not sessions.underway.ask(alice, numbered(0)[0], now_s=0.0)
        for second in range(1, int(limits.ENTRIES_PATIENCE_LONGEST_S)):
            bob.hear_part(size, now_s=second)
            sessions.underway.look_at(bob, now_s=second)
            sessions.underway.look(now_s=second)
        assert bob.is_slow is is_slow
        assert sessions.woken == ["alice"] * is_slow
        sessions.underway.look(now_s=limits.ENTRIES_PATIENCE_LONGEST_S)
        assert sessions.woken == ["alice"], "no longer than for anybody else who gives"


def test_what_is_on_its_way_takes_room_though_nobody_waits_for_it_any_more() -> None:
    """For ANSWER_S; else each of five on one line would be asked for as much as one alone."""
    sessions = Sessions()
    bob, alice = sessions.join("bob"), sessions.join("alice")
    sessions.underway.judged(bob, is_good=True)
    owes(bob, 1_000, at_s=0.0)
    bob.is_slow = True
    now_s = 0.0
    while now_s < limits.ANSWER_S - 1.0:
        now_s += 1.0
        bob.hear_part(limits.PART_BYTES, now_s=now_s)
        sessions.underway.look_at(bob, now_s=now_s)
        assert sessions.underway.room(alice) == limits.ASKED_OF_EACH, now_s
    bob.hear_part(limits.PART_BYTES, now_s=limits.ANSWER_S)
    sessions.underway.look_at(bob, now_s=limits.ANSWER_S)
    assert sessions.underway.room(alice) == limits.WANT_IDS_MAX


def test_what_a_session_without_a_channel_owes_takes_no_room() -> None:
    """Its own clock stands still meanwhile: the others look."""
    sessions = Sessions()
    bob, alice = sessions.join("bob"), sessions.join("alice")
    sessions.underway.judged(bob, is_good=True)
    owes(bob, 1_000, at_s=0.0)
    bob.hear_part(limits.PART_BYTES, now_s=1.0)
    sessions.underway.look_at(bob, now_s=1.0)
    assert sessions.underway.room(alice) == limits.ASKED_OF_EACH
    sessions.underway.look(now_s=1.0 + limits.ENTRIES_PATIENCE_S)
    assert sessions.underway.room(alice) == limits.WANT_IDS_MAX


def test_each_of_many_may_ask_for_something_and_all_of_them_for_so_much() -> None:
    """ASKED_OF_EACH, however much fifty others were asked for."""
    sessions = Sessions()
    crowd = [sessions.join(str(number)) for number in range(50)]
    for number, one in enumerate(crowd):
        sessions.underway.judged(one, is_good=True)
        room = sessions.underway.room(one)
        assert room > 0
        asks(sessions, one, range(number << 16, (number << 16) + room))
        assert number == 0 or len(one.claims) <= limits.ASKED_OF_SEVERAL_MAX
    alice = sessions.join("alice")
    assert sessions.underway.room(alice) == limits.ASKED_OF_SEVERAL_MAX // 51
    assert len(sessions.underway) <= 3 * limits.ASKED_OF_SEVERAL_MAX


def test_what_is_urgent_has_room_beyond_and_so_much_of_it() -> None:
    """ASKED_URGENT_BEYOND: an authority record waits for nobody's other entries."""
    sessions = Sessions()
    mallory, alice = sessions.join("mallory"), sessions.join("alice")
    sessions.underway.judged(mallory, is_good=True)
    asks(sessions, mallory, range(2_048))
    asks(sessions, alice, range(5_000, 5_000 + limits.ASKED_OF_EACH))
    assert sessions.underway.room(alice) == 0
    beyond = limits.ASKED_URGENT_BEYOND
    assert sessions.underway.room(alice, is_urgent=True) == beyond
    asks(sessions, alice, range(6_000, 6_000 + beyond))
    assert sessions.underway.room(alice, is_urgent=True) == 0


def test_what_a_peer_announced_and_has_not_got_all_who_wait_may_ask_for() -> None:
    """Else a row of such peers would say so one after the other, each as late as it may."""
    sessions = Sessions()
    mallory, alice, bob = (sessions.join(name) for name in ("mallory", "alice", "bob"))
    sessions.underway.ask(mallory, ONE, now_s=0.0)
    sessions.underway.ask(alice, ONE, now_s=0.0)
    sessions.underway.ask(bob, ONE, now_s=0.0)
    sessions.underway.end(mallory, [ONE], is_vain=True)
    assert sessions.woken == ["alice", "bob"]
    assert sessions.underway.ask(alice, ONE, now_s=1.0)
    assert sessions.underway.ask(bob, ONE, now_s=1.0)


def test_who_denied_what_another_waited_for_is_asked_as_before_and_holds_up_nobody() -> None:
    """Nor are all who wait asked for what it announces next, but one of them."""
    sessions = Sessions()
    mallory, alice, bob = (sessions.join(name) for name in ("mallory", "alice", "bob"))
    for key in (ONE, TWO):
        sessions.underway.ask(mallory, key, now_s=0.0)
    sessions.underway.end(mallory, [ONE], is_vain=True)
    assert not mallory.is_slow, "nobody waited for it: it may have been there until just now"
    sessions.underway.ask(alice, TWO, now_s=0.0)
    sessions.underway.end(mallory, [TWO], is_vain=True)
    three = (COMMONS, b"3" * 16)
    assert sessions.underway.ask(mallory, three, now_s=1.0)
    assert sessions.underway.ask(alice, three, now_s=1.0)
    assert not sessions.underway.ask(bob, three, now_s=1.0), "it comes from alice's peer"
    sessions.underway.judged(mallory, is_good=True)
    four = (COMMONS, b"4" * 16)
    assert sessions.underway.ask(mallory, four, now_s=2.0)
    assert not sessions.underway.ask(alice, four, now_s=2.0)


def test_who_waited_long_enough_asks_unless_the_store_is_at_it() -> None:
    sessions = Sessions()
    mallory, alice = sessions.join("mallory"), sessions.join("alice")
    for key in (ONE, TWO):
        sessions.underway.ask(mallory, key, now_s=29.0)
        sessions.underway.ask(alice, key, now_s=29.0)
    sessions.underway.given(mallory, [TWO], now_s=29.5)
    assert sessions.underway.contest(ONE)
    assert not sessions.underway.contest(TWO)
    assert alice.take() == ((ONE, False),)
    assert sessions.underway.ask(alice, ONE, now_s=30.0)
    assert not mallory.is_slow, "it may be as honest as any"


def test_only_so_many_that_came_are_remembered() -> None:
    """STORED_REMEMBERED_MAX, of all sessions together."""
    underway = Underway()
    underway.stored([ONE], now_s=0.0)
    for number in range(limits.STORED_REMEMBERED_MAX):
        underway.stored([(COMMONS, number.to_bytes(16, "big"))], now_s=0.0)
    assert not underway.came_since(ONE, 0.0)
    assert underway.came_since((COMMONS, (0).to_bytes(16, "big")), 0.0)


# --- whole sessions ----------------------------------------------------------------------------


class Silent(Network):
    """Some nodes answer no Want from a moment on, and are otherwise as honest as before."""

    def __init__(self) -> None:
        super().__init__(seed=3, delay_s=0.05)
        self.silent: set[Node] = set()

    def said(self, end: End, frame: Frame) -> Sequence[bytes]:
        is_held = end.node in self.silent and isinstance(frame, Entries)
        return () if is_held else super().said(end, frame)


class Circle:
    """Alice in the middle of friends who all hold the same, and who reach her at the same time."""

    def __init__(self, network: Silent, alice: Node, friends: Sequence[tuple[Node, End]]) -> None:
        self.network = network
        self.alice = alice
        self.friends = friends

    @property
    def asked(self) -> list[bytes]:
        """All ids that alice asked for, of whomever."""
        wants = [one for end in self.alice.ends for one in end.frames if isinstance(one, Want)]
        return [one.ids[at : at + 16] for one in wants for at in range(0, len(one.ids), 16)]

    @property
    def known(self) -> int:
        return sum(end.session.report.entries_known for end in self.alice.ends)

    def lacks(self, entries: Sequence[SignedEntry]) -> int:
        assert isinstance(self.alice.store, MemoryStore)
        return len({one.id[:16] for one in entries} - self.alice.store.ids_held())


async def circle(count: int, entries: Sequence[SignedEntry] = ()) -> Circle:
    network = Silent()
    alice = await network.add(ALICE, ALICE.config(), MemoryStore().open)
    friends: list[tuple[Node, End]] = []
    for number in range(count):
        who, store = person(f"friend {number}"), MemoryStore()
        store.add(entries)
        node = await network.add(who, who.config(), store.open)
        friends.append((node, network.connect(node, alice)[0]))
    return Circle(network, alice, friends)


async def publish(circle: Circle, entries: Sequence[SignedEntry]) -> None:
    """All friends get them in the same moment, from elsewhere."""
    for node, _ in circle.friends:
        await node.store.receive(entries, source="elsewhere")


async def test_an_entry_that_five_peers_announce_is_asked_for_once() -> None:
    met = await circle(5)
    await met.network.run(2.0)
    await publish(met, entries := entries_of(1, 20))
    await met.network.run(3.0)
    assert met.lacks(entries) == 0
    assert sorted(met.asked) == sorted(one.id[:16] for one in entries)
    assert met.known == 0


async def test_what_five_peers_hold_is_asked_for_once_by_a_newcomer() -> None:
    """Each reconciliation finds all of it; at the end every area is equal with every peer."""
    entries = entries_of(2, 3_000)
    met = await circle(5, entries)
    await met.network.run(30.0)
    assert met.lacks(entries) == 0
    assert len(met.asked) == len(entries)
    assert met.known == 0
    assert [end.session.report.areas_different for end in met.alice.ends] == [0] * 5
    givers = [end for _, end in met.friends if end.session.report.entries_sent]
    assert len(givers) == 5, "all of them give a part"


async def test_whoever_announces_and_gives_nothing_delays_nobody_beyond_the_patience() -> None:
    """Three of them, who are the first to announce, and then again with all that comes later."""
    met = await circle(4)
    await met.network.run(2.0)
    met.network.silent = {node for node, _ in met.friends[:3]}
    first = entries_of(3, 5)
    for node, _ in met.friends[:3]:
        await node.store.receive(first, source="elsewhere")
    await met.network.run(2.2)
    await met.friends[3][0].store.receive(first, source="elsewhere")
    await met.network.run(
        2.2 + limits.ENTRIES_PATIENCE_S + 1.3
    )  # a tick of the clock, and a round trip
    assert met.lacks(first) == 0
    await met.network.run(met.network.now_s + limits.ENTRIES_PATIENCE_S)
    at_s = met.network.now_s
    await publish(met, later := entries_of(4, 5))
    await met.network.run(at_s + 1.0)
    assert met.lacks(later) == 0, "they are slow now, and nobody waits for them"


async def test_what_is_left_to_others_one_after_the_other_is_asked_for_at_last() -> None:
    """ENTRIES_LEFT_S, whoever takes the turn just when another gives it up."""
    met = await circle(1)
    await met.network.run(2.0)
    (entry,) = entries_of(7, 1)
    key = (COMMONS, entry.id[:16])
    underway = met.alice.config.underway
    asker = underway.join(lambda: None)
    assert underway.ask(asker, key, now_s=met.network.now_s)
    await publish(met, [entry])
    began_s = met.network.now_s
    while met.network.now_s < began_s + limits.ENTRIES_LEFT_S - 2.0:
        await met.network.run(met.network.now_s + 1.5)
        assert met.lacks([entry]) == 1
        underway.end(asker, [key])
        asker = underway.join(lambda: None)
        assert underway.ask(asker, key, now_s=met.network.now_s)
    await met.network.run(began_s + limits.ENTRIES_LEFT_S + 1.5)  # a look, and a round trip
    assert met.lacks([entry]) == 0


async def test_a_peer_that_leaves_is_not_waited_for() -> None:
    met = await circle(2)
    await met.network.run(2.0)
    met.network.silent = {met.friends[0][0]}
    entries = entries_of(5, 3)
    await met.friends[0][0].store.receive(entries, source="elsewhere")
    await met.network.run(2.2)
    await met.friends[1][0].store.receive(entries, source="elsewhere")
    await met.network.run(2.4)
    assert met.lacks(entries) == 3
    met.network.cut(met.friends[0][1])
    await met.network.run(2.8)
    assert met.lacks(entries) == 0


async def test_what_a_peer_gives_is_not_announced_to_it_nor_what_it_announces_later() -> None:
    met = await circle(3)
    await met.network.run(2.0)
    await publish(met, entries_of(6, 4))
    await met.network.run(4.0)
    haves = [one for end in met.alice.ends for one in end.frames if isinstance(one, Have)]
    assert haves == []
