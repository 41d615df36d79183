"""Giving back the room of what lies in the vault and no blob names any more.

    marks of all that blobs name ─▸ what has none goes ─▸ empty pages go back to the disk

Whoever names something meanwhile, a blob that is put, begun or folded, stops it: what was thought
dead may be named now. It is begun anew then, a few times; what is left goes with the next one.
"""

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from crdt.blob import BlobId, Chunking, parse_root
from storage.blob_rows import IS_CONTENT
from storage.database import Database
from storage.folding import IS_FOLDED, Lost, names_of_pages
from storage.part import Part
from storage.vault.attached import checkpoint, is_empty, used_bytes
from storage.vault.collecting import Collection
from storage.vault.ids import next_id
from storage.vault.keeping import free
from storage.vault.lost import last_loss

TIMES = 3
ROOTS = 64  # of blobs, in one step
_PLACES = "SELECT place FROM blob_page WHERE blob = ?"
PAGES = 64  # of rows of what they name: 65,536 chunks


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Room of what was stored of a snapshot that came to nothing."""

    parts: int = 0
    """Chunks and pages."""
    bytes: int = 0
    """Of the disk; less where something that stays leaned on what went, and grew."""

    def __add__(self, other: "GivenBack") -> "GivenBack":
        return GivenBack(self.parts + other.parts, self.bytes + other.bytes)

    def __sub__(self, other: "GivenBack") -> "GivenBack":
        return GivenBack(self.parts - other.parts, self.bytes - other.bytes)


class VaultCollecting(Part, ABC):
    """What `Collecting` needs of the vault."""

    _putting = 0
    """Blobs whose chunks come, and no page names them yet."""
    _named = 0
    """Times that something of the vault came to be named."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self._may_be_dead = True  # a start does not know
        self._lacked_room = False
        """Whether an upload found no room, and nobody has given any back since."""
        self._given_back = GivenBack()
        self._sweeping = asyncio.Lock()  # one at a time, and none while snapshots are settled
        self._hurrying = 0
        self._hurried = asyncio.Event()

    @property
    def has_left_over(self) -> bool:
        """Whether something may lie here that nothing names: since the start, or as uploads that
        went on kept `give_back` from looking."""
        return self._may_be_dead

    def _note_named(self) -> None:
        """Something of the vault is about to be named, or has just been."""
        self._named += 1

    @abstractmethod
    async def _forget_objects(
        self, hashes: Sequence[bytes], blob: BlobId | None = None
    ) -> Sequence[BlobId]:
        """`BlobReading` has it: which blobs that makes less than whole is known there."""

    async def _collect_vault(self, pause_s: float = 0.0) -> None:
        if pause_s:
            await self._sweep(pause_s)
        else:
            with self._hurry():
                await self._sweep(pause_s)

    @contextmanager
    def _hurry(self) -> Generator[None]:
        """Meanwhile nobody rests who sweeps: it is waited for."""
        self._hurrying += 1
        self._hurried.set()
        try:
            yield
        finally:
            self._hurrying -= 1
            if not self._hurrying:
                self._hurried.clear()

    async def _rest(self, pause_s: float) -> None:
        """Between any two steps, where nobody waits for them."""
        if not pause_s or self._hurrying:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._hurried.wait()

    async def _sweep(self, pause_s: float) -> None:
        async with self._sweeping:
            for _ in range(TIMES):
                if not self._may_be_dead or self._putting:
                    return
                if await self._collect_or_forget(pause_s):
                    break
            has_more = True
            while has_more:
                has_more = await self._database.lazily(free)
                await self._rest(pause_s)
            await self._database.vault.read_in_parts(checkpoint)

    async def _collect_or_forget(self, pause_s: float) -> bool:
        """Whether it came to its end. What comes to nothing meanwhile is for the next one."""
        self._may_be_dead, is_done = False, False
        try:
            is_done = await self._collect_once(pause_s)
        except Lost as error:  # a page, and what it names is not known
            await self._forget_objects([error.hash], error.blob)
        finally:
            if not is_done:
                self._may_be_dead = True
        return is_done

    async def _collect_once(self, pause_s: float) -> bool:
        """Whether it came to its end."""
        named = self._named
        if await self._database.vault.read(is_empty):
            return True
        await self._database.vault.check()  # else what a rotten name leads to would go
        collection = await self._database.lazily(lambda one: Collection(one, below=next_id(one)))
        try:
            await self._mark_named(collection, pause_s)
            has_more: bool | None = True
            while has_more:
                await self._rest(pause_s)
                has_more = await self._database.lazily(partial(self._step, collection, named))
            return has_more is not None
        finally:
            self._given_back += GivenBack(collection.forgotten)
            await self._database.lazily(lambda _: collection.end())

    def _step(
        self, collection: Collection, named: int, database: sqlite3.Connection
    ) -> bool | None:
        """Whether there is more; None where something was named or lost since the marks began."""
        if self._putting or named != self._named or last_loss(database) != collection.last_loss:
            return None
        before = used_bytes(database)
        has_more = collection.step()
        self._given_back += GivenBack(bytes=before - used_bytes(database))
        return has_more

    async def _mark_named(self, collection: Collection, pause_s: float) -> None:
        """All that folded blobs name, and others of version 2 as far as their pages are here."""
        seen: set[bytes] = set()  # pages, of which each is looked at once
        asked = (
            f"SELECT number, id, root, {IS_FOLDED} FROM blob WHERE number > ? AND {IS_CONTENT}"
            f" ORDER BY number LIMIT {ROOTS}"
        )
        number = 0
        while blobs := await self._database.rows(asked, (number,)):
            number = blobs[-1][0]
            for blob, id, root, is_folded in blobs:
                parsed = parse_root(root, BlobId(id))
                if collection.has_lost and not is_folded:
                    held = await self._database.rows(_PLACES, (blob,))
                    lacking = {*range(parsed.page_count)} - {place for (place,) in held}
                    collection.lack([parsed.page_hashes[at] for at in lacking])
                new = [at for at, hash in enumerate(parsed.page_hashes) if hash not in seen]
                await self._mark(collection, parsed.page_hashes)
                if is_folded:
                    seen.update(parsed.page_hashes)
                    for at in range(0, len(new), PAGES):
                        named = partial(names_of_pages, root=parsed, places=new[at : at + PAGES])
                        await self._mark(collection, await self._database.vault.read(named))
                        await self._rest(pause_s)
        asked = "SELECT number FROM page WHERE number > ? AND chunking = ? ORDER BY number LIMIT ?"
        number = 0
        while pages := await self._database.rows(asked, (number, Chunking.CONTENT, PAGES)):
            number = pages[-1][0]
            marks = ",".join("?" * len(pages))
            rows = await self._database.rows(
                f"SELECT hash FROM page_chunk WHERE page IN ({marks})", [one for (one,) in pages]
            )
            await self._mark(collection, [hash for (hash,) in rows])
            await self._rest(pause_s)
        after: bytes | None = b""
        while after is not None:
            mark_some = partial(_mark_before, collection=collection, after=after)
            after = await self._database.lazily(mark_some)
            await self._rest(pause_s)

    async def _mark(self, collection: Collection, hashes: Sequence[bytes]) -> None:
        await self._database.lazily(lambda _: collection.mark(hashes))


def _mark_before(_: object, *, collection: Collection, after: bytes) -> bytes | None:
    return collection.mark_before(after)
