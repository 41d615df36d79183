"""The search index: derived from the store, beside it on disk, never the truth.

It follows the outbox and remembers in `position` whose outbox and how far, after each of its own
commits: a crash between the two only repeats work. Delete the directory, lose a part of it, or
change its schema, and it is built again from SQLite with the same results.
"""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from operator import attrgetter
from pathlib import Path
from typing import ParamSpec, TypeVar

import tantivy
from msgspec import Struct, field
from msgspec.structs import replace

from crdt.keys import COMMONS, NamespaceKey
from storage.appended import AppendedEvent
from storage.bursts import Burst
from storage.errors import BrokenIndex
from storage.facts import FactsOf, no_facts
from storage.list_pages import Sort
from storage.listings import Changed, ListedRow
from storage.part import in_bounds
from storage.search_among import Among, search_among
from storage.search_damage import BROKEN, DamageTold
from storage.search_facets import FacetCounts
from storage.search_position import POSITION_FILE, read_position, write_position
from storage.search_query import FoundPage, search
from storage.search_schema import SCHEMA_VERSION, schema, to_document
from storage.search_snippet import Marker, nearest, snippets
from storage.search_tiers import Matched
from storage.search_wanted import SearchSort, Wanted
from storage.store import SELF, Store

# Of the writer, freed after a commit; only an index that is built anew comes near it. A part of the
# index has what fits in here, 100,000 modules, and a search pays for each part that it looks into.
HEAP_BYTES = 96_000_000
BATCH = 1_000  # documents in a commit; a commit costs about 20 ms whatever it holds
# Changes gather for one commit: it syncs some fifteen files, and the merges after it cost more than
# the documents, all of which whoever writes on would wait for. See decision 119.
QUIET_S = 0.05
GATHERED_S = 1.0
RETRY_DELAY_S = 5.0  # a disk that is full now has room again once somebody made some
PAGE_MAX = 1_000
# Documents that are searched without a thread of its own, which would cost more than the search:
# of 100,000, 0.1 ms mostly, and 5 ms for sixteen words that are all slips.
AT_ONCE_MAX = 250_000
_NUMBER, _SCORE = attrgetter("number"), attrgetter("score")
_TEXTS = attrgetter("listing.description", "listing.text")
META_FILE = "meta.json"  # tantivy's own: without it the directory opens as an empty index

P = ParamSpec("P")
T = TypeVar("T")


class Hit(Struct, frozen=True, gc=False):
    """A record found. `snippet` is HTML: escaped text, matches in <b>; empty without any."""

    row: ListedRow
    score: float
    snippet: str


class Hits(Struct, frozen=True):
    """One page of a search. `total` counts all that match."""

    hits: tuple[Hit, ...]
    total: int
    next: str | None
    matched: Matched = "all"
    facets: FacetCounts = field(default_factory=dict[str, tuple[tuple[str, int], ...]])
    meant: str | None = None
    """The words without their slips, where that is how it was found."""


class SearchIndex:
    """Made by `open_search_index`. One thread owns the writer; searches run on others."""

    def __init__(
        self, home: Path, store: Store, thread: ThreadPoolExecutor, facts: FactsOf = no_facts
    ) -> None:
        self._facts = facts
        self._directory = home / f"search-{SCHEMA_VERSION}"
        self._store = store
        self._thread = thread
        self._turn = asyncio.Lock()
        self._index: tantivy.Index
        self._writer: tantivy.IndexWriter
        self._is_broken = False
        """Something failed: what its writer takes from then on may be lost without a word."""
        self._owner = b""
        self._seq = 0
        self._size = 0  # in documents
        self.shown = 0
        """How often searches were shown something new: what was found holds while this does."""
        self._own_told = 0  # what this node wrote itself, in events: a search waits for it
        self._own_shown = 0

    async def search(
        self,
        text: str,
        *,
        kind: str | None = None,
        tags: Sequence[str] = (),
        author: str | None = None,
        sort: SearchSort = "relevance",
        limit: int = 20,
        cursor: str | None = None,
        namespaces: Collection[NamespaceKey] = (COMMONS,),
        terms: Sequence[str] = (),
        licenses: Sequence[str] = (),
        format: str | None = None,
        size: tuple[int | None, int | None] = (None, None),
        facets: Sequence[str] = (),
    ) -> Hits:
        """Records that match. Without words: a listing, newest first.

        What this node wrote before is found; what came from others, once the index has followed.
        `size` is the least and the most in bytes, `terms` those of `Facts`, `facets` of `FACETS`.
        Raises `BadCursor`, or `BrokenIndex` where files of the index are lost.
        """
        wanted = Wanted(
            text, kind, author, tuple(tags), sort, None, self._store.horizon_us(), tuple(terms),
            tuple(licenses), format, *size, tuple(facets),
        )  # fmt: skip
        return await self.search_wanted(wanted, limit, cursor, namespaces)

    async def search_wanted(
        self, wanted: Wanted, limit: int, cursor: str | None, namespaces: Collection[NamespaceKey]
    ) -> Hits:
        """As `search`."""
        limit = in_bounds(limit, PAGE_MAX)
        if wanted.is_of_lists:
            return await self._list(wanted, limit, cursor, namespaces)
        wanted = await self._narrowed(wanted, namespaces)
        with DamageTold():
            if self._size <= AT_ONCE_MAX and not wanted.facets:
                page = search(self._index, wanted, limit, cursor)
            else:
                page = await asyncio.to_thread(search, self._index, wanted, limit, cursor)
        return await self.show(page)

    async def search_among(
        self, wanted: Wanted, numbers: Sequence[int], namespaces: Collection[NamespaceKey]
    ) -> Among:
        """Which of these documents it finds. Raises `BrokenIndex` as `search` does."""
        wanted = await self._narrowed(wanted, namespaces)
        with DamageTold():
            return await asyncio.to_thread(search_among, self._index, wanted, numbers)

    async def _narrowed(self, wanted: Wanted, namespaces: Collection[NamespaceKey]) -> Wanted:
        """As it is asked of the index, which shows by now what this node wrote itself."""
        if self._own_shown < self._own_told:
            await self.show_all()
        if await self._store.namespaces_held() <= {*namespaces}:
            return wanted
        return replace(wanted, namespaces=tuple(dict.fromkeys(namespaces)))

    async def _list(
        self, wanted: Wanted, limit: int, cursor: str | None, places: Collection[NamespaceKey]
    ) -> Hits:
        by = wanted.sort
        order: Sort = "recent" if by == "relevance" or by == "fitness" else by
        page = await self._store.listings(
            wanted.kind,
            author=wanted.author,
            tag=wanted.tags,
            sort=order,
            limit=limit,
            cursor=cursor,
            namespaces=places,
        )
        total = await self._store.count_listings(
            wanted.kind, author=wanted.author, tag=wanted.tags, namespaces=places
        )
        return Hits(tuple(Hit(row, 0.0, "") for row in page.rows), total, page.next)

    async def show(self, page: FoundPage) -> Hits:
        """With what the store has of them; what was dropped since is not there: SQLite leads."""
        found, numbers = page.found, [*map(_NUMBER, page.found)]
        known = await self._store.listed(numbers)
        if len(known) < len(numbers):
            found = tuple(one for one in found if one.number in known)
            numbers = [*map(_NUMBER, found)]
        rows = [*map(known.__getitem__, numbers)]
        marker = Marker(page.words, page.matched == "all", page.matched == "slips")
        said = await snippets(marker, [*map(_TEXTS, rows)])
        hits = [*map(Hit, rows, map(_SCORE, found), said)]
        meant = None
        if page.matched == "slips" and hits:
            best = hits[0].row.listing
            texts = (best.name, best.record, *best.tags, best.description)
            meant = nearest(page.words, texts)
        return Hits(tuple(hits), page.total, page.next, page.matched, page.facets, meant)

    async def behind(self) -> int:
        """How many changes of the store the index has not seen yet, at most."""
        _, newest = await self._store.newest_change()
        return self.behind_of(newest)

    def behind_of(self, newest: int) -> int:
        """The same, where the newest change of the store is known (`Counts.changed`)."""
        return max(0, newest - self._seq)

    async def follow(self, on_caught_up: Callable[[int], None] = lambda count: None) -> None:
        """Keeps up with the store until cancelled; `on_caught_up` hears how many were taken.

        What changed waits until nothing more does for `QUIET_S`, `GATHERED_S` at most.
        While the index cannot be written it stays behind, and is tried again.
        """
        burst = Burst(QUIET_S, GATHERED_S)
        burst.note()
        unsubscribe = self._store.subscribe(lambda event: burst.note())
        try:
            while True:
                await burst.over()
                try:
                    count = await self.catch_up()
                except BrokenIndex:
                    burst.note()
                    await asyncio.sleep(RETRY_DELAY_S)
                    continue
                if count:
                    on_caught_up(count)
        finally:
            unsubscribe()

    def hear(self, event: AppendedEvent) -> None:
        """What was appended to the store, by whom."""
        self._own_told += event.source == SELF

    async def show_all(self) -> None:
        """Searches see what the store holds now, if the index can be written at all."""
        told = self._own_told
        with suppress(BrokenIndex):  # `follow` tries again
            await self.catch_up()
        self._own_shown = max(self._own_shown, told)

    async def catch_up(self) -> int:
        """Takes in what changed since the last time; gives how many documents.

        Raises `BrokenIndex` where the directory cannot be written, nor made anew.
        """
        async with self._turn:
            return await self._mended(self._catch_up)

    async def rebuild(self) -> int:
        """Makes the whole index again; searches see the old one until it is whole.

        Raises `BrokenIndex` as `catch_up` does.
        """
        async with self._turn:
            return await self._mended(self._build_anew)

    async def open(self) -> int:
        """Opens the directory and catches up, or builds anew; gives how many documents."""
        await self.open_directory()
        return await self._catch_up(is_fresh=self._seq == 0)

    async def begin(self) -> int:
        """Catches up for the first time since it was opened; gives how many documents."""
        async with self._turn:
            return await self._catch_up(is_fresh=self._seq == 0)

    async def open_directory(self) -> None:
        """What lies there, where it can be followed on; else an empty index."""
        self._owner, newest = await self._store.newest_change()
        is_whole = await self._run(self._open_directory)
        if not is_whole or not 0 <= self._seq <= newest:
            await self._forget()

    async def close(self) -> None:
        """Waits for what is being written, and lets the directory go."""
        await self._run(self._close_writer)

    async def _mended(self, work: Callable[[], Awaitable[int]]) -> int:
        """`work`, or else what `open` does: the directory was lost, or cannot be written."""
        if not self._is_broken:
            with suppress(BrokenIndex):
                return await work()
        await self._run(self._close_writer)
        return await self.open()

    async def _build_anew(self) -> int:
        await self._forget()
        return await self._catch_up(is_fresh=True)

    async def _forget(self) -> None:
        await self._run(self._writer.delete_all_documents)
        self._seq = 0
        # Gone before anything is added: a rebuild that is cut short begins again.
        await self._run((self._directory / POSITION_FILE).unlink, missing_ok=True)

    async def _catch_up(self, *, is_fresh: bool = False) -> int:
        """A fresh index is shown when it is whole, any other after each batch."""
        applied, seq = 0, self._seq
        while changes := await self._store.changed_since(seq, BATCH):
            await self._run(self._apply, changes, is_fresh)
            applied, seq = applied + len(changes), changes[-1].seq
            if not is_fresh:
                await self._publish(seq)
        if is_fresh:
            await self._publish(seq)
        return applied

    async def _publish(self, seq: int) -> None:
        """Searches see what was added; only then is it no longer counted as behind."""
        await self._run(self._commit, seq)
        self._seq = seq

    def _apply(self, changes: Sequence[Changed], is_fresh: bool) -> None:
        for change in changes:
            if not is_fresh:
                self._writer.delete_documents_by_term("id", str(change.number))
            if change.row is not None:
                facts = self._facts(change.row.listing)
                self._writer.add_document(to_document(change.row, facts))

    def _commit(self, seq: int) -> None:
        self._writer.commit()
        self._index.reload()  # without it searchers keep the old view
        self._size = self._index.searcher().num_docs
        self.shown += 1
        write_position(self._directory / POSITION_FILE, self._owner, seq)

    def _open_directory(self) -> bool:
        """Whether what lies there can be followed on; else an empty index is opened."""
        for other in self._directory.parent.glob("search-*"):
            if other != self._directory:
                shutil.rmtree(other)
        position = read_position(self._directory / POSITION_FILE, self._owner)
        if not (self._directory / META_FILE).exists():
            position = None
        try:
            self._open_writer()
        except ValueError as error:
            if "LockBusy" in str(error):
                self._is_broken = True  # who follows tries again
                raise BrokenIndex("Another process is writing the search index.") from error
            shutil.rmtree(self._directory)  # damaged: it is only derived
            self._open_writer()
            position = None
        self._seq = position or 0
        return position is not None

    def _close_writer(self) -> None:
        with suppress(*BROKEN):  # then it has let go already
            self._writer.wait_merging_threads()

    def _open_writer(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # its files follow the umask
        self._index = tantivy.Index(schema(), path=str(self._directory))
        # More threads would make the order of documents differ from one time to the next.
        self._writer = self._index.writer(HEAP_BYTES, num_threads=1)
        # Of a commit that was cut off: the next one would find its own names taken.
        self._writer.garbage_collect_files()
        self._is_broken = False
        self._size = self._index.searcher().num_docs

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, lambda: work(*args, **kwargs))
        except BROKEN as error:
            self._is_broken = True
            raise BrokenIndex(f"The search index cannot be written: {error}") from error


@asynccontextmanager
async def open_search_index(
    home: Path, store: Store, facts: FactsOf = no_facts
) -> AsyncGenerator[SearchIndex]:
    """The index in `home`, in step with `store`; built anew where it must be.

    Raises `BrokenIndex` where another process holds it.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="search-index") as thread:
        index = SearchIndex(home, store, thread, facts)
        await index.open_directory()
        with suppress(BrokenIndex):  # as on a full disk: it stays behind, and `follow` tries again
            await index.begin()
        unsubscribe = store.subscribe(index.hear)
        try:
            yield index
        finally:
            unsubscribe()
            await asyncio.shield(index.close())
