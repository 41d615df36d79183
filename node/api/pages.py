"""The node's own page and the documentation of the API: static files, read once.

`/` shows how the node does, `/docs` reads /openapi.json. No inline script, no CDN.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from node.api.requests import etag, is_known

WEB: Final = Path(__file__).parent.parent / "web"
# Not `mimetypes`: a system's own table may map .js wrongly.
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
ALIASES: Final = {"index.html": "/", "docs.html": "/docs"}

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


def page_routes(folder: Path = WEB) -> list[Route]:
    """One route a file: whole paths, so nothing outside the folder can be asked for."""
    files = sorted(path for path in folder.iterdir() if path.suffix in TYPES)
    return [Route(ALIASES.get(path.name, f"/web/{path.name}"), _page(path)) for path in files]


def _page(path: Path) -> Handler:
    content = path.read_bytes()
    headers = {"etag": etag(content), "cache-control": "no-cache"}

    async def page(request: Request) -> Response:
        if is_known(request, headers["etag"]):
            return Response(status_code=304, headers=headers)
        return Response(content, 200, headers, TYPES[path.suffix])

    return page
