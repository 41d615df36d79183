"""Snapshots kept: the bytes of a state as they come, then one signed change that names them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

from crdt.blob import BlobId, Chunking
from crdt.change import DocumentId, Signer
from node.errors import Rejected
from node.services.universes import Hand, document_of, events_for, signer_of, universe_meant
from node.services.uploads import Tally, counted
from registry.edits import Edit
from registry.errors import UniverseFull
from storage.listing import SnapshotRow
from storage.listings import ListedRow
from storage.store import Store
from universe.event import Event, decode_event, encode_event, event_id
from universe.parts import decay_json
from universe.record import DROPPED_MAX, add_snapshot, drop_snapshots
from universe.retention import Dropped
from universe.snapshot import (
    AUTO_AS_MANUAL,
    Decay,
    Snapshot,
    encode_snapshot,
    sign_snapshot,
)
from universe.taken import Taken, taken_from

Dropping: TypeAlias = Callable[[ListedRow, Taken], Awaitable[Sequence[Dropped]]]
"""Which snapshots of a universe go, by its rule, as this one comes."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A state to keep, apart from its bytes."""

    tick: int
    kind: str = "manual"
    """As in a statement."""
    media: str = "application/octet-stream"
    day: int | None = None
    wrapped: bool = False
    event: Event | None = None
    decay: Decay | None = None
    at_us: int | None = None
    """When it was taken; None: now."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot that is there now, and whether it was before."""

    row: SnapshotRow
    event: bytes | None = None
    """The one it was taken for, as it is stored."""
    is_known: bool = False
    dropped: tuple[Dropped, ...] = field(default=())
    """What went in the same act."""


def as_games_mean_it(offered: Offered) -> Offered:
    """What a client without a token offers. Its program says of every save, of those by itself
    too, that it is made by hand: so it is an autosave."""
    return replace(offered, kind=AUTO_AS_MANUAL) if offered.kind == "manual" else offered


async def keep_snapshot(
    by: Hand,
    row: ListedRow,
    offered: Offered | Callable[[], Offered],
    pieces: AsyncIterable[bytes],
    *,
    encoding: str = "identity",
    checksum: bytes | None = None,
    size_bytes: int | None = None,
    dropping: Dropping | None = None,
) -> Kept:
    """Keep a state: its bytes as a blob, however long, then one signed change that names it.

    What says the same of the same bytes is the snapshot that is there: see `_known`. `offered` may
    be known after the last piece only. `checksum`: BLAKE3 of the plain bytes, where the sender
    says it; `size_bytes`: of the plain bytes, where it is known. Where anything is wrong nothing is
    kept and nothing said. `dropping` is asked when the bytes are here, which may be hours later: it
    goes in the same act. Raises `Rejected`, `BadRequest`, `InvalidStatement`, `InvalidRecord`,
    `NotAllowed`, `OverQuota`.
    """
    document, now_us = document_of(row), by.clock_us()
    signer = await signer_of(by, row)
    tally, universe = Tally(), row.listing.target

    def said(of: Offered, blob: bytes, parent: bytes | None) -> Snapshot:
        at_us = now_us if of.at_us is None else of.at_us
        return _statement(universe, of, tally, BlobId(blob), parent, at_us)

    async def checked() -> AsyncGenerator[bytes]:
        async for piece in counted(pieces, encoding, tally, checksum):
            yield piece
        if not isinstance(offered, Offered):  # before the last of it is kept
            encode_snapshot(said(offered(), bytes(32), bytes(32)))

    if isinstance(offered, Offered):
        encode_snapshot(said(offered, bytes(32), bytes(32)))  # before a byte of it is read
    put = by.store.put_blob(checked(), chunking=Chunking.CONTENT, size_bytes=size_bytes)
    blob, of = await put, offered if isinstance(offered, Offered) else offered()
    async with by.turn:
        row = await universe_meant(by.store, universe, [row.namespace])
        known = await _known(by.store, row, of, tally.checksum)
        if known is not None:
            return known
        newest = await by.store.newest_snapshot(row.number)
        statement = said(of, blob, None if newest is None else newest.id)
        signed, due = sign_snapshot(statement, signer.device), tuple[Dropped, ...]()
        if dropping is not None:
            due = tuple(await dropping(row, taken_from(signed.id, statement)))
        add = partial(add_snapshot, signed, _event(of), now_us=now_us)
        dropped = await _written(by, document, signer, add, due)
        row = await universe_meant(by.store, universe, [row.namespace])
        kept = await by.store.snapshot(row.number, signed.id)
    if kept is None:
        detail = "the universe has no room for it, or was changed at this very moment"
        raise Rejected(detail, code="snapshot-not-kept")
    if newest is not None:  # the newest stays whole, what went before it becomes what differs
        is_next = of.tick >= newest.tick
        before = BlobId(newest.blob)
        pair = (before, blob) if is_next else (blob, before)
        await by.store.settle_snapshot(*pair)
    return Kept(kept, _event(of), dropped=dropped)


async def _written(
    by: Hand,
    document: DocumentId,
    signer: Signer,
    add: Callable[..., Edit],
    due: tuple[Dropped, ...],
) -> tuple[Dropped, ...]:
    """What of `due` went; the rest goes with what comes next.

    As many as one act lets go; more, in acts of their own before it, where it has no room else.
    """
    gone = 0
    while True:
        last = gone + DROPPED_MAX
        ids = tuple(one.snapshot.id for one in due[gone:last])
        try:
            await by.store.commit(document, add(also_drop=ids), signer)
        except UniverseFull:
            if last >= len(due):
                raise
            edit = drop_snapshots(ids, now_us=by.clock_us())
            await by.store.commit(document, edit, signer, is_letting_go=True)
            gone = last
        else:
            return due[:last]


async def _known(store: Store, row: ListedRow, of: Offered, checksum: bytes) -> Kept | None:
    """The snapshot that says all this already, the newest of several.

    These bytes, at this tick, of this kind and with this decay: who asks later that it be kept for
    ever says something new. So does who names an event that it was not taken for; one who names
    none says less, which is there. When either was said does not count: that differs each time.
    """
    decay = decay_json(of.decay)
    found = await store.same_snapshots(row.number, of.tick, of.kind, checksum, decay)
    events = await events_for(store, row, found)
    if of.event is not None:
        found = await asyncio.to_thread(_taken_for, found, events, of.event)
    if not found:
        return None
    return Kept(found[0], events.get(found[0].event or b""), is_known=True)


def _taken_for(
    rows: Sequence[SnapshotRow], events: dict[bytes, bytes], event: Event
) -> list[SnapshotRow]:
    """Those whose event says the same; thousands take a while to read."""
    same: dict[bytes, bool] = {}
    for id, encoded in events.items():
        stored = decode_event(encoded)
        same[id] = replace(event, at_us=stored.at_us) == stored
    return [one for one in rows if one.event is not None and same.get(one.event, False)]


def _statement(
    universe: str, of: Offered, tally: Tally, blob: BlobId, parent: bytes | None, at_us: int
) -> Snapshot:
    event = _event(of)
    return Snapshot(
        universe=universe, tick=of.tick, kind=of.kind, blob=blob, size=tally.size or 1,
        checksum=tally.checksum, media=of.media, at_us=at_us, day=of.day, parent=parent,
        event=None if event is None else event_id(event), wrapped=of.wrapped, decay=of.decay,
    )  # fmt: skip


def _event(of: Offered) -> bytes | None:
    return None if of.event is None else encode_event(of.event)
