"""Who this node speaks for."""

from node.api.endpoint import Call, reads
from node.api.models import IdentityInfo, NoQuery
from node.wiring import Node


async def get_identity(node: Node, call: Call[NoQuery, None]) -> IdentityInfo:
    """The author and the device of this node."""
    identity = node.identity
    return IdentityInfo(
        did=identity.did,
        device=identity.device_did,
        devices=(identity.device_did,),
        sealed=identity.is_sealed,
        fingerprint=identity.fingerprint,
    )


ENDPOINTS = (reads("/api/identity", get_identity, IdentityInfo),)
