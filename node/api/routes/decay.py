"""Snapshots that stayed as long as whoever sent them said: shown, and let go when a client asks.

Games of the multiverse say of each save how long it is to stay, and ask for a cleanup themselves:
no upload lets one go for that (`universe.taken`).
"""

import logging
from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict

from node.api.bare_ids import id_told, is_theirs
from node.api.cleaned import cleaned_list
from node.api.endpoint import Call, reads, writes
from node.api.routes.universes import A_UNIVERSE, OPENED, hand_of, universe_called
from node.api.timeline_models import (
    Cleanup,
    CleanupDone,
    Decaying,
    DecayQuery,
    DecayShown,
    NewCleanup,
)
from node.api.universe_models import UniverseQuery
from node.api.universes_shown import entry_of
from node.services.pruning import Pruned, due, prune
from node.services.universes import events_for
from node.text import size_text
from node.wiring import Node
from storage.listing import SnapshotRow
from storage.listings import ListedRow
from storage.snapshots import PAGE_MAX
from universe.retention import KEEP_ALL

log = logging.getLogger(__name__)


async def preview_decay(node: Node, call: Call[DecayQuery, None]) -> DecayShown:
    """Which snapshots a cleanup at `currentTick` would drop: those with a decay that is over."""
    row = await universe_called(node, call)
    given = call.query.currentTick
    held, found = await _over(node, row, None if given is None else int(given))
    tick = int(given) if given is not None else _last_tick(held)
    gone = [held[id] for one in found.dropped if (id := one.snapshot.id) in held]
    events = await events_for(node.store, row, gone)
    as_sent = is_theirs(node, call)
    shown = (entry_of(one, events.get(one.event or b""), is_as_sent=as_sent) for one in gone)
    return DecayShown(
        universeId=await id_told(node, call, row.listing.target),
        currentTick=tick,
        snapshotsToDecay=len(gone),
        snapshots=tuple(Decaying(**asdict(one), tau=tick - one.tick) for one in shown),
    )


async def clean_up(node: Node, call: Call[UniverseQuery, NewCleanup]) -> CleanupDone:
    """Drop the snapshots whose own decay is over at `currentTick`, and none besides.

    Canonical ones, the newest, and what forks and events need stay, as `prune` has it; so does what
    says nothing of how long it is to be kept.
    """
    row = await universe_called(node, call)
    hand = hand_of(node)
    async with hand.turn:  # nothing is told or kept between what is found due and its going
        held, found = await _over(node, row, int(call.body.currentTick))
        await prune(hand, row, found.dropped)
    gone, size = len(found.dropped), sum(one.snapshot.size for one in found.dropped)
    message = f"{gone:,} snapshots let go, {size_text(size)}; {len(held) - gone:,} kept"
    if gone:
        log.info("%s: a cleanup at tick %d: %s", row.listing.target, call.body.currentTick, message)
    return CleanupDone(True, Cleanup(len(held), gone, len(held) - gone, size), message)


async def _over(
    node: Node, row: ListedRow, tick: int | None
) -> tuple[Mapping[bytes, SnapshotRow], Pruned]:
    """All snapshots by their ids, and which of them stayed as long as they say."""
    rows = await node.store.snapshots(row.number, limit=PAGE_MAX)
    found = await due(
        node.store, row, now_us=node.clock_us(), policy=KEEP_ALL, tick=tick, is_decay_asked=True
    )
    return {one.id: one for one in rows}, found


def _last_tick(held: Mapping[bytes, SnapshotRow]) -> int:
    """Of what was kept last: from there on a decay counts where no tick is said."""
    last = max(held.values(), key=lambda one: (one.at_us, one.tick, one.id), default=None)
    return 0 if last is None else last.tick


ENDPOINTS: tuple[Any, ...] = (
    reads(
        f"{A_UNIVERSE}/decay-preview", preview_decay, DecayShown, query=DecayQuery,
        problems=(404, 409, 422), clean_query=cleaned_list,
    ),
    writes(
        f"{A_UNIVERSE}/cleanup", clean_up, CleanupDone, body=NewCleanup, query=UniverseQuery,
        problems=(403, 404), opened_by=OPENED,
    ),
)  # fmt: skip
