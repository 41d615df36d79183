"""Cards: what devices say of themselves, the newest of each, and from whom this node heard of it.

Keys are free, so anybody who tells of devices can tell of as many as they like: each source has
room for `CARDS_OF_SOURCE_MAX`, and what was heard of least recently goes first. Whoever calls this
has checked the cards: see `p2p.protocol.card`.
"""

from collections.abc import Collection
from dataclasses import dataclass

from crdt.keys import AuthorKey, DeviceKey
from storage.database import Row, Writing
from storage.part import Part, in_bounds

CARDS_MAX = 4_096
CARDS_OF_SOURCE_MAX = 512
SOURCES_OF_DEVICE_MAX = 8  # more say nothing new about whether it comes from one side only
COLUMNS = "device, author, issued_us, until_us, encoded"


@dataclass(frozen=True, slots=True)
class HeldCard:
    """A card as it is kept; times are Unix µs."""

    device: DeviceKey
    author: AuthorKey
    issued_us: int
    until_us: int
    encoded: bytes


class Cards(Part):
    async def keep_card(self, card: HeldCard, source: str) -> bool:
        """Notes that `source` told of it; gives whether it is newer than what was held."""
        now_us = self._clock_us()
        async with self._database.transaction() as write:
            changed = await write.run(
                f"INSERT INTO card ({COLUMNS}) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (device) DO UPDATE SET"
                " author = excluded.author, issued_us = excluded.issued_us,"
                " until_us = excluded.until_us, encoded = excluded.encoded"
                " WHERE excluded.issued_us > issued_us",
                (card.device, card.author, card.issued_us, card.until_us, card.encoded),
            )
            await _note(write, card.device, source, now_us)
            await _make_room(write, source, now_us)
            return changed > 0

    async def note_source(self, device: DeviceKey, source: str) -> None:
        """`source` told of the device, without a card: a person, an announcement, a relay."""
        now_us = self._clock_us()
        async with self._database.transaction() as write:
            await _note(write, device, source, now_us)
            await _make_room(write, source, now_us)

    async def cards(self, limit: int = CARDS_MAX) -> list[HeldCard]:
        """Those that have not run out, the latest issued first."""
        rows = await self._database.rows(
            f"SELECT {COLUMNS} FROM card WHERE until_us > ?"
            " ORDER BY issued_us DESC, device LIMIT ?",
            (self._clock_us(), in_bounds(limit, CARDS_MAX)),
        )
        return [_card(row) for row in rows]

    async def card(self, device: DeviceKey) -> HeldCard | None:
        """The newest of this device, where it has not run out."""
        row = await self._database.row(
            f"SELECT {COLUMNS} FROM card WHERE device = ? AND until_us > ?",
            (device, self._clock_us()),
        )
        return _card(row) if row else None

    async def cards_of(self, authors: Collection[AuthorKey]) -> list[HeldCard]:
        """Those of all devices of these authors, the latest issued first."""
        if not authors:
            return []
        async with self._database.reading() as view:
            rows = await view.rows_in(
                f"SELECT {COLUMNS} FROM card WHERE author IN (*) ORDER BY issued_us DESC, device",
                [*authors],
            )
        now_us = self._clock_us()
        return [card for card in map(_card, rows) if card.until_us > now_us]

    async def card_sources(self) -> dict[DeviceKey, tuple[str, ...]]:
        """From whom this node heard of each device, the first one first."""
        rows = await self._database.rows(
            "SELECT device, source FROM card_source ORDER BY device, first_us, source", ()
        )
        found: dict[DeviceKey, tuple[str, ...]] = {}
        for device, source in rows:
            found[DeviceKey(device)] = (*found.get(DeviceKey(device), ()), str(source))
        return found

    async def forget_card(self, device: DeviceKey) -> None:
        """Nothing more is known of where it is."""
        async with self._database.transaction() as write:
            for table in ("card", "card_source"):
                await write.run(f"DELETE FROM {table} WHERE device = ?", (device,))


async def _note(write: Writing, device: bytes, source: str, now_us: int) -> None:
    await write.run(
        "INSERT INTO card_source VALUES (?, ?, ?, ?) ON CONFLICT (device, source) DO UPDATE SET"
        " last_us = max(last_us, excluded.last_us)",
        (device, source, now_us, now_us),
    )
    await write.run(
        "DELETE FROM card_source WHERE device = ? AND source IN (SELECT source FROM card_source"
        " WHERE device = ? ORDER BY last_us DESC, source LIMIT -1 OFFSET ?)",
        (device, device, SOURCES_OF_DEVICE_MAX),
    )


async def _make_room(write: Writing, source: str, now_us: int) -> None:
    """What has run out goes, then what this source told of first, then what was issued first."""
    await write.run("DELETE FROM card WHERE until_us <= ?", (now_us,))
    await write.run(
        "DELETE FROM card_source WHERE source = ? AND device IN (SELECT device FROM card_source"
        " WHERE source = ? ORDER BY last_us DESC, device LIMIT -1 OFFSET ?)",
        (source, source, CARDS_OF_SOURCE_MAX),
    )
    await write.run("DELETE FROM card WHERE device NOT IN (SELECT device FROM card_source)")
    await write.run(
        "DELETE FROM card WHERE device IN"
        " (SELECT device FROM card ORDER BY issued_us DESC, device LIMIT -1 OFFSET ?)",
        (CARDS_MAX,),
    )
    await write.run(
        "DELETE FROM card_source WHERE device IN (SELECT device FROM card_source GROUP BY device"
        " ORDER BY max(last_us) DESC, device LIMIT -1 OFFSET ?)",
        (2 * CARDS_MAX,),
    )


def _card(row: Row) -> HeldCard:
    return HeldCard(*row)
