"""The four frames in which an invite is redeemed; the first one on its channel is a Redeem.

    accepter                          inviter
       Redeem ──────────────────────────▸        which invite, and that I know its secret
       ◂────────────────────────── Offer         that I know it too; who I am, what I give
       Confirm ─────────────────────────▸        who I am; this offer, I take it
       ◂────────────────────────── Given         here it is
       Bye "taken" ─────────────────────▸        it is kept: the invite can be forgotten

A Bye ends it anywhere and says why. docs/protocol/invites.md describes them.
"""

from typing import Annotated, Final, TypeAlias, cast

import msgspec
from msgspec import Meta, Struct

from crdt import cbor
from crdt.errors import Malformed
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Bye, CapabilityBytes, Key

REDEEM_BYTES_MAX = 256
"""Of the first frame; it has 53."""
CONFIRM_BYTES_MAX = 16 << 10
"""A card has 12 KiB at most."""
OFFER_BYTES_MAX = 512 << 10
TERMS_BYTES_MAX = 384 << 10
"""Those of a device name all that its author holds."""
CARD_BYTES_MAX = 12 << 10
CALLED_CHARACTERS_MAX = 64
"""As a name that a person gives."""
GIVEN_MAX = 64
"""Capabilities: as many as one invite gives areas, twice."""

_ITEMS_MAX: Final = 256
_DEPTH_MAX: Final = 3

Proof: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]


class Redeem(Struct, frozen=True, array_like=True, tag=60):
    """Which invite is meant, and that the sender knows its secret."""

    invite: Annotated[bytes, Meta(min_length=16, max_length=16)]
    proof: Proof


class Offer(Struct, frozen=True, array_like=True, tag=61):
    """That the sender knows the secret too; who it is, and what it gives."""

    proof: Proof
    card: Annotated[bytes, Meta(max_length=CARD_BYTES_MAX)]
    terms: Annotated[bytes, Meta(max_length=TERMS_BYTES_MAX)]


class Confirm(Struct, frozen=True, array_like=True, tag=62):
    """Who takes it, the digest of the terms that were shown, and what to be called, if anything."""

    card: Annotated[bytes, Meta(max_length=CARD_BYTES_MAX)]
    terms: Key
    name: Annotated[str, Meta(max_length=CALLED_CHARACTERS_MAX)] = ""


class Given(Struct, frozen=True, array_like=True, tag=63):
    """What was offered, made out to the author who takes it; or the key of the new device."""

    capabilities: Annotated[tuple[CapabilityBytes, ...], Meta(max_length=GIVEN_MAX)]
    secret: Key | None


InviteFrame: TypeAlias = Redeem | Offer | Confirm | Given | Bye
INVITE_FRAMES: tuple[type[InviteFrame], ...] = (Redeem, Offer, Confirm, Given, Bye)
REDEEM_KIND: Final = 60
"""The first frame of a channel is of this kind where it is for an invite."""
NAMES: Final = {one.__struct_config__.tag: one.__name__ for one in INVITE_FRAMES}


def encode_invite_frame(frame: InviteFrame) -> bytes:
    """The bytes, without the length that stands before them on the stream."""
    return cbor.encode(msgspec.to_builtins(frame, builtin_types=(bytes,)))


def decode_invite_frame(data: bytes) -> InviteFrame:
    """Raises `RemoteProtocolError`, and nothing else, for any other bytes."""
    try:
        value: object = cbor.decode(
            data, bytes_max=OFFER_BYTES_MAX, items_max=_ITEMS_MAX, depth_max=_DEPTH_MAX
        )
    except Malformed as error:
        raise RemoteProtocolError("frame-bytes", f"a frame is not canonical: {error}") from error
    try:
        frame: InviteFrame = msgspec.convert(value, InviteFrame, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        name = NAMES.get(kind_of(value), "strange")
        raise RemoteProtocolError("frame-shape", f"a {name} frame is wrong: {error}") from error
    return frame


def kind_of(value: object) -> int:
    """The kind of a decoded frame; -1 for what is none."""
    first: object = cast("list[object]", value)[0] if isinstance(value, list) and value else None
    return first if type(first) is int else -1
