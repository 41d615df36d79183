"""What the codes about files mean, and what to do: rows of `node.meanings`, code: (means, do)."""

from collections.abc import Mapping
from typing import Final

FILES: Final[Mapping[str, tuple[str, str]]] = {
    "cannot-write": (
        "The file that was named cannot be written; what was there before is as it was.",
        "Make room there, or name a file in a folder that is yours.",
    ),
    "format": ("The file could not be read as what it is said to be.", "The detail says why."),
    "invalid-file": (
        "The file is not what its format promises, or beyond the bounds of what is read.",
        "The detail says where in it, and why; mend it there, or export it anew.",
    ),
    "file-damaged": (
        "The file has a checksum of what it says, and says something else.",
        "Get it anew where it was made: it was damaged on its way, or changed by hand.",
    ),
    "unknown-format": (
        "There is no format of that name.", "`panspermia convert --list` shows those there are."
    ),
    "no-conversion": (
        "From this format nothing leads to that one.",
        "`panspermia convert --list` shows what leads where, and what gets lost on the way.",
    ),
    "not-comparable": (
        "The two files are of different kinds, or of one that nothing compares.",
        "Compare two of one kind; `panspermia convert` may bring them there.",
    ),
    "no-picture": (
        "Nothing draws this format, or there is too little or too much in it to be drawn.",
        "The detail says which; a PNG holds more cells than an SVG.",
    ),
    "not-a-drop": ("The file is no backup of Panspermia.", "Name another file."),
    "not-a-file": ("It is a folder, or has to lie on a disk to be read twice.", "Name a file."),
    "cannot-read": ("The file cannot be read.", "The detail says why."),
    "drop-cut": ("The end of the file is missing.", "Use another copy of it."),
    "drop-newer": ("A later Panspermia made the file.", "Update Panspermia."),
    "drop-damaged": (
        "The file is not as it was written; nothing of it was taken.", "Use another copy of it."
    ),
}  # fmt: skip
