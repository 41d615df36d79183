"""What a document names and does not show: what it would say undeleted, what fell, and what has no
place in its lists.

    entries ─▸ judged ─▸ built ─▸ deleted? ───────▸ its row without the mark ─┐
                 │         ├────▸ crowded? ───────▸ all of its row            ├─▸ named, without
                 │         └────▸ no row of it? ──▸ what all changes put      │   a size
                 └─▸ fell? ─▸ what those changes put ─────────────────────────┘

All may come back, and then want their bytes. Where they came in turn, the rows of before name them
and stay (`storage.append`); here it is told from the entries alone, so that a restored home, or
another device, which has them all at once, keeps as much. Of this person's own documents only:
of others nothing is wanted before it is shown.

Each change is looked at once: as it falls, or as it comes to a document of which no row can be
made. So what fell or counted before is named, and by its bytes alone (`storage.said`): what else is
here, or is revoked, has no bearing on it. But for what was let go, where that falls: it is back. So
a row is made again as soon as other changes count, and where none can be, all that count are looked
at. Records other than universes say otherwise which blobs they need: of these a row is made as if
nothing had been revoked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from crdt.keys import COMMONS
from crdt.marks import DELETED
from crdt.order import ITEM_ID_BYTES
from crdt.statement import is_statement_class
from storage.contested import is_contested
from storage.database import Reading, Writing
from storage.documents import Materialiser, load_raws, raw_of
from storage.listing import Listing, Projection
from storage.materialise import (
    UNPROJECTABLE,
    Authority,
    Built,
    Work,
    fallen,
    is_incremental,
    judge,
    projected,
)
from storage.namers import UNCOUNTED, names_as_own
from storage.said import said_by, said_in

PAYLOADS: Final = f"SELECT payload FROM entry WHERE substr(id, 1, {ITEM_ID_BYTES}) IN (*)"
_SIZES: Final = f"SELECT length(payload) FROM entry WHERE substr(id, 1, {ITEM_ID_BYTES}) IN (*)"
READ_AT_ONCE: Final = 256  # changes in memory that are looked through: 16 MiB
_NAME: Final = (
    "INSERT OR IGNORE INTO blob_use (document, blob, namespace, at_us)"
    f" SELECT number, ?2, namespace, {UNCOUNTED} FROM document WHERE number = ?1"
)

_CLOSE: Final = (
    f"UPDATE blob_use SET at_us = {UNCOUNTED} WHERE document = ?1 AND at_us <> {UNCOUNTED}"
    " AND lower(hex(blob)) NOT IN (SELECT value FROM json_each(?2))"
)
_OPEN: Final = (
    f"UPDATE blob_use SET at_us = 0 WHERE document = ?1 AND at_us = {UNCOUNTED}"
    " AND lower(hex(blob)) IN (SELECT value FROM json_each(?2))"
)


@dataclass(frozen=True, slots=True)
class _Row:
    """Of a document, as it would be undeleted."""

    listing: Listing | None
    is_unread: bool
    """It should have a row, and none can be made."""


async def name_unshown(
    write: Writing, built: Sequence[Built], materialiser: Materialiser, *, is_anew: bool = False
) -> None:
    """To be called before the rows of what is shown are written: it has those of before.

    `is_anew`: nothing is taken to be named already.
    """
    for one in built:
        await _mark(write, one, materialiser, is_anew=is_anew)
    maybe = [one for one in built if _has_unshown(one)]
    settled = [(one, _settled(one, is_anew=is_anew)) for one in maybe]
    news = [(one, new) for one, new in settled if new or _counts(one) != one.work.counted]
    if not news:
        return
    own = {author for (author,) in await write.rows("SELECT author FROM followed WHERE is_own")}
    for one, new in news:
        if one.work.document.subspace in own:
            await _name_one(write, one, new, materialiser)


async def _mark(write: Writing, one: Built, materialiser: Materialiser, *, is_anew: bool) -> None:
    """What counted before may have fallen: what it named, nothing says now, and it opens nothing
    (`storage.namers`), until it counts again. Of what cannot be read it is not known."""
    work, fell = one.work, fallen(one.left_out)
    closes, opens = bool(fell if is_anew else fell & work.counted), bool(work.fell & _counts(one))
    if not (closes or opens):
        return
    # Others' private records show it to who may read it there: somebody may name it beside them.
    namespace, author = work.document.namespace, work.document.subspace
    if namespace != COMMONS and not await names_as_own(write, author):
        return
    row = await _row_of(one, materialiser)
    if row.listing is None and one.changes:
        return
    said = frozenset[bytes]()
    if row.listing is not None:
        said = await materialiser.workers.run(said_by, row.listing)
    listed = msgspec.json.encode([blob.hex() for blob in said]).decode()
    if closes:
        await write.run(_CLOSE, (work.number, listed))
    if opens:
        await write.run(_OPEN, (work.number, listed))


async def _name_one(
    write: Writing, one: Built, new: frozenset[bytes], materialiser: Materialiser
) -> None:
    """`new`: what counts or fell, and is not taken to be named."""
    work, run, fell = one.work, materialiser.workers.run, fallen(one.left_out)
    row = await _row_of(one, materialiser)
    if row.listing is not None and (_is_deleted(one) or _is_crowded(one)):
        await _name(write, work, await run(said_by, row.listing))
    # While a branch may lose, what it let go may be back: also where that was never seen here.
    is_in_doubt = is_contested(work, one.left_out)
    said = new if row.is_unread or is_in_doubt else new & fell
    is_back = row.is_unread and bool(work.counted - _counts(one))  # what those had let go
    if is_back or (is_in_doubt and not work.raws.keys().isdisjoint(one.left_out)):  # it may be new
        said |= _counts(one)
    await _name_said(write, work, sorted(said), materialiser)
    if (row.listing is None or row.listing.parts is None) and _would_say_more(one, new):
        would_be = await _unrevoked(write, one, materialiser)
        if isinstance(would_be, Listing):
            await _name(write, work, await run(said_by, would_be))


async def _name_said(
    write: Writing, work: Work, entries: Sequence[bytes], materialiser: Materialiser
) -> None:
    """What these put, read from the database where it is not in memory."""
    for at in range(0, len(entries), READ_AT_ONCE):
        raws = await raws_of(write, work, entries[at : at + READ_AT_ONCE])
        await _name(write, work, await materialiser.workers.run(said_in, raws))


async def raws_of(view: Reading, work: Work, entries: Sequence[bytes]) -> list[bytes]:
    """Their raw changes, in no order. For at most `READ_AT_ONCE`."""
    missing = [id[:ITEM_ID_BYTES] for id in entries if id not in work.raws]
    found = [raw_of(payload) for (payload,) in await view.rows_in(PAYLOADS, missing)]
    return [*found, *(work.raws[id] for id in entries if id in work.raws)]


async def raws_within(
    view: Reading, work: Work, entries: Sequence[bytes], bytes_max: int
) -> list[bytes] | None:
    """The same; None where these are more than `READ_AT_ONCE`, or say more than so many bytes."""
    if len(entries) > READ_AT_ONCE:
        return None
    missing = [id[:ITEM_ID_BYTES] for id in entries if id not in work.raws]
    sizes = [size for (size,) in await view.rows_in(_SIZES, missing)]
    sizes += [len(work.raws[id]) for id in entries if id in work.raws]
    return await raws_of(view, work, entries) if sum(sizes) <= bytes_max else None


async def _name(write: Writing, work: Work, blobs: Iterable[bytes]) -> None:
    await write.run_many(_NAME, ((work.number, blob) for blob in sorted(blobs)))


async def _row_of(one: Built, materialiser: Materialiser) -> _Row:
    if _is_deleted(one):
        row, trouble = await materialiser.workers.run(
            projected, one.work.document, one.value, materialiser.undeleted
        )
        return _Row(row if isinstance(row, Listing) else None, trouble is not None)
    row = one.projection
    return _Row(row if isinstance(row, Listing) else None, _is_unread(one))


def _has_unshown(one: Built) -> bool:
    if is_statement_class(one.work.document.cls):
        return False  # what a log names, it names whether it stands or not
    if _is_deleted(one) or _is_crowded(one) or _is_unread(one):
        return True
    return bool(fallen(one.left_out)) or is_contested(one.work, one.left_out)


def _settled(one: Built, *, is_anew: bool) -> frozenset[bytes]:
    """What counts or fell, and did neither before: not what waits, or is said by others."""
    work = one.work
    known = frozenset[bytes]() if is_anew else work.counted | work.fell
    return (_counts(one) | fallen(one.left_out)) - known


def _counts(one: Built) -> frozenset[bytes]:
    return frozenset(one.work.held.keys() - one.left_out.keys())


def uncounted_of(one: Built) -> list[bytes]:
    """Entries that do not count, whose changes no others carry that do."""
    held = one.work.held
    counts = {held[entry].change for entry in _counts(one)}
    return [entry for entry in one.left_out if held[entry].change not in counts]


def _would_say_more(one: Built, new: frozenset[bytes]) -> bool:
    """Whether what fell might not have if nothing were revoked, and it is new that it fell, or what
    it was built on comes."""
    by, held, fell = one.work.authority, one.work.held, fallen(one.left_out)
    if not (by.revocations or by.checkpoints):
        return False
    changes = {held[id].change for id in new}
    return any(id in new or not changes.isdisjoint(held[id].dependencies) for id in fell)


def _is_deleted(one: Built) -> bool:
    return one.value.get(DELETED) is not None


def _is_crowded(one: Built) -> bool:
    """Whether devices that were apart keep more than it lists."""
    row = one.projection
    return isinstance(row, Listing) and row.parts is not None and bool(row.parts.beyond)


def _is_unread(one: Built) -> bool:
    return any(trouble.code == UNPROJECTABLE for trouble in one.troubles)


async def _unrevoked(write: Writing, one: Built, materialiser: Materialiser) -> Projection:
    """Its row, undeleted."""
    # Nothing tells that something came which an entry cites that fell: it is taken to be here.
    cited = frozenset(head for held in one.work.held.values() for head in held.auth_heads)
    free = replace(one.work, authority=Authority(known=cited))
    ever = await materialiser.workers.run(judge, free)
    if not is_incremental(free, ever):
        await load_raws(write, [free])
    (would_be,) = await materialiser.build(write, [(free, ever)], materialiser.undeleted)
    return would_be.projection
