"""How much room is taken, by whom: what people are shown, and what peers need not send again."""

from collections.abc import Sequence
from dataclasses import dataclass

from crdt.keys import NamespaceKey
from crdt.order import ITEM_ID_BYTES
from storage.part import Part, in_bounds
from storage.quota import strangers_bytes
from storage.usage import AUTHOR_PREFIX_BYTES

PAGE_MAX = 1_000
KEPT_OUT_COUNT = "SELECT count(*) FROM kept_out"


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
class SourceUsage:
    """`key` as given to `receive`; "" for what came before that was noted."""

    key: str
    author: bytes | None
    bytes: int
    strangers_bytes: int


@dataclass(frozen=True, slots=True)
class AreaUsage:
    name: str
    bytes: int
    limit_bytes: int


class Usages(Part):
    async def room(self) -> Room:
        """How full the strangers' budget is."""
        async with self._database.reading() as view:
            return Room(
                await strangers_bytes(view),
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

    async def usage_of_sources(self, limit: int = 10) -> list[SourceUsage]:
        """Whoever brought most."""
        rows = await self._database.rows(
            "SELECT key, author, bytes, strangers FROM source WHERE bytes > 0"
            " ORDER BY strangers DESC, bytes DESC, number LIMIT ?",
            (in_bounds(limit, PAGE_MAX),),
        )
        return [SourceUsage(*row) for row in rows]

    async def usage_of_areas(self) -> list[AreaUsage]:
        """The areas that settings bound."""
        rows = await self._database.rows(
            "SELECT name, bytes, limit_bytes FROM area_quota ORDER BY name"
        )
        return [AreaUsage(*row) for row in rows]

    async def kept_out(self, namespace: NamespaceKey, ids: Sequence[bytes]) -> set[bytes]:
        """Those of `ids` (their first 16 bytes) that this node has no room for: not to be fetched.

        Their author being followed, or for one that waits another entry of its document, ends it.
        """
        async with self._database.reading() as view:
            rows = await view.rows_in(
                "SELECT id FROM kept_out WHERE id IN (*)", [id[:ITEM_ID_BYTES] for id in ids]
            )
        return {bytes(row[0]) for row in rows}
