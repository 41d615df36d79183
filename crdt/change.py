"""The signed envelope: one Automerge change as the payload of one Willow entry.

    payload = "PSC1" ‖ count 1 ‖ count × authority head 32, ascending ‖ prev 32 ‖ change hash 32
              ‖ raw change                                         prev = 32 zeros: there is none

- *authority heads*: the newest records under `/_auth` that the author had seen;
- *prev*: the id of this device's entry before this one in this document, so that a gap or a fork
  of the device's own chain shows;
- *change hash*: Automerge's own name of the raw change, which later changes depend on.

The entry lies at `crdt.path.ChangePath`; its capability and signature travel beside it and are
stored as they came, never encoded again. `check_entry` is the door: what passes is signed by the
device that the path and the change name, under a capability that reaches there. Whether it counts
is a question about the set of entries held: `crdt.authority`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from blake3 import blake3

from crdt import cbor
from crdt.area import Area
from crdt.capability import (
    CAPABILITY_BYTES_MAX,
    WRITE,
    Capability,
    CapabilityCache,
    check_write,
    delegate,
    encode_capability,
    own,
)
from crdt.digest import DIGEST_BYTES, payload_digest
from crdt.ed25519 import SIGNATURE_BYTES, SigningKey
from crdt.encoding import Reader
from crdt.entry import ENTRY_BYTES_MAX, Entry, decode_entry, encode_entry
from crdt.errors import Malformed, Unauthorised
from crdt.keys import COMMONS, KEY_BYTES, AuthorKey, DeviceKey, NamespaceKey, is_communal
from crdt.path import (
    AUTHORITY,
    CHECKPOINT,
    PUBLIC,
    RATING,
    ChangePath,
    encode_path,
    read_path,
)
from crdt.preflight import ChangeHeader, read_change

MAGIC: Final = b"PSC1"
PAYLOAD_BYTES_MAX = 65_536  # larger ones are blobs, named by the change
AUTH_HEADS_MAX = 16  # the authority log is one hash chain per namespace; this leaves room to fork
SIGNED_BYTES_MAX = PAYLOAD_BYTES_MAX + CAPABILITY_BYTES_MAX + ENTRY_BYTES_MAX + 256

_NO_PREV: Final = bytes(DIGEST_BYTES)


@dataclass(frozen=True, slots=True, order=True)
class DocumentId:
    """One epoch of one record: where all of its changes lie."""

    namespace: NamespaceKey
    subspace: AuthorKey
    cls: str
    kind: str
    record: bytes
    epoch: int = 0

    def encode(self) -> bytes:
        """The one key of this document: namespace ‖ subspace ‖ the path of its changes so far."""
        path = (self.cls.encode(), self.kind.encode(), self.record, self.epoch.to_bytes(4, "big"))
        return self.namespace + self.subspace + encode_path(path)

    @classmethod
    def decode(cls, data: bytes) -> "DocumentId":
        """The document that `encode` named so; `Malformed` for anything else."""
        reader = Reader(data)
        namespace, subspace = reader.take(KEY_BYTES), reader.take(KEY_BYTES)
        path = read_path(reader)
        reader.finish()
        # As the path of a change, of which the missing parts do not matter, it is checked whole.
        parsed = ChangePath.parse((*path, bytes(KEY_BYTES), _FIRST_SEQ + bytes(DIGEST_BYTES)))
        document = document_at(NamespaceKey(namespace), AuthorKey(subspace), parsed)
        if document.encode() != data:
            raise Malformed("not-canonical", "a document id with a length longer than it must be")
        return document


@dataclass(frozen=True, slots=True)
class SignedEntry:
    """What is stored and sent: an entry, what authorises it, and its payload. Not checked yet."""

    entry: Entry
    capability: bytes
    signature: bytes
    payload: bytes

    @property
    def id(self) -> bytes:
        """The 32 bytes that name it: BLAKE3(entry ‖ BLAKE3(capability) ‖ signature)."""
        return _entry_id(self)


@dataclass(frozen=True, slots=True)
class CheckedEntry:
    """A signed entry that passed every check that needs no other entry."""

    signed: SignedEntry
    id: bytes
    document: DocumentId
    device: DeviceKey
    seq: int
    auth_heads: tuple[bytes, ...]
    prev: bytes | None
    change: ChangeHeader
    raw: bytes
    capability: Capability


@dataclass(frozen=True, slots=True)
class Signer:
    """This node's hand: its device key, and the capabilities its author gave it, by class."""

    device: SigningKey
    author: AuthorKey
    capabilities: Mapping[str, bytes]


def document_at(namespace: NamespaceKey, subspace: AuthorKey, path: ChangePath) -> DocumentId:
    """The document that a change at `path` belongs to."""
    return DocumentId(namespace, subspace, path.cls, path.kind, path.record, path.epoch)


def check_entry(signed: SignedEntry, cache: CapabilityCache) -> CheckedEntry:
    """All that can be said of an entry without another one; cheap checks first.

    Raises `Malformed` or `Unauthorised`. Up to and with `bad-signature` the sender is to blame;
    what is refused after it, the device has signed.
    """
    entry, payload = signed.entry, signed.payload
    path = _check_place(signed)
    capability = cache.get(signed.capability)
    _check_signer(capability, entry, path)
    check_write(capability, signed.signature, entry)
    auth_heads, prev, change_hash, raw = _read_payload(payload)
    header = read_change(raw)
    if header.hash != change_hash:
        raise Malformed("change-hash", "the payload names another change than it carries")
    if header.actor != path.device:
        raise Unauthorised("wrong-actor", "the actor of the change is not the device that signed")
    if header.seq != path.seq:
        raise Malformed("wrong-seq", f"change {header.seq} in the place of {path.seq}")
    if (prev is None) != (path.seq == 1):
        raise Malformed("wrong-prev", "a first change with a predecessor, or a later one without")
    if not header.dependencies:
        raise Malformed("no-dependencies", "only the skeleton of a document depends on nothing")
    document = document_at(entry.namespace, entry.subspace, path)
    return CheckedEntry(
        signed,
        _entry_id(signed),
        document,
        path.device,
        path.seq,
        auth_heads,
        prev,
        header,
        raw,
        capability,
    )


def sign_change(
    raw: bytes,
    document: DocumentId,
    *,
    signer: Signer,
    prev: bytes | None,
    auth_heads: Iterable[bytes] = (),
    timestamp: int,
) -> SignedEntry:
    """The raw change of one act as a signed entry of `document`. `timestamp` in µs, as in `Entry`.

    `prev` is the id of the device's entry before this one in this document.
    Raises `Malformed` where no peer would take the change, `Unauthorised` where `signer` may not.
    """
    header = read_change(raw)
    if header.actor != signer.device.public:
        raise Unauthorised("wrong-actor", "the change was made under another device key")
    capability = signer.capabilities.get(document.cls)
    if capability is None:
        raise Unauthorised("no-capability", f"no capability to write under /{document.cls}")
    heads = sorted(set(auth_heads))
    if len(heads) > AUTH_HEADS_MAX:
        raise Malformed("auth-heads", f"{len(heads)} authority heads, at most {AUTH_HEADS_MAX}")
    payload = b"".join(
        (MAGIC, bytes([len(heads)]), *heads, _NO_PREV if prev is None else prev, header.hash, raw)
    )
    digest = payload_digest(payload)
    path = ChangePath(
        document.cls,
        document.kind,
        document.record,
        document.epoch,
        DeviceKey(signer.device.public),
        header.seq,
        digest,
    )
    entry = Entry(
        document.namespace, document.subspace, path.path(), timestamp, len(payload), digest
    )
    return SignedEntry(entry, capability, signer.device.sign(encode_entry(entry)), payload)


def device_capabilities(
    author: SigningKey, device: DeviceKey, namespace: NamespaceKey = COMMONS
) -> Mapping[str, bytes]:
    """What an author's root key gives to a device: all but `/_auth` of the author's subspace.

    In an owned namespace the author must hold its key; other members delegate what they were given.
    """
    if is_communal(namespace):
        root = Capability(WRITE, namespace, author.public)
    elif namespace == author.public:
        root = own(author, WRITE, author.public)
    else:
        raise Unauthorised("not-the-owner", "the author does not hold the key of this namespace")
    return {
        class_: encode_capability(
            delegate(root, author, Area(AuthorKey(author.public), (class_.encode(),)), device)
        )
        for class_ in (PUBLIC, RATING, CHECKPOINT)
    }


def encode_signed(signed: SignedEntry) -> bytes:
    """For files and quarantine: canonical CBOR [entry, capability, signature, payload]."""
    return cbor.encode(
        [encode_entry(signed.entry), signed.capability, signed.signature, signed.payload]
    )


def decode_signed(data: bytes) -> SignedEntry:
    """What `encode_signed` gave; `Malformed` for anything else. Nothing is verified."""
    parts: object = cbor.decode(data, bytes_max=SIGNED_BYTES_MAX, items_max=8, depth_max=1)
    match parts:
        case [bytes() as entry, bytes() as capability, bytes() as signature, bytes() as payload]:
            return SignedEntry(decode_entry(entry), capability, signature, payload)
        case _:
            raise Malformed("not-an-entry", "not the four byte strings of a signed entry")


_FIRST_SEQ: Final = (1).to_bytes(8, "big")


def _entry_id(signed: SignedEntry) -> bytes:
    capability = blake3(signed.capability).digest()
    return blake3(encode_entry(signed.entry) + capability + signed.signature).digest()


def _check_place(signed: SignedEntry) -> ChangePath:
    """Sizes, path and digest: all that needs no key."""
    entry, payload = signed.entry, signed.payload
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Malformed("payload-too-long", f"{len(payload)} bytes, at most {PAYLOAD_BYTES_MAX}")
    if len(signed.capability) > CAPABILITY_BYTES_MAX or len(signed.signature) != SIGNATURE_BYTES:
        raise Malformed("token-size", "a capability too long, or a signature not of 64 bytes")
    if entry.payload_length != len(payload):
        raise Malformed(
            "payload-length", f"{len(payload)} bytes, the entry says {entry.payload_length}"
        )
    path = ChangePath.parse(entry.path)
    if not payload_digest(payload) == entry.payload_digest == path.payload_digest:
        raise Malformed("payload-digest", "payload, entry and path do not name one digest")
    return path


def _check_signer(capability: Capability, entry: Entry, path: ChangePath) -> None:
    if capability.receiver != path.device:
        raise Unauthorised("wrong-device", "the path names another device than the capability")
    namespace: bytes = entry.namespace
    owner: bytes = entry.subspace
    if path.cls != AUTHORITY:
        # A root key that signed everyday changes could not be kept sealed, and no revocation would
        # reach what it signed: nobody stands above it.
        if not capability.delegations or path.device in {owner, namespace, capability.user}:
            raise Unauthorised("root-key", "only /_auth is signed by a root key, not by a device")
        return
    is_root = path.device == owner and not capability.delegations
    if not is_root or not (is_communal(namespace) or owner == namespace):
        raise Unauthorised("not-the-root", "/_auth is written by the root key itself, none other")


def _read_payload(payload: bytes) -> tuple[tuple[bytes, ...], bytes | None, bytes, bytes]:
    """(authority heads, prev, change hash, raw change). Canonical by construction."""
    if payload[:4] != MAGIC:
        raise Malformed("envelope", "the payload is not an envelope of this version")
    count = payload[4] if len(payload) > 4 else 0
    at = 5 + DIGEST_BYTES * count
    end = at + 2 * DIGEST_BYTES
    if count > AUTH_HEADS_MAX or len(payload) < end:
        raise Malformed("envelope", f"{count} authority heads, or a header cut short")
    heads = tuple([payload[place : place + DIGEST_BYTES] for place in range(5, at, DIGEST_BYTES)])
    if any(left >= right for left, right in pairwise(heads)):
        raise Malformed("envelope", "authority heads repeated or out of order")
    prev, change_hash = payload[at : at + DIGEST_BYTES], payload[at + DIGEST_BYTES : end]
    return heads, None if prev == _NO_PREV else prev, change_hash, payload[end:]
