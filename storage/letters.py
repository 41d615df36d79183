"""Letters that came to this node's person, and those that were removed, by their ids only.

They are this node's own: nothing of them is replicated.
"""

from dataclasses import dataclass, replace

from storage.database import Row
from storage.errors import OverQuota
from storage.part import Part, in_bounds

LETTERS_MAX = 2_000  # kept; the inbox takes no more until some are removed
STRANGERS_LETTERS_MAX = 500  # of those, by people without a name here
REMOVED_MAX = 10_000  # ids of removed ones, so that a relay cannot bring them again


@dataclass(frozen=True, slots=True)
class Letter:
    number: int
    device: bytes
    author: bytes
    id: bytes
    kind: str
    text: str
    sent_us: int
    """As the writer says."""
    received_us: int
    relay: str
    """Through which it came."""
    is_read: bool


@dataclass(frozen=True, slots=True)
class NewLetter:
    device: bytes
    author: bytes
    id: bytes
    kind: str
    text: str
    sent_us: int
    relay: str


_COLUMNS = "number, device, author, id, kind, text, sent_us, received_us, relay, is_read"


class Letters(Part):
    """The inbox."""

    _letters_changed = 0
    _unread: tuple[int, int] | None = None
    """How many when `_letters_changed` was what: the status asks again and again."""

    async def keep_letter(self, letter: NewLetter, *, is_named: bool) -> int | None:
        """Its number; None where it was here before. Durable.

        `is_named`: its author has a name here; strangers share a smaller room. Raises `OverQuota`.
        """
        async with self._database.transaction() as write:
            if await write.row(
                "SELECT 1 FROM letter WHERE device = ? AND id = ?", (letter.device, letter.id)
            ):
                return None
            held = await write.number("SELECT count(*) FROM letter WHERE text IS NOT NULL")
            room = LETTERS_MAX if is_named else STRANGERS_LETTERS_MAX
            if held >= room:
                raise OverQuota(f"There are {held:,} letters here, and no more fit.")
            await write.run(
                "INSERT INTO letter (device, author, id, kind, text, sent_us, received_us, relay)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    letter.device,
                    letter.author,
                    letter.id,
                    letter.kind,
                    letter.text,
                    letter.sent_us,
                    self._clock_us(),
                    letter.relay,
                ),
            )
            write.after_commit(self._note_letters)
            return await write.number("SELECT last_insert_rowid()")

    async def letters(self, limit: int = LETTERS_MAX, before: int | None = None) -> list[Letter]:
        """The newest first, those with a smaller number than `before`."""
        rows = await self._database.rows(
            f"SELECT {_COLUMNS} FROM letter WHERE text IS NOT NULL AND number < ?"
            " ORDER BY number DESC LIMIT ?",
            (1 << 62 if before is None else before, in_bounds(limit, LETTERS_MAX)),
        )
        return [_letter(row) for row in rows]

    async def letter(self, number: int) -> Letter | None:
        """One, marked as read."""
        async with self._database.transaction() as write:
            await write.run("UPDATE letter SET is_read = 1 WHERE number = ?", (number,))
            write.after_commit(self._note_letters)
            row = await write.row(
                f"SELECT {_COLUMNS} FROM letter WHERE number = ? AND text IS NOT NULL", (number,)
            )
        return _letter(row) if row else None

    async def remove_letter(self, number: int) -> bool:
        """Its words are gone; gives whether there was one."""
        async with self._database.transaction() as write:
            is_gone = await write.run(
                "UPDATE letter SET text = NULL WHERE number = ? AND text IS NOT NULL", (number,)
            )
            await write.run(
                "DELETE FROM letter WHERE number IN (SELECT number FROM letter WHERE text IS NULL"
                " ORDER BY number DESC LIMIT -1 OFFSET ?)",
                (REMOVED_MAX,),
            )
            write.after_commit(self._note_letters)
            return is_gone > 0

    async def unread_letters(self) -> int:
        """For the status."""
        version = self._letters_changed
        if self._unread is None or self._unread[0] != version:
            row = await self._database.row(
                "SELECT count(*) FROM letter WHERE text IS NOT NULL AND NOT is_read"
            )
            self._unread = (version, int(row[0]) if row else 0)
        return self._unread[1]

    def _note_letters(self) -> None:
        self._letters_changed += 1


def _letter(row: Row) -> Letter:
    letter = Letter(*row)
    return replace(letter, is_read=bool(letter.is_read))
