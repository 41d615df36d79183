"""Universes by what they name: the player whose they are, and what they were forked from.

Anybody may name either, so of too many those of the authors who are meant come before others'.
"""

import json
from collections.abc import Collection, Sequence
from typing import Final

from crdt.keys import NamespaceKey
from storage.list_pages import COLUMNS
from storage.listings import ListedRow, listed_row
from storage.part import Part, in_bounds

NAMING_MAX: Final = 1_000


class NamedInUniverses(Part):
    """Lists of one answer each: whoever asks knows of no pages."""

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
        field = "CAST(l.fields AS TEXT) ->> '$.parent' = ?1"
        return await self._universes(field, parent, namespaces, limit, first)

    async def _universes(
        self,
        where: str,
        value: str,
        namespaces: Sequence[NamespaceKey],
        limit: int,
        first: Collection[str],
    ) -> list[ListedRow]:
        keys = [one.hex().upper() for one in namespaces]
        rows = await self._database.rows(
            f"SELECT {COLUMNS} FROM listing l WHERE l.kind = 'universe' AND {where}"
            " AND l.namespace IN (SELECT number FROM namespace WHERE hex(key) IN"
            " (SELECT value FROM json_each(?2)))"
            " ORDER BY l.author IN (SELECT value FROM json_each(?3)) DESC,"
            " l.record, l.author, l.namespace LIMIT ?4",
            (value, json.dumps(keys), json.dumps([*first]), in_bounds(limit, NAMING_MAX)),
        )
        found = [listed_row(row) for row in rows]
        return sorted(found, key=lambda one: (one.listing.record, one.listing.author))
