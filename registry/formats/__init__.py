"""Files of other programs, in and out: bytes in, models out, no IO.

`detect` says what a file is, `read` gives the items in it, each with its own bytes.
"""

from registry.formats.detecting import detect
from registry.formats.errors import FormatError, InvalidFile, NoConversion, Place, UnknownFormat
from registry.formats.found import Found, identity_of
from registry.formats.reading import format_of, read
from registry.formats.words import ENDINGS, TITLES, Format, Kind

__all__ = [
    "ENDINGS",
    "TITLES",
    "Format",
    "FormatError",
    "Found",
    "InvalidFile",
    "Kind",
    "NoConversion",
    "Place",
    "UnknownFormat",
    "detect",
    "format_of",
    "identity_of",
    "read",
]
