"""What `io.panspermia.life-score` gives, in Python: sets of cells, written from its README."""

import re
from typing import Final

SIZE: Final = 256
UNJUDGED: Final = -(1 << 63)
TICKS_MAX: Final = 90_000
MASK: Final = (1 << 64) - 1
Cells = frozenset[tuple[int, int]]

HEADER = re.compile(
    r"(?:\s*#[^\n]*(?:\n|$))*\s*x\s*=\s*(\d+)\s*,\s*y\s*=\s*(\d+)[ \t]*"
    r"(?:,\s*rule\s*=\s*(?:b([0-8]*)/?s([0-8]*)|([0-8]*)/([0-8]*)))?[ \t\r]*(?:\n|$)",
    re.IGNORECASE | re.ASCII,
)
RUN = re.compile(r"\s*(\d*)\s*([bo$!.A])", re.ASCII)


def score(text: str, seed: int, ticks: int) -> int:
    if not 0 <= ticks <= TICKS_MAX or (head := HEADER.match(text)) is None:
        return UNJUDGED
    width, height = int(head[1]), int(head[2])
    birth, survive = ("3", "23") if head[3] is None and head[5] is None else (
        (head[3], head[4]) if head[3] is not None else (head[6], head[5])
    )  # fmt: skip
    if (
        max(width, height) > SIZE
        or len(set(birth)) < len(birth)
        or len(set(survive)) < len(survive)
    ):
        return UNJUDGED
    cells = placed(text[head.end() :], width, height)
    if cells is None:
        return UNJUDGED
    if seed and width and height:
        cells ^= {mutated(seed, width, height)}
    return live(cells, {*map(int, birth)}, {*map(int, survive)}, ticks)


def placed(text: str, width: int, height: int) -> Cells | None:
    cells: set[tuple[int, int]] = set()
    x0, y0 = (SIZE - width) // 2, (SIZE - height) // 2
    x = y = at = 0
    while text[at:].strip(" \t\r\n"):
        one = RUN.match(text, at)
        if one is None or (one[1] and not 1 <= int(one[1]) <= 1_000_000):
            return None
        at, count = one.end(), int(one[1] or 1)
        match one[2]:
            case "!":
                return frozenset(cells)
            case "$":
                x, y = 0, y + count
            case "b" | ".":
                x += count
            case _:
                if x + count > width or y >= height:
                    return None
                cells |= {(x0 + x + n, y0 + y) for n in range(count)}
                x += count
        if max(x, y) > SIZE:
            return None
    return frozenset(cells)


def mutated(seed: int, width: int, height: int) -> tuple[int, int]:
    state = seed & MASK
    state ^= state >> 12
    state ^= state << 25 & MASK
    state ^= state >> 27
    drawn = (state * 0x2545F4914F6CDD1D & MASK) >> 32
    cell = drawn * (width * height) >> 32
    return (SIZE - width) // 2 + cell % width, (SIZE - height) // 2 + cell // width


def step(cells: Cells, birth: set[int], survive: set[int]) -> Cells:
    counts: dict[tuple[int, int], int] = {}
    if 0 in birth:
        counts = {(x, y): 0 for x in range(SIZE) for y in range(SIZE)}
    for cell in cells:
        counts.setdefault(cell, 0)
    for x, y in cells:
        for dx, dy in ((a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b):
            place = ((x + dx) % SIZE, (y + dy) % SIZE)
            counts[place] = counts.get(place, 0) + 1
    return frozenset(
        cell for cell, count in counts.items() if count in (survive if cell in cells else birth)
    )


def beginning(filled: set[int]) -> int:
    """Where the first of the longest empty runs around the torus ends."""
    runs: list[tuple[int, int]] = []
    for start in sorted(filled):
        empty = next((n for n in range(SIZE) if (start + 1 + n) % SIZE in filled), SIZE)
        runs.append((empty, (start + 1 + empty) % SIZE))
    longest = max((empty for empty, _ in runs), default=0)
    return next((end for empty, end in runs if empty == longest), 0) if longest else 0


def live(cells: Cells, birth: set[int], survive: set[int], ticks: int) -> int:
    seen: dict[Cells, tuple[int, int, int]] = {}
    for generation in range(ticks + 1):
        left, top = beginning({x for x, _ in cells}), beginning({y for _, y in cells})
        shape = frozenset(((x - left) % SIZE, (y - top) % SIZE) for x, y in cells)
        if shape in seen:
            before, *place = seen[shape]
            far = max(
                min((a - b) % SIZE, (b - a) % SIZE) for a, b in zip(place, (left, top), strict=True)
            )
            period = min(generation - before, 9_999)
            return before * 10**11 + period * 10**7 + min(far, 99) * 10**5 + len(cells)
        seen[shape] = (generation, left, top)
        if generation == ticks:
            break
        cells = step(cells, birth, survive)
    return ticks * 10**11 + len(cells)
