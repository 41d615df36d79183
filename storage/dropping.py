"""Bytes that may go: documents of which a root-signed statement says so, up to its frontier.

Whoever may say it is the owner of the subspace, and in an owned namespace its key as well. A
document of which anything is held beyond the frontier stays whole: somebody went on with it. What a
revoked key wrote is nothing that anybody went on with: else it could keep every record from going.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from crdt.change import DocumentId
from crdt.held import Held, Reason
from crdt.statement import Heads
from storage.database import Reading, Writing
from storage.documents import SAME_RECORD, Documents, same_record
from storage.eviction import evict
from storage.materialise import Work
from storage.statements import hashes

DOCUMENTS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Dropped:
    """What went."""

    documents: int
    entries: int
    bytes: int

    def __add__(self, other: "Dropped") -> "Dropped":
        return Dropped(
            self.documents + other.documents,
            self.entries + other.entries,
            self.bytes + other.bytes,
        )


class Dropping(Documents):
    async def drop(self) -> Dropped:
        """Deletes what may go. It is remembered, so that no peer brings it back."""
        done = Dropped(0, 0, 0)
        async with self._database.reading() as view:
            wanted = sorted((await _dropped(view)).items())
        for at in range(0, len(wanted), DOCUMENTS_AT_ONCE):
            part = dict(wanted[at : at + DOCUMENTS_AT_ONCE])
            async with self._database.transaction() as write:
                done += await self._drop_some(write, part)
        return done

    async def _drop_all(self, write: Writing) -> None:
        """As `drop`, in this transaction."""
        await self._drop_some(write, await _dropped(write))

    async def _drop_some(
        self, write: Writing, wanted: Mapping[DocumentId, frozenset[bytes]]
    ) -> Dropped:
        """Of these, which may go up to these heads, those of which nothing else is here."""
        works = await self._materialiser.works(write, list(wanted))
        revoked = await _revoked(write, works.values())
        going = [
            work.number
            for document, work in works.items()
            if work.number is not None and _is_whole(work.held, wanted[document], revoked)
        ]
        gone, freed = await evict(write, going, is_for_room=False) if going else (0, 0)
        return Dropped(len(going), gone, freed)

    async def heads_held(self, document: DocumentId) -> list[tuple[DocumentId, Heads]]:
        """Of every epoch of the record the heads of all that is held, whether it counts or not."""
        async with self._database.reading() as view:
            rows = await view.rows(
                "SELECT id FROM document WHERE id = ? UNION"
                f" SELECT d.id FROM document d WHERE {SAME_RECORD} AND d.epoch > 0",
                (replace(document, epoch=0).encode(), *same_record(document)),
            )
            epochs = [DocumentId.decode(id) for (id,) in rows]
            works = await self._materialiser.works(view, epochs)
        return [(id, _heads_of(work.held)) for id, work in sorted(works.items())]


def _heads_of(held: Mapping[bytes, Held]) -> Heads:
    followed = {parent for one in held.values() for parent in one.dependencies}
    return tuple(sorted({one.change for one in held.values()} - followed))


async def _dropped(view: Reading) -> dict[DocumentId, frozenset[bytes]]:
    """The documents held that may be dropped, and the heads up to which."""
    rows = await view.rows(
        "SELECT f.document, f.heads FROM statement s JOIN frontier f ON f.statement = s.entry"
        " JOIN document d ON d.id = f.document AND d.namespace = s.namespace"
        " JOIN namespace n ON n.number = s.namespace"
        " WHERE s.type = 'drop' AND s.stands AND d.class NOT IN ('_auth', '_ck')"
        " AND s.issuer IN (d.author, n.key)"
    )
    found: dict[DocumentId, frozenset[bytes]] = {}
    for document, heads in rows:
        id = DocumentId.decode(document)
        found[id] = found.get(id, frozenset()) | frozenset(hashes(heads))
    return found


async def _revoked(view: Reading, works: Iterable[Work]) -> frozenset[bytes]:
    """The entries of these documents that a revocation took out, by id."""
    rows = await view.rows_in(
        "SELECT e.id FROM left_out l JOIN entry e ON e.number = l.entry"
        f" WHERE l.code = '{Reason.REVOKED}' AND l.document IN (*)",
        [work.number for work in works],
    )
    return frozenset(id for (id,) in rows)


def _is_whole(
    held: Mapping[bytes, Held], heads: Collection[bytes], revoked: frozenset[bytes]
) -> bool:
    """Whether nothing of the document, but for what was revoked, lies beyond these heads."""
    parents: dict[bytes, set[bytes]] = {}
    for one in held.values():  # the heads may be of what was revoked, and lie upon the rest
        parents.setdefault(one.change, set()).update(one.dependencies)
    under: set[bytes] = set()
    todo = [head for head in heads if head in parents]
    while todo:
        change = todo.pop()
        if change not in under:
            under.add(change)
            todo += [parent for parent in parents[change] if parent in parents]
    return all(one.change in under for id, one in held.items() if id not in revoked)
