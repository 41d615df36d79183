"""How much room there is for others, and who takes it."""

from typing import Annotated

from msgspec import Meta, Struct

from node.api.endpoint import Call, reads
from node.quotas import Room, show_room
from node.wiring import Node


class TopQuery(Struct, frozen=True):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 10


async def get_quota(node: Node, call: Call[TopQuery, None]) -> Room:
    """The room that authors and peers take, the largest first."""
    return await show_room(node.store, call.query.limit)


ENDPOINTS = (reads("/api/quota", get_quota, Room, query=TopQuery),)
