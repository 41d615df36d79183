"""The doors of `registry.formats`: files that somebody found somewhere."""

import contextlib
import functools
import pickle
import sqlite3
from collections.abc import Callable, Sequence

from registry.formats import (
    CONVERSIONS,
    Format,
    InvalidFile,
    NoConversion,
    NotComparable,
    Place,
    compare,
    convert,
    detect,
    merged,
    read,
)
from registry.formats.primordium_tables import WANTED, read_tables
from registry.genome import LINEAGE_CHARACTERS_MAX
from registry.head import CARD_BYTES_MAX, Words, check_words, line_problem
from registry.life import BY_CHARACTERS_MAX
from registry.pictures import NoPicture, picture_of
from registry.pictures.svg import SVG_BYTES_MAX
from storage.foreign import read_foreign_tables
from tests.registry.formats import files
from tests.registry.formats.test_rle import GUN


def read_file(data: bytes) -> None:
    """Whatever it is taken for, what is said of its items can stand in a record."""
    for found in read(detect("file", data), data, "file"):
        assert len(found.identity) == 64
        check_words(Words(found.name, found.description, found.license, tags=found.tags))
        assert found.name
        assert not line_problem(found.by, BY_CHARACTERS_MAX)
        assert not line_problem(found.lineage, LINEAGE_CHARACTERS_MAX)


def read_as(format: Format) -> Callable[[bytes], None]:
    def door(data: bytes) -> None:
        for found in read(format, data, "file"):
            again = read(found.format, found.data, "file")[0]
            assert (again.data, again.format) == (found.data, found.format)

    return door


def convert_file(data: bytes) -> None:
    """Every way from what it is taken for; what comes out is read by the reader of its format."""
    source = detect("file", data)
    refusals = 0
    ways = [way for way in CONVERSIONS if way.source is source]
    for way in ways:
        try:
            made = convert(data, source, way.target, name="file")
        except (InvalidFile, NoConversion):
            refusals += 1
            continue
        assert read(way.target, made, "made")
    if refusals == len(ways):
        raise NoConversion("by none of them")


def draw_and_compare(data: bytes) -> None:
    """What is read can be drawn, or not, in bounds; and is the same as itself."""
    for found in read(detect("file", data), data, "file")[:3]:
        refused = (NoPicture, NotComparable)
        with contextlib.suppress(*refused):
            assert len(picture_of(found.format, found.data, "svg")) <= SVG_BYTES_MAX
            assert picture_of(found.format, found.data, "png")
        with contextlib.suppress(*refused):
            itself = (found.format, found.data)
            assert not compare(itself, itself).count


def read_database(data: bytes) -> None:
    tables = read_foreign_tables(data, WANTED, rows_max=1_000, bytes_max=1 << 20)
    unread = [(Place(table=one.table, row=one.row), one.reason) for one in tables.unread]
    for each in merged(read_tables(tables.rows, "registry.db", unread).found):
        assert len(each.card("registry.db").encode()) <= CARD_BYTES_MAX


@functools.cache
def _database() -> bytes:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        for table, columns in WANTED.items():
            connection.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
            values = [files.GENOTYPE.decode() if "geno" in name else f"7{name}" for name in columns]
            row = f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"
            connection.executemany(row, [values] * 3)
        connection.commit()
        return connection.serialize()


def database_seeds() -> Sequence[bytes]:
    return [_database(), _database()[:-1_000]]


def rle_seeds() -> Sequence[bytes]:
    states = b"#CXRLE Pos=-1,7 Gen=9\n#r WireWorld\nx = 4, y = 2\n3.ApA$2yO3$A!\n#O nobody"
    return [GUN, states, b"x=3,y=3,rule=345/3/6:T9,9\nbo$2bo$3o!"]


def seeds_of(format: Format) -> Callable[[], Sequence[bytes]]:
    return lambda: [data for data in files.OF_FORMAT[format] if len(data) < 8_000]


def file_seeds() -> Sequence[bytes]:
    samples = [data for each in files.OF_FORMAT.values() for data in each if len(data) < 8_000]
    others = [b"SQLite format 3\0", b"[M2]\n$*$\n"]
    return [*samples, *rle_seeds(), *others, *map(pickle_seed, range(6))]


def pickle_seed(protocol: int) -> bytes:
    return pickle.dumps({"a": [1, 2.5, "b", (b"c", None, 1 << 70)]}, protocol)
