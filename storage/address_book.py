"""Addresses of nodes: what was told or found, so that a restart knows whom to call."""

from dataclasses import dataclass

from crdt.keys import DeviceKey
from storage.part import Part, in_bounds

PEERS_MAX = 10_000  # found ones beyond it push out those seen longest ago; static ones stay


@dataclass(frozen=True, slots=True)
class KnownPeer:
    address: str
    """A place: `host:port`, or another form of `p2p.transport.place`."""
    device: DeviceKey | None
    """None until someone answered there."""
    author: str | None
    """did:key of its owner."""
    source: str
    """"static" (told by the person), "mdns", "peer" …"""
    seen_us: int
    """When it last answered or was last heard of."""


class AddressBook(Part):
    async def known_peers(self, limit: int = 1_000) -> list[KnownPeer]:
        """Static ones first, then the most recently seen."""
        rows = await self._database.rows(
            "SELECT address, device, author, source, seen_us FROM known_peer"
            " ORDER BY source != 'static', seen_us DESC, address LIMIT ?",
            (in_bounds(limit, PEERS_MAX),),
        )
        return [KnownPeer(*row) for row in rows]

    async def remember_peer(self, peer: KnownPeer) -> None:
        """Adds it, or brings it up to date. What a person told stays "static"."""
        async with self._database.transaction() as write:
            await write.run(
                "INSERT INTO known_peer VALUES (?, ?, ?, ?, ?) ON CONFLICT (address) DO UPDATE SET"
                " device = coalesce(excluded.device, device),"
                " author = coalesce(excluded.author, author),"
                " source = iif(source = 'static', source, excluded.source),"
                " seen_us = max(seen_us, excluded.seen_us)",
                (peer.address, peer.device, peer.author, peer.source, peer.seen_us),
            )
            await write.run(
                "DELETE FROM known_peer WHERE address IN (SELECT address FROM known_peer"
                " WHERE source != 'static' ORDER BY seen_us DESC LIMIT -1 OFFSET ?)",
                (PEERS_MAX,),
            )

    async def forget_peer(self, address: str) -> bool:
        """Gives whether it was known."""
        async with self._database.transaction() as write:
            return await write.run("DELETE FROM known_peer WHERE address = ?", (address,)) > 0
