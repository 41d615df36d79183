"""What this person calls the keys that occur in rights: for `node.words`."""

from crdt.did import decode_did_key
from crdt.keys import COMMONS
from node.identity import Identity
from node.services.names import all_petnames
from node.words import Names
from storage.namespaces import COMMONS_NAME
from storage.store import Store


async def names_here(store: Store, identity: Identity) -> Names:
    """Petnames of authors, names of joined namespaces, and `you` and `this device`."""
    petnames = await all_petnames(store)
    joined = await store.joined()
    return {
        **{decode_did_key(did): name for name, did in sorted(petnames.items(), reverse=True)},
        **{one.namespace: one.name for one in joined},
        COMMONS: COMMONS_NAME,
        identity.author: "you",
        identity.device.public: "this device",
    }
