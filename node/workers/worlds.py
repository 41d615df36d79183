"""States of worlds in a stranger's database, read by a child process: on its stdout, in pieces.

```
child → parent   framed(Told), then pieces of its state, for each row that was asked for
piece            4 bytes of size, and so many bytes; 0 ends a state, 2^32 - 1 breaks it off
```
The child may use so much memory and time and not more; what it says is admitted only in the shape
of `Told`. The parent never opens the file with SQLite itself.
"""

import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec

from node.workers.child import bound, confine
from node.workers.messages import SIZE_BYTES, framed
from node.workers.process import ROOT
from registry.formats.errors import InvalidFile, Place

START_S = 30.0
BYTES_PER_S = 4 << 20  # of a slow disk beside other work: what the child may take for the file
ADDRESS_BYTES = 1 << 30
PIECE_BYTES = 1 << 20
TOLD_BYTES_MAX = 4_096
END = bytes(SIZE_BYTES)
BROKEN = b"\xff" * SIZE_BYTES
TABLE = "world_snapshots"

BOOT = (
    "import runpy, sys; sys.path.insert(0, sys.argv[1]); "
    "runpy.run_module('node.workers.worlds', run_name='__main__')"
)


class Told(msgspec.Struct, frozen=True):
    """A row whose state follows; or why there is none, of a row or of all; row 0 ends it."""

    row: int = 0
    tick: int | None = None
    reason: str = ""


@contextmanager
def states(
    path: Path, name: str, row: int | None = None, *, start_s: float = START_S
) -> Generator[Iterator[tuple[Told, Iterator[bytes]]]]:
    """Each row with its state, which is to be taken before the next; or one row.

    Blocks. Raises `InvalidFile`, also in the midst of a state.
    """
    try:
        wall_s = start_s + path.stat().st_size / BYTES_PER_S
    except OSError as error:
        raise InvalidFile(name, Place(), f"cannot be read: {error.strerror}") from error
    command = [sys.executable, "-P", "-c", BOOT, str(ROOT), str(path.absolute()), str(wall_s)]
    if row is not None:
        command.append(str(row))
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        clock = threading.Timer(wall_s, child.kill)
        clock.start()
        try:
            assert child.stdout is not None
            yield _told(child.stdout, name)
        finally:
            clock.cancel()
            child.kill()


def _told(source: IO[bytes], name: str) -> Iterator[tuple[Told, Iterator[bytes]]]:
    while True:
        told = _one(source, name)
        if told.reason and not told.row:
            raise InvalidFile(name, Place(), told.reason)
        if not told.row:
            return
        pieces = _pieces(source, told, name)
        yield told, pieces
        with suppress(InvalidFile):
            for _ in pieces:  # whoever did not take them all
                pass


def _one(source: IO[bytes], name: str) -> Told:
    size = int.from_bytes(source.read(SIZE_BYTES))
    answer = source.read(size) if 0 < size <= TOLD_BYTES_MAX else b""
    try:
        told = msgspec.msgpack.decode(answer, type=Told)
    except msgspec.DecodeError as error:
        reason = f"cannot be read in time and within {ADDRESS_BYTES >> 20} MiB"
        raise InvalidFile(name, Place(), reason) from error
    return told


def _pieces(source: IO[bytes], told: Told, name: str) -> Iterator[bytes]:
    place = Place(table=TABLE, row=told.row)
    if told.reason:
        raise InvalidFile(name, place, told.reason)
    while True:
        head = source.read(SIZE_BYTES)
        if head == END:
            return
        size = int.from_bytes(head)
        piece = source.read(size) if len(head) == SIZE_BYTES and size <= PIECE_BYTES else b""
        if len(piece) < size or not size:  # broken off, or the child is gone
            raise InvalidFile(name, place, "its state cannot be read to its end")
        yield piece


def serve(path: Path, row: int | None, target: IO[bytes]) -> None:
    """The child's whole work."""
    from storage.errors import Unreadable
    from storage.foreign_worlds import open_foreign_worlds

    try:
        with open_foreign_worlds(path) as worlds:
            for one in worlds.rows():
                if row not in (None, one.row) or one.row < 1:
                    continue
                try:
                    _, pieces = worlds.state(one.row)
                except Unreadable as error:
                    _say(target, Told(one.row, one.tick, str(error)[:1_000]))
                    continue
                _say(target, Told(one.row, one.tick))
                try:
                    target.writelines(framed(piece) for piece in pieces)
                    target.write(END)
                except Unreadable:
                    target.write(BROKEN)
            _say(target, Told())
    except Unreadable as error:
        _say(target, Told(reason=str(error)[:1_000]))


def _say(target: IO[bytes], told: Told) -> None:
    target.write(framed(msgspec.msgpack.encode(told)))
    target.flush()


if __name__ == "__main__":
    confine(ADDRESS_BYTES)
    bound(float(sys.argv[3]))
    serve(Path(sys.argv[2]), int(sys.argv[4]) if sys.argv[4:] else None, sys.stdout.buffer)
