"""Which blobs a record says that it has, told from the bytes of what was signed.

Whether it was signed well is not asked: a signature costs the time of a hundred looks, and a name
too many keeps bytes that nobody wants, where one too few loses some that were wanted.
"""

import re
from collections.abc import Iterable
from typing import Final

from crdt.puts import byte_strings
from storage.listing import Listing

# In CBOR the name of the field, and 32 bytes: in a snapshot, what a fork began with, a departure.
# No text of free words stands before it in any of these, so the first one is the one.
_BLOB: Final = re.compile(rb"\x64blob\x58\x20(.{32})", re.DOTALL)
SIGNED_BYTES_MIN: Final = 200
"""A statement with a blob, a hash and a full name, and its signature: 300 bytes mostly."""


def blob_said(signed: bytes) -> bytes | None:
    """The one that this statement says, or what looks like it; None where it says none."""
    found = _BLOB.search(signed)
    return found[1] if found else None


def said_in(raws: Iterable[bytes]) -> frozenset[bytes]:
    """By what these raw changes put, whether they count or not."""
    puts = (data for raw in raws for data in byte_strings(raw, SIGNED_BYTES_MIN))
    return frozenset(blob for blob in map(blob_said, puts) if blob is not None)


def said_by(listing: Listing) -> frozenset[bytes]:
    """By this row, and by what has no place in its lists."""
    named = {bytes.fromhex(one.id) for one in listing.blobs}
    if (parts := listing.parts) is not None:
        for signed in (*parts.snapshots.values(), *parts.beyond.values()):
            if (blob := blob_said(signed)) is not None:
                named.add(blob)
    return frozenset(named)
