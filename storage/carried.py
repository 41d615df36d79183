"""What old epochs of a record name while another is shown: only what was not carried over.

    an old epoch says it ─▸ did the next one begin with it?
                              ├─ no ─▸ the old one names it on
                              └─ yes ─▸ does that say it no more? It was let go there.
                                        Is it the one that is shown? It names what it says.
                                        Else: did the one after that begin with it?

So what is let go in a newer epoch goes, and what a device wrote too late for the roll-over stays
for who writes it again. In doubt it is kept: an epoch that is deleted, or cannot be read here,
began with nothing that is known, and says everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeAlias

from crdt.change import DocumentId
from crdt.held import WAITING, Reason, Validity
from storage.database import Reading, Row, Writing
from storage.documents import OPEN_EPOCH, Documents, load_raws, same_record
from storage.listing import Listing
from storage.materialise import Built, Work, judge
from storage.openings import first_openings, may_open, under
from storage.statements import hashes
from storage.workers import Workers


def _same(one: str, other: str) -> str:
    """Whether two rows of `document` are epochs of one record."""
    columns = ("record", "author", "kind", "class", "namespace")
    return " AND ".join(f"{one}.{column} = {other}.{column}" for column in columns)


# Epochs before one that is listed. The first one is found by its id: the index of the others does
# not have it.
_OLD: Final = f"""(
    SELECT o.number, o.id FROM document n
        JOIN document o ON o.id = CAST(substr(n.id, 1, length(n.id) - 4) || x'00000000' AS BLOB)
        WHERE n.epoch > 0 AND n.carried IS NOT NULL
            AND n.number IN (SELECT document FROM listing)
        UNION ALL SELECT o.number, o.id FROM document n JOIN document o ON {_same("o", "n")}
            AND o.epoch < n.epoch AND o.epoch > 0
        WHERE n.epoch > 0 AND n.carried IS NOT NULL
            AND n.number IN (SELECT document FROM listing))"""
# As far as they alone keep something that is here.
_ALONE: Final = f"""
    SELECT number, id FROM {_OLD} old WHERE EXISTS (
        SELECT 1 FROM blob_use u JOIN blob b ON b.id = u.blob WHERE u.document = old.number
            AND NOT EXISTS (SELECT 1 FROM blob_use s WHERE s.blob = u.blob AND s.size NOT NULL))"""
# The open epochs after an old one, with all that decides what became of it in them. Each change of
# a document gives it a new number in the outbox, each of a statement counts.
_STATE: Final = f"""
    SELECT n.id, n.carried, n.number IN (SELECT document FROM listing),
        (SELECT seq FROM outbox WHERE document = n.number),
        (SELECT seq FROM outbox WHERE document = p.number), (SELECT standing FROM store)
    FROM document p JOIN document n ON {_same("n", "p")}
        AND n.epoch > p.epoch AND n.epoch > 0 AND n.carried IS NOT NULL
    WHERE p.number = ? ORDER BY n.epoch"""
_Keys: TypeAlias = frozenset[bytes]
"""What names a blob: the id of a snapshot, or of the blob itself."""


@dataclass(frozen=True, slots=True)
class _Forgotten:
    """What an old epoch names no more, as of a state of it and of those after it."""

    document: int
    state: Sequence[Row]
    blobs: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class _Later:
    """What an epoch after an old one has to do with that."""

    began: _Keys
    """With which it began, as far as that is known."""
    said: _Keys | None
    """What it says; None: that is not known."""


@dataclass(slots=True)
class _Seen:
    """Each later epoch stands after many: by its id, and its number in the outbox."""

    later: dict[tuple[bytes, int], _Later] = field(
        default_factory=dict[tuple[bytes, int], _Later],
    )


class Carried(Documents):
    """For whoever gives room back."""

    async def forget_carried(self) -> None:
        """What old epochs name, and was let go since or is named by what is shown, they name no
        more."""
        seen = _Seen()
        for number, id in await self._database.rows(_ALONE):
            # To load a long one takes a second: no writer waits for that.
            forgotten = await self._carried_over(number, DocumentId.decode(id), seen)
            if forgotten is not None and forgotten.blobs:
                await self._database.transact(partial(_forget, forgotten))

    async def _carried_over(self, number: int, id: DocumentId, seen: _Seen) -> _Forgotten | None:
        """None where it is shown again, no other is, or it cannot be told what it says."""
        async with self._database.reading() as view:
            state = await view.rows(_STATE, (number,))
            if not state or not state[-1][2]:
                return None
            work, validity = await self._loaded(view, id)
            named = await _blobs(view, number)
        then = under(work, validity, {*hashes(state[0][1])})
        if then is None:
            return None  # the rest of it may say anything
        says = await self._ever(work, validity)
        if says is None:
            return None
        (over,) = await self._materialiser.build_loaded([(work, then)])
        blobs: dict[bytes, bytes] = {}
        for one in (*says, over.projection):  # what was let go too late, came over
            if isinstance(one, Listing):
                blobs |= await self._materialiser.workers.run(_named, one, blobs)
        left = frozenset(key for key, blob in blobs.items() if blob in named)
        stays = _Keys()
        for at, (later, _, _, seq, *_) in enumerate(state):
            if not left:
                break
            found = seen.later.get((later, seq))
            if found is None:
                found = seen.later[later, seq] = await self._later(DocumentId.decode(later))
            stays |= left - found.began
            left &= found.began
            if at < len(state) - 1 and found.said is not None:
                left &= found.said
        kept = {blobs[key] for key in stays}
        return _Forgotten(number, state, frozenset(named & {*blobs.values()} - kept))

    async def _later(self, id: DocumentId) -> _Later:
        async with self._database.reading() as view:
            work, validity = await self._loaded(view, id)
        may = await self._materialiser.workers.run(may_open, work, validity)
        built = await self._materialiser.build_loaded([(work, one) for one in may])
        listings = {
            one.valid: state.projection
            for one, state in zip(may, built, strict=True)
            if state.carried is not None
        }
        opened = [one for one in may if one.valid in listings]
        first = first_openings(work, validity, opened)
        says = await self._ever(work, validity)
        return _Later(
            _keys([listings[one.valid] for one in first]), None if says is None else _keys(says)
        )

    async def _loaded(self, view: Reading, id: DocumentId) -> tuple[Work, Validity]:
        works = [*(await self._materialiser.works(view, [id])).values()]
        ((work, validity),) = await self._materialiser.verdicts(view, works)
        await load_raws(view, works)
        work.saved = work.live = None  # other states of it are made than what was saved
        return work, validity

    async def _ever(self, work: Work, validity: Validity) -> list[Listing] | None:
        """As it is, and as it would be if nothing were revoked; None where it cannot be told."""
        states = await self._materialiser.workers.run(_states, work, validity)
        built = await self._materialiser.build_loaded(states)
        says = [one.projection for one in built if isinstance(one.projection, Listing)]
        return says if says and len(says) == len(states) else None


async def _forget(forgotten: _Forgotten, write: Writing) -> None:
    """Unless something has changed since it was read: then the next one looks at it anew."""
    if await write.rows(_STATE, (forgotten.document,)) == forgotten.state:
        await write.run_many(
            "DELETE FROM blob_use WHERE document = ? AND blob = ?",
            ((forgotten.document, blob) for blob in forgotten.blobs),
        )


async def name_hidden(
    write: Writing, built: Sequence[Built], shown: Sequence[Built], workers: Workers
) -> None:
    """Old epochs name all that they say as it comes: what of it came over is found by `gc`.

    `built`: what the documents are; `shown`: the same, without a projection where that is hidden.
    """
    is_shown = {one.work.number for one in shown if one.projection is not None}
    for one in built:
        number, listing = one.work.number, one.projection
        if not isinstance(listing, Listing) or number in is_shown:
            continue
        if await write.row(
            f"SELECT 1 FROM document d WHERE {OPEN_EPOCH} AND d.epoch > ? LIMIT 1",
            (*same_record(one.work.document), one.work.document.epoch),
        ):
            named = await workers.run(_named, listing, {})
            await write.run_many(
                "INSERT OR IGNORE INTO blob_use (document, blob, namespace)"
                " SELECT number, ?2, namespace FROM document WHERE number = ?1",
                ((number, blob) for blob in named.values()),
            )


def _states(work: Work, validity: Validity) -> list[tuple[Work, Validity]]:
    """As it is, and as it would be if nothing were revoked.

    None of them where something fell that may come back otherwise.
    """
    if not _has_fallen(validity):
        return [(work, validity)]
    free = replace(work, authority=replace(work.authority, revocations=(), checkpoints=()))
    ever = judge(free)
    return [] if _has_fallen(ever) else [(work, validity), (free, ever)]


def _has_fallen(validity: Validity) -> bool:
    """Whether something does not count that is here whole, and nothing else says."""
    return not {*validity.excluded.values()} <= {*WAITING, Reason.REPEATED}


async def _blobs(view: Reading, document: int) -> set[bytes]:
    """All that are named by it."""
    rows = await view.rows("SELECT blob FROM blob_use WHERE document = ?", (document,))
    return {bytes(blob) for (blob,) in rows}


def _keys(said: Sequence[object]) -> _Keys:
    """Of what can be read."""
    found = set[bytes]()
    for one in said:
        if isinstance(one, Listing):
            found |= {bytes.fromhex(blob.id) for blob in one.blobs}
            found |= one.parts.snapshots.keys() if one.parts is not None else set()
    return frozenset(found)


def _named(listing: Listing, known: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Blobs by what names them. `known`: of another state of it; a snapshot's id says all that it
    is."""
    named = {id: id for id in (bytes.fromhex(one.id) for one in listing.blobs)}
    if (parts := listing.parts) is not None:
        for id, data in parts.snapshots.items():
            if (blob := known.get(id)) is not None:
                named[id] = blob
            elif (row := parts.read_snapshot(id, data)) is not None:
                named[id] = row.blob
    return named
