"""What a genome looks like, for whoever looks at it in a browser."""

import asyncio
from typing import Final

from blake3 import blake3
from starlette.responses import Response

from node._version import __version__
from node.api.endpoint import Call, reads
from node.api.models import InNamespace
from node.api.requests import is_known
from node.errors import Rejected
from node.services.life import GENOME, content_of, find_record
from node.services.places import place_meant
from node.wiring import Node
from registry.formats import detect
from registry.pictures import NoPicture, picture_of

DRAWN_BYTES_MAX: Final = 256 << 10
"""Of a genome that is drawn for whoever asks: at most some tenths of a second."""
SVG: Final = "image/svg+xml"


async def get_picture(node: Node, call: Call[InNamespace, None]) -> Response:
    """A genome as SVG: cells or a network. In an `<img>` nothing of it can run.

    Drawn by what its bytes are, whatever its record says; fetched from peers where they are not
    here. 422 where nothing draws it: `panspermia picture` draws larger ones.
    """
    place = await place_meant(node.store, call.query.namespace)
    found = await find_record(node.store, GENOME, call.path[GENOME.word], place)
    listing = found.row.listing
    named = blake3(listing.name.encode()).hexdigest(length=8)  # its title, and may change
    tag = f'"{listing.record}-{named}-{__version__}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if is_known(call.request, tag):
        return Response(status_code=304, headers=headers)
    try:
        data = await content_of(node.store, node.network, found, size_bytes_max=DRAWN_BYTES_MAX)
    except Rejected as error:
        raise NoPicture(_too_large(error.detail)) from error
    if len(data) > DRAWN_BYTES_MAX:
        raise NoPicture(_too_large(f"{len(data):,} bytes"))
    async with node.drawing:
        drawn = await asyncio.to_thread(_draw, data, listing.name)
    return Response(drawn, 200, headers, SVG)


def _too_large(what: str) -> str:
    return f"{what}; at most {DRAWN_BYTES_MAX:,} bytes are drawn here"


def _draw(data: bytes, title: str) -> bytes:
    return picture_of(detect("", data), data, "svg", title=title)


ENDPOINTS = (
    reads(
        "/api/registry/genomes/{genome:record}/picture", get_picture, SVG, query=InNamespace,
        problems=(404, 422, 504),
    ),
)  # fmt: skip
