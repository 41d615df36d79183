"""The signed entry: one Automerge change, or one statement, as the payload of one Willow entry.

    payload = head as in `crdt.envelope` ‖ change hash 32 ‖ raw change        of a document
              head as in `crdt.envelope` ‖ statement                          under `/_auth`, `/_ck`

The change hash is Automerge's own name of the raw change, which later changes depend on. A
statement is read as a change that has the digest of its payload for a hash, and builds on the one
before it. The entry lies at `crdt.path.ChangePath`; its capability and signature travel beside it
and are stored as they came, never encoded again. `check_entry` is the door: what passes is signed
by the device that the path and the change name, under a capability that reaches there. Whether it
counts is a question about the set of entries held: `crdt.authority`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
    decode_capability,
    delegate,
    encode_capability,
    own,
)
from crdt.content import read_content
from crdt.digest import DIGEST_BYTES, payload_digest
from crdt.ed25519 import SIGNATURE_BYTES, SigningKey
from crdt.encoding import Reader
from crdt.entry import ENTRY_BYTES_MAX, Entry, decode_entry, encode_entry
from crdt.envelope import CHANGE, STATEMENT, seal_envelope
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
from crdt.statement import (
    KIND,
    RECORDS,
    Statement,
    class_of,
    encode_statement,
)

PAYLOAD_BYTES_MAX = 65_536  # larger ones are blobs, named by the change
SIGNED_BYTES_MAX = PAYLOAD_BYTES_MAX + CAPABILITY_BYTES_MAX + ENTRY_BYTES_MAX + 256


@dataclass(frozen=True, slots=True, order=True)
class DocumentId:
    """One epoch of one record: where all of its changes lie."""

    namespace: NamespaceKey
    subspace: AuthorKey
    cls: str
    kind: str
    record: bytes
    epoch: int = 0
    encoded: bytes | None = field(default=None, init=False, repr=False, compare=False)
    """What `encode` gave: gate, judge and tables each ask for it again."""

    def encode(self) -> bytes:
        """The one key of this document: namespace ‖ subspace ‖ the path of its changes so far."""
        if self.encoded is None:
            epoch = self.epoch.to_bytes(4, "big")
            path = (self.cls.encode(), self.kind.encode(), self.record, epoch)
            encoded = self.namespace + self.subspace + encode_path(path)
            object.__setattr__(self, "encoded", encoded)
            return encoded
        return self.encoded

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
    """Empty for a statement."""
    capability: Capability
    statement: Statement | None = None


@dataclass(frozen=True, slots=True)
class Signer:
    """This node's hand: its device key, and the capabilities its author gave it, by class."""

    device: SigningKey
    author: AuthorKey
    capabilities: Mapping[str, bytes]


def document_at(namespace: NamespaceKey, subspace: AuthorKey, path: ChangePath) -> DocumentId:
    """The document that a change at `path` belongs to."""
    return DocumentId(namespace, subspace, path.cls, path.kind, path.record, path.epoch)


def log_of(namespace: NamespaceKey, subspace: AuthorKey, class_: str) -> DocumentId:
    """Where what is said under `class_` of this subspace lies."""
    return DocumentId(namespace, subspace, class_, KIND, RECORDS[class_])


def check_entry(signed: SignedEntry, cache: CapabilityCache) -> CheckedEntry:
    """All that can be said of an entry without another one; cheap checks first.

    Raises `Malformed` or `Unauthorised`. Up to and with `bad-signature` the sender is to blame;
    what is refused after it, the device has signed.
    """
    entry = signed.entry
    path = _check_place(signed)
    capability = cache.get(signed.capability)
    _check_signer(capability, entry, path)
    check_write(capability, signed.signature, entry)
    content = read_content(signed.payload, path)
    return CheckedEntry(
        signed,
        _entry_id(signed),
        document_at(entry.namespace, entry.subspace, path),
        path.device,
        path.seq,
        content.auth_heads,
        content.prev,
        content.header,
        content.raw,
        capability,
        content.statement,
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
    payload = seal_envelope(CHANGE, auth_heads, prev, header.hash + raw)
    return _signed(payload, document, header.seq, signer, timestamp)


def sign_statement(
    statement: Statement,
    log: DocumentId,
    *,
    seq: int,
    signer: Signer,
    prev: bytes | None,
    auth_heads: Iterable[bytes] = (),
    timestamp: int,
) -> SignedEntry:
    """A statement as a signed entry of `log`; `signer.device` is the root key under `/_auth`.

    `prev` is the digest of the payload of the signer's statement with the number before `seq`.
    Raises as `sign_change` does.
    """
    if class_of(statement) != log.cls:
        raise ValueError(f"a {type(statement).__name__} has no place under /{log.cls}")
    payload = seal_envelope(STATEMENT, auth_heads, prev, encode_statement(statement))
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Malformed("payload-too-long", f"{len(payload)} bytes, at most {PAYLOAD_BYTES_MAX}")
    return _signed(payload, log, seq, signer, timestamp)


def unsigned_statement(
    statement: Statement,
    log: DocumentId,
    *,
    seq: int,
    capability: bytes,
    prev: bytes | None,
    timestamp: int,
) -> CheckedEntry:
    """What `check_entry` would give of such a statement: to try out what it would do, no more."""
    right = decode_capability(capability)
    payload = seal_envelope(STATEMENT, (), prev, encode_statement(statement))
    entry, path = _entry_at(payload, log, seq, right.receiver, timestamp)
    signed = SignedEntry(entry, capability, bytes(SIGNATURE_BYTES), payload)
    content = read_content(payload, path)
    return CheckedEntry(
        signed,
        signed.id,
        log,
        path.device,
        seq,
        content.auth_heads,
        None,
        content.header,
        b"",
        right,
        statement,
    )


def _signed(
    payload: bytes, document: DocumentId, seq: int, signer: Signer, timestamp: int
) -> SignedEntry:
    capability = signer.capabilities.get(document.cls)
    if capability is None:
        raise Unauthorised("no-capability", f"no capability to write under /{document.cls}")
    entry, _ = _entry_at(payload, document, seq, signer.device.public, timestamp)
    return SignedEntry(entry, capability, signer.device.sign(encode_entry(entry)), payload)


def _entry_at(
    payload: bytes, document: DocumentId, seq: int, device: bytes, timestamp: int
) -> tuple[Entry, ChangePath]:
    digest = payload_digest(payload)
    path = ChangePath(
        document.cls,
        document.kind,
        document.record,
        document.epoch,
        DeviceKey(device),
        seq,
        digest,
    )
    entry = Entry(
        document.namespace, document.subspace, path.path(), timestamp, len(payload), digest
    )
    return entry, path


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
    if path.cls == AUTHORITY:
        _check_root(capability, entry)
        return
    # A root key that signed everyday changes could not be kept sealed, and no revocation would
    # reach what it signed: nobody stands above it.
    roots: set[bytes] = {entry.subspace, entry.namespace, capability.user}
    if not capability.delegations or path.device in roots:
        raise Unauthorised("root-key", "only /_auth is signed by a root key, not by a device")
    chain = capability.chain
    is_circle = len(set(chain)) != len(chain)  # then others than the owner could take it back
    if path.cls == CHECKPOINT and (entry.subspace not in chain[-2:] or is_circle):
        raise Unauthorised("not-the-owners", "a checkpoint is made by a device of the owner")


def _check_root(capability: Capability, entry: Entry) -> None:
    """Under `/_auth`: the subspace's own key, to which nobody below it passed the right back."""
    chain = capability.chain
    owner: bytes = entry.subspace
    is_own = capability.receiver == owner
    is_first = is_communal(entry.namespace) or owner == entry.namespace
    if not is_own or (is_first and capability.delegations) or len(set(chain)) != len(chain):
        raise Unauthorised("not-the-root", "/_auth is written by the root key itself, none other")
