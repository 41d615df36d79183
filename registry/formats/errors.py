"""What the formats refuse, and where in the file.

```
FormatError (a RegistryError)
├── InvalidFile      not what its format promises, or beyond a limit: .file, .place, .reason
│   └── WrongChecksum    damaged, or changed by hand: the checksum in it is of something else
├── NotComparable    two files of different kinds, or of one that nothing compares
├── UnknownFormat    no word of ours
└── NoConversion     from this format nothing leads to that one, or it lacks something to say
    └── NoItem       nobody said which of the items in a file is meant, or there is none such
```
"""

from dataclasses import dataclass

from registry.errors import RegistryError

FILE_CHARACTERS_MAX = 255


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file: whichever of these its format has."""

    line: int | None = None
    column: int | None = None
    pointer: str | None = None  # RFC 6901, in JSON
    byte: int | None = None  # counted from 0
    table: str | None = None  # of a database, with the number of its row from 1
    row: int | None = None

    def __str__(self) -> str:
        if self.table:
            return f"{self.table}, row {self.row}"
        if self.pointer:
            return self.pointer
        if self.line is not None:
            return f"line {self.line}" + (f", column {self.column}" if self.column else "")
        return "" if self.byte is None else f"byte {self.byte}"


NOWHERE = Place()


class FormatError(RegistryError):
    """The registry could not make that of the file."""

    code = "format"


class InvalidFile(FormatError):
    """The file is not what its format promises."""

    code = "invalid-file"

    def __init__(self, file: str, place: Place, reason: str) -> None:
        """`file`: its name as it was given; "" where there is none."""
        self.file = shown_file(file)
        self.place = place
        self.reason_text = reason
        super().__init__(": ".join(part for part in (self.file, str(place), reason) if part))


class WrongChecksum(InvalidFile):
    """The file is not what its checksum is of."""

    code = "file-damaged"


class UnknownFormat(FormatError):
    """That is no word for a format."""

    code = "unknown-format"


class NotComparable(FormatError):
    """These two cannot be compared."""

    code = "not-comparable"


class NoConversion(FormatError):
    """No conversion leads there."""

    code = "no-conversion"


class NoItem(NoConversion):
    """One of the items in the file has to be chosen."""


def shown_file(name: str) -> str:
    """A file's name for a message: control characters escaped, its end kept where it is long."""
    cut = name if len(name) <= FILE_CHARACTERS_MAX else f"…{name[-FILE_CHARACTERS_MAX:]}"
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in cut
    )
