"""Lines and discs in rows of points, in whole numbers: the same points everywhere."""

from collections.abc import Sequence
from itertools import pairwise

Place = tuple[int, int]
Rows = Sequence[bytearray]


def draw_line(rows: Rows, start: Place, end: Place, colour: int, width: int) -> None:
    """From one point to the other, `width` points wide. All of it must lie inside of `rows`.

    Costs one step for each row that it crosses, however long it is.
    """
    (x, y), (x_end, y_end) = sorted((start, end), key=lambda place: place[1])
    wide, high = abs(x_end - x), y_end - y
    if wide > high:
        _flat(rows, (x, y), (x_end, y_end), colour, width)
        return
    ink = bytes((colour,)) * width
    for row in range(high + 1):
        left = x + ((x_end - x) * 2 * row + high) // (2 * high or 1) - width // 2
        rows[y + row][left : left + width] = ink


def _flat(rows: Rows, start: Place, end: Place, colour: int, width: int) -> None:
    """Of each row one stretch: those of the line's rows above it that reach down to it."""
    (x, y), (x_end, y_end) = start, end
    wide, high = abs(x_end - x), y_end - y
    # Where the line passes from one row to the next, in steps from its start.
    turns = [0, *((wide * (2 * row - 1) + high) // (2 * high) for row in range(1, high + 1))]
    stretches = list(pairwise((*turns, wide + 1)))
    for row in range(high + width):
        first, last = max(0, row - width + 1), min(high, row)
        begin, stop = stretches[first][0], stretches[last][1]
        left = x + begin if x_end >= x else x - stop + 1
        rows[y + row - width // 2][left : left + stop - begin] = bytes((colour,)) * (stop - begin)


def draw_disc(rows: Rows, place: Place, radius: int, colour: int) -> None:
    x, y = place
    for down in range(-radius, radius + 1):
        half = next(dx for dx in range(radius, -1, -1) if dx * dx + down * down <= radius * radius)
        rows[y + down][x - half : x + half + 1] = bytes((colour,)) * (2 * half + 1)
