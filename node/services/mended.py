"""The bytes of a snapshot that the disk may have damaged: what is missing comes again on the way.

```
stream_blob ─▸ pieces ─▸ a part is damaged ─▸ hold_blob: that part alone ─▸ on from there
```
A part that is damaged is dropped where it is found (`storage.mending`), so that the blob is one
that is only partly here, as any that is being fetched.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final

from crdt.blob import BlobId
from node.errors import Unreachable
from node.ports import Network
from node.services.fetch import PATIENCE_S, hold_blob
from storage.errors import NotHeld
from storage.store import Store

MENDS_MAX: Final = 16
"""Of one place: a disk that loses what was just written there is none to mend on."""

log = logging.getLogger(__name__)


async def stream_mended(
    store: Store,
    network: Network,
    blob: BlobId,
    start: int,
    end: int,
    *,
    called: str,
    size_bytes: int,
    code: str = "snapshot-damaged",
    patience_s: float = PATIENCE_S,
) -> AsyncGenerator[bytes]:
    """Its bytes from `start` to before `end`; `called`: what people know it by.

    `patience_s`: as in `hold_blob`, for each place that is damaged.
    Raises `Unreachable` (`code`) where nobody gives what was damaged; as `hold_blob`.
    """
    at, tries = start, 0
    while tries < MENDS_MAX:
        before, tries = at, tries + 1
        try:
            async with aclosing(store.stream_blob(blob, at, end)) as pieces:
                async for piece in pieces:
                    at += len(piece)
                    yield piece
            return
        except NotHeld as error:
            log.warning("%s was damaged on the disk, from byte %d on: %s", called, at, error)
        if at > before:
            tries = 1
        async with damage_told(store, blob, called, code):
            with suppress(NotHeld):  # what others brought makes it whole
                await store.missing_chunks(blob)
            # At its end more may be found: what leans on what was damaged is read only then.
            await hold_blob(store, network, blob, size_bytes, patience_s=patience_s)
    raise _damaged(called, f"it was fetched {MENDS_MAX} times and is damaged again", code)


@asynccontextmanager
async def damage_told(
    store: Store, blob: BlobId, called: str, code: str = "snapshot-damaged"
) -> AsyncGenerator[None]:
    """Raises `Unreachable` (`code`) for what nobody gives and was here before."""
    try:
        yield
    except (NotHeld, Unreachable) as error:
        if not await store.is_damaged(blob):
            raise
        raise _damaged(called, str(error), code) from error


def _damaged(called: str, why: str, code: str) -> Unreachable:
    detail = (
        f"{called} was damaged on the disk, and nobody gives what is missing of it: {why}\n"
        "Connect to somebody who has it, then: panspermia scrub"
    )
    return Unreachable(detail, code=code)
