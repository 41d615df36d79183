"""Records of one id: who publishes it, and whose is meant where nobody is named.

What strangers claim decides nothing here, neither the time they write down nor anything else that
they may choose. What a record proves of itself does: whether its bytes stand in it.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from crdt.did import encode_did_key
from crdt.digest import DIGEST_BYTES
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from storage.list_pages import COLUMNS, IN_NAMESPACE
from storage.listings import ListedRow, listed_row
from storage.part import Part

NAMESAKES_MAX: Final = 100
"""Authors of one bare id: more than a person would read through."""
BEGINNING_MAX: Final = 10
"""Ids that begin alike: enough to say that a few digits more are needed."""
HEX_DIGITS: Final = 2 * DIGEST_BYTES

_IS_WHOLE: Final = 18  # the column after those of a row
_NAMES: Final = "(SELECT value FROM json_each(?))"
_ONE_OF: Final = "(by IN (SELECT value FROM json_each(?)))"
# Those of the newest epoch, one for each author. Of people one follows the earliest comes first:
# they may be asked what they mean by it. Of strangers it is the order of their keys.
# Too many are cut so that each blob keeps one who names it: else a hundred keys that name one that
# nobody has would leave out the only one who names the right one.
_NAMESAKES: Final = f"""
    SELECT * FROM (
        SELECT *, row_number() OVER (PARTITION BY blob ORDER BY is_whole DESC, by) AS of_blob
        FROM (
            SELECT {COLUMNS}, l.content <> '' AS is_whole, l.author AS by, l.created_us AS at,
                json_extract(CAST(l.fields AS TEXT), '$.blob') AS blob,
                row_number() OVER (PARTITION BY l.author ORDER BY d.epoch DESC, d.id) AS place
            FROM listing l JOIN document d ON d.number = l.document
            WHERE {IN_NAMESPACE} AND l.kind = ? AND l.record = ?)
        WHERE place = 1
        ORDER BY {_ONE_OF} DESC, {_ONE_OF} DESC, of_blob, is_whole DESC, by
        LIMIT ?)
    ORDER BY {_ONE_OF} DESC, {_ONE_OF} DESC, CASE WHEN {_ONE_OF} THEN at END, is_whole DESC, by"""


@dataclass(frozen=True, slots=True)
class Namesake:
    """One author's record of an id."""

    row: ListedRow
    """Without its bytes."""
    is_whole: bool
    """Whether its bytes stand in the document, and so are what the record is named by."""


class Namesakes(Part):
    """Who else. Kept in step with documents as lists are."""

    async def own_authors(self) -> frozenset[str]:
        """did:keys of this node's person."""
        rows = await self._database.few_rows("SELECT author FROM followed WHERE is_own")
        return frozenset(encode_did_key(author) for (author,) in rows)

    async def namesakes(
        self,
        kind: str,
        record: str,
        namespace: NamespaceKey = COMMONS,
        *,
        own: Collection[str] = (),
        followed: Collection[str] = (),
    ) -> list[Namesake]:
        """The records of this bare id, one for each author: `own`, then those followed, then all.

        Of strangers those come first whose bytes stand in the record; then by did:key. Where they
        are too many, no blob is left out for others that name the same as somebody before them.
        """
        mine, names = json.dumps(sorted(own)), json.dumps(sorted({*own, *followed}))
        rows = await self._database.rows(
            _NAMESAKES,
            (namespace, kind, record, mine, names, NAMESAKES_MAX, mine, names, names),
        )
        return [Namesake(listed_row(row), bool(row[_IS_WHOLE])) for row in rows]

    async def candidates(
        self, kind: str, record: str, namespace: NamespaceKey = COMMONS
    ) -> list[ListedRow]:
        """The records of this bare id, one for each author, by author."""
        rows = await self._database.rows(
            # With max(), SQLite takes the other columns from the row that has it.
            f"SELECT {COLUMNS}, max(l.updated_us) FROM listing l WHERE {IN_NAMESPACE}"
            " AND l.kind = ? AND l.record = ? GROUP BY l.author ORDER BY l.author LIMIT ?",
            (namespace, kind, record, NAMESAKES_MAX),
        )
        return [listed_row(row) for row in rows]

    async def best_listings(
        self,
        kind: str,
        namespace: NamespaceKey = COMMONS,
        *,
        limit: int,
        of: Collection[str],
    ) -> list[ListedRow]:
        """Those of the highest score, ties by target, of these authors. Without their bytes."""
        rows = await self._database.rows(
            f"SELECT {COLUMNS} FROM listing l WHERE {IN_NAMESPACE} AND l.kind = ?"
            f" AND l.author IN {_NAMES} ORDER BY l.score DESC, l.target DESC LIMIT ?",
            (namespace, kind, json.dumps(sorted(of)), limit),
        )
        return [listed_row(row) for row in rows]

    async def best_of_others(
        self,
        kind: str,
        namespace: NamespaceKey = COMMONS,
        *,
        limit: int,
        than: Collection[str],
        full: Collection[str] = (),
        taken: Collection[str] = (),
    ) -> list[ListedRow]:
        """As `best_listings`, of whoever else, but of no id that one of these authors has.

        Nor of authors that are `full`, nor of ids that are `taken`.
        """
        rows = await self._database.rows(
            f"SELECT {COLUMNS} FROM listing l WHERE {IN_NAMESPACE} AND l.kind = ?"
            f" AND l.author NOT IN {_NAMES} AND l.record NOT IN {_NAMES} AND NOT EXISTS ("
            " SELECT 1 FROM listing o WHERE o.namespace = l.namespace AND o.kind = l.kind"
            f" AND o.record = l.record AND o.author IN {_NAMES})"
            " ORDER BY l.score DESC, l.target DESC LIMIT ?",
            (
                namespace,
                kind,
                json.dumps(sorted({*than, *full})),
                json.dumps(sorted(taken)),
                json.dumps(sorted(than)),
                limit,
            ),
        )
        return [listed_row(row) for row in rows]

    async def beginning(
        self,
        kind: str,
        digits: str,
        namespace: NamespaceKey = COMMONS,
        *,
        authors: Collection[str] | None = None,
    ) -> list[str]:
        """Ids that begin so, of these authors or of anybody; what was held first is first.

        `digits` ends with a hex digit. At most `BEGINNING_MAX`.
        """
        where, values = "", [namespace, kind, digits, f"{digits}g"]  # no digit comes after f
        if authors is not None:
            where = " AND l.author IN (SELECT value FROM json_each(?))"
            values.append(json.dumps(sorted(authors)))
        rows = await self._database.rows(
            f"SELECT l.record FROM listing l WHERE {IN_NAMESPACE} AND l.kind = ?"
            f" AND l.record >= ? AND l.record < ?{where}"
            " GROUP BY l.record ORDER BY min(l.document) LIMIT ?",
            (*values, BEGINNING_MAX),
        )
        return [record for (record,) in rows]

    async def held_beginning(
        self, kind: str, digits: str, author: AuthorKey, namespace: NamespaceKey = COMMONS
    ) -> list[str]:
        """As `beginning`, of one author, and also what is deleted; `kind` as documents have it."""
        bounds = (bytes.fromhex(digits.ljust(HEX_DIGITS, fill)) for fill in "0f")
        rows = await self._database.rows(
            "SELECT DISTINCT record FROM document WHERE kind = ? AND record BETWEEN ? AND ?"
            " AND author = ? AND namespace = (SELECT number FROM namespace WHERE key = ?)"
            " ORDER BY record LIMIT ?",
            (kind, *bounds, author, namespace, BEGINNING_MAX),
        )
        return [record.hex() for (record,) in rows]
