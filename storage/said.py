"""Which blobs a record says that it has, told from the bytes of what was signed.

Whether it was signed well is not asked: a signature costs the time of a hundred looks, and a name
too many keeps bytes that nobody wants, where one too few loses some that were wanted.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Final

from storage.listing import Listing

# In CBOR the name of the field, and 32 bytes: in a snapshot, what a fork began with, a departure.
# No text of free words stands before it in any of these, so the first one is the one. The bytes are
# looked ahead at: in a whole change a text before it may end as if it were one.
_BLOB: Final = re.compile(rb"\x64blob\x58\x20(?=(.{32}))", re.DOTALL)
APART_BYTES_MIN: Final = 84
"""From one to the next in a change: behind the blob a snapshot has its kind, size, tick and type, a
traveller a hash and a size, and only then words of somebody. So a change names 760 at most."""


def blob_said(signed: bytes) -> bytes | None:
    """The one that this statement says, or what looks like it; None where it says none."""
    found = _BLOB.search(signed)
    return found[1] if found else None


def said_in(raws: Iterable[bytes]) -> frozenset[bytes]:
    """By what these raw changes put, whether they count or not, and what else looks like it.

    Values stand in a change as they are (`crdt.preflight` lets nothing deflated in). To find where
    each begins would take a step for each run of them, and one change may have 20,000.
    """
    return frozenset(blob for raw in raws for blob in _said_apart(raw))


def _said_apart(raw: bytes) -> Iterator[bytes]:
    found = [*_BLOB.finditer(raw)]
    for one, after in zip_longest(found, found[1:]):
        if after is None or after.start() - one.start() >= APART_BYTES_MIN:
            yield one[1]


def said_by(listing: Listing) -> frozenset[bytes]:
    """By this row, and by what has no place in its lists."""
    named = {bytes.fromhex(one.id) for one in listing.blobs}
    if (parts := listing.parts) is not None:
        for signed in parts.snapshots.values():
            if (blob := blob_said(signed)) is not None:
                named.add(blob)
        named |= said_in(parts.beyond.values())  # in departures words of others stand before it
    return frozenset(named)
