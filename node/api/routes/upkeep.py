"""Keeping the node in order: the index, blobs, and stopping."""

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from node.api.endpoint import Call, Endpoint, writes
from node.api.models import (
    CollectBody,
    Collected,
    GoingBlob,
    NoQuery,
    Nothing,
    Reindexed,
    Request,
    Stopping,
)
from node.api.problems import ENCODER
from node.api.story import NDJSON, Story, TellLine, told
from node.services.gone_states import StateOf, states_of
from node.services.places import place_text
from node.services.scrub import ScrubReport, refuse_second, scrub
from node.wiring import Node
from storage.foreseeing import Going

GOING_MAX: Final = 1_000
"""Of what would go, in one answer."""


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


async def collect_blobs(node: Node, call: Call[NoQuery, CollectBody]) -> Collected:
    """Drop what its owner let go for good, and blobs that nothing refers to.

    Also those that were kept because records name them, where none that counts does any more. With
    `dry_run` only say what would go, and of which universes and ticks.
    """
    if call.body.dry_run:
        return await _foreseen(node)
    await node.store.drop()
    await node.keeping.look()
    collected = await node.store.gc()
    return Collected(collected.blobs, collected.bytes, collected.young, collected.damaged)


async def _foreseen(node: Node) -> Collected:
    """What would go, told by doing it and taking that back."""
    found = await node.store.foresee_gc(await node.keeping.unnamed())
    states = await states_of(node.store, {one.blob for one in found.going})
    going = [_going(one, states.get(one.blob)) for one in found.going]
    going.sort(key=lambda one: (one.universe is None, one.universe, one.tick or 0, one.blob))
    return Collected(
        blobs=len(going),
        bytes=found.bytes,
        young=found.young,
        damaged=found.damaged,
        dry_run=True,
        going=tuple(going[:GOING_MAX]),
        left_off=max(0, len(going) - GOING_MAX),
    )


def _going(one: Going, state: StateOf | None) -> GoingBlob:
    id = one.blob.hex()
    if state is None:
        return GoingBlob(id, one.size, None, None, None, None)
    place = place_text(state.namespace)
    return GoingBlob(id, one.size, state.universe, place, state.tick, state.snapshot.hex())


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
    writes("/api/gc", collect_blobs, Collected, body=CollectBody, is_replayable=False),
    Endpoint(
        "POST", "/api/scrub", scrub_blobs, "write", {200: NDJSON}, NoQuery, ScrubBody,
        problems=(409, 413, 415, 422),
    ),
    writes("/api/shutdown", shut_down, Stopping, body=Nothing, access="admin", is_replayable=False),
)  # fmt: skip
