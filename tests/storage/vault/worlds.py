"""Snapshots of a world that changes, and a vault of them beside whoever tests it."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final

from crdt.blob import BlobRoot, Chunking, ManifestBuilder, parse_page
from crdt.chunking import cut
from crdt.digest import payload_digest
from storage.vault.collecting import Collection
from storage.vault.ids import next_id
from storage.vault.opening import make_vault
from storage.vault.reading import read
from storage.vault.rows import encode, put
from storage.vault.settling import covers_of, replace, rewrites_of
from storage.vault.unpacking import PlainCache

ENTITIES: Final = 3_000


class World:
    """Some 0.4 MB in which in each step 2 % changes, one in 2,000 dies and one is born."""

    def __init__(self, seed: int = 1, entities: int = ENTITIES) -> None:
        self._random = Random(seed)
        self._tick = 0
        self._entities = [self._born(number) for number in range(entities)]

    def snapshot(self) -> bytes:
        """As it is now."""
        return b'{"tick":%d,"entities":[\n%s]}' % (self._tick, b",\n".join(self._entities))

    def step(self) -> bytes:
        """What comes next."""
        self._tick += 1
        count = len(self._entities)
        for _ in range(count // 50):
            at = self._random.randrange(count)
            self._entities[at] = self._born(at)
        for _ in range(count // 2_000):
            del self._entities[self._random.randrange(count)]
            self._entities.append(self._born(self._tick * count))
        return self.snapshot()

    def series(self, count: int) -> list[bytes]:
        """It and those that come after it."""
        return [self.snapshot(), *(self.step() for _ in range(count - 1))]

    def _born(self, number: int) -> bytes:
        return b'{"id":%d,"genome":"%s","x":%.6f,"energy":%d}' % (
            number,
            self._random.randbytes(24).hex().encode(),
            self._random.random(),
            self._random.randrange(10_000),
        )


def open_vault(path: Path) -> "closing[sqlite3.Connection]":
    """A connection that has the vault, which is made if there is none."""
    make_vault(path)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("ATTACH DATABASE ? AS vault", (str(path),))
    return closing(connection)


def store(vault: sqlite3.Connection, data: bytes, *, promote: bool = False) -> BlobRoot:
    """Chunks and pages, as an upload stores them."""
    builder = ManifestBuilder(Chunking.CONTENT)
    objects: list[tuple[bytes, bytes]] = []
    for chunk in cut([data], Chunking.CONTENT):
        hash = payload_digest(chunk)
        builder.add(hash, len(chunk))
        objects.append((hash, chunk))
    manifest = builder.finish()
    objects += [(payload_digest(page), page) for page in manifest.pages]
    vault.execute("BEGIN IMMEDIATE")
    put(vault, encode(objects), promote=promote)
    vault.execute("COMMIT")
    return manifest.parsed


def settle(vault: sqlite3.Connection, older: BlobRoot, newer: BlobRoot) -> int:
    """How many objects were written anew."""
    cache, count = PlainCache(), 0
    for covers in covers_of(vault, older, newer):
        rewrites = rewrites_of(vault, covers, cache)
        vault.execute("BEGIN IMMEDIATE")
        count += replace(vault, rewrites)
        vault.execute("COMMIT")
    return count


def store_all(vault: sqlite3.Connection, series: Sequence[bytes]) -> list[BlobRoot]:
    """One after another, each settled against the next."""
    roots: list[BlobRoot] = []
    for data in series:
        roots.append(store(vault, data))
        if len(roots) > 1:
            settle(vault, *roots[-2:])
    return roots


def objects_of(vault: sqlite3.Connection, root: BlobRoot) -> list[bytes]:
    """The hashes of its pages and chunks. Fails where a page is not here."""
    pages = read(vault, root.page_hashes, PlainCache()).objects
    hashes = list(root.page_hashes)
    for number, page in enumerate(root.page_hashes):
        hashes += [chunk.hash for chunk in parse_page(pages[page], root, number)]
    return hashes


def restored(vault: sqlite3.Connection, root: BlobRoot) -> bytes:
    """All of it. Fails where something is not here."""
    hashes = objects_of(vault, root)[root.page_count :]
    cache = PlainCache()
    found: dict[bytes, bytes] = {}
    for at in range(0, len(hashes), 256):
        found |= read(vault, hashes[at : at + 256], cache).objects
    return b"".join(found[hash] for hash in hashes)


def collect_without(vault: sqlite3.Connection, page: bytes) -> None:
    """Nothing is named but by that page of a blob, which is not here."""
    collection = Collection(vault, below=next_id(vault))
    collection.mark([page])
    collection.lack([page])
    after: bytes | None = b""
    while after is not None:
        after = collection.mark_before(after)
    while collection.step():
        pass
    collection.end()


def stored_bytes(vault: sqlite3.Connection) -> int:
    """Of what is packed."""
    ((whole,),) = vault.execute("SELECT coalesce(sum(length(data)), 0) FROM vault.whole")
    ((delta,),) = vault.execute(
        "SELECT coalesce(sum(length(data) + length(bases)), 0) FROM vault.delta"
    )
    return int(whole + delta)


def count(vault: sqlite3.Connection, table: str) -> int:
    """How many rows it has."""
    ((rows,),) = vault.execute(f"SELECT count(*) FROM vault.{table}")
    return int(rows)
