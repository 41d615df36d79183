"""How this node stands by what was said: what its status tells of it.

The status is asked again and again, and nearly always nothing was said meanwhile; so this is worked
out once for each state of statements, wallet and names (`Counts.standing`).
"""

from dataclasses import dataclass

from crdt.keys import NamespaceKey
from node.identity import Identity
from node.ports import Network
from node.services.ages import Age, keys_that_matter, said_at
from node.services.devices import ends_of_this_device
from storage.forks import Fork
from storage.namespaces import Joined
from storage.store import Store


@dataclass(frozen=True, slots=True)
class Standing:
    """By all that is held."""

    joined: tuple[tuple[Joined, int | None], ...]
    """With when the owner last said something, in Unix microseconds; None where they never did."""
    forks: tuple[Fork, ...]
    """Keys in two places, of those that matter here."""
    ended: tuple[NamespaceKey, ...]
    """Where this device may not write or read any more."""

    def ages(self, network: Network, now_us: int) -> list[tuple[Joined, Age]]:
        """How old that is by now."""
        return [
            (one, Age.of(said_us, now_us, network.compared_s(one.namespace)))
            for one, said_us in self.joined
        ]

    def name_of(self, namespace: NamespaceKey) -> str | None:
        """What this person calls it; None for one that was left."""
        return next((one.name for one, _ in self.joined if one.namespace == namespace), None)


class Standings:
    """Keeps the newest one."""

    def __init__(self, store: Store, identity: Identity) -> None:
        self._store = store
        self._identity = identity
        self._newest: tuple[int, Standing] | None = None

    async def at(self, version: int) -> Standing:
        """Never older than `version`, which is one of `Counts.standing`."""
        if self._newest is None or self._newest[0] != version:
            self._newest = (version, await self._read())
        return self._newest[1]

    async def _read(self) -> Standing:
        store = self._store
        return Standing(
            tuple([(one, await said_at(store, one.namespace)) for one in await store.joined()]),
            tuple(await store.forks(await keys_that_matter(store, self._identity.author))),
            tuple(await ends_of_this_device(store, self._identity)),
        )
