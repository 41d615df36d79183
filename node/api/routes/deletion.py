"""Deleting modules, and bringing them back."""

import os
from typing import Annotated

from msgspec import Meta, Struct

from node.api.endpoint import Call, writes
from node.api.models import InNamespace, Request
from node.services.deleting import Deleter, delete_module, drop_module, undelete_module
from node.services.namespaces import Keeper
from node.services.places import place_meant
from node.wiring import Node


class Deletion(Request, frozen=True):
    undo: bool = False
    for_good: bool = False
    """Its bytes may go as well: it must be deleted by now."""
    passphrase: Annotated[str, Meta(max_length=1_024)] | None = None
    """Of the root key, for good only."""


class Deleted(Struct, frozen=True):
    module: str
    deleted: bool
    for_good: bool
    entries_dropped: int
    bytes_freed: int


async def delete_one(node: Node, call: Call[InNamespace, Deletion]) -> Deleted:
    """Show a module of one's own to nobody any more, or bring it back, or let its bytes go."""
    place = await place_meant(node.store, call.query.namespace or "commons")
    keeper = Keeper(node.home, node.identity, node.store, os.urandom)
    by = Deleter(keeper, node.signers, place)
    name, body = call.path["id"], call.body
    if body.for_good:
        module, dropped = await drop_module(by, name, body.passphrase)
        return Deleted(str(module), True, True, dropped.entries, dropped.bytes)
    if body.undo:
        return Deleted(str(await undelete_module(by, name)), False, False, 0, 0)
    module = await delete_module(by, name, now_us=node.clock_us())
    return Deleted(str(module), True, False, 0, 0)


ENDPOINTS = (
    writes(
        "/api/modules/{id:module}/deletion", delete_one, Deleted, body=Deletion, query=InNamespace
    ),
)  # fmt: skip
