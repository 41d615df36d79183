"""What the root of a blob and its pages say: which chunks it has, and what they are called."""

from collections.abc import Callable, Sequence

from crdt.blob import (
    CONTENT_PAGES_MAX,
    BlobId,
    BlobRoot,
    ChunkName,
    Manifest,
    parse_page,
    parse_root,
)
from storage.blob_rows import not_held
from storage.database import Database
from storage.folding import IS_FOLDED
from storage.reading_blobs import BlobReading


class BlobPages(BlobReading):
    """Of whole and partial blobs."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self._root: BlobRoot | None = None  # the last one: to read it takes longer the larger it is

    async def blob_root(self, blob: BlobId) -> bytes | None:
        """The root's bytes, for a peer."""
        row = await self._database.row("SELECT root FROM blob WHERE id = ?", (blob,))
        return row[0] if row else None

    async def blob_page(self, blob: BlobId, page: int) -> bytes | None:
        """One page's bytes, for a peer. Raises `NotHeld` where it was damaged on the disk."""
        if (root := await self._folded(blob)) is not None:
            is_one = 0 <= page < root.page_count
            return await self._known(self._folded_pages.page(root, page)) if is_one else None
        row = await self._database.row(
            "SELECT p.data FROM blob b JOIN blob_page r ON r.blob = b.number AND r.place = ?"
            " JOIN page p ON p.number = r.page WHERE b.id = ?",
            (page, blob),
        )
        return row[0] if row else None

    async def blob_manifest(
        self, blob: BlobId, first_page: int = 0, pages: int = CONTENT_PAGES_MAX
    ) -> Manifest | None:
        """Root and at most so many pages from `first_page` on, if these are here."""
        if (folded := await self._folded(blob)) is not None:
            asked = self._folded_pages.pages(folded, first_page, pages)
            return Manifest(folded, tuple(await self._known(asked)), first_page)
        async with self._database.reading() as view:
            row = await view.row("SELECT root, number FROM blob WHERE id = ?", (blob,))
            if row is None:
                return None
            found = await view.rows(
                "SELECT p.data FROM blob_page r JOIN page p ON p.number = r.page"
                " WHERE r.blob = ? AND r.place BETWEEN ? AND ? ORDER BY r.place",
                (row[1], first_page, first_page + pages - 1),
            )
        root = parse_root(row[0], blob)
        is_here = len(found) == min(pages, root.page_count - first_page)
        return Manifest(root, tuple(page for (page,) in found), first_page) if is_here else None

    async def missing_pages(self, blob: BlobId) -> list[int]:
        """Pages still to be fetched, in order. Raises `NotHeld` before `begin_blob`."""
        asked = (
            f"SELECT CASE WHEN {IS_FOLDED} THEN 0 ELSE page_count END FROM blob WHERE id = ?",
            "SELECT place FROM blob_page WHERE blob = (SELECT number FROM blob WHERE id = ?)",
        )
        async with self._database.reading() as view:
            found, rows = await view.each([(sql, (blob,)) for sql in asked])
        if not found:
            raise not_held(blob)
        ((count,),) = found
        held = {place for (place,) in rows}
        return [page for page in range(count) if page not in held]

    async def whole_blobs(self, blobs: Sequence[BlobId]) -> frozenset[BlobId]:
        """Those of which all is here."""
        async with self._database.reading() as view:
            rows = await view.rows_in("SELECT id FROM blob WHERE is_complete AND id IN (*)", blobs)
        return frozenset(BlobId(id) for (id,) in rows)

    async def _parsed_root(self, blob: BlobId) -> BlobRoot:
        """Of many pages and chunks come one after another. Raises `NotHeld` before it was begun."""
        if self._root is None or self._root.id != blob:
            encoded = await self.blob_root(blob)
            if encoded is None:
                raise not_held(blob)
            self._root = parse_root(encoded, blob)
        return self._root

    async def _look_up(self, blob: BlobId, index: int) -> ChunkName | None:
        """What the page says that names a chunk, kept for the next ones."""
        root = await self._parsed_root(blob)
        page = root.page_of(index)
        data = await self.blob_page(blob, page)
        if data is None:
            return None
        self._held.keep_names(blob, root.page_starts[page], parse_page(data, root, page))
        return self._held.name_of(blob, index)
