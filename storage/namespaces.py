"""The wallet: the capabilities this node was given, and the namespaces it takes part in.

They are this node's own: nothing of them is replicated, and no rebuilding makes them again. Commons
is always joined; every other namespace is private, and named to nobody who does not know it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from crdt.capability import (
    Capability,
    capability_digest,
    check_valid,
    decode_capability,
)
from crdt.keys import COMMONS, NamespaceKey
from storage.database import Database
from storage.errors import NameTaken, OverQuota
from storage.part import Part
from storage.remembered import Remembered

CAPABILITIES_MAX = 4_096  # a handful for each namespace and device; at 8 KiB each at most 32 MiB
JOINED_MAX = 63  # with commons as many as two peers compare: `p2p.protocol.limits.INTERESTS_MAX`
COMMONS_NAME = "commons"


@dataclass(frozen=True, slots=True)
class HeldCapability:
    """A valid capability in the wallet; it may have been revoked since."""

    encoded: bytes
    capability: Capability
    noted_us: int
    origin: str
    """How it came, for people: "own", "invite", …"""

    @property
    def digest(self) -> bytes:
        return capability_digest(self.encoded)

    @property
    def namespace(self) -> NamespaceKey:
        return self.capability.namespace

    @property
    def receiver(self) -> bytes:
        return self.capability.receiver


@dataclass(frozen=True, slots=True)
class Joined:
    """A namespace this node takes part in, under this person's own name for it."""

    namespace: NamespaceKey
    name: str
    joined_us: int


@dataclass(frozen=True, slots=True)
class NamespaceSize:
    """How much of a namespace is held."""

    records: int
    """Those that are listed."""
    entries: int


_COMMONS = Joined(COMMONS, COMMONS_NAME, 0)


class Namespaces(Part):
    """The wallet."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self._wallet_listeners: list[Callable[[], None]] = []
        self._joined = Remembered[None, tuple[Joined, ...]](database, 1)

    def on_wallet_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """`listener` is called after each durable change; it only takes note, and must not raise.

        Gives what ends the subscription.
        """
        self._wallet_listeners.append(listener)
        return lambda: self._wallet_listeners.remove(listener)

    async def keep_capability(self, encoded: bytes, origin: str) -> HeldCapability:
        """Keeps a valid capability; the one kept before, where it is the same.

        Raises `Malformed` or `Unauthorised` where it is not valid, and `OverQuota`.
        """
        capability = decode_capability(encoded)
        check_valid(capability)
        digest = capability_digest(encoded)
        async with self._database.transaction() as write:
            row = await write.row(
                "SELECT encoded, noted_us, origin FROM held_capability WHERE digest = ?", (digest,)
            )
            if row:
                return _held(*row)
            if await write.number("SELECT count(*) FROM held_capability") >= CAPABILITIES_MAX:
                raise OverQuota(f"{CAPABILITIES_MAX:,} capabilities are kept, and no more fit.")
            held = HeldCapability(encoded, capability, self._clock_us(), origin)
            await write.run(
                "INSERT INTO held_capability VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    digest,
                    encoded,
                    capability.namespace,
                    capability.mode,
                    capability.receiver,
                    held.noted_us,
                    origin,
                ),
            )
            write.after_commit(self._tell_wallet)
        return held

    async def forget_capability(self, digest: bytes) -> bool:
        """Gives whether it was kept."""
        async with self._database.transaction() as write:
            write.after_commit(self._tell_wallet)
            return await write.run("DELETE FROM held_capability WHERE digest = ?", (digest,)) > 0

    async def capabilities_held(
        self,
        namespace: NamespaceKey | None = None,
        *,
        receiver: bytes | None = None,
        mode: int | None = None,
    ) -> list[HeldCapability]:
        """Those that fit, the shortest chain first, then by digest."""
        where, values = ["1"], list[object]()
        for column, wanted in (("namespace", namespace), ("receiver", receiver), ("mode", mode)):
            if wanted is not None:
                where.append(f"{column} = ?")
                values.append(wanted)
        rows = await self._database.rows(
            "SELECT encoded, noted_us, origin FROM held_capability"
            f" WHERE {' AND '.join(where)} ORDER BY digest",
            values,
        )
        held = [_held(*row) for row in rows]
        return sorted(held, key=lambda one: len(one.capability.delegations))

    async def join(self, namespace: NamespaceKey, name: str) -> Joined:
        """Takes part from now on; a namespace that is joined already is called `name` from now on.

        Raises `NameTaken` where another namespace is called so, and `OverQuota`.
        """
        if (namespace == COMMONS) != (name == COMMONS_NAME):
            raise NameTaken("commons is always joined, and called so; nothing else is.")
        if namespace == COMMONS:
            return _COMMONS
        async with self._database.transaction() as write:
            row = await write.row("SELECT namespace FROM joined WHERE name = ?", (name,))
            if row and row[0] != namespace:
                raise NameTaken(f"Another namespace is called {name} here: choose another name.")
            at_us = await write.row(
                "SELECT joined_us FROM joined WHERE namespace = ?", (namespace,)
            )
            if not at_us and await write.number("SELECT count(*) FROM joined") >= JOINED_MAX:
                raise OverQuota(f"{JOINED_MAX} namespaces are joined: leave one first.")
            joined = Joined(namespace, name, at_us[0] if at_us else self._clock_us())
            await write.run(
                "INSERT OR REPLACE INTO joined VALUES (?, ?, ?)",
                (namespace, name, joined.joined_us),
            )
            write.after_commit(self._tell_wallet)
        return joined

    async def leave_namespace(self, name: str) -> Joined | None:
        """Takes part no longer; gives what was left. What is held of it stays, as do capabilities.

        Commons is never left: None, as for a name that means nothing.
        """
        async with self._database.transaction() as write:
            row = await write.row(
                "SELECT namespace, name, joined_us FROM joined WHERE name = ?", (name,)
            )
            if row is None:
                return None
            await write.run("DELETE FROM joined WHERE name = ?", (name,))
            write.after_commit(self._tell_wallet)
        return Joined(NamespaceKey(row[0]), row[1], row[2])

    async def joined(self) -> list[Joined]:
        """Commons first, then by name. Nearly every request asks for it, so it is remembered."""
        return [*await self._joined.read(None, self._read_joined)]

    async def _read_joined(self) -> tuple[Joined, ...]:
        rows = await self._database.few_rows(
            "SELECT namespace, name, joined_us FROM joined ORDER BY name"
        )
        return (_COMMONS, *(Joined(NamespaceKey(key), name, at) for key, name, at in rows))

    async def namespace_size(self, namespace: NamespaceKey) -> NamespaceSize:
        """Counted: it takes longer the more there is."""
        async with self._database.reading() as view:
            counts = [
                await view.number(
                    f"SELECT count(*) FROM {table} WHERE namespace ="
                    " (SELECT number FROM namespace WHERE key = ?)",
                    (namespace,),
                )
                for table in ("listing", "item")
            ]
        return NamespaceSize(*counts)

    def _tell_wallet(self) -> None:
        for listener in tuple(self._wallet_listeners):
            listener()


def _held(encoded: bytes, noted_us: int, origin: str) -> HeldCapability:
    """It was checked when it came."""
    return HeldCapability(encoded, decode_capability(encoded), noted_us, origin)
