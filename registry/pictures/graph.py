"""Networks: inputs on the left, outputs on the right, hidden nodes between them by their distance.

All places are whole numbers, so that the same network is drawn with the same bytes everywhere.
"""

from collections import defaultdict, deque
from collections.abc import Mapping

from registry.formats.networks import Connection, Network, Node
from registry.pictures.errors import NoPicture
from registry.pictures.png import Colour, write_png
from registry.pictures.points import Place, draw_disc, draw_line
from registry.pictures.svg import escaped, framed

NODES_MAX = 600
CONNECTIONS_MAX = 6_000
PNG_SIDE_MAX = 2_000  # of the longer side: 4 MB of points, and a line costs a step for each

COLUMN, ROW, MARGIN, RADIUS = 150, 30, 70, 8
LABEL_CHARACTERS_MAX = 18
WIDTHS = (1, 2, 3, 4)  # points, by how heavy a connection is among the others

COLOURS: Mapping[str, Colour] = {
    "paper": (255, 255, 255),
    "input": (37, 99, 235),
    "hidden": (113, 113, 122),
    "output": (22, 163, 74),
    "plus": (14, 116, 144),
    "minus": (220, 38, 38),
    "off": (212, 212, 216),
}
_ORDER = tuple(COLOURS)


def graph_svg(network: Network, title: str) -> bytes:
    """Raises `NoPicture` where nobody would see anything in it."""
    places, width, height = _layout(network)
    parts: list[str] = []
    for each, weight in _weighed(network, places):
        (x1, y1), (x2, y2) = places[each.source], places[each.target]
        style = _style(each, weight)
        line = f'stroke="{_hex(_colour(each))}" {style}'
        if each.source == each.target:
            parts.append(f'<circle cx="{x1}" cy="{y1 - 12}" r="9" fill="none" {line}/>')
        else:
            parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" {line}/>')
    for node in _unique(network):
        x, y = places[node.id]
        parts.append(f'<circle cx="{x}" cy="{y}" r="{RADIUS}" fill="{_hex(node.kind)}"/>')
        parts.append(_label(node, x, y))
    return framed(parts, (0, 0, width, height), (width, height), title)


def graph_png(network: Network) -> bytes:
    """The same without words; made smaller where it would be larger than `PNG_SIDE_MAX`."""
    drawn, width, height = _layout(network)
    scale = _Scale(max(width, height))
    places = {id: (scale.place(x), scale.place(y)) for id, (x, y) in drawn.items()}
    rows = [bytearray(scale.side(width)) for _ in range(scale.side(height))]
    for each, weight in _weighed(network, places):
        colour = _ORDER.index(_colour(each))
        if each.source == each.target:
            x, y = places[each.source]
            loop = (x, y - scale.length(12))
            draw_disc(rows, loop, scale.length(9), colour)
            draw_disc(rows, loop, scale.length(9) - 1, _ORDER.index("paper"))
            continue
        width = scale.length(WIDTHS[weight])
        draw_line(rows, places[each.source], places[each.target], colour, width)
    for node in _unique(network):
        draw_disc(rows, places[node.id], scale.length(RADIUS), _ORDER.index(node.kind))
    colours = [COLOURS[word] for word in _ORDER]
    return write_png(map(bytes, rows), len(rows[0]), len(rows), colours)


class _Scale:
    """From points of a drawing to those of a picture; the margin stays as it is."""

    def __init__(self, longer: int) -> None:
        self._of = longer - 2 * MARGIN
        self._points = min(self._of, PNG_SIDE_MAX - 2 * MARGIN)

    def place(self, at: int) -> int:
        return MARGIN + self._scaled(at - MARGIN)

    def side(self, points: int) -> int:
        return 2 * MARGIN + self._scaled(points - 2 * MARGIN)

    def length(self, points: int) -> int:
        return max(1, self._scaled(points))

    def _scaled(self, points: int) -> int:
        return points * self._points // self._of if self._of else points


def _layout(network: Network) -> tuple[dict[int, Place], int, int]:
    nodes = _unique(network)
    if not nodes:
        raise NoPicture("there is no node in it")
    if len(nodes) > NODES_MAX or len(network.connections) > CONNECTIONS_MAX:
        counts = f"{len(nodes):,} nodes and {len(network.connections):,} connections"
        raise NoPicture(f"{counts}: at most {NODES_MAX} and {CONNECTIONS_MAX:,} can be told apart")
    columns = _columns(nodes, network)
    tallest = max(len(column) for column in columns)
    width = (len(columns) - 1) * COLUMN + 2 * MARGIN
    height = (tallest - 1) * ROW + 2 * MARGIN
    places: dict[int, Place] = {}
    for number, column in enumerate(columns):
        top = MARGIN + (tallest - len(column)) * ROW // 2
        top += ROW // 3 * (number % 2)  # else what passes a column by would lie under it
        for row, node in enumerate(column):
            places[node.id] = (MARGIN + number * COLUMN, top + row * ROW)
    return places, width, height


def _columns(nodes: list[Node], network: Network) -> list[list[Node]]:
    """Hidden nodes stand by the shortest way from an input; those without one first among them."""
    kinds = {node.id: node.kind for node in nodes}
    leads: dict[int, list[int]] = defaultdict(list)
    for each in network.connections:
        if kinds.get(each.target) == "hidden":
            leads[each.source].append(each.target)
    depth = {node.id: 0 for node in nodes if node.kind == "input"}
    pending = deque(depth)
    while pending:
        source = pending.popleft()
        for target in leads[source]:
            if target not in depth:
                depth[target] = depth[source] + 1
                pending.append(target)
    layers: dict[int, list[Node]] = defaultdict(list)
    for node in nodes:
        if node.kind == "hidden":
            layers[max(1, depth.get(node.id, 1))].append(node)
    inputs = [node for node in nodes if node.kind == "input"]
    outputs = [node for node in nodes if node.kind == "output"]
    columns = [inputs, *(layers[level] for level in sorted(layers)), outputs]
    return [column for column in columns if column]


def _unique(network: Network) -> list[Node]:
    return sorted({node.id: node for node in network.nodes}.values(), key=lambda node: node.id)


def _weighed(network: Network, places: Mapping[int, Place]) -> list[tuple[Connection, int]]:
    """Those whose ends are both there, the lightest first, each with its place in `WIDTHS`."""
    whole = [each for each in network.connections if {each.source, each.target} <= places.keys()]
    whole.sort(key=lambda each: (each.is_enabled, abs(each.weight), each.source, each.target))
    heaviest = max((abs(each.weight) for each in whole), default=0.0)
    return [(each, _step(abs(each.weight), heaviest)) for each in whole]


def _step(weight: float, heaviest: float) -> int:
    """Quarters of the heaviest one."""
    steps = (heaviest * part / len(WIDTHS) for part in range(1, len(WIDTHS)))
    return sum(weight > step for step in steps)


def _colour(each: Connection) -> str:
    return ("plus" if each.weight >= 0 else "minus") if each.is_enabled else "off"


def _style(each: Connection, weight: int) -> str:
    dashed = "" if each.is_enabled else ' stroke-dasharray="4 4"'
    return f'stroke-width="{WIDTHS[weight]}" stroke-opacity="0.6"{dashed}'


def _label(node: Node, x: int, y: int) -> str:
    text = node.label or str(node.id)
    shown = escaped(text if len(text) <= LABEL_CHARACTERS_MAX else f"{text[:17]}…")
    place = {
        "input": f'x="{x - 14}" y="{y + 4}" text-anchor="end"',
        "hidden": f'x="{x}" y="{y - 12}" text-anchor="middle"',
        "output": f'x="{x + 14}" y="{y + 4}" text-anchor="start"',
    }[node.kind]
    return f'<text {place} font-family="sans-serif" font-size="10">{shown}</text>'


def _hex(word: str) -> str:
    return "#{:02x}{:02x}{:02x}".format(*COLOURS[word])
