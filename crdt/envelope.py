"""The head of every payload: what its author had seen, and what came before it.

    magic 4 ‖ count 1 ‖ count × authority head 32, ascending ‖ prev 32 ‖ body
                                                             prev = 32 zeros: there is none

- *authority heads*: ids of the newest entries under `/_auth` that the author had seen;
- *prev*: this signer's act before this one at the same place, so that a gap or a fork of its own
  chain shows. Of a change the id of that entry, of a statement the digest of its payload.

The magic says what the body is: a change (`crdt.change`) or a statement (`crdt.statement`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from crdt.digest import DIGEST_BYTES
from crdt.errors import Malformed

CHANGE: Final = b"PSC1"
STATEMENT: Final = b"PSA1"
AUTH_HEADS_MAX = (
    16  # one for each root key that a right came through: the longest chain has as many
)

_MAGIC_BYTES: Final = 4
_NO_PREV: Final = bytes(DIGEST_BYTES)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload, opened. The body is not read yet."""

    auth_heads: tuple[bytes, ...]
    prev: bytes | None
    body: bytes


def seal_envelope(
    magic: bytes, auth_heads: Iterable[bytes], prev: bytes | None, body: bytes
) -> bytes:
    """The payload. Raises `Malformed` for more authority heads than a reader takes."""
    heads = sorted(set(auth_heads))
    if len(heads) > AUTH_HEADS_MAX:
        raise Malformed("auth-heads", f"{len(heads)} authority heads, at most {AUTH_HEADS_MAX}")
    return b"".join((magic, bytes([len(heads)]), *heads, prev or _NO_PREV, body))


def open_envelope(payload: bytes, magic: bytes) -> Envelope:
    """What `seal_envelope` made with this magic; `Malformed` for anything else."""
    if payload[:_MAGIC_BYTES] != magic:
        raise Malformed("envelope", "the payload is not an envelope of this class and version")
    count = payload[_MAGIC_BYTES] if len(payload) > _MAGIC_BYTES else 0
    at = _MAGIC_BYTES + 1 + DIGEST_BYTES * count
    end = at + DIGEST_BYTES
    if count > AUTH_HEADS_MAX or len(payload) < end:
        raise Malformed("envelope", f"{count} authority heads, or a header cut short")
    places = range(_MAGIC_BYTES + 1, at, DIGEST_BYTES)
    heads = tuple([payload[place : place + DIGEST_BYTES] for place in places])
    if any(left >= right for left, right in pairwise(heads)):
        raise Malformed("envelope", "authority heads repeated or out of order")
    prev = payload[at:end]
    return Envelope(heads, None if prev == _NO_PREV else prev, payload[end:])
