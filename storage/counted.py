"""How much of everything there is, for the status page."""

import json
from dataclasses import dataclass

from storage.collecting import HELD_BYTES
from storage.part import Part
from storage.quota import BUDGET_BYTES, STRANGERS
from storage.usages import KEPT_OUT_COUNT, Room
from storage.vault.attached import used_bytes


@dataclass(frozen=True, slots=True)
class Counts:
    """As `counts` gives them."""

    records: dict[str, int]
    """How many of each kind are listed; "rating" among them."""
    entries: int
    documents: int
    blobs: int
    blob_bytes: int
    """Of the chunks held, each once."""
    refused: int
    left_out: int
    changed: int
    """The newest number of the outbox: what the index should have reached."""
    room: Room
    standing: int
    """Another one whenever statements, the wallet, the joined namespaces or petnames changed."""


_COUNTED = (  # as `Counts` has them
    "SELECT json_group_object(kind, n) FROM"
    " (SELECT kind, count(*) AS n FROM listing GROUP BY kind)",
    "SELECT count(*) FROM rating",
    "SELECT count(*) FROM item",
    "SELECT count(*) FROM document",
    "SELECT count(*) FROM blob WHERE is_complete",
    HELD_BYTES,
    "SELECT sum(times) FROM quarantine",
    "SELECT count(*) FROM left_out",
    "SELECT max(seq) FROM outbox",
    BUDGET_BYTES,
    KEPT_OUT_COUNT,
    "SELECT standing FROM store",
)


class Counted(Part):
    async def counts(self) -> Counts:
        """How much of everything there is, in one view and one statement: it is asked often."""
        counted = ", ".join(f"({one})" for one in _COUNTED)
        row = await self._database.row(f"SELECT {counted}", (STRANGERS,))
        assert row is not None, "a row of numbers"
        kinds, ratings, *numbers, strangers_bytes, kept_out, standing = row
        records: dict[str, int] = json.loads(kinds)
        if ratings:
            records["rating"] = ratings
        entries, documents, blobs, size, refused, left_out, changed = (n or 0 for n in numbers)
        return Counts(
            records,
            entries,
            documents,
            blobs,
            size + await self._database.vault.read(used_bytes),
            refused,
            left_out,
            changed,
            Room(strangers_bytes or 0, kept_out),
            standing,
        )
