"""What blobs the records that are shown name, and whose claims these are.

    in an owned namespace, with an entry of another hand ─▸ the namespace's: an administrator
                                                            writes there in everybody's name
    else, of an author who was chosen                    ─▸ that author's

So nobody says in another's name what that one has room for (`storage.claim`, which see).
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from crdt.blob import BlobId
from crdt.capability import decode_capability
from crdt.keys import AuthorKey, NamespaceKey, is_communal
from storage.claim import hands_of
from storage.database import Reading
from storage.part import Part

NAMED_MAX: Final = 65_536  # claims looked at, of chosen authors and of namespaces each: some 40 MB
NamedRow: TypeAlias = tuple[bytes, bytes, bytes, int, int, int]
"""Blob, author, namespace, size, and when it was published in µs; of one record that is shown. Last
the number of that record where it is a universe, whose states are much like each other; else 0."""

# Of what is here for a person no share is needed: it is not looked at.
_WANTED = (
    "u.size IS NOT NULL AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.id = u.blob AND b.is_complete"
    " AND NOT EXISTS (SELECT 1 FROM kept k WHERE k.blob = b.number))"
)
_UNIVERSE = "coalesce((SELECT document FROM universe_count WHERE document = d.number), 0)"
_HANDS = """
    SELECT h.author, h.capability, c.encoded FROM (
        SELECT DISTINCT d.author, e.capability FROM document d
        JOIN namespace n ON n.number = d.namespace JOIN entry e ON e.document = d.number
        WHERE d.author IN (*) AND n.key IN (+) AND EXISTS (
            SELECT 1 FROM blob_use u WHERE u.document = d.number AND u.size IS NOT NULL)) h
    JOIN capability c ON c.number = h.capability"""
# Documents of chosen authors in which others had a hand; ?: pairs of a right and whose it is not.
_OF_OTHERS = """
    SELECT e.document FROM json_each(?) j
    JOIN entry e ON e.capability = json_extract(j.value, '$[0]')
    JOIN document d ON d.number = e.document AND hex(d.author) = json_extract(j.value, '$[1]')"""
# The newest of each author first, and of equals in turns: whoever names more hides nobody's.
_OF_AUTHORS = f"""
    SELECT blob, author, key, size, at_us, universe, count(1) OVER () FROM (
        SELECT u.blob, d.author, n.key, u.size, u.at_us, {_UNIVERSE} AS universe, row_number()
        OVER (PARTITION BY d.author ORDER BY u.at_us DESC, u.blob) AS place
        FROM document d JOIN blob_use u ON u.document = d.number
        JOIN namespace n ON n.number = d.namespace
        WHERE d.author IN (*) AND n.key IN (+) AND d.number NOT IN ({_OF_OTHERS}) AND {_WANTED})
    ORDER BY place, author LIMIT ?"""
_OF_NAMESPACES = f"""
    SELECT blob, author, key, size, at_us, universe, count(1) OVER () FROM (
        SELECT *, row_number() OVER (PARTITION BY key ORDER BY place, author) AS turn FROM (
            SELECT u.blob, d.author, n.key, u.size, u.at_us, {_UNIVERSE} AS universe, row_number()
            OVER (PARTITION BY n.key, d.author ORDER BY u.at_us DESC, u.blob) AS place
            FROM namespace n JOIN listing l ON l.namespace = n.number
            JOIN blob_use u ON u.document = l.document JOIN document d ON d.number = l.document
            WHERE (d.author NOT IN (*) OR d.number IN ({_OF_OTHERS})) AND n.key IN (+)
                AND {_WANTED}))
    ORDER BY turn, key LIMIT ?"""
# What is a person's own may be nowhere else, and what is not shown may come back.
_UNNAMED = """
    SELECT b.id FROM kept k JOIN blob b ON b.number = k.blob WHERE NOT EXISTS (
        SELECT 1 FROM blob_use u JOIN namespace n ON n.number = u.namespace
        WHERE u.blob = b.id AND u.size IS NOT NULL AND n.key IN (+))
    AND NOT EXISTS (
        SELECT 1 FROM blob_use u JOIN document d ON d.number = u.document
        JOIN namespace n ON n.number = u.namespace
        WHERE u.blob = b.id AND u.size IS NOT NULL AND d.author IN (*) AND n.key IN (-))
    AND NOT EXISTS (
        SELECT 1 FROM blob_use u JOIN document d ON d.number = u.document
        JOIN followed f ON f.author = d.author AND f.is_own WHERE u.blob = b.id)"""


@dataclass(frozen=True, slots=True)
class Claims:
    """`rows`: at most `NAMED_MAX`; `left_out`: how many there are beyond."""

    rows: Sequence[NamedRow] = ()
    left_out: int = 0


class Claimed(Part):
    """Reading of what authors and namespaces claim."""

    async def blobs_of_authors(
        self, authors: Collection[AuthorKey], namespaces: Collection[NamespaceKey]
    ) -> Claims:
        """What records of these authors name in these namespaces, and is not a person's."""
        async with self._database.reading() as view:
            others = await _of_others(view, authors, namespaces)
            sql, keys = _with_keys(_OF_AUTHORS, {"(*)": authors, "(+)": namespaces})
            return _claims(await view.rows(sql, (*keys, others, NAMED_MAX)))

    async def blobs_in_namespaces(
        self, namespaces: Collection[NamespaceKey], without: Collection[AuthorKey]
    ) -> Claims:
        """What all other records name there than those that are claims of `without`."""
        async with self._database.reading() as view:
            others = await _of_others(view, without, namespaces)
            marks = {"(*)": without, "(?)": [others], "(+)": namespaces}
            sql, keys = _with_keys(_OF_NAMESPACES, marks)
            return _claims(await view.rows(sql, (*keys, NAMED_MAX)))

    async def unnamed_blobs(
        self,
        authors: Collection[AuthorKey],
        namespaces: Collection[NamespaceKey],
        owned: Collection[NamespaceKey],
    ) -> frozenset[BlobId]:
        """Of what is kept: what no record of `authors` in `namespaces` names, and none in `owned`;
        however many claims there are, and whether they were looked at or not. Of this person's own
        records those count too that are not shown, and what came too late for one that is."""
        marks = {"(+)": owned, "(*)": authors, "(-)": namespaces}
        sql, keys = _with_keys(_UNNAMED, marks)
        return frozenset(BlobId(id) for (id,) in await self._database.rows(sql, keys))


async def _of_others(
    view: Reading, authors: Collection[AuthorKey], namespaces: Iterable[NamespaceKey]
) -> str:
    """Rights, with the author in whose owned subspace somebody else wrote by them; as JSON.

    A right is given to a key once: there are few of them, whoever writes how much.
    """
    owned = [one for one in namespaces if not is_communal(one)]
    sql, keys = _with_keys(_HANDS, {"(*)": authors, "(+)": owned})
    rows = await view.rows(sql, keys) if owned and authors else []
    return json.dumps(
        [
            (number, author.hex().upper())
            for author, number, encoded in rows
            if author not in hands_of(decode_capability(encoded))
        ]
    )


def _with_keys(sql: str, marks: Mapping[str, Collection[object]]) -> tuple[str, list[object]]:
    """As many question marks for each mark as there are values, and these in that order."""
    values: list[object] = []
    for mark, some in marks.items():
        sql = sql.replace(mark, f"({','.join('?' * len(some))})")
        values += some
    return sql, values


def _claims(rows: Sequence[tuple[bytes, bytes, bytes, int, int, int, int]]) -> Claims:
    return Claims([row[:-1] for row in rows], rows[0][-1] - len(rows) if rows else 0)
