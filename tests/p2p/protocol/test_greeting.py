"""Who the peer is and what it may read: proved for this channel, or refused."""

from dataclasses import replace

import pytest

from crdt.area import Area
from crdt.capability import (
    READ,
    WRITE,
    Capability,
    CapabilityCache,
    delegate,
    encode_capability,
    own,
)
from crdt.change import device_capabilities
from crdt.errors import CrdtError
from crdt.keys import COMMONS, NamespaceKey
from p2p.protocol.config import Role, SessionConfig
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Hello, Interests, Present, Presented, encode_frame
from p2p.protocol.greeting import (
    Held,
    check_hello,
    check_present,
    claim_of,
    open_held,
    present,
    salted_name,
    salted_names,
)
from p2p.protocol.limits import INTERESTS_MAX, PRESENTED_BYTES_MAX, PRESENTED_MAX
from p2p.protocol.states import State
from tests.p2p.protocol.conversation import (
    ALICES_CHALLENGE,
    BOBS_CHALLENGE,
    EVERYTHING_WANTED,
    HANDSHAKE_HASH,
    Line,
    Side,
    Talk,
    bobs_hello,
    entries_of,
    owned_namespace,
    readable_by,
    with_interest,
)
from tests.simulation.people import ALICE, BOB, person

GARDEN = owned_namespace("garden")
MEADOW = NamespaceKey(b"meadow" * 5 + b"\0\0")
"""Communal."""
CACHE = CapabilityCache()
CAROL = person("carol")


# --- Hello ---------------------------------------------------------------------------------------


def hello_code(hello: Hello) -> str:
    with pytest.raises(RemoteProtocolError) as refusal:
        check_hello(hello, BOB.device_key, CACHE)
    return refusal.value.code


def bobs(area: Area | None = None, *, mode: int = WRITE) -> Capability:
    root = Capability(mode, COMMONS, BOB.author)
    return delegate(root, BOB.root, area or Area(BOB.author, (b"pub",)), BOB.device_key)


def test_bob_speaks_for_bob() -> None:
    assert check_hello(bobs_hello(), BOB.device_key, CACHE) == BOB.author
    itself = encode_capability(Capability(WRITE, COMMONS, BOB.device_key))
    hello = bobs_hello(author=BOB.device_key, capability=itself)
    assert bytes(check_hello(hello, BOB.device_key, CACHE)) == BOB.device_key


def test_an_author_that_did_not_delegate_is_not_believed() -> None:
    co_authored = bobs(Area(BOB.author, (b"pub", b"mod", b"one record")))
    carols = device_capabilities(CAROL.root, CAROL.device_key)["pub"]
    twice = delegate(bobs(), BOB.device, Area(BOB.author, (b"pub",)), BOB.device_key)
    for capability, code in (
        (encode_capability(co_authored), "hello-author"),
        (encode_capability(bobs(mode=READ)), "hello-author"),
        (encode_capability(twice), "hello-author"),
        (encode_capability(own(GARDEN, WRITE, BOB.author)), "hello-author"),
        (carols, "hello-author"),
        (b"", "truncated"),
        (encode_capability(bobs())[:-1], "truncated"),
        (encode_capability(bobs())[:-1] + b"\0", "bad-delegation"),
    ):
        assert hello_code(bobs_hello(capability=capability)) == code
    assert hello_code(bobs_hello(author=ALICE.author)) == "hello-author"
    stolen = device_capabilities(CAROL.root, CAROL.device_key)["pub"]
    assert hello_code(bobs_hello(author=CAROL.author, capability=stolen)) == "hello-device"


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"version": 0}, "version"), ({"author": ALICE.author}, "hello-author")],
)
def test_a_wrong_hello_ends_the_session(changes: dict[str, object], code: str) -> None:
    line = Line(State.GREETING)
    line.say(bobs_hello(**changes))
    assert line.fault == code


def test_a_later_version_is_welcome() -> None:
    line = Line(State.GREETING)
    line.say(bobs_hello(version=7))
    assert line.session.state is State.PRESENTING


def test_a_node_does_not_talk_to_itself() -> None:
    line = Line(State.GREETING, config=BOB.config())
    line.say(bobs_hello())
    assert line.fault == "self"


# --- names of private namespaces -----------------------------------------------------------------


def test_names_are_salted_by_channel_and_sender() -> None:
    name = salted_name(GARDEN.public, handshake_hash=HANDSHAKE_HASH, device=BOB.device_key)
    other_channel = salted_name(GARDEN.public, handshake_hash=b"x" * 32, device=BOB.device_key)
    other_sender = salted_name(GARDEN.public, handshake_hash=HANDSHAKE_HASH, device=b"x" * 32)
    assert len({name, other_channel, other_sender}) == 3


def test_the_commons_have_no_salted_name_and_nobody_names_more_than_the_limit() -> None:
    many = [COMMONS, *(bytes([i]) * 32 for i in range(INTERESTS_MAX + 9))]
    names = salted_names(many, ALICE.device, handshake_hash=HANDSHAKE_HASH)
    assert len(names) == INTERESTS_MAX
    assert names == tuple(sorted(names))
    commons = salted_name(COMMONS, handshake_hash=HANDSHAKE_HASH, device=ALICE.device_key)
    assert commons not in names


def test_a_private_namespace_is_never_named_to_a_peer_that_does_not_know_it() -> None:
    capability = readable_by(GARDEN, ALICE.device_key)
    line = Line(config=with_interest(ALICE, GARDEN.public, capability), role=Role.INITIATOR)
    line.say(Present(()))
    assert any(isinstance(frame, Interests) for frame in line.sent)
    assert not [frame for frame in line.sent if GARDEN.public in encode_frame(frame)]


def test_a_peer_that_sends_our_own_names_back_is_not_believed() -> None:
    capability = readable_by(GARDEN, ALICE.device_key)
    line = Line(State.GREETING, config=with_interest(ALICE, GARDEN.public, capability))
    (hello,) = line.sent
    assert isinstance(hello, Hello)
    assert line.say(bobs_hello(overlap=hello.overlap)) == [Present(())]


def test_a_peer_that_knows_the_namespace_is_shown_the_capability() -> None:
    capability = readable_by(GARDEN, ALICE.device_key)
    line = Line(State.GREETING, config=with_interest(ALICE, GARDEN.public, capability))
    names = salted_names([GARDEN.public], BOB.device, handshake_hash=HANDSHAKE_HASH)
    (shown,) = line.say(bobs_hello(overlap=names))
    assert isinstance(shown, Present)
    assert [one.capability for one in shown.capabilities] == [capability]
    # Without Bob's capability his node still does not hear that Alice wants the garden.
    (interests,) = line.say(Present(()))
    assert interests == EVERYTHING_WANTED


def test_two_who_may_read_a_private_namespace_exchange_it() -> None:
    seeds = entries_of(1, 5, namespace=GARDEN.public)
    alice = with_interest(ALICE, GARDEN.public, readable_by(GARDEN, ALICE.device_key))
    bob = with_interest(BOB, GARDEN.public, readable_by(GARDEN, BOB.device_key))
    talk = Talk(seeds, [], alices=alice, bobs=bob).settle()
    assert talk.is_equal
    assert talk.bob.store.ids_held()
    without = Talk(seeds, [], alices=alice, bobs=with_interest(BOB, GARDEN.public)).settle()
    assert not without.bob.store.ids_held()


def test_nobody_sees_how_many_private_namespaces_there_are() -> None:
    def names(count: int, channel: bytes = HANDSHAKE_HASH) -> tuple[bytes, ...]:
        known = [bytes([i]) * 32 for i in range(count)]
        return salted_names(known, ALICE.device, handshake_hash=channel)

    none, one, many = names(0), names(1), names(16)
    assert len(none) == len(one) == len(many) == 16
    assert len(set(none)) == 16
    assert len(set(none) & set(one)) == 15, "one filler gave way to a name, and no more is seen"
    assert not set(none) & set(names(0, b"x" * 32)), "each channel has its own"


def test_who_knows_a_communal_namespace_may_read_it_and_nobody_else_hears_of_it() -> None:
    seeds = entries_of(1, 5, namespace=MEADOW)
    alice, bob = with_interest(ALICE, MEADOW), with_interest(BOB, MEADOW)
    assert Talk(seeds, [], alices=alice, bobs=bob).settle().is_equal
    stranger = Talk(seeds, [], alices=alice, bobs=BOB.config()).settle()
    assert not stranger.bob.store.ids_held()
    assert not [frame for frame in stranger.alice.sent if bytes(MEADOW) in encode_frame(frame)]


# --- while the session runs ----------------------------------------------------------------------


def reconfigured(talk: Talk, side: Side, config: SessionConfig) -> None:
    talk.do(side, side.session.reconfigure(config, now_s=talk.now_s))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("is_alice_first", [False, True])
def test_who_joins_while_they_talk_gets_what_is_there(seed: int, *, is_alice_first: bool) -> None:
    """An owned namespace and a communal one; either side may be the later one."""
    entries = [*entries_of(1, 5, namespace=GARDEN.public), *entries_of(2, 5, namespace=MEADOW)]
    talk = Talk(entries, [], seed=seed).settle()
    assert not talk.bob.store.ids_held()
    sides = [(talk.alice, ALICE), (talk.bob, BOB)]
    for side, who in sides if is_alice_first else reversed(sides):
        wants = with_interest(who, GARDEN.public, readable_by(GARDEN, who.device_key))
        both = (*wants.interests, (NamespaceKey(MEADOW), Area()))
        reconfigured(talk, side, replace(wants, interests=both))
        talk.settle()
    assert talk.is_equal
    assert talk.alice.session.shared == {COMMONS, GARDEN.public, MEADOW}
    talk.write(talk.bob, entries_of(3, 2, namespace=MEADOW))
    assert talk.settle().is_equal


@pytest.mark.parametrize("seed", range(4))
def test_who_leaves_while_they_talk_gets_no_more_of_it(seed: int) -> None:
    alice = with_interest(ALICE, GARDEN.public, readable_by(GARDEN, ALICE.device_key))
    bob = with_interest(BOB, GARDEN.public, readable_by(GARDEN, BOB.device_key))
    talk = Talk([], [], alices=alice, bobs=bob, seed=seed).settle()
    reconfigured(talk, talk.bob, BOB.config())
    talk.settle()
    talk.write(talk.alice, entries_of(1, 3, namespace=GARDEN.public))
    before = len(talk.alice.sent)
    talk.settle().wait(600.0)
    assert not talk.bob.store.ids_held()
    assert not [one for one in talk.alice.sent[before:] if GARDEN.public in encode_frame(one)]


def test_two_who_know_nothing_in_common_say_nothing_of_what_they_join() -> None:
    talk = Talk(entries_of(1, 5, namespace=MEADOW)).settle()
    reconfigured(talk, talk.alice, with_interest(ALICE, MEADOW))
    reconfigured(talk, talk.bob, with_interest(BOB, GARDEN.public))
    talk.settle()
    for side in (talk.alice, talk.bob):
        said = b"".join(encode_frame(frame) for frame in side.sent)
        assert bytes(MEADOW) not in said
        assert GARDEN.public not in said


# --- Present -------------------------------------------------------------------------------------


def shown_to(
    *,
    capability: bytes | None = None,
    challenge: bytes = ALICES_CHALLENGE,
    handshake_hash: bytes = HANDSHAKE_HASH,
    signer: bytes = b"",
) -> Present:
    """Bob's read capability for the garden, as he shows it to Alice."""
    encoded = capability or readable_by(GARDEN, BOB.device_key)
    held = open_held([encoded], CACHE)
    device = CAROL.device if signer == b"carol" else BOB.device
    frame, _ = present(
        held,
        device,
        handshake_hash=handshake_hash,
        challenge=challenge,
        known={held[0].capability.namespace},
    )
    assert len(frame.capabilities) == 1
    return frame


def judged(frame: Present) -> str:
    try:
        check_present(
            frame,
            BOB.device_key,
            handshake_hash=HANDSHAKE_HASH,
            challenge=ALICES_CHALLENGE,
            cache=CACHE,
        )
    except RemoteProtocolError as fault:
        return fault.code
    return "taken"


def test_a_capability_shown_on_this_channel_is_taken() -> None:
    assert judged(shown_to()) == "taken"
    assert judged(Present(())) == "taken"


def test_a_capability_replayed_from_elsewhere_is_refused() -> None:
    assert judged(shown_to(challenge=BOBS_CHALLENGE)) == "present-signature"
    assert judged(shown_to(handshake_hash=b"x" * 32)) == "present-signature"
    assert judged(shown_to(signer=b"carol")) == "present-signature"


def test_a_capability_of_another_key_to_write_or_forged_is_refused() -> None:
    carols = readable_by(GARDEN, CAROL.device_key)
    assert judged(shown_to(capability=carols)) == "present-receiver"
    writing = delegate(own(GARDEN, WRITE, GARDEN.public), GARDEN, Area(), BOB.device_key)
    assert judged(shown_to(capability=encode_capability(writing))) == "present-mode"
    good = shown_to().capabilities[0]
    forged = shown_as(good, good.capability[:-1] + b"\0")
    assert judged(Present((forged,))) == "bad-delegation"
    swapped = shown_as(good, readable_by(GARDEN, BOB.device_key, Area(end=9)))
    assert judged(Present((good, swapped))) == "present-signature"


def test_a_present_is_only_so_long() -> None:
    """Each of its signatures is checked at once: whoever shows more is not listened to."""
    good = shown_to().capabilities[0]
    chain = shown_as(good, bytes(8 << 10))
    assert judged(Present((chain,) * 6)) != "present-length"
    assert judged(Present((chain,) * 6 + (good,))) == "present-length"


def test_what_is_shown_fits() -> None:
    capability = own(GARDEN, READ, GARDEN.public)
    for place in range(14):
        path = (b"x" * 200,) * (place + 1)
        capability = delegate(capability, GARDEN, Area(path=path), GARDEN.public)
    encoded = encode_capability(capability)
    held = [Held(encoded, capability)] * (2 * PRESENTED_BYTES_MAX // len(encoded))
    shown, claims = present(
        held,
        GARDEN,
        handshake_hash=HANDSHAKE_HASH,
        challenge=ALICES_CHALLENGE,
        known={GARDEN.public},
    )
    sizes = [len(one.capability) for one in shown.capabilities]
    assert PRESENTED_BYTES_MAX - len(encoded) < sum(sizes) <= PRESENTED_BYTES_MAX
    assert len(claims) == len(sizes)


def shown_as(shown: Presented, capability: bytes) -> Presented:
    return Presented(capability, shown.signature)


def test_what_is_shown_is_what_may_be_read() -> None:
    past = Area(end=1_000)
    frame = shown_to(capability=readable_by(GARDEN, BOB.device_key, past))
    rights = check_present(
        frame,
        BOB.device_key,
        handshake_hash=HANDSHAKE_HASH,
        challenge=ALICES_CHALLENGE,
        cache=CACHE,
    )
    assert [claim_of(right) for right in rights] == [(GARDEN.public, past)]


def test_an_area_that_has_ended_and_another_namespace_give_nothing() -> None:
    """Bob may read the garden's first days; later entries, and the orchard, are not his."""
    early = entries_of(2, 1, namespace=GARDEN.public)
    early = [replace(one, entry=replace(one.entry, timestamp=500)) for one in early]
    late = entries_of(3, 1, namespace=GARDEN.public)
    orchard = owned_namespace("orchard")
    other = entries_of(4, 1, namespace=orchard.public)
    alice = with_interest(ALICE, GARDEN.public, readable_by(GARDEN, ALICE.device_key))
    bob = with_interest(BOB, GARDEN.public, readable_by(GARDEN, BOB.device_key, Area(end=1_000)))
    talk = Talk([*early, *late, *other], [], alices=alice, bobs=bob).settle()
    assert talk.bob.store.ids_held() == {early[0].id[:16]}


def test_no_more_is_shown_than_the_limit() -> None:
    many = [readable_by(GARDEN, BOB.device_key, Area(end=9 + i)) for i in range(PRESENTED_MAX + 5)]
    frame, claims = present(
        open_held(many, CACHE),
        BOB.device,
        handshake_hash=HANDSHAKE_HASH,
        challenge=ALICES_CHALLENGE,
        known={GARDEN.public},
    )
    assert len(frame.capabilities) == PRESENTED_MAX
    assert len(claims) == PRESENTED_MAX


def test_our_own_invalid_capability_is_our_own_fault() -> None:
    with pytest.raises(CrdtError):
        open_held([b"nonsense"], CACHE)
