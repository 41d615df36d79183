"""How much of the disk blobs may take: they leave some of it free for all the rest.

A disk that is full to its last byte stops every program on it, and a database needs room even to
delete. So blobs end before that, and what is dropped gives its room back.
"""

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from storage.errors import OverQuota

FREE_BYTES = 1 << 30
FREE_PARTS = 16  # of a small disk no more than this part is kept free
MIB = 1 << 20
MOMENT_BYTES = 16 * MIB
"""What a log grows by before it is copied back (`storage.lazily.CHECKPOINT_PAGES`), and rows move
while their room is given back."""


@dataclass(slots=True)
class DiskRoom:
    """The disk that a folder lies on."""

    folder: Path
    free_bytes: int = FREE_BYTES
    """Blobs leave so much of it free."""

    copies_bytes: int = 0
    """Of it is taken for a moment, for copies of what goes then: they take nobody's room."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    """Whoever makes such copies, or drops what was copied, holds it until both are counted."""

    def left_bytes(self) -> int:
        """What they may still take; below 0 where others took what is to stay free."""
        with self.turn:
            return self._left_now() + self.copies_bytes

    def _left_now(self) -> int:
        disk = os.statvfs(self.folder)
        total = disk.f_blocks * disk.f_frsize
        if not total:  # a file system that cannot tell
            return 1 << 62
        return disk.f_bavail * disk.f_frsize - min(self.free_bytes, total // FREE_PARTS)

    def available_bytes(self) -> int:
        """All that the disk has, also what is to stay free."""
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize if disk.f_blocks else 1 << 62

    def check_smaller(self, size: int) -> None:
        """As `check`, of what is written in the place of more bytes, which go at once: for that
        moment it may take what is to stay free, while `MOMENT_BYTES` more are really there."""
        if size + MOMENT_BYTES > self.available_bytes():
            self.check(size)

    def check(self, size: int) -> None:
        """Raises `OverQuota` where so many bytes more would take what is to stay free."""
        left = self.left_bytes()
        if size > left:
            raise refusal(size, left)


def refusal(size: int, left: int, promised: int = 0) -> OverQuota:
    """That `size` bytes more have no room, where blobs may take `left`, part of it `promised`."""
    fetched = f", {promised // MIB:,} MiB of them for others that are being fetched"
    return _refusal(f"{-(-size // MIB):,} MiB more", left, fetched if promised else "")


def refusal_of_all(
    error: OverQuota, size: int | None, came: int, left: int, moment: int = 0
) -> OverQuota:
    """The same of a blob that was being added, by the room that all of it may take, where `error`
    says what its last part lacked: what came of it before goes again.

    `size`: of all of it, None where nobody said; `left`: bytes that blobs might take before it;
    `moment`: what it takes at most beside its own, while it comes.
    """
    whole = size or came
    part = f" {came // MIB:,} MiB of it had come, and are not kept."
    if came < MIB or came == size:
        part = ""
    if whole < MIB or whole + moment <= left:  # others took it since, or another room is full
        return OverQuota(f"{error}{part}")
    more = ", and more may follow" if size is None else ""
    what = f"{-(-whole // MIB):,} MiB{more} (less where parts of it are here already)"
    if moment:
        what += f", and up to {-(-moment // MIB):,} MiB more for a moment, while it comes"
    return _refusal(what, left, "", part)


def _refusal(what: str, left: int, fetched: str = "", part: str = "") -> OverQuota:
    return OverQuota(
        f"The disk has no room for {what}: blobs may take {max(0, left) // MIB:,} MiB{fetched}, and"
        f" leave the rest of it free (quota.disk_free).{part} What is here stays: make room,"
        " panspermia gc, or a lower keep.budget, and try again."
    )
