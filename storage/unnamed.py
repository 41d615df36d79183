"""Chunks that lie in a pack and have no rows yet: many get theirs in one transaction.

    appended ─▸ survives the process ─▸ rows, with the next write of whatever kind ─▸ can be read

Only whole chunks of a fixed size go this way, one behind another right behind the last row of a
pack. So a start after a kill finds them: what follows that row is cut into chunks, and each whose
hash a page names gets its row then (`name_found`). Behind anything else, such as copies of `gc` or
what lost its rows, chunks get theirs at once.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from crdt.blob import CHUNK_BYTES
from crdt.digest import payload_digest
from storage.blob_rows import held_of, record
from storage.pack_ends import ENDS
from storage.packs import Packs, Place
from storage.prompt import Prompt

UNNAMED_BYTES_MAX = 32 << 20  # so much a start hashes and looks for, as of what is not synced
NAMED = f"SELECT 1 FROM page_chunk WHERE hash = ? AND size = {CHUNK_BYTES} LIMIT 1"


class Unnamed:
    """Where they lie, by their hashes. For whoever has the turn to write, mostly a thread."""

    def __init__(self, packs: Packs) -> None:
        self._packs = packs
        self._prompt = Prompt()
        self._places: dict[bytes, Place] = {}

    def __bool__(self) -> bool:
        return bool(self._places)

    @property
    def is_full(self) -> bool:
        """Whether they are to have their rows now."""
        return len(self._places) * CHUNK_BYTES >= UNNAMED_BYTES_MAX

    def is_found(self, database: sqlite3.Connection) -> bool:
        """Whether a start would find what is appended next, without its rows."""
        if self._places:  # these would be
            return self._is_behind_others
        mark = self._packs.mark()
        row = database.execute(f"{ENDS} WHERE p.number = ?", (mark.pack,)).fetchone()
        return mark.at == (row[1] if row else 0)

    @property
    def _is_behind_others(self) -> bool:
        last = next(reversed(self._places.values()))
        return self._packs.mark() == Place(last.pack, last.at + last.size, 0)

    def append_at_once(self, chunks: Iterable[tuple[bytes, bytes]]) -> bool:
        """As `append`, without the database and without waiting; gives whether they lie there.

        In the turn of an event loop: behind others in a pack that is open, as long as the disk
        takes what is written. A chunk that another blob brought meanwhile lies there twice then,
        until its pack is written anew.
        Raises as `append`.
        """
        if not self._places or self.is_full or not self._prompt.is_likely:
            return False
        new = {hash: data for hash, data in chunks if hash not in self._places}
        if not new:
            return True
        assert all(len(data) == CHUNK_BYTES for data in new.values()), "a start could not find them"
        if not self._packs.is_open:
            return False
        assert self._is_behind_others, "whoever appended something else had given these their rows"
        with self._prompt.writing():
            self._packs.room.check(len(new) * CHUNK_BYTES)  # a look at a disk may take as long
            places = self._packs.append(list(new.values()))
        self._places.update(zip(new, places, strict=True))
        return True

    def append(self, database: sqlite3.Connection, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """Chunks by their hashes, which were checked, each of `CHUNK_BYTES`; all of them or none.

        But for those that are here. Raises `OverQuota` where the disk is full, `StorageError`.
        """
        new = {hash: data for hash, data in chunks if hash not in self._places}
        for hash in held_of(database, list(new)):
            del new[hash]
        if not new:
            return
        assert all(len(data) == CHUNK_BYTES for data in new.values()), "a start could not find them"
        self._packs.room.check(len(new) * CHUNK_BYTES)
        places = self._packs.append(list(new.values()))
        self._places.update(zip(new, places, strict=True))

    def append_named(
        self, database: sqlite3.Connection, chunks: Iterable[tuple[bytes, bytes]]
    ) -> None:
        """As `append`, with their rows, in the transaction of the caller; after `name`."""
        earlier = dict(self._places)
        try:
            self.append(database, chunks)
            late = {hash: at for hash, at in self._places.items() if hash not in earlier}
            _record_new(database, self._packs, late)
        finally:
            self._places = earlier

    def name(self, database: sqlite3.Connection) -> None:
        """Writes their rows, in the transaction of the caller, who then says `named`."""
        if self._places:
            _record_new(database, self._packs, self._places)

    def named(self) -> None:
        """Their rows are there."""
        self._places.clear()


def name_found(
    database: sqlite3.Connection, packs: Packs, sizes: Mapping[int, int], ends: Mapping[int, int]
) -> None:
    """What a killed process had appended and not named yet. `ends`: of what rows name."""
    for pack, size in sizes.items():
        places: dict[bytes, Place] = {}
        for place in _behind(pack, ends.get(pack, 0), size):
            hash = payload_digest(packs.read(place))
            if database.execute(NAMED, (hash,)).fetchone() is None:
                break  # and whatever follows was never acknowledged
            places.setdefault(hash, place)
        _record_new(database, packs, places)


def _behind(pack: int, end: int, size: int) -> Sequence[Place]:
    starts = range(end, size - CHUNK_BYTES + 1, CHUNK_BYTES)
    return [Place(pack, at, CHUNK_BYTES) for at in starts]


def _record_new(database: sqlite3.Connection, packs: Packs, places: Mapping[bytes, Place]) -> None:
    """But for those that another blob brought meanwhile: the pack has one of these too many."""
    held = held_of(database, list(places))
    new = [(hash, place) for hash, place in places.items() if hash not in held]
    if new:
        record(database, packs, new)
