"""Two signed entries prove that a key was used in two places; nothing else does."""

from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import cbor
from crdt.area import Area
from crdt.capability import WRITE, Capability, CapabilityCache, delegate, encode_capability, own
from crdt.change import (
    SIGNED_BYTES_MAX,
    DocumentId,
    SignedEntry,
    Signer,
    device_capabilities,
    encode_signed,
    log_of,
    sign_change,
    sign_statement,
)
from crdt.document import Document, Editor
from crdt.ed25519 import SigningKey
from crdt.entry import encode_entry
from crdt.equivocation import MAGIC, PROOF_BYTES_MAX, check_proof, decode_proof, encode_proof
from crdt.errors import CrdtError, Malformed, Unauthorised
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from crdt.path import AUTHORITY
from crdt.statement import Heartbeat, Revoke, Statement

ALICE, LAPTOP, BOB, PHONE = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2, 3, 4))
ALICES = AuthorKey(ALICE.public)
CLOCK = DocumentId(COMMONS, ALICES, "pub", "mod", b"io.univrs.clock")
DICE = replace(CLOCK, record=b"io.univrs.dice")
LOG = log_of(COMMONS, ALICES, AUTHORITY)
ROOT = Signer(ALICE, ALICES, {AUTHORITY: encode_capability(Capability(WRITE, COMMONS, ALICES))})
# A key is owned where the lowest bit of its last byte is 1.
GARDEN = next(
    key
    for key in (SigningKey.from_seed(bytes([n]) * 32) for n in range(9, 99))
    if key.public[-1] & 1
)


def device(key: SigningKey) -> Signer:
    return Signer(key, ALICES, device_capabilities(ALICE, DeviceKey(key.public)))


def change(
    text: str, document: DocumentId = CLOCK, signer: Signer | None = None, at: int = 1
) -> SignedEntry:
    """The first change of a device in a document."""
    signer = signer or device(LAPTOP)
    raw = Document.open("pub", "mod", signer.device.public).change(
        partial(Editor.put, path=("head", "name"), value=text)
    )
    assert raw is not None
    return sign_change(raw, document, signer=signer, prev=None, timestamp=at)


def said(statement: Statement, *, seq: int = 1) -> SignedEntry:
    prev = None if seq == 1 else bytes([7]) * 32
    return sign_statement(statement, LOG, seq=seq, signer=ROOT, prev=prev, timestamp=1)


def refusal(data: bytes) -> str:
    with pytest.raises(CrdtError) as refused:
        check_proof(data, CapabilityCache())
    return refused.value.code


LEFT, RIGHT = change("left"), change("right")
PROOF = encode_proof(LEFT, RIGHT)


def test_two_changes_of_one_number_are_proof() -> None:
    found = check_proof(PROOF, CapabilityCache())
    assert (found.key, found.document, found.seq) == (LAPTOP.public, CLOCK, 1)
    assert {one.id for one in found.entries} == {LEFT.id, RIGHT.id}
    assert encode_proof(RIGHT, LEFT) == PROOF, "whoever makes it"


def test_two_statements_of_a_root_key_are_proof() -> None:
    one, other = said(Revoke(BOB.public), seq=3), said(Heartbeat(), seq=3)
    found = check_proof(encode_proof(one, other), CapabilityCache())
    assert (found.key, found.document, found.seq) == (ALICES, LOG, 3)


def test_of_an_owned_namespace_too() -> None:
    """Under two capabilities, if that is what the key used."""
    hand: list[Signer] = []
    where = replace(CLOCK, namespace=NamespaceKey(GARDEN.public))
    for area in (Area(ALICES), Area(ALICES, (b"pub",))):
        member = delegate(own(GARDEN, WRITE, GARDEN.public), GARDEN, area, ALICES)
        right = delegate(member, ALICE, area, DeviceKey(LAPTOP.public))
        hand.append(Signer(LAPTOP, ALICES, {"pub": encode_capability(right)}))
    one, other = change("left", where, hand[0]), change("right", where, hand[1])
    assert check_proof(encode_proof(one, other), CapabilityCache()).document == where


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (change("right", DICE), "another document"),
        (change("right", replace(CLOCK, epoch=1)), "another epoch"),
        (change("right", signer=device(PHONE)), "another device"),
        (change("left", at=2), "the same change, signed again at another time"),
        (said(Heartbeat()), "something else altogether"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_contradicts_nothing_is_no_proof(other: SignedEntry, why: str) -> None:
    assert refusal(encode_proof(LEFT, other)) == "no-equivocation", why


def test_two_numbers_are_no_proof() -> None:
    one, other = said(Heartbeat(), seq=2), said(Heartbeat(), seq=3)
    assert refusal(encode_proof(one, other)) == "no-equivocation"


def test_an_entry_twice_is_no_proof() -> None:
    assert refusal(encode_proof(LEFT, LEFT)) == "not-a-proof"


def test_the_other_order_is_another_encoding() -> None:
    first, second = decode_proof(PROOF)
    swapped = MAGIC + cbor.encode([encode_signed(second), encode_signed(first)])
    assert refusal(swapped) == "not-a-proof"


def test_nobody_can_sign_the_other_half() -> None:
    """Who holds one act of a device cannot make it look as if it had signed two."""
    signature = BOB.sign(encode_entry(RIGHT.entry))
    assert refusal(encode_proof(LEFT, replace(RIGHT, signature=signature))) == "bad-signature"
    changed = replace(RIGHT, payload=RIGHT.payload[:-1] + b"!")
    assert refusal(encode_proof(LEFT, changed)) == "payload-digest"
    bobs = delegate(Capability(WRITE, COMMONS, ALICES), ALICE, Area(ALICES), BOB.public)
    stolen = replace(RIGHT, capability=encode_capability(bobs), signature=signature)
    assert refusal(encode_proof(LEFT, stolen)) == "wrong-device"


@given(st.integers(0, len(PROOF) - 1), st.integers(1, 255))
def test_no_changed_byte_passes(at: int, by: int) -> None:
    changed = bytearray(PROOF)
    changed[at] ^= by
    with pytest.raises((Malformed, Unauthorised)):
        check_proof(bytes(changed), CapabilityCache())


@pytest.mark.parametrize("data", [b"", b"PSE1", b"PSE2" + PROOF[4:], PROOF[:-1], PROOF + b"\0"])
def test_what_is_cut_or_longer_is_none(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_proof(data)


@pytest.mark.parametrize("parts", [[], [b"a"], [b"a", b"b", b"c"], [1, 2], {"a": b"b"}, b"ab"])
def test_other_shapes_are_none(parts: object) -> None:
    with pytest.raises(Malformed):
        decode_proof(MAGIC + cbor.encode(parts))


def test_the_longest_entries_fit() -> None:
    assert PROOF_BYTES_MAX >= 2 * SIGNED_BYTES_MAX + 32
    with pytest.raises(Malformed, match="cbor-too-long"):
        decode_proof(MAGIC + bytes(PROOF_BYTES_MAX))
