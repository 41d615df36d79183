"""Entries as the simulator reads them for itself: nothing here asks the judge of production code.

Every change of a hostile world puts one key of its own, its *marker*, so a document tells by its
keys which changes made it.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

from crdt.capability import Capability, decode_capability, delegate, encode_capability
from crdt.change import DocumentId, SignedEntry, Signer, document_at, sign_change, sign_statement
from crdt.document import Document, Editor, skeleton_for
from crdt.ed25519 import SigningKey
from crdt.entry import tai_from_unix_us
from crdt.envelope import CHANGE, STATEMENT, open_envelope
from crdt.errors import CrdtError
from crdt.keys import AuthorKey
from crdt.leb128 import uleb
from crdt.path import ChangePath
from crdt.preflight import read_change
from crdt.statement import Statement, decode_statement, is_statement_class
from tests.crdt.bombs import chunk
from tests.storage.people import NOW_US

MARKER = re.compile(rb"m\d{6}")


@dataclass(frozen=True, slots=True)
class Seen:
    """One entry, taken apart. Of a statement `change` is the digest of its payload, `prev` that of
    the statement before it.
    """

    signed: SignedEntry
    id: bytes
    document: DocumentId
    device: bytes
    seq: int
    change: bytes
    dependencies: tuple[bytes, ...]
    raw: bytes
    right: Capability
    statement: Statement | None
    marker: str
    prev: bytes | None

    @property
    def chain(self) -> tuple[bytes, ...]:
        return self.right.chain


def see(signed: SignedEntry) -> Seen | None:
    """None for what is no entry of ours at all."""
    entry = signed.entry
    dependencies: tuple[bytes, ...] = ()
    said: Statement | None = None
    raw = b""
    try:
        path = ChangePath.parse(entry.path)
        right = decode_capability(signed.capability)
        document = document_at(entry.namespace, entry.subspace, path)
        if is_statement_class(path.cls):
            opened = open_envelope(signed.payload, STATEMENT)
            said = decode_statement(opened.body, path.cls)
            change = entry.payload_digest
        else:
            opened = open_envelope(signed.payload, CHANGE)
            raw = opened.body[32:]
            header = read_change(raw)
            change, dependencies = header.hash, header.dependencies
    except CrdtError:
        return None
    found = MARKER.search(raw)
    marker = found[0].decode() if found else ""
    return Seen(
        signed, signed.id, document, path.device, path.seq,
        change, dependencies, raw, right, said, marker, opened.prev,
    )  # fmt: skip


def put(document: DocumentId, marker: str, text: str) -> Callable[[Editor], None]:
    """The edit of one act: its marker, and what others see change."""

    def edit(editor: Editor) -> None:
        if document.cls == "rate":
            editor.put(("rating", "stars"), len(text) % 5 + 1)
            editor.put(("rating", marker), text)
            return
        editor.put(("head", "name"), text)
        editor.put(("head", marker), text)

    return edit


@dataclass(frozen=True, slots=True)
class Hand:
    """A device key and one right of it: enough to sign whatever may harm."""

    device: SigningKey
    right: Capability

    @property
    def signer(self) -> Signer:
        encoded = encode_capability(self.right)
        of = AuthorKey(self.right.granted_area.subspace or self.right.user)
        return Signer(self.device, of, dict.fromkeys(("pub", "rate", "_auth", "_ck"), encoded))

    def handed_on(self, device: SigningKey) -> "Hand":
        """As anybody can, to a key made up for it."""
        return Hand(
            device, delegate(self.right, self.device, self.right.granted_area, device.public)
        )

    def writes(
        self,
        document: DocumentId,
        on: Iterable[Seen],
        marker: str,
        at: int,
        *,
        without: frozenset[bytes] = frozenset(),
        change: Callable[[bytes], bytes] = bytes,
        text: str = "",
    ) -> SignedEntry | None:
        """A change on what is known of `document`, but for `without`; None where none can be made.

        `change` alters its bytes before they are signed.
        """
        known = placeable([one for one in on if one.document == document], without)
        draft = Document.open(document.cls, document.kind, self.device.public)
        try:
            draft.receive([one.raw for one in known])
            raw = draft.change(put(document, marker, text or marker))
            assert raw is not None
            own = [one for one in known if one.device == self.device.public]
            last = max(own, key=lambda one: one.seq, default=None)
            return sign_change(
                change(raw),
                document,
                signer=self.signer,
                prev=last.id if last else None,
                timestamp=at,
            )
        except CrdtError:
            return None  # what it knows does not fit together, or it may not

    def states(
        self, statement: Statement, log: DocumentId, on: Iterable[Seen], at: int
    ) -> SignedEntry | None:
        """A statement that follows the last one of `log` in `on`; None where it may say none."""
        said = [one for one in on if one.document == log and one.device == self.device.public]
        last = max(said, key=lambda one: (one.seq, one.id), default=None)
        rights = {log.cls: encode_capability(self.right)}
        try:
            return sign_statement(
                statement,
                log,
                seq=last.seq + 1 if last else 1,
                signer=Signer(self.device, log.subspace, rights),
                prev=last.change if last else None,
                timestamp=at,
            )
        except CrdtError:
            return None


def placeable(seen: Sequence[Seen], without: frozenset[bytes]) -> list[Seen]:
    """What one Automerge document can take, parents first: one change for each device and seq."""
    if not seen:
        return []
    first = seen[0].document
    placed = {skeleton_for(first.cls, first.kind).hash}
    taken: set[tuple[bytes, int]] = set()
    out: list[Seen] = []
    todo = sorted((one for one in seen if one.change not in without), key=lambda one: one.id)
    while True:
        found = next(
            (
                one
                for one in todo
                if placed.issuperset(one.dependencies)
                and (one.device, one.seq) not in taken
                and (one.seq == 1 or (one.device, one.seq - 1) in taken)
            ),
            None,
        )
        if found is None:
            return out
        placed.add(found.change)
        taken.add((found.device, found.seq))
        out.append(found)
        todo = [one for one in todo if one.change != found.change]


def renumbered(raw: bytes, *, seq: int = 0, start_op: int = 0) -> bytes:
    """The same change under another number of its device, or of its first operation."""
    at = 9
    _, at = _uleb(raw, at)
    body = raw[at:]
    count, at = _uleb(body, 0)
    at += 32 * count
    size, at = _uleb(body, at)
    at += size
    head = body[:at]
    old_seq, at = _uleb(body, at)
    old_start, at = _uleb(body, at)
    return chunk(head + uleb(seq or old_seq) + uleb(start_op or old_start) + body[at:])


def _uleb(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def key_of(random: Random, *, is_owned: bool = False) -> SigningKey:
    """A key; `is_owned`: one that owns a namespace."""
    while True:
        key = SigningKey(random.randbytes(32))
        if not is_owned or key.public[-1] & 1:
            return key


def entry_time(now_s: float) -> int:
    """The virtual time as entries have it."""
    return tai_from_unix_us(NOW_US + round(now_s * 1e6))
