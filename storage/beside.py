"""What stands beside a state in its universe, of those that are here whole.

Anybody may name a blob of another's universe beside what they like. So whoever knows of which
universe it is says so; else one's own come first, then those of people who were chosen here. And
what has something beside it in one of those leans on nothing that others name it beside: what is
the newest there lies whole (`Nearer`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from crdt.blob import BlobId
from storage.database import Reading
from storage.part import Part

BESIDE_MAX: Final = 4
UNIVERSES_MAX: Final = 4  # in which a blob is looked for, where nobody says in which it is
# Of authors who are followed, this person among them, and of owned namespaces, whose keys are odd
# (`crdt.keys.is_communal`).
CHOSEN: Final = (
    "(d.author IN (SELECT author FROM followed) OR d.namespace IN"
    " (SELECT number FROM namespace WHERE instr('13579BDF', substr(hex(key), -1))))"
)
# Of a universe: 0 one's own, 1 of who was chosen, 2 of strangers.
_FARTHEST: Final = 2
_DISTANCE: Final = (
    "CASE WHEN d.author IN (SELECT author FROM followed WHERE is_own) THEN 0"
    f" WHEN {CHOSEN} THEN 1 ELSE {_FARTHEST} END"
)
_DISTANCE_OF: Final = f"SELECT {_DISTANCE} FROM document d WHERE d.number = ?"
_UNIVERSES: Final = (
    f"SELECT u.document, {_DISTANCE} AS distance"
    " FROM blob_use u JOIN universe_count c ON c.document = u.document"
    " JOIN document d ON d.number = u.document WHERE u.blob = ?"
    " ORDER BY distance, c.snapshots DESC, u.document LIMIT ?"
)
# Two are enough to have one that is another.
_HERE: Final = (
    "SELECT DISTINCT s.blob FROM snapshot s CROSS JOIN blob b ON b.id = s.blob"
    " WHERE b.is_complete AND s.document = ? AND s.tick IS NOT NULL LIMIT 2"
)
_PLACES: Final = (
    "SELECT blob, tick, at_us, id FROM snapshot WHERE document = ? AND tick IS NOT NULL"
    " AND blob IN (*) ORDER BY tick, at_us, id"
)
_FROM: Final = (  # by the index, as far as it has to be walked
    "SELECT s.tick, s.at_us, s.blob FROM snapshot s CROSS JOIN blob b ON b.id = s.blob"
    " WHERE b.is_complete AND s.document = ? AND (s.tick, s.at_us, s.id)"
)
_EARLIER: Final = f"{_FROM} < (?, ?, ?) ORDER BY s.tick DESC, s.at_us DESC, s.id DESC LIMIT ?"
_NEWEST: Final = (
    "SELECT s.blob, b.number FROM snapshot s CROSS JOIN blob b ON b.id = s.blob"
    " WHERE b.is_complete AND s.document = ? AND s.tick IS NOT NULL"
    " ORDER BY s.tick DESC, s.at_us DESC, s.id DESC LIMIT 1"
)
_LATER: Final = f"{_FROM} > (?, ?, ?) ORDER BY s.tick, s.at_us, s.id LIMIT ?"


@dataclass(frozen=True, slots=True)
class Beside:
    """A state that is here whole, beside another of its universe."""

    blob: BlobId
    is_later: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """Of one state in one universe, which may have the same bytes at several ticks."""

    universe: int
    blob: BlobId
    first: tuple[int, int, bytes]
    """Tick, µs, id."""
    last: tuple[int, int, bytes]


class NextTo(Part):
    """Reading of it. `universe`: by its record's number; 0, or one in which it does not stand any
    more: of any, the nearest first."""

    async def beside(self, blob: BlobId, universe: int = 0) -> list[Beside]:
        """What a snapshot is likely much like: of its universe those nearest by their ticks that
        are here, the nearest first; at most `BESIDE_MAX`, none of what is no snapshot.
        """
        found: dict[BlobId, Beside] = {}
        async with self._database.reading() as view:
            for place in await _places(view, [blob], universe):
                for one in await _around(view, place):
                    found.setdefault(one.blob, one)
        return [*found.values()][:BESIDE_MAX]

    async def pairs_beside(
        self, blobs: Sequence[BlobId], universe: int = 0
    ) -> list[tuple[BlobId, BlobId]]:
        """(older, newer) of each of these and what is here right before and right after it, in the
        order of their ticks: of each universe the oldest first, in whatever order they came.

        Behind each pair the older one follows with the newest of that universe: the newer one may
        lie as a difference already, as it came before or was made small in another universe, and is
        no base then. None of which the older one has something beside it in a nearer universe:
        of what came and has, those of that one are among them.
        """
        pairs: dict[tuple[BlobId, BlobId], None] = {}
        async with self._database.reading() as view:
            nearer = Nearer()
            for place in await _places(view, blobs, universe, nearer):
                for older, newer in await _pairs_of(view, place):
                    if not await nearer.has(view, older, place.universe):
                        newest = await newest_of(view, place.universe)
                        pairs.update(_in_turn(older, newer, newest.blob))
        return [*pairs]


async def _pairs_of(view: Reading, place: _Place) -> list[tuple[BlobId, BlobId]]:
    """(older, newer) of what is there and what is here right before and right after it."""
    before = await view.rows(_EARLIER, (place.universe, *place.first, 1))
    after = await view.rows(_LATER, (place.universe, *place.last, 1))
    return [
        *((BlobId(id), place.blob) for *_, id in before),
        *((place.blob, BlobId(id)) for *_, id in after),
    ]


def _in_turn(older: BlobId, *newer: BlobId) -> dict[tuple[BlobId, BlobId], None]:
    return {(older, one): None for one in newer if one != older}


class Nearer:
    """Whether a state has something beside it that is here, in a universe nearer than another one:
    in one's own, or in that of who was chosen. What it is written anew against is said there.

    Where it stands there alone, as in a fork that did not go on, nothing is said. Each state is
    looked up once, however many universes name it, and each universe: it is for one look.
    """

    def __init__(self) -> None:
        self._distances: dict[int, int] = {}
        self._nearest: dict[BlobId, int] = {}
        """Of universes in which something is beside it."""
        self._here: dict[int, frozenset[bytes]] = {}

    async def has(self, view: Reading, blob: BlobId, universe: int) -> bool:
        """In one of the `UNIVERSES_MAX` nearest that name it."""
        if universe not in self._distances:
            ((self._distances[universe],),) = await view.rows(_DISTANCE_OF, (universe,))
        distance = self._distances[universe]
        if not distance:
            return False
        if blob not in self._nearest:
            self._nearest[blob] = await self._nearest_of(view, blob)
        return self._nearest[blob] < distance

    async def _nearest_of(self, view: Reading, blob: BlobId) -> int:
        for number, distance in await view.rows(_UNIVERSES, (blob, UNIVERSES_MAX)):
            if await self._some_here(view, number) - {blob}:
                return int(distance)
        return _FARTHEST

    async def _some_here(self, view: Reading, universe: int) -> frozenset[bytes]:
        if universe not in self._here:
            rows = await view.rows(_HERE, (universe,))
            self._here[universe] = frozenset(id for (id,) in rows)
        return self._here[universe]


class Newest(NamedTuple):
    """The newest state of a universe that is here whole."""

    blob: BlobId
    number: int


async def newest_of(view: Reading, universe: int) -> Newest:
    """Of one that has some here."""
    ((id, number),) = await view.rows(_NEWEST, (universe,))
    return Newest(BlobId(id), number)


async def _places(
    view: Reading, blobs: Sequence[BlobId], universe: int, nearer: Nearer | None = None
) -> list[_Place]:
    """Where they stand, by universe; in each in the order of their ticks. With `nearer` also where
    else those stand that have something beside them in a nearer one."""
    found = await _places_in(view, blobs, universe) if universe else []
    known = {one.blob for one in found}
    if nearer:
        known -= {blob for blob in known if await nearer.has(view, blob, universe)}
    within: dict[int, dict[BlobId, None]] = {}
    for blob in blobs:
        if blob not in known:
            for number, _ in await view.rows(_UNIVERSES, (blob, UNIVERSES_MAX)):
                within.setdefault(number, {})[blob] = None
    for number, some in within.items():
        found += await _places_in(view, [*some], number)
    return found


async def _places_in(view: Reading, blobs: Sequence[BlobId], universe: int) -> list[_Place]:
    places = _each_once(universe, await view.rows_in(_PLACES, blobs, universe))
    return sorted(places, key=lambda one: one.last)


def _each_once(universe: int, rows: Iterable[tuple[bytes, int, int, bytes]]) -> Iterable[_Place]:
    ends: dict[BlobId, tuple[tuple[int, int, bytes], tuple[int, int, bytes]]] = {}
    for id, tick, at_us, snapshot in rows:
        blob, at = BlobId(id), (tick, at_us, snapshot)
        first, _ = ends.get(blob, (at, at))
        ends[blob] = first, at
    return [_Place(universe, blob, first, last) for blob, (first, last) in ends.items()]


async def _around(view: Reading, place: _Place) -> list[Beside]:
    """The nearest first."""
    found: list[tuple[int, int, Beside]] = []
    for sql, at, is_later in ((_LATER, place.last, True), (_EARLIER, place.first, False)):
        rows = await view.rows(sql, (place.universe, *at, BESIDE_MAX))
        for tick, at_us, id in rows:
            beside = Beside(BlobId(id), is_later)
            found.append((abs(tick - at[0]), abs(at_us - at[1]), beside))
    return [one for _, _, one in sorted(found, key=lambda each: each[:2])]
