"""The root keys of this home, and under which right each speaks in a namespace.

An author's key speaks for itself in every communal namespace, and in an owned one where it was let
in; the key of a namespace that was made here speaks for all of it. Both lie sealed or plain in the
home, are opened for one act, and are not kept.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from crdt.capability import WRITE, encode_capability, own
from crdt.change import DocumentId, Signer, log_of
from crdt.did import encode_did_key
from crdt.ed25519 import SigningKey
from crdt.keys import AuthorKey, NamespaceKey, is_communal
from crdt.path import AUTHORITY
from node.errors import NotAllowed
from node.home import Home
from node.identity import open_author, open_namespace_key
from node.services.namespaces import OWN, Keeper
from node.services.rights import right_to_speak

GIVEN: Final = "granted"
"""How what this node gave to others came into its wallet."""


@dataclass(frozen=True, slots=True)
class Root:
    """A key that may speak under `/_auth` of its subspace in `namespace`."""

    key: AuthorKey
    namespace: NamespaceKey
    right: bytes
    """The capability, encoded."""

    @property
    def log(self) -> DocumentId:
        return log_of(self.namespace, self.key, AUTHORITY)

    @property
    def is_namespaces(self) -> bool:
        """Whether it is the key of the namespace itself."""
        return bytes(self.key) == self.namespace


def holds_namespace_key(home: Home, namespace: NamespaceKey) -> bool:
    """Whether the namespace was made here."""
    return home.namespace_key(namespace).is_file()


async def roots_in(node: Keeper, namespace: NamespaceKey, passphrase: str | None) -> list[Root]:
    """Those of this home that may speak there, the one with the longest reach first.

    Raises `BadIdentity` where a key has to be opened for it and does not open.
    """
    found: list[Root] = []
    if not is_communal(namespace) and holds_namespace_key(node.home, namespace):
        found.append(await _of_namespace(node, namespace, passphrase))
    author = node.identity.author
    if right := await right_to_speak(node.store, author, namespace):
        found.append(Root(author, namespace, right))
    return found


async def root_in(node: Keeper, namespace: NamespaceKey, passphrase: str | None) -> Root:
    """The first of them. Raises `NotAllowed` (`no-capability`) where there is none."""
    for root in await roots_in(node, namespace, passphrase):
        return root
    author, place = node.identity.did, encode_did_key(namespace)
    detail = (
        f"neither this author nor a key of this home may say who may do what in the namespace"
        f" {place}. An admin of it can, and can let you take back what you passed on:"
        f" panspermia cap grant {author} --area {author}/_auth --write --namespace {place}"
    )
    raise NotAllowed(detail, code="no-capability")


async def open_root(node: Keeper, root: Root, passphrase: str | None) -> Signer:
    """Its hand; not to be kept. Raises `BadIdentity` (`sealed`, `wrong-passphrase`)."""
    key = await open_key(node.home, root.key, root.namespace, passphrase)
    return Signer(key, root.key, {AUTHORITY: root.right})


async def open_key(
    home: Home, key: bytes, namespace: NamespaceKey, passphrase: str | None
) -> SigningKey:
    """The secret of the namespace's key, or else of the author's. Raises `BadIdentity`."""
    if key == namespace:
        return await asyncio.to_thread(open_namespace_key, home, namespace, passphrase)
    return await asyncio.to_thread(open_author, home, passphrase)


async def _of_namespace(node: Keeper, namespace: NamespaceKey, passphrase: str | None) -> Root:
    """The right of the namespace's key is made once, and kept: to look needs no secret then."""
    for held in await node.store.capabilities_held(namespace, receiver=namespace, mode=WRITE):
        if not held.capability.delegations:
            return Root(AuthorKey(namespace), namespace, held.encoded)
    secret = await open_key(node.home, namespace, namespace, passphrase)
    right = encode_capability(own(secret, WRITE, secret.public))
    await node.store.keep_capability(right, OWN)
    return Root(AuthorKey(namespace), namespace, right)
