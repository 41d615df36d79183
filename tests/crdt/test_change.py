"""What passes the door is signed by the device that path and change name; nothing else passes."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt import cbor
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
from crdt.change import (
    PAYLOAD_BYTES_MAX,
    DocumentId,
    SignedEntry,
    Signer,
    check_entry,
    decode_signed,
    device_capabilities,
    encode_signed,
    sign_change,
)
from crdt.digest import payload_digest
from crdt.document import Document, Editor, skeleton_for
from crdt.ed25519 import SigningKey
from crdt.entry import Entry, encode_entry
from crdt.envelope import AUTH_HEADS_MAX
from crdt.envelope import CHANGE as MAGIC
from crdt.errors import CrdtError, Malformed, Unauthorised
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from crdt.path import CLASSES, ChangePath
from crdt.preflight import read_change
from tests.crdt import bombs

ALICE, LAPTOP, BOB = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3))
ALICES = AuthorKey(ALICE.public)
CAPABILITIES = device_capabilities(ALICE, DeviceKey(LAPTOP.public))
SIGNER = Signer(LAPTOP, ALICES, CAPABILITIES)
MODULE = DocumentId(COMMONS, ALICES, "pub", "mod", b"io.univrs.clock")
SKELETON = skeleton_for("pub", "mod")
NOW = 800_000_000_000_000


def raw_of(actor: SigningKey = LAPTOP, acts: int = 1) -> bytes:
    document = Document.open("pub", "mod", actor.public)
    raw = None
    for number in range(acts):
        raw = document.change(partial(Editor.put, path=("head", "n"), value=number))
    assert raw is not None
    return raw


def signed_by(signer: Signer, document: DocumentId = MODULE) -> SignedEntry:
    return sign_change(raw_of(signer.device), document, signer=signer, prev=None, timestamp=NOW)


def envelope(
    raw: bytes,
    *,
    hash: bytes | None = None,
    prev: bytes = bytes(32),
    heads: bytes = b"\0",
    magic: bytes = MAGIC,
) -> bytes:
    return magic + heads + prev + (read_change(raw).hash if hash is None else hash) + raw


def forged(
    payload: bytes,
    *,
    path: Callable[[ChangePath], ChangePath] = lambda path: path,
    entry: Callable[[Entry], Entry] = lambda entry: entry,
    capability: bytes = CAPABILITIES["pub"],
    device: SigningKey = LAPTOP,
    seq: int = 1,
) -> SignedEntry:
    """An entry signed with full rights over whatever it says."""
    digest = payload_digest(payload)
    place = path(
        ChangePath("pub", "mod", b"io.univrs.clock", 0, DeviceKey(device.public), seq, digest)
    )
    made = entry(Entry(COMMONS, ALICES, place.path(), NOW, len(payload), digest))
    return SignedEntry(made, capability, device.sign(encode_entry(made)), payload)


def test_what_is_signed_is_taken() -> None:
    heads = (b"\x02" * 32, b"\x01" * 32)
    raw, prev = raw_of(acts=2), b"p" * 32
    signed = sign_change(raw, MODULE, signer=SIGNER, prev=prev, auth_heads=heads, timestamp=NOW)
    checked = check_entry(signed, CapabilityCache())
    assert checked.document == MODULE
    assert (checked.device, checked.seq, checked.prev) == (LAPTOP.public, 2, prev)
    assert checked.auth_heads == tuple(sorted(heads))
    assert checked.raw == raw
    assert checked.change == read_change(raw)
    assert checked.id == signed.id
    assert checked.capability.receiver == LAPTOP.public
    assert signed.entry.timestamp == NOW


def test_the_bytes_of_an_envelope() -> None:
    """Frozen: another implementation writes the same."""
    raw = raw_of()
    signed = signed_by(SIGNER)
    assert signed.payload == b"PSC1\0" + bytes(32) + read_change(raw).hash + raw
    assert signed.id.hex() == "c0c927fba0ac12fc793189f899b424e9f84f3657a64aaf178a175b05f2afb6b6"


def test_an_id_names_entry_capability_and_signature() -> None:
    signed = signed_by(SIGNER)
    others = {
        replace(signed, capability=CAPABILITIES["rate"]).id,
        replace(signed, signature=bytes(64)).id,
        replace(signed, entry=replace(signed.entry, timestamp=NOW + 1)).id,
    }
    assert len(others | {signed.id}) == 4


# ── documents ────────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(
    st.sampled_from(CLASSES),
    st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True),
    st.binary(min_size=1, max_size=255),
    st.integers(0, 2**32 - 1),
)
def test_a_document_id_has_one_encoding(cls: str, kind: str, record: bytes, epoch: int) -> None:
    document = DocumentId(COMMONS, ALICES, cls, kind, record, epoch)
    assert DocumentId.decode(document.encode()) == document


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_noise_is_no_document_id(noise: bytes) -> None:
    encoded = MODULE.encode()
    for data in (noise, encoded + noise, encoded[: len(noise)], encoded[:64] + noise):
        if data != encoded:
            with pytest.raises(Malformed):
                DocumentId.decode(data)


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────


def wrong_tokens() -> dict[str, tuple[SignedEntry, str]]:
    good = signed_by(SIGNER)
    bobs = device_capabilities(BOB, DeviceKey(LAPTOP.public))["pub"]
    root = Capability(WRITE, COMMONS, ALICE.public)
    reading = Capability(READ, COMMONS, ALICE.public)
    whole = Area(ALICES)
    mallorys = SigningKey(b"m" * 32)
    while mallorys.public[-1] & 1 == 0:  # an owned namespace
        mallorys = SigningKey(mallorys.public)

    def granted(area: Area, first: Capability = root) -> bytes:
        return encode_capability(delegate(first, ALICE, area, LAPTOP.public))

    def cap(capability: bytes) -> SignedEntry:
        return forged(envelope(raw_of()), capability=capability)

    return {
        "another signature": (replace(good, signature=BOB.sign(b"")), "bad-signature"),
        "a short signature": (replace(good, signature=b""), "token-size"),
        "S + L": (replace(good, signature=add_order(good.signature)), "bad-signature"),
        "no capability": (replace(good, capability=b""), "truncated"),
        "9 KiB of capability": (replace(good, capability=bytes(9 << 10)), "token-size"),
        "bob's capability": (cap(bobs), "outside-area"),
        "a capability to read": (cap(granted(whole, reading)), "read-only"),
        "a capability for ratings": (cap(CAPABILITIES["rate"]), "outside-area"),
        "an expired area": (cap(granted(Area(ALICES, end=NOW))), "outside-area"),
        "an area not begun": (cap(granted(Area(ALICES, start=NOW + 1))), "outside-area"),
        "another record's area": (
            cap(granted(Area(ALICES, (b"pub", b"mod", b"io.univrs.user")))),
            "outside-area",
        ),
        "a namespace of her own": (
            cap(
                encode_capability(
                    delegate(own(mallorys, WRITE, mallorys.public), mallorys, Area(), LAPTOP.public)
                )
            ),
            "wrong-namespace",
        ),
        "another key's capability": (
            cap(encode_capability(delegate(root, ALICE, whole, BOB.public))),
            "wrong-device",
        ),
        "the root's own capability": (cap(encode_capability(root)), "wrong-device"),
    }


def wrong_entries() -> dict[str, tuple[SignedEntry, str]]:
    """Of which the path or the entry says something else than the payload."""
    raw, second = raw_of(), raw_of(acts=2)
    good = signed_by(SIGNER)
    return {
        "another device in the path": (
            forged(envelope(raw), path=lambda p: replace(p, device=DeviceKey(BOB.public))),
            "wrong-device",
        ),
        "another device's change": (forged(envelope(raw_of(BOB))), "wrong-actor"),
        "another seq in the path": (
            forged(envelope(raw), path=lambda p: replace(p, seq=2)),
            "wrong-seq",
        ),
        "a squatted seq": (forged(envelope(second)), "wrong-seq"),
        "another digest in the path": (
            forged(envelope(raw), path=lambda p: replace(p, payload_digest=bytes(32))),
            "payload-digest",
        ),
        "another digest in the entry": (
            forged(envelope(raw), entry=lambda e: replace(e, payload_digest=bytes(32))),
            "payload-digest",
        ),
        "a wrong length": (
            forged(envelope(raw), entry=lambda e: replace(e, payload_length=7)),
            "payload-length",
        ),
        "another payload": (replace(good, payload=good.payload[:-1] + b"x"), "payload-digest"),
        "a prefix of the path": (
            forged(envelope(raw), entry=lambda e: replace(e, path=e.path[:2])),
            "path-depth",
        ),
        "a deeper path": (
            forged(envelope(raw), entry=lambda e: replace(e, path=(*e.path, b""))),
            "path-depth",
        ),
        "another class": (
            forged(envelope(raw), entry=lambda e: replace(e, path=(b"pup", *e.path[1:]))),
            "path-class",
        ),
    }


def wrong_payloads() -> dict[str, tuple[SignedEntry, str]]:
    raw, second = raw_of(), raw_of(acts=2)
    return {
        "65,537 bytes": (forged(bytes(PAYLOAD_BYTES_MAX + 1)), "payload-too-long"),
        "an empty payload": (forged(b""), "envelope"),
        "another version": (forged(envelope(raw, magic=b"PSC2")), "envelope"),
        "a header cut short": (forged(MAGIC + b"\x01" + bytes(95)), "envelope"),
        "17 authority heads": (
            forged(
                envelope(
                    raw,
                    heads=bytes([AUTH_HEADS_MAX + 1])
                    + b"".join(bytes([n]) * 32 for n in range(AUTH_HEADS_MAX + 1)),
                )
            ),
            "envelope",
        ),
        "one authority head twice": (
            forged(envelope(raw, heads=b"\x02" + b"h" * 64)),
            "envelope",
        ),
        "another change hash": (forged(envelope(raw, hash=bytes(32))), "change-hash"),
        "a first change with a predecessor": (
            forged(envelope(raw, prev=b"p" * 32)),
            "wrong-prev",
        ),
        "a second change without one": (forged(envelope(second), seq=2), "wrong-prev"),
        "a second skeleton": (
            forged(envelope(bombs.set_root(actor=LAPTOP.public))),
            "no-dependencies",
        ),
        "the skeleton itself": (forged(envelope(SKELETON.raw)), "wrong-actor"),
        "a type-2 chunk": (
            forged(envelope(bombs.chunk(bombs.body([]), compressed=True), hash=bytes(32))),
            "not-a-change",
        ),
        "two changes": (forged(envelope(raw + raw, hash=bytes(32))), "bad-automerge"),
    } | {
        f"a change that is {name}": (forged(envelope(chunk, hash=bytes(32))), "")
        for name, chunk in bombs.changes().items()
    }


def add_order(signature: bytes) -> bytes:
    """The same signature for libraries that do not hold S under the order of the group."""
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(signature[32:], "little") + order
    return signature[:32] + s.to_bytes(32, "little")


HOSTILE = wrong_tokens() | wrong_entries() | wrong_payloads()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_entries_are_refused_with_their_reason(name: str) -> None:
    signed, code = HOSTILE[name]
    with pytest.raises((Malformed, Unauthorised)) as refusal:
        check_entry(signed, CapabilityCache())
    if code:
        assert refusal.value.code == code, refusal.value


def test_every_flipped_bit_is_refused() -> None:
    signed, cache = signed_by(SIGNER), CapabilityCache()
    check_entry(signed, cache)
    encoded = encode_signed(signed)
    for bit in range(8 * len(encoded)):
        flipped = bytearray(encoded)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CrdtError):
            check_entry(decode_signed(bytes(flipped)), cache)


# ── who signs what ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cls", ["pub", "rate", "_ck"])
def test_a_root_key_signs_nothing_but_authority(cls: str) -> None:
    """Nobody could take back what it signed, and it would lie open on the device that wrote."""
    place = replace(MODULE, cls=cls)
    own_right = Capability(WRITE, COMMONS, ALICE.public)
    to_itself = delegate(own_right, ALICE, Area(ALICES), ALICE.public)
    back_again = delegate(
        delegate(own_right, ALICE, Area(ALICES), LAPTOP.public), LAPTOP, Area(ALICES), ALICE.public
    )
    for right in (own_right, to_itself, back_again):
        signed = signed_by(Signer(ALICE, ALICES, {cls: encode_capability(right)}), place)
        with pytest.raises(Unauthorised, match="root-key"):
            check_entry(signed, CapabilityCache())


def test_no_root_key_signs_in_an_owned_namespace() -> None:
    owner = SigningKey(b"o" * 32)
    while owner.public[-1] & 1 == 0:
        owner = SigningKey(owner.public)
    garden = replace(MODULE, namespace=NamespaceKey(owner.public))
    of_owner = own(owner, WRITE, owner.public)
    of_member = own(owner, WRITE, ALICE.public)
    for signer, right in (
        (owner, of_owner),
        (owner, delegate(of_member, ALICE, Area(ALICES), owner.public)),
        (ALICE, of_member),
        (ALICE, delegate(of_owner, owner, Area(), ALICE.public)),
        (LAPTOP, own(owner, WRITE, LAPTOP.public)),  # a first user is a root by definition
    ):
        signed = signed_by(
            Signer(signer, AuthorKey(signer.public), {"pub": encode_capability(right)}), garden
        )
        with pytest.raises(Unauthorised, match="root-key"):
            check_entry(signed, CapabilityCache())


@pytest.mark.parametrize("cls", ["pub", "rate"])
def test_a_device_writes_in_every_other_class(cls: str) -> None:
    place = replace(MODULE, cls=cls)
    assert check_entry(signed_by(SIGNER, place), CapabilityCache()).document == place


def test_a_co_author_writes_in_one_record() -> None:
    area = Area(ALICES, (b"pub", b"mod", MODULE.record))
    given = encode_capability(
        delegate(Capability(WRITE, COMMONS, ALICE.public), ALICE, area, BOB.public)
    )
    bob = Signer(BOB, AuthorKey(BOB.public), {"pub": given})
    assert check_entry(signed_by(bob), CapabilityCache()).device == BOB.public
    with pytest.raises(Unauthorised, match="outside-area"):
        check_entry(signed_by(bob, replace(MODULE, record=b"other")), CapabilityCache())


def test_signing_refuses_what_no_peer_would_take() -> None:
    with pytest.raises(Unauthorised, match="wrong-actor"):
        sign_change(raw_of(BOB), MODULE, signer=SIGNER, prev=None, timestamp=NOW)
    with pytest.raises(Malformed, match="auth-heads"):
        sign_change(
            raw_of(),
            MODULE,
            signer=SIGNER,
            prev=None,
            auth_heads=[bytes([n]) * 32 for n in range(AUTH_HEADS_MAX + 1)],
            timestamp=NOW,
        )
    with pytest.raises(Malformed):
        sign_change(bombs.counter(), MODULE, signer=SIGNER, prev=None, timestamp=NOW)


# ── files ────────────────────────────────────────────────────────────────────────────────────────


def test_a_signed_entry_comes_back_as_it_was() -> None:
    signed = signed_by(SIGNER)
    assert decode_signed(encode_signed(signed)) == signed


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_no_signed_entry(noise: bytes) -> None:
    with pytest.raises(Malformed):
        decode_signed(noise)


@pytest.mark.parametrize(
    "parts", [[], [b""] * 3, [b""] * 5, [b"", b"", b"", "text"], [b""] * 4, b"", None]
)
def test_other_cbor_is_no_signed_entry(parts: object) -> None:
    with pytest.raises(Malformed):
        decode_signed(cbor.encode(parts))
