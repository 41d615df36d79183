"""The log of the file of snapshots (`snapshots.db-wal`), of which SQLite reads no more than what
lies before the first frame that has rotted.

    rot, and behind it two writes that are right ─▸ both files are kept ─▸ all frames, summed anew

What was written after the second of those was begun when all before was on the disk, so it was no
write that the power ended. Source: https://www.sqlite.org/fileformat2.html, section 4.
"""

import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from storage.errors import StorageError
from storage.vault.old_files import alone, check_room, keep_copies, log_of, part_of, sync_folder
from storage.vault.opening import PAGE_BYTES
from storage.vault.rescue import Rescue, not_written_anew, note_damage, said

_MAGIC: Final = 0x377F0682  # the last bit: of its sums the numbers have their first byte first
_HEADER, _FRAME_HEADER = 32, 24
_FORMAT: Final = 3_007_000
_Sums = tuple[int, int]


class Frame(NamedTuple):
    """A page that was written. `pages`: that the file has then, 0 where it is not the last
    of what was written at once."""

    at: int
    page: int
    pages: int
    is_right: bool


class Log:
    """That of a file, which is open; nothing in it is believed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.seek(0)
        header = file.read(_HEADER).ljust(_HEADER, b"\0")
        magic, _, page_bytes, self._number, *_ = struct.unpack(">8I", header)
        self._order = ">" if magic == _MAGIC + 1 else "<"
        self._sums: _Sums = struct.unpack(">2I", header[24:])
        self.is_right = magic in (_MAGIC, _MAGIC + 1) and self._sum(header[:24]) == self._sums
        if self.is_right:
            self.page_bytes, self._salts = page_bytes, header[16:24]
        else:  # as SQLite begins one here
            self.page_bytes, self._salts = PAGE_BYTES, file.read(_FRAME_HEADER)[8:16]
            self._order = ">" if sys.byteorder == "big" else "<"

    def frames(self) -> Iterator[Frame]:
        """Those that were written since it was begun anew the last time, or have rotted."""
        at, sums = _HEADER, self._sums
        self._file.seek(at)
        while len(data := self._file.read(_FRAME_HEADER + self.page_bytes)) > _FRAME_HEADER:
            page, count = struct.unpack(">2I", data[:8])
            told = struct.unpack(">2I", data[16:24])
            is_summed = self._sum(data[:8] + data[24:], sums) == told
            yield Frame(at, page, count, is_summed and data[8:16] == self._salts)
            at, sums = at + len(data), told
            self._file.seek(at)

    def write(self, frames: list[Frame], to: BinaryIO) -> None:
        """These, of which one after the other is summed anew."""
        header = struct.pack(
            ">4I", _MAGIC | (self._order == ">"), _FORMAT, self.page_bytes, self._number
        )
        header += self._salts
        sums = self._sum(header)
        to.write(header + struct.pack(">2I", *sums))
        for frame in frames:
            self._file.seek(frame.at + _FRAME_HEADER)
            page = self._file.read(self.page_bytes)
            told = struct.pack(">2I", frame.page, frame.pages)
            sums = self._sum(told + page, sums)
            to.write(told + self._salts + struct.pack(">2I", *sums) + page)

    def _sum(self, data: bytes, before: _Sums = (0, 0)) -> _Sums:
        one, other = before
        numbers = struct.unpack(f"{self._order}{len(data) // 8 * 2}I", data[: len(data) // 8 * 8])
        for first, second in zip(numbers[::2], numbers[1::2], strict=True):
            one = (one + first + other) & 0xFFFFFFFF
            other = (other + second + one) & 0xFFFFFFFF
        return one, other


def has_first_page(path: Path) -> bool:
    """Whether the log of the file at `path` has the page that says what the file is."""
    log = log_of(path)
    if not log.exists():
        return False
    with log.open("rb") as file:
        return any(frame.page == 1 and frame.is_right for frame in Log(file).frames())


def mend_log(path: Path) -> bool:
    """Whether the log of the file at `path` had rotted, and is now one that SQLite reads to its
    end; the file was noted as damaged, and both lie beside it as they were. It is also noted where
    it is shorter than it was, as pages that are neither there nor in the log become zeros.

    Raises `Corrupt` where that fails: they stay as they are.
    """
    place = path.resolve()
    log = log_of(place)
    if not place.exists() or not log.exists() or not log.stat().st_size:
        return False
    with log.open("rb") as file:
        whole = Log(file)
        found = [*whole.frames()]
        if _lacks_pages(place, found, whole.page_bytes):
            note_damage(path)
        frames = _mended(found, whole.is_right)
        if not frames:
            return False
        try:
            note_damage(path)
            with place.open("r+b") as content:
                alone(content)
                check_room(place)
                keep_copies(place, content, file)
            with part_of(place).open("wb") as to:
                whole.write(frames, to)
                to.flush()
                os.fsync(to.fileno())
            os.replace(part_of(place), log)
            sync_folder(place.parent)
        except (OSError, StorageError) as error:
            raise not_written_anew(
                f"{log.name} is damaged.", Rescue(why_not=said(error))
            ) from error
    return True


def _lacks_pages(path: Path, frames: list[Frame], page_bytes: int) -> bool:
    """Also where some were given back before anything was in them: who looks finds that sound."""
    ends = [at for at, one in enumerate(frames) if one.is_right and one.pages]
    if not ends:
        return False
    written = {one.page for one in frames[: ends[-1] + 1]}
    there = path.stat().st_size // page_bytes
    return any(page not in written for page in range(there + 1, frames[ends[-1]].pages + 1))


def _mended(frames: list[Frame], is_right: bool) -> list[Frame]:
    """None where nothing tells that any is missed: the power may have ended the last write."""
    first = next((at for at, one in enumerate(frames) if not one.is_right), len(frames))
    ends = [at for at, one in enumerate(frames) if one.is_right and one.pages]
    behind = ends if not is_right else [at for at in ends if at > first]
    if len(behind) < (2 if is_right else 1):
        return []
    found: list[Frame] = []
    for at, one in enumerate(frames[: ends[-1] + 1]):
        count = next(frames[end].pages for end in ends if end >= at)
        if one.is_right:
            found.append(one)
        elif 0 < one.page <= count:  # what it says of the size of the file may have rotted
            found.append(one._replace(pages=0))
    return found
