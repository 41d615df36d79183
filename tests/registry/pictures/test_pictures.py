"""Pictures: the same bytes for the same genome, nothing foreign in them, an end to their size."""

import struct
import xml.etree.ElementTree as ET
import zlib
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.formats import Format, read
from registry.formats.networks import Connection, Network, Node
from registry.pictures import DRAWN, NoPicture, picture_of
from registry.pictures.colours import palette_of_lenia, palette_of_states
from registry.pictures.graph import (
    COLOURS,
    CONNECTIONS_MAX,
    NODES_MAX,
    PNG_SIDE_MAX,
    graph_png,
    graph_svg,
)
from registry.pictures.png import SIGNATURE, write_png
from registry.pictures.points import draw_line
from tests.registry.formats import files

SVG = "{http://www.w3.org/2000/svg}"
ONE_OF = {**files.OF_FORMAT, Format.RLE: (b"x=3,y=3\nbo$2bo$3o!",)}
ELEMENTS = {"svg", "title", "rect", "circle", "line", "text"}


def one_of(format: Format) -> bytes:
    return read(format, ONE_OF[format][0], "a")[0].data


def decoded(png: bytes) -> tuple[int, int, list[tuple[int, int, int]], list[bytes]]:
    """Width, height, palette and rows, as any reader would take them, with every CRC checked."""
    assert png.startswith(SIGNATURE)
    at, chunks = len(SIGNATURE), dict[bytes, bytes]()
    while at < len(png):
        size, type = struct.unpack(">I4s", png[at : at + 8])
        data = png[at + 8 : at + 8 + size]
        assert struct.unpack(">I", png[at + 8 + size : at + 12 + size])[0] == zlib.crc32(
            type + data
        )
        chunks[type] = data
        at += 12 + size
    width, height, *kind = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert kind == [8, 3, 0, 0, 0]
    raw = zlib.decompress(chunks[b"IDAT"])
    rows = [raw[y * (width + 1) + 1 : (y + 1) * (width + 1)] for y in range(height)]
    assert not any(raw[y * (width + 1)] for y in range(height))
    colours = chunks[b"PLTE"]
    return width, height, [*zip(colours[::3], colours[1::3], colours[2::3], strict=True)], rows


@pytest.mark.parametrize("format", sorted(DRAWN))
def test_every_format_that_is_drawn(format: Format) -> None:
    title = "<script>alert('&\")</script>\x1b\u202e"
    svg = picture_of(format, one_of(format), "svg", title=title)
    root = ET.fromstring(svg)
    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= ELEMENTS
    assert root.findtext(f"{SVG}title") == "<script>alert('&\")</script>"
    assert b"<script" not in svg
    assert b"href" not in svg
    assert svg == picture_of(format, one_of(format), "svg", title=title)
    png = picture_of(format, one_of(format), "png")
    width, height, palette, rows = decoded(png)
    assert len(rows) == height
    assert all(len(row) == width and max(row) < len(palette) for row in rows)
    assert png == picture_of(format, one_of(format), "png")


def test_a_glider_is_a_glider() -> None:
    width, height, palette, rows = decoded(picture_of(Format.RLE, ONE_OF[Format.RLE][0], "png"))
    side = 102  # of 5 cells in 512 points: three and a margin of one around
    assert (width, height) == (5 * side, 5 * side)
    cells = [bytes(row[x * side + side // 2] for x in range(5)) for row in rows[side // 2 :: side]]
    assert [row[1:4] for row in cells[1:4]] == [b"\0\1\0", b"\0\0\1", b"\1\1\1"]
    assert palette[0] == (255, 255, 255)
    assert palette[1] == (24, 24, 27)


def test_colours_are_as_many_as_states() -> None:
    assert len(palette_of_lenia()) == len(set(palette_of_lenia())) == 256
    assert len(palette_of_states(255)) == 256
    assert len(palette_of_states(0)) == 2


@pytest.mark.parametrize(
    ("format", "data", "why"),
    [
        (Format.RLE, b"x=0,y=0\n!", "no live cell"),
        (Format.RLE, b"x=1,y=1\n9000000o!", "9,000,002 × 3 cells: more than"),
        (Format.RLE, b"x=1,y=9\no1329990$o!", "3 × 1,329,993 cells: a side of more than 16,384"),
        (Format.RLE, b"x=9,y=1\no1329990bo!", "1,329,994 × 3 cells: a side of more than 16,384"),
        (Format.PRIMORDIUM_CONFIG, files.CONFIG, "nothing draws primordium-config; bibites, "),
        (Format.BIBITES, b'{"genes":{"a":1}}', "no node in it"),
    ],
)
def test_what_cannot_be_drawn(format: Format, data: bytes, why: str) -> None:
    with pytest.raises(NoPicture, match=why):
        picture_of(format, data, "png")


@pytest.mark.parametrize(("between", "size"), [("16379$", (3, 16_382)), ("16380b", (16_384, 3))])
def test_a_png_may_be_as_long_as_it_may(between: str, size: tuple[int, int]) -> None:
    data = f"x=1,y=1\no{between}o!".encode()
    assert decoded(picture_of(Format.RLE, data, "png"))[:2] == size


def test_an_svg_of_too_many_cells_is_refused_before_it_is_made() -> None:
    row = "bo" * 1_000 + "$"
    data = ("x=1,y=1\n" + row * 200 + "!").encode()
    with pytest.raises(NoPicture, match="a PNG may hold them"):
        picture_of(Format.RLE, data, "svg")
    assert picture_of(Format.RLE, data, "png")


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_networks_of_any_kind_have_a_place_for_all(kind: Literal["svg", "png"]) -> None:
    tangle = Network(
        (Node(1, "input"), Node(2, "hidden"), Node(3, "hidden", "<b>"), Node(9, "output")),
        (Connection(1, 2, 1.0), Connection(2, 3, -2.0), Connection(1, 9, 0.5, False),
         Connection(3, 3, 9.0), Connection(3, 9, 1e300), Connection(7, 8, 1.0)),
    )  # fmt: skip
    drawn = graph_svg(tangle, "t") if kind == "svg" else graph_png(tangle)
    if kind == "svg":
        tags = [each.tag.removeprefix(SVG) for each in ET.fromstring(drawn)]
        assert (tags.count("line"), tags.count("circle"), tags.count("text")) == (4, 5, 4)
    else:
        used = {word for row in decoded(drawn)[3] for word in row}
        assert used == {*range(len(COLOURS))}
    many = Network(tuple(Node(n, "hidden") for n in range(NODES_MAX + 1)), ())
    with pytest.raises(NoPicture, match="can be told apart"):
        graph_png(many)


def test_the_longest_and_the_tallest_network_have_a_png_of_bounded_size() -> None:
    """Unbounded, the first would have 90,000 × 9,000 points."""
    half = NODES_MAX // 2
    chain = tuple(Node(n, "hidden") for n in range(1, half))
    deep = Network(
        (Node(0, "input"), *chain, *(Node(half + n, "output") for n in range(half))),
        (*(Connection(n, n + 1, 1.0) for n in range(half - 1)), Connection(half, 0, -1.0)),
    )
    dense = Network(
        (
            *(Node(n, "input") for n in range(half)),
            *(Node(half + n, "output") for n in range(half)),
        ),
        tuple(
            Connection(n % half, half + (n * 7 + n // half) % half, 1.0)
            for n in range(CONNECTIONS_MAX)
        ),
    )
    wide, flat, palette, rows = decoded(graph_png(deep))
    assert wide == PNG_SIDE_MAX
    assert flat <= PNG_SIDE_MAX
    assert {word for row in rows for word in row} >= {
        list(COLOURS).index(word) for word in ("paper", "input", "hidden", "output", "plus")
    }
    _, tall, _, _ = decoded(graph_png(dense))
    assert tall == PNG_SIDE_MAX
    assert len(palette) == len(COLOURS)


@given(
    st.tuples(st.integers(5, 40), st.integers(5, 40)),
    st.tuples(st.integers(5, 40), st.integers(5, 40)),
    st.integers(1, 4),
)
def test_a_line_leads_from_one_end_to_the_other(
    start: tuple[int, int], end: tuple[int, int], width: int
) -> None:
    """Each of its points touches the next, and none is further from the line than its width."""
    rows = [bytearray(50) for _ in range(50)]
    draw_line(rows, start, end, 1, width)
    points = {(x, y) for y, row in enumerate(rows) for x, point in enumerate(row) if point}
    assert {start, end} <= points
    (x1, y1), (x2, y2) = start, end
    longer = max(abs(x2 - x1), abs(y2 - y1))
    assert (longer + 1) <= len(points) <= (longer + 1) * width
    for x, y in points:
        area = abs((x2 - x1) * (y - y1) - (y2 - y1) * (x - x1))
        assert area <= width * max(longer, 1)
        assert longer == 0 or any(
            (x + dx, y + dy) in points
            for dx in (-1, 0, 1)
            for dy in (-1, 0, 1)
            if (dx, dy) != (0, 0)
        )
    again = [bytearray(50) for _ in range(50)]
    draw_line(again, end, start, 1, width)
    if width == 1 and (x1 == x2 or y1 == y2):
        assert again == rows


@given(st.integers(1, 9), st.integers(1, 9), st.randoms(use_true_random=False))
def test_a_png_holds_its_points(width: int, height: int, random: object) -> None:
    rows = [bytes((x * y + x) % 3 for x in range(width)) for y in range(height)]
    palette = [(0, 0, 0), (255, 0, 0), (1, 2, 3)]
    assert decoded(write_png(rows, width, height, palette)) == (width, height, palette, rows)
