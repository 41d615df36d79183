"""The frame of an SVG: its size, its title, and nothing that is fetched or run."""

from collections.abc import Sequence

from registry.formats.texts import line_of
from registry.pictures.colours import PAPER, hexed
from registry.pictures.errors import NoPicture

SVG_BYTES_MAX = 4 << 20
TITLE_CHARACTERS_MAX = 120

_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}


def escaped(text: str) -> str:
    """`text` between tags or in quotes; without what XML cannot hold."""
    shown = line_of(text, TITLE_CHARACTERS_MAX)
    return "".join(_ESCAPED.get(each, each) for each in shown if ord(each) not in (0xFFFE, 0xFFFF))


def framed(
    parts: Sequence[str],
    box: tuple[int, int, int, int],
    size: tuple[int, int],
    title: str,
    *,
    crisp: bool = False,
) -> bytes:
    """`box`: x, y, width and height of what `parts` draw; `size`: points. Raises `NoPicture`."""
    x, y, width, height = box
    sharp = ' shape-rendering="crispEdges"' if crisp else ""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{x} {y} {width} {height}"'
        f' width="{size[0]}" height="{size[1]}" role="img"{sharp}>'
    )
    back = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{hexed(PAPER)}"/>'
    whole = "\n".join((head, f"<title>{escaped(title)}</title>", back, *parts, "</svg>", ""))
    data = whole.encode()
    if len(data) > SVG_BYTES_MAX:
        raise NoPicture(f"it would take {len(data):,} bytes, at most {SVG_BYTES_MAX:,}")
    return data
