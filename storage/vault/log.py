"""What the log of the file of snapshots (`snapshots.db-wal`) says of that file.

Its sums are left to SQLite, which reads it up to the first frame that is not right: a power cut may
leave any of the last ones, as not each of them was waited for. Source:
https://www.sqlite.org/fileformat2.html, section 4.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from storage.vault.old_files import log_of
from storage.vault.rescue import note_damage

_MAGIC: Final = (0x377F0682, 0x377F0683)
_HEADER, _FRAME_HEADER = 32, 24
_PAGE_BYTES: Final = tuple(1 << power for power in range(9, 17))


class Frame(NamedTuple):
    """A page that was written. `pages`: that the file has then, 0 where it is not the last
    of what was written at once."""

    page: int
    pages: int


def lays_first_page(path: Path) -> bool:
    """Whether the log of the file at `path` has the page that says what the file is."""
    return any(frame.page == 1 for frame in _frames(log_of(path)))


def note_lacking(path: Path) -> None:
    """Where the file at `path` is shorter than it was, by pages that its log has not, it is noted
    as damaged: with the log in it they are zeros, and nothing tells."""
    place = path.resolve()
    frames = [*_frames(log_of(place))] if place.exists() else []
    ends = [at for at, one in enumerate(frames) if one.pages]
    if not ends:
        return
    written = {one.page for one in frames[: ends[-1] + 1]}
    there = place.stat().st_size // _page_bytes(log_of(place))
    # Also where they were given back before anything was in them: who looks finds that sound.
    if any(page not in written for page in range(there + 1, frames[ends[-1]].pages + 1)):
        note_damage(path)


def _frames(log: Path) -> Iterator[Frame]:
    """Those that were written since the log was begun anew; none where it is no log."""
    if not log.is_file() or not (page_bytes := _page_bytes(log)):
        return
    with log.open("rb") as file:
        salts, at = file.read(_HEADER)[16:24], _HEADER
        while len(head := file.read(_FRAME_HEADER)) == _FRAME_HEADER and head[8:16] == salts:
            yield Frame(*struct.unpack(">2I", head[:8]))
            at += _FRAME_HEADER + page_bytes
            file.seek(at)


def _page_bytes(log: Path) -> int:
    """Of each; 0 where that is no log."""
    with log.open("rb") as file:
        header = file.read(_HEADER).ljust(_HEADER, b"\0")
    magic, _, size = struct.unpack(">3I", header[:12])
    return size if magic in _MAGIC and size in _PAGE_BYTES else 0
