"""A folder or file that a person wants to import worlds from, as `universe.formats` looks at it."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from node.commands.files import OPENED, PIECE_BYTES
from node.commands.folders import walk
from node.workers.worlds import states
from registry.formats.errors import InvalidFile, Place
from universe.formats.imported import Listing, LyingFile, StoredWorld
from universe.formats.limits import FILES_MAX, PATH_CHARACTERS_MAX, SAVE_BYTES_MAX
from universe.formats.taking import content_of_pieces, read

NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)


class WorldFiles:
    """`Files` of a real folder, or of one file. Links are never followed."""

    def __init__(self, top: Path, listing: Listing, *, is_folder: bool) -> None:
        self._top, self._listing, self._is_folder = top, listing, is_folder
        self._read_bytes, self._all_bytes = 0, sum(one.size for one in listing.files.values())
        self.heard: Callable[[int, int], None] | None = None
        """Of how many bytes were read, of all that lie there; the same may be read again."""
        self._reading = threading.Lock()
        self._at_hand: tuple[str, bytes] | None = None

    @property
    def listing(self) -> Listing:
        return self._listing

    def chunks(self, path: str) -> Iterator[bytes]:
        """Raises `InvalidFile`, also where it is no longer the regular file that it was."""
        link = NO_LINK if self._is_folder else 0  # a person may name a link
        try:
            opened = os.open(self._place(path), os.O_RDONLY | OPENED | link)
            with os.fdopen(opened, "rb", buffering=0) as file:
                if not stat.S_ISREG(os.fstat(opened).st_mode):
                    raise InvalidFile(path, Place(), "is no regular file")
                while piece := file.read(PIECE_BYTES):
                    self._hear(len(piece))
                    yield piece
        except OSError as error:
            raise InvalidFile(path, Place(), f"cannot be read: {error.strerror}") from error

    def unpacked(self, path: str) -> bytes:
        """Raises `InvalidFile`. Several threads that ask for one file read it once."""
        with self._reading:
            if self._at_hand is None or self._at_hand[0] != path:
                self._at_hand = None  # two of them are never there at once
                self._at_hand = (path, read(self, path, SAVE_BYTES_MAX))
            return self._at_hand[1]

    def worlds(self, path: str) -> Sequence[StoredWorld]:
        """In a child process. Raises `InvalidFile`."""
        found: list[StoredWorld] = []
        with states(self._place(path), path) as told:
            for one, pieces in told:
                try:
                    found.append(StoredWorld(one.row, one.tick, content_of_pieces(pieces, path)))
                except InvalidFile as wrong:
                    found.append(StoredWorld(one.row, one.tick, None, wrong.reason_text))
        return found

    def world(self, path: str, row: int) -> Iterator[bytes]:
        with states(self._place(path), path, row) as told:
            for _, pieces in told:
                yield from pieces
                return
        raise InvalidFile(path, Place(), f"has no row {row}")

    def _hear(self, more_bytes: int) -> None:
        if self.heard is not None:
            self._read_bytes += more_bytes
            self.heard(min(self._read_bytes, self._all_bytes), self._all_bytes)

    def _place(self, path: str) -> Path:
        return self._top / path if self._is_folder else self._top


def world_files(path: Path) -> WorldFiles:
    """What lies at `path`. Raises `InvalidFile` where nothing does, or too much."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidFile(str(path), Place(), f"cannot be read: {reason}") from error
    name = path.resolve().name
    if not stat.S_ISDIR(found.st_mode):
        lying = LyingFile(found.st_size, found.st_mtime_ns // 1_000)
        return WorldFiles(path, Listing(name, {name: lying}), is_folder=False)
    files: dict[str, LyingFile] = {}
    passed_over: list[tuple[str, str]] = []

    def below(place: str) -> str:
        return os.path.relpath(place, path).replace(os.sep, "/")

    def refuse(folder: str, error: OSError) -> None:
        passed_over.append((below(folder), f"cannot be read: {error.strerror}"))

    def pass_over(place: str, why: str) -> None:
        passed_over.append((below(place), why))

    for folder, _, names in walk(str(path), refuse, pass_over):
        for each in names:
            place = os.path.join(folder, each)
            told = below(place)
            if len(files) + len(passed_over) >= FILES_MAX:
                reason = f"holds more than {FILES_MAX:,} files; import the folders in it"
                raise InvalidFile(str(path), Place(), reason)
            if len(told) > PATH_CHARACTERS_MAX or not _is_text(told):
                passed_over.append((told, "a name that is too long, or no text"))
                continue
            try:
                seen = os.stat(place, follow_symlinks=False)
            except OSError as error:
                refuse(place, error)
            else:
                files[told] = LyingFile(seen.st_size, seen.st_mtime_ns // 1_000)
    return WorldFiles(path, Listing(name, files, passed_over), is_folder=True)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
