"""Letters by relays: sealed and sent; opened, judged and kept.

send  ─▸ the cards of whom it is for, at each relay ─▸ sealed for each device, and left there
a relay ──letter──▸ opened, judged, kept ─▸ taken
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from crdt.capability import CapabilityCache
from crdt.did import encode_did_key
from node.api.relay_models import SentLetter
from node.events import Events
from node.identity import Identity
from node.relay_news import LetterNews
from node.services.names import all_petnames
from p2p.protocol.card import Card
from p2p.protocol.errors import PeerLeft, RemoteProtocolError, SyncError
from p2p.protocol.relay.letter import (
    LETTER_ID_BYTES,
    LetterKind,
    OpenLetter,
    open_letter,
    seal_letter,
)
from p2p.transport.relay.client import RelayClient
from storage.errors import OverQuota, StorageError
from storage.letters import NewLetter
from storage.store import Store

LOG = logging.getLogger(__name__)
LETTER_LIFE_US: Final = 30 * 86_400_000_000
REGISTERED_S: Final = 3.0  # within which a relay is expected to be there
NO_RELAY: Final = "This node has no relay: panspermia up --relay relay://HOST:PORT"

Lookup = Callable[[RelayClient, bytes, bool], Awaitable[Sequence[Card]]]
"""Genuine cards of an author (True) or a device (False), as this relay knows them."""


class Mailbox:
    """What this node writes, and what it is written."""

    def __init__(
        self,
        identity: Identity,
        store: Store,
        events: Events,
        *,
        lookup: Lookup,
        wall_us: Callable[[], int],
    ) -> None:
        self._identity = identity
        self._store = store
        self._events = events
        self._lookup = lookup
        self._wall_us = wall_us
        self._cache = CapabilityCache()

    async def send(
        self, clients: Sequence[RelayClient], to: bytes, kind: LetterKind, text: str
    ) -> Sequence[SentLetter]:
        """A device gets it through the first relay that knows it. Raises `SyncError`."""
        sent: dict[bytes, SentLetter] = {}
        last: SyncError = PeerLeft("no-relay", NO_RELAY)
        for client in clients:
            try:
                async with asyncio.timeout(REGISTERED_S):
                    await client.registered.wait()
                found = await self._lookup(client, to, True)
                found = found or await self._lookup(client, to, False)
                last = PeerLeft("not-known-here", f"No device of theirs is known at {client.url}.")
                for card in found:
                    is_own = card.device == self._identity.device.public
                    if card.device not in sent and not is_own:
                        sent[card.device] = await self._send(card, client, kind, text)
            except TimeoutError:
                last = PeerLeft("relay-away", f"The relay {client.url} is not connected.")
            except SyncError as error:
                last = error
        if not sent:
            raise last
        return tuple(sent.values())

    async def _send(
        self, card: Card, client: RelayClient, kind: LetterKind, text: str
    ) -> SentLetter:
        one, id, now_us = self._identity, os.urandom(LETTER_ID_BYTES), self._wall_us()
        sealed = seal_letter(
            one.device,
            author=one.author,
            capability=one.capabilities["pub"],
            to=card.device,
            sealing=card.sealing,
            id=id,
            kind=kind,
            text=text,
            sent_us=now_us,
        )
        await client.send_letter(card.device, id, sealed, now_us + LETTER_LIFE_US)
        did, device = encode_did_key(card.author), encode_did_key(card.device)
        return SentLetter(id.hex(), did, device, str(client.url))

    async def take(self, id: bytes, sealed: bytes, relay: RelayClient) -> bool:
        """As `RelayUser.letter`."""
        one = self._identity
        try:
            opened = open_letter(
                sealed, one.sealing_private, one.device.public, id=id, cache=self._cache
            )
        except RemoteProtocolError as error:
            LOG.info("a letter by %s is dropped: %s", relay.url, error)
            with suppress(StorageError):  # a full disk is told by what is worth keeping
                await self._store.refuse(
                    str(relay.url), "a letter", error.code, error.sentence, sealed[:1_024]
                )
            return True
        if self._store.is_blocked(opened.author) or self._store.is_blocked(opened.device):
            return True
        return await self._keep(opened, relay)

    async def _keep(self, letter: OpenLetter, relay: RelayClient) -> bool:
        author = encode_did_key(letter.author)
        fresh = NewLetter(
            letter.device, letter.author, letter.id, letter.kind, letter.text, letter.sent_us,
            str(relay.url),
        )  # fmt: skip
        try:
            is_named = author in (await all_petnames(self._store)).values()
            is_own = letter.author == self._identity.author
            number = await self._store.keep_letter(fresh, is_named=is_named or is_own)
        except OverQuota as error:
            LOG.warning("letters wait at the relay %s: %s", relay.url, error)
            return False
        except StorageError as error:
            LOG.warning("a letter could not be kept: %s", error)
            return False
        if number is not None:
            self._events.publish("letter", LetterNews(number, author, letter.kind))
        return True
