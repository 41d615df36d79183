"""The one way entries come in: entries, documents, lists and outbox in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from crdt.authority import Held
from crdt.capability import capability_digest
from crdt.change import CheckedEntry, DocumentId, encode_signed
from crdt.entry import encode_entry
from crdt.keys import NamespaceKey
from crdt.order import ITEM_ID_BYTES, lanes, order_key
from crdt.path import shown
from storage.appended import AppendedEvent
from storage.database import Reading, Writing
from storage.documents import Materialiser
from storage.epochs import Chosen, choose_epochs, late_refusals
from storage.listing import Listing, RatingRow
from storage.materialise import Built, Work
from storage.quarantine import Refusal, add_refusals
from storage.usage import account, account_derived

NAME_KEY_CHARS_MAX = 200  # of a name, to sort by; cursors carry it


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Checked entries of which none was held before, each once."""

    entries: Sequence[CheckedEntry]
    source: str
    at_us: int


async def without_known(
    view: Reading, checked: Sequence[CheckedEntry]
) -> tuple[list[CheckedEntry], int]:
    """Those not held yet, each once, and how many were."""
    fresh = {one.id[:ITEM_ID_BYTES]: one for one in checked}
    for (known,) in await view.rows_in(
        f"SELECT substr(id, 1, {ITEM_ID_BYTES}) FROM entry"
        f" WHERE substr(id, 1, {ITEM_ID_BYTES}) IN (*)",
        list(fresh),
    ):
        del fresh[known]
    return list(fresh.values()), len(checked) - len(fresh)


async def append(write: Writing, arrivals: Arrivals, materialiser: Materialiser) -> list[Built]:
    """Writes the arrivals and all that follows from them; gives what their documents became."""
    works = await _works_of(write, arrivals.entries, materialiser)
    judged = await materialiser.judge(write, list(works.values()))
    built = await materialiser.build(write, judged)
    namespaces = await _namespaces(write, works)
    is_new = {one.work.document for one in built if one.work.number is None}
    await _write_documents(write, built, namespaces)
    numbers = await _write_entries(write, arrivals.entries, works, namespaces)
    await _write_left_out(write, built, is_new, numbers)
    chosen = await choose_epochs(write, built, materialiser)
    await _write_rows(write, chosen, is_new)
    changed = [*(one.work.number for one in chosen.built), *chosen.hidden]
    await account(write, arrivals.source, numbers.values(), changed)
    refusals = [*_refusals(built, arrivals), *late_refusals(chosen.late, arrivals.source)]
    await add_refusals(write, refusals, arrivals.at_us)
    return built


async def rewrite(
    write: Writing, documents: Sequence[DocumentId], materialiser: Materialiser
) -> None:
    """Makes all that is derived of these documents again, from nothing but their entries."""
    works = list((await materialiser.works(write, documents)).values())
    for work in works:
        work.saved = None
    built = await materialiser.build(write, await materialiser.judge(write, works))
    await _write_documents(write, built, await _namespaces(write, documents))
    await _write_left_out(write, built, set(), {})
    chosen = await choose_epochs(write, built, materialiser)
    await _write_rows(write, chosen, set())
    await account_derived(write, (one.work.number for one in chosen.built))


async def _works_of(
    write: Writing, entries: Sequence[CheckedEntry], materialiser: Materialiser
) -> dict[DocumentId, Work]:
    """The documents that the entries belong to, these entries added."""
    documents = list(dict.fromkeys(one.document for one in entries))
    held = await materialiser.works(write, documents)
    works = {document: held.get(document) or Work(document, None) for document in documents}
    for one in entries:
        work = works[one.document]
        work.held[one.id] = Held.of(one)
        work.raws[one.id] = one.raw
    return works


async def _namespaces(write: Writing, documents: Iterable[DocumentId]) -> dict[NamespaceKey, int]:
    keys = list({document.namespace for document in documents})
    await write.run_many("INSERT OR IGNORE INTO namespace (key) VALUES (?)", ((k,) for k in keys))
    rows = await write.rows_in("SELECT key, number FROM namespace WHERE key IN (*)", keys)
    return {NamespaceKey(key): number for key, number in rows}


async def _write_documents(
    write: Writing, built: Sequence[Built], namespaces: Mapping[NamespaceKey, int]
) -> None:
    """Gives every new document its number."""
    last = await write.number("SELECT max(number) FROM document")
    for one in built:
        if one.work.number is None:
            one.work.number = last = last + 1
    await write.run_many(
        "INSERT INTO document (number, id, namespace, author, class, kind, record, epoch, heads,"
        " changes, left_out, saved, carried) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (number) DO UPDATE SET heads = excluded.heads, changes = excluded.changes,"
        " left_out = excluded.left_out, saved = excluded.saved, carried = excluded.carried",
        (_document_row(one, namespaces[one.work.document.namespace]) for one in built),
    )


def _document_row(built: Built, namespace: int) -> tuple[object, ...]:
    id = built.work.document
    return (
        built.work.number,
        id.encode(),
        namespace,
        id.subspace,
        id.cls,
        id.kind,
        id.record,
        id.epoch,
        b"".join(built.heads),
        built.changes,
        len(built.left_out),
        built.saved,
        None if built.carried is None else b"".join(built.carried),
    )


async def _write_entries(
    write: Writing,
    entries: Sequence[CheckedEntry],
    works: Mapping[DocumentId, Work],
    namespaces: Mapping[NamespaceKey, int],
) -> dict[bytes, int]:
    """The entries and their items; gives the number of each entry, by id."""
    encoded = list(dict.fromkeys(one.signed.capability for one in entries))
    digests = {capability_digest(capability): capability for capability in encoded}
    await write.run_many(
        "INSERT OR IGNORE INTO capability (digest, encoded) VALUES (?, ?)", digests.items()
    )
    capabilities = {
        digests[digest]: number
        for digest, number in await write.rows_in(
            "SELECT digest, number FROM capability WHERE digest IN (*)", list(digests)
        )
    }
    first = 1 + await write.number("SELECT max(number) FROM entry")
    await write.run_many(
        f"INSERT INTO entry VALUES ({','.join('?' * 15)})",
        (
            _entry_row(number, one, works[one.document], capabilities[one.signed.capability])
            for number, one in enumerate(entries, first)
        ),
    )
    await write.run_many(
        "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                namespaces[one.document.namespace],
                order_key(one.signed.entry) + one.id[:ITEM_ID_BYTES],
                *lanes(one.id),
            )
            for one in entries
        ),
    )
    return {one.id: number for number, one in enumerate(entries, first)}


def _entry_row(
    number: int, checked: CheckedEntry, work: Work, capability: int
) -> tuple[object, ...]:
    change = checked.change
    return (
        number,
        checked.id,
        work.number,
        capability,
        change.hash,
        checked.device,
        checked.seq,
        change.start_op,
        change.max_op,
        b"".join(change.dependencies),
        b"".join(checked.auth_heads),
        encode_entry(checked.signed.entry),
        checked.signed.signature,
        checked.signed.payload,
        checked.prev,
    )


async def _write_left_out(
    write: Writing,
    built: Sequence[Built],
    is_new: set[DocumentId],
    numbers: Mapping[bytes, int],
) -> None:
    await write.run_many(
        "DELETE FROM left_out WHERE document = ?",
        ((one.work.number,) for one in built if one.work.document not in is_new),
    )
    rows = [
        (one.work.number, entry, str(code)) for one in built for entry, code in one.left_out.items()
    ]
    await write.run_many(
        "INSERT INTO left_out (entry, document, code) VALUES (?, ?, ?)",
        ((numbers[entry], document, code) for document, entry, code in rows if entry in numbers),
    )
    await write.run_many(
        "INSERT INTO left_out (entry, document, code) SELECT number, ?, ? FROM entry"
        " WHERE substr(id, 1, 16) = ?",
        (
            (document, code, entry[:ITEM_ID_BYTES])
            for document, entry, code in rows
            if entry not in numbers
        ),
    )


async def _write_rows(write: Writing, chosen: Chosen, is_new: set[DocumentId]) -> None:
    """Lists, ratings, and the outbox that tells the search index."""
    built = chosen.built
    old = [one.work.number for one in built if one.work.document not in is_new] + chosen.hidden
    touched: set[tuple[str, str]] = {
        (target, kind)
        for target, kind in await write.rows_in(
            "SELECT target, kind FROM rating WHERE document IN (*)", old
        )
    }
    for table in ("listing", "rating"):
        await write.run_many(f"DELETE FROM {table} WHERE document = ?", ((n,) for n in old))
    listings = [(one, one.projection) for one in built if isinstance(one.projection, Listing)]
    ratings = [(one, one.projection) for one in built if isinstance(one.projection, RatingRow)]
    await _write_listings(write, listings)
    await write.run_many(
        "INSERT INTO rating VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                one.work.number,
                one.work.document.encode(),
                row.target,
                row.kind,
                row.author,
                row.stars,
                row.review,
                row.installs,
                row.updated_us,
            )
            for one, row in ratings
        ),
    )
    touched |= {(row.target, row.kind) for _, row in ratings}
    listed = {(row.target, row.kind) for _, row in listings}
    rated = await write.rows_in(
        "SELECT DISTINCT target, kind FROM rating WHERE target IN (*)",
        [target for target, _ in listed],
    )
    touched |= listed.intersection(rated)
    await add_up_ratings(write, touched)
    await write.run_many(
        "INSERT OR REPLACE INTO outbox (document) VALUES (?)",
        [*((one.work.number,) for one in built), *((number,) for number in chosen.hidden)],
    )


async def _write_listings(write: Writing, listings: Sequence[tuple[Built, Listing]]) -> None:
    await write.run_many(
        "INSERT INTO listing (document, kind, author, record, target, name, name_key, description,"
        " tags, words, created_us, updated_us, fields) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            (
                one.work.number,
                row.kind,
                row.author,
                row.record,
                row.target,
                row.name,
                row.name.casefold()[:NAME_KEY_CHARS_MAX],
                row.description,
                msgspec.json.encode(row.tags).decode(),
                row.text,
                row.created_us,
                row.updated_us,
                row.fields,
            )
            for one, row in listings
        ),
    )
    await write.run_many(
        "INSERT OR IGNORE INTO listing_tag VALUES (?, ?)",
        ((tag, one.work.number) for one, row in listings for tag in row.tags),
    )
    await write.run_many(
        "INSERT OR IGNORE INTO blob_use VALUES (?, ?)",
        ((one.work.number, bytes.fromhex(blob)) for one, row in listings for blob in row.blobs),
    )


async def add_up_ratings(write: Writing, touched: set[tuple[str, str]]) -> None:
    """What the authors say of each target; where one said several things, the latest counts."""
    await write.run_many(
        """UPDATE listing SET (stars_sum, stars_count, installs) = (
               SELECT coalesce(sum(stars), 0), count(stars), coalesce(sum(installs), 0) FROM (
                   SELECT stars, installs, row_number() OVER (PARTITION BY author
                       ORDER BY updated_us DESC, document_id DESC) AS place
                   FROM rating WHERE target = ?1 AND kind = ?2)
               WHERE place = 1)
           WHERE target = ?1 AND kind = ?2""",
        touched,
    )
    await write.run_many(
        "INSERT OR REPLACE INTO outbox (document)"
        " SELECT document FROM listing WHERE target = ? AND kind = ?",
        touched,
    )


def _refusals(built: Sequence[Built], arrivals: Arrivals) -> Iterable[Refusal]:
    """The troubles of the documents, as quarantine lists them."""
    signed = {one.id: one.signed for one in arrivals.entries}
    for one in built:
        if not one.troubles:
            continue
        id = one.work.document
        place = shown((id.cls.encode(), id.kind.encode(), id.record))
        for trouble in one.troubles:
            entry = signed.get(trouble.entry) if trouble.entry else None
            data = id.encode() if entry is None else encode_signed(entry)
            yield Refusal(arrivals.source, place, trouble.code, trouble.detail, data)


def events(arrivals: Arrivals) -> list[AppendedEvent]:
    """What to tell the listeners, once it is durable."""
    by_namespace: dict[NamespaceKey, list[CheckedEntry]] = {}
    for one in arrivals.entries:
        by_namespace.setdefault(one.document.namespace, []).append(one)
    return [
        AppendedEvent(
            namespace,
            tuple(one.id for one in entries),
            tuple(one.signed.entry for one in entries),
            frozenset(one.document for one in entries),
            arrivals.source,
        )
        for namespace, entries in by_namespace.items()
    ]
