"""The reads that are asked most, found by their path at once: past the framework's layers.

Starlette tries routes in turn, within two layers that turn errors into answers; a handler of ours
has answered all of its own by then. That is a tenth of what a search costs, twice that of a list
that is known already.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from node.api.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class FixedPaths:
    """In front of the routes: answers GET on a path of `handlers`, and passes on all else."""

    app: ASGIApp
    handlers: Mapping[str, Callable[[Request], Awaitable[Response]]]
    on_bug: Callable[[Request, Exception], Awaitable[Response]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = None
        if scope["type"] == "http" and scope["method"] == "GET":
            handler = self.handlers.get(scope["path"])
        if handler is None:
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await handler(request)
        except Exception as error:
            response = await self.on_bug(request, error)
            await response(scope, receive, send)
            raise  # as Starlette does: the server tells of it too
        await response(scope, receive, send)


def handlers_of(
    routes: Iterable[Route], endpoints: Iterable[Endpoint[Any, Any]]
) -> dict[str, Callable[[Request], Awaitable[Response]]]:
    """Of the remembered reads whose path has no variable part."""
    asked = {one.path for one in endpoints if one.is_remembered and "{" not in one.path}
    return {route.path: route.endpoint for route in routes if route.path in asked}
