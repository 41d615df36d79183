"""Addresses of nodes: what was told or found, so that a restart knows whom to call."""

from dataclasses import dataclass

from crdt.keys import DeviceKey
from storage.part import Part, in_bounds

PEERS_MAX = 10_000  # found ones beyond it push out those seen longest ago; others stay
IS_FOUND = "source NOT IN ('static', 'invite')"  # by a machine, not by a person


@dataclass(frozen=True, slots=True)
class KnownPeer:
    address: str
    """A place: `host:port`, or another form of `p2p.transport.place`."""
    device: DeviceKey | None
    """None until someone answered there."""
    author: str | None
    """did:key of its owner."""
    source: str
    """"static" (told by the person), "invite" (paired with), "mdns", "peer" …"""
    seen_us: int
    """When it last answered or was last heard of."""


class AddressBook(Part):
    async def known_peers(self, limit: int = 1_000) -> list[KnownPeer]:
        """Those of a person first, then the most recently seen."""
        rows = await self._database.rows(
            "SELECT address, device, author, source, seen_us FROM known_peer"
            f" ORDER BY {IS_FOUND}, seen_us DESC, address LIMIT ?",
            (in_bounds(limit, PEERS_MAX),),
        )
        return [KnownPeer(*row) for row in rows]

    async def remember_peer(self, peer: KnownPeer) -> None:
        """Adds it, or brings it up to date. What a person told or was paired with stays so."""
        async with self._database.transaction() as write:
            await write.run(
                "INSERT INTO known_peer VALUES (?, ?, ?, ?, ?) ON CONFLICT (address) DO UPDATE SET"
                " device = coalesce(excluded.device, device),"
                " author = coalesce(excluded.author, author),"
                " source = CASE WHEN source = 'static' OR excluded.source = 'static' THEN 'static'"
                " WHEN source = 'invite' THEN source ELSE excluded.source END,"
                " seen_us = max(seen_us, excluded.seen_us)",
                (peer.address, peer.device, peer.author, peer.source, peer.seen_us),
            )
            await write.run(
                "DELETE FROM known_peer WHERE address IN (SELECT address FROM known_peer"
                f" WHERE {IS_FOUND} ORDER BY seen_us DESC LIMIT -1 OFFSET ?)",
                (PEERS_MAX,),
            )

    async def forget_peer(self, address: str) -> bool:
        """Gives whether it was known."""
        async with self._database.transaction() as write:
            return await write.run("DELETE FROM known_peer WHERE address = ?", (address,)) > 0
