"""Which colour a state of a cell has."""

import itertools

from registry.pictures.png import COLOURS_MAX, Colour

PAPER: Colour = (255, 255, 255)
INK: Colour = (24, 24, 27)
GRID: Colour = (228, 228, 231)

# Far apart from each other and from the paper, in this order; further states are greys of violet.
STATES: tuple[Colour, ...] = (
    (24, 24, 27), (37, 99, 235), (220, 38, 38), (22, 163, 74), (217, 119, 6), (147, 51, 234),
    (8, 145, 178), (190, 24, 93), (101, 163, 13), (79, 70, 229), (180, 83, 9), (15, 118, 110),
)  # fmt: skip

# From nothing to full, as Lenia is mostly shown: dark blue, cyan, green, yellow, red, dark red.
_STOPS: tuple[tuple[int, Colour], ...] = (
    (0, (0, 0, 32)), (32, (0, 0, 143)), (96, (0, 160, 255)), (144, (96, 255, 128)),
    (184, (255, 240, 0)), (224, (255, 64, 0)), (255, (128, 0, 0)),
)  # fmt: skip


def palette_of_states(highest: int) -> list[Colour]:
    """State 0 is paper."""
    further = [(96 + state % 128, 80, 120 + state % 96) for state in range(COLOURS_MAX)]
    colours = [PAPER, *STATES, *further[len(STATES) + 1 :]]
    return colours[: max(highest, 1) + 1]


def palette_of_lenia() -> list[Colour]:
    """256 colours, whole numbers all the way: the same everywhere."""
    colours: list[Colour] = []
    for (low, first), (high, last) in itertools.pairwise(_STOPS):
        for level in range(low, high):
            part = level - low
            red, green, blue = (
                a + (b - a) * part // (high - low) for a, b in zip(first, last, strict=True)
            )
            colours.append((red, green, blue))
    return [*colours, _STOPS[-1][1]]


def hexed(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
