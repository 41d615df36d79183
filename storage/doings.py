"""What an author does, as far as signed records show it: when last, and in which universes."""

import json
from collections.abc import Collection
from typing import TypeAlias

from crdt.keys import COMMONS, NamespaceKey
from storage.list_pages import COLUMNS
from storage.listings import PAGE_MAX, ListedRow, listed_row
from storage.part import Part, in_bounds

_BY = (
    "l.target > ?1 || '/' AND l.target < ?1 || '0' AND l.namespace IN"
    " (SELECT number FROM namespace WHERE hex(key) IN (SELECT value FROM json_each(?2)))"
)
# Those of which nobody says whose they are besides are the author's, whoever the author plays as.
_IS_PLAYERS = (
    f"{_BY} AND l.kind = 'universe' AND CAST(l.fields AS TEXT) ->> '$.ownerId' IN ('', ?1, ?3)"
)
_IN = (
    "namespace IN"
    " (SELECT number FROM namespace WHERE hex(key) IN (SELECT value FROM json_each(?1)))"
)
# What has a slash is the full name of somebody, not what an author calls one.
_NOT_REGISTERED = (
    "SELECT count(*) FROM (SELECT DISTINCT l.author AS author,"
    " CAST(l.fields AS TEXT) ->> '$.ownerId' AS owner"
    f" FROM listing l WHERE l.kind = 'universe' AND l.{_IN}) o"
    " WHERE o.owner NOT IN ('', o.author) AND instr(o.owner, '/') = 0 AND NOT EXISTS"
    " (SELECT 1 FROM listing p WHERE p.kind = 'player' AND p.record = o.owner"
    f" AND p.author = o.author AND p.{_IN})"
)
Place: TypeAlias = tuple[str, int]


class Doings(Part):
    """Mostly of one author (a did:key): each looks at all records of theirs in these namespaces."""

    async def last_signed_us(
        self, author: str, namespaces: Collection[NamespaceKey] = (COMMONS,)
    ) -> int:
        """The latest time that stands in a record or a snapshot, µs since 1970; 0 where none is."""
        values = (author, _keys(namespaces))
        async with self._database.reading() as view:
            record_us = await view.number(
                f"SELECT max(l.updated_us) FROM listing l WHERE {_BY}", values
            )
            snapshot_us = await view.number(
                "SELECT max(u.newest_us) FROM listing l"
                f" JOIN universe_count u ON u.document = l.document WHERE {_BY}",
                values,
            )
        return max(record_us, snapshot_us)

    async def count_universes(
        self, author: str, player: str, namespaces: Collection[NamespaceKey] = (COMMONS,)
    ) -> int:
        """Those of `player`, an id of the author's: what names it as owner, or nobody else."""
        async with self._database.reading() as view:
            return await view.number(
                f"SELECT count(*) FROM listing l WHERE {_IS_PLAYERS}",
                (author, _keys(namespaces), player),
            )

    async def count_unregistered(self, namespaces: Collection[NamespaceKey] = (COMMONS,)) -> int:
        """Whom universes name as owner and their author registered nowhere there."""
        async with self._database.reading() as view:
            return await view.number(_NOT_REGISTERED, (_keys(namespaces),))

    async def universes_of_player(
        self,
        author: str,
        player: str,
        namespaces: Collection[NamespaceKey] = (COMMONS,),
        *,
        limit: int = PAGE_MAX,
        after: Place = ("", 0),
    ) -> list[ListedRow]:
        """The same by their ids. `after`: the id and the number of the last one before."""
        rows = await self._database.rows(
            f"SELECT {COLUMNS} FROM listing l WHERE {_IS_PLAYERS}"
            " AND (l.record, l.document) > (?4, ?5) ORDER BY l.record, l.document LIMIT ?6",
            (author, _keys(namespaces), player, *after, in_bounds(limit, PAGE_MAX)),
        )
        return [listed_row(row) for row in rows]


def _keys(namespaces: Collection[NamespaceKey]) -> str:
    return json.dumps([one.hex().upper() for one in namespaces])
