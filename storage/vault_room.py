"""How much of the disk the vault takes, and how much of it goes with blobs that go."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from crdt.blob import BlobId, BlobRoot, parse_page, parse_root
from storage.folding import READ
from storage.vault.asked import in_order

STORED = (  # of an object, by its hash
    "SELECT coalesce((SELECT length(w.data) FROM vault.whole w WHERE w.id = n.id),"
    " (SELECT length(d.data) + length(d.bases) FROM vault.delta d WHERE d.id = n.id), 0)"
    " FROM vault.name n WHERE n.key = ?"
)
Rooted = tuple[bytes, bytes]
"""Of a folded blob its id and its root."""


def given_back(
    vault: sqlite3.Connection, going: Sequence[tuple[int, Rooted]], others: Iterable[Rooted]
) -> Mapping[int, tuple[int, int]]:
    """Of folded blobs that go in turn: bytes of what none of `others` has.

    By turn, those that this one has, alone or with others that go, and those that become free with
    it, being the last that had them. About: what leans on what goes is written anew, and grows.
    """
    turns: dict[bytes, list[int]] = defaultdict(list)
    for turn, rooted in going:
        for hash in {*_hashes(vault, [rooted])}:
            turns[hash].append(turn)
    for hash in _hashes(vault, others):
        turns.pop(hash, None)
    given: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for hash, of in turns.items():
        size = _stored(vault, hash)
        for turn in of:
            shared, so_far = given[turn]
            given[turn] = shared + size, so_far + (size if turn == max(of) else 0)
    return given


def stored_alone(
    vault: sqlite3.Connection, going: Iterable[Rooted], others: Iterable[Rooted]
) -> int:
    """Bytes of what some of `going` have and none of `others`; about, as `given_back`."""
    alone = {*_hashes(vault, going)}
    if alone:
        alone.difference_update(_hashes(vault, others))
    return sum(_stored(vault, hash) for hash in alone)


def _stored(vault: sqlite3.Connection, hash: bytes) -> int:
    row = vault.execute(STORED, (hash,)).fetchone()
    return int(row[0]) if row else 0


def _hashes(vault: sqlite3.Connection, blobs: Iterable[Rooted]) -> Iterator[bytes]:
    """Of their pages and chunks; of each page once."""
    seen: set[bytes] = set()
    for id, encoded in blobs:
        root = parse_root(encoded, BlobId(id))
        new = [at for at, hash in enumerate(root.page_hashes) if hash not in seen]
        seen.update(root.page_hashes)
        for at in range(0, len(new), READ):
            yield from _hashes_of(vault, root, new[at : at + READ])


def _hashes_of(vault: sqlite3.Connection, root: BlobRoot, places: Sequence[int]) -> Iterator[bytes]:
    hashes = [root.page_hashes[place] for place in places]
    for place, page in zip(places, in_order(vault, hashes), strict=True):
        yield root.page_hashes[place]
        if page is not None:
            yield from (name.hash for name in parse_page(page, root, place))
