"""Patterns of cellular automata: live cells as runs, whatever file they came from.

A run of a million cells is one row of four numbers here, so what a few characters may say costs
nothing until somebody asks for every cell (`rows_of`), which is bounded.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from registry.formats.errors import InvalidFile, Place
from registry.formats.found import Scalar
from registry.formats.limits import COORDINATE_MAX, DRAWN_CELLS_MAX, RUNS_MAX
from registry.formats.texts import place_in

LIFE = "B3/S23"
_BIRTH_SURVIVAL = re.compile(r"[bB]([0-8]*)/?[sS]([0-8]*)$")
_SURVIVAL_BIRTH = re.compile(r"([0-8]*)/([0-8]*)$")
_SURVIVAL_FIRST = re.compile(r"[sS]([0-8]*)/?[bB]([0-8]*)$")
_GENERATIONS = re.compile(r"([0-8]*)/([0-8]*)/([0-9]{1,3})$")
_LARGER = re.compile(r"R[0-9]+,C[0-9]+,", re.IGNORECASE)
_TURNED = re.compile(r"[bs][0-8a-z/_-]+$", re.IGNORECASE)


class Run(NamedTuple):
    y: int
    x: int
    length: int
    state: int  # never 0: dead cells are no runs


@dataclass(frozen=True, slots=True)
class Pattern:
    """`runs` are in the order of lines, then columns, and do not overlap."""

    runs: tuple[Run, ...]
    rule: str = LIFE  # as written, topology included: `B3/S23:T30,20`
    width: int = 0  # as the file says, or as much as there is
    height: int = 0
    name: str = ""
    by: str = ""
    comments: tuple[str, ...] = ()
    fields: Mapping[str, Scalar] = field(default_factory=lambda: dict[str, Scalar]())

    @property
    def population(self) -> int:
        return sum(run.length for run in self.runs)

    @property
    def states(self) -> int:
        """The highest state there is."""
        return max((run.state for run in self.runs), default=0)


@dataclass(frozen=True, slots=True)
class Bounds:
    left: int
    top: int
    width: int
    height: int


def bounds_of(pattern: Pattern) -> Bounds:
    """The smallest rectangle around the live cells."""
    if not pattern.runs:
        return Bounds(0, 0, 0, 0)
    left = min(run.x for run in pattern.runs)
    right = max(run.x + run.length for run in pattern.runs)
    top, bottom = pattern.runs[0].y, pattern.runs[-1].y
    return Bounds(left, top, right - left, bottom - top + 1)


class Runs:
    """Collects runs and refuses the one too many, or too far, at the place where it stands."""

    def __init__(self, file: str, text: str = "") -> None:
        self._file, self._text = file, text
        self._runs: list[Run] = []

    def add(self, y: int, x: int, length: int, state: int, at: int = 0) -> None:
        """`at`: the character of the text that says so."""
        if not (abs(y) <= COORDINATE_MAX and abs(x) + length <= COORDINATE_MAX):
            reason = f"reaches further than {COORDINATE_MAX:,} cells from the start"
            raise InvalidFile(self._file, place_in(self._text, at), reason)
        last = self._runs[-1] if self._runs else None
        if last and (last.y, last.x + last.length, last.state) == (y, x, state):
            self._runs[-1] = Run(y, last.x, last.length + length, state)
            return
        if len(self._runs) >= RUNS_MAX:
            reason = f"more than {RUNS_MAX:,} runs of live cells"
            raise InvalidFile(self._file, place_in(self._text, at), reason)
        self._runs.append(Run(y, x, length, state))

    def in_order(self) -> tuple[Run, ...]:
        """Of those that were added in the order of lines and columns."""
        return tuple(self._runs)

    def sorted(self) -> tuple[Run, ...]:
        """Of those that were added in any order, and may overlap: the first of a line counts."""
        joined = Runs(self._file)
        y = end = -COORDINATE_MAX
        for run in sorted(self._runs):
            start = max(run.x, end) if run.y == y else run.x
            y, end = run.y, max(start, run.x + run.length)
            if start < end:
                joined.add(y, start, end - start, run.state)
        return joined.in_order()


def lines_of(runs: Iterable[Run]) -> Iterator[tuple[int, list[Run]]]:
    """The runs of each line that has any: y, and they from left to right."""
    line: list[Run] = []
    for run in runs:
        if line and run.y != line[0].y:
            yield line[0].y, line
            line = []
        line.append(run)
    if line:
        yield line[0].y, line


def rows_of(pattern: Pattern, file: str) -> list[bytes]:
    """A byte with its state for every cell of the rectangle around the pattern.

    Raises `InvalidFile` where that are more than `DRAWN_CELLS_MAX`.
    """
    box = bounds_of(pattern)
    if box.width * box.height > DRAWN_CELLS_MAX:
        size = f"{box.width:,} × {box.height:,} cells"
        raise InvalidFile(file, Place(), f"{size}: more than {DRAWN_CELLS_MAX:,} to write out")
    rows = [bytes(box.width)] * box.height
    for y, runs in lines_of(pattern.runs):
        row = bytearray(box.width)
        for run in runs:
            at = run.x - box.left
            row[at : at + run.length] = bytes((run.state,)) * run.length
        rows[y - box.top] = bytes(row)
    return rows


def normal_rule(rule: str) -> str:
    """`23/3`, `s23/b3` and `b3s23` as `B3/S23`; any other rule as it is written."""
    bare, colon, topology = rule.strip().partition(":")
    for form, birth, survival in (
        (_BIRTH_SURVIVAL, 1, 2),
        (_SURVIVAL_BIRTH, 2, 1),
        (_SURVIVAL_FIRST, 2, 1),
    ):
        if found := form.match(bare):
            return f"B{found[birth]}/S{found[survival]}{colon}{topology}"
    return LIFE if bare.lower() in ("life", "conway", "") else f"{bare}{colon}{topology}"


def family_of(rule: str) -> str:
    """A word to find patterns of like rules by."""
    bare = normal_rule(rule).partition(":")[0]
    if bare == LIFE:
        return "life"
    if _BIRTH_SURVIVAL.match(bare):
        return "life-like"
    if _GENERATIONS.match(bare):
        return "generations"
    if _LARGER.match(bare):
        return "larger-than-life"
    if _TURNED.match(bare):
        return "non-totalistic"
    return bare
