"""What a relay keeps for others: cards, letters until they are taken, posts until they expire.

All of it is sealed or signed by others; nothing here is read. What is written together is one
durable transaction, so a relay that answers "done" loses nothing by `kill -9`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Writing
from storage.part import Part

# For the bytes of a row beside what is sealed in it.
ROW_BYTES = 128


@dataclass(frozen=True, slots=True)
class RelayBounds:
    """How much a relay keeps; counts, bytes, and µs."""

    letters_of_sender: int
    letters_of_sender_bytes: int
    letters_of_receiver: int
    letters_of_receiver_bytes: int
    letters_bytes: int
    posts_of_device: int
    posts: int
    cards: int
    known_us: int


@dataclass(frozen=True, slots=True)
class CardRow:
    device: bytes
    author: bytes
    card: bytes
    issued_us: int
    until_us: int
    host: str  # from which it came


@dataclass(frozen=True, slots=True)
class LetterRow:
    sender: bytes
    receiver: bytes
    id: bytes
    sealed: bytes
    until_us: int


@dataclass(frozen=True, slots=True)
class PostRow:
    device: bytes
    tag: bytes
    sealed: bytes
    until_us: int


@dataclass(frozen=True, slots=True)
class TakenRow:
    receiver: bytes
    ids: tuple[bytes, ...]


RelayRow = CardRow | LetterRow | PostRow | TakenRow


@dataclass(frozen=True, slots=True)
class RelayHeld:
    """For the metrics."""

    cards: int
    letters: int
    letter_bytes: int
    posts: int


class Relayed(Part):
    """The relay's tables."""

    async def relay_keep(self, rows: Sequence[RelayRow], bounds: RelayBounds) -> list[str]:
        """All of `rows` in one durable transaction; of each the code of its refusal, or "".

        Codes: `not-known-here`, `mailbox-full`, `too-many-letters`, `relay-full`, `tag-taken`,
        `too-many-posts`.
        """
        now_us = self._clock_us()
        async with self._database.transaction() as write:
            codes: list[str] = []
            for row in rows:
                match row:
                    case CardRow():
                        codes.append(await _keep_card(write, row, now_us))
                    case LetterRow():
                        codes.append(await _keep_letter(write, row, bounds, now_us))
                    case PostRow():
                        codes.append(await _keep_post(write, row, bounds, now_us))
                    case TakenRow(receiver, ids):
                        await write.run_many(
                            "DELETE FROM relay_letter WHERE receiver = ? AND id = ?",
                            ((receiver, id) for id in ids),
                        )
                        codes.append("")
            await _forget_cards(write, bounds.cards)
            return codes

    async def relay_letters(
        self, receiver: bytes, without: Sequence[bytes], limit: int
    ) -> list[tuple[bytes, bytes]]:
        """(id, sealed) of those that wait, the oldest first."""
        marks = ",".join("?" * len(without))
        rows = await self._database.rows(
            "SELECT id, sealed FROM relay_letter WHERE receiver = ? AND until_us > ?"
            f" AND id NOT IN ({marks}) ORDER BY number LIMIT ?",
            (receiver, self._clock_us(), *without, limit),
        )
        return [(bytes(id), bytes(sealed)) for id, sealed in rows]

    async def relay_cards(self, key: bytes, *, is_author: bool, limit: int) -> list[bytes]:
        """Of a device, or of an author's devices, the newest first."""
        column = "author" if is_author else "device"
        rows = await self._database.rows(
            f"SELECT card FROM relay_card WHERE {column} = ? AND until_us > ?"
            " ORDER BY issued_us DESC LIMIT ?",
            (key, self._clock_us(), limit),
        )
        return [bytes(card) for (card,) in rows]

    async def relay_post(self, tag: bytes) -> bytes | None:
        """What lies under the tag."""
        row = await self._database.row(
            "SELECT sealed FROM relay_post WHERE tag = ? AND until_us > ?", (tag, self._clock_us())
        )
        return bytes(row[0]) if row else None

    async def relay_expire(self, bounds: RelayBounds) -> None:
        """Forgets what is too old."""
        now_us = self._clock_us()
        async with self._database.transaction() as write:
            await write.run("DELETE FROM relay_letter WHERE until_us <= ?", (now_us,))
            await write.run("DELETE FROM relay_post WHERE until_us <= ?", (now_us,))
            await write.run(
                "DELETE FROM relay_card WHERE seen_us <= ?", (now_us - bounds.known_us,)
            )

    async def relay_held(self) -> RelayHeld:
        """How much of everything there is."""
        row = await self._database.row(
            "SELECT (SELECT count(*) FROM relay_card), (SELECT count(*) FROM relay_letter),"
            " (SELECT coalesce(sum(bytes), 0) FROM relay_letter), (SELECT count(*) FROM relay_post)"
        )
        assert row is not None, "a row of numbers"
        return RelayHeld(*row)


async def _keep_card(write: Writing, row: CardRow, now_us: int) -> str:
    """The newest one counts; an older one only says that the device was here."""
    await write.run(
        "INSERT INTO relay_card VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (device) DO UPDATE SET"
        " author = iif(excluded.issued_us >= issued_us, excluded.author, author),"
        " card = iif(excluded.issued_us >= issued_us, excluded.card, card),"
        " until_us = iif(excluded.issued_us >= issued_us, excluded.until_us, until_us),"
        " issued_us = max(issued_us, excluded.issued_us), seen_us = excluded.seen_us,"
        " host = excluded.host",
        (row.device, row.author, row.card, row.issued_us, row.until_us, now_us, row.host),
    )
    return ""


async def _forget_cards(write: Writing, most: int) -> None:
    """Down to `most`: of the hosts with most, those not seen for longest; keys are free.

    So whoever fills the table with fresh devices of one host loses those, and nobody else's. A
    hundredth goes with them: to rank all rows takes 20 ms, and is not done for each that comes.
    """
    excess = await write.number("SELECT count(*) FROM relay_card") - most
    if excess > 0:
        await write.run(
            "DELETE FROM relay_card WHERE device IN (SELECT device FROM (SELECT device, seen_us,"
            " row_number() OVER (PARTITION BY host ORDER BY seen_us DESC) AS place"
            " FROM relay_card) ORDER BY place DESC, seen_us LIMIT ?)",
            (excess + most // 100,),
        )


async def _keep_letter(write: Writing, row: LetterRow, bounds: RelayBounds, now_us: int) -> str:
    key = (row.receiver, row.sender, row.id)
    known = "SELECT 1 FROM relay_letter WHERE receiver = ? AND sender = ? AND id = ?"
    if await write.row(known, key):
        return ""
    if not await write.row("SELECT 1 FROM relay_card WHERE device = ?", (row.receiver,)):
        return "not-known-here"
    size = len(row.sealed) + ROW_BYTES
    if await _is_over(
        write, "receiver", row.receiver, size, bounds.letters_of_receiver,
        bounds.letters_of_receiver_bytes, now_us,
    ):  # fmt: skip
        return "mailbox-full"
    if await _is_over(
        write, "sender", row.sender, size, bounds.letters_of_sender,
        bounds.letters_of_sender_bytes, now_us,
    ):  # fmt: skip
        return "too-many-letters"
    if await write.number("SELECT sum(bytes) FROM relay_letter") + size > bounds.letters_bytes:
        return "relay-full"
    await write.run(
        "INSERT INTO relay_letter (receiver, sender, id, sealed, bytes, until_us)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (*key, row.sealed, size, row.until_us),
    )
    return ""


async def _is_over(
    write: Writing, column: str, key: bytes, size: int, count: int, bytes_max: int, now_us: int
) -> bool:
    row = await write.row(
        f"SELECT count(*), coalesce(sum(bytes), 0) FROM relay_letter WHERE {column} = ?"
        " AND until_us > ?",
        (key, now_us),
    )
    assert row is not None, "a row of numbers"
    return int(row[0]) >= count or int(row[1]) + size > bytes_max


async def _keep_post(write: Writing, row: PostRow, bounds: RelayBounds, now_us: int) -> str:
    found = await write.row(
        "SELECT device FROM relay_post WHERE tag = ? AND until_us > ?", (row.tag, now_us)
    )
    if found and found[0] != row.device:
        return "tag-taken"
    if not found:
        count = "SELECT count(*) FROM relay_post"
        own = f"{count} WHERE device = ? AND until_us > ?"
        if await write.number(own, (row.device, now_us)) >= bounds.posts_of_device:
            return "too-many-posts"
        if await write.number(count) >= bounds.posts:
            return "relay-full"
    await write.run(
        "INSERT OR REPLACE INTO relay_post VALUES (?, ?, ?, ?)",
        (row.tag, row.device, row.sealed, row.until_us),
    )
    return ""
