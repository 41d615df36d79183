"""Golly's macrocell files: a tree of squares, in which equal squares are one line.

```
[M2] (golly 3.3)
#R B3/S23
#G 3480
$$..*$...*$.***$$$$      node 1: 8 × 8 cells of a pattern of two states
4 0 1 0 0                node 2: of 2^4 × 2^4; its quarters nw, ne, sw, se, 0 = empty
```
Patterns of more states have leaves `1 a b c d` of 2 × 2 cells. The last node is all of it; its
middle is the point 0, 0. A few lines may hold more cells than there are atoms: they are counted
here, and written out only where they are few.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from registry.formats.errors import InvalidFile, Place
from registry.formats.found import Found, Scalar
from registry.formats.limits import (
    MACROCELL_LEVEL_MAX,
    MACROCELL_NODES_MAX,
    RUNS_MAX,
    SAFE_INTEGER,
)
from registry.formats.patterns import LIFE, Pattern, Runs, family_of, normal_rule
from registry.formats.rle import RULE_CHARACTERS_MAX, STATES_MAX
from registry.formats.texts import line_of, name_of, prose_of, tags_of, text_of
from registry.formats.words import Format

MAGIC = "[M2]"
LEAF_LEVEL = 3  # of two states: 8 × 8
LEAF = 1 << LEAF_LEVEL
_LEAF = re.compile(r"[.*$]+$")
_NODE = re.compile(r"([0-9]{1,2}) ([0-9]{1,9}) ([0-9]{1,9}) ([0-9]{1,9}) ([0-9]{1,9})$")

Quarters = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Square:
    """A node: its quarters by number, or the rows of a leaf."""

    level: int
    quarters: Quarters | None
    rows: tuple[bytes, ...] = ()
    population: int = 0


@dataclass(slots=True)
class Tree:
    squares: list[Square]  # [0] is the empty one
    rule: str = LIFE
    generation: int = 0
    comments: list[str] = field(default_factory=lambda: list[str]())

    @property
    def root(self) -> Square:
        return self.squares[-1]


def read_macrocell(data: bytes, file: str) -> tuple[Found, ...]:
    """Raises `InvalidFile` with the line."""
    tree = tree_of(data, file)
    population = tree.root.population
    fields: dict[str, Scalar] = {
        "rule": line_of(tree.rule, RULE_CHARACTERS_MAX),
        "squares": len(tree.squares) - 1,
        "level": tree.root.level,
        "population": population if population < SAFE_INTEGER else f"{population:.3e}",
    }
    if tree.generation:
        fields["generation"] = tree.generation
    return (
        Found(
            kind="genome",
            format=Format.MACROCELL,
            data=data,
            name=name_of(file),
            description=prose_of("\n".join(tree.comments)),
            tags=tags_of("pattern", family_of(tree.rule)),
            fields=fields,
        ),
    )


def pattern_of_macrocell(data: bytes, file: str) -> Pattern:
    """All its cells, where they are few enough to be written one by one."""
    tree = tree_of(data, file)
    if tree.root.population > RUNS_MAX:
        reason = f"{tree.root.population:,} live cells: more than {RUNS_MAX:,} to write out"
        raise InvalidFile(file, Place(), reason)
    half = 1 << tree.root.level >> 1
    runs = Runs(file)
    for y, x, state in _cells(tree, len(tree.squares) - 1, -half, -half):
        runs.add(y, x, 1, state)
    fields: dict[str, Scalar] = {"generation": tree.generation} if tree.generation else {}
    return Pattern(runs.sorted(), tree.rule, comments=tuple(tree.comments), fields=fields)


def tree_of(data: bytes, file: str) -> Tree:
    lines = text_of(data, file, is_old=True).split("\n")
    if not lines[0].startswith(MAGIC):
        raise InvalidFile(file, Place(line=1), f"must begin with {MAGIC}")
    tree = Tree([Square(0, None)])
    for number, line in enumerate(lines[1:], 2):
        line = line.strip()
        if not line:
            continue
        if line.startswith("#"):
            _remark(tree, line, Place(line=number), file)
            continue
        if len(tree.squares) > MACROCELL_NODES_MAX:
            reason = f"more than {MACROCELL_NODES_MAX:,} squares"
            raise InvalidFile(file, Place(line=number), reason)
        if _LEAF.match(line):
            tree.squares.append(_leaf(line, number, file))
        elif found := _NODE.match(line):
            tree.squares.append(_square(tree, [int(each) for each in found.groups()], number, file))
        else:
            raise InvalidFile(file, Place(line=number), "is neither a leaf nor five numbers")
    if len(tree.squares) == 1:
        raise InvalidFile(file, Place(line=len(lines)), "holds no square")
    return tree


def _remark(tree: Tree, line: str, place: Place, file: str) -> None:
    rest = line[2:].strip()
    if line.startswith("#R"):
        if len(rest) > RULE_CHARACTERS_MAX:
            raise InvalidFile(file, place, f"a rule of more than {RULE_CHARACTERS_MAX} characters")
        tree.rule = normal_rule(rest)
    elif line.startswith("#G") and rest.isascii() and rest.isdigit() and len(rest) <= 18:
        tree.generation = int(rest)
    else:
        tree.comments.append(rest if line[1:2] in ("C", "D", "N", "O") else line[1:].strip())


def _leaf(line: str, number: int, file: str) -> Square:
    rows = line.removesuffix("$").split("$")
    if len(rows) > LEAF or any(len(row) > LEAF for row in rows):
        raise InvalidFile(file, Place(line=number), f"a leaf has {LEAF} × {LEAF} cells")
    cells = tuple(bytes(cell == "*" for cell in row) for row in rows)
    return Square(LEAF_LEVEL, None, cells, sum(map(sum, cells)))


def _square(tree: Tree, numbers: list[int], number: int, file: str) -> Square:
    level, *quarters = numbers
    place = Place(line=number)
    if not 1 <= level <= MACROCELL_LEVEL_MAX:
        raise InvalidFile(file, place, f"2^{level} cells; 2^1 to 2^{MACROCELL_LEVEL_MAX} are read")
    if level == 1:
        if max(quarters) > STATES_MAX:
            raise InvalidFile(file, place, f"states go from 0 to {STATES_MAX}")
        rows = (bytes(quarters[:2]), bytes(quarters[2:]))
        return Square(1, None, rows, sum(state > 0 for state in quarters))
    for quarter in quarters:
        if quarter >= len(tree.squares):
            raise InvalidFile(file, place, f"square {quarter} is not there yet")
        if quarter and tree.squares[quarter].level != level - 1:
            reason = f"square {quarter} is of 2^{tree.squares[quarter].level}, not 2^{level - 1}"
            raise InvalidFile(file, place, reason)
    nw, ne, sw, se = quarters
    population = sum(tree.squares[quarter].population for quarter in quarters)
    return Square(level, (nw, ne, sw, se), (), population)


def _cells(tree: Tree, root: int, top: int, left: int) -> Iterator[tuple[int, int, int]]:
    """y, x and state of each live cell; squares without any are never entered."""
    pending = [(root, top, left)]
    while pending:
        index, y, x = pending.pop()
        square = tree.squares[index]
        if not square.population:
            continue
        if square.quarters is None:
            for row, cells in enumerate(square.rows):
                for column, state in enumerate(cells):
                    if state:
                        yield y + row, x + column, state
            continue
        half = 1 << square.level - 1
        nw, ne, sw, se = square.quarters
        pending += ((nw, y, x), (ne, y, x + half), (sw, y + half, x), (se, y + half, x + half))


def write_macrocell(pattern: Pattern) -> bytes:
    """The tree of a pattern, each square once; not moved."""
    is_plain = pattern.states <= 1
    leaf_level = LEAF_LEVEL if is_plain else 1
    leaves = _leaves(pattern, 1 << leaf_level)
    lines: list[str] = []
    numbers: dict[str, int] = {}

    def number_of(line: str) -> int:
        if line not in numbers:
            lines.append(line)
            numbers[line] = len(lines)
        return numbers[line]

    write = _plain_leaf if is_plain else _leaf_of_states
    level = leaf_level
    squares = {at: number_of(write(cells)) for at, cells in leaves.items()}
    while level <= leaf_level or not all(-1 <= y <= 0 and -1 <= x <= 0 for y, x in squares):
        level += 1
        quartered: dict[tuple[int, int], list[int]] = {}
        for (y, x), number in squares.items():
            quarters = quartered.setdefault((y >> 1, x >> 1), [0, 0, 0, 0])
            quarters[(y & 1) * 2 + (x & 1)] = number
        squares = {
            at: number_of(" ".join(map(str, (level, *each)))) for at, each in quartered.items()
        }
    # The root's quarters are those that meet in the point 0, 0.
    quarters = [squares.get(at, 0) for at in ((-1, -1), (-1, 0), (0, -1), (0, 0))]
    lines.append(" ".join(map(str, (level + 1, *quarters))))
    generation = int(pattern.fields.get("generation", 0))
    head = [f"{MAGIC} (panspermia)", f"#R {pattern.rule}"]
    head += [f"#G {generation}"] if generation else []
    head += [f"#C {comment}".rstrip() for comment in pattern.comments]
    return "\n".join((*head, *lines, "")).encode()


Leaves = dict[tuple[int, int], list[bytearray]]


def _leaves(pattern: Pattern, size: int) -> Leaves:
    """The cells of each square of `size` that has any."""
    leaves: Leaves = {}
    for run in pattern.runs:
        for x in range(run.x, run.x + run.length):
            at = (run.y // size, x // size)
            leaf = leaves.get(at)
            if leaf is None:
                leaf = leaves[at] = [bytearray(size) for _ in range(size)]
            leaf[run.y % size][x % size] = run.state
    return leaves


def _plain_leaf(cells: list[bytearray]) -> str:
    rows = ["".join("*" if cell else "." for cell in row).rstrip(".") for row in cells]
    return "".join(f"{row}$" for row in rows)


def _leaf_of_states(cells: list[bytearray]) -> str:
    return " ".join(str(number) for number in (1, *cells[0], *cells[1]))
