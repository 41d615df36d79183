"""What an author does, as far as signed records show it: when last, and in how many universes."""

from crdt.keys import COMMONS, NamespaceKey
from storage.part import Part

# Those of which nobody says whose they are besides are the author's, whoever the author plays as.
_IS_OWNED = (
    "l.target > ?1 || '/' AND l.target < ?1 || '0' AND l.kind = 'universe'"
    " AND l.namespace = (SELECT number FROM namespace WHERE key = ?2)"
    " AND coalesce(CAST(l.fields AS TEXT) ->> '$.ownerId', '') IN ('', ?1, ?3)"
)


class Doings(Part):
    async def doings_of(
        self, author: str, player: str, namespace: NamespaceKey = COMMONS
    ) -> tuple[int, int]:
        """(the latest time that `author` (a did:key) signed in a record, µs since 1970; how many
        universes are those of `player`, an id of theirs)

        It looks at every record of the author.
        """
        async with self._database.reading() as view:
            seen_us = await view.number(
                "SELECT max(l.updated_us) FROM listing l WHERE l.target > ?1 || '/'"
                " AND l.target < ?1 || '0'"
                " AND l.namespace = (SELECT number FROM namespace WHERE key = ?2)",
                (author, namespace),
            )
            count = await view.number(
                f"SELECT count(*) FROM listing l WHERE {_IS_OWNED}", (author, namespace, player)
            )
        return seen_us, count
