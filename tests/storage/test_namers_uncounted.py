"""A revoked device names a private state wherever it may still write: that opens it to nobody."""

from dataclasses import replace

import pytest

from crdt import rollover
from crdt.area import Area
from crdt.blob import BlobId
from crdt.capability import WRITE, Capability, encode_capability
from crdt.change import DocumentId, Signer, log_of
from crdt.document import Editor
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from crdt.path import AUTHORITY
from crdt.statement import Drop, Revoke, Unrevoke
from registry.deletion import delete
from storage.store import Store
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, named, person
from tests.storage.test_apart import let_go
from tests.storage.test_authority import LOG, ROOT
from tests.storage.test_carried import PHONE, begun, here, kept, synced
from tests.storage.test_carried import phone as phone
from tests.storage.test_let_go_beside import went_on
from tests.storage.test_namers import (
    BLOB,
    DATA,
    MALLORY,
    MEADOW,
    fetch,
    given,
    hear,
    in_communal,
    names,
)
from tests.storage.test_namers import alices as alices
from tests.storage.test_snapshots import MAIN, created, keeps, taken
from tests.storage.test_snapshots import store as store
from tests.storage.test_unshown import new as new
from tests.storage.test_unshown import restored, ticks
from universe import parts
from universe.record import drop_snapshots

FELL = 20
OAK = NamespaceKey(bytes([4]) * 32)
AUTHOR = AuthorKey(ALICE.root.public)
PRIVATE_LOG = log_of(MEADOW, AUTHOR, AUTHORITY)
PRIVATE_ROOT = Signer(
    ALICE.root, AUTHOR, {AUTHORITY: encode_capability(Capability(WRITE, MEADOW, AUTHOR))}
)
SECRET = replace(MAIN, namespace=MEADOW, record=b"universe:secret")
STATE = bytes(range(256)) * 12
STRANGER = [(COMMONS, Area())]
OF_MEADOW = [*STRANGER, (MEADOW, Area())]


@pytest.mark.parametrize(
    "where", [MAIN, replace(MAIN, record=b"universe:none-of-hers")], ids=["hers", "new"]
)
@pytest.mark.parametrize("is_first", [True, False])
async def test_what_does_not_count_opens_no_blob(
    new: Store, where: DocumentId, is_first: bool
) -> None:
    await begun(new)
    await new.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    blob = await new.put_blob(STATE)
    if is_first:
        await tells(new, where, blob)
    await kept_in_private(new, blob)
    if not is_first:
        await tells(new, where, blob)
    assert not await new.may_read_blob(blob, STRANGER)
    assert await new.may_read_blob(blob, OF_MEADOW)


@pytest.mark.parametrize(
    "where", [MAIN, replace(MAIN, record=b"universe:none-of-hers")], ids=["hers", "new"]
)
async def test_nor_does_what_counted_until_its_device_was_revoked(
    new: Store, where: DocumentId
) -> None:
    await begun(new)
    blob = await new.put_blob(STATE)
    await kept_in_private(new, blob)
    if where != MAIN:
        await new.commit(where, created(), PHONE.signer)
    await new.commit(where, keeps(taken(FELL, blob, who=PHONE)), PHONE.signer)
    assert await new.may_read_blob(blob, STRANGER)
    await new.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    assert not await new.may_read_blob(blob, STRANGER)
    assert await new.may_read_blob(blob, OF_MEADOW)
    assert await here(new, [blob]) == [True]
    await new.commit(MAIN, keeps(taken(FELL, blob)), ALICE.signer)
    assert await new.may_read_blob(blob, STRANGER), "she says so herself"


@pytest.mark.parametrize("how", ["deletes", "goes on", "is late", "deleted by another"])
async def test_nor_what_it_named_where_that_was_shown_no_more(
    new: Store, phone: Store, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The thief deletes the universe, or has it go on in a new epoch, before it is revoked; or what
    it said came to an old one, or was deleted by somebody who had not heard of it."""
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await begun(new)
    await synced(new, phone)
    blob = await new.put_blob(STATE)
    await kept_in_private(new, blob)
    if how == "is late":
        await phone.commit(MAIN, keeps(taken(FELL, blob, who=PHONE)), PHONE.signer)
        await went_on(new, monkeypatch)
        await synced(phone, new)
    else:
        await new.commit(MAIN, keeps(taken(FELL, blob, who=PHONE)), PHONE.signer)
    if how == "deletes":
        await new.commit(MAIN, delete(now_us=NOW_US), PHONE.signer)
    if how == "goes on":
        monkeypatch.setattr(rollover, "CHANGES_FULL", 2)
        await kept(new, 99, await new.put_blob(STATE + b"2"), PHONE)
        monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    if how == "deleted by another":
        await phone.commit(MAIN, delete(now_us=NOW_US), person(1, device=9).signer)
        await synced(phone, new)
    await new.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    assert not await new.may_read_blob(blob, STRANGER)
    await new.gc(grace_us=-1)
    await new.rematerialise()
    assert not await new.may_read_blob(blob, STRANGER)
    assert await new.may_read_blob(blob, OF_MEADOW)


@pytest.mark.parametrize("how", ["is shown", "is deleted", "is hidden", "has no place"])
async def test_who_was_revoked_by_mistake_opens_again_what_they_named(
    new: Store, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    blobs = [await new.put_blob(b"%d" % tick + STATE) for tick in range(4)]
    await kept_in_private(new, *blobs)
    await new.commit(MAIN, created(), ALICE.signer)
    for tick, blob in enumerate(blobs):
        await new.commit(MAIN, keeps(taken(tick, blob, who=PHONE)), PHONE.signer)
    if how == "is deleted":
        await new.commit(MAIN, delete(now_us=NOW_US), ALICE.signer)
    if how == "is hidden":
        await went_on(new, monkeypatch)
        for tick in range(4):
            await let_go(new, tick)
    if how == "has no place":
        monkeypatch.setattr(parts, "SNAPSHOTS_MAX", 3)
        await new.commit(MAIN, created("Another name"), ALICE.signer)
    said = await new.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    assert not any([await new.may_read_blob(blob, STRANGER) for blob in blobs])
    await new.declare(Unrevoke(said.signed.entry.payload_digest), LOG, ROOT)
    assert all([await new.may_read_blob(blob, STRANGER) for blob in blobs])


async def test_nor_does_a_version_of_a_revoked_device(alices: Store) -> None:
    other = person(1, device=8)
    module = ALICE.document("io.x.clock")
    await alices.put_blob(DATA)
    private = ALICE.document("io.x.clock", namespace=MEADOW)
    await alices.commit(private, named("it", blob=BLOB.hex()), in_communal(ALICE, MEADOW))
    await alices.commit(module, named("it"), ALICE.signer)
    await alices.commit(module, named("it", blob=BLOB.hex()), other.signer)
    assert await given(alices) == (True, True, True)
    await alices.declare(Revoke(other.signer.device.public), LOG, ROOT)
    assert await given(alices) == (False, True, False)


async def test_what_was_fetched_while_only_that_named_it_is_private_once_it_is_said_to_be(
    new: Store,
) -> None:
    await begun(new)
    await new.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    await tells(new, MAIN, BLOB)
    await fetch(new)
    await kept_in_private(new, BLOB)
    assert not await new.may_read_blob(BLOB, STRANGER)
    assert await new.may_read_blob(BLOB, OF_MEADOW)


async def test_what_has_no_place_in_the_lists_opens_what_it_did(
    new: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside what does not count: it counts, and is shown once others go."""
    blobs = [await new.put_blob(b"%d" % tick + STATE) for tick in range(4)]
    await kept_in_private(new, *blobs)
    await new.commit(MAIN, created(), ALICE.signer)
    for tick, blob in enumerate(blobs):
        await new.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
    await new.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    await tells(new, MAIN, blobs[0])
    monkeypatch.setattr(parts, "SNAPSHOTS_MAX", 3)
    await new.commit(MAIN, created("Another name"), ALICE.signer)
    assert len(await ticks(new)) == 3
    assert all([await new.may_read_blob(blob, STRANGER) for blob in blobs])


@pytest.mark.parametrize("is_beside", [True, False], ids=["beside what fell", "alone"])
@pytest.mark.parametrize("is_restored", [True, False])
async def test_what_is_let_go_in_private_opens_to_nobody_until_it_is_collected(
    store: Store, new: Store, is_restored: bool, is_beside: bool
) -> None:
    """Also where nothing was noted of it."""
    home = new if is_restored else store
    blobs = [await store.put_blob(b"%d" % tick + STATE) for tick in range(4)]
    await kept_in_private(store, *blobs)
    if is_beside:
        fell = keeps(taken(FELL, blobs[0], who=PHONE))
        await store.commit(SECRET, fell, in_communal(PHONE, MEADOW))
        await store.declare(Revoke(PHONE.signer.device.public), PRIVATE_LOG, PRIVATE_ROOT)
    if is_restored:
        await restored(store, new)
        await new.forget_namers()
    await lets_go_in_private(home)
    assert not await home.forget_carried()
    for blob in blobs:
        assert await home.has_blob(blob)
        assert not await home.may_read_blob(blob, STRANGER)


async def test_nor_does_what_an_old_epoch_names_no_more(
    store: Store, new: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a restored home, which makes a backup."""
    monkeypatch.setattr(rollover, "CHANGES_FULL", 3)
    blobs = [await store.put_blob(b"%d" % tick + STATE) for tick in range(6)]
    await kept_in_private(store, *blobs)
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await lets_go_in_private(store)
    await restored(store, new)
    for blob in blobs:
        await new.put_blob(await store.read_blob(blob))
    await new.forget_namers()
    assert not await new.forget_carried()
    for blob in blobs[:-1]:
        assert not await new.may_read_blob(blob, STRANGER)


@pytest.mark.parametrize("how", ["revoked", "goes on"])
async def test_whoever_named_the_same_in_private_closes_it_to_no_reader_of_others(
    alices: Store, how: str
) -> None:
    """Carol and bob did; then bob loses his phone, or has a version with other bytes."""
    carols, bobs = (names(who, MEADOW, f"io.{who.did[-8:].lower()}.clock") for who in (CAROL, BOB))
    await hear(alices, carols, bobs)
    await fetch(alices)
    await alices.forget_namers()
    assert await given(alices) == (False, True, False)
    if how == "revoked":
        own = AuthorKey(BOB.root.public)
        right = {AUTHORITY: encode_capability(Capability(WRITE, MEADOW, own))}
        root = Signer(BOB.root, own, right)
        said = Revoke(BOB.signer.device.public)
        await alices.declare(said, log_of(MEADOW, own, AUTHORITY), root)
    else:
        other = await alices.put_blob(b"other")
        module = BOB.document(f"io.{BOB.did[-8:].lower()}.clock", namespace=MEADOW)
        await alices.commit(module, named("it", blob=other.hex()), in_communal(BOB, MEADOW))
    assert await given(alices) == (False, True, False)


async def test_nor_does_what_a_private_record_had_in_an_earlier_version(alices: Store) -> None:
    await alices.put_blob(DATA)
    other = await alices.put_blob(b"other")
    module, hand = ALICE.document("io.x.clock", namespace=MEADOW), in_communal(ALICE, MEADOW)
    await alices.commit(module, named("it", blob=BLOB.hex()), hand)
    await alices.forget_namers()
    await alices.commit(module, named("it", blob=other.hex()), hand)
    assert await alices.has_blob(BLOB)
    assert not await alices.may_read_blob(BLOB, STRANGER)


@pytest.mark.parametrize("is_noted", [True, False])
async def test_whoever_learned_its_id_is_not_given_what_its_author_let_go(
    alices: Store, is_noted: bool
) -> None:
    """Mallory names it in her meadow, and in commons once its author does not."""
    await alices.put_blob(DATA)
    other = await alices.put_blob(b"other")
    module, hand = ALICE.document("io.x.clock", namespace=OAK), in_communal(ALICE, OAK)
    await alices.commit(module, named("it", blob=BLOB.hex()), hand)
    if not is_noted:
        await alices.forget_namers()
    await hear(alices, names(MALLORY, MEADOW, "io.mallory.clock"))
    await alices.commit(module, named("it", blob=other.hex()), hand)
    await hear(alices, names(MALLORY, COMMONS, "io.mallory.other"))
    assert await alices.has_blob(BLOB)
    for claims in (STRANGER, OF_MEADOW):
        assert not await alices.may_read_blob(BLOB, claims)


async def test_a_stolen_device_opens_nothing_of_hers_in_another_private_place_either(
    new: Store,
) -> None:
    blob = await new.put_blob(STATE)
    hand = in_communal(ALICE, OAK)
    await new.commit(replace(SECRET, namespace=OAK), created(), hand)
    await new.commit(replace(SECRET, namespace=OAK), keeps(taken(1, blob)), hand)
    await new.commit(SECRET, created(), in_communal(ALICE, MEADOW))
    await new.commit(SECRET, keeps(taken(FELL, blob, who=PHONE)), in_communal(PHONE, MEADOW))
    assert await new.may_read_blob(blob, OF_MEADOW)
    await new.declare(Revoke(PHONE.signer.device.public), PRIVATE_LOG, PRIVATE_ROOT)
    assert not await new.may_read_blob(blob, OF_MEADOW)
    assert await new.may_read_blob(blob, [*STRANGER, (OAK, Area())])


async def lets_go_in_private(home: Store) -> None:
    """All but one."""
    row = await home.listing("universe", ALICE.did, "universe:secret", MEADOW)
    assert row is not None
    first, *_ = await home.snapshots(row.number)
    every = [one.id for one in await home.snapshots(row.number) if one.id != first.id]
    edit = drop_snapshots(tuple(every), now_us=NOW_US)
    await home.commit(SECRET, edit, in_communal(ALICE, MEADOW))


async def test_nor_does_what_is_deleted_in_private_in_a_restored_home(
    store: Store, new: Store
) -> None:
    """Nobody is asked for it who might not know its id."""
    blob = await store.put_blob(STATE)
    await kept_in_private(store, blob)
    await store.commit(SECRET, delete(now_us=NOW_US), in_communal(ALICE, MEADOW))
    await restored(store, new)
    await new.forget_namers()
    for home in (store, new):
        assert not await home.may_read_blob(blob, STRANGER)
        assert not await home.may_know_blob(blob, STRANGER)
        assert await home.may_know_blob(blob, OF_MEADOW)


@pytest.mark.parametrize("is_named_beside", [False, True])
async def test_nor_does_what_goes_for_good_with_its_record_there(
    store: Store, new: Store, is_named_beside: bool
) -> None:
    """Until `gc`, and after it where a stranger's record keeps the bytes."""
    blob = await store.put_blob(STATE)
    await kept_in_private(store, blob)
    await restored(store, new)
    await new.forget_namers()
    if is_named_beside:
        hers = replace(MAIN, subspace=AuthorKey(MALLORY.root.public))
        state = keeps(taken(3, blob, who=MALLORY))
        assert (await new.receive(MALLORY.writes(hers, created(), state), source="peer")).added
    for document, heads in await new.heads_held(SECRET):
        await new.declare(Drop(document.encode(), heads), PRIVATE_LOG, PRIVATE_ROOT)
    assert not await new.may_read_blob(blob, STRANGER)
    assert (await new.drop()).documents == 1
    assert await new.has_blob(blob)
    assert not await new.may_read_blob(blob, STRANGER)
    await new.gc(grace_us=-1)
    assert await new.has_blob(blob) == is_named_beside
    assert not is_named_beside or not await new.may_read_blob(blob, STRANGER)


async def kept_in_private(store: Store, *blobs: BlobId) -> None:
    hand = in_communal(ALICE, MEADOW)
    await store.commit(SECRET, created(), hand)
    for tick, blob in enumerate(blobs):
        await store.commit(SECRET, keeps(taken(tick, blob)), hand)


async def tells(store: Store, where: DocumentId, blob: BlobId) -> None:
    """Of no snapshot: bytes that only look like one."""

    def junk(edit: Editor) -> None:
        edit.put(("gate", "junk"), b"\x64blob\x58\x20" + blob + bytes(200))

    await store.receive(PHONE.writes(where, junk), source="thief")
    state = await store.read(where)
    assert state is not None, "it is known"
    assert state.left_out, "and does not count"
