"""The doors of `registry.formats`: files that somebody found somewhere."""

from collections.abc import Callable, Sequence

from registry.formats import Format, detect, read
from tests.registry.formats import files
from tests.registry.formats.test_rle import GUN


def read_file(data: bytes) -> None:
    """Whatever it is taken for, its items are parts of it that are found again."""
    for found in read(detect("file", data), data, "file"):
        assert len(found.identity) == 64
        assert found.name.isprintable()


def read_as(format: Format) -> Callable[[bytes], None]:
    def door(data: bytes) -> None:
        for found in read(format, data, "file"):
            again = read(found.format, found.data, "file")[0]
            assert (again.data, again.format) == (found.data, found.format)

    return door


def rle_seeds() -> Sequence[bytes]:
    states = b"#CXRLE Pos=-1,7 Gen=9\n#r WireWorld\nx = 4, y = 2\n3.ApA$2yO3$A!\n#O nobody"
    return [GUN, states, b"x=3,y=3,rule=345/3/6:T9,9\nbo$2bo$3o!"]


def seeds_of(format: Format) -> Callable[[], Sequence[bytes]]:
    return lambda: [data for data in files.OF_FORMAT[format] if len(data) < 8_000]


def file_seeds() -> Sequence[bytes]:
    samples = [data for each in files.OF_FORMAT.values() for data in each if len(data) < 8_000]
    return [*samples, *rle_seeds(), b"\x80\x04pickle", b"SQLite format 3\0", b"[M2]\n$*$\n"]
