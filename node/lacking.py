"""What a drop says that it lacks, as it passes on to a file."""

from dataclasses import dataclass, field
from typing import IO, Final

from node.drops import FRAME_BYTES_MAX, LACKING, MAGIC, Frame, LackingFrame, unpacked

SHOWN_MAX: Final = 16
"""Of what is not whole, by name."""
_HEAD_BYTES: Final = 5
_CHECK_BYTES: Final = 8


@dataclass(slots=True)
class Lacking:
    """Blobs of which not all was here."""

    blobs: int = 0
    snapshots: int = 0
    """That these are."""
    others: int = 0
    """Of them those that are of no snapshot."""
    absent: int = 0
    """Of the snapshots those of which nothing was here at all."""
    of: list[str] = field(default_factory=list[str])
    """What the first of them belong to, in words."""

    def add(self, frame: Frame) -> None:
        """Raises `Unverified` where it is none."""
        said = unpacked(frame, LackingFrame)
        self.blobs += 1
        self.snapshots += said.snapshots
        self.others += said.snapshots == 0
        self.absent += said.snapshots if said.is_absent else 0
        self.of += said.of[: SHOWN_MAX - len(self.of)]


class Passing:
    """A file to which a drop of this person's own node is written, in pieces of any size.

    It is not checked here: whoever reads the file does that.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.lacking = Lacking()
        self._file = file
        self._skipped = len(MAGIC)  # bytes that are nobody's
        self._begun = bytearray()
        self._wanted = _HEAD_BYTES
        self._done = 0

    def write(self, data: bytes) -> int:
        """All of it."""
        self._file.write(data)
        at = 0
        while at < len(data):
            if self._skipped:
                step = min(self._skipped, len(data) - at)
                self._skipped -= step
            else:
                step = min(self._wanted - len(self._begun), len(data) - at)
                self._begun += data[at : at + step]
                if len(self._begun) == self._wanted:
                    self._met()
            at += step
            self._done += step
        return at

    def _met(self) -> None:
        """The head of a frame, or one that is looked at."""
        kind, size = self._begun[0], int.from_bytes(self._begun[1:_HEAD_BYTES], "big")
        if kind == LACKING and 0 < size <= FRAME_BYTES_MAX and self._wanted == _HEAD_BYTES:
            self._wanted += size
            return
        if self._wanted > _HEAD_BYTES:
            self.lacking.add(Frame(kind, bytes(self._begun[_HEAD_BYTES:]), self._done))
            size = 0
        self._skipped = size + _CHECK_BYTES
        self._begun.clear()
        self._wanted = _HEAD_BYTES
