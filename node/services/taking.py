"""Taking a traveller out: its bytes as it left, from here or from a peer."""

import asyncio
from collections.abc import Sequence

from node.errors import NotFound, Rejected, Unverified
from node.ports import Network
from node.services.fetch import hold_blob
from node.services.gatebooks import TOO_LONG
from node.services.travellers import Page, ambiguous
from node.services.verdicts import FALSE_BYTES, bytes_told
from storage.store import Store
from universe.receipts import TRAVELLER_BYTES_MAX, Checked, Traveller


def only_one(migration: bytes, page: Page, departures: Sequence[Checked]) -> Traveller:
    """Of `travellers_under`. Whoever could not be told of may be the one that is meant.

    Raises `NotFound` (`unknown-migration`), `Conflict` (`ambiguous-migration`), `Rejected`
    (`story-too-long`).
    """
    whos = {*page.untold, *(one.receipt.traveller.who for one in departures)}
    if len(whos) > 1:
        raise ambiguous(migration, whos)
    if not page.is_whole:
        what = f"how {page.untold[0].soul} came here" if page.untold else "what its gates signed"
        raise Rejected(f"{what} cannot be read: it is too long, or damaged", code=TOO_LONG)
    if not departures:
        detail = f"nobody left through this passage under {migration.hex()}"
        raise NotFound(detail, code="unknown-migration")
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
