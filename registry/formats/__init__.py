"""Files of other programs, in and out: bytes in, models out, no IO.

`detect` says what a file is, `read` gives the items in it, each with its own bytes, `convert`
makes of one what another program reads.
"""

from registry.formats.comparing import Change, Comparison, compare
from registry.formats.converting import (
    CONVERSIONS,
    Conversion,
    convert,
    find_conversion,
    item_of,
)
from registry.formats.detecting import detect, is_pickle
from registry.formats.errors import (
    FormatError,
    InvalidFile,
    NoConversion,
    NotComparable,
    Place,
    UnknownFormat,
)
from registry.formats.found import Found, identity_of
from registry.formats.merging import Merged, merged
from registry.formats.reading import format_of, read
from registry.formats.words import ENDINGS, TITLES, Format, Kind

__all__ = [
    "CONVERSIONS",
    "ENDINGS",
    "TITLES",
    "Change",
    "Comparison",
    "Conversion",
    "Format",
    "FormatError",
    "Found",
    "InvalidFile",
    "Kind",
    "Merged",
    "NoConversion",
    "NotComparable",
    "Place",
    "UnknownFormat",
    "compare",
    "convert",
    "detect",
    "find_conversion",
    "format_of",
    "identity_of",
    "is_pickle",
    "item_of",
    "merged",
    "read",
]
