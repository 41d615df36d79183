"""How much this node keeps of others, in bytes on its disk. `storage.gate` keeps to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from crdt.change import CheckedEntry
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from storage.database import Reading, Writing
from storage.disk_room import FREE_BYTES

STRANGERS_BYTES = 1 << 30
AUTHOR_BYTES = 768 << 20  # 100,000 small modules by one author count 750 MB
NAMESPACE_BYTES = 1 << 30
MEMBER_BYTES = 256 << 20  # who may write in one subspace only leaves room to the others
PEER_BYTES = 768 << 20  # a fresh node gets all that somebody published from one peer
SHARE_BYTES = 128 << 20
SHARE_PARTS = 8  # an unnamed peer's share is no more than this part of the budget, however small

STRANGERS = 0
"""The budget of all strangers; an owned namespace has one under its number."""
BUDGET_BYTES = "SELECT sum(bytes) FROM weight WHERE budget = ?"

KEPT_OUT_MAX = 1_000_000  # ids remembered, about 100 bytes each
KEPT_OUT_MIN = 1_000
KEPT_OUT_BYTES = 1_024  # of the budget for each id, so that a small one remembers fewer


@dataclass(frozen=True, slots=True)
class AreaQuota:
    """At most so many bytes of entries under a path. None: any."""

    name: str
    limit_bytes: int
    namespace: NamespaceKey = COMMONS
    author: AuthorKey | None = None
    cls: str | None = None
    kind: str | None = None
    record: bytes | None = None

    def includes(self, one: CheckedEntry) -> bool:
        id = one.document
        return (
            id.namespace == self.namespace
            and self.author in (None, id.subspace)
            and self.cls in (None, id.cls)
            and self.kind in (None, id.kind)
            and self.record in (None, id.record)
        )


@dataclass(frozen=True, slots=True)
class Quota:
    """What this node keeps of others, in bytes on its disk."""

    strangers_bytes: int = STRANGERS_BYTES
    """Of all authors together whom nobody here follows."""
    author_bytes: int = AUTHOR_BYTES
    """Of each of them."""
    peer_bytes: int = PEER_BYTES
    """Of strangers' records that one unnamed peer may bring."""
    share_bytes: int = SHARE_BYTES
    """Of these, what other unnamed ones cannot displace."""
    namespace_bytes: int = NAMESPACE_BYTES
    """Of all that lies in an owned namespace; of each of them."""
    member_bytes: int = MEMBER_BYTES
    """Of each author there whom nobody here follows."""
    disk_free_bytes: int = FREE_BYTES
    """Of the disk that blobs leave free."""
    areas: tuple[AreaQuota, ...] = ()
    own: frozenset[AuthorKey] = frozenset()
    """The authors that this node itself is."""

    def share_of(self, budget: int = STRANGERS) -> int:
        """`share_bytes`, as far as the budget is large enough for several."""
        return min(self.share_bytes, self.bytes_of(budget) // SHARE_PARTS)

    def bytes_of(self, budget: int) -> int:
        return self.namespace_bytes if budget else self.strangers_bytes

    def author_bytes_of(self, budget: int) -> int:
        return self.member_bytes if budget else self.author_bytes

    @property
    def kept_out_max(self) -> int:
        """Ids that are remembered."""
        return min(KEPT_OUT_MAX, max(KEPT_OUT_MIN, self.strangers_bytes // KEPT_OUT_BYTES))


async def budget_bytes(view: Reading, budget: int = STRANGERS) -> int:
    """What all that counts against it takes together."""
    return await view.number(BUDGET_BYTES, (budget,))


async def knows_areas(view: Reading, areas: Sequence[AreaQuota]) -> bool:
    """Whether just these are counted."""
    rows = await view.rows(
        "SELECT name, namespace, author, class, kind, record, limit_bytes FROM area_quota"
    )
    return sorted(map(repr, rows)) == sorted(repr(_row(one)) for one in areas)


async def remember_areas(write: Writing, areas: Sequence[AreaQuota]) -> None:
    """The areas of the settings; `measure_areas` adds up what is held there."""
    await write.run("DELETE FROM area_quota")
    await write.run_many(
        "INSERT INTO area_quota VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
        map(_row, areas),
    )


def _row(one: AreaQuota) -> tuple[object, ...]:
    return (one.name, one.namespace, one.author, one.cls, one.kind, one.record, one.limit_bytes)
