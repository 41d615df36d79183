"""Universes by what they name: the player whose they are, and what they were forked from.

Anybody may name either, so those of the authors who are meant come before others'.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final

from crdt.keys import NamespaceKey
from storage.database import Row
from storage.list_pages import COLUMNS
from storage.listings import ListedRow, Page, listed_row
from storage.part import Part, in_bounds

NAMING_MAX: Final = 1_000
_FORKED: Final = "CAST(l.fields AS TEXT) ->> '$.parent' = ?1"


class NamedInUniverses(Part):
    """Lists of one answer each, as whoever asks knows of no pages; and forks a page at a time."""

    async def universes_of_owner(
        self,
        owner: str,
        namespaces: Sequence[NamespaceKey],
        limit: int = NAMING_MAX,
        *,
        first: Collection[str] = (),
    ) -> list[ListedRow]:
        """Those that say they are this player's, in the order of their ids.

        Of more than `limit` those of the authors in `first` before others': anybody may say it.
        """
        field = "CAST(l.fields AS TEXT) ->> '$.ownerId' = ?1"
        return await self._universes(field, owner, namespaces, limit, first)

    async def universes_forked_from(
        self,
        parent: str,
        namespaces: Sequence[NamespaceKey],
        limit: int = NAMING_MAX,
        *,
        first: Collection[str] = (),
    ) -> list[ListedRow]:
        """Those that began with a snapshot of this one (`did/id`); as `universes_of_owner`."""
        return await self._universes(_FORKED, parent, namespaces, limit, first)

    async def forks_page(
        self,
        parent: str,
        namespaces: Sequence[NamespaceKey],
        limit: int = NAMING_MAX,
        *,
        first: Collection[str] = (),
        after: str | None = None,
    ) -> Page[ListedRow]:
        """A page of `universes_forked_from`: those of the authors in `first` before others', of
        both in the order of their ids. `after`: what the page before it has as `next`.
        """
        size = in_bounds(limit, NAMING_MAX)
        place = [-1, "", "", 0] if after is None else json.loads(after)
        rows = await self._read(_FORKED, parent, namespaces, size + 1, first, place)
        more = json.dumps(rows[size - 1][-4:]) if len(rows) > size else None
        return Page(tuple(map(listed_row, rows[:size])), more)

    async def _universes(
        self,
        where: str,
        value: str,
        namespaces: Sequence[NamespaceKey],
        limit: int,
        first: Collection[str],
    ) -> list[ListedRow]:
        rows = await self._read(where, value, namespaces, in_bounds(limit, NAMING_MAX), first)
        found = [listed_row(row) for row in rows]
        return sorted(found, key=lambda one: (one.listing.record, one.listing.author))

    async def _read(
        self,
        where: str,
        value: str,
        namespaces: Sequence[NamespaceKey],
        limit: int,
        first: Collection[str],
        after: Sequence[Any] = (-1, "", "", 0),
    ) -> list[Row]:
        """Of `COLUMNS`, and then what they are ordered by."""
        keys = [one.hex().upper() for one in namespaces]
        return await self._database.rows(
            "WITH named AS ("
            f"SELECT {COLUMNS}, l.author NOT IN (SELECT value FROM json_each(?3)) AS is_other,"
            " l.record AS of_record, l.author AS of_author, l.document AS of_document"
            f" FROM listing l WHERE l.kind = 'universe' AND {where}"
            " AND l.namespace IN (SELECT number FROM namespace WHERE hex(key) IN"
            " (SELECT value FROM json_each(?2))))"
            " SELECT * FROM named"
            " WHERE (is_other, of_record, of_author, of_document) > (?5, ?6, ?7, ?8)"
            " ORDER BY is_other, of_record, of_author, of_document LIMIT ?4",
            (value, json.dumps(keys), json.dumps([*first]), limit, *after),
        )
