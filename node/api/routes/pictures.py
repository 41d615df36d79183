"""What a genome looks like, for whoever looks at it in a browser."""

import asyncio
from dataclasses import dataclass
from typing import Final

from blake3 import blake3
from starlette.requests import Request
from starlette.responses import Response

from node._version import __version__
from node.api.asked import find_called
from node.api.endpoint import Call, reads
from node.api.models import InNamespace
from node.api.requests import is_known
from node.errors import Rejected
from node.services.life import GENOME, Found, content_of
from node.wiring import Node
from registry.formats import detect
from registry.pictures import Kind, NoPicture, picture_of

DRAWN_BYTES_MAX: Final = 256 << 10
"""Of a genome that is drawn for whoever asks: at most some tenths of a second."""
SVG: Final = "image/svg+xml"
PNG: Final = "image/png"


async def get_picture(node: Node, call: Call[InNamespace, None]) -> Response:
    """A genome as SVG: cells or a network. In an `<img>` nothing of it can run.

    Drawn by what its bytes are, whatever its record says; fetched from peers where they are not
    here. 422 where nothing draws it: `panspermia picture` draws larger ones.
    """
    found = await find_called(node, GENOME, call)
    name = found.row.listing.name
    named = blake3(name.encode()).hexdigest(length=8)  # its title, and may change
    return await _picture(node, call.request, found, Drawing("svg", SVG, named, name))


async def get_picture_png(node: Node, call: Call[InNamespace, None]) -> Response:
    """A genome as PNG, for what shows no SVG; also of more cells than one holds. No words in it."""
    return await _picture(
        node, call.request, await find_called(node, GENOME, call), Drawing("png", PNG)
    )


@dataclass(frozen=True, slots=True)
class Drawing:
    """`version`: of what is drawn beside the bytes."""

    kind: Kind
    media: str
    version: str = "png"
    title: str = ""


async def _picture(node: Node, request: Request, found: Found, drawing: Drawing) -> Response:
    tag = f'"{found.row.listing.record}-{drawing.version}-{__version__}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    try:
        data = await content_of(
            node.store, node.network, found, seats=node.seats, size_bytes_max=DRAWN_BYTES_MAX
        )
    except Rejected as error:
        raise NoPicture(_too_large(error.detail)) from error
    if len(data) > DRAWN_BYTES_MAX:
        raise NoPicture(_too_large(f"{len(data):,} bytes"))
    async with node.drawing:
        drawn = await asyncio.to_thread(_draw, data, drawing)
    return Response(drawn, 200, headers, drawing.media)


def _too_large(what: str) -> str:
    return f"{what}; at most {DRAWN_BYTES_MAX:,} bytes are drawn here"


def _draw(data: bytes, drawing: Drawing) -> bytes:
    return picture_of(detect("", data), data, drawing.kind, title=drawing.title)


ENDPOINTS = (
    reads(
        "/api/registry/genomes/{genome:record}/picture", get_picture, SVG, query=InNamespace,
        problems=(404, 422, 504),
    ),
    reads(
        "/api/registry/genomes/{genome:record}/picture.png", get_picture_png, PNG,
        query=InNamespace, problems=(404, 422, 504),
    ),
)  # fmt: skip
