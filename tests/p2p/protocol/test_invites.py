"""Short codes, links, proofs, frames and guesses: what an invite is made of."""

import os
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.ed25519 import SigningKey
from crdt.keys import DeviceKey
from p2p.protocol.errors import LocalProtocolError, RemoteProtocolError
from p2p.protocol.frames import Bye, decode_frame
from p2p.protocol.invites import frames, keys
from p2p.protocol.invites.code import ALPHABET, may_be_code, read_code, write_code
from p2p.protocol.invites.guesses import (
    HOST_GUESS_S,
    HOST_GUESSES,
    HOSTS_MAX,
    INVITE_GUESS_S,
    Guesses,
)
from p2p.protocol.invites.link import (
    LINK_BYTES_MAX,
    LINK_PREFIX,
    Link,
    is_link,
    read_link,
    write_link,
)

SECRETS = st.integers(0, (1 << 60) - 1).map(lambda number: number.to_bytes(8, "big"))
PLACES = st.lists(st.from_regex(r"\A[!-~]{1,64}\Z"), max_size=8).map(tuple)
SECRET = bytes.fromhex("0123456789abcdef")
CODE = write_code(SECRET)
LAPTOP = DeviceKey(SigningKey.from_seed(bytes([9]) * 32).public)
PHONE = DeviceKey(SigningKey.from_seed(bytes([8]) * 32).public)
NAMES = ("first", "second", "third", "fourth")


# ── the code ─────────────────────────────────────────────────────────────────────────────────────


def test_a_code_is_short_enough_to_read_out() -> None:
    assert CODE == "28TE-5CYP-4TQ5-KFF9"


@given(SECRETS)
def test_a_code_comes_back_however_it_is_written(secret: bytes) -> None:
    code = write_code(secret)
    assert read_code(code) == secret
    forgiven = code.lower().replace("0", "o").replace("1", "l").replace("-", " – ")
    assert read_code(f"  {forgiven}\n") == secret
    assert read_code(code.replace("1", "i").replace("-", "")) == secret
    assert may_be_code(forgiven)


def refused(text: str) -> LocalProtocolError:
    with pytest.raises(LocalProtocolError) as caught:
        read_code(text)
    return caught.value


@given(SECRETS, st.integers(0, 15), st.sampled_from(ALPHABET + "U*é"))
def test_every_slip_of_one_character_is_found_in_its_group(
    secret: bytes, at: int, character: str
) -> None:
    plain = write_code(secret).replace("-", "")
    if plain[at] == character:
        return
    error = refused(plain[:at] + character + plain[at + 1 :])
    assert error.code == "invite-mistyped"
    assert error.sentence == f"the {NAMES[at // 4]} group is mistyped: look at the code again"


@given(SECRETS, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_two_characters_that_changed_places_are_found(
    secret: bytes, group: int, one: int, other: int
) -> None:
    plain = list(write_code(secret).replace("-", ""))
    one, other = 4 * group + one, 4 * group + other
    if plain[one] == plain[other]:
        return
    plain[one], plain[other] = plain[other], plain[one]
    assert NAMES[group] in refused("".join(plain)).sentence


@given(SECRETS, st.permutations(range(4)))
def test_groups_that_changed_places_are_found(secret: bytes, order: list[int]) -> None:
    groups = write_code(secret).split("-")
    moved = [groups[at] for at in order]
    if order == sorted(order):
        return
    error = refused("-".join(moved))
    assert error.code == "invite-mistyped"
    assert all(NAMES[at] in error.sentence for at, was in enumerate(order) if at != was)


@given(st.text(max_size=200))
def test_whatever_is_typed_is_refused_in_our_words(text: str) -> None:
    error = refused(text)  # one text of a million or so has the right checks by chance
    assert error.code in ("invite-code", "invite-mistyped")
    assert len(text) < 12 or text not in str(error), "what was typed may be a secret"


def test_a_missing_character_is_counted() -> None:
    assert refused(CODE[:-1]).sentence == "a short code has 16 letters and digits, and this has 15"
    assert refused("A" * 100_000).code == "invite-code"
    assert not may_be_code("A" * 100_000)
    assert not may_be_code("psp1-AAAA")


# ── the link ─────────────────────────────────────────────────────────────────────────────────────


@given(SECRETS, PLACES, PLACES)
def test_a_link_comes_back(secret: bytes, places: tuple[str, ...], relays: tuple[str, ...]) -> None:
    link = Link(secret, LAPTOP, places, relays[:4])
    text = write_link(link)
    assert is_link(text)
    assert len(text) <= len(LINK_PREFIX) + 2 * LINK_BYTES_MAX
    assert read_link(text) == read_link(f" {text.upper()}\n") == link
    assert read_link(text.replace("0", "O").replace("1", "I")) == link


def test_a_link_with_no_room_for_all_its_places_keeps_the_likeliest() -> None:
    many = tuple(f"{number}.{'x' * 240}:4747" for number in range(8))
    link = read_link(write_link(Link(SECRET, LAPTOP, many, many)))
    assert link.places == many[: len(link.places)]
    assert link.places
    assert link.relays


def test_a_link_shows_nothing_of_its_secret_where_it_is_printed() -> None:
    link = Link(SECRET, LAPTOP)
    assert "secret" not in repr(link)


SLIPS: list[tuple[Callable[[str], str], str]] = [
    (lambda text: text[:-1], "missing"),
    (lambda text: text[:-40], "missing"),
    (lambda text: text[:40] + ("B" if text[40] != "B" else "C") + text[41:], "wrong"),
    (lambda text: text + "0000000", "missing"),
    (lambda text: text + "A", "or something follows it"),
    (lambda text: text + "AB", "or something follows it"),
    (lambda text: text + "!", "character"),
    (lambda text: "panspermia:other-" + text[20:], "none of an invite"),
    (lambda text: text + "0" * 100_000, "none of an invite"),
    (lambda text: LINK_PREFIX, "missing"),
]


@pytest.mark.parametrize(("slip", "why"), SLIPS)
def test_what_is_wrong_with_a_link_is_said_and_not_the_link(
    slip: Callable[[str], str], why: str
) -> None:
    text = write_link(Link(SECRET, LAPTOP, ("10.0.0.7:4747",)))
    with pytest.raises(LocalProtocolError, match=why) as caught:
        read_link(slip(text))
    assert caught.value.code == "invite-link"
    assert text[30:60] not in str(caught.value)


# ── what is derived ──────────────────────────────────────────────────────────────────────────────

KEY = bytes(range(32))
HASH = bytes([7]) * 32


def test_a_key_takes_its_time_and_is_always_the_same() -> None:
    assert keys.stretch(SECRET).hex() == (
        "f66d273ef2f88fc3d08226683b1b3db27f95c579ebe4512759e94810d9998028"
    )
    assert keys.stretch(SECRET) != keys.stretch(bytes(8))


def test_nothing_that_is_derived_gives_another_away() -> None:
    proofs = [
        make(KEY, handshake_hash=hash, device=device)
        for make in (keys.accepters_proof, keys.inviters_proof)
        for hash in (HASH, KEY)
        for device in (LAPTOP, PHONE)
    ]
    others = [keys.sign_of(KEY), keys.tag_of(KEY), keys.meeting_of(KEY)]
    starts = [one[:12] for one in (*proofs, *others)]
    assert len(set(starts)) == len(starts)
    assert [len(one) for one in others] == [12, 16, 32]


def test_whereabouts_are_read_by_those_who_know_the_secret() -> None:
    said = keys.Whereabouts(LAPTOP, ("10.0.0.7:4747",), ("relay.example:4747",))
    sealed = keys.seal_whereabouts(KEY, said, nonce=os.urandom(24))
    assert keys.open_whereabouts(KEY, sealed) == said
    longest = replace(said, places=("x" * 256,) * 9, relays=("y" * 256,) * 9)
    assert len(keys.seal_whereabouts(KEY, longest, nonce=bytes(24))) <= keys.WHEREABOUTS_BYTES_MAX
    for wrong in (sealed[:-1], sealed[:20], b"", bytes(len(sealed)), bytes(5_000)):
        with pytest.raises(RemoteProtocolError):
            keys.open_whereabouts(KEY, wrong)
    with pytest.raises(RemoteProtocolError):
        keys.open_whereabouts(bytes(32), sealed)


# ── frames ───────────────────────────────────────────────────────────────────────────────────────

SAID: tuple[frames.InviteFrame, ...] = (
    frames.Redeem(bytes(16), bytes(32)),
    frames.Offer(bytes(32), b"card", b"terms"),
    frames.Confirm(b"card", bytes(32)),
    frames.Confirm(b"card", bytes(32), "bob"),
    frames.Given((b"right",), None),
    frames.Given((), bytes(32)),
    Bye("taken", "It is kept."),
)


@pytest.mark.parametrize("frame", SAID, ids=lambda frame: type(frame).__name__)
def test_a_frame_comes_back(frame: frames.InviteFrame) -> None:
    data = frames.encode_invite_frame(frame)
    assert frames.decode_invite_frame(data) == frame
    assert (data[1:3] == bytes([24, frames.REDEEM_KIND])) == isinstance(frame, frames.Redeem)


def test_an_older_node_closes_at_a_redeem() -> None:
    """It is of an even kind that it does not know."""
    with pytest.raises(RemoteProtocolError):
        decode_frame(frames.encode_invite_frame(SAID[0]))


# ── guesses ──────────────────────────────────────────────────────────────────────────────────────


def test_a_host_that_guesses_wrong_has_to_wait() -> None:
    guesses = Guesses()
    for _ in range(HOST_GUESSES):
        assert guesses.wait_s("10.0.0.7", now_s=5.0) == 0
        guesses.wrong("10.0.0.7", None, now_s=5.0)
    assert guesses.wait_s("10.0.0.7", now_s=5.0) == HOST_GUESS_S
    assert guesses.wait_s("10.0.0.8", now_s=5.0) == 0, "others do not wait"
    assert guesses.wait_s("10.0.0.7", now_s=5.0 + HOST_GUESS_S) == 0


def test_an_invite_rests_after_a_wrong_guess() -> None:
    guesses = Guesses()
    assert guesses.rest_s(b"tag", now_s=5.0) == 0
    guesses.wrong("10.0.0.7", b"tag", now_s=5.0)
    assert guesses.rest_s(b"tag", now_s=5.0) == 1
    assert guesses.rest_s(b"other", now_s=5.0) == 0
    assert guesses.rest_s(b"tag", now_s=5.0 + INVITE_GUESS_S) == 0


def test_many_hosts_that_guess_fill_no_memory() -> None:
    guesses = Guesses()
    for number in range(3 * HOSTS_MAX):
        guesses.wrong(f"host {number}", number.to_bytes(16, "big"), now_s=float(number))
    assert len(guesses._hosts) == len(guesses._wrong_s) == HOSTS_MAX  # pyright: ignore[reportPrivateUsage]  # what is bounded


def test_half_a_code_is_still_meant_as_one_and_hears_what_is_wrong_with_it() -> None:
    for text in ("K7QX-2M9P", "hello", ""):
        assert may_be_code(text)
        with pytest.raises(LocalProtocolError, match="a short code has 16 letters and digits"):
            read_code(text)
