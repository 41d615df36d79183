"""Whom this person never wants to hear from: authors, or single devices of theirs."""

from crdt.did import decode_did_key
from crdt.keys import AuthorKey
from node.errors import Conflict, NotFound
from node.identity import Identity
from node.ports import Network
from node.services.names import author_meant
from storage.blocked import Blocked
from storage.store import Store


async def block(
    store: Store, network: Network, identity: Identity, who: str, reason: str
) -> Blocked:
    """Refuses what `who` wrote from now on, and ends the sessions with whoever speaks for it.

    What is held of it stays. Raises `InvalidName`, `UnknownPetname`, `OverQuota`, or `Conflict`
    where it is this node's own author or device.
    """
    key = await key_meant(store, who)
    if key in (identity.author, identity.device.public):
        raise Conflict("that is this node's own key: nobody blocks himself", code="blocks-itself")
    one = await store.block(key, reason)
    network.drop_blocked()
    return one


async def unblock(store: Store, network: Network, who: str) -> None:
    """Raises `InvalidName`, `UnknownPetname`, or `NotFound` where it is not blocked."""
    if not await store.unblock(await key_meant(store, who)):
        raise NotFound(f"{who} is not blocked; see `panspermia block --list`", code="not-blocked")
    network.hurry()


async def key_meant(store: Store, who: str) -> AuthorKey:
    """By did:key, of an author or a device, or by this person's name for the author."""
    return AuthorKey(decode_did_key(await author_meant(store, who)))
