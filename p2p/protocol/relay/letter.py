"""Letters: from one person's device to another's, sealed end to end, signed by who wrote them.

    sealed = box to the sealing key of the receiver's card ( CBOR [body, signature 64] )
    body   = CBOR [1, to 32, id 16, from 32, author 32, capability, kind, text, sent_us]
    signature by the sender's device key over "panspermia-letter:" ‖ body

A relay that keeps one sees its length, its id, and between which devices it goes. The writer is
shown only if the signature proves them, and nobody can send it on as theirs or to another.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from crdt.boxes import open_sealed, seal_to
from crdt.capability import CapabilityCache
from crdt.ed25519 import SigningKey
from crdt.errors import CrdtError, Malformed
from crdt.keys import AuthorKey, DeviceKey
from p2p.protocol.errors import LocalProtocolError, RemoteProtocolError
from p2p.protocol.frames import CapabilityBytes, Count, Key
from p2p.protocol.greeting import speaks_for
from p2p.protocol.signed import read_body, sign_body

LETTER_PREFIX = b"panspermia-letter:"
LETTER_VERSION = 1
LETTER_ID_BYTES = 16
# Of UTF-8. With a capability and a box around it a letter stays below the 64 KiB of a relay.
LETTER_TEXT_BYTES_MAX = 48 << 10
LETTER_SEALED_BYTES_MAX = 64 << 10
LETTER_ITEMS_MAX = 16

LetterKind: TypeAlias = Literal["text", "code"]


class _Body(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    to: Key
    id: Annotated[bytes, Meta(min_length=LETTER_ID_BYTES, max_length=LETTER_ID_BYTES)]
    device: Key
    author: Key
    capability: CapabilityBytes
    kind: LetterKind
    text: Annotated[str, Meta(min_length=1)]
    sent_us: Count


@dataclass(frozen=True, slots=True)
class OpenLetter:
    """A letter whose writer is proven."""

    id: bytes
    device: DeviceKey
    author: AuthorKey
    kind: LetterKind
    text: str
    sent_us: int  # as the writer says


def seal_letter(
    sender: SigningKey,
    *,
    author: AuthorKey,
    capability: bytes,
    to: bytes,
    sealing: bytes,
    id: bytes,
    kind: LetterKind,
    text: str,
    sent_us: int,
) -> bytes:
    """The box for the device `to`. Raises `LocalProtocolError` where the text is too long."""
    if not 0 < len(text.encode()) <= LETTER_TEXT_BYTES_MAX:
        most = f"{LETTER_TEXT_BYTES_MAX:,}"
        raise LocalProtocolError("letter-length", f"A letter has 1 to {most} bytes of text.")
    body = _Body(LETTER_VERSION, to, id, sender.public, author, capability, kind, text, sent_us)
    return seal_to(sealing, sign_body(body, sender, LETTER_PREFIX))


def open_letter(
    sealed: bytes, private: bytes, to: bytes, *, id: bytes, cache: CapabilityCache
) -> OpenLetter:
    """What is in the box for the device `to`, and who wrote it.

    Raises `RemoteProtocolError` where it cannot be opened, or its writer is not proven.
    """
    try:
        inner = open_sealed(private, sealed[: LETTER_SEALED_BYTES_MAX + 1])
        signed = read_body(
            inner,
            _Body,
            bytes_max=LETTER_SEALED_BYTES_MAX,
            items_max=LETTER_ITEMS_MAX,
            depth_max=1,
        )
    except (Malformed, msgspec.ValidationError) as error:
        raise RemoteProtocolError("letter-bytes", f"a letter cannot be read: {error}") from error
    except CrdtError as error:
        raise RemoteProtocolError("letter-sealed", f"a letter stays closed: {error}") from error
    body = signed.body
    if body.version != LETTER_VERSION:
        raise RemoteProtocolError("letter-version", f"a letter is of version {body.version}")
    if body.to != to or body.id != id:
        raise RemoteProtocolError("letter-for-another", "a letter was written for another device")
    if not signed.is_signed_by(body.device, LETTER_PREFIX):
        raise RemoteProtocolError("letter-signature", "a letter is not signed by its device")
    try:
        capability = cache.get(body.capability)
    except CrdtError as error:
        raise RemoteProtocolError(error.code, f"a letter is refused: {error.detail}") from error
    if not speaks_for(capability, body.author) or capability.receiver != body.device:
        raise RemoteProtocolError("letter-author", "a letter names an author who gave it no right")
    return OpenLetter(
        body.id,
        DeviceKey(body.device),
        AuthorKey(body.author),
        body.kind,
        body.text,
        body.sent_us,
    )
