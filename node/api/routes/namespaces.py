"""Namespaces: those this node takes part in, and the capabilities it was given."""

import os
from typing import Annotated, Literal

from msgspec import Meta, Struct
from starlette.responses import Response

from crdt.capability import READ
from crdt.did import encode_did_key
from crdt.errors import Malformed
from crdt.keys import is_communal
from crdt.path import shown
from node.api.endpoint import Call, deletes, reads, writes
from node.api.models import Did, NoQuery, Request
from node.services.ages import age_of
from node.services.namespaces import (
    Keeper,
    create_namespace,
    join_namespace,
    keep_given,
    leave_namespace,
    may_publish,
    rights_in,
)
from node.services.places import place_text
from node.wiring import Node
from registry.listed import rfc3339
from storage.namespaces import HeldCapability, Joined

Passphrase = Annotated[str, Meta(min_length=1, max_length=1_024)]
PATH = "/api/namespaces/{namespace:rest}"


class NamespaceItem(Struct, frozen=True):
    name: str
    """What it is called here; other people may call it otherwise."""
    did: str
    kind: Literal["communal", "owned"]
    rights: str
    """What this device may do there, in words."""
    can_publish: bool
    """Whether genomes, seeds and the like of this author's may be published there from here."""
    records: int
    entries: int
    peers: int
    """Connected now, and sharing it."""
    joined_at: str | None
    """None for commons, which is joined from the start."""
    authority_age_s: float | None
    """Since the namespace's key last said who may do what, by its claim; None: it never did."""
    authority_compared_s: float | None
    """Since such statements were last compared with a peer; None: not since the start."""


class Namespaces(Struct, frozen=True):
    namespaces: tuple[NamespaceItem, ...]


class NewNamespace(Request, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=64)]
    did: Did | None = None
    """Join that one, instead of making a new one."""
    passphrase: Passphrase | None = None
    """Opens the author's key, where it is sealed; a new namespace's key is sealed by it too."""


class NewCapability(Request, frozen=True):
    capability: Annotated[str, Meta(pattern="^[0-9a-f]+$", max_length=16_384)]
    """Hex, as it was given."""
    passphrase: Passphrase | None = None


class CapabilityItem(Struct, frozen=True):
    digest: str
    namespace: str
    mode: Literal["read", "write"]
    receiver: str
    subspace: str | None
    """None: of every author."""
    path: str
    origin: str
    kept_at: str


class Capabilities(Struct, frozen=True):
    capabilities: tuple[CapabilityItem, ...]


async def list_namespaces(node: Node, call: Call[NoQuery, None]) -> Namespaces:
    """The namespaces this node takes part in: commons, then the others by name."""
    joined = await node.store.joined()
    return Namespaces(tuple([await _shown(node, one) for one in joined]))


async def add_namespace(node: Node, call: Call[NoQuery, NewNamespace]) -> NamespaceItem:
    """Make a namespace of one's own; or, with `did`, join one that exists."""
    body, keeper = call.body, _keeper(node)
    if body.did is None:
        joined = await create_namespace(keeper, body.name, body.passphrase)
    else:
        joined = await join_namespace(keeper, body.did, body.name, body.passphrase)
    return await _shown(node, joined)


async def remove_namespace(node: Node, call: Call[NoQuery, None]) -> Response:
    """Leave it. What is held of it stays here, and so do its capabilities and its key.

    Blobs that were kept because its records name them go first where room is needed, and with the
    next collection.
    """
    await leave_namespace(_keeper(node), call.path["namespace"])
    return Response(status_code=204)


async def add_capability(node: Node, call: Call[NoQuery, NewCapability]) -> Capabilities:
    """Keep a capability for this author or device; the author's is handed on to this device."""
    try:
        encoded = bytes.fromhex(call.body.capability)
    except ValueError as error:
        raise Malformed("truncated", "an odd number of hex digits") from error
    held = await keep_given(_keeper(node), encoded, "given", call.body.passphrase)
    return Capabilities(tuple(map(_shown_capability, held)))


def _keeper(node: Node) -> Keeper:
    return Keeper(node.home, node.identity, node.store, os.urandom)


async def _shown(node: Node, joined: Joined) -> NamespaceItem:
    key = joined.namespace
    size = await node.store.namespace_size(key)
    age = await age_of(node.store, node.network, key, node.clock_us())
    return NamespaceItem(
        name=joined.name,
        did=encode_did_key(key),
        kind="communal" if is_communal(key) else "owned",
        rights=await rights_in(_keeper(node), key, now_us=node.clock_us()),
        can_publish=await may_publish(_keeper(node), key, now_us=node.clock_us()),
        records=size.records,
        entries=size.entries,
        peers=node.network.sharing(key),
        joined_at=rfc3339(joined.joined_us) if joined.joined_us else None,
        authority_age_s=age.said_s,
        authority_compared_s=age.compared_s,
    )


def _shown_capability(held: HeldCapability) -> CapabilityItem:
    area = held.capability.granted_area
    return CapabilityItem(
        digest=held.digest.hex(),
        namespace=place_text(held.namespace),
        mode="read" if held.capability.mode == READ else "write",
        receiver=encode_did_key(held.receiver),
        subspace=encode_did_key(area.subspace) if area.subspace else None,
        path=shown(area.path),
        origin=held.origin,
        kept_at=rfc3339(held.noted_us),
    )


ENDPOINTS = (
    reads("/api/namespaces", list_namespaces, Namespaces),
    writes(
        "/api/namespaces", add_namespace, NamespaceItem, body=NewNamespace, status=201,
        problems=(507,),
    ),
    deletes(PATH, remove_namespace),
    writes(
        "/api/capabilities", add_capability, Capabilities, body=NewCapability, status=201,
        problems=(507,),
    ),
)  # fmt: skip
