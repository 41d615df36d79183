"""The core of a relay: who hears what, and what nobody gets."""

import pytest

from p2p.protocol.frames import Ping, Pong, encode_frame, peek_kind
from p2p.protocol.relay import frames, limits
from p2p.protocol.relay.effects import Conversation
from p2p.protocol.relay.frames import Circuit, Done, RelayFrame
from tests.p2p.protocol.relay.clients import ALICE, BOB, CAROL, DAY_US, HOST, Office

ID = bytes(16)


def letter(number: int, to: bytes, id: bytes = ID, sealed: bytes = b"sealed") -> frames.Letter:
    return frames.Letter(number, to, id, sealed, DAY_US)


def test_a_device_registers_and_is_told_where_it_was_seen() -> None:
    office = Office.made()
    alice = office.come(ALICE)
    assert office.told(alice) == [frames.Registered(int(limits.REGISTERED_S), HOST, False)]
    assert office.say(alice, Ping(7)) == [Pong(7)]
    assert office.say(alice, frames.Lookup(1, False, ALICE)) == [frames.Cards(1, (ALICE,))]
    assert office.say(alice, frames.Lookup(2, False, BOB)) == [frames.Cards(2, ())]


def test_a_call_gives_both_a_key_of_their_own() -> None:
    office = Office.made()
    alice, bob = office.come(ALICE), office.come(BOB)
    (alices,) = office.say(alice, frames.Call(1, BOB))
    bobs = office.told(bob)[-1]
    assert isinstance(alices, Circuit)
    assert isinstance(bobs, Circuit)
    assert (alices.number, alices.who) == (1, BOB)
    assert (bobs.number, bobs.who) == (0, ALICE)
    assert alices.key != bobs.key
    circuits = office.relay.circuits
    first = circuits.join(alices.key, now_s=1.0)
    second = circuits.join(bobs.key, now_s=1.0)
    assert first
    assert second
    assert first[0] is second[0]
    assert (first[1], second[1]) == (0, 1)
    assert circuits.open_count == 1
    assert circuits.join(alices.key, now_s=1.0) is None, "a key is of use once"


def test_a_key_is_of_no_use_after_ten_seconds() -> None:
    office = Office.made()
    alice, _ = office.come(ALICE), office.come(BOB)
    (offered,) = office.say(alice, frames.Call(1, BOB))
    assert isinstance(offered, Circuit)
    assert office.relay.circuits.join(offered.key, now_s=limits.JOIN_S) is None
    assert office.relay.circuits.join(bytes(32), now_s=0.0) is None, "a guess"
    assert len(office.relay.circuits.expire(now_s=limits.JOIN_S)) == 1
    assert office.relay.circuits.count == 0


@pytest.mark.parametrize("whom", [CAROL, ALICE], ids=["nobody", "oneself"])
def test_whoever_is_not_here_cannot_be_called(whom: bytes) -> None:
    office = Office.made()
    alice = office.come(ALICE)
    (said,) = office.say(alice, frames.Call(1, whom))
    assert isinstance(said, Done)
    assert said.code == "not-here"
    (said,) = office.say(alice, frames.Signal(2, CAROL, b"offer"))
    assert isinstance(said, Done)
    assert said.code == "not-here"


def test_a_signal_is_passed_on_with_the_name_of_who_sent_it() -> None:
    office = Office.made()
    alice, bob = office.come(ALICE), office.come(BOB)
    assert office.say(alice, frames.Signal(4, BOB, b"offer")) == [Done(4)]
    assert office.told(bob)[-1] == frames.Signal(0, ALICE, b"offer")


def test_signals_of_others_do_not_fill_what_a_slow_client_has() -> None:
    office = Office.made()
    mallory, bob = office.come(ALICE), office.come(BOB)
    passed = 0
    for number in range(1, 100):
        office.say(mallory, frames.Signal(number, BOB, bytes(limits.SIGNAL_BYTES_MAX)))
        came = office.told(bob)[1:]
        bob.unsent_bytes += (len(came) - passed) * limits.SIGNAL_BYTES_MAX  # bob reads nothing
        passed = len(came)
    assert bob.unsent_bytes <= limits.SIGNALS_UNSENT_BYTES_MAX
    refused = office.told(mallory)[-1]
    assert isinstance(refused, Done)
    assert refused.code == "not-reading"
    bob.unsent_bytes = 0
    assert office.say(mallory, frames.Signal(100, BOB, b"offer")) == [Done(100)]


def test_a_letter_waits_until_it_is_taken() -> None:
    office = Office.made()
    alice, bob = office.come(ALICE), office.come(BOB)
    office.relay.left(bob)
    assert office.say(alice, letter(1, BOB)) == [Done(1)]
    bob = office.come(BOB)
    assert office.say(bob, frames.Collect()) == [frames.Delivered(ID, b"sealed")]
    office.relay.left(bob)
    bob = office.come(BOB)
    assert office.say(bob, frames.Collect()) == [frames.Delivered(ID, b"sealed")], "not taken yet"
    assert office.say(bob, frames.Taken(ID)) == []
    assert not office.disk.letters


def test_a_letter_goes_at_once_to_whoever_collects() -> None:
    office = Office.made()
    alice, bob = office.come(ALICE), office.come(BOB)
    office.say(bob, frames.Collect())
    office.say(alice, letter(1, BOB))
    assert office.told(bob)[-1] == frames.Delivered(ID, b"sealed")


def test_few_letters_are_under_way_at_a_time() -> None:
    office = Office.made()
    alice, bob = office.come(ALICE), office.come(BOB)
    ids = [bytes([n]) * 16 for n in range(10)]
    for number, id in enumerate(ids, start=1):
        office.say(alice, letter(number, BOB, id))
    came = office.say(bob, frames.Collect())
    assert len(came) == limits.LETTERS_UNDERWAY_MAX
    while came:
        taken = b"".join(one.id for one in came if isinstance(one, frames.Delivered))
        ids = [id for id in ids if id not in taken]
        came = office.say(bob, frames.Taken(taken))
    assert not ids
    assert not office.disk.letters


def test_a_letter_for_a_device_that_never_came_is_refused() -> None:
    office = Office.made()
    (said,) = office.say(office.come(ALICE), letter(1, BOB))
    assert isinstance(said, Done)
    assert said.code == "not-known-here"


def test_what_is_posted_is_fetched_by_its_tag() -> None:
    office = Office.made()
    alice, bob = office.come(ALICE), office.come(BOB)
    assert office.say(alice, frames.Post(1, CAROL, b"sealed", DAY_US)) == [Done(1)]
    assert office.say(bob, frames.Fetch(1, CAROL)) == [frames.Fetched(1, b"sealed")]
    assert office.say(bob, frames.Fetch(2, ALICE)) == [frames.Fetched(2, None)]


def test_a_newer_connection_of_a_device_takes_the_place_of_the_older() -> None:
    office = Office.made()
    old = office.come(ALICE)
    new = office.come(ALICE)
    assert office.ended[id(old)] == "replaced"
    office.relay.left(old)
    assert office.relay.is_registered(ALICE)
    assert id(new) not in office.ended


def test_another_devices_card_is_a_fault() -> None:
    office = Office.made()
    one = office.relay.open(ALICE, HOST, now_s=0.0)
    office.say(one, frames.Register(BOB))
    assert office.ended[id(one)] == "card-device"
    assert not office.relay.is_registered(ALICE)
    assert not office.relay.is_registered(BOB)


@pytest.mark.parametrize(
    "frame",
    [frames.Registered(1, "", False), frames.Cards(1, ()), frames.Draining(1), frames.Done(1)],
    ids=lambda frame: type(frame).__name__,
)
def test_what_only_a_relay_says_is_a_fault_of_a_client(frame: RelayFrame) -> None:
    office = Office.made()
    alice = office.come(ALICE)
    office.say(alice, frame)
    assert office.ended[id(alice)] == "out-of-order"


def test_nothing_goes_before_the_registration() -> None:
    office = Office.made()
    one = office.relay.open(ALICE, HOST, now_s=0.0)
    office.say(one, frames.Call(1, BOB))
    assert office.ended[id(one)] == "out-of-order"


def test_whoever_is_silent_or_does_not_renew_goes() -> None:
    office = Office.made()
    alice, bob = office.come(ALICE), office.come(BOB)
    office.now_s = limits.SILENT_S - 1.0
    office.say(bob, Ping(1))
    office.carry_out(office.relay.tick(now_s=limits.SILENT_S))
    assert office.ended == {id(alice): "silent"}
    while office.now_s < limits.REGISTERED_S:
        office.now_s += limits.PING_S
        office.say(bob, Ping(1))
    office.carry_out(office.relay.tick(now_s=office.now_s))
    assert office.ended[id(bob)] == "lapsed"


def test_a_full_relay_says_so() -> None:
    office = Office.made(registrations_max=1)
    office.come(ALICE)
    bob = office.come(BOB)
    assert office.ended[id(bob)] == "relay-full"
    assert office.relay.registered_count == 1


def test_one_host_cannot_take_all_the_room() -> None:
    office = Office.made()
    for n in range(limits.REGISTRATIONS_OF_HOST_MAX):
        office.come(n.to_bytes(32, "big"))
    late = office.come(b"\xff" * 32)
    assert office.ended[id(late)] == "relay-full"
    other = office.come(b"\xfe" * 32, "192.0.2.2")
    assert id(other) not in office.ended


@pytest.mark.parametrize(("room", "share"), [(2, 1), (10, 9), (40, 16), (400, 100)])
def test_nor_that_of_a_small_relay(room: int, share: int) -> None:
    office = Office.made(registrations_max=room)
    for n in range(room):
        office.come(n.to_bytes(32, "big"))
    assert office.relay.registered_count == share
    office.come(b"\xfe" * 32, "192.0.2.2")
    assert office.relay.registered_count == share + 1


def test_a_network_of_ipv6_is_one_host() -> None:
    office = Office.made()
    for n in range(limits.REGISTRATIONS_OF_HOST_MAX):
        office.come(n.to_bytes(32, "big"), f"2001:db8::{n:x}")
    late = office.come(ALICE, "2001:db8::ffff:1")
    assert office.ended[id(late)] == "relay-full"
    other = office.come(BOB, "2001:db8:0:1::1")
    assert office.told(other) == [
        frames.Registered(int(limits.REGISTERED_S), "2001:db8:0:1::1", False)
    ]


def test_a_device_that_comes_from_a_full_host_stays_where_it_is() -> None:
    office = Office.made()
    for n in range(limits.REGISTRATIONS_OF_HOST_MAX):
        office.come(n.to_bytes(32, "big"))
    alice = office.come(ALICE, "192.0.2.2")
    again = office.come(ALICE)
    assert office.ended == {id(again): "relay-full"}
    assert office.say(alice, Ping(1)) == [Pong(1)]
    there = office.come((0).to_bytes(32, "big"))
    assert id(there) not in office.ended, "it takes the place of the one that it was"


def test_a_channel_is_not_served_because_another_one_of_its_device_is() -> None:
    office = Office.made()
    alice = office.come(ALICE)
    other = office.relay.open(ALICE, HOST, now_s=0.0)
    office.say(other, frames.Register(BOB))
    assert office.ended == {id(other): "card-device"}
    assert (office.relay.serves(alice), office.relay.serves(other)) == (True, False)


def kept_of(office: Office, senders: list[Conversation], to: bytes, size: int) -> int:
    """How many letters of `size` bytes are taken, each of `senders` writing one after the other."""
    numbers = range(1, limits.LETTERS_OF_SENDER_MAX + 1)
    said = [
        office.say(one, letter(n, to, n.to_bytes(16, "big"), bytes(size)))[-1]
        for one in senders
        for n in numbers
    ]
    return sum(one == Done(n) for one, n in zip(said, [*numbers] * len(senders), strict=True))


@pytest.mark.parametrize(
    ("size", "most"),
    [
        (100, limits.LETTERS_OF_HOST_TO_DEVICE_MAX),
        (64 << 10, limits.LETTERS_OF_HOST_TO_DEVICE_BYTES_MAX // (64 << 10)),
    ],
)
def test_one_host_cannot_fill_a_mailbox_by_many_keys(size: int, most: int) -> None:
    office = Office.made()
    bob = office.come(BOB)
    mallorys = [office.come(n.to_bytes(32, "big")) for n in range(100, 110)]
    assert kept_of(office, mallorys, BOB, size) == most
    alice = office.come(ALICE, "192.0.2.2")
    assert kept_of(office, [alice], BOB, size) == min(most, limits.LETTERS_OF_SENDER_MAX)
    office.say(bob, frames.Taken(ID))
    assert kept_of(office, mallorys[:1], BOB, size) > 0, "there is room again"


def test_one_host_cannot_fill_the_disk_of_a_relay_by_many_keys() -> None:
    office = Office.made()
    receivers = [n.to_bytes(32, "big") for n in range(1_000, 1_040)]
    for one in receivers:
        office.come(one, "192.0.2.2")
    mallory = office.come(ALICE)
    size = 64 << 10
    kept = sum(kept_of(office, [mallory], one, size) for one in receivers)
    assert kept * size == limits.LETTERS_OF_HOST_BYTES_MAX
    assert kept_of(office, [office.come(BOB, "192.0.2.3")], receivers[0], size) > 0
    office.now_s += limits.LETTER_S_MAX / 2
    again = office.come(ALICE)
    assert kept_of(office, [again], receivers[0], size) > 0, "with time there is room again"


def test_one_host_cannot_take_all_posts_by_many_keys() -> None:
    office = Office.made()
    mallory = office.come(ALICE)
    codes = [
        office.say(mallory, frames.Post(n, n.to_bytes(32, "big"), b"x", DAY_US))[-1]
        for n in range(1, limits.POSTS_OF_HOST_MAX + 2)
    ]
    assert codes[-2] == Done(limits.POSTS_OF_HOST_MAX)
    assert isinstance(codes[-1], Done)
    assert codes[-1].code == "too-many-posts"
    bob = office.come(BOB, "192.0.2.2")
    assert office.say(bob, frames.Post(1, CAROL, b"x", DAY_US)) == [Done(1)]


def test_whoever_asks_too_often_is_read_later() -> None:
    office = Office.made()
    alice = office.come(ALICE)
    asked = 0
    while not office.rested_s:
        asked += 1
        office.say(alice, frames.Lookup(asked, False, BOB))
    assert asked * limits.LOOKUP_TOKENS <= limits.FRAMES_BURST + limits.LOOKUP_TOKENS
    assert 0.0 < office.rested_s <= limits.LOOKUP_TOKENS / limits.FRAMES_PER_S
    assert id(alice) not in office.ended, "it is no offence"


def test_pings_cost_nothing_and_are_bounded_by_themselves() -> None:
    office = Office.made()
    alice = office.come(ALICE)
    while not office.rested_s:
        office.say(alice, frames.Lookup(1, False, BOB))
    office.rested_s = 0.0
    for number in range(int(limits.PINGS_BURST)):
        assert office.say(alice, Ping(number)) == [Pong(number)]
    assert office.rested_s == 0.0
    assert office.say(alice, Ping(99)) == [Pong(99)]
    assert office.rested_s > 0.0, "it costs as much as any other frame"
    kind, later_s = peek_kind(encode_frame(Ping(1))), office.now_s + 1 / limits.PINGS_PER_S
    assert not office.relay.answers_now(alice, kind, now_s=office.now_s)
    assert office.relay.answers_now(alice, kind, now_s=later_s)


def test_many_keys_of_one_host_are_read_later_all_the_same() -> None:
    office = Office.made()
    came = 0
    while not office.rested_s:
        office.come(came.to_bytes(32, "big"))
        office.relay.left(office.come(came.to_bytes(32, "big")))
        came += 1
    assert came * 2 * limits.REGISTER_TOKENS <= limits.FRAMES_OF_HOST_BURST * 1.01


def test_a_relay_that_drains_takes_no_calls() -> None:
    office = Office.made()
    alice, bob = office.come(ALICE), office.come(BOB)
    office.carry_out(office.relay.drain(30.0))
    assert office.told(alice)[-1] == office.told(bob)[-1] == frames.Draining(30)
    (said,) = office.say(alice, frames.Call(1, BOB))
    assert isinstance(said, Done)
    assert said.code == "draining"
    assert office.say(alice, letter(2, BOB)) == [Done(2)], "letters are taken to the end"


def test_a_private_relay_wants_its_token() -> None:
    office = Office.made(token=b"secret")
    assert id(office.come(ALICE, token=b"secret")) not in office.ended
    stranger = office.come(BOB)
    assert office.ended[id(stranger)] == "wrong-token"
    assert not office.relay.is_registered(BOB)


def test_wrong_tokens_of_a_host_are_judged_less_and_less_often() -> None:
    office = Office.made(token=b"secret")
    for n in range(int(limits.WRONG_TOKENS_BURST)):
        office.come(BOB, token=bytes([n]))
    hasty = office.come(BOB, token=b"secret")
    assert office.ended[id(hasty)] == "wrong-token", "not even the right one is judged now"
    elsewhere = office.come(CAROL, host="192.0.2.2", token=b"secret")
    assert id(elsewhere) not in office.ended
    office.now_s += 1.0 / limits.WRONG_TOKENS_PER_S
    assert id(office.come(BOB, token=b"secret")) not in office.ended
