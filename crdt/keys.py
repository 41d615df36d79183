"""The kinds of public keys, told apart by the type checker. All are 32 Ed25519 bytes."""

from typing import NewType

from blake3 import blake3

KEY_BYTES = 32

AuthorKey = NewType("AuthorKey", bytes)
"""A person's root key; owns a subspace in every namespace."""

DeviceKey = NewType("DeviceKey", bytes)
"""One node's key, delegated by an author; signs, and is the Automerge actor."""

NamespaceKey = NewType("NamespaceKey", bytes)
"""A Willow namespace: one federation of nodes."""


def is_communal(namespace: bytes) -> bool:
    """Whether each author simply owns a subspace, or else the namespace's key grants everything.

    Source: Willow'25, "the least significant bit": the lowest bit of the last byte.
    """
    return namespace[KEY_BYTES - 1] & 1 == 0


def _communal_namespace(name: bytes) -> NamespaceKey:
    """A namespace that nobody has the secret of, the same on every node."""
    digest = blake3(name).digest()
    return NamespaceKey(digest[:-1] + bytes([digest[-1] & 0xFE]))


COMMONS = _communal_namespace(b"panspermia commons")
"""The built-in namespace: anyone writes to their own subspace."""
