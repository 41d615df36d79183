"""Keys that were used in two places: told in words, and as a proof that anybody can check."""

from crdt.did import encode_did_key
from crdt.equivocation import encode_proof
from crdt.statement import is_statement_class
from node.errors import NotFound
from node.services.revoking import entry_named
from storage.forks import Fork
from storage.store import Store


def fork_warning(fork: Fork) -> str:
    """A root key in two places is the worst that can happen to it; a device's is bad enough."""
    key, first = encode_did_key(fork.key), fork.twins[0].id.hex()[:16]
    if is_statement_class(fork.document.cls):
        words = f"ALARM: {key} signed two statements with the number {fork.seq}"
        then = "its key is used in two places, or stolen. Ask its owner by another way"
    else:
        words = f"{key} signed two changes with the number {fork.seq}"
        then = "this device key is used in two places: a copied home, or a thief"
    return f"{words}: {then}. The proof: panspermia cap proof {first} -o FILE"


async def proof_of(store: Store, text: str) -> bytes:
    """Proof that the entry whose id begins so contradicts another one of its key.

    Raises `NotFound` where none is held that does, `Conflict` (`ambiguous-id`).
    """
    told = await entry_named(store, text)
    twins = await store.twins_of(told.document, told.device, told.seq)
    other = next((one for one in twins if one.change != told.change), None)
    if other is None:
        detail = f"nothing that is held contradicts {text}: its key signed no other change so"
        raise NotFound(detail, code="no-equivocation")
    one, twin = await store.entries(told.document.namespace, (told.id, other.id))
    return encode_proof(one, twin)
