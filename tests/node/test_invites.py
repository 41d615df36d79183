"""Codes: written, read, and refused with what is wrong with them."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import cbor
from crdt.area import Area
from crdt.capability import READ, WRITE, Capability, delegate, encode_capability, own
from crdt.change import device_capabilities
from crdt.did import encode_did_key
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from node.errors import BadRequest, NodeError, Unverified
from node.invites import PREFIX, Code, code_words, device_rights, read_code, write_code
from tests.node.test_words import ALICE, BOB, POND

LAPTOP = SigningKey.from_seed(bytes([9]) * 32)
PLACE = NamespaceKey(POND.public)
HERS = own(POND, WRITE, ALICE.public)
TO_BOB = encode_capability(delegate(HERS, ALICE, Area(AuthorKey(BOB.public)), BOB.public))
GRANT = Code(
    "grant", BOB.public, ALICE.public, {PLACE: "pond"}, (TO_BOB,), ("10.0.0.7:4747",), "welcome"
)
DEVICE = Code(
    "device",
    LAPTOP.public,
    ALICE.public,
    {PLACE: "pond"},
    (
        *device_capabilities(ALICE, DeviceKey(LAPTOP.public)).values(),
        encode_capability(HERS),
        encode_capability(
            delegate(HERS, ALICE, Area(AuthorKey(ALICE.public), (b"pub",)), LAPTOP.public)
        ),
    ),
)


@pytest.mark.parametrize("code", [GRANT, DEVICE])
def test_a_code_comes_back_as_it_was(code: Code) -> None:
    text = write_code(code)
    assert text.startswith(PREFIX)
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    assert read_code(text) == code
    folded = "\n".join(text[at : at + 60] for at in range(0, len(text), 60))
    assert read_code(f"  {folded}\n") == code, "as a mail breaks it"


def test_words_say_who_gives_what_to_whom() -> None:
    words = code_words(GRANT, {BOB.public: "you", ALICE.public: "alice"})
    assert words == [
        f"alice ({encode_did_key(ALICE.public)}) gives you:",
        "you may write everything of you in the namespace pond;"
        " from the owner of pond, passed on by alice",
        f"Joins the namespace pond: {encode_did_key(PLACE)}",
        "Connects to 10.0.0.7:4747",
        "They say: welcome",
    ]
    (first, *_) = code_words(DEVICE, {LAPTOP.public: "this device"})
    did = encode_did_key(ALICE.public)
    assert first == f"this device becomes a device of {did}"


def test_a_device_writes_for_its_author_by_the_authors_own_leave() -> None:
    """Bob let Alice publish everything of his: that makes her laptop no device of his."""
    whole = Capability(WRITE, COMMONS, BOB.public)
    all_of_bob = delegate(whole, BOB, Area(AuthorKey(BOB.public), (b"pub",)), ALICE.public)
    handed = delegate(all_of_bob, ALICE, all_of_bob.granted_area, LAPTOP.public)
    both = Code(
        "device",
        LAPTOP.public,
        ALICE.public,
        {},
        (*DEVICE.capabilities[:3], encode_capability(handed)),
    )
    own = device_capabilities(ALICE, DeviceKey(LAPTOP.public))
    assert device_rights(read_code(write_code(both))) == own
    with pytest.raises(Unverified):
        write_code(replace(both, capabilities=(encode_capability(handed),)))


def test_a_name_in_a_code_never_passes_for_ones_own() -> None:
    fake = Code("grant", BOB.public, ALICE.public, {PLACE: "guild"}, (TO_BOB,))
    (_, right, *_) = code_words(fake, {b"x" * 32: "guild"})
    assert encode_did_key(PLACE) in right
    person = Code("grant", BOB.public, ALICE.public, {NamespaceKey(ALICE.public): "carol"})
    claimed = code_words(person, {})
    assert "carol" not in claimed[0]


def code_of(error: type[NodeError], text: str) -> str:
    with pytest.raises(error) as caught:
        read_code(text)
    return caught.value.reason


TEXT = write_code(GRANT)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not-a-code"),
        ("hello", "not-a-code"),
        (encode_did_key(BOB.public), "not-a-code"),
        (TEXT.replace("psp1-", "psp2-"), "code-version"),
        ("psp1-", "code-cut"),
        (TEXT[:-1], "code-cut"),
        (TEXT[:-40], "code-cut"),
        (TEXT[:60], "code-cut"),
        (TEXT[:80] + ("A" if TEXT[80] != "A" else "B") + TEXT[81:], "code-mistyped"),
        (TEXT[:80] + "é" + TEXT[81:], "code-mistyped"),
        (TEXT + "AAAA", "code-mistyped"),
        ("psp1-" + "A" * 600_000, "code-too-long"),
    ],
)
def test_what_is_wrong_with_a_code_is_told_apart(text: str, code: str) -> None:
    assert code_of(BadRequest, text) == code


@given(st.integers(5, len(TEXT) - 1), st.sampled_from("ABCXYZabcxyz0189-_"))
def test_no_single_slip_passes(at: int, character: str) -> None:
    slipped = TEXT[:at] + character + TEXT[at + 1 :]
    if slipped != TEXT:
        assert code_of(BadRequest, slipped) in ("code-mistyped", "code-cut", "code-too-long")


@given(st.binary(max_size=300))
def test_garbage_raises_only_errors_of_ours(data: bytes) -> None:
    with pytest.raises(NodeError):
        read_code(PREFIX + base64.urlsafe_b64encode(data).decode().rstrip("="))


def other_owner() -> bytes:
    """Bob gave it to himself, in his own subspace of commons."""
    mine = Capability(WRITE, COMMONS, BOB.public)
    return encode_capability(delegate(mine, BOB, mine.granted_area, LAPTOP.public))


@pytest.mark.parametrize(
    "code",
    [
        Code("grant", BOB.public, LAPTOP.public, {PLACE: "pond"}, (TO_BOB,)),  # not its giver
        Code("grant", LAPTOP.public, ALICE.public, {PLACE: "pond"}, (TO_BOB,)),  # not for it
        Code("grant", BOB.public, ALICE.public, {}, (TO_BOB,)),  # of a place it does not name
        Code("grant", BOB.public, ALICE.public, {COMMONS: "pond"}),
        Code("grant", BOB.public, ALICE.public, {PLACE: "pond"}, (TO_BOB[:-1] + b"\0",)),
        Code(
            "grant", BOB.public, ALICE.public, {PLACE: "p", NamespaceKey(ALICE.public): "carol"},
            (TO_BOB,),
        ),  # calls a person by a name
        Code("grant", BOB.public, ALICE.public, addresses=("nowhere at all",)),
        Code("device", LAPTOP.public, ALICE.public),  # no right at all
        Code("device", LAPTOP.public, BOB.public, {}, (other_owner(),)),  # not what a device has
        Code("device", LAPTOP.public, ALICE.public, {}, (other_owner(),)),
    ],
)  # fmt: skip
def test_a_code_that_gives_what_its_giver_could_not(code: Code) -> None:
    with pytest.raises(Unverified) as caught:
        write_code(code)
    assert caught.value.reason == "code-forged"


def test_what_is_read_is_checked_as_well() -> None:
    """Written by somebody else's program."""
    body = cbor.encode({"type": "grant", "for": BOB.public, "more": 1})
    from blake3 import blake3

    head = len(body).to_bytes(4, "big") + blake3(body).digest()[:4]
    text = PREFIX + base64.urlsafe_b64encode(head + body).decode().rstrip("=")
    assert code_of(Unverified, text) == "code-forged"


def test_reading_is_given_too() -> None:
    right = delegate(own(POND, READ, ALICE.public), ALICE, Area(), BOB.public)
    code = Code("grant", BOB.public, ALICE.public, {PLACE: "pond"}, (encode_capability(right),))
    assert read_code(write_code(code)).rights == [right]


@pytest.mark.parametrize("name", ["pond; from bob", "Pond", "pond\u202e", "a b", "did:key:z"])
def test_a_namespace_is_proposed_under_a_name_that_it_may_have(name: str) -> None:
    with pytest.raises(Unverified) as caught:
        write_code(replace(GRANT, namespaces={PLACE: name}))
    assert caught.value.reason == "code-forged"
