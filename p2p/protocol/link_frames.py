"""The frames of a link: they move a session between channels, and are not counted themselves.

    Ack         so many frames of the session have arrived
    Resume      the first frame of a new channel: the session goes on here, if you know it
    Resumed     the answer: it does
    NotResumed  the answer: it does not, and why

docs/protocol/link.md has a section for each.
"""

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from p2p.protocol import limits
from p2p.protocol.frames import Count, Key, Salted


class Ack(Struct, frozen=True, array_like=True, tag=40):
    """How many frames of the session the sender has received; they need not be kept any more."""

    received: Count


class Resume(Struct, frozen=True, array_like=True, tag=42):
    """The sender wants the session to go on over this channel, and reads no other any more."""

    session: Salted  # `p2p.protocol.link.session_id`
    received: Count
    proof: Key


class Resumed(Struct, frozen=True, array_like=True, tag=44):
    """It does: the next frame is the one after those that the Resume counted."""

    received: Count
    proof: Key


class NotResumed(Struct, frozen=True, array_like=True, tag=46):
    """It does not, at least now."""

    code: Annotated[str, Meta(max_length=limits.AGENT_CHARACTERS_MAX)]
    sentence: Annotated[str, Meta(max_length=limits.SENTENCE_CHARACTERS_MAX)]


LinkFrame: TypeAlias = Ack | Resume | Resumed | NotResumed
LINK_FRAMES: tuple[type[LinkFrame], ...] = (Ack, Resume, Resumed, NotResumed)
LINK_KINDS = range(40, 49)
