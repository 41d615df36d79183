"""Taking a traveller out: its bytes as it left, from here or from a peer."""

import asyncio
from collections.abc import Iterable

from node.errors import Conflict, NotFound, Rejected, Unverified
from node.ports import Network
from node.services.fetch import hold_blob
from node.services.verdicts import FALSE_BYTES, bytes_told
from storage.store import Store
from universe.receipts import DEPARTURE, TRAVELLER_BYTES_MAX, Checked, Traveller
from universe.travel import Story


def departures_under(
    migration: str, stories: Iterable[Story], soul: str | None = None
) -> list[tuple[Story, Checked]]:
    """Of each who left under it (hex), and is of that soul if one is said, the last time."""
    found: list[tuple[Story, Checked]] = []
    for story in stories:
        under = [
            one
            for one in story.receipts
            if one.receipt.kind == DEPARTURE and one.receipt.migration.hex() == migration
        ]
        if under and soul in (None, story.who.soul):
            found.append((story, under[-1]))
    return found


def only_one(migration: str, found: Iterable[tuple[Story, Checked]]) -> Traveller:
    """Raises `NotFound` (`unknown-migration`), `Conflict` (`ambiguous-migration`)."""
    travellers = [one.receipt.traveller for _, one in found]
    if not travellers:
        detail = f"nobody left through this passage under {migration}"
        raise NotFound(detail, code="unknown-migration")
    if len(travellers) > 1:
        souls = tuple(one.who.soul for one in travellers)
        detail = f"{len(souls)} travellers left under {migration}: say which `soul`"
        raise Conflict(detail, code="ambiguous-migration", candidates=souls)
    return travellers[0]


async def bytes_brought(store: Store, network: Network, traveller: Traveller) -> bytes:
    """Those that its departure names, fetched where they are a blob that is not here.

    Raises `Unreachable`, `NotStored`, or `Rejected`, `Unverified` of what is no such traveller.
    """
    if traveller.blob is not None:
        if not 0 < traveller.size <= TRAVELLER_BYTES_MAX:
            detail = f"a traveller of {traveller.size:,} bytes; at most {TRAVELLER_BYTES_MAX:,}"
            raise Rejected(detail, code="traveller-too-large")
        await hold_blob(store, network, traveller.blob, traveller.size)
    data = await bytes_told(store, traveller)
    if data is None or not await asyncio.to_thread(traveller.is_made_of, data):
        raise Unverified(FALSE_BYTES)
    return data
