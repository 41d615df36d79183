"""Snapshots kept: the bytes of a state as they come, then one signed change that names them."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import replace
from functools import partial
from typing import Final

from crdt.blob import BlobId, Chunking
from crdt.keys import NamespaceKey
from node.errors import Conflict, NotFound, Rejected
from node.services.joining import Answers
from node.services.offered import Kept, Offered
from node.services.snapshot_change import Bytes, Came, Change, Dropping, Named
from node.services.universes import Hand, document_of, events_for, signer_of, universe_meant
from node.services.uploads import Tally, counted
from registry.errors import UniverseFull
from storage.errors import NotHeld
from storage.listing import SnapshotRow
from storage.listings import ListedRow
from storage.store import Store
from universe.event import Event, decode_event, encode_event, event_id
from universe.parts import decay_json
from universe.record import add_snapshots, drop_snapshots
from universe.snapshot import AUTO_AS_MANUAL, Snapshot, encode_snapshot, goes_by_itself, is_alike

log = logging.getLogger(__name__)

SOURCE_GONE: Final = "the snapshot whose bytes it was to have was let go meanwhile: send them"
NOT_HERE: Final = "Its bytes are not here any more: send them."
NOT_KEPT: Final = "the universe has no room for it, or was changed at this very moment"


def as_games_mean_it(offered: Offered) -> Offered:
    """What a client without a token offers. Its program says of every save, of those by itself
    too, that it is made by hand: so it is an autosave. What it says beside a state is no reason to
    lose the state."""
    kind = AUTO_AS_MANUAL if offered.kind == "manual" else offered.kind
    return replace(offered, kind=kind, event_may_go=True)


async def keep_snapshot(
    by: Hand,
    row: ListedRow,
    offered: Offered | Callable[[], Offered],
    pieces: AsyncGenerator[bytes],
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
    goes in the same act. Raises `Rejected`, `BadRequest`, `Conflict`, `InvalidStatement`,
    `InvalidRecord`, `NotAllowed`, `OverQuota`.
    """
    now_us = by.clock_us()
    await signer_of(by, row)  # or not a byte of it is read
    tally, universe = Tally(), row.listing.target

    def check(of: Offered) -> None:
        nothing = Bytes(BlobId(bytes(32)), 1, bytes(32))
        encode_snapshot(_statement(universe, nothing, now_us, of, bytes(32)))

    async def checked() -> AsyncGenerator[bytes]:
        async with aclosing(counted(pieces, encoding, tally, checksum)) as plain:
            async for piece in plain:
                yield piece
                del piece
        if not isinstance(offered, Offered):  # before the last of it is kept
            check(offered())

    if isinstance(offered, Offered):
        check(offered)  # before a byte of it is read
    async with aclosing(checked()) as plain:  # at an error nobody else does so soon
        blob = await by.store.put_blob(plain, chunking=Chunking.CONTENT, size_bytes=size_bytes)
    of = offered if isinstance(offered, Offered) else offered()
    state = Bytes(blob, tally.size, tally.checksum)
    said = partial(_statement, universe, state, now_us)
    return await _named(by, row, Came(said, of, state, dropping))


async def keep_same(
    by: Hand,
    row: ListedRow,
    offered: Offered,
    source: SnapshotRow,
    *,
    media: str | None = None,
    checksum: bytes | None = None,
    dropping: Dropping | None = None,
) -> Kept:
    """As `keep_snapshot`, of the bytes of `source`, a snapshot of this universe that is here.

    None of them is read: their checksum is what that one says, which is checked whenever one of the
    two is read. `media`: of this state, which may be another; None: as that one's. What goes back
    inside of JSON is JSON, whatever is said. Raises `NotHeld` where they are not here, `NotFound`
    where `source` is let go meanwhile.
    """
    now_us = by.clock_us()
    await signer_of(by, row)
    if checksum not in (None, source.checksum):
        detail = f"snapshot {source.id.hex()} has bytes of the BLAKE3 {source.checksum.hex()}"
        raise Rejected(detail, code="checksum-mismatch")
    blob = BlobId(source.blob)
    if not await by.store.has_blob(blob):
        raise NotHeld(NOT_HERE)
    media = source.media if source.wrapped or media is None else media
    of = replace(offered, wrapped=source.wrapped, media=media)
    state = Bytes(blob, source.size, source.checksum)
    said = partial(_statement, row.listing.target, state, now_us)
    return await _named(by, row, Came(said, of, state, dropping, source))


async def _named(by: Hand, row: ListedRow, came: Came) -> Kept:
    """In a change with those that wait beside it; without its event where that may go."""
    universe, of = row.listing.target, came.of
    name = partial(_name_each, by, universe, row.namespace)
    try:
        return await by.uploads.join((row.namespace, universe), came, name, by.turn)
    except UniverseFull:
        if of.event is None or not of.event_may_go:
            raise
    bare = replace(came, of=replace(of, event=None))
    kept = await by.uploads.join((row.namespace, universe), bare, name, by.turn)
    log.warning("%s: no room for the event of tick %d: kept without it", universe, of.tick)
    return kept


async def _name_each(
    by: Hand, universe: str, place: NamespaceKey, came: Sequence[Came]
) -> Answers[Kept]:
    """All of them in one change; where that cannot be, each in its own: it hears what it is.

    For whoever holds `by.turn`.
    """
    settling: list[tuple[BlobId, BlobId]] = []
    with ExitStack() as asked:
        for one in came:  # nothing takes away what is here then: see `_name_together`
            asked.enter_context(by.store.asking(one.bytes.blob))
        try:
            answers = await _name_together(by, universe, place, came, settling)
        except Exception as error:
            if len(came) == 1:
                return [error]
            answers = [await _name_alone(by, universe, place, one, settling) for one in came]
    await by.store.settle_snapshots(settling)
    return answers


async def _name_alone(
    by: Hand,
    universe: str,
    place: NamespaceKey,
    came: Came,
    settling: list[tuple[BlobId, BlobId]],
) -> Kept | Exception | None:
    try:
        (answer,) = await _name_together(by, universe, place, [came], settling)
    except Exception as error:
        return error
    return answer


async def _name_together(
    by: Hand,
    universe: str,
    place: NamespaceKey,
    came: Sequence[Came],
    settling: list[tuple[BlobId, BlobId]],
) -> Answers[Kept]:
    """One change that names as many as fit; the others wait. `settling`: as the store has it.

    Where one has no room even so, and more is due than one change lets go, that goes before it.
    What came long ago, or was unpinned while it waited, may be gone: no such bytes are named.
    """
    here = await by.store.adopt_whole(one.bytes.blob for one in came)
    row = await universe_meant(by.store, universe, [place])
    document = document_of(row)
    signer = await by.signers.for_document(document)
    change = Change(by.store, row, signer.device)
    answers: list[Kept | Exception | None] = [None] * len(came)
    # In the order of their world, in which each follows the one before.
    for at in sorted(range(len(came)), key=lambda at: came[at].of.tick):
        if (source := came[at].source) and not await by.store.snapshot(row.number, source.id):
            answers[at] = NotFound(SOURCE_GONE, code="unknown-snapshot")
            continue
        if came[at].bytes.blob not in here:
            answers[at] = NotHeld(NOT_HERE)
            continue
        known = await _known(by.store, row, came[at])
        if known is not None and known.row.id in change.gone:
            break  # the next change says whether another is there, or names this one anew
        answers[at] = known
        if known is None and not await change.take(at, came[at]):
            break
    if not change.named:
        return answers
    adding = [one.adding for one in change.named]
    try:
        await by.store.commit(document, add_snapshots(adding, now_us=by.clock_us()), signer)
    except UniverseFull:
        if len(change.named) > 1 or not change.named[0].is_more_due:
            raise
        gone = drop_snapshots(adding[0].also_drop, now_us=by.clock_us())
        await by.store.commit(document, gone, signer, is_letting_go=True)
        answers = [*await _name_together(by, universe, place, came, settling)]
        return [_also(one, change.named[0], at) for at, one in enumerate(answers)]
    row = await universe_meant(by.store, universe, [place])
    for one in change.named:
        kept = await by.store.snapshot(row.number, one.adding.signed.id)
        answers[one.at] = (
            Conflict(NOT_KEPT, code="snapshot-not-kept")
            if kept is None
            else Kept(kept, one.adding.event, dropped=one.dropped)
        )
        if kept is not None and one.settles is not None:
            settling.append(one.settles)
    return answers


def _also(answer: Kept | Exception | None, before: Named, at: int) -> Kept | Exception | None:
    """With what had to go first, where it is the answer to `before`."""
    if at != before.at or not isinstance(answer, Kept):
        return answer
    return replace(answer, dropped=(*before.dropped, *answer.dropped))


async def _known(store: Store, row: ListedRow, came: Came) -> Kept | None:
    """The snapshot that says all this already, the newest of several.

    These bytes, at this tick, of this kind (`is_alike`) and with this decay: who asks later that it
    be kept for ever says something new. So does who has the same ticks obeyed where they are not,
    or the other way round (`goes_by_itself`), and who names an event that it was not taken for; one
    who names none says less, which is there. When either was said does not count: that differs each
    time.
    The blob does: a checksum is what its author says, and these bytes lie in that blob for sure.
    """
    of, decay = came.of, decay_json(came.of.decay)
    found = await store.same_snapshots(row.number, of.tick, came.bytes.checksum, decay)
    found = [one for one in found if one.blob == came.bytes.blob and is_alike(one.kind, of.kind)]
    goes = goes_by_itself(of.decay, is_wrapped=of.wrapped)
    found = [one for one in found if goes_by_itself(of.decay, is_wrapped=one.wrapped) == goes]
    found.sort(key=lambda one: one.kind != of.kind)
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
    universe: str, state: Bytes, now_us: int, of: Offered, parent: bytes | None
) -> Snapshot:
    event = _event(of)
    return Snapshot(
        universe=universe, tick=of.tick, kind=of.kind, blob=state.blob, size=state.size,
        checksum=state.checksum, media=of.media, day=of.day, parent=parent, wrapped=of.wrapped,
        at_us=now_us if of.at_us is None else of.at_us,
        event=None if event is None else event_id(event), decay=of.decay,
    )  # fmt: skip


def _event(of: Offered) -> bytes | None:
    return None if of.event is None else encode_event(of.event)
