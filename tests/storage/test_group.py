"""What a group's store takes from its members, and to whom it gives the blobs they name."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from crdt.area import Area
from crdt.blob import BlobId
from crdt.capability import READ, WRITE, delegate, encode_capability, own
from crdt.change import DocumentId, SignedEntry, Signer, log_of, sign_change
from crdt.document import Document, Editor
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from crdt.path import AUTHORITY
from crdt.statement import Drop, Frontier, Revoke, Unrevoke
from storage.store import Store
from tests.storage.people import BOB, CAROL, Person, named
from tests.storage.test_namespaces import GROUP, NAMESPACE

OTHER = NamespaceKey(bytes([2]) * 32)
BLOB = BlobId(b"b" * 32)


def author(person: Person) -> AuthorKey:
    return AuthorKey(person.root.public)


def hand(person: Person, area: Area, mode: int = WRITE) -> Signer:
    """The device of somebody whose author was given `area`, all of it handed on."""
    given = delegate(own(GROUP, mode, GROUP.public), GROUP, area, person.root.public)
    device = person.signer.device
    encoded = encode_capability(delegate(given, person.root, area, device.public))
    return replace(person.signer, capabilities={"pub": encoded, "rate": encoded, "_auth": encoded})


def writes(document: DocumentId, signer: Signer, edit: Callable[[Editor], None]) -> SignedEntry:
    raw = Document.open(document.cls, document.kind, signer.device.public).change(edit)
    assert raw is not None
    return sign_change(raw, document, signer=signer, prev=None, timestamp=1_000)


def of_bob(record: str = "io.bob.clock", cls: str = "pub") -> DocumentId:
    return DocumentId(NAMESPACE, author(BOB), cls, "mod", record.encode())


BOBS, CAROLS = Area(author(BOB)), Area(author(CAROL))


@pytest.mark.parametrize(
    ("document", "signer", "code"),
    [
        (of_bob(), hand(CAROL, CAROLS), "outside-area"),
        (of_bob(), hand(CAROL, replace(BOBS, path=(b"pub", b"mod", b"io.x"))), "outside-area"),
        (of_bob(), hand(CAROL, replace(BOBS, path=(b"rate",))), "outside-area"),
        (of_bob(), hand(CAROL, replace(BOBS, end=900)), "outside-area"),
        (of_bob(), hand(CAROL, BOBS, READ), "read-only"),
        (replace(of_bob(), namespace=OTHER), hand(CAROL, BOBS), "wrong-namespace"),
        (of_bob(cls="_auth"), hand(CAROL, BOBS), "not-the-root"),
    ],
)
async def test_what_a_member_may_not_write_is_refused_and_it_is_said_why(
    store: Store, document: DocumentId, signer: Signer, code: str
) -> None:
    received = await store.receive([writes(document, signer, named("carols"))], source="carol")
    assert (received.added, [one.code for one in received.refused]) == ((), [code])
    (row,) = await store.refused()
    assert (row.refusal.source, row.refusal.code) == ("carol", code)
    assert (await store.counts()).entries == 0


async def test_what_a_member_may_write_is_taken(store: Store) -> None:
    """In what is hers, and in a record of bob's that she was made a publisher of."""
    publisher = replace(BOBS, path=(b"pub", b"mod", b"io.bob.clock"))
    entries = [
        writes(replace(of_bob(), subspace=author(CAROL)), hand(CAROL, CAROLS), named("hers")),
        writes(of_bob(), hand(CAROL, publisher), named("his")),
    ]
    received = await store.receive(entries, source="carol")
    assert (len(received.added), received.refused) == (2, ())


async def test_a_blob_is_for_those_who_may_read_what_names_it(store: Store) -> None:
    assert await store.may_read_blob(BLOB, [(COMMONS, Area())]), "nothing names it yet"
    clock = writes(of_bob(), hand(BOB, BOBS), named("clock", blob=BLOB.hex()))
    await store.receive([clock], source="bob")
    whole = Area()
    record = Area(author(BOB), (b"pub", b"mod", b"io.bob.clock"))
    may: Sequence[Area] = (whole, BOBS, record, replace(whole, path=(b"pub",)), Area(end=1_001))
    may_not: Sequence[Area] = (
        CAROLS,
        replace(record, path=(b"pub", b"mod", b"io.bob.other")),
        replace(whole, path=(b"rate",)),
        Area(end=1_000),
    )
    for areas, is_given in ((may, True), (may_not, False)):
        for area in areas:
            claims = [(COMMONS, whole), (NAMESPACE, area)]
            assert await store.may_read_blob(BLOB, claims) is is_given, area
    assert not await store.may_read_blob(BLOB, [(COMMONS, whole), (OTHER, whole)])
    assert not await store.may_read_blob(BLOB, [])


async def test_who_was_revoked_lets_no_bytes_go(store: Store) -> None:
    """Whoever comes to hold a member's root key could let go of what the member had written."""
    clock, bobs = of_bob(), author(BOB)
    await store.commit(clock, named("clock"), hand(BOB, BOBS))
    state = await store.read(clock)
    assert state is not None
    member = delegate(own(GROUP, WRITE, GROUP.public), GROUP, BOBS, BOB.root.public)
    bob = Signer(BOB.root, bobs, {AUTHORITY: encode_capability(member)})
    whole = encode_capability(own(GROUP, WRITE, GROUP.public))
    group = Signer(GROUP, AuthorKey(GROUP.public), {AUTHORITY: whole})
    groups_log = log_of(NAMESPACE, AuthorKey(GROUP.public), AUTHORITY)
    kept = Frontier({clock.encode(): state.heads})
    revoked = await store.declare(Revoke(BOB.root.public, kept), groups_log, group)
    drop = Drop(clock.encode(), state.heads)
    await store.declare(drop, log_of(NAMESPACE, bobs, AUTHORITY), bob)
    assert (await store.drop()).documents == 0
    assert (await store.read(clock)) == state
    await store.commit(clock, named("clock"), hand(BOB, BOBS))  # it is no record that was let go
    await store.declare(Unrevoke(revoked.signed.entry.payload_digest), groups_log, group)
    assert (await store.drop()).documents == 1


async def test_who_owns_the_group_lets_go_of_what_a_member_wrote(store: Store) -> None:
    clock = of_bob()
    await store.commit(clock, named("clock"), hand(BOB, BOBS))
    ((_, heads),) = await store.heads_held(clock)
    whole = encode_capability(own(GROUP, WRITE, GROUP.public))
    group = Signer(GROUP, AuthorKey(GROUP.public), {AUTHORITY: whole})
    log = log_of(NAMESPACE, AuthorKey(GROUP.public), AUTHORITY)
    await store.declare(Drop(clock.encode(), heads), log, group)
    assert (await store.drop()).documents == 1
