"""What is said under `/_auth` and `/_ck`: a statement is an act of its own, not a change.

    payload = "PSA1" ‖ head as in `crdt.envelope` ‖ canonical CBOR {"type": …, …}

    _auth   revoke       what this key gave to another one ends, but for what is under the frontier
            unrevoke     a revocation of this key is taken back
            drop         the bytes of a document up to these heads may go
            heartbeat    nothing new: this key still watches, as of the entry's time
    _ck     checkpoint   what the owner's device holds of the owner's documents, as of that time

Statements of one signer at one place form a chain by digests of their payloads, so a gap shows and
two with one number show that the key is used twice. They count as a *set*: no statement needs
another one to be here, so to withhold one hides only that one.

A *frontier* says, document by document, up to which heads something was seen; a document that it
does not name was not seen at all. Where it is long it is a blob, and the statement has its id.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from crdt import cbor
from crdt.area import Area, encode_area_in_area, read_area_in_area
from crdt.blob import BlobId
from crdt.digest import DIGEST_BYTES
from crdt.encoding import Reader
from crdt.errors import CrdtError, Malformed
from crdt.keys import KEY_BYTES
from crdt.path import AUTHORITY, CHECKPOINT, ChangePath, Path

FRONTIER_INLINE_BYTES_MAX = 48_000
"""What fits a payload beside all else; a longer one is a blob."""
FRONTIER_BYTES_MAX = 64 << 20
"""Of the blob: some 400,000 documents with a head each; read off the loop."""
FRONTIER_DOCUMENTS_MAX = 500_000
FRONTIER_HEADS_MAX = 4_096
"""Of one document; writers roll over long before."""
FRONTIER_NAME_BYTES_MAX = 512
"""Of a document: two keys and a path without device and number."""
DROP_HEADS_MAX = 1_024
"""Stated at once, of the heads of one document: more are several statements."""
REASON_CHARACTERS_MAX = 500

KIND: Final = "log"
RECORDS: Final[Mapping[str, bytes]] = {AUTHORITY: b"authority", CHECKPOINT: b"checkpoints"}
"""Where statements lie: one log a subspace, of the owner's acts and of its devices' checkpoints."""

EVERYTHING: Final = Area()

Heads: TypeAlias = tuple[bytes, ...]
"""Hashes of changes, ascending; of statements the digests of their payloads."""


@dataclass(frozen=True, slots=True)
class Frontier:
    """Documents, by `DocumentId.encode()`, and their heads; or the blob that has them."""

    heads: Mapping[bytes, Heads] = field(default_factory=dict[bytes, Heads])
    blob: BlobId | None = None


@dataclass(frozen=True, slots=True)
class Revoke:
    """Ends what came through `key`, in `area`; its whole subtree of delegations with it."""

    key: bytes
    frontier: Frontier = field(default_factory=Frontier)
    area: Area = EVERYTHING
    """Of subspace and path; a revocation has no times, since those are claims."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unrevoke:
    """Takes back the revocation whose payload has this digest."""

    revocation: bytes


@dataclass(frozen=True, slots=True)
class Drop:
    """The bytes of these changes of a document, and of all that they build on, may be deleted."""

    document: bytes
    heads: Heads


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Says only when it was said."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a device of the owner held; its time is that of the entry."""

    frontier: Frontier


Statement: TypeAlias = Revoke | Unrevoke | Drop | Heartbeat | Checkpoint

_Key = Annotated[bytes, Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]
_Digest = Annotated[bytes, Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]


class _Body(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """A statement as plain values."""


class _Revoke(_Body, frozen=True, tag="revoke"):
    key: _Key
    frontier: bytes | dict[bytes, bytes]
    area: bytes
    reason: Annotated[str, Meta(max_length=REASON_CHARACTERS_MAX)]


class _Unrevoke(_Body, frozen=True, tag="unrevoke"):
    revocation: _Digest


class _Drop(_Body, frozen=True, tag="drop"):
    document: bytes
    heads: bytes


class _Heartbeat(_Body, frozen=True, tag="heartbeat"):
    pass


class _Checkpoint(_Body, frozen=True, tag="checkpoint"):
    frontier: bytes | dict[bytes, bytes]


_Fields: TypeAlias = _Revoke | _Unrevoke | _Drop | _Heartbeat | _Checkpoint

_CLASS: Final[Mapping[type[Statement], str]] = {
    Revoke: AUTHORITY,
    Unrevoke: AUTHORITY,
    Drop: AUTHORITY,
    Heartbeat: AUTHORITY,
    Checkpoint: CHECKPOINT,
}


def class_of(statement: Statement) -> str:
    """Under which class it is said."""
    return _CLASS[type(statement)]


def is_statement_class(class_: str) -> bool:
    """Whether what lies there are statements rather than changes."""
    return class_ in RECORDS


def log_path(class_: str) -> Path:
    """Where the statements of a class lie in a subspace, as far as all of them share it."""
    return (class_.encode(), KIND.encode(), RECORDS[class_])


def check_place(path: ChangePath) -> None:
    """Raises `Malformed` unless this is where statements of its class lie."""
    if (path.kind, path.record, path.epoch) != (KIND, RECORDS[path.cls], 0):
        raise Malformed("path-log", f"/{path.cls} has one log, {KIND}/{RECORDS[path.cls].decode()}")


def encode_statement(statement: Statement) -> bytes:
    """The body of its payload."""
    body: dict[str, object]
    match statement:
        case Revoke(key, frontier, area, reason):
            body = {
                "type": "revoke",
                "key": key,
                "frontier": _plain_frontier(frontier),
                "area": encode_area_in_area(area, EVERYTHING),
                "reason": reason,
            }
        case Unrevoke(revocation):
            body = {"type": "unrevoke", "revocation": revocation}
        case Drop(document, heads):
            body = {"type": "drop", "document": document, "heads": b"".join(heads)}
        case Heartbeat():
            body = {"type": "heartbeat"}
        case Checkpoint(frontier):
            body = {"type": "checkpoint", "frontier": _plain_frontier(frontier)}
    return cbor.encode(body)


# Without `builtin_types`, text would be taken for bytes in base64: a second encoding of everything.
def decode_statement(body: bytes, class_: str) -> Statement:
    """The statement of this body, said under `class_`; `Malformed` for anything else."""
    plain: object = cbor.decode(body, bytes_max=1 << 16, items_max=2_048, depth_max=2)
    try:
        fields: _Fields = msgspec.convert(plain, _Fields, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise _wrong(f"of a type that has no such fields: {error}") from error
    match fields:
        case _Revoke(key, frontier, area, reason):
            statement: Statement = Revoke(key, _read_frontier(frontier), _read_area(area), reason)
        case _Unrevoke(revocation):
            statement = Unrevoke(revocation)
        case _Drop(document, heads):
            statement = Drop(_read_name(document), _read_heads(heads))
        case _Heartbeat():
            statement = Heartbeat()
        case _Checkpoint(frontier):
            statement = Checkpoint(_read_frontier(frontier))
    if class_of(statement) != class_:
        raise _wrong(f"said under /{class_}, where it has no place")
    return statement


def encode_frontier(heads: Mapping[bytes, Heads]) -> bytes:
    """The bytes of a frontier's blob."""
    return cbor.encode(_joined(heads))


def decode_frontier(data: bytes) -> dict[bytes, Heads]:
    """What such a blob says; `Malformed` for anything else."""
    plain: object = cbor.decode(
        data,
        bytes_max=FRONTIER_BYTES_MAX,
        items_max=2 * FRONTIER_DOCUMENTS_MAX + 1,
        depth_max=1,
    )
    try:
        heads = msgspec.convert(plain, dict[bytes, bytes], builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise _wrong(f"with a frontier of no documents and heads: {error}") from error
    return _read_documents(heads)


def frontier_of(heads: Mapping[bytes, Heads]) -> tuple[Frontier, bytes | None]:
    """A frontier to state, and the bytes of its blob where it is too long to stand in a payload."""
    encoded = encode_frontier(heads)
    if len(encoded) <= FRONTIER_INLINE_BYTES_MAX:
        return Frontier(dict(heads)), None
    return Frontier(), encoded


def _plain_frontier(frontier: Frontier) -> bytes | dict[bytes, bytes]:
    return _joined(frontier.heads) if frontier.blob is None else bytes(frontier.blob)


def _joined(heads: Mapping[bytes, Heads]) -> dict[bytes, bytes]:
    return {document: b"".join(sorted(ones)) for document, ones in heads.items()}


def _read_frontier(plain: bytes | dict[bytes, bytes]) -> Frontier:
    if isinstance(plain, dict):
        return Frontier(_read_documents(plain))
    if len(plain) != DIGEST_BYTES:
        raise _wrong("with a frontier that is neither a map nor the id of a blob")
    return Frontier(blob=BlobId(plain))


def _read_documents(plain: dict[bytes, bytes]) -> dict[bytes, Heads]:
    return {_read_name(name): _read_heads(heads) for name, heads in plain.items()}


def _read_name(name: bytes) -> bytes:
    if not 2 * KEY_BYTES < len(name) <= FRONTIER_NAME_BYTES_MAX:
        raise _wrong(f"with a document named by {len(name)} bytes")
    return name


def _read_heads(joined: bytes) -> Heads:
    if len(joined) % DIGEST_BYTES or len(joined) > FRONTIER_HEADS_MAX * DIGEST_BYTES:
        raise _wrong(f"with heads of {len(joined)} bytes")
    heads = tuple(joined[at : at + DIGEST_BYTES] for at in range(0, len(joined), DIGEST_BYTES))
    if any(left >= right for left, right in pairwise(heads)):
        raise _wrong("with heads repeated or out of order")
    return heads


def _read_area(data: bytes) -> Area:
    try:
        reader = Reader(data)
        area = read_area_in_area(reader, EVERYTHING)
        reader.finish()
    except CrdtError as error:
        raise _wrong(f"with an area that is none: {error.detail}") from error
    if encode_area_in_area(area, EVERYTHING) != data or area.start or area.end is not None:
        raise _wrong("with an area not in its one encoding, or of some times only")
    return area


def _wrong(what: str) -> Malformed:
    return Malformed("statement", f"a statement {what}")
