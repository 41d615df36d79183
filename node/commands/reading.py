"""Files that are named on the line, and how what is wrong with them is told."""

from __future__ import annotations

import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from node.commands.blob import unreadable
from node.commands.console import say
from node.commands.files import read_file
from node.exit_codes import exit_code
from node.failure import failed, failure
from node.text import printable

if TYPE_CHECKING:
    from node.found_files import Contents
    from registry.formats import Found

STDIN = "-"
SHOWN_DIGITS = 12
REFUSED_SHOWN_MAX = 20
_RECORD = re.compile(r"(?:did:key:z[1-9A-HJ-NP-Za-km-z]+/)?[0-9a-f]{8,64}\Z")


@dataclass(frozen=True, slots=True)
class Named:
    """What is named on the line. A database may have any size: it is read where it lies."""

    name: str
    data: bytes
    database: Path | None = None


def read_named(file: str) -> Named:
    """The bytes of FILE, of stdin, or of a record that the node knows.

    No more than are read of any file. Raises `Failure`, and `InvalidFile` for what is too large.
    """
    from node.found_files import is_database
    from registry.formats.limits import FILE_BYTES_MAX
    from registry.formats.texts import check_size

    if file == STDIN:
        name, data = "stdin", sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
    elif _RECORD.match(file) and not Path(file).exists():
        name, data = file.rpartition("/")[2][:SHOWN_DIGITS], record_bytes(file)
    else:
        path = Path(file)
        try:
            if path.is_dir():
                raise failed("not-a-file", "This is no file", printable(file))
            if is_database(path):
                return Named(path.name, b"", path)
            name, data = path.name, read_file(path, FILE_BYTES_MAX + 1)
        except OSError as error:
            raise unreadable(path, error) from error
    check_size(data, name)
    return Named(name, data)


def record_bytes(id: str) -> bytes:
    """Of a genome or a seed, by `hex` or `did:key:…/hex`. Raises `Failure`."""
    from node.client import path_of
    from node.commands.console import node
    from node.exit_codes import NOT_FOUND
    from node.failure import Failure

    client = node()
    try:
        return client.get_bytes(path_of("/api/registry/genomes", id, "download"))
    except Failure as refused:
        if refused.exit != NOT_FOUND:
            raise
    return client.get_bytes(path_of("/api/registry/seeds", id, "download"))


def read_contents(named: Named, source: str | None) -> Contents:
    """What a file holds, `source` being its format in a person's words.

    Rows of a database that cannot be taken are told on stderr. Raises the registry's own errors.
    """
    from node.found_files import contents_of, contents_of_database
    from registry.formats import Format, InvalidFile, Place, format_of

    format = format_of(source) if source else None
    if named.database is None:
        contents = contents_of(named.name, named.data, format)
    elif format in (None, Format.PRIMORDIUM_REGISTRY):
        contents = contents_of_database(named.name, named.database)
    else:
        raise InvalidFile(named.name, Place(), f"is a SQLite file, and no {format}")
    if contents.warning:
        say(printable(f"warning: {contents.warning}"), fg="yellow", err=True)
    if not contents.found:
        raise contents.refused[0]
    for refused in contents.refused[:REFUSED_SHOWN_MAX]:
        say(f"left out: {refused.detail}", fg="yellow", err=True)
    if (more := len(contents.refused) - REFUSED_SHOWN_MAX) > 0:
        say(f"left out: {more:,} rows more", fg="yellow", err=True)
    return contents


def read_one(file: str, source: str | None, item: int | None) -> Found:
    """The one item of a file that is meant. Raises `Failure`, and the registry's own errors."""
    from registry.formats import item_of

    return item_of(read_contents(read_named(file), source).found, item)


@contextmanager
def shown_errors() -> Generator[None]:
    """What the registry refuses, as a problem with its code."""
    from registry.errors import RegistryError

    try:
        yield
    except RegistryError as error:
        title = (type(error).__doc__ or "").split("\n")[0].rstrip(".")
        raise failure(error.code, title, error.detail, exit_code(422, error.code)) from error
