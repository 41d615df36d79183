"""What old epochs of a record name while another is shown: only what was not carried over.

    an old epoch ─┬─▸ all of it came over          it names nothing any more: the newer one does
                  ├─▸ more came, or some fell      it names what that says, and no more
                  └─▸ not all is here that came    it names all that it ever did
                      over, or it is unreadable

So what is let go in the newest epoch goes, and what a device wrote too late for the roll-over stays
for who writes it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeAlias

from crdt.change import DocumentId
from crdt.held import WAITING, Reason, Validity
from storage.database import Reading, Row, Writing
from storage.documents import OPEN_EPOCH, Documents, load_raws, same_record
from storage.listing import Listing
from storage.materialise import Built, Work, judge
from storage.statements import hashes
from storage.workers import Workers


def _same(one: str, other: str) -> str:
    """Whether two rows of `document` are epochs of one record."""
    columns = ("record", "author", "kind", "class", "namespace")
    return " AND ".join(f"{one}.{column} = {other}.{column}" for column in columns)


_NEXT: Final = f"""(
    SELECT n.carried FROM document n WHERE {_same("n", "p")}
        AND n.epoch > p.epoch AND n.epoch > 0 AND n.carried IS NOT NULL
    ORDER BY n.epoch LIMIT 1)"""
# Epochs before one that is listed, with what the next open one says that it carried over. The first
# one is found by its id: the index of the others does not have it.
_OLD: Final = f"""(
    SELECT p.number, p.id, p.heads, p.left_out, p.shown, {_NEXT} AS carried
    FROM (SELECT o.*, n.number AS shown FROM document n
        JOIN document o ON o.id = CAST(substr(n.id, 1, length(n.id) - 4) || x'00000000' AS BLOB)
        WHERE n.epoch > 0 AND n.carried IS NOT NULL
            AND n.number IN (SELECT document FROM listing)
        UNION ALL SELECT o.*, n.number FROM document n JOIN document o ON {_same("o", "n")}
            AND o.epoch < n.epoch AND o.epoch > 0
        WHERE n.epoch > 0 AND n.carried IS NOT NULL
            AND n.number IN (SELECT document FROM listing)) p)"""
CARRIED_OVER: Final = f"SELECT number FROM {_OLD} old WHERE heads = carried AND left_out = 0"
"""Numbers of old epochs of which nothing is left that another does not say, or has let go."""
AT_ONCE: Final = 16  # epochs in one transaction, so that other writers get their turn
_TO_FORGET: Final = (
    f"{CARRIED_OVER} AND EXISTS (SELECT 1 FROM blob_use u WHERE u.document = old.number)"
)
# The others, as far as they alone keep something that is here.
_NOT_ALL: Final = f"""
    SELECT number, shown, id FROM {_OLD} old WHERE EXISTS (
        SELECT 1 FROM blob_use u JOIN blob b ON b.id = u.blob WHERE u.document = old.number
            AND NOT EXISTS (SELECT 1 FROM blob_use s WHERE s.blob = u.blob AND s.size NOT NULL))"""
# All that decides what of one came over to the one that is shown: what was carried, both as they
# are, and what judges them. Each change of a document gives it a new number in the outbox, each of
# a statement counts.
_STATE: Final = f"""
    SELECT {_NEXT}, (SELECT seq FROM outbox WHERE document = p.number),
        (SELECT seq FROM outbox WHERE document = s.number), (SELECT standing FROM store)
    FROM document p JOIN document s ON {_same("s", "p")} AND s.epoch > p.epoch
    JOIN listing l ON l.document = s.number
    WHERE p.number = ? AND s.number = ? AND s.carried IS NOT NULL"""
_Named: TypeAlias = dict[bytes, bytes]
"""Blobs by what names them: the id of a snapshot, or of the blob itself."""


@dataclass(frozen=True, slots=True)
class CameOver:
    """What an old epoch names and came over to the one that is shown, as of a state of both."""

    document: int
    shown: int
    state: Row
    blobs: frozenset[bytes]


class Carried(Documents):
    """For whoever gives room back."""

    async def forget_carried(self) -> None:
        """What old epochs name, and was carried over, they name no more."""
        numbers = [number for (number,) in await self._database.rows(_TO_FORGET)]
        for at in range(0, len(numbers), AT_ONCE):
            some = numbers[at : at + AT_ONCE]
            among = f"{CARRIED_OVER} AND number IN ({','.join('?' * len(some))})"
            async with self._database.transaction() as write:  # where it is so still
                await write.run(f"DELETE FROM blob_use WHERE document IN ({among})", some)
        for number, shown, id in await self._database.rows(_NOT_ALL):
            # To load a long one takes a second: no writer waits for that.
            came = await self._came_over(number, shown, DocumentId.decode(id))
            if came is not None and came.blobs:
                await self._database.transact(partial(_forget, came))

    async def _came_over(self, number: int, shown: int, id: DocumentId) -> CameOver | None:
        """None where either went meanwhile, the old one is shown again, or it cannot be told."""
        materialiser = self._materialiser
        async with self._database.reading() as view:
            state = await view.row(_STATE, (number, shown))
            works = [*(await materialiser.works(view, [id])).values()]
            if state is None or [work.number for work in works] != [number]:
                return None
            ((work, validity),) = await materialiser.verdicts(view, works)
            await load_raws(view, works)
            keys, named = await _shown(view, shown), await _blobs(view, number)
        work.saved = work.live = None  # other states of it are made than what was saved
        states = await materialiser.workers.run(_states, work, validity, set(hashes(state[0])))
        said = list[Listing]()
        for one in states:
            (built,) = await materialiser.build_loaded([one])
            if not isinstance(built.projection, Listing):
                return None
            said.append(built.projection)
        going = await materialiser.workers.run(_going, said, keys)
        return CameOver(number, shown, state, frozenset(going & named))


async def _forget(came: CameOver, write: Writing) -> None:
    """Unless something has changed since it was read: then the next one looks at it anew."""
    if await write.row(_STATE, (came.document, came.shown)) == came.state:
        await write.run_many(
            "DELETE FROM blob_use WHERE document = ? AND blob = ?",
            ((came.document, blob) for blob in came.blobs),
        )


async def name_late(
    write: Writing, built: Sequence[Built], shown: Sequence[Built], workers: Workers
) -> None:
    """What came to epochs that are not shown, and was not carried over, is named as it came.

    `built`: what the documents are; `shown`: the same, without a projection where that is hidden.
    """
    is_shown = {one.work.number for one in shown if one.projection is not None}
    for one in built:
        number, listing = one.work.number, one.projection
        if not isinstance(listing, Listing) or number in is_shown:
            continue
        row = await write.row(
            f"SELECT d.carried FROM document d WHERE {OPEN_EPOCH} AND d.epoch > ?"
            " ORDER BY d.epoch LIMIT 1",
            (*same_record(one.work.document), one.work.document.epoch),
        )
        if row and row[0] != b"".join(one.heads):
            named = await workers.run(_named, listing, {})
            await write.run_many(
                "INSERT OR IGNORE INTO blob_use (document, blob, namespace)"
                " SELECT number, ?2, namespace FROM document WHERE number = ?1",
                ((number, blob) for blob in named.values()),
            )


def _states(work: Work, validity: Validity, carried: set[bytes]) -> list[tuple[Work, Validity]]:
    """As it was at the `carried` heads, as it is, and as it would be if nothing were revoked.

    None of them where not all is here, or something fell that may come back otherwise.
    """
    then = _under(work, validity, carried)
    if then is None:
        return []
    found = [(work, then), (work, validity)]
    if not _has_fallen(validity):
        return found
    free = replace(work, authority=replace(work.authority, revocations=(), checkpoints=()))
    ever = judge(free)
    return [] if _has_fallen(ever) else [*found, (free, ever)]


def _has_fallen(validity: Validity) -> bool:
    """Whether something does not count that is here whole, and nothing else says."""
    return not {*validity.excluded.values()} <= {*WAITING, Reason.REPEATED}


def _under(work: Work, validity: Validity, heads: set[bytes]) -> Validity | None:
    """The valid changes that these heads build on, and themselves; None where not all are here."""
    by_change = {work.held[entry].change: entry for entry in validity.valid}
    found: set[bytes] = set()
    todo = list(heads)
    if not heads <= by_change.keys():
        return None
    while todo:
        change = todo.pop()
        if change not in found and change in by_change:
            found.add(change)
            todo += work.held[by_change[change]].dependencies
    valid = tuple(one for one in validity.valid if work.held[one].change in found)
    return replace(validity, valid=valid)


async def _shown(view: Reading, document: int) -> set[bytes]:
    """What the epoch that is shown says."""
    return {
        bytes(key)
        for (key,) in await view.rows(
            "SELECT id FROM snapshot WHERE document = ?1 AND blob IS NOT NULL"
            " UNION SELECT blob FROM blob_use WHERE document = ?1 AND size IS NOT NULL"
            " AND blob NOT IN (SELECT blob FROM snapshot WHERE document = ?1 AND blob NOT NULL)",
            (document,),
        )
    }


async def _blobs(view: Reading, document: int) -> set[bytes]:
    """All that are named by it."""
    rows = await view.rows("SELECT blob FROM blob_use WHERE document = ?", (document,))
    return {bytes(blob) for (blob,) in rows}


def _going(said: Sequence[Listing], shown: set[bytes]) -> set[bytes]:
    """What an epoch says that was carried over: at first, in the first state, or as is `shown`."""
    if not said:
        return set()
    first, *others = said
    then = _named(first, {})
    late, all_said = set[bytes](), set(then.values())
    for other in others:
        named = _named(other, then)
        late |= {blob for key, blob in named.items() if key not in then and key not in shown}
        all_said |= set(named.values())
    return all_said - late


def _named(listing: Listing, known: _Named) -> _Named:
    """`known`: what was read of another state of it; a snapshot's id says all that it is."""
    named: _Named = {id: id for id in (bytes.fromhex(one.id) for one in listing.blobs)}
    if (parts := listing.parts) is not None:
        for id, data in parts.snapshots.items():
            if (blob := known.get(id)) is not None:
                named[id] = blob
            elif (row := parts.read_snapshot(id, data)) is not None:
                named[id] = row.blob
    return named
