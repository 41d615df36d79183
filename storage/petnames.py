"""Petnames: what this person calls authors. One name names one author, an author may have several.

Whoever has a name is followed: see `storage.usage`.

They are this node's own: nothing of them is replicated, and no rebuilding makes them again.
"""

from collections.abc import Collection
from dataclasses import dataclass

from storage.errors import OverQuota
from storage.part import Part, in_bounds
from storage.usage import refollow

PETNAMES_MAX = 1_000  # more than anybody remembers; one page lists them all


@dataclass(frozen=True, slots=True)
class Petname:
    name: str
    author: str
    """did:key"""
    noted_us: int
    """When the name came to mean this author."""


class Petnames(Part):
    async def petnames(
        self, limit: int = PETNAMES_MAX, after: str | None = None
    ) -> tuple[list[Petname], str | None]:
        """By name, those after `after`; and the name to go on after, None at the end."""
        size = in_bounds(limit, PETNAMES_MAX)
        rows = await self._database.rows(
            "SELECT name, author, noted_us FROM petname WHERE name > ? ORDER BY name LIMIT ?",
            (after or "", size + 1),
        )
        page = [Petname(*row) for row in rows[:size]]
        return page, page[-1].name if len(rows) > size else None

    async def authors_called(self, names: Collection[str]) -> dict[str, str]:
        """Name → did:key, of those `names` that mean somebody."""
        if not names:
            return {}
        async with self._database.reading() as view:
            rows = await view.rows_in(
                "SELECT name, author FROM petname WHERE name IN (*)", [*names]
            )
        return {str(name): str(author) for name, author in rows}

    async def petname(self, name: str) -> Petname | None:
        """What the name means."""
        row = await self._database.row(
            "SELECT name, author, noted_us FROM petname WHERE name = ?", (name,)
        )
        return Petname(*row) if row else None

    async def set_petname(
        self, name: str, author: str, *, replaces: bool = False
    ) -> tuple[Petname | None, Petname]:
        """What the name meant before, and what it means now.

        Where it meant another author, it goes on to mean that one unless `replaces`: a name that
        moves by itself would install the modules of somebody else. Raises `OverQuota`.
        """
        async with self._database.transaction() as write:
            row = await write.row(
                "SELECT name, author, noted_us FROM petname WHERE name = ?", (name,)
            )
            before = Petname(*row) if row else None
            if before and (before.author == author or not replaces):
                return before, before
            if not before and await write.number("SELECT count(*) FROM petname") >= PETNAMES_MAX:
                raise OverQuota(f"There are {PETNAMES_MAX:,} names here, and no more fit.")
            now = Petname(name, author, self._clock_us())
            await write.run(
                "INSERT OR REPLACE INTO petname VALUES (?, ?, ?)",
                (now.name, now.author, now.noted_us),
            )
            await refollow(write)
            return before, now

    async def remove_petname(self, name: str) -> bool:
        """Gives whether it meant somebody."""
        async with self._database.transaction() as write:
            is_gone = await write.run("DELETE FROM petname WHERE name = ?", (name,)) > 0
            await refollow(write)
            return is_gone
