"""RLE, as Golly and LifeWiki write it.

```
#N Gosper glider gun
#O Bill Gosper, November 1970
#C The first known gun.
x = 36, y = 9, rule = B3/S23:T60,40
24bo$22bobo$12b2o6b2o12b2o$…!
```
Runs: a count, then `b` or `.` for dead, `o` or `A` to `X`, `pA` to `yO` for the states 1 to 255,
`$` for the end of a line, `!` for the end. What stands after the end is for people. The header's
size need not be true; `#CXRLE Pos=`, `#P` and `#R` name the place of the top left cell. A rule is
text, of which the part before `:` names what cells do and the rest the shape of the world.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from registry.errors import quoted
from registry.formats.errors import InvalidFile, Place
from registry.formats.found import Found, Scalar
from registry.formats.limits import BY_CHARACTERS_MAX, COORDINATE_MAX
from registry.formats.patterns import (
    LIFE,
    Pattern,
    Runs,
    bounds_of,
    family_of,
    lines_of,
    normal_rule,
)
from registry.formats.texts import line_of, name_of, place_in, prose_of, tags_of, text_of
from registry.formats.words import Format

RULE_CHARACTERS_MAX = 256
LINE_CHARACTERS = 70  # of what is written
STATES_MAX = 255
_DIGITS_MAX = 10  # beyond, no world of ours has room

_HEADER = re.compile(
    # Possessive all over: it is linear in a line of anything.
    r"[ \t]*+x[ \t]*+=[ \t]*+([0-9]{1,10})[ \t]*+,?+[ \t]*+y[ \t]*+=[ \t]*+([0-9]{1,10})"
    r"(?:[ \t]*+,?+[ \t]*+rule[ \t]*+=[ \t]*+([^\n]*))?+[^\n]*+$",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"^[ \t]*(#[^\n]*)|([0-9]*+)[ \t\n]*+([p-y][A-X]|[a-zA-Z.$!])|[ \t\n]++|(.)",
    re.MULTILINE | re.DOTALL,
)
_POSITION = re.compile(r"Pos[ \t]*=[ \t]*(-?[0-9]{1,10})[ \t]*,[ \t]*(-?[0-9]{1,10})")
_GENERATION = re.compile(r"Gen[ \t]*=[ \t]*([0-9]{1,18})")
_CORNER = re.compile(r"[ \t]*(-?[0-9]{1,10})[ \t,]+(-?[0-9]{1,10})")


def read_rle(data: bytes, file: str) -> tuple[Found, ...]:
    """The one pattern of a file. Raises `InvalidFile`."""
    return (found_of(data, pattern_of_rle(data, file), Format.RLE, file),)


def found_of(data: bytes, pattern: Pattern, format: Format, file: str) -> Found:
    """A pattern that is all of its file."""
    box = bounds_of(pattern)
    shape = {"width": box.width, "height": box.height, "population": pattern.population}
    rule = line_of(pattern.rule, RULE_CHARACTERS_MAX)
    return Found(
        kind="genome",
        format=format,
        data=data,
        name=line_of(pattern.name) or name_of(file),
        description=prose_of("\n".join(pattern.comments)),
        tags=tags_of("pattern", family_of(pattern.rule)),
        by=line_of(pattern.by, BY_CHARACTERS_MAX),
        fields={"rule": rule, **shape, **pattern.fields},
    )


def pattern_of_rle(data: bytes, file: str) -> Pattern:
    """Raises `InvalidFile` with line and column."""
    text = text_of(data, file, is_old=True).replace("\r\n", "\n").replace("\r", "\n")
    notes = _Notes()
    at = 0
    size: tuple[int, int] | None = None
    while at < len(text):
        end = text.find("\n", at)
        line = text[at : end if end >= 0 else len(text)]
        if line.lstrip().startswith("#"):
            notes.add(line.strip())
        elif found := _HEADER.match(line):
            size = (int(found[1]), int(found[2]))
            notes.rule = (found[3] or "").strip() or notes.rule
            at += len(line)
            break
        elif line.strip():
            break
        at += len(line) + 1
    if size is None and not text[at:].strip():
        raise InvalidFile(file, Place(), "holds no pattern: no line `x = …, y = …`")
    if len(notes.rule) > RULE_CHARACTERS_MAX:
        raise InvalidFile(file, Place(), f"a rule of more than {RULE_CHARACTERS_MAX} characters")
    runs = Runs(file, text)
    end = read_runs(text, at, runs, file, notes.add)
    for line in text[end:].splitlines():
        if line.startswith("#"):
            notes.add(line.strip())
    return notes.pattern(runs, size)


class _Notes:
    """What the lines with `#` say."""

    def __init__(self) -> None:
        self.rule = ""
        self._name = ""
        self._by: list[str] = []
        self._comments: list[str] = []
        self._fields: dict[str, Scalar] = {}

    def add(self, line: str) -> None:
        letter, rest = line[1:2], line[2:].strip()
        if line.startswith("#CXRLE"):
            self._place(_POSITION.search(line))
            if generation := _GENERATION.search(line):
                self._fields["generation"] = int(generation[1])
        elif letter == "N":
            self._name = self._name or rest
        elif letter == "O":
            self._by.append(rest)
        elif letter == "r":
            self.rule = rest
        elif letter in ("P", "R") and (corner := _CORNER.match(rest)):
            self._place(corner)
        elif letter in ("C", "c", "D", "d"):
            self._comments.append(rest)
        else:
            self._comments.append(line[1:].strip())

    def _place(self, corner: re.Match[str] | None) -> None:
        if corner:
            self._fields |= {"left": int(corner[1]), "top": int(corner[2])}

    def pattern(self, runs: Runs, size: tuple[int, int] | None) -> Pattern:
        found = Pattern(
            runs.in_order(),
            rule=normal_rule(self.rule) if self.rule else LIFE,
            name=self._name,
            by="; ".join(self._by),
            comments=tuple(self._comments),
            fields=self._fields,
        )
        box = bounds_of(found)
        width, height = size or (box.left + box.width, box.top + box.height)
        return replace(found, width=width, height=height)


def read_runs(
    text: str, at: int, runs: Runs, file: str, comment: Callable[[str], None], full: int = 1
) -> int:
    """Add the runs that begin at `at`; where they end. `full` is the state of `o`.

    Raises `InvalidFile` with line and column.
    """
    x = y = 0
    for token in _TOKEN.finditer(text, at):
        remark, digits, what, other = token.groups()
        if remark is not None:
            comment(remark.strip())
        elif what is None:
            if other is not None:
                raise _unknown(text, token, other, file)
        else:
            count = _count(text, token, digits, file)
            if what == "!":
                return token.end()
            if what == "$":
                x, y = 0, y + count
                continue
            state = full if what == "o" else state_of(what)
            if state is None:
                raise _unknown(text, token, what, file)
            if state:
                runs.add(y, x, count, state, _start(token))
            x += count
            if x > COORDINATE_MAX or y > COORDINATE_MAX:
                reason = f"reaches further than {COORDINATE_MAX:,} cells from the start"
                raise InvalidFile(file, place_in(text, _start(token)), reason)
    return len(text)


def state_of(letters: str) -> int | None:
    """`.` 0, `A` 1 … `X` 24, `pA` 25 … `yO` 255; None for what is none of them."""
    if letters in (".", "b"):
        return 0
    high, low = letters[:-1], ord(letters[-1]) - ord("A") + 1
    if not 1 <= low <= 24 or len(letters) > 2:
        return None
    state = low + (24 * (ord(high) - ord("p") + 1) if high else 0)
    return state if state <= STATES_MAX else None


def letters_of(state: int) -> str:
    """Undoes `state_of`."""
    high, low = divmod(state - 1, 24)
    return "." if not state else (chr(ord("p") + high - 1) if high else "") + chr(ord("A") + low)


def write_rle(pattern: Pattern) -> bytes:
    """With its comments and its place; moved so that its first cell is at the top left."""
    box = bounds_of(pattern)
    left = int(pattern.fields.get("left", 0)) + box.left
    top = int(pattern.fields.get("top", 0)) + box.top
    head = [f"#N {pattern.name}"] if pattern.name else []
    head += [f"#O {pattern.by}"] if pattern.by else []
    head += [f"#C {comment}".rstrip() for comment in pattern.comments]
    generation = f" Gen={pattern.fields['generation']}" if "generation" in pattern.fields else ""
    if generation or "left" in pattern.fields or box.left or box.top:
        head.append(f"#CXRLE Pos={left},{top}{generation}")
    head.append(f"x = {box.width}, y = {box.height}, rule = {pattern.rule}")
    body = _wrapped(_tokens(pattern, box.left, box.top))
    return "\n".join((*head, *body, "")).encode()


def _tokens(pattern: Pattern, left: int, top: int) -> Iterator[str]:
    dead, is_plain = ("b", True) if pattern.states <= 1 else (".", False)
    line = top
    for y, runs in lines_of(pattern.runs):
        if y > line:
            yield _counted(y - line, "$")
        line, x = y, left
        for run in runs:
            if run.x > x:
                yield _counted(run.x - x, dead)
            yield _counted(run.length, "o" if is_plain else letters_of(run.state))
            x = run.x + run.length
    yield "!"


def _counted(count: int, what: str) -> str:
    return what if count == 1 else f"{count}{what}"


def _wrapped(tokens: Iterator[str]) -> Iterator[str]:
    line = ""
    for token in tokens:
        if len(line) + len(token) > LINE_CHARACTERS:
            yield line
            line = ""
        line += token
    yield line


def _count(text: str, token: re.Match[str], digits: str, file: str) -> int:
    count = int(digits or 1) if len(digits) <= _DIGITS_MAX else COORDINATE_MAX + 1
    if not 0 < count <= COORDINATE_MAX:
        reason = f"a run of {quoted(digits)} cells or lines; 1 to {COORDINATE_MAX:,} are possible"
        raise InvalidFile(file, place_in(text, _start(token)), reason)
    return count


def _unknown(text: str, token: re.Match[str], what: str, file: str) -> InvalidFile:
    at = token.start(3) if token[3] else token.start(4)
    return InvalidFile(file, place_in(text, at), f"{quoted(what)} is no state of a cell")


def _start(token: re.Match[str]) -> int:
    """Of a count and what it counts; blanks and line ends before a letter are in the token too."""
    return token.start(2) if token[2] else token.start(3)
