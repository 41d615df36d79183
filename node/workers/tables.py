"""A SQLite file of a stranger, read in a child process: rows on stdout.

A file that a person names may have any size, and the child opens it where it lies; bytes that came
otherwise it has on stdin. It may use so much memory, time and output and not more; what it says is
admitted only in the shape of `Told`. The parent never opens the file with SQLite itself.
"""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from node.workers.child import bound, confine
from node.workers.process import ROOT
from registry.formats.errors import InvalidFile, Place
from registry.formats.limits import FILE_BYTES_MAX, ITEMS_MAX
from registry.formats.primordium_tables import WANTED, Rows, Value, read_tables
from registry.formats.texts import check_size

WALL_S = 30.0
ADDRESS_BYTES = 1 << 30
ROWS_BYTES_MAX = 64 << 20
TOLD_BYTES_MAX = 2 * ROWS_BYTES_MAX  # keys and numbers beside the texts

BOOT = (
    "import runpy, sys; sys.path.insert(0, sys.argv[1]); "
    "runpy.run_module('node.workers.tables', run_name='__main__')"
)


class Unread(msgspec.Struct, frozen=True):
    table: str
    row: int
    reason: str


class Told(msgspec.Struct, frozen=True):
    """Rows by table and number, and those that are no text; or why there are none."""

    tables: dict[str, dict[int, dict[str, Value]]] = {}
    unread: list[Unread] = []
    reason: str = ""


def read_registry(source: bytes | Path, name: str, *, wall_s: float = WALL_S) -> Rows:
    """The items of a registry.db, and the rows that are none. Of `bytes` no more than of any file.

    Blocks up to `wall_s`. Raises `InvalidFile`.
    """
    if isinstance(source, bytes):
        check_size(source, name)
    told = ask_child(source, wall_s)
    if told.reason:
        raise InvalidFile(name, Place(), told.reason)
    unread = [(Place(table=one.table, row=one.row), one.reason) for one in told.unread]
    return read_tables(told.tables, name, unread)


def ask_child(source: bytes | Path, wall_s: float) -> Told:
    command = [sys.executable, "-P", "-c", BOOT, str(ROOT)]
    if isinstance(source, Path):
        command.append(str(source.absolute()))
    with tempfile.TemporaryFile() as file:
        if isinstance(source, bytes):
            file.write(source)
            file.seek(0)
        with subprocess.Popen(
            command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as child:
            clock = threading.Timer(wall_s, child.kill)
            clock.start()
            try:
                assert child.stdout is not None
                answer = child.stdout.read(TOLD_BYTES_MAX + 1)
            finally:
                clock.cancel()
                child.kill()
    try:
        return msgspec.msgpack.decode(answer, type=Told)
    except msgspec.DecodeError:
        return Told(reason=f"cannot be read within {wall_s:g} s and {ADDRESS_BYTES >> 20} MiB")


def serve(source: BinaryIO | Path, target: BinaryIO, wanted: Mapping[str, Sequence[str]]) -> None:
    """The child's whole work."""
    from storage.errors import Unreadable
    from storage.foreign import read_foreign_file, read_foreign_tables

    try:
        if isinstance(source, Path):
            tables = read_foreign_file(source, wanted, rows_max=ITEMS_MAX, bytes_max=ROWS_BYTES_MAX)
        else:
            data = source.read(FILE_BYTES_MAX + 1)
            tables = read_foreign_tables(data, wanted, rows_max=ITEMS_MAX, bytes_max=ROWS_BYTES_MAX)
        unread = [Unread(one.table, one.row, one.reason) for one in tables.unread]
        told = Told(tables.rows, unread)
    except Unreadable as error:
        told = Told(reason=str(error))
    target.write(msgspec.msgpack.encode(told))
    target.flush()


if __name__ == "__main__":
    confine(ADDRESS_BYTES)
    bound(WALL_S)
    serve(Path(sys.argv[2]) if sys.argv[2:] else sys.stdin.buffer, sys.stdout.buffer, WANTED)
