"""The bytes of a genome or a seed, whoever publishes them: those that are what it is named by.

    in a record ─▸ blobs that are held ─▸ blobs that peers give, of own and followed authors first

Anybody can sign a record that names any bytes for any id. So no record is asked alone: the first
bytes with the right hash are the right ones, and one that lies about them costs a try at most:
blobs are fetched beside each other, in the order of `node.services.tries`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias

import msgspec
from blake3 import blake3
from msgspec import Struct

from crdt.blob import BlobId, manifest_of
from crdt.did import decode_did_key
from crdt.errors import CrdtError
from crdt.keys import AuthorKey
from node.errors import NodeError, Rejected, Unreachable, Unverified
from node.ports import Network
from node.services.fetch import FETCH_S, fetch_blob
from node.services.seats import Seats
from node.services.tries import PACE, Pace, Tries
from p2p.protocol.errors import NotStored, SyncError
from registry.content import CONTENT_BYTES_MAX
from registry.formats import detect
from storage.errors import Corrupt, StorageError
from storage.listings import ListedRow
from storage.namesakes import Namesake
from storage.store import Store

HASHED_MAX: Final = 16
"""Held blobs that are looked into to tell who lies: 160 MiB at most."""


class Kept(Struct, frozen=True):
    """What a row says of its bytes."""

    blob: str
    size: int
    format: str
    file: str


_DECODER: Final = msgspec.json.Decoder(Kept)

Failed: TypeAlias = NodeError | SyncError | StorageError
"""How a blob may not be had."""


def kept_of(row: ListedRow) -> Kept:
    return _DECODER.decode(row.listing.fields)


async def right_bytes(
    store: Store,
    network: Network,
    same: Sequence[Namesake],
    *,
    seats: Seats,
    size_bytes_max: int = CONTENT_BYTES_MAX,
    pace: Pace = PACE,
    is_persons: bool = True,
) -> bytes:
    """The bytes that these records of one id are named by, at least one record.

    `seats`: of the node, for blobs that are tried. `is_persons`: a person asked for them, and has
    them from now on, also where they were here for others (`storage.kept`).

    Raises `Unreachable` where no peer gives them, `Unverified` where all that is given are others,
    `Rejected` where they are too many, `NotStored` where there is no room for them,
    `StorageError` where what is kept of them cannot be read.
    """
    data = await _bytes_here(store, same, is_persons=is_persons)
    if data is None:
        offers = _offers(same)
        fitting = {
            blob: min(max(said), size_bytes_max)
            for blob, said in offers.items()
            if min(said) <= size_bytes_max
        }
        if not fitting:
            raise _too_large(min(map(min, offers.values())), size_bytes_max)
        race = _Race(store, network, same, fitting, Tries(fitting, pace), seats, is_persons)
        data = await _run(race)
    if len(data) > size_bytes_max:
        raise _too_large(len(data), size_bytes_max)
    return data


async def truthful_first(store: Store, same: Sequence[Namesake]) -> list[Namesake]:
    """As they were, but those that do not fit the bytes which are here come last."""
    said = [kept_of(one.row) for one in same]
    if len({(one.blob, one.size, one.format) for one in said}) < 2:
        return [*same]
    data = await _bytes_here(store, same, HASHED_MAX, is_persons=False)
    if data is None:
        return [*same]
    return await asyncio.to_thread(_ordered, same, said, data)


def _ordered(same: Sequence[Namesake], said: Sequence[Kept], data: bytes) -> list[Namesake]:
    blob = manifest_of(data).id.hex()
    formats = {file: str(detect(file, data)) for file in [one.file for one in said][:HASHED_MAX]}
    lies = [
        (one.size != len(data) or one.blob != blob, one.format != formats.get(one.file))
        for one in said
    ]
    places = sorted(range(len(same)), key=lambda place: lies[place])
    return [same[place] for place in places]


async def _bytes_here(
    store: Store, same: Sequence[Namesake], blobs_max: int | None = None, *, is_persons: bool
) -> bytes | None:
    """None where nothing that is held has the right hash."""
    for one in same:
        listing = one.row.listing
        if one.is_whole:  # its projection compared the text with the record
            row = await store.listing(
                listing.kind, listing.author, listing.record, one.row.namespace
            )
            if row is not None and row.listing.content:
                return row.listing.content.encode()
    for blob in [*_offers(same)][:blobs_max]:
        data = await _held(store, blob)
        if data is not None and await _is_right(data, same):
            if is_persons:
                await store.adopt_blob(blob)
            return data
    return None


async def _held(store: Store, blob: BlobId) -> bytes | None:
    state = await store.blob_state(blob)
    if state is None or not state.is_complete or state.size > CONTENT_BYTES_MAX:
        return None
    try:
        return await store.read_blob(blob)
    except (StorageError, CrdtError):  # it was evicted just now, or the database is damaged there
        return None


async def _run(race: "_Race") -> bytes:
    try:
        async with asyncio.timeout(FETCH_S):
            return await race.run()
    except TimeoutError as error:
        detail = f"{race.same[0].row.listing.record} did not arrive within {FETCH_S:.0f} s"
        raise Unreachable(detail, code="blob-unreachable") from error


@dataclass(slots=True)
class _Race:
    """Blobs that may be the right bytes, fetched beside each other until one of them is."""

    store: Store
    network: Network
    same: Sequence[Namesake]
    sizes: Mapping[BlobId, int]
    """How large each may be."""
    tries: Tries[BlobId]
    seats: Seats
    is_persons: bool
    found: bytes | None = None
    failed: list[Failed] = field(default_factory=list[Failed])
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> bytes:
        """Raises what kept the bytes from being had."""
        clock_s = asyncio.get_running_loop().time
        running: dict[BlobId, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while self.found is None and not self.tries.are_over:
                self.changed.clear()
                turn = self.tries.turn(clock_s())
                for blob in turn.leave:
                    running[blob].cancel()
                    await asyncio.wait([running.pop(blob)])
                for blob in turn.begin:
                    running[blob] = tasks.create_task(self._try(blob), name=f"fetch {blob.hex()}")
                with suppress(TimeoutError):
                    async with asyncio.timeout(turn.wait_s):
                        await self.changed.wait()
            for task in running.values():
                task.cancel()
        if self.found is not None:
            return self.found
        # What this node has no room for comes first: it can be mended here. Then whom nobody could
        # ask, since they may be the one who has them.
        raise min(self.failed, key=_weight)

    async def _try(self, blob: BlobId) -> None:
        """It fails alone: what one author names keeps nobody from what another does."""
        most = self.sizes[blob]
        try:
            # All who read one genome are one reader, however often it is asked for.
            async with self.seats.one(
                self.same[0].row.listing.record, partial(self._give_way, blob)
            ):
                self.tries.started(blob, asyncio.get_running_loop().time())
                self.changed.set()  # from now on it may have to make room
                data = await fetch_blob(
                    self.store,
                    self.network,
                    blob,
                    size_bytes_max=most,
                    kept_for=None if self.is_persons else _author(self.same, blob),
                )
            if await _is_right(data, self.same):
                self.found = data
            else:
                self.failed.append(Unverified(_other_bytes(self.same)))
        except CrdtError as error:
            # Peers are asked by the swarm, which checks what they give: this came from the store.
            detail = f"what is kept of blob {blob.hex()} is damaged: {error.detail}"
            self.failed.append(Corrupt(detail))
        except (NodeError, SyncError, StorageError) as error:
            self.failed.append(error)
        self.tries.ended(blob)
        self.changed.set()

    def _give_way(self, blob: BlobId) -> None:
        """Another race needs the place."""
        self.tries.make_room(blob)
        self.changed.set()


def _weight(error: Exception) -> int:
    if isinstance(error, NotStored):
        return 0
    return 1 if isinstance(error, Unreachable) else 2


def _offers(same: Sequence[Namesake]) -> dict[BlobId, list[int]]:
    """Each blob that is said to be the bytes, in order, and the sizes that are said of it.

    They are only said: whoever names the right blob with a wrong one keeps nobody from it.
    """
    offers: dict[BlobId, list[int]] = {}
    for one in same:
        kept = kept_of(one.row)
        offers.setdefault(BlobId(bytes.fromhex(kept.blob)), []).append(kept.size)
    return offers


def _author(same: Sequence[Namesake], blob: BlobId) -> AuthorKey:
    """The first who names it."""
    named = (one.row.listing.author for one in same if kept_of(one.row).blob == blob.hex())
    return AuthorKey(decode_did_key(next(named)))


async def _is_right(data: bytes, same: Sequence[Namesake]) -> bool:
    found = await asyncio.to_thread(lambda: blake3(data).hexdigest())
    return found == same[0].row.listing.record


def _other_bytes(same: Sequence[Namesake]) -> str:
    first = same[0].row.listing
    whoever = first.author if len(same) == 1 else f"{first.author} and {len(same) - 1} more"
    return f"the bytes that {whoever} name for {first.record} are other ones"


def _too_large(size: int, most: int) -> Rejected:
    return Rejected(f"it has {size:,} bytes; {most:,} can be taken", code="too-large")
