"""Giving what the peer asks for: entries it may read, and pieces of blobs.

Every question of the peer has exactly one answer, and only so many may be open at once, so what one
peer can make this node read and hold is bounded: four answers of about 1 MiB, and as many runs of
blobs as the shell reads ahead of what the peer takes.
A blob is given to whoever may read what named it when it came, which the store knows. What the peer
may not read is answered as what is not held: nothing tells one from the other.
"""

from collections.abc import Sequence

from crdt.blob import BlobId
from crdt.change import SignedEntry
from crdt.entry import encode_entry
from crdt.keys import NamespaceKey
from crdt.order import ITEM_ID_BYTES
from p2p.protocol import limits
from p2p.protocol.delta_questions import ReadDelta
from p2p.protocol.effects import (
    FindEntries,
    FindPage,
    FindRoot,
    GivenRun,
    HeldRuns,
    MayReadBlob,
    ReadRun,
)
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import (
    Base,
    Delta,
    Entries,
    Get,
    Holding,
    Part,
    SentEntry,
    Want,
    split_ids,
)
from p2p.protocol.grants import Grants
from p2p.protocol.outbox import Outbox, Steps
from p2p.protocol.pieces import PAGE, ROOT
from p2p.protocol.report import SessionReport


class Server:
    """The answering side of one session."""

    def __init__(self, outbox: Outbox, report: SessionReport) -> None:
        self._outbox = outbox
        self._report = report
        self._wants = 0
        self._gets = 0
        self._readable = Grants(())
        self._given: set[BlobId] = set()  # those that the peer may read, judged lately

    @property
    def readable(self) -> Grants:
        """What the peer may read."""
        return self._readable

    @readable.setter
    def readable(self, readable: Grants) -> None:
        if readable != self._readable:
            self._given.clear()
        self._readable = readable

    def want(self, frame: Want) -> Sequence[bytes]:
        """The ids asked for. Raises `RemoteProtocolError` where too much is asked at once."""
        self._wants += 1
        if self._wants > limits.WANTS_OUTSTANDING_MAX:
            raise RemoteProtocolError("want-count", "the peer asks for more before it was answered")
        ids = split_ids(frame.ids)
        self._outbox.run(self._answer_want(frame.number, NamespaceKey(frame.namespace), ids))
        return ids

    def get(self, frame: Get) -> None:
        """Raises `RemoteProtocolError` where too much is asked at once."""
        self._gets += 1
        if self._gets > limits.BLOB_REQUESTS_MAX:
            raise RemoteProtocolError("get-count", "the peer asks for more before it was answered")
        self._outbox.run(self._answer_get(frame))

    def _answer_want(
        self, number: int, namespace: NamespaceKey, ids: Sequence[bytes]
    ) -> Steps[None]:
        found: Sequence[SignedEntry] = ()
        if self.readable.include_any(namespace):  # else not even the time that it takes differs
            found = yield FindEntries(namespace, tuple(ids))
        readable = {
            signed.id[:ITEM_ID_BYTES]: signed
            for signed in found
            if self.readable.include_entry(namespace, signed.entry)
        }
        self._wants -= 1
        frame = pack_entries(number, ids, readable)
        self._report.entries_sent += len(frame.entries)
        self._outbox.send(frame)

    def _answer_get(self, frame: Get) -> Steps[None]:
        blob = BlobId(frame.blob)
        answer: Part | Delta | Holding = Holding(frame.number, False, ())
        if blob in self._given or (yield MayReadBlob(blob, self.readable.claims)):
            answer = yield from self._read(frame, blob)
            self._remember(blob)
        self._gets -= 1
        if not isinstance(answer, Holding):
            self._report.blob_bytes_sent += len(answer.data)
        self._outbox.send(answer)

    def _read(self, frame: Get, blob: BlobId) -> Steps[Part | Delta | Holding]:
        """What the peer asked for, or what it could ask for."""
        data: bytes | None
        if frame.piece == ROOT:
            data = yield FindRoot(blob)
            return Part(frame.number, data, 0) if data else Holding(frame.number, False, ())
        if frame.base is not None and (yield from self._may_give_against(frame.base)):
            place = (frame.piece, frame.index, frame.count, frame.rank)
            made: GivenRun | None = yield ReadDelta(blob, *place, frame.base)
            if made is not None:
                return Delta(frame.number, made.data, made.plain_bytes)
        if frame.piece == PAGE:
            data = yield FindPage(blob, frame.index)
            if data:
                return Part(frame.number, data, 0)
        else:
            run: GivenRun | None = yield ReadRun(blob, frame.index, frame.count, frame.rank)
            if run is not None:
                return Part(frame.number, run.data, run.plain_bytes)
        if (yield FindRoot(blob)) is None:
            return Holding(frame.number, False, ())
        runs: Sequence[int] = yield HeldRuns(blob, frame.index)
        return Holding(frame.number, True, tuple(runs[: 2 * limits.HOLDING_RUNS_MAX]))

    def _may_give_against(self, base: Base) -> Steps[bool]:
        """Whether the peer may read that too, and something of it is here. The same is said of
        what it may not read and of what is not here: the piece as it is."""
        blob = BlobId(base.blob)
        if blob in self._given:
            return True
        may: bool = yield MayReadBlob(blob, self.readable.claims)
        if not may or (yield FindRoot(blob)) is None:
            return False
        self._remember(blob)
        return True

    def _remember(self, blob: BlobId) -> None:
        """A fetch of many chunks is not judged for each of them."""
        self._given.add(blob)
        if len(self._given) > limits.GIVEN_MAX:
            self._given = {blob}


def pack_entries(number: int, ids: Sequence[bytes], readable: dict[bytes, SignedEntry]) -> Entries:
    """As many of `ids`, in order, as fit an answer; at least one of them is settled."""
    table: dict[bytes, int] = {}
    sent: list[SentEntry] = []
    missing: list[bytes] = []
    size = 0
    for id in ids:
        signed = readable.get(id)
        if signed is None:
            missing.append(id)
            continue
        entry = encode_entry(signed.entry)
        size += len(entry) + len(signed.payload) + 80
        size += 0 if signed.capability in table else len(signed.capability)
        if sent and size > limits.ENTRIES_BYTES:
            break
        index = table.setdefault(signed.capability, len(table))
        sent.append(SentEntry(index, entry, signed.signature, signed.payload))
    return Entries(number, tuple(table), tuple(sent), b"".join(missing))
