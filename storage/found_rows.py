"""What a search asks for each time, remembered until anything is written."""

from collections.abc import Callable, Sequence
from typing import Final

from crdt.keys import NamespaceKey
from storage.database import VARIABLES_MAX, Database
from storage.listings import COLUMNS, ListedRow, listed_row
from storage.part import Part
from storage.remembered import Remembered

ROWS: Final = 4_096  # those found last, of 2 KB mostly
FIELDS_BYTES_MAX: Final = 8_192  # of one that is remembered: with its text, 50 MB if all were so
WORDS_CHARS: Final = 4_096  # of the texts that words are marked in
_LISTED: Final = f"SELECT {COLUMNS} FROM listing l WHERE l.document IN (*)".replace(
    "l.words", f"substr(l.words, 1, {WORDS_CHARS})"
)


class FoundRows(Part):
    """Rows by their documents, and where there is anything at all."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self._found = Remembered[int, ListedRow](database, ROWS)
        self._namespaces_held = Remembered[None, frozenset[NamespaceKey]](database, 1)

    def written(self) -> int:
        """How many writes there were: what was read holds while this stays the same."""
        return self._database.written

    async def namespaces_held(self) -> frozenset[NamespaceKey]:
        """Those of which there is anything here, joined or not: a few rows."""
        return await self._namespaces_held.read(None, self._read_namespaces)

    async def _read_namespaces(self) -> frozenset[NamespaceKey]:
        rows = await self._database.rows("SELECT key FROM namespace")
        return frozenset(NamespaceKey(key) for (key,) in rows)

    async def listed(self, numbers: Sequence[int]) -> dict[int, ListedRow]:
        """The records of these documents, those that are still listed; of `text` the beginning."""
        known = {number: self._found.get(number) for number in numbers}
        missing = [number for number, row in known.items() if row is None]
        for at in range(0, len(missing), VARIABLES_MAX):
            written = self._database.written
            part = missing[at : at + VARIABLES_MAX]
            marks = ",".join("?" * len(part))
            rows = await self._database.rows(_LISTED.replace("(*)", f"({marks})"), part)
            for row in map(listed_row, rows):
                known[row.number] = row
                if len(row.listing.fields) <= FIELDS_BYTES_MAX:
                    self._found.keep(row.number, row, written=written)
        return {number: row for number, row in known.items() if row is not None}
