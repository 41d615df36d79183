"""How old is what is known of who may do what: nothing says that no revocation was withheld.

The age of a namespace is that of the newest statement of its own key, by that key's claim; whoever
looks after one sends a heartbeat now and then. A communal namespace has no such key.
"""

from dataclasses import dataclass
from typing import Final

from crdt.did import decode_did_key
from crdt.keys import AuthorKey, NamespaceKey, is_communal
from node.ports import Network
from node.services.names import all_petnames
from node.text import duration_text
from storage.namespaces import Joined
from storage.store import Store

OLD_S: Final = 30 * 86_400.0
"""Without a word for so long, the key may be lost, or its word may not come through."""


@dataclass(frozen=True, slots=True)
class Age:
    """Of what is known of one namespace, in seconds; None: nothing was ever said, or compared."""

    said_s: float | None
    compared_s: float | None

    @classmethod
    def of(cls, said_us: int | None, now_us: int, compared_s: float | None) -> "Age":
        said_s = None if said_us is None else max(0.0, (now_us - said_us) / 1_000_000)
        return cls(said_s, compared_s)


async def said_at(store: Store, namespace: NamespaceKey) -> int | None:
    """When its key last said something, by its own claim, in Unix microseconds."""
    return None if is_communal(namespace) else await store.last_said_us(namespace, namespace)


async def age_of(store: Store, network: Network, namespace: NamespaceKey, now_us: int) -> Age:
    """By the claim of the namespace's key, and by this node's own clock."""
    return Age.of(await said_at(store, namespace), now_us, network.compared_s(namespace))


def age_warning(joined: Joined, age: Age) -> str | None:
    """None where all is well."""
    if age.said_s is None or age.said_s < OLD_S:
        return None
    return (
        f"the owner of the namespace {joined.name} last said who may do what"
        f" {duration_text(age.said_s)} ago; whoever owns it: panspermia cap heartbeat"
        f" --namespace {joined.name}"
    )


async def keys_that_matter(store: Store, author: AuthorKey) -> set[bytes]:
    """Root keys in whose statements this person has a part: their own, those of authors with a
    name here, of joined namespaces, and those that gave this node a right.
    """
    petnames = await all_petnames(store)
    keys = {bytes(author), *map(decode_did_key, petnames.values())}
    keys |= {one.namespace for one in await store.joined()}
    for held in await store.capabilities_held():
        keys |= set(held.capability.chain[:-1])
    return keys
