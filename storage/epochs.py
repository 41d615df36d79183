"""Which epoch of a record is the record: the newest open one. The others are kept, and not listed.

Almost every record has one epoch only, and costs one look into an index here; one of thousands of
epochs costs a few. See `crdt.rollover`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from crdt.change import DocumentId
from crdt.path import shown
from storage.database import Reading, Row
from storage.documents import OPEN_EPOCH, Materialiser, same_record
from storage.materialise import Built
from storage.quarantine import Refusal
from storage.statements import hashes

LATE = "late-epoch"
PASSED_MAX = 16  # epochs that are looked at which another one passed over: hardly ever there is one


@dataclass(frozen=True, slots=True)
class Chosen:
    """What to list, and what not any more."""

    built: list[Built]
    """Those given, without a projection where another epoch is shown; and those to show instead."""
    hidden: list[int]
    """Numbers of further documents that are listed until now."""
    late: list[DocumentId]
    """Epochs that have changes which the next open one did not carry over."""


async def choose_epochs(
    view: Reading, built: Sequence[Built], materialiser: Materialiser
) -> Chosen:
    """After documents and entries were written: what of them the lists should show.

    Until now the newest open epoch of each record was listed and no other. The cost is that of what
    is given, however many epochs a record has.
    """
    chosen = {one.work.document: one for one in built}
    hidden, late = list[int](), dict[DocumentId, None]()
    missing: list[DocumentId] = []
    for record, given in (await _with_several(view, built)).items():
        other = await _newest_other(view, record, given)
        newest = max(
            (one.work.document.epoch for one in given if one.carried is not None), default=-1
        )
        if other and other.epoch > newest:
            newest = other.epoch
            # One of those given may have been open, and the newest, until now.
            if not other.is_listed and any(one.work.document.epoch > newest for one in given):
                missing.append(replace(record, epoch=newest))
        elif other and other.is_listed:
            hidden.append(other.number)
        for one in given:
            if one.work.document.epoch != newest:
                chosen[one.work.document] = replace(one, projection=None)
            late |= dict.fromkeys(await _late(view, one))
    if missing:
        works = await materialiser.works(view, missing)
        again = await materialiser.build(view, await materialiser.judge(view, list(works.values())))
        chosen |= {one.work.document: one for one in again}
    return Chosen(list(chosen.values()), hidden, list(late))


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


@dataclass(frozen=True, slots=True)
class _Other:
    """The newest open epoch of a record but for those given."""

    number: int
    epoch: int
    is_listed: bool


async def _with_several(view: Reading, built: Sequence[Built]) -> dict[DocumentId, list[Built]]:
    """Of those records that have a later epoch here: what is given of each, by its first epoch."""
    numbers = [one.work.number for one in built]
    rows = await view.rows_in(
        "SELECT d.number FROM document d WHERE d.number IN (*) AND (d.epoch > 0 OR EXISTS ("
        "SELECT 1 FROM document o WHERE o.record = d.record AND o.author = d.author"
        " AND o.kind = d.kind AND o.class = d.class AND o.namespace = d.namespace"
        " AND o.epoch > 0 AND o.carried IS NOT NULL))",
        numbers,
    )
    several = {number for (number,) in rows}
    found: dict[DocumentId, list[Built]] = {}
    for one in built:
        if one.work.number in several:
            found.setdefault(replace(one.work.document, epoch=0), []).append(one)
    return dict(sorted(found.items()))


async def _newest_other(view: Reading, record: DocumentId, given: Sequence[Built]) -> _Other | None:
    listed = (
        "EXISTS (SELECT 1 FROM listing WHERE document = d.number)"
        " OR EXISTS (SELECT 1 FROM rating WHERE document = d.number)"
        " OR EXISTS (SELECT 1 FROM attestation WHERE document = d.number)"
    )
    numbers = [one.work.number for one in given]
    row = await view.row(
        f"SELECT d.number, d.epoch, {listed} FROM document d WHERE {OPEN_EPOCH}"
        f" AND d.number NOT IN ({','.join('?' * len(numbers))}) ORDER BY d.epoch DESC LIMIT 1",
        (*same_record(record), *numbers),
    )
    if row is None and all(one.work.document != record for one in given):
        row = await view.row(
            f"SELECT d.number, 0, {listed} FROM document d WHERE d.id = ?", (record.encode(),)
        )
    return _Other(row[0], row[1], bool(row[2])) if row else None


async def _late(view: Reading, one: Built) -> list[DocumentId]:
    """This epoch, if the next open one did not carry over all of it; and those before, where this
    one says anew what was carried over.
    """
    document, found = one.work.document, list[DocumentId]()
    row = await view.row(
        f"SELECT d.epoch, d.carried FROM document d WHERE {OPEN_EPOCH} AND d.epoch > ?"
        " ORDER BY d.epoch LIMIT 1",
        (*same_record(document), document.epoch),
    )
    if row:
        left = await _left_behind(view, replace(document, epoch=row[0]), row[1])
        found += [id for id in left if id == document]
    carried = b"".join(one.carried or ())
    if carried and carried != one.work.carried:
        found += await _left_behind(view, document, carried)
    return found


async def _left_behind(view: Reading, document: DocumentId, carried: bytes) -> list[DocumentId]:
    """Of what this epoch carried over, all with these heads, the epoch that has others beside them;
    and the open ones in between, of which it took nothing. None where that is not known here."""
    wanted, passed, before = {*hashes(carried)}, list[DocumentId](), document
    while len(passed) < PASSED_MAX and (row := await _open_before(view, before)):
        number, heads, epoch = row
        before = replace(document, epoch=epoch)
        if wanted == {*hashes(heads)}:
            return passed
        rows = await view.rows_in(
            "SELECT DISTINCT e.change, l.code IS NULL FROM entry e"
            " LEFT JOIN left_out l ON l.entry = e.number"
            " WHERE e.document = ? AND e.change IN (*)",
            list(wanted),
            number,
        )
        if rows:
            is_all = wanted == {change for change, is_counted in rows if is_counted}
            return [*passed, before] if is_all else passed
        passed.append(before)
    return []


async def _open_before(view: Reading, document: DocumentId) -> Row | None:
    """(number, heads, epoch) of the newest open one before this; the first is always open."""
    if not document.epoch:
        return None
    return await view.row(
        f"SELECT d.number, d.heads, d.epoch FROM document d WHERE {OPEN_EPOCH} AND d.epoch < ?"
        " ORDER BY d.epoch DESC LIMIT 1",
        (*same_record(document), document.epoch),
    ) or await view.row(
        "SELECT number, heads, 0 FROM document WHERE id = ?",
        (replace(document, epoch=0).encode(),),
    )
