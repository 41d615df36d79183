"""Questions to the store about deltas: what a giver makes, and what an asker reads to undo one."""

from dataclasses import dataclass

from crdt.blob import BlobId
from p2p.protocol.frames import Base


@dataclass(frozen=True, slots=True)
class ReadDelta:
    """Answer: a `GivenRun` against `base`, or None: it is to be given as it is, or is not held."""

    blob: BlobId
    piece: int  # chunks, or one page
    first: int
    count: int
    rank: int
    base: Base


@dataclass(frozen=True, slots=True)
class ReadBase:
    """Answer: its pieces, chunks or pages, joined; None where one of them is not held."""

    piece: int
    base: Base


@dataclass(frozen=True, slots=True)
class FindWhole:
    """Answer: the root's bytes where all of the blob is here, else None."""

    blob: BlobId
