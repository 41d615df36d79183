"""The one way entries come in: entries, documents, lists and outbox in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from crdt.capability import capability_digest
from crdt.change import CheckedEntry, DocumentId, encode_signed
from crdt.entry import encode_entry
from crdt.held import Held
from crdt.keys import NamespaceKey
from crdt.order import ITEM_ID_BYTES, lanes, order_key
from crdt.path import shown
from storage.appended import Arrivals
from storage.attestations import write_attestations
from storage.carried import name_hidden
from storage.challenges import write_entries
from storage.database import Reading, Writing
from storage.documents import Materialiser
from storage.epochs import Chosen, choose_epochs, late_refusals
from storage.listing import Listing, RatingRow
from storage.materialise import Built, Work, unjudged
from storage.namers import note_private, private_namers
from storage.quarantine import Refusal, add_refusals
from storage.rows import number_namespaces, write_documents, write_left_out
from storage.snapshots import forget_parts, write_parts
from storage.statements import Said, note_keys, note_statements, take_stale
from storage.unshown import name_unshown
from storage.usage import account, account_derived
from storage.workers import Workers

STALE_AT_ONCE = 200  # documents judged again in one transaction, so that other writers get a turn
NAME_KEY_CHARS_MAX = 200  # of a name, to sort by; cursors carry it

Rated: TypeAlias = tuple[int, str, str]
"""A rating's namespace (its number), target and kind: one says nothing of another's."""


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


async def append(
    write: Writing, arrivals: Arrivals, materialiser: Materialiser, read: Sequence[Work] = ()
) -> list[Built]:
    """Writes the arrivals and all that follows from them; gives what their documents became.

    `read`: documents as they were read in this very transaction, and as nothing has changed since.
    Statements first: they judge the others. What they concern beyond the arrivals is judged again
    here as far as that is quick, the rest by `settle`.
    """
    said = [one for one in arrivals.entries if one.statement is not None]
    changes = [one for one in arrivals.entries if one.statement is None]
    written: dict[bytes, int] = {}
    if said:
        written = await _append_statements(write, said, materialiser)
    known = {work.document: work for work in read}
    works = await _works_of(write, arrivals.entries, changes, materialiser, known)
    if said:
        works |= await stale_works(write, works, materialiser)
    judged = await materialiser.judge(write, list(works.values()))
    built = await materialiser.build(write, judged)
    namespaces = await number_namespaces(write, works)
    is_new = {one.work.document for one in built if one.work.number is None}
    await write_documents(write, built, namespaces)
    numbers = await _write_entries(write, changes, works, namespaces)
    await write_left_out(write, built, is_new, numbers)
    chosen = await choose_epochs(write, built, materialiser)
    await name_unshown(write, built, materialiser)
    await _write_rows(write, chosen, is_new, materialiser.workers)
    await name_hidden(write, built, chosen.built, materialiser)
    changed = [*(one.work.number for one in chosen.built), *chosen.hidden]
    entries = {(written | numbers)[one.id]: one for one in arrivals.entries}
    await account(write, arrivals.source, entries, changed)
    refusals = [*_refusals(built, arrivals), *late_refusals(chosen.late, arrivals.source)]
    await add_refusals(write, refusals, arrivals.at_us)
    return built


async def settle(write: Writing, materialiser: Materialiser) -> list[DocumentId]:
    """Judges some documents again that a statement concerns, and gives them; none are left then."""
    works = await stale_works(write, {}, materialiser)
    if works:
        await _rewrite(write, list(works.values()), materialiser)
    return list(works)


async def stale_works(
    write: Writing, known: Mapping[DocumentId, Work], materialiser: Materialiser
) -> dict[DocumentId, Work]:
    """Some documents to judge again, without those known."""
    numbers = await take_stale(write, STALE_AT_ONCE)
    rows = await write.rows_in("SELECT id FROM document WHERE number IN (*)", numbers)
    documents = [DocumentId.decode(id) for (id,) in rows]
    return await materialiser.works(write, [one for one in documents if one not in known])


async def rewrite(
    write: Writing, documents: Sequence[DocumentId], materialiser: Materialiser
) -> None:
    """Makes all that is derived of these documents again, from nothing but their entries."""
    works = list((await materialiser.works(write, documents)).values())
    for work in works:
        work.saved = None
    await _rewrite(write, works, materialiser, is_anew=True)


async def _rewrite(
    write: Writing, works: Sequence[Work], materialiser: Materialiser, *, is_anew: bool = False
) -> None:
    built = await materialiser.build(write, await materialiser.judge(write, works))
    namespaces = await number_namespaces(write, [work.document for work in works])
    await write_documents(write, built, namespaces)
    await write_left_out(write, built, set(), {})
    chosen = await choose_epochs(write, built, materialiser)
    await name_unshown(write, built, materialiser, is_anew=is_anew)
    await _write_rows(write, chosen, set(), materialiser.workers)
    await name_hidden(write, built, chosen.built, materialiser)
    await account_derived(write, (one.work.number for one in chosen.built))


async def _append_statements(
    write: Writing, said: Sequence[CheckedEntry], materialiser: Materialiser
) -> dict[bytes, int]:
    """Writes them and what they say, and gives their numbers; what follows is in `stale`."""
    documents = list(dict.fromkeys(one.document for one in said))
    works = await materialiser.works(write, documents)
    new = [Work(document, None) for document in documents if document not in works]
    namespaces = await number_namespaces(write, documents)
    await write_documents(write, [unjudged(work) for work in new], namespaces)
    works |= {work.document: work for work in new}
    numbers = await _write_entries(write, said, works, namespaces)
    noted = [Said.of(numbers[one.id], one) for one in said]
    await note_statements(write, noted, materialiser.workers)
    return numbers


async def _works_of(
    write: Writing,
    entries: Sequence[CheckedEntry],
    fresh: Sequence[CheckedEntry],
    materialiser: Materialiser,
    known: Mapping[DocumentId, Work],
) -> dict[DocumentId, Work]:
    """The documents that the entries belong to, with those that are `fresh`: not written yet."""
    documents = list(dict.fromkeys(one.document for one in entries))
    missing = [document for document in documents if document not in known]
    held = {**known, **(await materialiser.works(write, missing) if missing else {})}
    works = {document: held.get(document) or Work(document, None) for document in documents}
    for one in fresh:
        work = works[one.document]
        work.held[one.id] = Held.of(one)
        work.raws[one.id] = one.raw
    return works


async def _write_entries(
    write: Writing,
    entries: Sequence[CheckedEntry],
    works: Mapping[DocumentId, Work],
    namespaces: Mapping[NamespaceKey, int],
) -> dict[bytes, int]:
    """The entries and their items; gives the number of each entry, by id."""
    encoded = list(dict.fromkeys(one.signed.capability for one in entries))
    digests = {capability_digest(capability): capability for capability in encoded}
    last = await write.number("SELECT max(number) FROM capability")
    await write.run_many(
        "INSERT OR IGNORE INTO capability (digest, encoded) VALUES (?, ?)", digests.items()
    )
    capabilities = {
        digests[digest]: number
        for digest, number in await write.rows_in(
            "SELECT digest, number FROM capability WHERE digest IN (*)", list(digests)
        )
    }
    given = {one.signed.capability: one.capability for one in entries}
    new = [(number, given[one]) for one, number in capabilities.items() if number > last]
    await note_keys(write, new)
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


async def _write_rows(
    write: Writing, chosen: Chosen, is_new: set[DocumentId], workers: Workers
) -> None:
    """Lists, ratings, and the outbox that tells the search index."""
    built = chosen.built
    old = [one.work.number for one in built if one.work.document not in is_new] + chosen.hidden
    touched = await _rated(write, old)
    for table in ("listing", "rating", "attestation"):
        await write.run_many(f"DELETE FROM {table} WHERE document = ?", ((n,) for n in old))
    listings = [(one, one.projection) for one in built if isinstance(one.projection, Listing)]
    in_parts = {one.work.number for one, listing in listings if listing.parts is not None}
    # Of a document with parts only the difference is written: see `storage.snapshots`.
    old = [number for number in old if number not in in_parts]
    # What a document named before stays while it could come back; without a size: it is not shown.
    await write.run_many("UPDATE blob_use SET size = NULL WHERE document = ?", ((n,) for n in old))
    anew = [
        one.work.number
        for one, listing in listings
        if not one.left_out and one.work.document not in is_new and listing.parts is None
    ]
    named = await write.rows_in("SELECT blob FROM blob_use WHERE document IN (*)", anew)
    before = await private_namers(write, (blob for (blob,) in named))
    await write.run_many("DELETE FROM blob_use WHERE document = ?", ((n,) for n in anew))
    ratings = [(one, one.projection) for one in built if isinstance(one.projection, RatingRow)]
    await _write_listings(write, listings)
    await note_private(write, before)
    await forget_parts(write, old)
    await write_parts(write, listings, workers)
    await write_attestations(write, built)
    await write_entries(write, built)
    await _write_ratings(write, ratings)
    touched |= await _rated(write, [one.work.number for one, _ in ratings])
    for row in await write.rows_in(
        "SELECT l.namespace, l.target, l.kind FROM listing l WHERE l.document IN (*)"
        " AND EXISTS (SELECT 1 FROM rating r WHERE r.target = l.target AND r.kind = l.kind"
        " AND r.namespace = l.namespace)",
        [one.work.number for one, _ in listings],
    ):
        touched.add(tuple(row))
    await add_up_ratings(write, touched)
    await write.run_many(
        "INSERT OR REPLACE INTO outbox (document) VALUES (?)",
        [*((one.work.number,) for one in built), *((number,) for number in chosen.hidden)],
    )


async def _write_ratings(write: Writing, ratings: Sequence[tuple[Built, RatingRow]]) -> None:
    await write.run_many(
        "INSERT INTO rating SELECT ?1, namespace, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10"
        " FROM document WHERE number = ?1",
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
                row.counted_us,
            )
            for one, row in ratings
        ),
    )


async def _write_listings(write: Writing, listings: Sequence[tuple[Built, Listing]]) -> None:
    await write.run_many(
        "INSERT INTO listing (document, namespace, kind, author, record, target, name, name_key,"
        " description, tags, words, created_us, updated_us, fields, content, score, tick)"
        " SELECT ?1, namespace, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16"
        " FROM document WHERE number = ?1",
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
                row.content,
                row.score,
                row.tick,
            )
            for one, row in listings
        ),
    )
    await write.run_many(
        "INSERT OR IGNORE INTO listing_tag VALUES (?, ?)",
        ((tag, one.work.number) for one, row in listings for tag in row.tags),
    )
    await write.run_many(
        "INSERT INTO blob_use (document, blob, namespace, size, at_us)"
        " SELECT number, ?2, namespace, ?3, ?4 FROM document WHERE number = ?1"
        " ON CONFLICT DO UPDATE SET size = excluded.size, at_us = excluded.at_us",
        (
            (one.work.number, bytes.fromhex(blob.id), blob.size, blob.at_us)
            for one, row in listings
            for blob in row.blobs
        ),
    )


async def _rated(write: Writing, documents: Sequence[int | None]) -> set[Rated]:
    """What these documents are ratings of."""
    rows = await write.rows_in(
        "SELECT namespace, target, kind FROM rating WHERE document IN (*)", documents
    )
    return {tuple(row) for row in rows}


async def add_up_ratings(write: Writing, touched: set[Rated]) -> None:
    """What the authors say of each target; where one said several things, the latest counts."""
    await write.run_many(
        """UPDATE listing SET (stars_sum, stars_count, installs) = (
               SELECT coalesce(sum(stars), 0), count(stars), coalesce(sum(installs), 0) FROM (
                   SELECT stars, installs, row_number() OVER (PARTITION BY author
                       ORDER BY updated_us DESC, document_id DESC) AS place
                   FROM rating WHERE namespace = ?1 AND target = ?2 AND kind = ?3)
               WHERE place = 1)
           WHERE namespace = ?1 AND target = ?2 AND kind = ?3""",
        touched,
    )
    await write.run_many(
        "INSERT OR REPLACE INTO outbox (document)"
        " SELECT document FROM listing WHERE namespace = ? AND target = ? AND kind = ?",
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
