"""An act of this node's own, from an edit to signed entries; several where a record rolls over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from crdt.authority import OPS_MAX, is_nearly_over
from crdt.capability import decode_capability
from crdt.change import DocumentId, SignedEntry, Signer, sign_change
from crdt.document import Document, Editor
from crdt.entry import tai_from_unix_us
from crdt.held import Reason, Validity
from crdt.path import EPOCH_MAX
from crdt.preflight import HEADS_MAX, read_change
from crdt.rollover import CARRIED, carry_over, extent, has_room, is_carryable, is_full
from storage.authority import cited_heads
from storage.database import Reading, Writing
from storage.documents import Materialiser, newest_epoch, unused_epoch
from storage.errors import DeviceForked, LetGo, RecordFull
from storage.materialise import Live, Work

# A device whose changes fell for these signed no number twice: it goes on in the next epoch.
CUT = frozenset({Reason.REVOKED, Reason.EXCLUDED_DEPENDENCY, Reason.REPEATED})


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody does to a record."""

    document: DocumentId
    """Any epoch of it: the newest open one is written."""
    edit: Callable[[Editor], None]
    signer: Signer
    auth_heads: tuple[bytes, ...]
    now_us: int
    is_letting_go: bool = False
    """The edit only deletes, or marks the record as deleted: a record that is full takes it too."""


@dataclass(frozen=True, slots=True)
class _Opened:
    document: Document
    work: Work
    validity: Validity
    device: bytes
    is_whole: bool
    """Whether the library takes all that counts."""

    @property
    def last(self) -> bytes | None:
        """The id of the device's newest entry that counts."""
        held = self.work.held
        return next(
            (id for id in reversed(self.validity.valid) if held[id].device == self.device), None
        )

    @property
    def lost(self) -> set[int]:
        """Numbers of the device's changes here that do not count: another would use one twice."""
        held = self.work.held
        counted = {held[id].seq for id in self.validity.valid if held[id].device == self.device}
        return {one.seq for one in held.values() if one.device == self.device} - counted

    @property
    def is_cut(self) -> bool:
        """Whether the device's changes here fell, all of them with what somebody revoked."""
        held, excluded = self.work.held, self.validity.excluded
        fell = {reason for id, reason in excluded.items() if held[id].device == self.device}
        return bool(self.lost) and fell <= CUT

    @property
    def is_full(self) -> bool:
        # Whoever made up hundreds of devices can leave more heads than a change may name.
        return (
            is_full(len(self.validity.valid), self.validity.ops)
            or len(self.document.heads()) >= HEADS_MAX
        )

    @property
    def is_ending(self) -> bool:
        """Whether what room is left is for letting go, so that it can go on in a new epoch."""
        return is_nearly_over(len(self.validity.valid), self.validity.ops)

    @property
    def has_room(self) -> bool:
        """Whether a roll-over may go here: beside others', and hardly more than one lies here."""
        return (
            all(one.device != self.device for one in self.work.held.values())
            and not self.is_full
            and has_room(len(self.validity.valid), self.validity.ops)
            and CARRIED not in self.document.to_py()  # no heads, or it were open
        )

    def beside(self) -> "_Opened":
        """The same without what is here of others: what is carried over merges with that.

        Upon it, it would undo there what has not come to the old epoch here.
        """
        if not self.validity.valid:
            return self
        id = self.work.document
        new = Document.open(id.cls, id.kind, self.device, is_read=False)
        return replace(self, document=new, is_whole=False)

    def changed(self, edit: Callable[[Editor], None]) -> tuple[bytes | None, bool]:
        """The change that `edit` makes, and whether the document has room for it."""
        raw = self.document.change(edit)
        if raw is None:
            return None, True
        header = read_change(raw)
        return raw, self.validity.ops + header.max_op - header.start_op < OPS_MAX

    def let_go(self, edit: Callable[[Editor], None]) -> bytes | None:
        """The change that `edit` makes. Raises `RecordFull` where it makes nothing smaller."""
        before = extent(self.document.to_py())
        raw = self.document.change(edit)
        if raw is not None:
            after = extent(self.document.to_py())
            if not (after.is_carryable or after.is_less_than(before)):
                name = self.work.document.record.decode("utf-8", "replace")
                raise RecordFull(
                    f"{name} is full: it holds {before.places:,} values, more than can go on in a"
                    " new epoch, and takes only what makes it smaller. Of a universe, let old"
                    " snapshots go: `panspermia universe prune --rule RULE`"
                )
        return raw

    def signed(self, entries: Sequence[SignedEntry]) -> "Signed":
        """What the changes just made to `document` came to."""
        if self.is_whole:
            ids = frozenset([*self.validity.valid, *(one.id for one in entries)])
            self.work.live = Live(self.document, ids, self.device)
        return Signed(entries, self.work)


@dataclass(frozen=True, slots=True)
class Signed:
    """What an act comes to; not appended yet."""

    entries: Sequence[SignedEntry]
    """Of one document, parents first; none where the edit changed nothing."""
    work: Work
    """That document as it was read for it."""


async def sign_act(write: Writing, act: Act, materialiser: Materialiser) -> Signed:
    """The act as signed entries.

    Where the act rolls over after all, the edit is made twice, in a document each. Raises what the
    edit raises, `CrdtError` where no peer would take a change, and `StorageError`.
    """
    run = materialiser.workers.run
    document = await newest_epoch(write, act.document)
    await _check_kept(write, document)
    opened = await _open(write, act, document, materialiser)
    if not (opened.is_full or opened.is_cut):
        _check_own_chain(opened)
        raw, is_fitting = await run(opened.changed, act.edit)
        if is_fitting:
            entries = await _signed(write, act, opened, [raw] if raw else [])
            return opened.signed(entries)
        opened = await _open(write, act, document, materialiser)  # as it was before the edit
    following = await _following(write, act, opened, materialiser)
    raws: list[bytes] = []
    if following is None:
        _check_own_chain(opened)
    else:
        raws = await run(carry_over, opened.document, following.document)
        opened = following
    is_ending = following is None and opened.is_ending and not act.is_letting_go
    raw = await run(opened.let_go if is_ending else opened.document.change, act.edit)
    entries = await _signed(write, act, opened, [*raws, raw] if raw else [])
    return opened.signed(entries)


async def _check_kept(view: Reading, document: DocumentId) -> None:
    """Who began anew would use numbers twice that others may still hold entries of."""
    if await view.row(
        "SELECT 1 FROM frontier f JOIN statement s ON s.entry = f.statement"
        " WHERE f.document = ? AND s.type = 'drop' AND s.stands LIMIT 1",
        (document.encode(),),
    ):
        name = document.record.decode("utf-8", "replace")
        raise LetGo(f"{name} was let go for good, and nothing is written there again.")


async def _following(
    write: Writing, act: Act, opened: _Opened, materialiser: Materialiser
) -> _Opened | None:
    """The epoch to roll over into, None where there is none or it is not worth it."""
    document = opened.work.document
    if document.epoch == EPOCH_MAX or not await materialiser.workers.run(_is_carryable, opened):
        return None
    following = await _open(write, act, replace(document, epoch=document.epoch + 1), materialiser)
    if await materialiser.workers.run(lambda: following.has_room):
        return await materialiser.workers.run(following.beside)
    epoch = await unused_epoch(write, document)
    if epoch > EPOCH_MAX:
        return None
    return await _open(write, act, replace(document, epoch=epoch), materialiser)


def _is_carryable(opened: _Opened) -> bool:
    return is_carryable(opened.document.to_py())


async def _open(
    view: Reading, act: Act, document: DocumentId, materialiser: Materialiser
) -> _Opened:
    works = await materialiser.works(view, [document])
    work = works.get(document) or Work(document, None)
    work.live = materialiser.last.of(document)
    ((_, validity),) = await materialiser.judge(view, [work])
    device = act.signer.device.public
    loaded, refused = await materialiser.open(view, work, validity, device)
    return _Opened(loaded, work, validity, device, is_whole=not refused)


async def _signed(
    write: Writing, act: Act, opened: _Opened, raws: Sequence[bytes]
) -> list[SignedEntry]:
    if not raws:
        return []
    device = act.signer.device.public
    first = await next_timestamp(write, device, act.now_us)
    heads = await _heads_to_cite(write, act, opened.work.document)
    entries: list[SignedEntry] = []
    for timestamp, raw in enumerate(raws, first):
        entries.append(
            sign_change(
                raw,
                opened.work.document,
                signer=act.signer,
                prev=entries[-1].id if entries else opened.last,
                auth_heads=heads,
                timestamp=timestamp,
            )
        )
    await note_timestamp(write, device, first + len(raws) - 1)
    return entries


async def next_timestamp(view: Reading, device: bytes, now_us: int) -> int:
    """For the next entry that this key signs here: it never goes back, whatever the clock does."""
    last = await view.number("SELECT timestamp FROM authored WHERE device = ?", (device,))
    return max(tai_from_unix_us(now_us), last + 1)


async def note_timestamp(write: Writing, device: bytes, timestamp: int) -> None:
    """The last one that this key has signed."""
    await write.run("INSERT OR REPLACE INTO authored VALUES (?, ?)", (device, timestamp))


async def _heads_to_cite(view: Reading, act: Act, document: DocumentId) -> list[bytes]:
    """What this node knows of those who gave the right that the act uses."""
    given = act.signer.capabilities.get(document.cls)
    chain = decode_capability(given).chain if given else ()
    return [*act.auth_heads, *await cited_heads(view, document.namespace, chain)]


def _check_own_chain(opened: _Opened) -> None:
    """Writing on top of what does not count would use a sequence number twice."""
    if lost := opened.lost:
        raise DeviceForked(
            f"changes {sorted(lost)} of this device to this record do not count any more, as it"
            " wrote others under their numbers: its home was put back as it was before, or copied."
            " It cannot go on writing here; a new device of yours can"
        )
