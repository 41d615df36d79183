"""Authors and devices that this person never wants to hear from.

They are this node's own words: nothing of them is replicated. The keys lie in memory, so that an
entry of a blocked one is refused before anything of it is verified. What was held before stays.

Statements under `/_auth` are heard all the same: they judge what others wrote, and whoever is
blocked may be the one who took a right back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crdt.change import CheckedEntry, SignedEntry
from crdt.did import encode_did_key
from crdt.order import ITEM_ID_BYTES
from crdt.path import AUTHORITY
from storage.database import Database, Writing
from storage.errors import OverQuota
from storage.part import Part
from storage.quarantine import Refusal
from storage.usage import AUTHOR_PREFIX_BYTES

BLOCKED_MAX = 10_000
REASON_CHARS_MAX = 500
CODE = "blocked"
DEVICE_PART = 4  # of the six components of a path


@dataclass(frozen=True, slots=True)
class Blocked:
    key: bytes
    """Of an author or of a device."""
    reason: str
    blocked_us: int


@dataclass(frozen=True, slots=True)
class OfBlocked:
    """An entry, and the key of who wrote it."""

    id: bytes
    key: bytes


class BlockedKeys(Part):
    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self._blocked: frozenset[bytes] = frozenset()

    def is_blocked(self, key: bytes) -> bool:
        """An author's or a device's; asks no disk."""
        return key in self._blocked

    async def load_blocked(self) -> None:
        """Once, when the store is opened."""
        self._blocked = frozenset(one.key for one in await self.blocked())

    async def blocked(self) -> list[Blocked]:
        """All of them, the latest first."""
        rows = await self._database.rows(
            "SELECT key, reason, blocked_us FROM blocked ORDER BY blocked_us DESC, key LIMIT ?",
            (BLOCKED_MAX,),
        )
        return [Blocked(*row) for row in rows]

    async def block(self, key: bytes, reason: str) -> Blocked:
        """From now on; a new reason replaces the one before. Raises `OverQuota`."""
        one = Blocked(key, reason[:REASON_CHARS_MAX], self._clock_us())
        async with self._database.transaction() as write:
            if key not in self._blocked and len(self._blocked) >= BLOCKED_MAX:
                raise OverQuota(f"{BLOCKED_MAX:,} are blocked here, and no more fit.")
            await write.run(
                "INSERT INTO blocked VALUES (?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET reason = excluded.reason",
                (one.key, one.reason, one.blocked_us),
            )
            row = await write.row(
                "SELECT key, reason, blocked_us FROM blocked WHERE key = ?", (key,)
            )
            assert row is not None
            write.after_commit(lambda: self._set_blocked(self._blocked | {key}))
            return Blocked(*row)

    async def unblock(self, key: bytes) -> bool:
        """Gives whether it was blocked."""
        async with self._database.transaction() as write:
            done = await write.run("DELETE FROM blocked WHERE key = ?", (key,)) > 0
            await write.run("DELETE FROM kept_out WHERE author = ?", (key[:AUTHOR_PREFIX_BYTES],))
            write.after_commit(lambda: self._set_blocked(self._blocked - {key}))
            return done

    def _set_blocked(self, keys: frozenset[bytes]) -> None:
        self._blocked = keys

    def _without_blocked(
        self, entries: Sequence[SignedEntry]
    ) -> tuple[Sequence[SignedEntry], list[OfBlocked]]:
        """The entries that are looked at, and those of whom nobody wants to hear."""
        if not self._blocked:
            return entries, []
        wanted: list[SignedEntry] = []
        others: list[OfBlocked] = []
        for one in entries:
            entry = one.entry
            keys = (entry.subspace, *entry.path[DEVICE_PART : DEVICE_PART + 1])
            key = next((key for key in keys if key in self._blocked), None)
            if key is None or entry.path[:1] == (AUTHORITY.encode(),):
                wanted.append(one)
            else:
                others.append(OfBlocked(one.id, key))
        return wanted, others

    def _without_their_devices(
        self, checked: Sequence[CheckedEntry]
    ) -> tuple[list[CheckedEntry], list[OfBlocked]]:
        """As `_without_blocked`, of what a blocked author's device wrote in another's record."""
        wanted: list[CheckedEntry] = []
        others: list[OfBlocked] = []
        for one in checked:
            # Whoever handed the right on to the device; further up are those who let that one in.
            key = next((key for key in one.capability.chain[-2:] if key in self._blocked), None)
            if key is None or one.document.cls == AUTHORITY:
                wanted.append(one)
            else:
                others.append(OfBlocked(one.id, key))
        return wanted, others


async def keep_out(
    write: Writing, blocked: Sequence[OfBlocked], source: str, most: int
) -> list[Refusal]:
    """They are not asked for again until who wrote them is not blocked any more.

    Gives their refusals. At most `most` ids are remembered, of these and all others.
    """
    if not blocked:
        return []
    await write.run_many(
        "INSERT OR IGNORE INTO kept_out (id, author) VALUES (?, ?)",
        ((one.id[:ITEM_ID_BYTES], one.key[:AUTHOR_PREFIX_BYTES]) for one in blocked),
    )
    await write.run(
        "DELETE FROM kept_out WHERE number <= (SELECT max(number) FROM kept_out) - ?", (most,)
    )
    return [
        Refusal(
            source,
            f"what {encode_did_key(one.key)} wrote",
            CODE,
            "you blocked who wrote it",
            one.key,
        )
        for one in blocked
    ]
