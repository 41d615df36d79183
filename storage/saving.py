"""When a document is saved anew, and when the changes that came are put behind what was saved.

The library saves in one call that keeps the interpreter's lock, and so the event loop, and takes
37 ms for 4,000 values in as many changes; it loads a saved document with changes behind it as it
would load both. Figures of two shared cores, Python 3.11; see decision 119.
"""

from collections.abc import Iterable

from crdt.leb128 import unsigned

# What lies behind is applied with every load, which costs its operations times all of the document
# (`materialise.APPLIED_MAX`). These two keep that under a million at the most that one may have.
TAIL_CHANGES_MAX = 8
TAIL_OPS_MAX = 4  # of each
# Of all that the changes of a document say: 35 ms for a MiB that does not pack. Above that it is
# loaded from its changes, some 1.5 times as long as if it had been saved.
SAVED_BYTES_MAX = 1 << 20
KEPT_BYTES_MAX = 4 << 20  # as above; of a document that stays in memory for the next act
CHANGE_BYTES = 300  # what a change and its envelope take beside its values, about
_MAGIC = bytes.fromhex("856f4a83")
_LENGTH_AT = 9  # behind the magic, 4 bytes of checksum and the type


def lengthened(saved: bytes, fresh: Iterable[tuple[bytes, int]]) -> bytes | None:
    """`saved` with these (raw change, its operations) behind it, parents first.

    None where it should be saved anew.
    """
    changes = list(fresh)
    if any(ops > TAIL_OPS_MAX for _, ops in changes):
        return None
    if _tail(saved) + len(changes) > TAIL_CHANGES_MAX:
        return None
    return b"".join([saved, *(raw for raw, _ in changes)])


def content_bytes(payloads: Iterable[int]) -> int:
    """What changes of payloads that long say, about."""
    return sum(max(0, size - CHANGE_BYTES) for size in payloads)


def _tail(saved: bytes) -> int:
    """How many chunks there are behind the first one."""
    at = count = 0
    while at < len(saved):
        if saved[at : at + 4] != _MAGIC:
            return TAIL_CHANGES_MAX  # by another version of the library: it is made anew
        size, at = unsigned(saved, at + _LENGTH_AT)
        at += size
        count += 1
    return count - 1
