"""Plaintext and the two Life formats of old: patterns of two states.

```
!Name: Glider            #Life 1.05             #Life 1.06
!                        #D Acorn               0 -1
.O                       #N                     1 0
..O                      #P -3 -1               -1 1
OOO                      .*                     0 1
                         ...*                   1 1
```
"""

import re

from registry.errors import quoted
from registry.formats.errors import InvalidFile, Place
from registry.formats.found import Found
from registry.formats.limits import COORDINATE_MAX, TEXT_LINES_MAX
from registry.formats.patterns import LIFE, Pattern, Runs, normal_rule, rows_of
from registry.formats.rle import RULE_CHARACTERS_MAX, found_of
from registry.formats.texts import text_of
from registry.formats.words import Format

_PLAIN = re.compile(r"[.bO*o]*")
_LIVE = re.compile(r"[O*o]+")
_POINT = re.compile(r"\s*(-?[0-9]{1,10})\s+(-?[0-9]{1,10})\s*$")


def read_cells(data: bytes, file: str) -> tuple[Found, ...]:
    return (found_of(data, pattern_of_cells(data, file), Format.CELLS, file),)


def read_life105(data: bytes, file: str) -> tuple[Found, ...]:
    return (found_of(data, pattern_of_life105(data, file), Format.LIFE_105, file),)


def read_life106(data: bytes, file: str) -> tuple[Found, ...]:
    return (found_of(data, pattern_of_life106(data, file), Format.LIFE_106, file),)


def pattern_of_cells(data: bytes, file: str) -> Pattern:
    """Raises `InvalidFile` with the line."""
    lines = _lines(data, file)
    runs = Runs(file)
    comments: list[str] = []
    name = by = ""
    y = 0
    for number, line in enumerate(lines, 1):
        if line.startswith("!"):
            said = line[1:].strip()
            if said.lower().startswith("name:"):
                name = said[5:].strip()
            elif said.lower().startswith("author:"):
                by = said[7:].strip()
            elif said:
                comments.append(said)
        else:
            _row(line, 0, y, number, runs, file)
            y += 1
    if not any(not line.startswith("!") and line.strip() for line in lines):
        raise InvalidFile(file, Place(), "holds no line of cells")
    return Pattern(runs.in_order(), LIFE, name=name, by=by, comments=tuple(comments))


def pattern_of_life105(data: bytes, file: str) -> Pattern:
    lines = _lines(data, file)
    _first(lines, "#Life 1.05", file)
    runs = Runs(file)
    comments: list[str] = []
    rule = LIFE
    x = y = 0
    for number, line in enumerate(lines[1:], 2):
        letter = line[1:2] if line.startswith("#") else ""
        if letter in ("D", "C"):
            comments.append(line[2:].strip())
        elif letter == "R":
            rule = normal_rule(line[2:].strip()[:RULE_CHARACTERS_MAX])
        elif letter == "P":
            x, y = _point(line[2:], number, file) if line[2:].strip() else (0, 0)
        elif not letter and line.strip():
            _row(line.strip(), x, y, number, runs, file)
            y += 1
        elif not letter:
            y += 1
    return Pattern(runs.sorted(), rule, comments=tuple(comments))


def pattern_of_life106(data: bytes, file: str) -> Pattern:
    lines = _lines(data, file)
    _first(lines, "#Life 1.06", file)
    runs = Runs(file)
    comments: list[str] = []
    for number, line in enumerate(lines[1:], 2):
        if line.startswith("#"):
            comments.append(line[1:].strip())
        elif line.strip():
            x, y = _point(line, number, file)
            runs.add(y, x, 1, 1)
    return Pattern(runs.sorted(), LIFE, comments=tuple(comments))


def write_cells(pattern: Pattern, file: str) -> bytes:
    """Raises `InvalidFile` where there are too many cells to write out one by one."""
    head = [f"!Name: {pattern.name}"] if pattern.name else []
    head += [f"!Author: {pattern.by}"] if pattern.by else []
    head += [f"!{comment}" for comment in pattern.comments]
    rows = [row.translate(_LETTERS).decode() for row in rows_of(pattern, file)]
    return "\n".join((*head, *rows, "")).encode()


def write_life106(pattern: Pattern, file: str) -> bytes:
    """Every cell with its place. Raises `InvalidFile` where they are too many."""
    if pattern.population > TEXT_LINES_MAX:
        reason = f"{pattern.population:,} live cells: more than {TEXT_LINES_MAX:,} lines"
        raise InvalidFile(file, Place(), reason)
    left, top = (int(pattern.fields.get(key, 0)) for key in ("left", "top"))
    points = (
        f"{left + run.x + step} {top + run.y}" for run in pattern.runs for step in range(run.length)
    )
    return "\n".join(("#Life 1.06", *points, "")).encode()


_LETTERS = bytes.maketrans(bytes(range(256)), b"." + b"O" * 255)


def _lines(data: bytes, file: str) -> list[str]:
    text = text_of(data, file, is_old=True)
    if text.count("\n") > TEXT_LINES_MAX:
        raise InvalidFile(file, Place(), f"more than {TEXT_LINES_MAX:,} lines")
    return [line.rstrip("\r") for line in text.split("\n")]


def _first(lines: list[str], wanted: str, file: str) -> None:
    if not lines[0].strip().lower().startswith(wanted.lower()):
        raise InvalidFile(file, Place(line=1), f"must be {wanted}")


def _row(line: str, left: int, y: int, number: int, runs: Runs, file: str) -> None:
    line = line.rstrip()
    taken = _PLAIN.match(line)
    assert taken is not None  # it matches nothing, too
    if taken.end() < len(line):
        reason = f"{quoted(line[taken.end()])} is no cell: . is dead, O or * alive"
        raise InvalidFile(file, Place(line=number, column=taken.end() + 1), reason)
    for run in _LIVE.finditer(line):
        runs.add(y, left + run.start(), run.end() - run.start(), 1)


def _point(text: str, number: int, file: str) -> tuple[int, int]:
    found = _POINT.match(text)
    if not found:
        raise InvalidFile(file, Place(line=number), f"{quoted(text.strip())} are no two numbers")
    x, y = int(found[1]), int(found[2])
    if abs(x) >= COORDINATE_MAX or abs(y) >= COORDINATE_MAX:
        reason = f"reaches further than {COORDINATE_MAX:,} cells from the start"
        raise InvalidFile(file, Place(line=number), reason)
    return x, y
