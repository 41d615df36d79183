"""Who this node speaks for."""

import asyncio

from msgspec import Struct

from crdt.did import encode_did_key
from node.api.endpoint import Call, reads
from node.api.models import NoQuery
from node.identity import is_author_sealed
from node.wiring import Node


class Device(Struct, frozen=True):
    did: str
    is_this_node: bool
    entries: int
    """Signed by it in this author's name, as far as they are held here."""


class IdentityInfo(Struct, frozen=True):
    did: str
    device: str
    devices: tuple[Device, ...]
    """This node's, then all others that have written for the author."""
    sealed: bool
    fingerprint: str
    """The author's key in groups of four, to compare by voice."""


async def get_identity(node: Node, call: Call[NoQuery, None]) -> IdentityInfo:
    """The author and the device of this node; and the devices that have written for the author."""
    identity = node.identity
    seen = await node.store.devices_of(identity.author)
    devices = {encode_did_key(one.device): one.entries for one in seen}
    own = Device(identity.device_did, True, devices.pop(identity.device_did, 0))
    return IdentityInfo(
        did=identity.did,
        device=identity.device_did,
        devices=(own, *(Device(did, False, entries) for did, entries in devices.items())),
        sealed=await asyncio.to_thread(is_author_sealed, node.home),
        fingerprint=identity.fingerprint,
    )


ENDPOINTS = (reads("/api/identity", get_identity, IdentityInfo),)
