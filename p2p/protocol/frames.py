"""The frames of a session: canonical CBOR arrays `[kind, field, …]`, at most 1 MiB each.

On the encrypted stream every frame stands behind its length (u32, big-endian). An even kind that
the receiver does not know ends the session, an odd one is ignored, and so are elements after those
named here: that is how the protocol grows. docs/protocol/session.md has a section for each.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias, cast

import msgspec
from msgspec import Meta, Struct

from crdt import cbor
from crdt.errors import Malformed
from p2p.protocol import limits
from p2p.protocol.errors import RemoteProtocolError

FRAME_BYTES_MAX = limits.MEBIBYTE
FRAME_LENGTH_BYTES = 4  # u32, big-endian, before each frame
FRAME_ITEMS_MAX = 32_768  # CBOR items: the longest honest frame, 2,048 ranges, has about 13,000
FRAME_DEPTH_MAX = 6

U64_MAX = (1 << 64) - 1

Key: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature: TypeAlias = Annotated[bytes, Meta(min_length=64, max_length=64)]
Salted: TypeAlias = Annotated[bytes, Meta(min_length=16, max_length=16)]
Fingerprint: TypeAlias = Annotated[bytes, Meta(min_length=16, max_length=16)]
CapabilityBytes: TypeAlias = Annotated[bytes, Meta(max_length=8 << 10)]
CardBytes: TypeAlias = Annotated[bytes, Meta(max_length=limits.CARD_BYTES_MAX)]
AreaBytes: TypeAlias = Annotated[bytes, Meta(max_length=8 << 10)]
Unsigned: TypeAlias = Annotated[int, Meta(ge=0)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 53))]


class Hello(Struct, frozen=True, array_like=True, tag=0):
    """Who speaks for whom, and a challenge; the first frame either way."""

    version: Unsigned
    agent: Annotated[str, Meta(max_length=limits.AGENT_CHARACTERS_MAX)]
    author: Key
    capability: CapabilityBytes  # the author lets this device write: receiver == device
    challenge: Key
    addresses: Annotated[
        tuple[Annotated[str, Meta(max_length=limits.ADDRESS_CHARACTERS_MAX)], ...],
        Meta(max_length=limits.ADDRESSES_MAX),
    ]
    wall_us: int  # Unix time in µs, to show how far two clocks are apart; never to judge anything
    overlap: Annotated[tuple[Salted, ...], Meta(max_length=limits.INTERESTS_MAX)]


class Presented(Struct, frozen=True, array_like=True):
    """One read capability, and its receiver's signature over this channel and challenge."""

    capability: CapabilityBytes
    signature: Signature


class Present(Struct, frozen=True, array_like=True, tag=2):
    """What the sender may read, beyond what is public."""

    capabilities: Annotated[tuple[Presented, ...], Meta(max_length=limits.PRESENTED_MAX)]


class Interest(Struct, frozen=True, array_like=True):
    """An area of a namespace, encoded relative to the full area."""

    namespace: Key
    area: AreaBytes


class Interests(Struct, frozen=True, array_like=True, tag=4):
    """What the sender wants to hold; a later one replaces an earlier one."""

    areas: Annotated[tuple[Interest, ...], Meta(max_length=limits.INTERESTS_MAX)]


class Overlap(Struct, frozen=True, array_like=True, tag=1):
    """The sender's salted names anew: it joined or left a private namespace since its Hello."""

    names: Annotated[tuple[Salted, ...], Meta(max_length=limits.INTERESTS_MAX)]


class Bye(Struct, frozen=True, array_like=True, tag=6):
    """The last frame: why the sender closes."""

    code: Annotated[str, Meta(max_length=limits.AGENT_CHARACTERS_MAX)]
    sentence: Annotated[str, Meta(max_length=limits.SENTENCE_CHARACTERS_MAX)]
    wait_s: Annotated[int, Meta(ge=0, le=limits.WAIT_S_MAX)] = 0


class Ping(Struct, frozen=True, array_like=True, tag=8):
    """Are you there?"""

    number: Unsigned


class Pong(Struct, frozen=True, array_like=True, tag=10):
    """The answer to the ping of that number."""

    number: Unsigned


class Upper(Struct, frozen=True, array_like=True):
    """Where a range ends: so many bytes of the bound before it, then these."""

    shared: Unsigned
    suffix: bytes


class Skip(Struct, frozen=True, array_like=True, tag=0):
    """Nothing to say about this range."""

    upper: Upper | None


class Summary(Struct, frozen=True, array_like=True, tag=1):
    """How many entries the sender holds in this range, and their fingerprint."""

    upper: Upper | None
    count: Count
    fingerprint: Fingerprint


class Listing(Struct, frozen=True, array_like=True, tag=2):
    """The 16-byte ids of every entry that the sender holds in this range, joined."""

    upper: Upper | None
    ids: Annotated[bytes, Meta(max_length=16 * limits.LIST_IDS_MAX)]


RangeItem: TypeAlias = Skip | Summary | Listing
RangeItems: TypeAlias = Annotated[
    tuple[RangeItem, ...], Meta(min_length=1, max_length=limits.RANGE_ITEMS_MAX)
]


class Reconcile(Struct, frozen=True, array_like=True, tag=12):
    """Opens the reconciliation of one area, with the first ranges."""

    number: Unsigned
    namespace: Key
    area: AreaBytes
    items: RangeItems


class Ranges(Struct, frozen=True, array_like=True, tag=14):
    """The next ranges of a reconciliation: only what is not settled yet."""

    number: Unsigned
    items: RangeItems


class Listed(Struct, frozen=True, array_like=True, tag=16):
    """The sender has no more ranges, and has announced all it knew to be missing at the peer."""

    number: Unsigned


class Compare(Struct, frozen=True, array_like=True, tag=18):
    """What the sender holds of the area, once it has what it asked for."""

    number: Unsigned
    count: Count
    fingerprint: Fingerprint


class Have(Struct, frozen=True, array_like=True, tag=20):
    """The sender holds these entries, and has reason to think that the receiver does not."""

    namespace: Key
    ids: Annotated[bytes, Meta(min_length=16, max_length=16 * limits.HAVE_IDS_MAX)]
    is_urgent: bool  # authority records: asked for before all others


class Credit(Struct, frozen=True, array_like=True, tag=22):
    """The sender of this takes so many more announced ids."""

    ids: Annotated[int, Meta(ge=1, le=limits.HAVE_CREDIT_IDS)]


class Want(Struct, frozen=True, array_like=True, tag=24):
    """Send these entries."""

    number: Unsigned
    namespace: Key
    ids: Annotated[bytes, Meta(min_length=16, max_length=16 * limits.WANT_IDS_MAX)]


class SentEntry(Struct, frozen=True, array_like=True):
    """One authorised entry; its capability is the one at `capability` of the frame's table."""

    capability: Unsigned
    entry: Annotated[bytes, Meta(max_length=16 << 10)]
    signature: Signature
    payload: Annotated[bytes, Meta(max_length=64 << 10)]


class Entries(Struct, frozen=True, array_like=True, tag=26):
    """The answer to a Want: a first part of what was asked, in that order, and what is not here."""

    number: Unsigned
    capabilities: Annotated[tuple[CapabilityBytes, ...], Meta(max_length=limits.WANT_IDS_MAX)]
    entries: Annotated[tuple[SentEntry, ...], Meta(max_length=limits.WANT_IDS_MAX)]
    missing: Annotated[bytes, Meta(max_length=16 * limits.WANT_IDS_MAX)]


class Base(Struct, frozen=True, array_like=True):
    """Neighbours in another blob that the asker holds: chunks, or pages for a page."""

    blob: Key
    first: Annotated[int, Meta(ge=0, le=(1 << 40))]
    count: Annotated[int, Meta(ge=1, le=limits.RUN_CHUNKS_MAX)]


class Get(Struct, frozen=True, array_like=True, tag=28):
    """Send of a blob its root (piece 0), a manifest page (1), or a run of chunks (2)."""

    number: Unsigned
    blob: Key
    piece: Annotated[int, Meta(ge=0, le=2)]
    index: Annotated[int, Meta(ge=0, le=(1 << 40))]
    count: Annotated[int, Meta(ge=1, le=limits.RUN_CHUNKS_MAX)]
    rank: Annotated[int, Meta(ge=0, le=3)]  # 0 before 1 before 2 before 3
    base: Base | None = None  # a Delta against these will do


class Part(Struct, frozen=True, array_like=True, tag=30):
    """The answer to a Get: the piece, or the first chunks of the run, joined."""

    number: Unsigned
    data: Annotated[bytes, Meta(max_length=limits.RUN_BYTES_MAX)]
    plain_bytes: Annotated[int, Meta(ge=0, le=limits.RUN_BYTES_MAX)]  # 0: `data` is as it is


class Holding(Struct, frozen=True, array_like=True, tag=32):
    """The other answer to a Get: that is not held, but perhaps other runs of the blob are."""

    number: Unsigned
    is_some: bool  # of the blob: more may come
    runs: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=(1 << 40))], ...],
        Meta(max_length=2 * limits.HOLDING_RUNS_MAX),
    ]  # first chunk and count, in turn


class Delta(Struct, frozen=True, array_like=True, tag=34):
    """The answer to a Get with a base: what a Part would carry, as what it differs in from that."""

    number: Unsigned
    data: Annotated[bytes, Meta(max_length=limits.RUN_BYTES_MAX)]
    plain_bytes: Annotated[int, Meta(ge=1, le=limits.RUN_BYTES_MAX)]


class OwnCard(Struct, frozen=True, array_like=True, tag=51):
    """The sender's own card: where it can be called, and the key to which letters are sealed."""

    card: CardBytes


class AskCards(Struct, frozen=True, array_like=True, tag=50):
    """Give the cards of those whom we both may know."""

    number: Unsigned


class Cards(Struct, frozen=True, array_like=True, tag=52):
    """The answer to an AskCards; empty where the asker is a stranger, or nobody is known."""

    number: Unsigned
    cards: Annotated[tuple[CardBytes, ...], Meta(max_length=limits.CARDS_MAX)]


Frame: TypeAlias = (
    Hello | Present | Interests | Bye | Ping | Pong
    | Reconcile | Ranges | Listed | Compare | Have | Credit | Want | Entries | Get | Part
    | Overlap | Holding | Delta | OwnCard | AskCards | Cards
)  # fmt: skip
FRAMES: tuple[type[Frame], ...] = (
    Hello, Present, Interests, Bye, Ping, Pong,
    Reconcile, Ranges, Listed, Compare, Have, Credit, Want, Entries, Get, Part, Overlap,
    Holding, Delta, OwnCard, AskCards, Cards,
)  # fmt: skip
BY_KIND: Mapping[Any, type[Struct]] = {kind.__struct_config__.tag: kind for kind in FRAMES}
BLOB_KINDS = frozenset(kind.__struct_config__.tag for kind in (Get, Part, Holding, Delta))
_PART_KIND = 30
_PART_HEAD = b"\x84\x18\x1e"  # four elements, the first of them 30


def encode_frame(frame: Struct) -> bytes:
    """The bytes of `frame`, without the length that stands before them on the stream."""
    if isinstance(frame, Part):
        return _encode_part(frame)
    data = cbor.encode(msgspec.to_builtins(frame, builtin_types=(bytes,)))
    assert len(data) <= FRAME_BYTES_MAX, f"{type(frame).__name__} of {len(data)} bytes"
    return data


def _encode_part(frame: Part) -> bytes:
    """As CBOR has it, with its half a MiB copied once instead of three times."""
    size = len(frame.data)
    assert size <= limits.RUN_BYTES_MAX, f"a Part of {size} bytes"
    head = bytes([0x40 | size]) if size < 24 else b"\x5a" + size.to_bytes(4, "big")
    if 24 <= size < 1 << 16:
        head = bytes([0x58, size]) if size < 1 << 8 else b"\x59" + size.to_bytes(2, "big")
    number, plain_bytes = cbor.encode(frame.number), cbor.encode(frame.plain_bytes)
    return b"".join((_PART_HEAD, number, head, frame.data, plain_bytes))


def decode_frame(data: bytes) -> Frame | None:
    """The frame, or None for one of an odd kind that this version does not know.

    Raises `RemoteProtocolError`, and nothing else, for any other bytes.
    """
    if peek_kind(data) == _PART_KIND and (part := _decode_part(data)) is not None:
        return part
    return cast("Frame | None", decode_one_of(data, BY_KIND))


def decode_one_of(
    data: bytes,
    by_kind: Mapping[Any, type[Struct]],
    *,
    bytes_max: int = FRAME_BYTES_MAX,
    items_max: int = FRAME_ITEMS_MAX,
    depth_max: int = FRAME_DEPTH_MAX,
) -> object:
    """The same for frames of other kinds."""
    try:
        value: object = cbor.decode(
            data, bytes_max=bytes_max, items_max=items_max, depth_max=depth_max
        )
    except Malformed as error:
        raise RemoteProtocolError("frame-bytes", f"a frame is not canonical: {error}") from error
    kind = _kind(value)
    shape = by_kind.get(kind)
    if shape is None:
        if kind % 2:
            return None
        raise RemoteProtocolError("frame-kind", f"a frame is of kind {kind}, which is not known")
    try:
        # A union of them all would be looked at anew for each frame: twenty times as long.
        return msgspec.convert(value, shape, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise RemoteProtocolError(
            "frame-shape", f"a {shape.__name__} frame is wrong: {error}"
        ) from error


def peek_kind(data: bytes) -> int | None:
    """The kind of a frame, without reading the rest; None where that is not how a frame begins."""
    if len(data) < 2 or not 0x81 <= data[0] <= 0x97:  # an array of 1 to 23 elements
        return None
    if data[1] < 24:
        return data[1]
    return data[2] if data[1] == 24 and len(data) > 2 else None


def _decode_part(data: bytes) -> Part | None:
    """A sound one, without the copy that `convert` makes of its data."""
    try:
        value: object = cbor.decode(data, bytes_max=FRAME_BYTES_MAX, items_max=8, depth_max=1)
    except Malformed:
        return None
    match cast("list[object]", value):
        case [int(), int(number), bytes(piece), int(plain_bytes)] if (
            type(number) is int
            and type(plain_bytes) is int
            and 0 <= number <= U64_MAX
            and len(piece) <= limits.RUN_BYTES_MAX
            and 0 <= plain_bytes <= limits.RUN_BYTES_MAX
        ):
            return Part(number, piece, plain_bytes)
        case _:
            return None


def _kind(value: object) -> int:
    kind: object = cast("list[object]", value)[0] if isinstance(value, list) and value else None
    if type(kind) is not int or kind < 0:
        raise RemoteProtocolError("frame-shape", "a frame is no array with a kind first")
    return kind


def split_ids(joined: bytes) -> Sequence[bytes]:
    """The 16-byte ids of a frame. Raises `RemoteProtocolError` where one is cut or comes twice."""
    if len(joined) % 16:
        raise RemoteProtocolError("ids", "a list of ids ends in the middle of one")
    ids = [joined[at : at + 16] for at in range(0, len(joined), 16)]
    if len(set(ids)) != len(ids):
        raise RemoteProtocolError("ids", "a list of ids names one of them twice")
    return ids
