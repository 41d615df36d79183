"""Devices as the entries held know them: who signed by whose leave, and who may no longer."""

from collections.abc import Sequence
from dataclasses import dataclass

from crdt.capability import decode_capability
from crdt.keys import AuthorKey, DeviceKey, NamespaceKey
from storage.documents import signed_us
from storage.part import Part


@dataclass(frozen=True, slots=True)
class DeviceUse:
    """What a device signed in one namespace, by leave of one author."""

    device: DeviceKey
    namespace: NamespaceKey
    entries: int
    last_us: int
    """Unix microseconds of the last one that came, by its own claim."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A revocation in force."""

    namespace: NamespaceKey
    key: bytes
    digest: bytes
    """Of the statement's payload, by which an unrevocation names it."""


class Devices(Part):
    """Whom an author delegated to."""

    async def uses_of_devices(self, author: AuthorKey) -> Sequence[DeviceUse]:
        """Each device that signed by a delegation of this author's own, and where."""
        rows = await self._database.rows(
            # Of the row with the largest number SQLite gives the other columns too.
            "SELECT c.encoded, n.key, count(*), max(e.number), e.entry FROM capability_key k"
            " JOIN capability c ON c.number = k.capability JOIN entry e ON e.capability = c.number"
            " JOIN document d ON d.number = e.document JOIN namespace n ON n.number = d.namespace"
            " WHERE k.key = ? GROUP BY c.number, n.number",
            (author,),
        )
        uses: dict[tuple[bytes, bytes], DeviceUse] = {}
        for encoded, namespace, entries, _, entry in rows:
            chain = decode_capability(encoded).chain
            if chain[-2:-1] != (author,):
                continue
            before = uses.get((chain[-1], namespace))
            uses[chain[-1], namespace] = DeviceUse(
                DeviceKey(chain[-1]),
                NamespaceKey(namespace),
                entries + (before.entries if before else 0),
                max(signed_us(entry), before.last_us if before else 0),
            )
        return list(uses.values())

    async def ended_by(self, author: AuthorKey) -> Sequence[Ended]:
        """The revocations in force that this author's root key made."""
        rows = await self._database.rows(
            "SELECT n.key, s.key, e.change FROM statement s JOIN entry e ON e.number = s.entry"
            " JOIN namespace n ON n.number = s.namespace"
            " WHERE s.issuer = ? AND s.type = 'revoke' AND s.in_force ORDER BY s.entry",
            (author,),
        )
        return [Ended(NamespaceKey(namespace), key, digest) for namespace, key, digest in rows]

    async def has_signed(self, author: AuthorKey, device: DeviceKey) -> bool:
        """Whether anything is held in this author's subspace, or signed by this device."""
        async with self._database.reading() as view:
            return bool(
                await view.row("SELECT 1 FROM document WHERE author = ? LIMIT 1", (author,))
                or await view.row("SELECT 1 FROM authored WHERE device = ? LIMIT 1", (device,))
            )
