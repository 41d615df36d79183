"""Which namespace is meant: `commons`, what this person calls a joined one, or its did:key."""

from collections.abc import Sequence

from crdt.did import decode_did_key, encode_did_key
from crdt.keys import COMMONS, NamespaceKey
from node.errors import NotFound
from registry.names import is_did
from storage.namespaces import COMMONS_NAME
from storage.store import Store


def place_text(namespace: NamespaceKey) -> str:
    """As programs read it: `commons`, or the did:key."""
    return COMMONS_NAME if namespace == COMMONS else encode_did_key(namespace)


def place_of(text: str) -> NamespaceKey:
    """What `place_text` gave."""
    return COMMONS if text == COMMONS_NAME else NamespaceKey(decode_did_key(text))


async def place_meant(store: Store, text: str) -> NamespaceKey:
    """A joined one. Raises `NotFound` (`unknown-namespace`) for any other, and `Malformed`."""
    joined = await store.joined()
    wanted = decode_did_key(text) if is_did(text) else None
    for one in joined:
        if one.namespace == wanted or (wanted is None and one.name == text):
            return one.namespace
    names = ", ".join(one.name for one in joined)
    detail = (
        f"no namespace {text!r} is joined here; those that are: {names}."
        " `panspermia namespace join` joins another"
    )
    raise NotFound(detail, code="unknown-namespace")


async def places_meant(store: Store, text: str | None) -> Sequence[NamespaceKey]:
    """The one that is meant, or all that are joined. Raises as `place_meant`."""
    if text is not None:
        return [await place_meant(store, text)]
    return [one.namespace for one in await store.joined()]
