"""All passages that the node knows, page after page."""

from collections.abc import Iterator, Mapping

from node.commands.console import node
from node.failure import Json

LISTED_MAX = 1_000


def passages_known(query: Mapping[str, str | None]) -> Iterator[Json]:
    """Of all, or what `query` of `GET /api/passages` says."""
    cursor: str | None = None
    while True:
        asked = {**query, "limit": LISTED_MAX, "cursor": cursor}
        page = node().get("/api/passages", asked)
        yield from page["passages"]
        cursor = page["next"]
        if cursor is None:
            return
