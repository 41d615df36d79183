"""All that is held of one author, or of everybody, page by page: for a drop."""

from collections.abc import Sequence
from dataclasses import dataclass

from crdt.blob import BlobId
from crdt.change import SignedEntry
from crdt.keys import AuthorKey
from storage.advised import ABOUT
from storage.collecting import IS_NEEDED
from storage.items import signed_entry
from storage.part import Part, in_bounds
from storage.vault.attached import used_bytes

PAGE_MAX = 200  # entries in memory at once: 16 MiB where all are as large as they may be

# Statements are few, and what judges the author's entries may be anybody's. The records of what is
# installed come along, so that it can be verified, and what people whom one follows warn of there.
_OWN = f"""(? IS NULL OR d.author = ? OR d.class IN ('_auth', '_ck') OR d.number IN (
    SELECT document FROM listing WHERE kind = 'module'
        AND target IN (SELECT module FROM installed))
    OR d.author IN (SELECT author FROM followed) AND d.number IN (
    SELECT l.document FROM listing l WHERE l.kind = 'advisory'
        AND {ABOUT} IN (SELECT module FROM installed)))"""
_NAMED = f"""
    SELECT blob FROM (
        SELECT u.blob FROM blob_use u JOIN document d ON d.number = u.document
            WHERE {_OWN}
        UNION SELECT frontier FROM statement WHERE frontier IS NOT NULL
        UNION SELECT blob FROM installed
        UNION SELECT b.id FROM pinned p JOIN blob b ON b.number = p.blob)"""
_OWN_NAMES = """SELECT u.blob FROM blob_use u JOIN document d ON d.number = u.document
    JOIN followed f ON f.author = d.author AND f.is_own"""
# What is only kept comes again by itself; restored, it would be this person's for ever. But what
# this person published on another device may be nowhere else one day.
# Of what is not whole only what is a person's own: the rest of it may be nowhere else.
_COPIED = f"""(is_complete OR b.id IN ({_OWN_NAMES}) OR b.id IN (SELECT blob FROM installed)
        OR b.number IN (SELECT blob FROM pinned)) AND id IN ({_NAMED})
    AND (b.number NOT IN (SELECT blob FROM kept) OR {IS_NEEDED} OR b.id IN ({_OWN_NAMES}))"""
# What was let go has no row there any more, nor has an epoch while a newer one is shown.
_ABSENT = """SELECT s.blob, count(*) FROM snapshot s JOIN document d ON d.number = s.document
    JOIN followed f ON f.author = d.author AND f.is_own
    WHERE s.blob NOT NULL AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.id = s.blob)
    GROUP BY s.blob ORDER BY min(s.document), min(s.tick), s.blob"""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is to copy."""

    entries: int
    blob_bytes: int


class Copies(Part):
    """Reading for a copy. `author` None: of everybody."""

    async def extent(self, author: AuthorKey | None) -> Extent:
        """Counted: it takes longer the more there is. Of snapshots, which are much alike, no more
        than they take here."""
        async with self._database.reading() as view:
            entries = await view.row(
                "SELECT count(*) FROM entry e JOIN document d ON d.number = e.document"
                f" WHERE {_OWN}",
                (author, author),
            )
            size = await view.row(
                "SELECT coalesce(sum(size) FILTER (WHERE NOT in_vault), 0),"
                f" coalesce(sum(size) FILTER (WHERE in_vault), 0) FROM blob b WHERE {_COPIED}",
                (author, author),
            )
            in_vault = await view.vault.read(used_bytes)
        size_bytes = size[0] + min(size[1], in_vault) if size else 0
        return Extent(entries[0] if entries else 0, size_bytes)

    async def entries_after(
        self, author: AuthorKey | None, cursor: int, limit: int = PAGE_MAX
    ) -> tuple[Sequence[SignedEntry], int]:
        """In the order they came, and the cursor to go on from; none at the end."""
        rows = await self._database.rows(
            "SELECT e.number, e.entry, c.encoded, e.signature, e.payload FROM entry e"
            " JOIN capability c ON c.number = e.capability"
            " JOIN document d ON d.number = e.document"
            f" WHERE e.number > ? AND {_OWN} ORDER BY e.number LIMIT ?",
            (cursor, author, author, in_bounds(limit, PAGE_MAX)),
        )
        return [signed_entry(row[1:]) for row in rows], rows[-1][0] if rows else cursor

    async def blobs_named(self, author: AuthorKey | None) -> Sequence[BlobId]:
        """Those that records or statements name, or this person added; none that are kept, and of
        others' only whole ones."""
        rows = await self._database.rows(
            f"SELECT id FROM blob b WHERE {_COPIED} ORDER BY number",
            (author, author),
        )
        return [BlobId(id) for (id,) in rows]

    async def absent_snapshots(self) -> Sequence[tuple[BlobId, int]]:
        """Blobs of this person's snapshots of which nothing is here, and of how many each is."""
        return [(BlobId(id), count) for id, count in await self._database.rows(_ABSENT)]
