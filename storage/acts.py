"""An act of this node's own, from an edit to signed entries; several where a record rolls over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from crdt.authority import Validity
from crdt.change import DocumentId, SignedEntry, Signer, sign_change
from crdt.document import Document, Editor
from crdt.entry import tai_from_unix_us
from crdt.path import EPOCH_MAX
from crdt.rollover import carry_over, is_carryable, is_full
from storage.database import Reading, Writing
from storage.documents import Materialiser, newest_epoch
from storage.errors import StorageError
from storage.materialise import Work


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody does to a record."""

    document: DocumentId
    """Any epoch of it: the newest open one is written."""
    edit: Callable[[Editor], None]
    signer: Signer
    auth_heads: tuple[bytes, ...]
    now_us: int


@dataclass(frozen=True, slots=True)
class _Opened:
    document: Document
    work: Work
    validity: Validity

    def last_of(self, device: bytes) -> bytes | None:
        """The id of the device's newest entry that counts."""
        held = self.work.held
        return next((id for id in reversed(self.validity.valid) if held[id].device == device), None)


async def sign_act(write: Writing, act: Act, materialiser: Materialiser) -> list[SignedEntry]:
    """The signed entries, parents first, none where the edit changed nothing; not appended yet.

    Raises what the edit raises, `CrdtError` where no peer would take a change, and `StorageError`.
    """
    opened = await _open(write, act, await newest_epoch(write, act.document), materialiser)
    raws: list[bytes] = []
    if _rolls_over(opened):
        old, opened = opened, await _open(write, act, _next(opened.work.document), materialiser)
        raws = await materialiser.workers.run(carry_over, old.document, opened.document)
    raw = await materialiser.workers.run(opened.document.change, act.edit)
    if raw is None:
        return []
    return await _signed(write, act, opened, [*raws, raw])


def _rolls_over(opened: _Opened) -> bool:
    validity = opened.validity
    return (
        is_full(len(validity.valid), validity.ops)
        and opened.work.document.epoch < EPOCH_MAX
        and is_carryable(opened.document.to_py())
    )


def _next(document: DocumentId) -> DocumentId:
    return replace(document, epoch=document.epoch + 1)


async def _open(
    view: Reading, act: Act, document: DocumentId, materialiser: Materialiser
) -> _Opened:
    works = await materialiser.works(view, [document])
    work = works.get(document) or Work(document, None)
    ((_, validity),) = await materialiser.judge(view, [work])
    device = act.signer.device.public
    _check_own_chain(work, validity.valid, device)
    return _Opened(await materialiser.open(view, work, validity, device), work, validity)


async def _signed(
    write: Writing, act: Act, opened: _Opened, raws: Sequence[bytes]
) -> list[SignedEntry]:
    device = act.signer.device.public
    last = await write.number("SELECT timestamp FROM authored WHERE device = ?", (device,))
    first = max(tai_from_unix_us(act.now_us), last + 1)
    entries: list[SignedEntry] = []
    for timestamp, raw in enumerate(raws, first):
        entries.append(
            sign_change(
                raw,
                opened.work.document,
                signer=act.signer,
                prev=entries[-1].id if entries else opened.last_of(device),
                auth_heads=act.auth_heads,
                timestamp=timestamp,
            )
        )
    await write.run(
        "INSERT OR REPLACE INTO authored VALUES (?, ?)", (device, first + len(raws) - 1)
    )
    return entries


def _check_own_chain(work: Work, valid: Sequence[bytes], device: bytes) -> None:
    """Writing on top of what does not count would use a sequence number twice."""
    counted = {work.held[id].seq for id in valid if work.held[id].device == device}
    lost = {one.seq for one in work.held.values() if one.device == device} - counted
    if lost:
        raise StorageError(
            f"Changes {sorted(lost)} of this device to this record do not count any more, so it "
            "cannot go on writing here: use a new device key."
        )
