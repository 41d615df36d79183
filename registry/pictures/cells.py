"""Cells as SVG and PNG: of one pattern, or of an animal with several channels side by side."""

from collections.abc import Iterator, Sequence

from registry.formats.errors import InvalidFile
from registry.formats.patterns import Bounds, Pattern, Run, bounds_of, lines_of, rows_of
from registry.pictures.colours import GRID, hexed
from registry.pictures.errors import NoPicture
from registry.pictures.png import Colour, write_png
from registry.pictures.svg import SVG_BYTES_MAX, framed

SIDE = 512  # points that the longer side has, where the cells are fewer
PNG_POINTS_MAX = 4_000_000
# Of a PNG: a row costs some hundred bytes and a microsecond, also where it is of one point.
PNG_SIDE_MAX = 16_384
MARGIN = 1  # cells around
RECTANGLE_BYTES = 50  # of an SVG for each run, at least


def cells_svg(patterns: Sequence[Pattern], palette: Sequence[Colour], title: str) -> bytes:
    """A rectangle for each run of cells. Raises `NoPicture` where they are too many."""
    if sum(len(pattern.runs) for pattern in patterns) * RECTANGLE_BYTES > SVG_BYTES_MAX:
        raise NoPicture("it has too many cells for an SVG; a PNG may hold them")
    boxes = _boxes(patterns)
    width = sum(box.width + 2 * MARGIN for box in boxes)
    height = max(box.height for box in boxes) + 2 * MARGIN
    parts: list[str] = []
    left = MARGIN
    for pattern, box in zip(patterns, boxes, strict=True):
        back = f'<rect x="{left}" y="{MARGIN}" width="{box.width}" height="{box.height}"'
        parts.append(f'{back} fill="{hexed(palette[0])}"/>')
        parts += _runs(pattern.runs, left - box.left, MARGIN - box.top, palette)
        left += box.width + 2 * MARGIN
    return framed(parts, (0, 0, width, height), _scaled(width, height), title, crisp=True)


def cells_png(patterns: Sequence[Pattern], palette: Sequence[Colour]) -> bytes:
    """Every cell some points wide. Raises `NoPicture` where they are too many."""
    colours = [*palette, GRID][:256]
    edge = len(colours) - 1 if len(palette) < 256 else 0
    boxes = _boxes(patterns)
    height = max(box.height for box in boxes) + 2 * MARGIN
    width = sum(box.width + 2 * MARGIN for box in boxes)
    size = f"{width:,} × {height:,} cells"
    if width * height > PNG_POINTS_MAX:
        raise NoPicture(f"{size}: more than {PNG_POINTS_MAX:,} points")
    if max(width, height) > PNG_SIDE_MAX:
        raise NoPicture(f"{size}: a side of more than {PNG_SIDE_MAX:,} points")
    rows = [bytearray() for _ in range(height)]
    try:
        for pattern, box in zip(patterns, boxes, strict=True):
            _paste(rows, rows_of(pattern, ""), box, edge)
    except InvalidFile as error:
        raise NoPicture(error.reason_text) from error
    scale = max(1, SIDE // max(width, height))
    points = (
        bytes(row) if scale == 1 else b"".join(bytes((cell,)) * scale for cell in row)
        for row in rows
        for _ in range(scale)
    )
    return write_png(points, width * scale, height * scale, colours)


def _paste(rows: list[bytearray], cells: list[bytes], box: Bounds, edge: int) -> None:
    blank = bytes((edge,)) * (box.width + 2 * MARGIN)
    side = bytes((edge,)) * MARGIN
    for y, row in enumerate(rows):
        inside = 0 <= y - MARGIN < box.height
        row += side + cells[y - MARGIN] + side if inside else blank


def _boxes(patterns: Sequence[Pattern]) -> list[Bounds]:
    boxes = [bounds_of(pattern) for pattern in patterns]
    if not any(box.width for box in boxes):
        raise NoPicture("there is no live cell in it")
    return [box if box.width else Bounds(0, 0, 1, 1) for box in boxes]


def _runs(runs: Sequence[Run], left: int, top: int, palette: Sequence[Colour]) -> Iterator[str]:
    for y, line in lines_of(runs):
        for run in line:
            place = f'x="{left + run.x}" y="{top + y}" width="{run.length}" height="1"'
            yield f'<rect {place} fill="{hexed(palette[min(run.state, len(palette) - 1)])}"/>'


def _scaled(width: int, height: int) -> tuple[int, int]:
    """The size in points, in proportion; the longer side at least `SIDE`, at most twice that."""
    longer = max(width, height)
    if longer >= 2 * SIDE:
        return max(1, width * 2 * SIDE // longer), max(1, height * 2 * SIDE // longer)
    scale = max(1, SIDE // longer)
    return width * scale, height * scale
