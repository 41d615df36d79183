"""Names of files that hold what some file systems do not take, such as the `:` of `universe:main`.

```
universe:main        as the program itself writes it
universe%3Amain      escaped by us, and by many who copy to Windows
universe\\uf03amain   escaped by WSL, Cygwin, Samba: U+F000 and the character
universe：main        the wide form, as some unpackers have it
```
All four are the same name here. A file's own name is found by `Names`, whichever it is.
"""

import re
from collections.abc import Iterable
from typing import Final

from registry.formats.errors import InvalidFile, Place

ILLEGAL: Final = '<>:"|?*\\'
"""In names of files on Windows, beside `/` and control characters."""
_PRIVATE: Final = {chr(0xF000 + ord(one)): one for one in ILLEGAL}
_WIDE: Final = {chr(0xFEE0 + ord(one)): one for one in ILLEGAL}
_MAPPED: Final = str.maketrans(_PRIVATE | _WIDE)
_PERCENT: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_ESCAPED: Final = re.compile(r'[<>:"|?*\\%\x00-\x1f\x7f]')
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)


def unescaped(name: str) -> str:
    """The name that is meant, of the name of a file."""
    plain = name.translate(_MAPPED)
    return _PERCENT.sub(lambda found: _character(found[1]) or found[0], plain)


def escaped(name: str) -> str:
    """A name that every file system takes, of an id; `unescaped` gives the id back.

    Dots at its ends, and names of devices as Windows has them, are escaped too.
    """
    safe = _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", name).replace("/", "%2F")
    if safe.strip(". ") != safe or _DEVICES.match(safe):
        first, last = safe[:1], safe[-1:]
        if len(safe) == 1:
            return f"%{ord(first):02X}"
        ends = last in ". "
        safe = f"%{ord(first):02X}{safe[1:-1]}{f'%{ord(last):02X}' if ends else last}"
    return safe


def _character(digits: str) -> str:
    """What an escape stands for: nothing that could lead into another folder."""
    found = chr(int(digits, 16))
    return found if found.isascii() and found.isprintable() and found != "/" else ""


def path_below(folder: str, told: str, file: str, place: Place) -> str:
    """`folder/told` of a name that `file` tells at `place`. Raises `InvalidFile`.

    Both slashes part folders, as the program writes what its own system has. What names the
    folder that it stands in falls away: `./1.json` and `canonical//1.json` lead nowhere else.
    """
    plain = told.replace("\\", "/")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    if plain.startswith("/") or ":/" in plain or "\0" in plain or ".." in parts:
        raise InvalidFile(file, place, "a name that leads out of its folder")
    return "/".join((folder, *parts) if folder else parts)


class Names:
    """Finds a file by the name that is meant, however it is escaped where it lies."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._exact = frozenset(paths)
        self._meant = {meant(path): path for path in sorted(self._exact, reverse=True)}

    def find(self, path: str) -> str | None:
        return path if path in self._exact else self._meant.get(meant(path))


def meant(path: str) -> str:
    return "/".join(map(unescaped, path.split("/")))
