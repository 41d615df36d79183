"""The addresses of multiverse clients that ask everything below `/api/multiverse`.

The first of them asked `/api/universe/…` and only a few things there; the later ones, and the pages
of games, ask all of it there: one thing has one endpoint, whichever way it is asked for.
"""

from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX: Final = "/api/multiverse/"
MOVED: Final = frozenset({"universe", "universes", "passage", "passages", "player"})


@dataclass(frozen=True, slots=True)
class MultiverseAddresses:
    """In front of whatever looks at a path: `/api/multiverse/universe/…` is `/api/universe/…`."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (path := moved(scope["path"])) is not None:
            scope = {**scope, "path": path}
        await self.app(scope, receive, send)


def moved(path: str) -> str | None:
    """Where it is here; None where that is `path` itself."""
    if not path.startswith(PREFIX):
        return None
    rest = path.removeprefix(PREFIX)
    return f"/api/{rest}" if rest.partition("/")[0] in MOVED else None
