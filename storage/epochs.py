"""Which epoch of a record is the record: the newest open one. The others are kept, and not listed.

Almost every record has one epoch only, and costs one look into an index here. See `crdt.rollover`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from crdt.change import DocumentId
from crdt.path import shown
from storage.database import Reading
from storage.documents import Materialiser, hashes
from storage.materialise import Built
from storage.quarantine import Refusal

LATE = "late-epoch"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What to list, and what not any more."""

    built: list[Built]
    """Those given, without a projection where another epoch is shown; and those to show instead."""
    hidden: list[int]
    """Numbers of further documents that are listed until now."""
    late: list[DocumentId]
    """Epochs that have changes which the one after them did not carry over."""


@dataclass(frozen=True, slots=True)
class _Epoch:
    document: DocumentId
    number: int
    heads: frozenset[bytes]
    carried: frozenset[bytes] | None
    """None while it is not open; empty for the first."""
    is_listed: bool


async def choose_epochs(
    view: Reading, built: Sequence[Built], materialiser: Materialiser
) -> Chosen:
    """After documents and entries were written: what of them the lists should show."""
    given = {one.work.document: one for one in built}
    several = await _with_several(view, given)
    chosen, hidden, late = dict(given), list[int](), list[DocumentId]()
    missing: list[DocumentId] = []
    for record in several:
        epochs = await _epochs(view, record)
        newest = max(
            (one for one in epochs if one.carried is not None),
            key=lambda one: one.document.epoch,
            default=None,
        )
        for one in epochs:
            if one is newest:
                if one.document not in given and not one.is_listed:
                    missing.append(one.document)
            elif one.document in given:
                chosen[one.document] = replace(given[one.document], projection=None)
            elif one.is_listed:
                hidden.append(one.number)
        late += await _late(view, epochs)
    if missing:
        works = await materialiser.works(view, missing)
        again = await materialiser.build(view, await materialiser.judge(view, list(works.values())))
        chosen |= {one.work.document: one for one in again}
    return Chosen(list(chosen.values()), hidden, late)


def late_refusals(late: Iterable[DocumentId], source: str) -> list[Refusal]:
    """What to list of changes that came too late for the roll-over."""
    return [
        Refusal(
            source,
            shown((id.cls.encode(), id.kind.encode(), id.record)),
            LATE,
            f"epoch {id.epoch} of this record has changes that were not carried over when it went"
            " on in the next; they are held and not shown, so make them again",
            id.encode(),
        )
        for id in late
    ]


async def _with_several(view: Reading, built: Mapping[DocumentId, Built]) -> list[DocumentId]:
    """The first epochs of those records that have a later one here."""
    records = list({document.record for document in built})
    rows = await view.rows_in(
        "SELECT DISTINCT record FROM document WHERE epoch > 0 AND record IN (*)", records
    )
    if not rows:
        return []
    later = {record for (record,) in rows}
    return sorted({replace(one, epoch=0) for one in built if one.record in later})


async def _epochs(view: Reading, record: DocumentId) -> list[_Epoch]:
    """All epochs of one record that are here, ascending."""
    rows = await view.rows(
        "SELECT d.number, d.epoch, d.heads, d.carried,"
        " EXISTS (SELECT 1 FROM listing WHERE document = d.number)"
        " OR EXISTS (SELECT 1 FROM rating WHERE document = d.number)"
        " FROM document d JOIN namespace n ON n.number = d.namespace WHERE d.kind = ?"
        " AND d.record = ? AND d.author = ? AND d.class = ? AND n.key = ? ORDER BY d.epoch",
        (record.kind, record.record, record.subspace, record.cls, record.namespace),
    )
    return [
        _Epoch(
            replace(record, epoch=epoch),
            number,
            frozenset(hashes(heads)),
            None if carried is None else frozenset(hashes(carried)),
            bool(is_listed),
        )
        for number, epoch, heads, carried, is_listed in rows
    ]


async def _late(view: Reading, epochs: Sequence[_Epoch]) -> list[DocumentId]:
    """Those that hold all that was carried over from them, and more."""
    late: list[DocumentId] = []
    following: _Epoch | None = None
    for one in reversed(epochs):
        if following and following.carried and one.heads != following.carried:
            counted = await view.rows_in(
                "SELECT DISTINCT e.change FROM entry e LEFT JOIN left_out l ON l.entry = e.number"
                f" WHERE e.document = {one.number} AND l.code IS NULL AND e.change IN (*)",
                list(following.carried),
            )
            if len(counted) == len(following.carried):
                late.append(one.document)
        if one.carried is not None:
            following = one
    return late
