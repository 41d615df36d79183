"""What a backup holds, and what is not restored from it."""

import io
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from crdt.blob import Chunking
from crdt.capability import WRITE, Capability, encode_capability
from crdt.change import DocumentId, Signer, decode_signed
from crdt.did import decode_did_key
from crdt.keys import COMMONS, NamespaceKey
from crdt.path import AUTHORITY
from crdt.statement import Frontier, Revoke
from node import drops
from node.drops import read_drop
from node.errors import BadIdentity, Unverified
from node.home import Home
from node.identity import (
    SEALED_AT_ONCE,
    load,
    load_or_create,
    make_namespace_key,
    open_author,
    open_secrets,
    seal_secrets,
)
from node.services.backup import Backup, backup_pieces, prepare_backup
from node.services.devices import log_of
from node.services.namespaces import Keeper
from node.services.restore import Restored, restore
from registry.listings import project
from registry.publication import publish_version
from registry.statement import sign_release
from storage.installed import AcceptedRisk, InstallChanges
from storage.store import open_store
from tests.node.api.test_advisories import warn
from tests.node.api.test_devices import carry, make_device
from tests.node.api.test_install import ADDER, DOUBLER, give, install, publish, shared, versions
from tests.node.api.test_namespaces import created, post
from tests.node.conftest import alice as alice
from tests.node.modules import new_module
from tests.node.parts import Alice, open_alice
from tests.registry.people import manifest_of, release_of
from tests.storage.people import CAROL
from tests.storage.test_group import CAROLS, author, hand, writes
from tests.storage.test_namers import EVERYBODY, MEMBERS_ONLY, given, hear
from tests.storage.test_namespaces import NAMESPACE

PASSPHRASE = "correct horse battery"


def keeper(alice: Alice) -> Keeper:
    return Keeper(alice.node.home, alice.node.identity, alice.node.store, os.urandom)


async def backed_up(alice: Alice) -> bytes:
    backup = await prepare_backup(keeper(alice), PASSPHRASE, 1, is_everything=False)
    return await written(alice, backup)


async def written(alice: Alice, backup: Backup) -> bytes:
    return b"".join([piece async for piece in backup_pieces(keeper(alice), backup)])


def nobody(done: int, total: int) -> None:
    assert 0 < done <= total


async def restored(path: Path, data: bytes, passphrase: str = PASSPHRASE) -> str:
    return (await restoring(path, data, passphrase)).device


async def restoring(path: Path, data: bytes, passphrase: str = PASSPHRASE) -> Restored:
    return await restore(
        Home(path),
        io.BytesIO(data),
        len(data),
        passphrase,
        entropy=os.urandom,
        clock_us=lambda: 1,
        progress=nobody,
    )


def authors(data: bytes) -> set[bytes]:
    entries = [one for one in read_drop(io.BytesIO(data)) if one.kind == drops.ENTRY]
    return {decode_signed(one.body).entry.subspace for one in entries}


async def test_ones_own_or_everybodys(alice: Alice, tmp_path: Path) -> None:
    await post(alice, "/api/modules", new_module())
    async with open_alice(tmp_path / "bob") as bob:
        await post(bob, "/api/modules", new_module("org.example.bobs"))
        await carry(bob, alice)
        me, him = alice.node.identity.author, bob.node.identity.author
    everything = await prepare_backup(keeper(alice), PASSPHRASE, 1, is_everything=True)
    own = replace(everything, head=msgspec.structs.replace(everything.head, is_everything=False))
    assert everything.head.entries == 2
    assert authors(await written(alice, everything)) == {me, him}
    assert authors(await written(alice, own)) == {me}


async def test_every_key_comes_back(alice: Alice, tmp_path: Path) -> None:
    await created(alice)
    new = await backed_up(alice)
    device = await restored(tmp_path / "new", new)
    home = Home(tmp_path / "new")
    identity = load(home)
    assert identity.author == alice.node.identity.author
    assert identity.device_did == device != alice.node.identity.device_did
    assert identity.is_sealed
    assert open_author(home, PASSPHRASE).public == identity.author
    names = {path.name for path in alice.node.home.namespaces.iterdir()}
    assert {path.name for path in home.namespaces.iterdir()} == names
    async with open_alice(home.path) as again:
        await post(again, "/api/modules", {**new_module(), "namespace": "guild"})
        device_key = again.node.identity.device.public
        held = await again.node.store.capabilities_held(receiver=device_key)
        assert {one.namespace == COMMONS for one in held} == {False}


def test_many_keys_are_several_secrets(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.make()
    author = load_or_create(home, os.urandom).author
    made = {make_namespace_key(home, os.urandom).public for _ in range(SEALED_AT_ONCE)}
    first, second = seal_secrets(home, PASSPHRASE, os.urandom)
    opened = open_secrets(first, PASSPHRASE)
    assert author in opened
    assert opened.keys() | open_secrets(second, PASSPHRASE).keys() == {author, *made}


async def test_broken_off_it_is_done_again(alice: Alice, tmp_path: Path) -> None:
    """The power goes after the entries, before the identity."""
    await post(alice, "/api/modules", new_module())
    data = await backed_up(alice)

    def stops(done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await restore(
            Home(tmp_path / "new"), io.BytesIO(data), len(data), PASSPHRASE,
            entropy=os.urandom, clock_us=lambda: 1, progress=stops,
        )  # fmt: skip
    assert not Home(tmp_path / "new").device_file.exists()
    async with open_store(
        tmp_path / "new" / "panspermia.db", project=project, clock_us=lambda: 1
    ) as store:
        assert (await store.counts()).entries == 1
    await restored(tmp_path / "new", data)
    async with open_alice(tmp_path / "new") as again:
        listed = (await again.client.get("/api/modules")).json()["modules"]
        assert [one["id"] for one in listed] == ["org.example.add"]


async def test_a_damaged_file_makes_no_home(alice: Alice, tmp_path: Path) -> None:
    await post(alice, "/api/modules", new_module())
    data = await backed_up(alice)
    for keep in (10, 500, -70, -1):
        with pytest.raises(Unverified):
            await restored(tmp_path / "new", data[:keep])
    with pytest.raises(BadIdentity) as caught:
        await restored(tmp_path / "new", data, "not this one")
    assert caught.value.reason == "wrong-passphrase"
    assert not (tmp_path / "new").exists()
    with pytest.raises(BadIdentity) as caught:
        await restored(alice.node.home.path, data)
    assert caught.value.reason == "exists"


async def test_a_device_without_the_root_key_has_nothing_to_restore(
    alice: Alice, tmp_path: Path
) -> None:
    await make_device(alice, tmp_path / "laptop")
    async with open_alice(tmp_path / "laptop") as laptop:
        with pytest.raises(BadIdentity, match="id import") as caught:
            await backed_up(laptop)
        assert caught.value.reason == "no-key"


async def test_a_large_blob_is_never_whole_in_memory(alice: Alice) -> None:
    """32 MiB, that a statement names for its frontier."""
    store, author = alice.node.store, open_author(alice.node.home)
    megabyte = os.urandom(1 << 20)
    blob = await store.put_blob(megabyte[n:] + megabyte[:n] for n in range(32))
    right = encode_capability(Capability(WRITE, COMMONS, author.public))
    log = log_of(COMMONS, alice.node.identity.author)
    signer = Signer(author, log.subspace, {AUTHORITY: right})
    await store.declare(Revoke(bytes(32), Frontier(blob=blob)), log, signer)
    backup = await prepare_backup(keeper(alice), PASSPHRASE, 1, is_everything=False)
    assert backup.head.blob_bytes == 32 << 20
    size = largest = 0
    tracemalloc.start()
    try:
        async for piece in backup_pieces(keeper(alice), backup):
            size, largest = size + len(piece), max(largest, len(piece))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 32 << 20
    assert largest < 1 << 20
    assert peak < 8 << 20


async def test_broken_off_among_the_keys_it_is_done_again(alice: Alice, tmp_path: Path) -> None:
    """The root key is there, the device is not: neither a start nor a restore would go on."""
    data = await backed_up(alice)
    home = Home(tmp_path / "new")
    await restored(home.path, data)
    home.device_file.unlink()
    await restored(home.path, data)
    assert load(home).author == alice.node.identity.author
    load_or_create(Home(tmp_path / "carol"), os.urandom)
    Home(tmp_path / "carol").device_file.unlink()
    with pytest.raises(BadIdentity) as caught:
        await restored(tmp_path / "carol", data)
    assert caught.value.reason == "exists", "the key of somebody else"


async def test_what_was_kept_comes_back_under_the_same_quota(tmp_path: Path) -> None:
    text = '[quota]\nstrangers = "200 KiB"\nauthor = "40 KiB"\n'
    async with open_alice(tmp_path / "bob") as bob, open_alice(tmp_path / "alice") as alice:
        alice.node.home.config_file.write_text(text)
        for at in (alice, bob):
            for n in range(40):
                await post(at, "/api/modules", new_module(f"org.example.m{n}"))
        await carry(bob, alice)
        me, him = alice.node.identity.author, bob.node.identity.author
        backup = await prepare_backup(keeper(alice), PASSPHRASE, 1, is_everything=True)
        data = await written(alice, backup)
    await restored(tmp_path / "new", data)
    async with open_store(
        tmp_path / "new" / "panspermia.db", project=project, clock_us=lambda: 1
    ) as store:
        kept = {one.author: one.entries for one in await store.usage_of_authors()}
    assert kept[me] == 40, "one's own, however much it is"
    assert 0 < kept[him] < 40


async def test_the_lost_device_is_removed_wherever_it_was_let_in(
    alice: Alice, tmp_path: Path
) -> None:
    """Also where it never wrote: it could still read there."""
    guild = await created(alice)
    old = alice.node.identity.device_did
    data = await backed_up(alice)
    await restored(tmp_path / "new", data)
    async with open_alice(tmp_path / "new") as again:
        devices = (await again.client.get("/api/devices")).json()["devices"]
        assert [one["did"] for one in devices][1:] == [old]
        lost = {"device": old, "passphrase": PASSPHRASE}
        removed = await post(again, "/api/devices/revoke", lost, 200)
        assert set(removed["namespaces"]) == {"commons", guild}


async def test_what_is_installed_and_who_is_blocked_come_back(alice: Alice, tmp_path: Path) -> None:
    """Without any peer: it runs, and can be verified."""
    async with open_alice(tmp_path / "bob") as bob:
        did = await shared(alice, bob)
        await publish(bob, "org.example.other", "1.0.0")
        await give(bob, alice)
        await install(alice, f"{did}/{DOUBLER}")
        before = (await alice.client.get("/api/installed")).json()
        await alice.node.store.block(bob.node.identity.author, "too loud")
        data = await backed_up(alice)
    await restored(tmp_path / "new", data)
    async with open_alice(tmp_path / "new") as again:
        assert (await again.client.get("/api/installed")).json() == before
        listed = (await again.client.get("/api/modules")).json()["modules"]
        assert {one["id"] for one in listed} == {ADDER, DOUBLER}, "of bob's only these"
        body = {"id": DOUBLER, "export": "double", "args": [21]}
        run = await post(again, "/api/run", body, 200)
        assert run["results"] == [{"type": "i32", "value": 42}]
        checked = await again.client.get(f"/api/modules/{ADDER}/versions/1.1.0/verify")
        assert checked.json()["ok"], checked.text
        (blocked,) = await again.node.store.blocked()
        assert (blocked.key, blocked.reason) == (decode_did_key(did), "too loud")


async def test_what_is_called_malicious_is_not_restored_unless_it_was_accepted(
    alice: Alice, tmp_path: Path
) -> None:
    async with open_alice(tmp_path / "bob") as bob:
        did = await shared(alice, bob)
        await publish(bob, "org.example.other", "1.0.0")
        await give(bob, alice)
        await install(alice, f"{did}/{DOUBLER}", "org.example.other")
        said = await warn(bob, ADDER, kind="malicious", range="*")
        await give(bob, alice)
        older = AcceptedRisk(f"{did}/{ADDER}", "1.1.0", NamespaceKey(b""), "", did, said["id"])
        await alice.node.store.apply_install(InstallChanges(accept=[older]))
        unread = await backed_up(alice)
        await install(alice, ADDER, accept_risk=[said["id"]])
        read = await backed_up(alice)
    became = await restoring(tmp_path / "unread", unread)
    adder, doubler = became.not_installed
    assert (adder.module, adder.version) == (f"{did}/{ADDER}", "1.1.0")
    assert f"is malicious, says its author: {said['title']}" in adder.why
    assert "you accepted it before it was noted for which bytes" in adder.why
    assert doubler.why == f"{did}/{DOUBLER} 1.0.0 needs {did}/{ADDER}"
    async with open_alice(tmp_path / "unread") as again:
        assert await versions(again) == {"org.example.other": "1.0.0"}
    assert (await restoring(tmp_path / "read", read)).not_installed == ()
    async with open_alice(tmp_path / "read") as again:
        assert set(await versions(again)) == {ADDER, DOUBLER, "org.example.other"}
        assert (await again.client.get("/api/audit")).json()["ok"]


async def test_what_was_restored_may_still_turn_out_to_be_private(
    alice: Alice, tmp_path: Path
) -> None:
    """The backup has what alice installed from commons, and not the record that came before it."""
    async with open_alice(tmp_path / "bob") as bob:
        did = await shared(alice, bob)
        await give(bob, alice)
        await install(alice, f"{did}/{DOUBLER}")
        installed = await alice.node.store.installed_list()
        (blob,) = [one.blob for one in installed if one.module == f"{did}/{DOUBLER}"]
        wasm = await alice.node.store.read_blob(blob)
        data = await backed_up(alice)
    manifest = manifest_of(id="io.carol.doubler")
    release = release_of(manifest, author=CAROL.did, wasm=wasm)
    edit = publish_version(manifest, sign_release(release, CAROL.signer.device), now_us=1)
    document = DocumentId(NAMESPACE, author(CAROL), "pub", "mod", manifest.id.encode())
    await restored(tmp_path / "new", data)
    async with open_alice(tmp_path / "new") as again:
        assert await given(again.node.store, blob) == EVERYBODY
        await hear(again.node.store, writes(document, hand(CAROL, CAROLS), edit))
        assert await given(again.node.store, blob) == MEMBERS_ONLY


async def test_what_a_later_version_put_in_makes_no_home(alice: Alice, tmp_path: Path) -> None:
    head, *others = read_drop(io.BytesIO(await backed_up(alice)))
    writer = drops.DropWriter()
    data = writer.begin(drops.unpacked(head, drops.Head))
    for one in others[:-1]:
        data += writer.write(one.kind, one.body)
    data += writer.write(drops.NEWEST + 1, b"")
    with pytest.raises(Unverified) as caught:
        await restored(tmp_path / "new", data + writer.end(alice.node.identity.device))
    assert caught.value.reason == "drop-newer"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("chunking", Chunking)
async def test_blobs_that_a_person_added_come_back(
    alice: Alice, tmp_path: Path, chunking: Chunking
) -> None:
    large, small = os.urandom((5 << 20) + 7), b"a small one"
    for data, name in ((large, "world.bin"), (small, "")):
        blob = await alice.node.store.put_blob(data, chunking=chunking)
        await alice.node.store.pin_blob(blob, name)
    await restored(tmp_path / "new", await backed_up(alice))
    async with open_alice(tmp_path / "new") as again:
        store = again.node.store
        kept = await store.pinned_blobs()
        assert [(one.name, one.is_complete) for one in kept] == [("world.bin", True), ("", True)]
        assert [await store.read_blob(one.id) for one in kept] == [large, small]
        assert (await store.gc(grace_us=-1)).blobs == 0
