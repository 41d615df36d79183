"""An older blob is written anew against a newer one: what it alone has becomes deltas.

    older   a  B  c      B is in the older one alone. b and d of the newer one lie at its place:
    newer   a  b  d  c   B becomes a delta against both, some hundred bytes

    covers_of ──some at a time──> rewrites_of (reads, packs) ──> replace (writes)

Between the two anything may happen to the vault, so `replace` looks again; its transaction, which
is its caller's, is short. Nothing is lost wherever this ends, and to begin anew costs little.
Pages, which are objects too, are written anew against pages.

No cycle can arise: what an object leans on is whole when it begins to, and what is whole leans on
nothing. `name.height` is how many deltas lean on it, one on the other, or more: never less.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple, TypeAlias

from crdt.blob import BlobRoot, ChunkName, Manifest, parse_page
from crdt.covering import covering
from crdt.delta import BASE_BYTES_MAX, decode, encode
from storage.vault.reading import marks, names_of, parts, read
from storage.vault.unpacking import HEIGHT_MAX, PlainCache, encode_bases

BATCH: Final = 64
"""Covers at a time, some 1 MiB: the turn to write is taken for milliseconds."""


class Cover(NamedTuple):
    """An object that can be written anew, and those that lie at its place, by their hashes."""

    hash: bytes
    bases: tuple[bytes, ...]


class Rewrite(NamedTuple):
    """An object as the delta that it can be from now on."""

    hash: bytes
    id: int
    bases: tuple[bytes, ...]
    base_ids: tuple[int, ...]
    data: bytes


class _Todo(NamedTuple):
    cover: Cover
    id: int
    base_ids: tuple[int, ...]
    plain: bytes
    base: bytes
    stored_bytes: int  # which it takes whole


Spread: TypeAlias = Callable[
    [Callable[[_Todo], Rewrite | None], Iterable[_Todo]], Iterable[Rewrite | None]
]
"""`map`, or that of a pool of threads: packing leaves the interpreter to others."""


def covers_of(
    vault: sqlite3.Connection, older: BlobRoot, newer: BlobRoot
) -> Iterator[Sequence[Cover]]:
    """What of `older` can be written anew against `newer`, some at a time.

    Nothing where a page of either is not here. Reads the vault before it gives the first ones. Of
    one that lies at neighbouring places again and again the first counts.
    """
    first, second = _chunks_of(vault, older), _chunks_of(vault, newer)
    if first is None or second is None:
        return
    for chunks, others in ((first, second), (_pages_of(older), _pages_of(newer))):
        before: dict[bytes, Cover] = {}
        some: dict[bytes, Cover] = {}
        for number, run in covering(chunks, others):
            hash = chunks[number][0]
            if hash in some or hash in before or not run:
                continue
            some[hash] = Cover(hash, tuple(dict.fromkeys(others[at][0] for at in run)))
            if len(some) == BATCH:
                yield [*some.values()]
                before, some = some, {}
        if some:
            yield [*some.values()]


def rewrites_of(
    vault: sqlite3.Connection, covers: Sequence[Cover], cache: PlainCache, spread: Spread = map
) -> list[Rewrite]:
    """Those of the objects that are whole and take less room as deltas, as such.

    A delta that does not give the same bytes again is never among them.
    """
    todo = _todo_of(vault, covers, cache)
    return [rewrite for rewrite in spread(_rewrite, todo) if rewrite is not None]


def replace(vault: sqlite3.Connection, rewrites: Sequence[Rewrite]) -> int:
    """How many were put in the place of what is whole, of those for which that still can be.

    In a transaction of the caller's, who holds the turn to write.
    """
    hashes = {hash for one in rewrites for hash in (one.hash, *one.bases)}
    names = names_of(vault, [*hashes])
    whole = _whole(vault, [name.id for name in names.values()])
    heights = {hash: name.height for hash, name in names.items()}
    rows: list[tuple[int, bytes, bytes]] = []
    grown: set[bytes] = set()
    for one in rewrites:
        here = [names.get(hash) for hash in (one.hash, *one.bases)]
        ids = [name.id for name in here if name]
        height = heights.get(one.hash, 0) + 1
        if ids != [one.id, *one.base_ids] or not whole.keys() >= {*ids} or height > HEIGHT_MAX:
            continue
        del whole[one.id]  # no base of another in this batch
        rows.append((one.id, encode_bases(one.base_ids), one.data))
        for base in one.bases:
            if heights[base] < height:
                heights[base] = height
                grown.add(base)
    vault.executemany("INSERT INTO vault.delta (id, bases, data) VALUES (?, ?, ?)", rows)
    vault.executemany("DELETE FROM vault.whole WHERE id = ?", [(id,) for id, _, _ in rows])
    vault.executemany(
        "UPDATE vault.name SET height = ? WHERE key = ?",
        [(heights[hash], hash) for hash in sorted(grown)],
    )
    return len(rows)


class _Chunks(Sequence[ChunkName]):
    """The chunks of a blob, each read from its page when asked for: there may be a million."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest

    def __len__(self) -> int:
        return self._manifest.chunk_count

    def __getitem__(self, at: int) -> ChunkName:  # type: ignore[override]  # no slices are asked for
        return ChunkName(self._manifest.chunk_hash(at), self._manifest.chunk_size(at))

    def __iter__(self) -> Iterator[ChunkName]:
        for number, page in enumerate(self._manifest.pages):
            yield from parse_page(page, self._manifest.parsed, number)


def _chunks_of(vault: sqlite3.Connection, root: BlobRoot) -> _Chunks | None:
    pages: list[bytes] = []
    cache = PlainCache()
    for part in parts(root.page_hashes):
        found = read(vault, part, cache).objects
        if not found.keys() >= {*part}:
            return None
        pages += [found[hash] for hash in part]
    return _Chunks(Manifest(root, tuple(pages)))


def _pages_of(root: BlobRoot) -> list[tuple[bytes, int]]:
    return [(hash, root.page_size(number)) for number, hash in enumerate(root.page_hashes)]


def _todo_of(vault: sqlite3.Connection, covers: Sequence[Cover], cache: PlainCache) -> list[_Todo]:
    hashes = {hash for cover in covers for hash in (cover.hash, *cover.bases)}
    names = names_of(vault, [*hashes])
    whole = _whole(vault, [name.id for name in names.values()])
    chosen: list[Cover] = []
    for hash, around in covers:
        name = names.get(hash)
        known = [base for base in around if base != hash and base in names]
        bases = _fitting({base: names[base].size for base in known if names[base].id in whole})
        if name and name.id in whole and name.height < HEIGHT_MAX and bases:
            chosen.append(Cover(hash, bases))
    found = read(vault, [*{hash for one in chosen for hash in (one.hash, *one.bases)}], cache)
    objects = found.objects
    return [
        _Todo(
            one,
            names[one.hash].id,
            tuple(names[base].id for base in one.bases),
            objects[one.hash],
            b"".join(objects[base] for base in one.bases),
            whole[names[one.hash].id],
        )
        for one in chosen
        if objects.keys() >= {one.hash, *one.bases}
    ]


def _fitting(sizes: Mapping[bytes, int]) -> tuple[bytes, ...]:
    """The first of them, as many as a delta may be against: many small pages cover a large one."""
    ends = accumulate(sizes.values())
    return tuple(hash for hash, end in zip(sizes, ends, strict=True) if end <= BASE_BYTES_MAX)


def _rewrite(todo: _Todo) -> Rewrite | None:
    data = encode(todo.plain, todo.base)
    if len(data) + len(encode_bases(todo.base_ids)) >= todo.stored_bytes:
        return None
    if decode(data, todo.base, len(todo.plain)) != todo.plain:
        return None
    return Rewrite(todo.cover.hash, todo.id, todo.cover.bases, todo.base_ids, data)


def _whole(vault: sqlite3.Connection, ids: Sequence[int]) -> dict[int, int]:
    """Of those that lie there whole, by id, how many bytes they take."""
    return {
        id: size
        for part in parts(ids)
        for id, size in vault.execute(
            f"SELECT id, length(data) FROM vault.whole WHERE id IN ({marks(part)})"
            # What rot has put in both may be the delta, and lean on what is to lean on it.
            " AND id NOT IN (SELECT id FROM vault.delta)",
            part,
        )
    }
