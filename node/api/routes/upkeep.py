"""Keeping the node in order: the index, blobs, and stopping."""

from collections.abc import Mapping

from starlette.responses import Response

from node.api.endpoint import Call, Endpoint, writes
from node.api.models import Collected, NoQuery, Nothing, Reindexed, Request, Stopping
from node.api.problems import ENCODER
from node.api.story import NDJSON, Story, TellLine, told
from node.services.scrub import ScrubReport, refuse_second, scrub
from node.wiring import Node


class ScrubBody(Request, frozen=True):
    """How what is kept is read."""

    dry_run: bool = False
    """Nothing is dropped and nothing fetched."""


async def reindex(node: Node, call: Call[NoQuery, Nothing]) -> Reindexed:
    """Make lists and the search index again from the entries."""
    await node.store.rematerialise()
    records = await node.index.rebuild()
    node.events.publish("index", {"state": "rebuilt", "records": records})
    return Reindexed(records)


async def collect_blobs(node: Node, call: Call[NoQuery, Nothing]) -> Collected:
    """Drop what its owner let go for good, and blobs that nothing refers to.

    Also those that were kept because records name them, where none that counts does any more.
    """
    await node.store.drop()
    await node.keeping.look()
    collected = await node.store.gc()
    return Collected(collected.blobs, collected.bytes, collected.young, collected.damaged)


async def scrub_blobs(node: Node, call: Call[NoQuery, ScrubBody]) -> Response:
    """Read everything kept of blobs, drop what the disk damaged of it, and fetch that again.

    Lines are `{"stage": "read", "id": "blobs", "done", "total"}` in bytes; for each damaged blob
    `{"event": "damaged", "id", "size", "of"}`, `{"stage": "fetch", "id", "done", "total"}` while it
    comes, and `{"event": "mended" | "lost", …}`; then `{"event": "result", …}` or
    `{"event": "error", …}`. Who stops reading stops it; what was dropped is fetched by
    the next one. One at a time: of a second one 409 `scrub-running`.
    """

    async def work(tell: TellLine) -> ScrubReport:
        def tell_line(line: Mapping[str, object]) -> None:
            tell(ENCODER.encode(line) + b"\n")

        return await scrub(node.store, node.network, tell_line, is_dry_run=call.body.dry_run)

    refuse_second(node.store)
    return Story(told("a scrub", work))


async def shut_down(node: Node, call: Call[NoQuery, Nothing]) -> Stopping:
    """Stop the node in order."""
    node.stop.set()
    return Stopping("stopping")


ENDPOINTS = (
    writes("/api/reindex", reindex, Reindexed, body=Nothing, is_replayable=False),
    writes("/api/gc", collect_blobs, Collected, body=Nothing, is_replayable=False),
    Endpoint(
        "POST", "/api/scrub", scrub_blobs, "write", {200: NDJSON}, NoQuery, ScrubBody,
        problems=(409, 413, 415, 422),
    ),
    writes("/api/shutdown", shut_down, Stopping, body=Nothing, access="admin", is_replayable=False),
)  # fmt: skip
