"""Universes and snapshots as JSON: rows that are ready, with what this node counts beside them."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from crdt.keys import NamespaceKey
from node.api.universe_models import CanonEvent, Gone, SnapshotEntry
from node.services.places import place_text
from node.services.universes import joined_places
from registry.published import shown
from storage.listing import SnapshotRow
from storage.listings import ListedRow
from storage.snapshots import UniverseCount
from storage.store import Store
from universe.event import Event, decode_event
from universe.retention import Dropped
from universe.snapshot import kind_of, kind_sent

_SUFFIXES = {"application/json": "json", "text/plain": "txt", "application/gzip": "gz"}
_NONE = UniverseCount()
MADE_READY: Final = 100  # universes in one go: a millisecond
MADE_READY_MAX: Final = 12_800
"""Universes: more would push out the first ones."""

log = logging.getLogger(__name__)


async def make_ready(store: Store) -> None:
    """Puts together what lists show, behind a start: the first one is then as quick as the next."""
    try:
        places, more = await joined_places(store), None
        for _ in range(0, MADE_READY_MAX, MADE_READY):
            page = await store.ready_universes(
                meta_made, places, sort="recent", limit=MADE_READY, cursor=more
            )
            if (more := page.next) is None:
                return
            await asyncio.sleep(0)
    except Exception:  # whoever asks for a list is told why there is none
        log.debug("lists of universes are not made ready", exc_info=True)


async def metas_of(store: Store, rows: Sequence[ListedRow]) -> list[bytes]:
    """The JSON of each, in order."""
    counts = await store.universe_counts([row.number for row in rows]) if rows else {}
    return [
        meta_made(
            row.listing.fields, row.listing.target, row.namespace, counts.get(row.number, _NONE)
        )
        for row in rows
    ]


def meta_made(fields: bytes, target: str, namespace: NamespaceKey, count: UniverseCount) -> bytes:
    """The JSON of one with these fields, of this full name."""
    return shown(
        fields,
        {
            "lastSnapshotAt": count.newest_us // 1_000,
            "snapshotCount": count.snapshots,
            "lastTick": count.last_tick,
            "bytes": count.bytes,
            "fullName": target,
            "namespace": place_text(namespace),
        },
    )


def entry_of(
    row: SnapshotRow, event: bytes | None = None, *, is_as_sent: bool = False
) -> SnapshotEntry:
    """`event`: the one it was taken for, encoded, where it is known here.

    `is_as_sent`: of the kind that its program calls it, and of day 0, as a game reads it.
    """
    type = kind_sent(row.kind) if is_as_sent else kind_of(row.kind)
    suffix = _SUFFIXES.get(row.media.partition(";")[0].strip().lower(), "bin")
    return SnapshotEntry(
        id=row.id.hex(),
        tick=row.tick,
        timestamp=row.at_us // 1_000,
        day=day_of(row.day, is_as_sent=is_as_sent),
        type=type,
        kind="" if is_as_sent or type == row.kind else row.kind,
        canonEvent=None if event is None else canon_of(decode_event(event), is_as_sent=is_as_sent),
        fileSize=row.size,
        checksum=row.checksum.hex(),
        blob=row.blob.hex(),
        filename=f"{row.tick}.{suffix}",
        media=row.media,
        decayPolicy=msgspec.Raw(row.decay.encode()) if row.decay else None,
        parent=row.parent.hex() if row.parent else None,
        inherited=row.is_inherited,
        wrapped=row.wrapped,
    )


def gone_of(one: Dropped, *, is_as_sent: bool = False) -> Gone:
    """`is_as_sent`: as in `entry_of`."""
    taken = one.snapshot
    id, at_ms = taken.id.hex(), taken.at_us // 1_000
    kind = taken.sent if is_as_sent else taken.kind
    return Gone(id, taken.tick, kind, at_ms, taken.size, one.why, taken.blob.hex())


def day_of(day: int | None, *, is_as_sent: bool) -> int | None:
    """A game takes it for a number."""
    return 0 if day is None and is_as_sent else day


def canon_of(event: Event, *, is_as_sent: bool = False) -> CanonEvent:
    return CanonEvent(
        type=event.type,
        title=event.title,
        description=event.description,
        day=day_of(event.day, is_as_sent=is_as_sent),
        importance=event.importance,
        entities=event.entities,
        souls=event.souls,
        parents=event.parents,
    )


def entries_of(
    rows: Sequence[SnapshotRow], events: Mapping[bytes, bytes], *, is_as_sent: bool = False
) -> tuple[SnapshotEntry, ...]:
    """`events`: encoded, by their ids; `is_as_sent`: as in `entry_of`."""
    return tuple(entry_of(row, events.get(row.event or b""), is_as_sent=is_as_sent) for row in rows)
