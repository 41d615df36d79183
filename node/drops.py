"""A drop: entries and what belongs to them in one file, signed, read and written as a stream.

    drop  = "PSD1" ‖ frame … ‖ end
    frame = kind 1 ‖ n 4 ‖ body n ‖ check 8

`n` is big-endian. The check is the beginning of BLAKE3 of all of the file before it, so damage
shows where it is, and no frame can be left out or moved. The end carries the signature of the
device that made the drop, over BLAKE3 of all before the end. docs/protocol/drops.md lists the
kinds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Annotated, Any, Final, TypeVar

import msgspec
from blake3 import blake3
from msgspec import Meta, Struct

from crdt import cbor
from crdt.capability import WRITE, check_valid, decode_capability
from crdt.ed25519 import SIGNATURE_BYTES, SigningKey, verify_strict
from crdt.errors import CrdtError
from crdt.keys import COMMONS
from node.errors import Unverified

MAGIC: Final = b"PSD1"

FRAME_BYTES_MAX = 1 << 20
"""Of a body: a chunk has 256 KiB, a signed entry under 80."""

HEAD, SECRETS, SETTINGS, PETNAME, PLACE, RIGHT, PEER, ENTRY, BLOB, PAGE, CHUNK, END = range(1, 13)
INSTALLED, BLOCKED, KEPT, PACKED, LACKING = range(13, 18)
NEWEST = LACKING
"""The kinds of frames. They come in this order, but for `INSTALLED` before `ENTRY`, `PACKED` among
`CHUNK`, `LACKING` after the last of a blob and of all blobs, and `KEPT` and `BLOCKED` before
`END`."""

_CHECK_BYTES: Final = 8
_FRAME_HEAD_BYTES: Final = 5
_PURPOSE: Final = b"panspermia drop 1"
_Key = Annotated[bytes, Meta(min_length=32, max_length=32)]

T = TypeVar("T", bound=Struct)


class Head(Struct, frozen=True, forbid_unknown_fields=True):
    """Who made it, when, and what for."""

    type: str
    author: _Key
    device: _Key
    capability: bytes
    """By which the device writes for the author: whose signature it is that ends the drop."""
    made_us: int
    """Unix microseconds."""
    is_everything: bool
    """Entries of all authors, not only the author's own."""
    entries: int
    blob_bytes: int
    """How much is to come, about: for a bar of progress."""


class PetnameFrame(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    did: str


class PlaceFrame(Struct, frozen=True, forbid_unknown_fields=True):
    """A joined namespace."""

    key: _Key
    name: str


class RightFrame(Struct, frozen=True, forbid_unknown_fields=True):
    """A capability of the wallet."""

    encoded: bytes
    origin: str


class PeerFrame(Struct, frozen=True, forbid_unknown_fields=True):
    address: str


class InstalledFrame(Struct, frozen=True, forbid_unknown_fields=True):
    """As `storage.installed.Installed`."""

    module: str
    version: str
    sha256: str
    blob: bytes
    size: int
    is_requested: bool
    range: str
    dependencies: dict[str, str]
    installed_us: int
    namespace: _Key
    accepted: tuple[tuple[str, str], ...] = ()
    """Advisories that were accepted before it was noted for which bytes: author, and id."""
    risks: tuple[tuple[str, str], ...] = ()
    """Those that this person accepts for these bytes."""


class BlockedFrame(Struct, frozen=True, forbid_unknown_fields=True):
    """An author or a device that this person never wants to hear from."""

    key: _Key
    reason: str


class PageFrame(Struct, frozen=True, forbid_unknown_fields=True):
    """Of the blob whose root came last; so are chunks."""

    number: int
    data: bytes


class KeptFrame(Struct, frozen=True, forbid_unknown_fields=True):
    """A blob, among those before, that this person added."""

    blob: _Key
    name: str


class LackingFrame(Struct, frozen=True, forbid_unknown_fields=True):
    """Of the blob before it not all was here: the disk damaged it, or it had not come yet."""

    blob: _Key
    snapshots: int
    """That it is."""
    of: tuple[str, ...]
    """What it belongs to, in words; the first ones."""
    is_absent: bool = False
    """Nothing of it was here: it stands before in no frame."""


class ChunkFrame(Struct, frozen=True, forbid_unknown_fields=True):
    index: int
    data: bytes


class PackedFrame(Struct, frozen=True, forbid_unknown_fields=True):
    """A chunk as a zstd frame (`crdt.delta`) whose dictionary are `count` chunks of `base` from
    `first` on; without any it is just packed. `base` stands before, as far as it is meant."""

    index: int
    size: int
    """Of the chunk."""
    base: bytes
    first: int
    count: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """One checked frame. `end_bytes`: where in the file it ends."""

    kind: int
    body: bytes
    end_bytes: int


class DropWriter:
    """Gives the bytes of a drop, piece by piece; keeps no more than a hash."""

    def __init__(self) -> None:
        self._hash = blake3()

    def begin(self, head: Head) -> bytes:
        self._hash.update(MAGIC)
        return MAGIC + self.write(HEAD, packed(head))

    def write(self, kind: int, body: bytes) -> bytes:
        """One frame. Raises `ValueError` for a body that no reader takes."""
        if len(body) > FRAME_BYTES_MAX:
            raise ValueError(f"a frame of {len(body)} bytes")
        data = bytes([kind]) + len(body).to_bytes(4, "big") + body
        self._hash.update(data)
        check = self._hash.digest()[:_CHECK_BYTES]
        self._hash.update(check)
        return data + check

    def end(self, device: SigningKey) -> bytes:
        return self.write(END, device.sign(_PURPOSE + self._hash.digest()))


def read_drop(file: IO[bytes]) -> Iterator[Frame]:
    """Frame by frame, each checked as it comes, the end with its signature last.

    Raises `Unverified`: `not-a-drop`, `drop-cut`, or `drop-damaged` with where in the file.
    """
    hash = blake3()
    if file.read(len(MAGIC)) != MAGIC:
        raise Unverified("this file is no drop, or of another version", code="not-a-drop")
    hash.update(MAGIC)
    at, head = len(MAGIC), None
    while True:
        before = hash.digest()
        frame = _next_frame(file, hash, at)
        if (head is None) != (frame.kind == HEAD):
            raise _damaged(at, "the head is not where it belongs")
        if head is None:
            head = unpacked(frame, Head)
        if frame.kind == END:
            _check_end(head, before, frame)
            if file.read(1):
                raise _damaged(frame.end_bytes, "something follows the end")
            yield frame
            return
        yield frame
        at = frame.end_bytes


def packed(fields: Struct) -> bytes:
    """The body of a frame of named fields."""
    return cbor.encode(msgspec.to_builtins(fields, builtin_types=[bytes]))


def unpacked(frame: Frame, type: type[T]) -> T:
    """The fields again. Raises `Unverified` (`drop-damaged`)."""
    try:
        plain: Any = cbor.decode(frame.body, bytes_max=FRAME_BYTES_MAX)
        return msgspec.convert(plain, type, builtin_types=(bytes,))
    except (CrdtError, msgspec.ValidationError) as error:
        raise _damaged(frame.end_bytes, f"a frame of another form: {error}") from error


def _next_frame(file: IO[bytes], hash: Any, at: int) -> Frame:  # noqa: ANN401 - blake3 has no stubs
    start = file.read(_FRAME_HEAD_BYTES)
    size = int.from_bytes(start[1:], "big")
    if len(start) == _FRAME_HEAD_BYTES and size > FRAME_BYTES_MAX:
        raise _damaged(at, f"a frame of {size:,} bytes")
    body = file.read(size) if len(start) == _FRAME_HEAD_BYTES else b""
    check = file.read(_CHECK_BYTES)
    if len(start) < _FRAME_HEAD_BYTES or len(body) < size or len(check) < _CHECK_BYTES:
        detail = f"the file ends in the middle, after {at:,} whole bytes: use another copy of it"
        raise Unverified(detail, code="drop-cut")
    hash.update(start + body)
    if hash.digest()[:_CHECK_BYTES] != check:
        raise _damaged(at, "the bytes are not those that were written")
    hash.update(check)
    return Frame(start[0], body, at + _FRAME_HEAD_BYTES + size + _CHECK_BYTES)


def _check_end(head: Head, before: bytes, frame: Frame) -> None:
    """Signed by a device of the author."""
    try:
        right = decode_capability(head.capability)
        check_valid(right)
    except CrdtError as error:
        raise _damaged(frame.end_bytes, f"its device has no right: {error.detail}") from error
    is_theirs = (
        right.chain == (head.author, head.device)
        and right.namespace == COMMONS
        and right.mode == WRITE
    )
    is_signed = len(frame.body) == SIGNATURE_BYTES and verify_strict(
        head.device, frame.body, _PURPOSE + before
    )
    if not is_theirs or not is_signed:
        raise _damaged(frame.end_bytes, "it is not signed by a device of its author")


def _damaged(at: int, why: str) -> Unverified:
    return Unverified(f"damaged at byte {at:,}: {why}", code="drop-damaged")
