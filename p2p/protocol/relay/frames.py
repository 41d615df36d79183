"""The frames of a relay's conversation: kinds 64 to 94, beside Ping, Pong and Bye of a session.

The first one on a channel is Register; that is how a relay knows that no session is meant.
docs/protocol/relay.md has a section for each.
"""

from typing import Annotated, TypeAlias, cast

import msgspec
from msgspec import Meta, Struct

from crdt import cbor
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Bye, Key, Ping, Pong, Unsigned, decode_one_of
from p2p.protocol.limits import AGENT_CHARACTERS_MAX, SENTENCE_CHARACTERS_MAX, WAIT_S_MAX
from p2p.protocol.relay import limits

LETTER_ID_BYTES = 16
REGISTER_KIND = 64  # of a first frame: it opens a relay's conversation

CardBytes: TypeAlias = Annotated[bytes, Meta(min_length=1, max_length=limits.CARD_BYTES_MAX)]
LetterId: TypeAlias = Annotated[bytes, Meta(min_length=LETTER_ID_BYTES, max_length=LETTER_ID_BYTES)]
Seconds: TypeAlias = Annotated[int, Meta(ge=0, le=WAIT_S_MAX)]
Microseconds: TypeAlias = Annotated[int, Meta(ge=0, le=1 << 53)]
Number: TypeAlias = Annotated[int, Meta(ge=1, le=1 << 53)]


class Register(Struct, frozen=True, array_like=True, tag=REGISTER_KIND):
    """Here I am, and this is my card; the first frame, and again to renew it."""

    card: CardBytes
    token: Annotated[bytes, Meta(max_length=limits.TOKEN_BYTES_MAX)] = b""


class Registered(Struct, frozen=True, array_like=True, tag=66):
    """The relay knows the device now."""

    expires_s: Seconds
    observed: Annotated[str, Meta(max_length=limits.OBSERVED_CHARACTERS_MAX)]
    is_caching: bool


class Lookup(Struct, frozen=True, array_like=True, tag=68):
    """The cards of a device, or of an author's devices."""

    number: Number
    is_author: bool
    key: Key


class Cards(Struct, frozen=True, array_like=True, tag=70):
    """The answer to a Lookup: what the relay knows, also of devices that are offline."""

    number: Number
    cards: Annotated[tuple[CardBytes, ...], Meta(max_length=limits.CARDS_MAX)]


class Call(Struct, frozen=True, array_like=True, tag=72):
    """A circuit to this device, please."""

    number: Number
    device: Key


class Circuit(Struct, frozen=True, array_like=True, tag=74):
    """Join with this key: the answer to a Call, and, with number 0, what the called one hears."""

    number: Unsigned
    key: Key
    who: Key


class Signal(Struct, frozen=True, array_like=True, tag=76):
    """To a device, and at the other end from one: passed on at once, or refused by Done."""

    number: Unsigned
    device: Key
    sealed: Annotated[bytes, Meta(min_length=1, max_length=limits.SIGNAL_BYTES_MAX)]


class Post(Struct, frozen=True, array_like=True, tag=78):
    """Keep this for whoever knows the tag."""

    number: Number
    tag: Key
    sealed: Annotated[bytes, Meta(max_length=limits.POST_BYTES_MAX)]
    until_us: Microseconds


class Fetch(Struct, frozen=True, array_like=True, tag=80):
    """What was posted under the tag?"""

    number: Number
    tag: Key


class Fetched(Struct, frozen=True, array_like=True, tag=82):
    """The answer to a Fetch; null where nothing is there."""

    number: Number
    sealed: Annotated[bytes, Meta(max_length=limits.POST_BYTES_MAX)] | None


class Letter(Struct, frozen=True, array_like=True, tag=84):
    """Keep this for a device until it takes it."""

    number: Number
    device: Key
    id: LetterId
    sealed: Annotated[bytes, Meta(min_length=1, max_length=limits.LETTER_BYTES_MAX)]
    until_us: Microseconds


class Collect(Struct, frozen=True, array_like=True, tag=86):
    """From now on send me my letters."""


class Delivered(Struct, frozen=True, array_like=True, tag=88):
    """A letter to the receiver of this; it comes again until it is taken."""

    id: LetterId
    sealed: Annotated[bytes, Meta(min_length=1, max_length=limits.LETTER_BYTES_MAX)]


class Taken(Struct, frozen=True, array_like=True, tag=90):
    """These letters are kept here: the relay may forget them."""

    ids: Annotated[
        bytes,
        Meta(min_length=LETTER_ID_BYTES, max_length=LETTER_ID_BYTES * limits.TAKEN_IDS_MAX),
    ]


class Done(Struct, frozen=True, array_like=True, tag=92):
    """What became of a Call, Signal, Post or Letter: done, and durable, where the code is empty."""

    number: Number
    code: Annotated[str, Meta(max_length=AGENT_CHARACTERS_MAX)] = msgspec.field(default="")
    sentence: Annotated[str, Meta(max_length=SENTENCE_CHARACTERS_MAX)] = ""


class Draining(Struct, frozen=True, array_like=True, tag=94):
    """The relay stops: no new circuits; those that are open have this long."""

    grace_s: Seconds


RelayFrame: TypeAlias = (
    Register | Registered | Lookup | Cards | Call | Circuit | Signal | Post | Fetch | Fetched
    | Letter | Collect | Delivered | Taken | Done | Draining | Ping | Pong | Bye
)  # fmt: skip
RELAY_FRAMES: tuple[type[RelayFrame], ...] = (
    Register, Registered, Lookup, Cards, Call, Circuit, Signal, Post, Fetch, Fetched,
    Letter, Collect, Delivered, Taken, Done, Draining, Ping, Pong, Bye,
)  # fmt: skip
ToRelay: TypeAlias = (
    Register | Lookup | Call | Signal | Post | Fetch | Letter | Collect | Taken | Ping | Pong | Bye
)
BY_KIND = {kind.__struct_config__.tag: kind for kind in RELAY_FRAMES}


def encode_relay_frame(frame: RelayFrame) -> bytes:
    """Its bytes, without the length that stands before them on the stream."""
    data = cbor.encode(msgspec.to_builtins(frame, builtin_types=(bytes,)))
    assert len(data) <= limits.RELAY_FRAME_BYTES_MAX, f"{type(frame).__name__} of {len(data)} bytes"
    return data


def decode_relay_frame(data: bytes) -> RelayFrame | None:
    """The frame, or None for one of an odd kind that this version does not know.

    Raises `RemoteProtocolError`, and nothing else, for any other bytes.
    """
    frame = decode_one_of(
        data,
        BY_KIND,
        bytes_max=limits.RELAY_FRAME_BYTES_MAX,
        items_max=limits.RELAY_ITEMS_MAX,
        depth_max=limits.RELAY_DEPTH_MAX,
    )
    return cast("RelayFrame | None", frame)


def split_letter_ids(joined: bytes) -> tuple[bytes, ...]:
    """The ids of a Taken. Raises `RemoteProtocolError` where one is cut."""
    if len(joined) % LETTER_ID_BYTES:
        raise RemoteProtocolError("ids", "a list of ids ends in the middle of one")
    return tuple(joined[at : at + LETTER_ID_BYTES] for at in range(0, len(joined), LETTER_ID_BYTES))
