"""Taking a traveller out: its bytes as it left, from here or from a peer."""

import asyncio
from collections.abc import Sequence

from node.errors import NotFound, Rejected, Unverified
from node.ports import Network
from node.services.fetch import hold_blob
from node.services.travellers import ambiguous
from node.services.verdicts import FALSE_BYTES, bytes_told
from storage.store import Store
from universe.receipts import TRAVELLER_BYTES_MAX, Checked, Traveller


def only_one(migration: bytes, departures: Sequence[Checked]) -> Traveller:
    """Raises `NotFound` (`unknown-migration`), `Conflict` (`ambiguous-migration`)."""
    if not departures:
        detail = f"nobody left through this passage under {migration.hex()}"
        raise NotFound(detail, code="unknown-migration")
    if len(departures) > 1:
        raise ambiguous(migration, departures)
    return departures[0].receipt.traveller


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
