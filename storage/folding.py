"""Blobs of version 2: their chunks come to the vault, and once they are whole their pages too.

    begun ─▸ pages in rows, chunks in the vault ─▸ whole: folded, no rows but its own
      ▲                                                  │
      └──────────── a part of it was damaged ◂───────────┘

Thousands of rows for each snapshot would take more room than what is new in it. Two files are not
committed as one: what the database says is whole is on the disk in the vault before it says so.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from crdt.blob import BlobId, BlobRoot, ChunkName, parse_page, parse_root
from storage.errors import NotHeld
from storage.vault.asked import in_order
from storage.vault.attached import Vault
from storage.vault.rows import held

READ = 64  # objects at once
PAGES_KEPT = 64  # what they say is remembered: some 140 KB each
IS_FOLDED = "(is_complete AND in_vault)"


class Lost(NotHeld):
    """An object of the vault is not there, or is other bytes."""

    def __init__(self, blob: BlobId, hash: bytes) -> None:
        super().__init__(
            f"A part of blob {blob.hex()} was damaged on the disk; it is not held any more: fetch"
            " the blob again."
        )
        self.blob = blob
        self.hash = hash


class Said(NamedTuple):
    """All that a root says of a page, which another root may name as something else."""

    hash: bytes
    size: int
    chunk_count: int
    is_last: bool

    @classmethod
    def of(cls, root: BlobRoot, number: int) -> "Said":
        count, is_last = root.page_chunk_count(number), number == root.page_count - 1
        return cls(root.page_hashes[number], root.page_size(number), count, is_last)


class FoldedPages:
    """What the pages of folded blobs say, of those that were read last."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._named: OrderedDict[Said, tuple[ChunkName, ...]] = OrderedDict()

    async def page(self, root: BlobRoot, number: int) -> bytes:
        """Its bytes. Raises `Lost`."""
        (page,) = await self.pages(root, number, 1)
        return page

    async def pages(self, root: BlobRoot, first: int, count: int) -> list[bytes]:
        """So many from one on. Raises `Lost`."""
        hashes = root.page_hashes[first : first + count]
        found = await self._vault.objects(hashes)
        for hash, page in zip(hashes, found, strict=True):
            if page is None:
                raise Lost(root.id, hash)
        return [page for page in found if page is not None]

    async def names(self, root: BlobRoot, number: int) -> tuple[ChunkName, ...]:
        """Of all chunks of a page. Raises `Lost`, `Malformed`."""
        key = Said.of(root, number)
        if (known := self._named.get(key)) is None:
            known = parse_page(await self.page(root, number), root, number)
            self._named[key] = known
            if len(self._named) > PAGES_KEPT:
                self._named.popitem(last=False)
        else:
            self._named.move_to_end(key)
        return known

    async def chunks(self, root: BlobRoot, first: int, count: int) -> list[ChunkName]:
        """Of so many from one on, as far as there are any. Raises `Lost`."""
        found: list[ChunkName] = []
        end = min(first + count, root.chunk_count)
        while first < end:
            page = root.page_of(first)
            names = await self.names(root, page)
            start = first - root.page_starts[page]
            found += names[start : start + end - first]
            first += len(names) - start
        return found


def pages_in_vault(
    database: sqlite3.Connection, root: BlobRoot, places: Sequence[int]
) -> Iterator[tuple[int, bytes]]:
    """Those that are there, since a blob that is folded has them too."""
    for at in range(0, len(places), READ):
        part = places[at : at + READ]
        found = in_order(database, [root.page_hashes[place] for place in part])
        yield from ((one, page) for one, page in zip(part, found, strict=True) if page is not None)


def names_of_pages(vault: sqlite3.Connection, root: BlobRoot, places: Sequence[int]) -> list[bytes]:
    """The hashes of all chunks that these pages name. Raises `Lost`."""
    found: list[bytes] = []
    pages = in_order(vault, [root.page_hashes[place] for place in places])
    for place, page in zip(places, pages, strict=True):
        if page is None:
            raise Lost(root.id, root.page_hashes[place])
        found += [name.hash for name in parse_page(page, root, place)]
    return found


def unnamed_of(vault: sqlite3.Connection, root: BlobRoot, places: Sequence[int]) -> list[bytes]:
    """The hashes of these pages of a folded blob, and of the chunks that they name, which nothing
    in the vault is called. What is damaged has a name."""
    hashes = [root.page_hashes[place] for place in places]
    for place, page in zip(places, in_order(vault, hashes), strict=True):
        if page is not None:
            hashes += [name.hash for name in parse_page(page, root, place)]
    here = held(vault, hashes)
    return [hash for hash in hashes if hash not in here]


def whole_of_vault(vault: sqlite3.Connection, root: BlobRoot) -> bytes | None:
    """All of a small blob that is folded; None where a part of it is damaged."""
    pieces: list[bytes] = []
    for number, page in enumerate(in_order(vault, root.page_hashes)):
        if page is None:
            return None
        names = parse_page(page, root, number)
        for at in range(0, len(names), READ):
            found = in_order(vault, [name.hash for name in names[at : at + READ]])
            pieces += [data for data in found if data is not None]
            if None in found:
                return None
    return b"".join(pieces)


def lost_of_vault(vault: sqlite3.Connection, root: BlobRoot) -> list[bytes]:
    """The hashes of what of a small blob that is folded is damaged, or not here."""
    lost: list[bytes] = []
    for number, page in enumerate(in_order(vault, root.page_hashes)):
        if page is None:
            lost.append(root.page_hashes[number])
            continue
        names = parse_page(page, root, number)
        for at in range(0, len(names), READ):
            hashes = [name.hash for name in names[at : at + READ]]
            found = in_order(vault, hashes)
            lost += [hash for hash, data in zip(hashes, found, strict=True) if data is None]
    return lost


def blobs_with(
    vault: sqlite3.Connection, rows: Iterable[tuple[bytes, bytes]], hashes: Collection[bytes]
) -> list[BlobId]:
    """Those of folded blobs (id and root) of which a page or a chunk has one of these hashes."""
    wanted = frozenset(hashes)
    named: dict[bytes, bool] = {}  # of each page, whether it is or names one of them
    found: list[BlobId] = []
    for id, encoded in rows:
        root = parse_root(encoded, BlobId(id))
        for number, hash in enumerate(root.page_hashes):
            if hash not in named:
                named[hash] = hash in wanted or _names_any(vault, root, number, wanted)
        if any(named[hash] for hash in root.page_hashes):
            found.append(root.id)
    return found


def _names_any(
    vault: sqlite3.Connection, root: BlobRoot, number: int, hashes: Collection[bytes]
) -> bool:
    """Also where the page cannot be read: then it is lost too."""
    (page,) = in_order(vault, [root.page_hashes[number]])
    return page is None or any(name.hash in hashes for name in parse_page(page, root, number))
