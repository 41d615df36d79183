"""One change that names snapshots whose bytes are here: as many as wait and fit.

It says the same as so many changes one after the other would: each follows the one before it in
the time of their world, and lets go what it would let go then. What cannot be said so waits for the
next change.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from crdt.blob import BlobId
from crdt.ed25519 import SigningKey
from crdt.rollover import PART_BYTES_MAX
from node.services.offered import Offered
from storage.listing import SnapshotRow
from storage.listings import ListedRow
from storage.store import Store
from universe.event import encode_event
from universe.parts import decay_json
from universe.record import DROPPED_MAX, Adding
from universe.retention import Dropped
from universe.snapshot import Snapshot, goes_by_itself, is_alike, sign_snapshot
from universe.taken import Taken, Together, taken_from

CHANGE_BYTES_MAX: Final = PART_BYTES_MAX
"""Of what one change says: some 70 snapshots. A change may have twice as much."""
PLACE_BYTES: Final = 128
"""What a snapshot or an event takes beside its statement, its key among it; about."""
GONE_BYTES: Final = 80
"""The same of one that is let go."""

Dropping: TypeAlias = Callable[[ListedRow, Taken, Together], Awaitable[Sequence[Dropped]]]
"""Which snapshots of a universe go, by its rule, as this one comes behind those of its change."""
Order: TypeAlias = tuple[int, int, bytes]


@dataclass(frozen=True, slots=True)
class Bytes:
    """Those of a state, which are here."""

    blob: BlobId
    size: int
    checksum: bytes
    """BLAKE3."""


@dataclass(frozen=True, slots=True)
class Came:
    """A state whose bytes are here, to be named."""

    said: Callable[[Offered, bytes | None], Snapshot]
    """What is signed of it, with the snapshot before it."""
    of: Offered
    bytes: Bytes
    dropping: Dropping | None
    source: SnapshotRow | None = None
    """The one that has these bytes here, where they did not come for this one."""


@dataclass(frozen=True, slots=True)
class Named:
    """One that goes into the change. `at`: its place among those that came."""

    at: int
    adding: Adding
    dropped: tuple[Dropped, ...]
    settles: tuple[BlobId, BlobId] | None
    """Older and newer, as `Store.settle_snapshot` has them."""
    is_more_due: bool
    """More is to go than one change lets go."""


class Change:
    """The change that is made; ask for each in the order of their ticks."""

    def __init__(self, store: Store, row: ListedRow, device: SigningKey) -> None:
        self.named: list[Named] = []
        self._store = store
        self._row = row
        self._device = device
        self._together = Together()
        self._size = 0
        self._says: dict[tuple[int, bytes, str, bool], list[str]] = {}
        """The kinds of those that say the same else."""
        self._last: tuple[Order, BlobId] | None = None
        """Of the highest tick that goes in with it."""

    @property
    def gone(self) -> frozenset[bytes]:
        """Ids of what goes with it: still listed, and not there for who comes behind."""
        return self._together.gone

    async def take(self, at: int, came: Came) -> bool:
        """Puts it into `named`, unless it has to wait for the next change. Whether there is more to
        ask for: behind one that has no room, or waits for what is in it, the others wait too."""
        of = came.of
        goes = goes_by_itself(of.decay, is_wrapped=of.wrapped)
        says = of.tick, came.bytes.checksum, decay_json(of.decay), goes
        kinds = self._says.setdefault(says, [])
        if any(is_alike(kind, of.kind) for kind in kinds):
            return True  # it may be the same, which is seen once that is there
        parent = await self._before(of.tick)
        if parent in self.gone:
            return False  # it follows one before that, which is seen once that is gone
        statement = came.said(of, parent)
        signed = sign_snapshot(statement, self._device)
        taken, due = taken_from(signed.id, statement), tuple[Dropped, ...]()
        if came.dropping is not None:
            due = tuple(await came.dropping(self._row, taken, self._together))
        dropped = due[:DROPPED_MAX]
        gone = {one.snapshot.id for one in dropped}
        if gone & {one.id for one in self._together.added}:
            return False  # who waits for that one hears first that it is there
        event = None if of.event is None else encode_event(of.event)
        adding = Adding(signed, event, tuple(one.snapshot.id for one in dropped))
        size = _bytes_of(adding)
        if self.named and self._size + size > CHANGE_BYTES_MAX:
            return False
        settles = await self._settles(of.tick, came.bytes.blob)
        self.named.append(Named(at, adding, dropped, settles, len(due) > len(dropped)))
        self._size += size
        kinds.append(of.kind)
        names = None if of.event is None else of.event.snapshot
        named, before = {names} if names else set[bytes](), self._together
        self._together = Together((*before.added, taken), before.gone | gone, before.named | named)
        if self._last is None or taken.order >= self._last[0]:
            self._last = taken.order, came.bytes.blob
        return True

    async def _before(self, tick: int) -> bytes | None:
        """The id of the last one at or before it."""
        held = await self._store.snapshot_before(self._row.number, tick)
        orders = [one.order for one in self._together.added if one.tick <= tick]
        orders += [] if held is None else [held.order]
        return max(orders)[2] if orders else None

    async def _settles(self, tick: int, blob: BlobId) -> tuple[BlobId, BlobId] | None:
        """The newest stays whole, what went before it becomes what differs."""
        held = await self._store.newest_snapshot(self._row.number)
        ends = [] if held is None else [(held.order, BlobId(held.blob))]
        ends += [] if self._last is None else [self._last]
        if not ends:
            return None
        order, newest = max(ends)
        return (newest, blob) if tick >= order[0] else (blob, newest)


def _bytes_of(one: Adding) -> int:
    """What it takes of a change, about."""
    signed = one.signed
    size = len(signed.statement) + len(signed.signature) + len(signed.device) + PLACE_BYTES
    if one.event is not None:
        size += len(one.event) + PLACE_BYTES
    return size + GONE_BYTES * len(one.also_drop)
