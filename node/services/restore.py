"""A home from a backup: read once to see that it is whole, then written.

verified ─▸ keys opened ─▸ entries and blobs, wallet, names ─▸ a new device key, delegated to

The identity comes last, so a restore that was broken off is simply done again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

import msgspec

from crdt.blob import BlobId
from crdt.capability import decode_capability
from crdt.change import SignedEntry, decode_signed
from crdt.delta import decode
from crdt.did import encode_did_key
from crdt.digest import payload_digest
from crdt.ed25519 import SEED_BYTES, SigningKey
from crdt.errors import CrdtError
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from node import drops
from node.config import Config
from node.drops import (
    BlockedFrame,
    ChunkFrame,
    Frame,
    Head,
    InstalledFrame,
    KeptFrame,
    PackedFrame,
    PageFrame,
    PeerFrame,
    PetnameFrame,
    PlaceFrame,
    RightFrame,
    read_drop,
    unpacked,
)
from node.errors import BadIdentity, BadSetting, Unverified
from node.home import Home, write_private
from node.identity import (
    Entropy,
    holds_author,
    load_or_create,
    open_secrets,
    write_device,
    write_secrets,
)
from node.lacking import Lacking
from node.projection import project
from node.quotas import quota_of
from node.services.advise import Withheld, withhold_malicious
from node.services.beside import settle_beside
from node.services.devices import GIVEN
from node.services.rights import rights_of_device
from node.settings import load_config
from registry.errors import RegistryError
from registry.versions import parse_version
from storage.address_book import KnownPeer
from storage.errors import NotHeld
from storage.installed import AcceptedRisk, InstallChanges, Installed
from storage.quota import Quota
from storage.store import Store, open_store

BATCH = 200
"""Entries in one transaction, as when they come from a peer."""
BATCH_BYTES = 4 << 20
"""Of chunks of a blob, stored at once."""
RESTORED = "backup"

Progress = Callable[[int, int], None]
"""Bytes that are done, and bytes in all."""


@dataclass
class Contents:
    """What is in a backup, as far as it can be told without its passphrase."""

    head: Head
    namespaces: list[str] = field(default_factory=list[str])
    counts: Counter[int] = field(default_factory=Counter[int])
    """Frames by their kind."""
    chunk_bytes: int = 0
    settings: str = ""
    """The text of config.toml."""
    lacking: Lacking = field(default_factory=Lacking)


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of it."""

    contents: Contents
    author: str
    device: str
    """The new one; both did:key."""
    refused: int
    """Entries that were not taken."""
    not_installed: tuple[Withheld, ...]
    """What was installed, and somebody who counts calls malicious, or what needs such a module."""


def read_contents(file: IO[bytes], size_bytes: int, progress: Progress) -> Contents:
    """Reads all of it and checks every byte. Raises `Unverified`."""
    contents: Contents | None = None
    for frame in read_drop(file):
        progress(frame.end_bytes, size_bytes)
        if contents is None:
            contents = Contents(unpacked(frame, Head))
        if frame.kind > drops.NEWEST:
            detail = f"it holds what is unknown here (kind {frame.kind}): update Panspermia"
            raise Unverified(detail, code="drop-newer")
        contents.counts[frame.kind] += 1
        if frame.kind == drops.PLACE:
            contents.namespaces.append(unpacked(frame, PlaceFrame).name)
        elif frame.kind == drops.CHUNK:
            contents.chunk_bytes += len(unpacked(frame, ChunkFrame).data)
        elif frame.kind == drops.PACKED:
            contents.chunk_bytes += unpacked(frame, PackedFrame).size
        elif frame.kind == drops.LACKING:
            contents.lacking.add(frame)
        elif frame.kind == drops.SETTINGS:
            contents.settings = frame.body.decode(errors="replace")
    assert contents is not None, "a drop without a head is refused"
    if contents.head.type != "backup":
        detail = f"this is a drop of type {contents.head.type!r}, no backup"
        raise Unverified(detail, code="not-a-drop")
    return contents


async def restore(
    home: Home,
    file: IO[bytes],
    size_bytes: int,
    passphrase: str,
    *,
    entropy: Entropy,
    clock_us: Callable[[], int],
    progress: Progress,
) -> Restored:
    """Makes this home from the backup in `file`, read twice: to check it, and to take it.

    Raises `Unverified`, or `BadIdentity`: `exists` where the home is somebody's already,
    `wrong-passphrase`.
    """
    _check_new(home)
    total = 2 * size_bytes
    contents = read_contents(file, total, progress)
    secrets = _secrets(file, contents.head, passphrase)
    home.make()
    with home.lock():
        _check_new(home)  # a node may have started meanwhile
        if home.author_key.exists() and not holds_author(
            home, secrets[contents.head.author], passphrase
        ):
            raise _exists(home)
        taker = _Taker(home, clock_us)
        file.seek(0)
        async with open_store(
            home.database,
            project=project,
            clock_us=clock_us,
            quota=_quota(contents),
        ) as store:
            for frame in read_drop(file):
                progress(size_bytes + frame.end_bytes, total)
                await taker.take(store, frame)
            await store.forget_namers()
            withheld = await withhold_malicious(store, encode_did_key(contents.head.author))
            author = SigningKey.from_seed(secrets[contents.head.author])
            device = SigningKey.from_seed(entropy(SEED_BYTES))
            own = await _delegate(store, author, DeviceKey(device.public))
        write_secrets(home, secrets, author.public, passphrase)
        write_device(home, AuthorKey(author.public), device, own)
        load_or_create(home, entropy)  # a token's key of its own
    did = encode_did_key(author.public)
    return Restored(contents, did, encode_did_key(device.public), taker.refused, withheld)


def _installed(frame: InstalledFrame) -> InstallChanges:
    """Raises `Unverified`."""
    fields = msgspec.structs.asdict(frame)
    accepted, bound = fields.pop("accepted"), fields.pop("risks")
    try:
        parse_version(frame.version)
    except RegistryError as error:
        raise Unverified(f"{frame.module}: {error.detail}", code="drop-damaged") from error
    unbound = (NamespaceKey(b""), "")
    here = (NamespaceKey(frame.namespace), frame.sha256)
    risks = [
        AcceptedRisk(frame.module, frame.version, *of, *one)
        for of, words in ((unbound, accepted), (here, bound))
        for one in words
    ]
    return InstallChanges([Installed(**fields)], accept=risks)


def _check_new(home: Home) -> None:
    """The device's file is the last that a restore writes."""
    if home.device_file.exists():
        raise _exists(home)


def _exists(home: Home) -> BadIdentity:
    detail = f"{home.path} has an identity already; restore into a new home: --home"
    return BadIdentity(detail, code="exists")


def _quota(contents: Contents) -> Quota:
    """As its settings say, so that all comes back that was kept; the author is no stranger."""
    author = AuthorKey(contents.head.author)
    try:
        return quota_of(load_config({}, {}, contents.settings).config.quota, author)
    except BadSetting:  # the next start says so
        return quota_of(Config().quota, author)


def _secrets(file: IO[bytes], head: Head, passphrase: str) -> dict[bytes, bytes]:
    """Every key in it. Raises `BadIdentity` (`wrong-passphrase`, `damaged`)."""
    file.seek(0)
    found: dict[bytes, bytes] = {}
    for frame in read_drop(file):
        if frame.kind == drops.SECRETS:
            found |= open_secrets(frame.body, passphrase)
        elif frame.kind > drops.SECRETS:
            break
    if head.author not in found:
        raise BadIdentity("the backup does not hold its author's key", code="damaged")
    return found


async def _delegate(store: Store, author: SigningKey, device: DeviceKey) -> dict[str, bytes]:
    """Whatever the new device needs, kept; gives what it writes with in commons, by class."""
    given, _ = await rights_of_device(store, author, device)
    own: dict[str, bytes] = {}
    for encoded in given:
        right = decode_capability(encoded)
        if right.chain == (author.public, device) and right.namespace == COMMONS:
            own[right.granted_area.path[0].decode("latin-1")] = encoded
        else:
            await store.keep_capability(encoded, RESTORED)
    return own


class _Taker:
    """Puts one frame after the other where it belongs."""

    def __init__(self, home: Home, clock_us: Callable[[], int]) -> None:
        self._home = home
        self._clock_us = clock_us
        self._entries: list[SignedEntry] = []
        self._blob = BlobId(b"")
        self._chunks: list[tuple[int, bytes]] = []
        self._chunk_bytes = 0
        self.refused = 0

    async def take(self, store: Store, frame: Frame) -> None:
        """Raises `Unverified` where what is in it is not valid."""
        if frame.kind != drops.ENTRY:
            await self.flush(store)
        try:
            if frame.kind not in (drops.CHUNK, drops.PACKED):
                await self._flush_chunks(store)
            if frame.kind not in (drops.PAGE, drops.CHUNK, drops.PACKED) and self._blob:
                await settle_beside(store, [self._blob])
                self._blob = BlobId(b"")
            await self._take(store, frame)
        except CrdtError as error:
            where = f"before byte {frame.end_bytes:,}"
            raise Unverified(f"{where}: {error.detail}", code="drop-damaged") from error

    async def _take(self, store: Store, frame: Frame) -> None:
        match frame.kind:
            case drops.HEAD:
                await store.keep_capability(unpacked(frame, Head).capability, GIVEN)
            case drops.SETTINGS:
                write_private(self._home.config_file, frame.body)
            case drops.PETNAME:
                named = unpacked(frame, PetnameFrame)
                await store.set_petname(named.name, named.did, replaces=True)
            case drops.PLACE:
                place = unpacked(frame, PlaceFrame)
                await store.join(NamespaceKey(place.key), place.name)
            case drops.RIGHT:
                right = unpacked(frame, RightFrame)
                await store.keep_capability(right.encoded, right.origin)
            case drops.PEER:
                address = unpacked(frame, PeerFrame).address
                known = KnownPeer(address, None, None, "static", self._clock_us())
                await store.remember_peer(known)
            case drops.INSTALLED:
                await store.apply_install(_installed(unpacked(frame, InstalledFrame)))
            case drops.KEPT:
                kept = unpacked(frame, KeptFrame)
                with suppress(NotHeld):  # it was removed while the backup was made
                    await store.pin_blob(BlobId(kept.blob), kept.name)
            case drops.BLOCKED:
                blocked = unpacked(frame, BlockedFrame)
                await store.block(blocked.key, blocked.reason)
            case drops.ENTRY:
                self._entries.append(decode_signed(frame.body))
                if len(self._entries) >= BATCH:
                    await self.flush(store)
            case _:
                await self._take_blob(store, frame)

    async def _take_blob(self, store: Store, frame: Frame) -> None:
        match frame.kind:
            case drops.BLOB:
                self._blob = BlobId(payload_digest(frame.body))
                await store.begin_blob(self._blob, frame.body)
            case drops.PAGE:
                page = unpacked(frame, PageFrame)
                await store.add_page(self._blob, page.number, page.data)
            case drops.CHUNK:
                chunk = unpacked(frame, ChunkFrame)
                await self._take_chunk(store, chunk.index, chunk.data)
            case drops.PACKED:
                delta = unpacked(frame, PackedFrame)
                await self._take_chunk(store, delta.index, await _plain(store, delta, frame))
            case _:  # the secrets, that are written last, what is lacking, and the end
                pass

    async def _take_chunk(self, store: Store, index: int, data: bytes) -> None:
        self._chunks.append((index, data))
        self._chunk_bytes += len(data)
        if self._chunk_bytes >= BATCH_BYTES:
            await self._flush_chunks(store)

    async def flush(self, store: Store) -> None:
        """What waits for a transaction."""
        if self._entries:
            received = await store.receive(self._entries, source=RESTORED)
            self.refused += len(received.refused)
            self._entries = []

    async def _flush_chunks(self, store: Store) -> None:
        if self._chunks:
            await store.add_chunks(self._blob, self._chunks)
            self._chunks, self._chunk_bytes = [], 0


async def _plain(store: Store, delta: PackedFrame, frame: Frame) -> bytes:
    """Raises `Unverified` where it is of what does not stand before it, `Malformed`."""
    base: list[bytes] = []
    if delta.count:
        try:
            base = await store.read_chunks(BlobId(delta.base), delta.first, delta.count)
        except NotHeld as error:
            detail = f"before byte {frame.end_bytes:,}: a chunk that leans on what is not there"
            raise Unverified(detail, code="drop-damaged") from error
    return await asyncio.to_thread(decode, delta.data, b"".join(base), delta.size)
