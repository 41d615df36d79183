"""Authors and devices that this person never wants to hear from.

They are this node's own words: nothing of them is replicated. The keys lie in memory, so that an
entry of a blocked one is refused before anything of it is verified. What was held before stays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crdt.change import SignedEntry
from crdt.did import encode_did_key
from storage.database import Database
from storage.errors import OverQuota
from storage.part import Part
from storage.quarantine import Refusal

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
            write.after_commit(lambda: self._set_blocked(self._blocked - {key}))
            return done

    def _set_blocked(self, keys: frozenset[bytes]) -> None:
        self._blocked = keys

    def _without_blocked(
        self, entries: Sequence[SignedEntry], source: str
    ) -> tuple[Sequence[SignedEntry], list[Refusal]]:
        """The entries that are looked at, and a refusal for each of the others."""
        if not self._blocked:
            return entries, []
        wanted: list[SignedEntry] = []
        refused: list[Refusal] = []
        for one in entries:
            entry = one.entry
            keys = (entry.subspace, *entry.path[DEVICE_PART : DEVICE_PART + 1])
            key = next((key for key in keys if key in self._blocked), None)
            if key is None:
                wanted.append(one)
            else:
                where = f"what {encode_did_key(key)} wrote"
                refused.append(Refusal(source, where, CODE, "you blocked who wrote it", key))
        return wanted, refused
