"""What one peer is given of blobs: packed where that pays, or as what differs from another one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from crdt.blob import BlobId
from p2p.protocol import limits
from p2p.protocol.bandwidth import Bandwidth, Rates
from p2p.protocol.delta_questions import ReadDelta
from p2p.protocol.effects import GivenRun, Query
from p2p.protocol.frames import Base
from p2p.protocol.pieces import PAGE, is_packing_worth, pack, pack_against
from p2p.protocol.ports import BlobStore
from storage.errors import NotHeld

Pieces = Sequence[bytes | memoryview]
PACKING_EVERY: Final = 7  # runs between two looks at whether packing is worth it, where it is not


def delta_work(*, now_s: float) -> Bandwidth:
    """How many bytes may be compared, for all peers of a node and for each."""
    rates = Rates(limits.DELTA_BYTES_PER_S, limits.DELTA_PEER_BYTES_PER_S)
    return Bandwidth(rates, now_s=now_s, burst_s=limits.DELTA_BURST_S)


class Giving:
    """The runs and deltas that `peer` is given, one after the other."""

    def __init__(
        self, peer: object, store: BlobStore, *, deltas: Bandwidth, clock: Callable[[], float]
    ) -> None:
        self._peer = peer
        self._store = store
        self._deltas = deltas
        self._clock = clock
        self._packing = Packing()

    async def answer(self, query: Query, ask_store: Callable[[Query], Awaitable[object]]) -> object:
        """As the store says; no delta where too much was compared of late."""
        if isinstance(query.question, ReadDelta):
            return await self._delta(query.question)
        reply = await ask_store(query)
        return await self._packing.of(reply) if isinstance(reply, GivenRun) else reply

    async def _delta(self, question: ReadDelta) -> GivenRun | None:
        if self._deltas.wait_s(self._peer, now_s=self._clock()) > 0:
            return None

        async def compare(pieces: Pieces, base: bytes) -> GivenRun | None:
            size = sum(map(len, pieces)) + len(base)
            self._deltas.spend(self._peer, size, now_s=self._clock())
            return await asyncio.to_thread(delta_of, pieces, base)  # some 2 ms of half a MiB

        return await read_delta(self._store, question, compare)

    def end(self) -> None:
        """The peer is gone."""
        self._deltas.forget(self._peer)


class Packing:
    """Packs the runs that one peer is given, as long as that is worth it."""

    def __init__(self) -> None:
        self._as_they_are = 0  # so many more

    async def of(self, run: GivenRun) -> GivenRun:
        """Packed where that saves a tenth, in a thread: half a MiB takes a millisecond."""
        if self._as_they_are:
            self._as_they_are -= 1
            return run
        if not is_packing_worth(run.data):
            self._as_they_are = PACKING_EVERY
            return run
        data, plain_bytes = await asyncio.to_thread(pack, run.data)
        self._as_they_are = 0 if plain_bytes else PACKING_EVERY
        return GivenRun(data, plain_bytes, run.chunks)


async def compare_now(pieces: Pieces, base: bytes) -> GivenRun | None:
    """Where there are no threads."""
    return delta_of(pieces, base)


def delta_of(pieces: Pieces, base: bytes) -> GivenRun | None:
    """None where it would be no shorter."""
    data = b"".join(pieces)
    delta = pack_against(data, base)
    return GivenRun(delta, len(data), len(pieces)) if len(delta) < len(data) else None


async def read_delta(
    store: BlobStore,
    question: ReadDelta,
    compare: Callable[[Pieces, bytes], Awaitable[GivenRun | None]] = compare_now,
) -> GivenRun | None:
    """None where either is not held, or too long, or a delta would be no shorter.

    What is asked for is read first: who asks for what is not here makes nobody read a base.
    """
    if question.piece == PAGE:
        page = await store.blob_page(question.blob, question.first)
        pieces: Pieces = [page] if page else []
    else:
        pieces = await _read_run(
            store, question.blob, question.first, question.count, limits.RUN_BYTES_MAX
        )
    base = await read_base(store, question.piece, question.base) if pieces else None
    return await compare(pieces, base) if base else None


async def read_base(store: BlobStore, piece: int, base: Base) -> bytes | None:
    """All of it, joined; None where a part is not held, or it is longer than it may be."""
    blob, most = BlobId(base.blob), limits.DELTA_BASE_BYTES_MAX
    if piece != PAGE:
        chunks = await _read_run(store, blob, base.first, base.count, most)
        return b"".join(chunks) if len(chunks) == base.count else None
    pieces: list[bytes] = []
    for index in range(base.first, base.first + base.count):
        page = await store.blob_page(blob, index)
        if page is None or sum(map(len, pieces)) + len(page) > most:
            return None
        pieces.append(page)
    return b"".join(pieces)


async def _read_run(
    store: BlobStore, blob: BlobId, first: int, count: int, size_bytes_max: int
) -> Pieces:
    try:
        return await store.read_run(blob, first, count, size_bytes_max=size_bytes_max)
    except NotHeld:
        return []
