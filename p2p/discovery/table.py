"""Finding cards in the public table, and leaving one's own there."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from p2p.discovery.dht import Dht
from p2p.protocol.card import Card
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.rendezvous import SALT, Slot, choose_slot, open_card, seal_card, slots


@dataclass(frozen=True, slots=True)
class Look:
    """What lay in the slots of one name on one day."""

    name: bytes
    day: int
    cards: Mapping[int, Card]
    ignored: int
    """Records that hold no valid card."""


async def look(dht: Dht, name: bytes, day: int, *, check: Callable[[bytes], Card]) -> Look:
    """Reads every slot at once. `check` raises `RemoteProtocolError` for what is no valid card."""
    places = slots(name, day)
    async with asyncio.TaskGroup() as tasks:
        finds = [
            tasks.create_task(dht.find(slot.public, SALT), name="find in the DHT")
            for slot in places
        ]
    cards: dict[int, Card] = {}
    ignored = 0
    for slot, value in zip(places, (find.result() for find in finds), strict=True):
        if value is None:
            continue
        try:
            cards[slot.number] = check(open_card(slot, value))
        except RemoteProtocolError:
            ignored += 1
    return Look(name, day, cards, ignored)


async def leave(dht: Dht, seen: Look, card: bytes, *, device: bytes, nonce: bytes) -> int:
    """Puts the card into this device's slot; gives how many nodes keep it, 0 where all are full."""
    number = choose_slot(seen.cards, device, day=seen.day)
    if number is None:
        return 0
    slot: Slot = slots(seen.name, seen.day)[number]
    return await dht.put(slot.key, SALT, seal_card(slot, card, nonce=nonce))
