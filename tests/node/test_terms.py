"""The terms of an invite: what is offered is the author's to give, and what comes is what was."""

from dataclasses import replace

import pytest

from crdt.area import Area
from crdt.capability import READ, WRITE, Capability, delegate, encode_capability, own
from crdt.change import device_capabilities
from crdt.did import encode_did_key
from crdt.ed25519 import SigningKey
from crdt.keys import AuthorKey, DeviceKey, NamespaceKey
from node.errors import Unverified
from node.invites import Code, write_code
from node.terms import (
    Terms,
    check_given,
    given_by,
    offer_words,
    read_terms,
    terms_words,
    write_terms,
)
from tests.node.test_words import ALICE, BOB, POND

KEY = SigningKey.from_seed(bytes([5]) * 32)
PLACE = NamespaceKey(POND.public)
ALICES, BOBS = AuthorKey(ALICE.public), AuthorKey(BOB.public)


def right(mode: int, area: Area) -> Capability:
    """The pond's owner to alice, alice to the invite key."""
    return delegate(own(POND, mode, ALICE.public), ALICE, area, KEY.public)


PAIR = Terms(
    "pair",
    ALICES,
    KEY.public,
    {PLACE: "pond"},
    ((right(WRITE, Area()), True), (right(READ, Area()), False)),
    note="welcome",
    name="alice",
)
CODE = Code(
    "device", KEY.public, ALICE.public, {},
    tuple(device_capabilities(ALICE, DeviceKey(KEY.public)).values()),
)  # fmt: skip
DEVICE = Terms("device", ALICES, KEY.public, device_text=write_code(CODE))
TERMS = (PAIR, DEVICE, Terms("pair", ALICES, KEY.public, note="come \u202e in"))


@pytest.mark.parametrize("terms", TERMS)
def test_terms_come_back_as_they_were(terms: Terms) -> None:
    assert read_terms(write_terms(terms), ALICE.public) == terms


def test_both_sides_are_told_the_same_in_their_own_words() -> None:
    words = terms_words(PAIR, {BOB.public: "you"}, BOBS)
    assert words[0] == f"{encode_did_key(ALICE.public)} invites you"
    assert words[1].startswith("you may write everything of you in the namespace pond")
    assert words[2].startswith("you may read everything of everyone in the namespace pond")
    assert words[-1] == "They say: welcome"
    assert offer_words(PAIR, {PLACE: "pond"})[:2] == [
        "Whoever uses it may write everything of theirs in the namespace pond",
        "Whoever uses it may read everything of everyone in the namespace pond",
    ]


def test_what_is_given_is_what_was_offered() -> None:
    given = given_by(PAIR, KEY, BOBS)
    check_given(PAIR, given, BOBS)
    wider = delegate(PAIR.rights[0][0], KEY, Area(), BOB.public)
    for forged in (
        given[:1],
        (*given, given[0]),
        given[::-1],
        (encode_capability(wider), given[1]),
        given_by(PAIR, KEY, ALICES),
        (b"", given[1]),
    ):
        with pytest.raises(Unverified):
            check_given(PAIR, forged, BOBS)


@pytest.mark.parametrize(
    "forged",
    [
        replace(PAIR, author=BOBS),
        replace(PAIR, key=BOB.public),
        replace(PAIR, namespaces={}),
        replace(PAIR, namespaces={**PAIR.namespaces, NamespaceKey(ALICE.public): "carol"}),
        replace(PAIR, rights=((own(POND, WRITE, ALICE.public), False),)),
        replace(PAIR, rights=((right(WRITE, Area(ALICES)), True),)),
        replace(PAIR, device_text=DEVICE.device_text),
        replace(DEVICE, device_text=""),
        replace(DEVICE, key=BOB.public),
        replace(DEVICE, namespaces={PLACE: "pond"}),
        replace(DEVICE, name="alice"),
        replace(PAIR, name="did:key:z6Mk"),
    ],
)
def test_an_offer_of_what_is_not_theirs_is_refused(forged: Terms) -> None:
    with pytest.raises(Unverified) as caught:
        write_terms(forged)
    assert caught.value.reason == "code-forged"
