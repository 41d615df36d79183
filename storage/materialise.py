"""From the changes held to what a document is: a pure function, run in a worker thread.

`judge` decides which changes count, `build` loads just those and projects the value. Nothing here
depends on the order in which changes arrived, on a clock or on earlier results: a saved document is
only a shortcut, taken where the changes it was made of still count.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from crdt.authority import OPS_MAX, valid_changes
from crdt.change import DocumentId
from crdt.digest import DIGEST_BYTES
from crdt.document import Document, Plain, skeleton_for
from crdt.errors import CrdtError
from crdt.held import WAITING, Checkpoint, Held, Reason, Revocation, Validity
from crdt.rollover import carried_heads
from crdt.statement import is_statement_class
from crdt.usable import UNTRIED, load_usable
from storage.errors import Rotted
from storage.listing import AttestationRow, Listing, Projection, Projector
from storage.saving import SAVED_BYTES_MAX, content_bytes, lengthened

READER_ACTOR = bytes(32)  # of documents that are only read: no device has this key
SAVED_CHANGES_MIN = 8  # below it the changes themselves load as fast as a save
LOADED_MAX = 16  # documents of one group; more gain nothing
# Fresh operations times all of the document, to be applied to a saved one: some 25 ms, all of them
# with the interpreter lock held. A change of 4,000 on 40,000 took 2 s; loading all took 0.1 s.
APPLIED_MAX = 1_000_000
LOADED_BYTES_MAX = 1 << 20  # they are loaded from; a usual one has a few KB, a hostile one 300 MB
INTEGER_MAX = (1 << 63) - 1  # what SQLite can hold
INSTALLS_MAX = 1 << 40  # by one author; millions of them still add up to what SQLite can hold
LISTING_BYTES_MAX = 1 << 20  # of all texts of one row: 16 full changes
TAGS_MAX = 256
BLOBS_MAX = 4_096
BLOB_ID_BYTES = 32

UNPROJECTABLE = "unprojectable"

Loaded: TypeAlias = tuple[Document, Mapping[bytes, CrdtError]]
"""A document, and the entries that the library refuses."""


@dataclass(frozen=True, slots=True)
class Authority:
    """What has a bearing on one document; see `crdt.authority`, whose words these are."""

    known: frozenset[bytes] = frozenset()
    """Of the authority heads that its entries cite, those held."""
    revocations: tuple[Revocation, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    standing: frozenset[bytes] = frozenset()
    """Of a log: the entries whose statements stand."""


@dataclass(slots=True)
class Work:
    """One document, before it is materialised. Entries are known by their 32-byte ids."""

    document: DocumentId
    number: int | None
    """None while it is new here."""
    held: dict[bytes, Held] = field(default_factory=dict[bytes, Held])
    """Every entry held."""
    raws: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    """Raw changes in memory: those that have just come, or all."""
    counted: frozenset[bytes] = frozenset()
    """The entries that `saved` was made of."""
    saved: bytes | None = None
    fell: frozenset[bytes] = frozenset()
    """The entries that did not count before, and waited for nothing."""
    carried: bytes | None = None
    """As `Built.carried` was before, joined."""
    authority: Authority = field(default_factory=Authority)
    """What judges it; see `storage.authority`."""
    said_bytes: int = 0
    """What its entries in the database say: `saving.content_bytes`."""
    live: "Live | None" = None
    """Where an act of this node has just changed it, or is about to."""


@dataclass(frozen=True, slots=True)
class Live:
    """A document that was just changed here: to load it again would give the same."""

    document: Document
    entries: frozenset[bytes]
    """Those that it is made of, all of which the library took."""
    device: bytes


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something in a document that does not count, and why. `entry` None: the whole of it."""

    entry: bytes | None
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Built:
    """What a document has become."""

    work: Work
    value: Mapping[str, Plain]
    heads: tuple[bytes, ...]
    changes: int
    left_out: Mapping[bytes, str]
    saved: bytes | None
    projection: Projection
    troubles: tuple[Trouble, ...] = ()

    @property
    def carried(self) -> tuple[bytes, ...] | None:
        """Heads of the epoch before that came over into this one; None: it is not open."""
        return carried_heads(self.value) if self.work.document.epoch else ()


def judge(work: Work) -> Validity:
    """Which of the entries held count."""
    id, authority = work.document, work.authority
    if is_statement_class(id.cls):
        return _judge_log(work)
    return valid_changes(
        work.held,
        owner=id.subspace,
        skeleton=skeleton_for(id.cls, id.kind),
        authority=authority.known,
        revocations=authority.revocations,
        checkpoints=authority.checkpoints,
    )


def _judge_log(work: Work) -> Validity:
    """Of a log, which statements stand was decided over all logs together."""
    stand = sorted(
        work.authority.standing & work.held.keys(), key=lambda entry: (work.held[entry].seq, entry)
    )
    fell = work.held.keys() - work.authority.standing
    return Validity(
        tuple(stand), dict.fromkeys(sorted(fell), Reason.REVOKED), frozenset(), frozenset(), 0
    )


def is_incremental(work: Work, validity: Validity) -> bool:
    """Whether `saved` and the changes in memory are all that is needed."""
    if is_statement_class(work.document.cls) or _is_live(work, validity):
        return True
    wanted = validity.valid if not _is_short_cut(work, validity) else _fresh(work, validity)
    return work.raws.keys() >= set(wanted)


def _is_live(work: Work, validity: Validity) -> bool:
    """Whether `live` is what counts now."""
    return work.live is not None and work.live.entries == frozenset(validity.valid)


def _is_short_cut(work: Work, validity: Validity) -> bool:
    """Whether `saved` is a part of what counts now, and quicker to complete than to do without."""
    if work.saved is None or not work.counted <= set(validity.valid):
        return False
    held = [work.held[entry] for entry in _fresh(work, validity)]
    return sum(one.max_op - one.start_op + 1 for one in held) * validity.ops <= APPLIED_MAX


def _fresh(work: Work, validity: Validity) -> list[bytes]:
    """The entries that count and are not in `saved`, in the order."""
    return [entry for entry in validity.valid if entry not in work.counted]


def build(work: Work, validity: Validity, loaded: Loaded, project: Projector) -> Built:
    """Raises nothing that the document's authors could cause: their trouble is in the result."""
    document, refused = loaded
    left_out: dict[bytes, str] = {**validity.excluded}
    left_out |= {entry: error.code for entry, error in refused.items()}
    troubles = [
        Trouble(entry, error.code, error.detail)
        for entry, error in refused.items()
        if error.code not in UNTRIED  # thousands may build on one: they are in `left_out`
    ]
    value = document.to_py()
    projection, trouble = projected(work.document, value, project)
    changes = len(validity.valid) - len(refused)
    # Where nothing counts, nothing was said that could be wrong.
    if trouble is not None and changes:
        troubles.append(trouble)
    return Built(
        work,
        value,
        tuple(sorted(document.heads())),
        changes,
        left_out,
        _saved(work, validity, document) if changes >= SAVED_CHANGES_MIN and not refused else None,
        projection,
        tuple(troubles),
    )


def _saved(work: Work, validity: Validity, document: Document) -> bytes | None:
    """What `document` is kept as, of which the library refuses nothing."""
    if work.saved is not None and work.counted <= set(validity.valid):
        held, fresh = work.held, _fresh(work, validity)
        if work.raws.keys() >= set(fresh):
            ops = ((work.raws[one], held[one].max_op - held[one].start_op + 1) for one in fresh)
            if (longer := lengthened(work.saved, ops)) is not None:
                return longer
    came = (len(work.raws[one]) for one in work.raws.keys() - work.counted)
    size = work.said_bytes + content_bytes(came)
    return document.save() if size <= SAVED_BYTES_MAX else None


def fallen(left_out: Mapping[bytes, str]) -> frozenset[bytes]:
    """Of entries that do not count: those that wait for nothing, and are not said by others."""
    return frozenset(
        [one for one, code in left_out.items() if code not in WAITING and code != Reason.REPEATED]
    )


def unjudged(work: Work) -> Built:
    """A document of which nothing is known yet."""
    return Built(work, {}, (), 0, {}, None, None)


def build_log(work: Work, validity: Validity) -> Built:
    """A log is no document: there is nothing to load."""
    held = [work.held[entry] for entry in validity.valid]
    followed = {before for one in held for before in one.dependencies}
    return Built(
        work,
        {},
        tuple(sorted({one.change for one in held} - followed)),
        len(held),
        {entry: str(reason) for entry, reason in validity.excluded.items()},
        None,
        None,
    )


def groups(judged: Sequence[tuple[Work, Validity]]) -> Iterator[list[tuple[Work, Validity]]]:
    """Documents to load one after the other, and then to build one after the other.

    Taken in turn, the library and the projector throw each other's code out of the processor's
    cache. Together a group holds no more operations than one document may, and few bytes unless
    one document alone has more.
    """
    group: list[tuple[Work, Validity]] = []
    ops = size = 0
    for one in judged:
        its_ops, its_size = one[1].ops, _bytes_of(one[0])
        is_over = ops + its_ops > OPS_MAX or size + its_size > LOADED_BYTES_MAX
        if group and (len(group) == LOADED_MAX or is_over):
            yield group
            group, ops, size = [], 0, 0
        group.append(one)
        ops += its_ops
        size += its_size
    if group:
        yield group


def _bytes_of(work: Work) -> int:
    """What it is loaded from."""
    return len(work.saved or b"") + sum(map(len, work.raws.values()))


def load(
    work: Work, validity: Validity, actor: bytes = READER_ACTOR, *, is_read: bool = True
) -> Loaded:
    """The document of the valid changes, and the entries that the library refuses.

    Its value `is_read` unless it is only to be changed.
    """
    id = work.document
    if work.live is not None and _is_live(work, validity):
        if is_read:
            work.live.document.to_py()
            return work.live.document, {}
        if work.live.device == actor:
            return work.live.document.copy(), {}
    if work.saved is not None and _is_short_cut(work, validity):
        fresh = [work.raws[entry] for entry in _fresh(work, validity)]
        try:
            is_whole = is_read and not fresh
            document = Document.open(id.cls, id.kind, actor, work.saved, is_read=is_whole)
            if fresh:
                document.receive(fresh)
        except CrdtError:
            work.saved = None
            # Which one, and what of the rest, is decided over all of them: ask again with all.
            if not work.raws.keys() >= set(validity.valid):
                raise
        else:
            return document, {}
    entries = {work.held[entry].change: entry for entry in validity.valid}
    raws = [work.raws[entry] for entry in validity.valid]
    document, refused = load_usable(skeleton_for(id.cls, id.kind), raws, actor)
    return document, {entries[change]: error for change, error in refused.items()}


def rotted(work: Work) -> Rotted:
    """What is to be said where all raw changes of a document make none: each was checked once."""
    name = work.document.record.decode(errors="replace")
    return Rotted(f"Entries of {name!r} are damaged in the database. Restore it from a backup.")


def projected(
    id: DocumentId, value: Mapping[str, Any], project: Projector
) -> tuple[Projection, Trouble | None]:
    """The row, or why there is none."""
    try:
        row = project(id, value)
        if row is not None:
            _check_storable(row)
    # The projector reads what strangers wrote; whatever it trips over concerns one document only.
    except Exception as error:
        return None, Trouble(None, UNPROJECTABLE, f"{type(error).__name__}: {error}")
    return row, None


def _check_storable(row: Projection) -> None:
    """Raises `ValueError` for what SQLite could not hold, or should not."""
    assert row is not None, "there is nothing to store"
    size = 0
    if isinstance(row, Listing):
        numbers = [row.created_us, row.updated_us, row.tick]
        numbers += [number for one in row.blobs for number in (one.size, one.at_us)]
        texts = [row.kind, row.author, row.record, row.name, row.description, row.text, *row.tags]
        size = len(row.fields) + len(row.content.encode())
        if not math.isfinite(row.score):
            raise ValueError("a score that no list can sort by")
        if len(row.tags) > TAGS_MAX or len(row.blobs) > BLOBS_MAX:
            raise ValueError(f"over {TAGS_MAX} tags or {BLOBS_MAX} blobs")
        if any(len(bytes.fromhex(one.id)) != BLOB_ID_BYTES for one in row.blobs):
            raise ValueError("a blob id of another length")
    elif isinstance(row, AttestationRow):
        numbers, texts, size = [row.at_us], [row.author, *row.entered], len(row.said)
        if {len(row.evaluation), len(row.genome)} != {DIGEST_BYTES}:
            raise ValueError("an evaluation or a genome of another length")
    else:
        numbers = [row.installs, row.updated_us]
        texts = [row.target, row.kind, row.author, row.review]
        if row.stars not in (None, 1, 2, 3, 4, 5) or row.installs > INSTALLS_MAX:
            raise ValueError("stars are 1 to 5, and nobody installs that often")
    if any(not 0 <= number <= INTEGER_MAX for number in numbers):
        raise ValueError("a number that no database column holds")
    if size + sum(len(text.encode()) for text in texts) > LISTING_BYTES_MAX:
        raise ValueError(f"over {LISTING_BYTES_MAX} bytes of text")
