"""A connection that is held: reading one view of the data, and writing in one transaction."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

from storage.connection import Asked, Asking, Row, carry_out, carry_out_many, touched
from storage.errors import Corrupt
from storage.packs import Packs
from storage.sqlite_errors import as_ours
from storage.vault.attached import Vault
from storage.vault.rescue import note_damage

T = TypeVar("T")

VARIABLES_MAX = 1_000  # `?` in one statement; SQLite takes 32,766


class OurErrors:
    """Turns SQLite's words for a broken file, a full disk and the like into ours.

    It does not say which file is broken. So the next start looks whether it is the `vault` that
    every connection has attached.
    """

    def __init__(self, vault: Path) -> None:
        self._vault = vault
        self._damage: Corrupt | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error) and (ours := as_ours(error)):
            if isinstance(ours, Corrupt):
                note_damage(self._vault)
                ours = self._damage = Corrupt(
                    f"The database is damaged, or {self._vault.name} beside it: {error}. Start the"
                    " node again: where it is that one, all of it that can be read is written anew."
                    " Where that does not help, restore the database from a backup."
                )
            raise ours from error

    @property
    def is_damaged(self) -> bool:
        """Whether `refuse_writes` would raise."""
        return self._damage is not None

    def refuse_writes(self) -> None:
        """Raises `Corrupt` once the file was seen to be damaged."""
        if self._damage is not None:
            raise Corrupt(f"{self._damage} Until then nothing more is written.")


class Reading:
    """A connection, held for the length of a block."""

    def __init__(
        self,
        connection: Asking,
        errors: OurErrors,
        packs: Packs,
        vault: Vault,
        *,
        is_begun: bool = True,
    ) -> None:
        self._connection = connection
        self._our_errors = errors
        self._is_begun = is_begun
        self.packs = packs
        self.vault = vault

    async def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        return (await self.each([(sql, tuple(values))]))[0]

    async def each(self, asked: Sequence[Asked]) -> list[list[Row]]:
        """The rows of every statement, in one hop: keep them as many as may be held at once."""
        begins, self._is_begun = not self._is_begun, True
        with self._our_errors:
            # Also where nobody waits any more: whoever has the connection next waits for nothing.
            return await self._connection.each(asked, begins=begins)

    async def row(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        found = await self.rows(sql, values)
        return found[0] if found else None

    async def number(self, sql: str, values: Sequence[object] = ()) -> int:
        """The single integer that the statement gives; 0 for none."""
        found = await self.row(sql, values)
        return int(found[0] or 0) if found else 0

    async def rows_in(self, sql: str, keys: Sequence[object], *before: object) -> list[Row]:
        """The statement once for every so many `keys`, which take the place of `(*)`."""
        found: list[Row] = []
        for at in range(0, len(keys), VARIABLES_MAX):
            part = keys[at : at + VARIABLES_MAX]
            marks = ",".join("?" * len(part))
            found += await self.rows(sql.replace("(*)", f"({marks})"), (*before, *part))
        return found


class Writing(Reading):
    """The open transaction."""

    def __init__(
        self,
        connection: Asking,
        errors: OurErrors,
        packs: Packs,
        vault: Vault,
        on_step: Callable[[str], None],
    ) -> None:
        super().__init__(connection, errors, packs, vault)
        self._on_step = on_step
        self._after: list[Callable[[], None]] = []

    def after_commit(self, tell: Callable[[], None]) -> None:
        """`tell` is called as soon as this is durable, even where the writer is cancelled by then.

        It must not raise.
        """
        self._after.append(tell)

    def committed(self) -> None:
        for tell in self._after:
            tell()

    async def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """How many rows the statement touched."""
        self._on_step(sql)
        with self._our_errors:
            return await self._connection.run(partial(touched, sql, tuple(values)))

    async def run_each(self, asked: Sequence[Asked]) -> None:
        """Statements of which nobody asks what they touched, in order and in one hop."""
        for sql, _ in asked:
            self._on_step(sql)
        with self._our_errors:
            await self._connection.run(partial(carry_out, asked))

    async def at_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`work` as a part of it, in one hop."""
        with self._our_errors:
            return await self._connection.run_whole(work)

    async def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Once for every row. The rows are made on the connection's thread, off the event loop."""
        todo = iter(rows)
        for first in todo:
            self._on_step(sql)
            with self._our_errors:
                await self._connection.run(partial(carry_out_many, sql, chain([first], todo)))
