"""Statements: who may say them, where, and what they are as bytes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import cbor
from crdt.area import Area
from crdt.blob import BlobId
from crdt.capability import WRITE, Capability, CapabilityCache, delegate, encode_capability, own
from crdt.change import (
    CheckedEntry,
    DocumentId,
    SignedEntry,
    Signer,
    check_entry,
    device_capabilities,
    log_of,
    sign_change,
    sign_statement,
)
from crdt.document import Document
from crdt.ed25519 import SigningKey
from crdt.errors import CrdtError, Malformed, Unauthorised
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from crdt.statement import (
    FRONTIER_HEADS_MAX,
    FRONTIER_INLINE_BYTES_MAX,
    REASON_CHARACTERS_MAX,
    Checkpoint,
    Drop,
    Frontier,
    Heartbeat,
    Revoke,
    Statement,
    Unrevoke,
    class_of,
    decode_frontier,
    decode_statement,
    encode_frontier,
    encode_statement,
    frontier_of,
)

ALICE, LAPTOP, BOB, CAROL = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3, 4))
ALICES, BOBS = AuthorKey(ALICE.public), AuthorKey(BOB.public)
CLOCK = DocumentId(COMMONS, ALICES, "pub", "mod", b"io.univrs.clock")
NOW = 1_000_000


def owned_key() -> SigningKey:
    key = SigningKey(b"o" * 32)
    while key.public[-1] & 1 == 0:
        key = SigningKey(key.public)
    return key


OWNER = owned_key()
GROUP = NamespaceKey(OWNER.public)
OWNERS = AuthorKey(OWNER.public)


def said(
    statement: Statement,
    by: SigningKey,
    capability: Capability,
    *,
    subspace: AuthorKey | None = None,
    namespace: NamespaceKey = COMMONS,
    log: Callable[[DocumentId], DocumentId] = lambda log: log,
    seq: int = 1,
) -> SignedEntry:
    """`statement` as `by` says it in the own subspace, or in another's."""
    owner = AuthorKey(by.public) if subspace is None else subspace
    class_ = class_of(statement)
    return sign_statement(
        statement,
        log(log_of(namespace, owner, class_)),
        seq=seq,
        signer=Signer(by, owner, {class_: encode_capability(capability)}),
        prev=None if seq == 1 else bytes(31) + b"\1",
        timestamp=NOW,
    )


def checked(signed: SignedEntry) -> CheckedEntry:
    return check_entry(signed, CapabilityCache())


def refusal(signed: SignedEntry) -> str:
    with pytest.raises(CrdtError) as refused:
        checked(signed)
    return refused.value.code


def root_of(author: SigningKey) -> Capability:
    return Capability(WRITE, COMMONS, author.public)


def everything(giver: Capability, secret: SigningKey, to: SigningKey) -> Capability:
    return delegate(giver, secret, giver.granted_area, to.public)


# ── who says what where ──────────────────────────────────────────────────────────────────────────


def test_a_root_key_speaks_in_its_own_subspace() -> None:
    """What it says is read back, as a change that builds on the statement before."""
    first = checked(said(Revoke(LAPTOP.public, reason="lost"), ALICE, root_of(ALICE)))
    assert first.statement == Revoke(LAPTOP.public, reason="lost")
    assert first.document == log_of(COMMONS, ALICES, "_auth")
    assert first.change.hash == first.signed.entry.payload_digest
    assert (first.change.dependencies, first.prev, first.raw) == ((), None, b"")
    second = checked(said(Heartbeat(), ALICE, root_of(ALICE), seq=2))
    assert (second.seq, second.change.dependencies) == (2, (bytes(31) + b"\1",))


def test_a_stolen_device_administers_nothing() -> None:
    device = everything(root_of(ALICE), ALICE, LAPTOP)
    assert refusal(said(Heartbeat(), LAPTOP, device, subspace=ALICES)) == "not-the-root"
    itself = everything(root_of(ALICE), ALICE, ALICE)
    assert refusal(said(Heartbeat(), ALICE, itself)) == "not-the-root"


def test_nobody_speaks_for_another_author() -> None:
    assert refusal(said(Heartbeat(), BOB, root_of(BOB), subspace=ALICES)) == "not-the-root"


def test_a_members_root_key_speaks_in_its_own_subspace() -> None:
    """Who was given a right to pass on can take it back, and nobody else's."""
    namespaces = own(OWNER, WRITE, OWNER.public)
    assert checked(said(Heartbeat(), OWNER, namespaces, namespace=GROUP)).seq == 1
    admin = everything(namespaces, OWNER, ALICE)
    assert checked(said(Revoke(BOB.public), ALICE, admin, namespace=GROUP)).device == ALICE.public
    member = delegate(admin, ALICE, Area(BOBS), BOB.public)
    assert checked(said(Revoke(CAROL.public), BOB, member, namespace=GROUP)).device == BOB.public
    for wrong in (
        said(Heartbeat(), ALICE, admin, namespace=GROUP, subspace=BOBS),
        said(Heartbeat(), OWNER, everything(namespaces, OWNER, OWNER), namespace=GROUP),
        said(Heartbeat(), ALICE, everything(member_to(BOB, admin), BOB, ALICE), namespace=GROUP),
    ):
        assert refusal(wrong) == "not-the-root"
    narrow = delegate(admin, ALICE, Area(BOBS, (b"pub",)), BOB.public)
    assert refusal(said(Heartbeat(), BOB, narrow, namespace=GROUP)) == "outside-area"


def member_to(member: SigningKey, admin: Capability) -> Capability:
    """An admin passes everything on; back again it makes a circle."""
    return everything(admin, ALICE, member)


def test_a_checkpoint_is_made_by_a_device_of_the_owner() -> None:
    laptop = delegate(root_of(ALICE), ALICE, Area(ALICES, (b"_ck",)), LAPTOP.public)
    statement = Checkpoint(Frontier({CLOCK.encode(): (bytes(32),)}))
    assert checked(said(statement, LAPTOP, laptop, subspace=ALICES)).statement == statement
    further = delegate(laptop, LAPTOP, laptop.granted_area, BOB.public)
    assert refusal(said(statement, BOB, further, subspace=ALICES)) == "not-the-owners"


@pytest.mark.parametrize(
    "elsewhere", [{"kind": "mod"}, {"record": b"other"}, {"epoch": 1}], ids=str
)
def test_there_is_one_log(elsewhere: dict[str, Any]) -> None:
    signed = said(Heartbeat(), ALICE, root_of(ALICE), log=lambda log: replace(log, **elsewhere))
    assert refusal(signed) == "path-log"


def test_a_change_is_no_statement() -> None:
    raw = Document.open("_auth", "log", ALICE.public).change(
        lambda editor: editor.put(("head", "name"), "x")
    )
    assert raw is not None
    signer = Signer(ALICE, ALICES, {"_auth": encode_capability(root_of(ALICE))})
    log = log_of(COMMONS, ALICES, "_auth")
    signed = sign_change(raw, log, signer=signer, prev=None, timestamp=NOW)
    assert refusal(signed) == "envelope"


def test_a_statement_is_said_under_its_own_class() -> None:
    with pytest.raises(Malformed, match="no place"):
        decode_statement(encode_statement(Heartbeat()), "_ck")
    signer = Signer(LAPTOP, ALICES, device_capabilities(ALICE, DeviceKey(LAPTOP.public)))
    log = log_of(COMMONS, ALICES, "_ck")
    with pytest.raises(ValueError, match="Heartbeat"):
        sign_statement(Heartbeat(), log, seq=1, signer=signer, prev=None, timestamp=NOW)
    log = log_of(COMMONS, ALICES, "_auth")
    with pytest.raises(Unauthorised, match="no-capability"):
        sign_statement(Heartbeat(), log, seq=1, signer=signer, prev=None, timestamp=NOW)


# ── as bytes ─────────────────────────────────────────────────────────────────────────────────────

names = st.binary(min_size=65, max_size=300)
heads = st.lists(st.binary(min_size=32, max_size=32), max_size=4, unique=True).map(
    lambda ones: tuple(sorted(ones))
)
keys = st.binary(min_size=32, max_size=32)
frontiers = st.one_of(
    st.dictionaries(names, heads, max_size=4).map(Frontier),
    keys.map(lambda name: Frontier(blob=BlobId(name))),
)
areas = st.builds(
    Area, st.none() | keys.map(AuthorKey), st.lists(st.binary(max_size=9), max_size=3).map(tuple)
)
statements = st.one_of(
    st.builds(Revoke, keys, frontiers, areas, st.text(max_size=REASON_CHARACTERS_MAX)),
    st.builds(Unrevoke, keys),
    st.builds(Drop, names, heads),
    st.just(Heartbeat()),
    st.builds(Checkpoint, frontiers),
)


@given(statements)
def test_a_statement_comes_back(statement: Statement) -> None:
    assert decode_statement(encode_statement(statement), class_of(statement)) == statement


@given(st.dictionaries(names, heads, max_size=6))
def test_a_frontier_comes_back(documents: dict[bytes, tuple[bytes, ...]]) -> None:
    assert decode_frontier(encode_frontier(documents)) == documents


def test_a_long_frontier_becomes_a_blob() -> None:
    short = {bytes([n]) * 100: (bytes(32),) for n in range(9)}
    assert frontier_of(short) == (Frontier(short), None)
    long = {n.to_bytes(100, "big"): (bytes(32),) for n in range(400)}
    _, blob = frontier_of(long)
    assert blob is not None
    assert len(blob) > FRONTIER_INLINE_BYTES_MAX
    assert decode_frontier(blob) == long


REVOKE: dict[str, Any] = {
    "type": "revoke",
    "key": bytes(32),
    "frontier": {},
    "area": bytes.fromhex("43600000"[2:]),
    "reason": "",
}


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {},
        {"type": "pardon"},
        {"type": "heartbeat", "more": 1},
        {"type": "unrevoke", "revocation": bytes(31)},
        {"type": "drop", "document": bytes(64), "heads": b""},
        {"type": "drop", "document": bytes(65), "heads": bytes(33)},
        {"type": "drop", "document": bytes(65), "heads": bytes(64)},
        {"type": "drop", "document": bytes(600), "heads": bytes(32)},
        REVOKE | {"key": bytes(31)},
        REVOKE | {"key": "k" * 32},
        REVOKE | {"key": "QUFB" * 10 + "QUE="},  # 32 bytes in base64
        REVOKE | {"frontier": {bytes(65): ""}},
        REVOKE | {"area": b""},
        REVOKE | {"area": bytes.fromhex("64000100")},  # from µs 1 on
        REVOKE | {"area": bytes.fromhex("6000000000")},
        REVOKE | {"reason": "x" * (REASON_CHARACTERS_MAX + 1)},
        REVOKE | {"frontier": bytes(31)},
        REVOKE | {"frontier": None},
        REVOKE | {"frontier": {"name": bytes(32)}},
        REVOKE | {"frontier": {bytes(65): [bytes(32)]}},
        REVOKE | {"frontier": {bytes(65): bytes(32 * (FRONTIER_HEADS_MAX + 1))}},
        {key: value for key, value in REVOKE.items() if key != "reason"},
    ],
    ids=lambda wrong: str(wrong)[:60],
)
def test_what_is_no_statement_is_refused(wrong: Any) -> None:  # noqa: ANN401 - any plain value
    with pytest.raises(Malformed) as refused:
        decode_statement(cbor.encode(wrong), "_auth")
    assert refused.value.code in {"statement", "cbor-too-long", "cbor-too-deep"}


def test_the_sample_of_what_is_refused_is_right_in_all_else() -> None:
    assert decode_statement(cbor.encode(REVOKE), "_auth") == Revoke(bytes(32))
