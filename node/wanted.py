"""Whom this node looks for at its relays: a bounded number in each round.

    always              this person's own devices, whoever has a name here, devices of known peers
    while few are here  members of the namespaces that were joined, other ones in each round

Of commons nobody is looked for: everybody is in it. A relay learns of whom it is asked, and never
why; docs/decisions/0054.
"""

from collections.abc import Collection, Sequence
from typing import Final

from crdt.did import decode_did_key
from crdt.keys import COMMONS, AuthorKey
from node.identity import Identity
from node.services.names import all_petnames
from storage.store import Store

WANTED_MAX: Final = 128  # authors and devices in one round
MEMBERS_MAX: Final = 32  # of these, members whom nobody named
KNOWN_MEMBERS_MAX: Final = 1_024  # in all namespaces; those who wrote most


class Wanted:
    """Remembers whose turn it is."""

    def __init__(self, identity: Identity, store: Store) -> None:
        self._identity = identity
        self._store = store
        self._turn = 0

    async def of_this_round(
        self, here: Collection[bytes], *, has_room: bool
    ) -> Sequence[tuple[bytes, bool]]:
        """(key, whether it is an author's); `here`: the authors that are connected.

        `has_room`: whether whoever is in a namespace with this node would be talked to.
        """
        authors = {bytes(self._identity.author): True}
        for did in (await all_petnames(self._store)).values():
            authors[decode_did_key(did)] = True
        known = await self._store.known_peers(WANTED_MAX)
        devices = {bytes(one.device): False for one in known if one.device is not None}
        wanted = authors | devices
        if has_room:
            strangers = [
                one for one in await self._members() if one not in wanted and one not in here
            ]
            wanted |= dict.fromkeys(self._next(strangers), True)
        return list(wanted.items())[:WANTED_MAX]

    async def _members(self) -> Sequence[AuthorKey]:
        """Authors who wrote in a namespace that this node takes part in, but for commons."""
        joined = [one.namespace for one in await self._store.joined()]
        places = [one for one in joined if one != COMMONS]
        found = await self._store.authors_in(places, KNOWN_MEMBERS_MAX)
        return [one for one in found if not self._store.is_blocked(one)]

    def _next(self, members: Sequence[AuthorKey]) -> Sequence[AuthorKey]:
        """As many as one round takes, from where the last one ended."""
        if not members:
            return ()
        begin = self._turn % len(members)
        taken = [*members[begin:], *members[:begin]][:MEMBERS_MAX]
        self._turn = begin + len(taken)
        return taken
