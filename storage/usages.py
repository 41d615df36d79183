"""How much room is taken, by whom: what people are shown, and what peers need not send again."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crdt.keys import AuthorKey, NamespaceKey
from crdt.order import ITEM_ID_BYTES
from storage.database import Database
from storage.part import Part, in_bounds
from storage.quota import STRANGERS, budget_bytes
from storage.usage import AUTHOR_PREFIX_BYTES

PAGE_MAX = 1_000
AUTHORS_MAX = 1_024
KEPT_OUT_COUNT = "SELECT count(*) FROM kept_out"
FULL_SOURCES_MAX = 4_096  # more devices than call within the hour
FULL_US = 3_600 * 1_000_000  # then it is tried again


@dataclass(frozen=True, slots=True)
class Room:
    """Of the budget of all strangers."""

    strangers_bytes: int
    kept_out: int
    """Entries that were evicted or refused for want of room, as far as they are remembered."""


@dataclass(frozen=True, slots=True)
class AuthorUsage:
    author: bytes
    bytes: int
    entries: int
    is_followed: bool
    kept_out: int


@dataclass(frozen=True, slots=True)
class GuestUsage:
    """What came through one key that an author let write in records of theirs."""

    author: bytes
    guest: bytes
    bytes: int
    entries: int
    kept_out: int


@dataclass(frozen=True, slots=True)
class SourceUsage:
    """`key` as given to `receive`; "" for what came before that was noted."""

    key: str
    author: bytes | None
    bytes: int
    strangers_bytes: int


@dataclass(frozen=True, slots=True)
class NamespaceUsage:
    namespace: NamespaceKey
    bytes: int


@dataclass(frozen=True, slots=True)
class AreaUsage:
    name: str
    bytes: int
    limit_bytes: int


class Usages(Part):
    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self._full_us: OrderedDict[str, int] = OrderedDict()  # when, by source

    def note_full(self, source: str) -> None:
        """This source was refused for want of room just now."""
        self._full_us[source] = self._clock_us()
        self._full_us.move_to_end(source)
        while len(self._full_us) > FULL_SOURCES_MAX:
            self._full_us.popitem(last=False)

    def _was_full(self, source: str) -> bool:
        at_us = self._full_us.get(source)
        return at_us is not None and 0 <= self._clock_us() - at_us < FULL_US

    async def room(self) -> Room:
        """How full the strangers' budget is."""
        async with self._database.reading() as view:
            return Room(
                await budget_bytes(view),
                await view.number(KEPT_OUT_COUNT),
            )

    async def usage_of_authors(self, limit: int = 10) -> list[AuthorUsage]:
        """The authors who take most."""
        rows = await self._database.rows(
            "SELECT u.author, sum(u.bytes) AS size, sum(u.entries), max(u.is_stranger) = 0,"
            " (SELECT count(*) FROM kept_out k WHERE k.author ="
            f" substr(u.author, 1, {AUTHOR_PREFIX_BYTES}))"
            " FROM usage u GROUP BY u.author ORDER BY size DESC, u.author LIMIT ?",
            (in_bounds(limit, PAGE_MAX),),
        )
        return [
            AuthorUsage(author, size, entries, bool(is_followed), kept_out)
            for author, size, entries, is_followed, kept_out in rows
        ]

    async def authors_in(
        self, namespaces: Sequence[NamespaceKey], limit: int = PAGE_MAX
    ) -> list[AuthorKey]:
        """The authors who wrote there, those of most entries first; one for all `namespaces`."""
        async with self._database.reading() as view:
            rows = await view.rows_in(
                "SELECT u.author, sum(u.entries) AS written FROM usage u JOIN namespace n"
                " ON n.number = u.namespace WHERE n.key IN (*) GROUP BY u.author"
                f" ORDER BY written DESC, u.author LIMIT {in_bounds(limit, AUTHORS_MAX)}",
                [*namespaces],
            )
        return [AuthorKey(row[0]) for row in rows]

    async def usage_of_guests(self, limit: int = 10) -> list[GuestUsage]:
        """The guests who take most, of all authors."""
        rows = await self._database.rows(
            "SELECT u.author, u.guest, sum(u.bytes) AS size, sum(u.entries),"
            " (SELECT count(*) FROM kept_out k WHERE k.author ="
            f" substr(u.guest, 1, {AUTHOR_PREFIX_BYTES}))"
            " FROM usage u WHERE u.guest <> x'' GROUP BY u.author, u.guest"
            " ORDER BY size DESC, u.author, u.guest LIMIT ?",
            (in_bounds(limit, PAGE_MAX),),
        )
        return [GuestUsage(*row) for row in rows]

    async def usage_of_sources(self, limit: int = 10) -> list[SourceUsage]:
        """Whoever brought most."""
        rows = await self._database.rows(
            "SELECT s.key, s.author, sum(w.total) AS size, sum(iif(w.budget = ?, w.bytes, 0)) AS"
            " strangers FROM weight w JOIN source s ON s.number = w.source WHERE w.total > 0"
            " GROUP BY s.number ORDER BY strangers DESC, size DESC, s.number LIMIT ?",
            (STRANGERS, in_bounds(limit, PAGE_MAX)),
        )
        return [SourceUsage(*row) for row in rows]

    async def usage_of_namespaces(self) -> list[NamespaceUsage]:
        """The owned namespaces of which anything is held, the fullest first."""
        rows = await self._database.rows(
            "SELECT n.key, sum(w.bytes) AS size FROM weight w JOIN namespace n"
            " ON n.number = w.budget WHERE w.bytes > 0 GROUP BY n.key ORDER BY size DESC, n.key"
        )
        return [NamespaceUsage(NamespaceKey(key), size) for key, size in rows]

    async def usage_of_areas(self) -> list[AreaUsage]:
        """The areas that settings bound."""
        rows = await self._database.rows(
            "SELECT name, bytes, limit_bytes FROM area_quota ORDER BY name"
        )
        return [AreaUsage(*row) for row in rows]

    async def kept_out(
        self, namespace: NamespaceKey, ids: Sequence[bytes], *, source: str | None = None
    ) -> set[bytes]:
        """Those of `ids` (their first 16 bytes) that this node has no room for: not to be fetched.

        Their author being followed, or for one that waits another entry of its document, ends it.
        From a `source` that was not itself refused for want of room of late, all may come for which
        another had none: else whoever filled the room could bring what others wrote last, and keep
        it from coming through anybody.
        """
        others = "" if source is None or self._was_full(source) else " AND NOT is_for_room"
        async with self._database.reading() as view:
            rows = await view.rows_in(
                f"SELECT id FROM kept_out WHERE id IN (*){others}",
                [id[:ITEM_ID_BYTES] for id in ids],
            )
        return {bytes(row[0]) for row in rows}
