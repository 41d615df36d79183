"""Publishing genomes, seeds and lineages: every check first, then the blob, then one signed change.

What is said already is not said again: the same bytes are the same record, whoever sends them, and
that is no error. A node that signs for strangers says so in the record, and lets no stranger change
what stands there.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from crdt.keys import COMMONS, NamespaceKey
from node.errors import Rejected, TooMany
from node.identity import Identity
from node.services.deleting import refuse_deleted
from node.services.life import Kind, same_records
from node.services.signers import Signers
from registry.edits import Edit
from storage.store import Store

ANONYMOUS_BYTES_MAX: Final = 256 << 10
"""Of one submission; a usual genome has 10 kB."""
ANONYMOUS_SUBMISSIONS_MAX: Final = 600
"""Of all strangers together, in a window."""
ANONYMOUS_TOTAL_BYTES_MAX: Final = 32 << 20
WINDOW_S: Final = 3_600.0

State: TypeAlias = Literal["published", "updated", "unchanged", "known"]
"""`known`: this author had published these bytes, and was asked to change nothing."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One record to publish. `edit` was checked when it was made; `data` are its bytes."""

    kind: Kind
    id: str
    edit: Edit
    data: bytes = b""
    only_new: bool = False


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of it, or would. `entry` is None where nothing was written."""

    kind: Kind
    id: str
    author: str
    state: State
    entry: bytes | None
    also_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Registrar:
    """What publishing needs of the node."""

    store: Store
    identity: Identity
    clock_us: Callable[[], int]
    namespace: NamespaceKey = COMMONS

    @property
    def signers(self) -> Signers:
        return Signers(self.identity, self.store, self.clock_us)


async def submit(by: Registrar, given: Submission, *, dry_run: bool = False) -> Submitted:
    """A dry run makes every check of `Store.commit`, and says what that would do.

    Raises `NotAllowed`, `Conflict` (`deleted`) where this author deleted it, and as `Store.commit`.
    """
    store, kind, did = by.store, given.kind, by.identity.did
    document = kind.document(by.identity.author, given.id, by.namespace)
    signer = await by.signers.for_document(document)
    await refuse_deleted(store, document)
    same = await same_records(store, kind, given.id, by.namespace)
    others = tuple(author for one in same if (author := one.row.listing.author) != did)
    # One's own is never left out, however many others publish the same.
    is_known = len(others) < len(same)

    def became(state: State, entry: bytes | None = None) -> Submitted:
        return Submitted(kind, given.id, did, state, entry, others)

    if is_known and given.only_new:
        return became("known")
    changed: State = "updated" if is_known else "published"
    if dry_run:
        would = await store.rehearse(document, given.edit, signer)
        return became("unchanged" if would is None else changed)
    if given.data:
        await store.put_blob(given.data)
    committed = await store.commit(document, given.edit, signer)
    if committed is None:
        return became("unchanged")
    return became(changed, committed.id)


@dataclass(slots=True)
class Strangers:
    """How much those who said nothing of themselves have handed in lately."""

    taken: deque[tuple[float, int]] = field(default_factory=deque[tuple[float, int]])

    def take(self, size: int, *, now_s: float) -> None:
        """Raises `Rejected` where it is too large, `TooMany` where it is too much by now."""
        if size > ANONYMOUS_BYTES_MAX:
            detail = f"{size} bytes; without a token at most {ANONYMOUS_BYTES_MAX}"
            raise Rejected(detail, code="too-large-for-a-stranger")
        while self.taken and self.taken[0][0] <= now_s - WINDOW_S:
            self.taken.popleft()
        total = size + sum(size for _, size in self.taken)
        if len(self.taken) >= ANONYMOUS_SUBMISSIONS_MAX or total > ANONYMOUS_TOTAL_BYTES_MAX:
            detail = "this node takes no more from strangers for now; try again in an hour"
            raise TooMany(detail)
        self.taken.append((now_s, size))
