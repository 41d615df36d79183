"""Files that are written anew into a folder: all of them, or none is left there.

A file gets its name when it is whole and on the disk. Of what ends early everything goes again,
also the folders that were made for it; what was there before stays.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from node.commands.files import stops_in_order, unwritable
from node.failure import failed
from node.text import printable

PART: Final = ".part"
"""The end of a file's name while it is written."""


class NewFiles:
    """Of one folder. Every method raises `Failure`."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._made: list[Path] = []
        """Files and folders, the last first to go."""
        self._stops = ExitStack()

    def __enter__(self) -> Self:
        self._stops.enter_context(stops_in_order())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._stops:
            if kind is not None:
                for made in reversed(self._made):
                    with suppress(OSError):  # a folder that holds something else by now
                        made.rmdir() if made.is_dir() else made.unlink()

    def check(self, path: str) -> None:
        """That nothing is there."""
        place = self._top / path
        if os.path.lexists(place):
            detail = f"{printable(str(place))}: name a folder where it is not there"
            raise failed("file-exists", "The file is there already", detail)

    @contextmanager
    def place(self, path: str) -> Generator[Path]:
        """Where to write it; it has its name once the block ends in order."""
        self.check(path)
        place = self._top / path
        part = place.with_name(f".{place.name[:100]}{PART}")
        try:
            self._make_folder(place.parent)
            _take(part)
            try:
                yield part
                with part.open("rb+") as file:
                    os.fsync(file.fileno())
                self.check(path)
                part.rename(place)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise unwritable(place, error) from error
        self._made.append(place)

    @contextmanager
    def file(self, path: str) -> Generator[IO[bytes]]:
        """The same as an open file."""
        with self.place(path) as part, part.open("wb") as file:
            yield file

    def write(self, path: str, data: bytes) -> None:
        with self.file(path) as file:
            file.write(data)

    def leave_out(self, path: str) -> None:
        """Takes away what was just written."""
        place = self._top / path
        self._made.remove(place)
        place.unlink()

    def size(self, path: str) -> int:
        """In bytes."""
        return (self._top / path).stat().st_size

    def read(self, path: str) -> bytes:
        """All of what was just written."""
        return (self._top / path).read_bytes()

    def _make_folder(self, folder: Path) -> None:
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        for one in reversed(missing):
            one.mkdir()
            self._made.append(one)


def _take(part: Path) -> None:
    """By making it: of two runs one has it, and the other takes nothing away from it."""
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError as error:
        detail = (
            f"{printable(str(part))}: a run writes there now, or was killed while it did;"
            " name another folder, or remove it"
        )
        raise failed("file-exists", "The file is there already", detail) from error
