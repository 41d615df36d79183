"""The changes of a record as they were signed: also what they put and others took away again."""

from typing import Final

from crdt.change import DocumentId
from storage.documents import SAME_RECORD, raw_of, same_record
from storage.part import Part

RAWS_AT_ONCE: Final = 128
"""Each of up to 64 KiB."""
_RAWS: Final = (
    "SELECT e.number, e.payload FROM entry e JOIN document d ON d.number = e.document"
    f" WHERE {SAME_RECORD} AND e.number < ?"
    " AND e.number NOT IN (SELECT entry FROM left_out) ORDER BY e.number DESC LIMIT ?"
)


_OF_KIND: Final = (
    "SELECT e.number, d.id, e.payload FROM entry e JOIN document d ON d.number = e.document"
    " WHERE d.kind = ? AND d.class = ? AND e.number < ? ORDER BY e.number DESC LIMIT ?"
)


class PutBefore(Part):
    """What changes put."""

    async def raws_before(
        self, document: DocumentId, number: int | None = None
    ) -> list[tuple[int, bytes]]:
        """Numbers and raw changes that count, in all epochs of its record, the last that came
        first; `RAWS_AT_ONCE` of those before `number`, none at the end."""
        before = 1 << 62 if number is None else number
        rows = await self._database.rows(_RAWS, (*same_record(document), before, RAWS_AT_ONCE))
        return [(one, raw_of(payload)) for one, payload in rows]

    async def raws_of_kind(
        self, cls: str, kind: str, number: int | None = None
    ) -> list[tuple[int, DocumentId, bytes]]:
        """The same of all records of a kind, with whose each is, whether it counts or not."""
        before = 1 << 62 if number is None else number
        rows = await self._database.rows(_OF_KIND, (kind, cls, before, RAWS_AT_ONCE))
        return [(one, DocumentId.decode(id), raw_of(payload)) for one, id, payload in rows]
