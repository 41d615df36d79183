"""What others say of a record: advisories, and what depends on it or descends from it."""

from collections.abc import Collection, Sequence
from itertools import chain

from crdt.keys import AuthorKey, NamespaceKey
from storage.database import Row
from storage.list_pages import COLUMNS, IN_NAMESPACE
from storage.listings import ListedRow, listed_row
from storage.part import Part
from storage.usage import followed

# Records that name one: of more, trends say that they are not whole.
NAMING_MAX = 1_000

# An author says an advisory of each range, and when they said it. So those who count have room of
# their own each, else one pushes out what another says; nobody has so much to say of one module.
COUNTING_MAX = 100

# Keys are free: strangers share what a person may still read.
STRANGERS_MAX = 50

# Modules that are asked about in one hop to the thread that reads: most have nothing said of them.
TOGETHER = 32

ABOUT = "json_extract(CAST(l.fields AS TEXT), '$.module')"  # as the index has it

_COUNTS = (
    "(d.author IN (SELECT author FROM followed) OR l.author = substr(?1, 1, instr(?1, '/') - 1))"
)
_SAID = (
    f"FROM listing l JOIN document d ON d.number = l.document"
    f" WHERE l.kind = 'advisory' AND {ABOUT} = ?1"
    " AND l.namespace = (SELECT number FROM namespace WHERE key = ?2)"
    " AND l.author = coalesce(?3, l.author)"
)
_CHOSEN = f"SELECT {COLUMNS} FROM chosen c JOIN listing l USING (document)"
_NEWEST = "ORDER BY l.updated_us DESC, l.target"
_COUNTING = (
    "WITH ranked AS (SELECT l.document, row_number() OVER (PARTITION BY l.author ORDER BY"
    " json_extract(CAST(l.fields AS TEXT), '$.withdrawn'),"
    " json_extract(CAST(l.fields AS TEXT), '$.kind') = 'malicious' DESC,"
    f" l.updated_us DESC, l.target) AS place {_SAID} AND {_COUNTS}),"
    f" chosen AS (SELECT document FROM ranked WHERE place <= {COUNTING_MAX})"
    f" {_CHOSEN} {_NEWEST}"
)
_STRANGERS = (
    "WITH ranked AS (SELECT l.document, l.updated_us, row_number() OVER"
    f" (PARTITION BY l.author {_NEWEST}) AS place {_SAID} AND NOT {_COUNTS}),"
    " chosen AS (SELECT document FROM ranked"
    f" ORDER BY place, updated_us DESC, document LIMIT {STRANGERS_MAX})"
    f" {_CHOSEN} {_NEWEST}"
)


def _by_lineage(kind: str, key: str) -> str:
    """The condition is written as the index has it."""
    return (
        f"SELECT {COLUMNS} FROM listing l WHERE l.kind = '{kind}'"
        f" AND CAST(l.fields AS TEXT) ->> '$.{key}' = ?"
        f" AND {IN_NAMESPACE} ORDER BY l.record, l.author LIMIT ?"
    )


_GENOMES_OF = _by_lineage("genome", "lineage_id")
_LINEAGES_OF = _by_lineage("lineage", "parent")


class Advised(Part):
    """Advisories and dependants that are held, whoever says them."""

    async def advisories(
        self,
        modules: Sequence[str],
        namespaces: Collection[NamespaceKey],
        *,
        author: str | None = None,
    ) -> list[ListedRow]:
        """What is said of these (full names), in these namespaces; by this author (a did:key).

        Of each module first what its author, this node and whom it follows say, the newest first:
        at most `COUNTING_MAX` of each of them, the worst before the newest. Then `STRANGERS_MAX`
        of all others, as many of each as there is room for.
        """
        rows: list[Row] = []
        async with self._database.reading() as view:
            for at in range(0, len(modules), TOGETHER):
                asked = [
                    (sql, (module, namespace, author))
                    for module in modules[at : at + TOGETHER]
                    for namespace in namespaces
                    for sql in (_COUNTING, _STRANGERS)
                ]
                rows += chain.from_iterable(await view.each(asked))
        return [listed_row(row) for row in rows]

    async def naming(
        self, module: str, namespaces: Collection[NamespaceKey], limit: int = NAMING_MAX
    ) -> list[ListedRow]:
        """Modules that name this one (a full name) in some version of theirs, by name.

        It looks at every module that is listed: a tenth of a second for 10,000.
        """
        async with self._database.reading() as view:
            rows = [
                row
                for namespace in namespaces
                for row in await view.rows(
                    f"SELECT {COLUMNS} FROM listing l WHERE l.kind = 'module'"
                    " AND l.namespace = (SELECT number FROM namespace WHERE key = ?)"
                    " AND instr(l.fields, CAST(? AS BLOB)) ORDER BY l.name_key, l.target LIMIT ?",
                    (namespace, f'"module_id":"{module}"', limit),
                )
            ]
        return [listed_row(row) for row in rows]

    async def children(
        self, genome: str, namespace: NamespaceKey, limit: int = NAMING_MAX
    ) -> list[ListedRow]:
        """Genomes that name this one (its identity) in what they say of themselves, by their own.

        It looks at every genome that is listed, as `naming` at every module.
        """
        rows = await self._database.rows(
            f"SELECT {COLUMNS} FROM listing l WHERE l.kind = 'genome' AND l.record <> ?1"
            " AND l.namespace = (SELECT number FROM namespace WHERE key = ?2)"
            " AND instr(l.fields, CAST(?3 AS BLOB)) ORDER BY l.record, l.target LIMIT ?4",
            (genome, namespace, f'"{genome}"', limit),
        )
        return [listed_row(row) for row in rows]

    async def of_lineage(
        self, lineage: str, namespace: NamespaceKey, limit: int = NAMING_MAX
    ) -> list[ListedRow]:
        """Genomes that say they are of this lineage, and lineages that say they descend from it.

        Genomes first, each by their ids and authors. What else is listed is not looked at.
        """
        found: list[Row] = []
        async with self._database.reading() as view:
            for asked in (_GENOMES_OF, _LINEAGES_OF):
                found += await view.rows(asked, (lineage, namespace, limit - len(found)))
        return [listed_row(row) for row in found]

    async def following(self) -> frozenset[AuthorKey]:
        """Whom this node follows, itself among them: `storage.usage.followed`."""
        async with self._database.reading() as view:
            return frozenset(map(AuthorKey, await followed(view)))
