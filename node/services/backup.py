"""A backup: one drop of what this person has here, from which a new home goes on.

Secrets are sealed under a passphrase; the key of the device is not among them. A restored home
makes a device of its own, to which the restored root key delegates: with the old key it would
number its changes anew, and contradict in public what it had said before.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict, dataclass

from crdt.change import encode_signed
from crdt.keys import COMMONS, AuthorKey
from node.drops import (
    BLOCKED,
    ENTRY,
    INSTALLED,
    KEPT,
    PEER,
    PETNAME,
    PLACE,
    RIGHT,
    SECRETS,
    SETTINGS,
    BlockedFrame,
    DropWriter,
    Head,
    InstalledFrame,
    KeptFrame,
    PeerFrame,
    PetnameFrame,
    PlaceFrame,
    RightFrame,
    packed,
)
from node.errors import BadIdentity
from node.identity import seal_secrets
from node.services.backup_blobs import BlobFrames
from node.services.devices import GIVEN
from node.services.names import all_petnames
from node.services.namespaces import Keeper
from p2p.protocol.hint import CHOSEN
from storage.errors import StorageError

BACKUP = "backup"
"""The type of such a drop."""


@dataclass(frozen=True, slots=True)
class Backup:
    """Ready to be written: what needs the passphrase is done."""

    head: Head
    secrets: tuple[bytes, ...]
    """Sealed."""
    settings: str
    """The text of config.toml."""


async def prepare_backup(
    node: Keeper, passphrase: str, now_us: int, *, is_everything: bool
) -> Backup:
    """Opens and seals the keys. Raises `BadIdentity`: `no-key` where the root key is elsewhere."""
    identity = node.identity
    if not node.home.author_key.exists():
        detail = (
            f"the key of {identity.did} is not in this home, and without it nothing could be"
            " restored: make the backup where it is, or bring it here: panspermia id import"
        )
        raise BadIdentity(detail, code="no-key")
    secrets = await asyncio.to_thread(seal_secrets, node.home, passphrase, node.entropy)
    with suppress(StorageError):  # a full disk, a damaged database: then more is copied
        await node.store.forget_carried()
    extent = await node.store.extent(None if is_everything else identity.author)
    head = Head(
        type=BACKUP,
        author=identity.author,
        device=identity.device.public,
        capability=identity.capabilities["pub"],
        made_us=now_us,
        is_everything=is_everything,
        entries=extent.entries,
        blob_bytes=extent.blob_bytes,
    )
    return Backup(head, tuple(secrets), await asyncio.to_thread(node.home.config_text))


async def backup_pieces(node: Keeper, backup: Backup) -> AsyncIterator[bytes]:
    """The file, piece by piece; no more of it than a page of entries is in memory."""
    drop = DropWriter()
    yield drop.begin(backup.head)
    for sealed in backup.secrets:
        yield drop.write(SECRETS, sealed)
    if backup.settings:
        yield drop.write(SETTINGS, backup.settings.encode())
    async for kind, body in _own_rows(node):
        yield drop.write(kind, body)
    author = None if backup.head.is_everything else AuthorKey(backup.head.author)
    cursor = 0
    while True:
        entries, cursor = await node.store.entries_after(author, cursor)
        if not entries:
            break
        yield b"".join([drop.write(ENTRY, encode_signed(one)) for one in entries])
    blobs = BlobFrames(node.store)
    for blob in await node.store.blobs_named(author):
        async for kind, body in blobs.of(blob):
            yield drop.write(kind, body)
    async for kind, body in blobs.absent():
        yield drop.write(kind, body)
    cursor = 0
    while kept := await node.store.pinned_blobs(after=cursor):
        for one in kept:
            yield drop.write(KEPT, packed(KeptFrame(one.id, one.name)))
        cursor = kept[-1].number
    # Last: what is held of somebody who is blocked stays.
    for blocked in await node.store.blocked():
        yield drop.write(BLOCKED, packed(BlockedFrame(blocked.key, blocked.reason)))
    yield drop.end(node.identity.device)


async def _own_rows(node: Keeper) -> AsyncIterator[tuple[int, bytes]]:
    """What this node keeps for itself: never replicated, and so nowhere else."""
    store = node.store
    for name, did in sorted((await all_petnames(store)).items()):
        yield PETNAME, packed(PetnameFrame(name, did))
    for joined in await store.joined():
        if joined.namespace != COMMONS:
            yield PLACE, packed(PlaceFrame(joined.namespace, joined.name))
    device = node.identity.device.public
    for held in await store.capabilities_held():
        # What this device got is of use to this device only, and tells where to remove it.
        origin = held.origin if held.receiver != device else GIVEN
        if held.receiver != device or held.capability.chain[-2:-1] == (node.identity.author,):
            yield RIGHT, packed(RightFrame(held.encoded, origin))
    for peer in await store.known_peers():
        if peer.source in CHOSEN:
            yield PEER, packed(PeerFrame(peer.address))
    risks = await store.accepted_risks()
    for one in await store.installed_list():
        older, bound = (
            tuple(
                sorted(
                    (risk.author, risk.advisory)
                    for risk in risks
                    if (risk.module, risk.version, risk.namespace, risk.sha256)
                    == (one.module, one.version, *of)
                )
            )
            for of in ((b"", ""), (one.namespace, one.sha256))
        )
        yield INSTALLED, packed(InstalledFrame(**asdict(one), accepted=older, risks=bound))
