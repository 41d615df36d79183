"""Bob's group has a blob, and Mallory knows its id: she names it wherever she may write.

Alice's node is in the group, and in Mallory's meadow, which is open to whoever knows its key.
"""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path

import pytest

from crdt.area import Area
from crdt.blob import BlobId, chunks_of, manifest_of
from crdt.capability import WRITE, Capability, delegate, encode_capability, own
from crdt.change import DocumentId, SignedEntry, Signer, device_capabilities, log_of
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from crdt.path import AUTHORITY
from crdt.statement import Drop, Frontier, Revoke
from storage.collecting import GRACE_US
from storage.namers import NAMERS_MAX, Namers
from storage.quota import Quota
from storage.store import Store, open_store
from tests.storage.before_packs import BEFORE_LIFE, BEFORE_PACKS
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, Person, named, person, project
from tests.storage.steps import counted
from tests.storage.test_group import BOBS, CAROLS, author, hand, writes
from tests.storage.test_namespaces import GROUP, NAMESPACE

DATA = b"what bob made for his group" * 20_000  # three chunks
BLOB = manifest_of(DATA).id
MEADOW = NamespaceKey(bytes([2]) * 32)
MALLORY = person(9)
STRANGER = [(COMMONS, Area())]
MEMBER = [*STRANGER, (NAMESPACE, Area())]
OF_MEADOW = [*STRANGER, (MEADOW, Area())]


@pytest.fixture
async def alices(tmp_path: Path) -> AsyncGenerator[Store]:
    """The store of a node that is alice's."""
    path = tmp_path / "alice.db"
    quota = Quota(own=frozenset({author(ALICE)}))
    async with open_store(path, project=project, clock_us=lambda: NOW_US, quota=quota) as opened:
        yield opened


def names(
    who: Person, where: NamespaceKey, record: str = "io.x.clock", blob: BlobId = BLOB
) -> SignedEntry:
    """A record of theirs that names the blob."""
    if where != NAMESPACE:
        document = who.document(record, namespace=where)
        return writes(document, in_communal(who, where), named("it", blob=blob.hex()))
    document = DocumentId(NAMESPACE, author(who), "pub", "mod", record.encode())
    return writes(document, hand(who, Area(author(who))), named("it", blob=blob.hex()))


def in_communal(who: Person, where: NamespaceKey) -> Signer:
    device = who.signer.device
    rights = device_capabilities(who.root, DeviceKey(device.public), where)
    return Signer(device, author(who), rights)


async def hear(store: Store, *entries: SignedEntry) -> None:
    for entry in entries:
        received = await store.receive([entry], source="peer")
        assert len(received.added) == 1, received.refused


async def fetch(store: Store, data: bytes = DATA) -> None:
    """As peers give it, piece by piece."""
    manifest = manifest_of(data)
    await store.begin_blob(manifest.id, manifest.root)
    for number, page in enumerate(manifest.pages):
        await store.add_page(manifest.id, number, page)
    for number, chunk in enumerate(chunks_of(data)):
        await store.add_chunks(manifest.id, [(number, chunk)])
    assert await store.has_blob(manifest.id)


async def given(store: Store, blob: BlobId = BLOB) -> tuple[bool, bool, bool]:
    """Whether to members, to readers of the meadow, to strangers."""
    member, reader, stranger = [
        await store.may_read_blob(blob, claims) for claims in (MEMBER, OF_MEADOW, STRANGER)
    ]
    return member, reader, stranger


MEMBERS_ONLY = (True, False, False)
EVERYBODY = (True, True, True)


@pytest.mark.parametrize("moment", [0, 1, 2])
@pytest.mark.parametrize("is_fetched_by_then", [False, True])
async def test_naming_what_is_private_opens_it_to_nobody(
    store: Store, moment: int, is_fetched_by_then: bool
) -> None:
    """Whether Mallory's record comes before Bob's, after it, or after the bytes."""
    steps: list[SignedEntry | None] = [names(BOB, NAMESPACE), None]
    steps.insert(moment, names(MALLORY, COMMONS))
    for step in steps:
        if step is not None:
            await hear(store, step)
        elif is_fetched_by_then:
            await fetch(store)
    assert await given(store) == MEMBERS_ONLY
    assert await store.may_know_blob(BLOB, STRANGER), "she knows, and may be asked"


async def test_no_part_of_it_either(store: Store) -> None:
    manifest = manifest_of(DATA)
    await hear(store, names(BOB, NAMESPACE))
    await store.begin_blob(manifest.id, manifest.root)
    await hear(store, names(MALLORY, COMMONS))
    assert await given(store) == MEMBERS_ONLY


async def test_nor_does_a_statement_that_has_it_for_a_frontier(store: Store) -> None:
    """A node fetches frontiers unasked: it may have the bytes before it hears of Bob's record."""
    right = encode_capability(Capability(WRITE, COMMONS, MALLORY.root.public))
    root = Signer(MALLORY.root, author(MALLORY), {AUTHORITY: right})
    revoke = Revoke(MALLORY.signer.device.public, Frontier(blob=BLOB))
    await store.declare(revoke, log_of(COMMONS, author(MALLORY), AUTHORITY), root)
    await hear(store, names(CAROL, COMMONS))
    await fetch(store)
    assert await given(store) == EVERYBODY, "nobody says that it is private"
    await hear(store, names(BOB, NAMESPACE))
    assert await given(store) == MEMBERS_ONLY


async def test_nor_does_another_private_namespace(store: Store) -> None:
    """Of two that named it before it came neither is believed alone."""
    await hear(store, names(BOB, NAMESPACE), names(MALLORY, MEADOW))
    await fetch(store)
    assert await given(store) == (False, False, False)
    assert await store.may_read_blob(BLOB, [*MEMBER, *OF_MEADOW])


async def test_nor_does_a_member_to_whom_it_was_not_shown(store: Store) -> None:
    await hear(store, names(BOB, NAMESPACE), names(CAROL, NAMESPACE))
    await fetch(store)
    claims = [*STRANGER, (NAMESPACE, CAROLS)]
    assert not await store.may_read_blob(BLOB, claims)
    assert await store.may_read_blob(BLOB, [*claims, (NAMESPACE, BOBS)])


GUILD_KEY = SigningKey.from_seed(b"j" * 32)  # whose last bit says that it is owned
GUILD = NamespaceKey(GUILD_KEY.public)
OF_GUILD = [*STRANGER, (GUILD, Area())]


def in_guild(right: Capability, giver: SigningKey, device: SigningKey, whose: Person) -> Signer:
    """The hand of somebody who may write in that author's subspace of Mallory's guild."""
    encoded = encode_capability(delegate(right, giver, Area(author(whose)), device.public))
    return Signer(device, author(whose), {"pub": encoded})


MALLORYS = in_guild(own(GUILD_KEY, WRITE, GUILD), GUILD_KEY, MALLORY.signer.device, BOB)


@pytest.mark.parametrize("is_own", [False, True])
async def test_nor_does_an_administrator_in_the_name_of_others(
    tmp_path: Path, *, is_own: bool
) -> None:
    """Whoever has a namespace writes in anybody's subspace of it, as if it were theirs: in a record
    of its own, or upon one that its author has there.
    """
    quota = Quota(own=frozenset({author(BOB)} if is_own else ()))
    theirs = delegate(own(GUILD_KEY, WRITE, GUILD), GUILD_KEY, Area(author(BOB)), BOB.root.public)
    bobs = in_guild(theirs, BOB.root, BOB.signer.device, BOB)
    begun = writes(BOB.document("io.y", namespace=GUILD), bobs, named("his own"))
    async with open_store(
        tmp_path / "p.db", project=project, clock_us=lambda: NOW_US, quota=quota
    ) as store:
        await hear(store, names(BOB, NAMESPACE))
        await fetch(store)
        forged = BOB.document("io.x", namespace=GUILD)
        await hear(store, writes(forged, MALLORYS, named("it", blob=BLOB.hex())))
        assert not await store.may_read_blob(BLOB, OF_GUILD)
        edit = named("his own", blob=BLOB.hex())
        await hear(store, begun, writes(BOB.document("io.y", namespace=GUILD), MALLORYS, edit))
        assert not await store.may_read_blob(BLOB, OF_GUILD)
        own_hand = writes(BOB.document("io.z", namespace=GUILD), bobs, named("", blob=BLOB.hex()))
        await hear(store, own_hand)
        assert await store.may_read_blob(BLOB, OF_GUILD), "he has shown it there himself"


async def test_whom_an_administrator_helped_still_shows_what_is_theirs(store: Store) -> None:
    """Where all that names it lies in one group, there is nothing to keep it from."""
    await hear(store, names(BOB, NAMESPACE))
    await fetch(store)
    document = DocumentId(NAMESPACE, author(BOB), "pub", "mod", b"io.x.clock")
    whole = own(GROUP, WRITE, GROUP.public)
    key = CAROL.signer.device
    right = encode_capability(delegate(whole, GROUP, Area(author(BOB)), key.public))
    await hear(store, writes(document, Signer(key, author(BOB), {"pub": right}), named("yanked")))
    assert await given(store) == MEMBERS_ONLY


async def test_what_came_from_public_hands_stays_public(store: Store) -> None:
    await hear(store, names(CAROL, COMMONS))
    await fetch(store)
    await hear(store, names(BOB, NAMESPACE), names(MALLORY, MEADOW))
    assert await given(store) == EVERYBODY
    await store.rematerialise()
    assert await given(store) == EVERYBODY


async def test_its_author_makes_it_public(store: Store) -> None:
    await hear(store, names(BOB, NAMESPACE))
    await fetch(store)
    await hear(store, names(BOB, COMMONS, "io.bob.other"))
    assert await given(store) == EVERYBODY


async def test_who_publishes_it_here_is_believed(alices: Store) -> None:
    """This node's own author: whatever others had said, it is hers to give."""
    await hear(alices, names(BOB, NAMESPACE))
    await fetch(alices)
    assert await given(alices) == MEMBERS_ONLY
    await hear(alices, names(MALLORY, COMMONS))
    assert await given(alices) == MEMBERS_ONLY
    await hear(alices, names(ALICE, MEADOW))
    assert await given(alices) == (True, True, False)
    await hear(alices, names(ALICE, COMMONS))
    assert await given(alices) == EVERYBODY


@pytest.mark.parametrize("moment", [0, 1, 2])
async def test_what_is_published_here_in_private_is_private(alices: Store, moment: int) -> None:
    """Also where Mallory had guessed the id: before the bytes were put, and before their record."""
    for step in range(3):
        if step == moment:
            await hear(alices, names(MALLORY, COMMONS))
        if step == 0:
            assert await alices.put_blob(DATA) == BLOB
        if step == 1:
            document = DocumentId(NAMESPACE, author(ALICE), "pub", "mod", b"io.x.clock")
            signer = hand(ALICE, Area(author(ALICE)))
            await alices.commit(document, named("it", blob=BLOB.hex()), signer)
    assert await given(alices) == MEMBERS_ONLY


async def test_what_is_published_here_stays_public(alices: Store) -> None:
    await alices.put_blob(DATA)
    await alices.commit(ALICE.document("io.x"), named("it", blob=BLOB.hex()), ALICE.signer)
    await hear(alices, names(BOB, NAMESPACE))
    assert await given(alices) == EVERYBODY


async def test_what_is_gone_opens_nothing(store: Store) -> None:
    """Bob lets go of his record; the bytes are still here, and so is what Mallory said."""
    document = DocumentId(NAMESPACE, author(BOB), "pub", "mod", b"io.x.clock")
    await hear(store, names(BOB, NAMESPACE), names(MALLORY, COMMONS))
    await fetch(store)
    ((_, heads),) = await store.heads_held(document)
    whole = encode_capability(own(GROUP, WRITE, GROUP.public))
    group = Signer(GROUP, AuthorKey(GROUP.public), {AUTHORITY: whole})
    log = log_of(NAMESPACE, AuthorKey(GROUP.public), AUTHORITY)
    await store.declare(Drop(document.encode(), heads), log, group)
    assert (await store.drop()).documents == 1
    assert await given(store) == (False, False, False)
    await hear(
        store, writes(BOB.document("io.x", namespace=GUILD), MALLORYS, named("it", blob=BLOB.hex()))
    )
    assert not await store.may_read_blob(BLOB, OF_GUILD), "said in his name, and not by him"


async def test_what_was_let_go_for_good_is_foreseen_and_nothing_goes_before(store: Store) -> None:
    document = DocumentId(NAMESPACE, author(BOB), "pub", "mod", b"io.x.clock")
    await hear(store, names(BOB, NAMESPACE))
    await fetch(store)
    assert (await store.foresee_gc(grace_us=-1)).going == []
    ((_, heads),) = await store.heads_held(document)
    whole = encode_capability(own(GROUP, WRITE, GROUP.public))
    group = Signer(GROUP, AuthorKey(GROUP.public), {AUTHORITY: whole})
    log = log_of(NAMESPACE, AuthorKey(GROUP.public), AUTHORITY)
    await store.declare(Drop(document.encode(), heads), log, group)
    foreseen = await store.foresee_gc(grace_us=-1)
    assert [one.blob for one in foreseen.going] == [BLOB]
    ((_, held),) = await store.heads_held(document)
    assert (held, (await store.gc(grace_us=-1)).blobs) == (heads, 0), "that only asked"
    await store.drop()
    assert (await store.gc(grace_us=-1)).blobs == 1


async def test_what_is_collected_is_noted_anew(tmp_path: Path) -> None:
    """The bytes are gone: how they come the next time is what counts then."""
    now_us, path = NOW_US, tmp_path / "p.db"
    async with open_store(path, project=project, clock_us=lambda: now_us) as store:
        await hear(store, names(CAROL, COMMONS))
        await fetch(store)
        with closing(sqlite3.connect(path)) as database, database:
            assert database.execute("SELECT author FROM blob_namer").fetchall() == [(b"",)]
            database.execute("DELETE FROM blob_use")
        now_us += 2 * GRACE_US
        assert (await store.gc()).blobs == 1
        assert await store.rematerialise() == 1
        await hear(store, names(BOB, NAMESPACE))
        await fetch(store)
        assert await given(store) == MEMBERS_ONLY


async def test_more_namers_than_are_looked_at_open_nothing(store: Store) -> None:
    crowd = [names(person(10 + n, 100), MEADOW) for n in range(NAMERS_MAX + 1)]
    await hear(store, *crowd[:NAMERS_MAX])
    assert await store.may_read_blob(BLOB, OF_MEADOW)
    await hear(store, crowd[NAMERS_MAX])
    assert not await store.may_read_blob(BLOB, OF_MEADOW)


async def test_nor_where_they_all_name_it_in_public_as_well(store: Store) -> None:
    """Keys are free: Mallory makes hers so that they come before Bob's in every list."""
    crowd = [person(10 + n, 0) for n in range(200)]
    crowd = [one for one in crowd if author(one) < author(BOB)][: NAMERS_MAX + 1]
    assert len(crowd) == NAMERS_MAX + 1
    await hear(store, names(BOB, NAMESPACE))
    for one in crowd:
        await hear(store, names(one, MEADOW), names(one, COMMONS))
    assert await given(store) == (False, False, False)
    await fetch(store)
    assert await given(store) == (False, False, False)


async def test_what_was_here_before_this_was_noted(tmp_path: Path) -> None:
    """A home of the version before: Mallory's word counts as little there."""
    path, public = tmp_path / "p.db", b"another" * 50_000
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await fetch(store)
        await fetch(store, public)
        await hear(store, names(BOB, NAMESPACE), names(MALLORY, COMMONS))
        await hear(store, names(CAROL, COMMONS, blob=manifest_of(public).id))
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            BEFORE_LIFE + BEFORE_PACKS + "DROP TABLE blob_namer; DROP INDEX blob_use_by_blob;"
            "DROP TABLE relay_card; DROP TABLE relay_letter; DROP TABLE relay_post;"
            "DROP TABLE letter; DROP TABLE card; DROP TABLE card_source; DROP TABLE invite;"
            "ALTER TABLE blob_use DROP COLUMN namespace;"
            "CREATE INDEX blob_use_by_blob ON blob_use (blob);"
            "PRAGMA user_version = 14;"
        )
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await hear(store, names(BOB, NAMESPACE, "io.x.fork", manifest_of(public).id))
        assert await given(store) == MEMBERS_ONLY
        assert await given(store, manifest_of(public).id) == EVERYBODY


@pytest.mark.parametrize("is_noted", [True, False])
async def test_thousands_who_name_it_do_not_slow_it_down(
    store: Store, tmp_path: Path, *, is_noted: bool
) -> None:
    await hear(store, names(BOB, NAMESPACE))
    if is_noted:
        await fetch(store)
    await hear(store, names(MALLORY, COMMONS))
    path = tmp_path / "panspermia.db"
    few = await steps_of(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA foreign_keys = OFF")
        (commons,) = database.execute("SELECT number FROM namespace WHERE key = ?", (COMMONS,))
        database.executemany(
            "INSERT INTO blob_use (document, blob, namespace) VALUES (?, ?, ?)",
            ((1_000_000 + n, BLOB, commons[0]) for n in range(100_000)),
        )
    assert await steps_of(path) == few


async def steps_of(path: Path) -> int:
    """What SQLite does to tell to whom the blob is given."""
    async with counted(path) as (database, steps):
        namers = Namers(database, lambda: NOW_US)
        for claims in (MEMBER, OF_MEADOW, STRANGER):
            assert await namers.may_read_blob(BLOB, claims) is (claims is MEMBER)
    return len(steps)
