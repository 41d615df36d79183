"""What a relay keeps on disk for others: many requests in one durable transaction, answered after.

A thousand clients that come back at once would otherwise wait for a thousand of them.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from p2p.protocol.relay import effects as do
from p2p.protocol.relay import limits
from storage.errors import StorageError
from storage.relayed import CardRow, LetterRow, PostRow, RelayBounds, RelayRow, TakenRow

LOG = logging.getLogger(__name__)
BATCH_MAX = 128  # in one transaction: 8 MB of letters at most
NOT_STORED = "not-stored"

BOUNDS = RelayBounds(
    letters_of_sender=limits.LETTERS_OF_SENDER_MAX,
    letters_of_sender_bytes=limits.LETTERS_OF_SENDER_BYTES_MAX,
    letters_of_receiver=limits.LETTERS_OF_RECEIVER_MAX,
    letters_of_receiver_bytes=limits.LETTERS_OF_RECEIVER_BYTES_MAX,
    letters_bytes=limits.LETTERS_BYTES_MAX,
    posts_of_device=limits.POSTS_OF_DEVICE_MAX,
    posts=limits.POSTS_MAX,
    cards=limits.KNOWN_CARDS_MAX,
    known_us=int(limits.KNOWN_S * 1e6),
)


class RelayStore(Protocol):
    """What `storage` has for a relay."""

    async def relay_keep(self, rows: Sequence[RelayRow], bounds: RelayBounds) -> list[str]: ...
    async def relay_letters(
        self, receiver: bytes, without: Sequence[bytes], limit: int
    ) -> list[tuple[bytes, bytes]]: ...
    async def relay_cards(self, key: bytes, *, is_author: bool, limit: int) -> list[bytes]: ...
    async def relay_post(self, tag: bytes) -> bytes | None: ...
    async def relay_expire(self, bounds: RelayBounds) -> None: ...


class Archive:
    """Questions of the core, answered by the store. `run` it in a task."""

    def __init__(self, store: RelayStore) -> None:
        self._store = store
        # No bound of its own: a client has at most `QUESTIONS_MAX` in it, and has to wait.
        self._queue: asyncio.Queue[tuple[RelayRow, asyncio.Future[str]]] = asyncio.Queue()

    async def answer(self, question: do.Question) -> object:
        """Of the type that the question names; a disk that fails refuses with `not-stored`."""
        match question:
            case do.FindLetters(receiver, without, limit):
                try:
                    found = await self._store.relay_letters(receiver, without, limit)
                except StorageError as error:
                    LOG.warning("letters cannot be read: %s", error)
                    return ()
                return [do.WaitingLetter(id, sealed) for id, sealed in found]
            case do.FindCards(is_author, key, limit):
                try:
                    return await self._store.relay_cards(key, is_author=is_author, limit=limit)
                except StorageError as error:
                    LOG.warning("cards cannot be read: %s", error)
                    return ()
            case do.FindPost(tag):
                try:
                    return await self._store.relay_post(tag)
                except StorageError as error:
                    LOG.warning("a post cannot be read: %s", error)
                    return None
            case _:
                return await self._keep(row_of(question))

    async def _keep(self, row: RelayRow) -> str:
        kept: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        await self._queue.put((row, kept))
        return await kept

    async def run(self) -> None:
        """Until cancelled: all that waits in one transaction, then the next."""
        while True:
            batch = [await self._queue.get()]
            while len(batch) < BATCH_MAX and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                codes = await self._store.relay_keep([row for row, _ in batch], BOUNDS)
            except StorageError as error:  # the disk is full, say
                LOG.warning("the relay cannot keep what came: %s", error)
                codes = [NOT_STORED] * len(batch)
            for (_, kept), code in zip(batch, codes, strict=True):
                if not kept.done():
                    kept.set_result(code)

    async def expire(self) -> None:
        """Forgets what is too old."""
        try:
            await self._store.relay_expire(BOUNDS)
        except StorageError as error:
            LOG.warning("the relay cannot forget what is too old: %s", error)


def row_of(question: do.Keeping) -> RelayRow:
    match question:
        case do.KeepCard(device, author, card, issued_us, until_us, host):
            return CardRow(device, author, card, issued_us, until_us, host)
        case do.KeepLetter(sender, receiver, id, sealed, until_us):
            return LetterRow(sender, receiver, id, sealed, until_us)
        case do.KeepPost(device, tag, sealed, until_us):
            return PostRow(device, tag, sealed, until_us)
        case do.DropLetters(receiver, ids):
            return TakenRow(receiver, ids)
