"""What others say of modules: advisories, and modules that depend on them."""

from collections.abc import Collection, Sequence

from crdt.keys import AuthorKey, NamespaceKey
from storage.list_pages import COLUMNS
from storage.listings import ListedRow, listed_row
from storage.part import Part
from storage.usage import followed

# Keys are free: whoever says a thousand things of one module drowns out other strangers, nobody
# that counts, since those come first.
ADVISORIES_MAX = 1_000

ABOUT = "json_extract(CAST(l.fields AS TEXT), '$.module')"  # as the index has it


class Advised(Part):
    """Advisories and dependants that are held, whoever says them."""

    async def advisories(
        self, modules: Sequence[str], namespaces: Collection[NamespaceKey]
    ) -> list[ListedRow]:
        """What is said of these (full names), in these namespaces.

        At most `ADVISORIES_MAX` of each module: those of its author, of this node and of whom it
        follows before all others, and then the newest.
        """
        async with self._database.reading() as view:
            rows = [
                row
                for module in modules
                for namespace in namespaces
                for row in await view.rows(
                    f"SELECT {COLUMNS} FROM listing l JOIN document d ON d.number = l.document"
                    f" WHERE l.kind = 'advisory' AND {ABOUT} = ?1"
                    " AND l.namespace = (SELECT number FROM namespace WHERE key = ?2)"
                    " ORDER BY d.author IN (SELECT author FROM followed)"
                    " OR l.author = substr(?1, 1, instr(?1, '/') - 1) DESC,"
                    " l.updated_us DESC, l.target LIMIT ?3",
                    (module, namespace, ADVISORIES_MAX),
                )
            ]
        return [listed_row(row) for row in rows]

    async def naming(
        self, module: str, namespaces: Collection[NamespaceKey], limit: int = ADVISORIES_MAX
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
        self, genome: str, namespace: NamespaceKey, limit: int = ADVISORIES_MAX
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

    async def following(self) -> frozenset[AuthorKey]:
        """Whom this node follows, itself among them: `storage.usage.followed`."""
        async with self._database.reading() as view:
            return frozenset(map(AuthorKey, await followed(view)))
